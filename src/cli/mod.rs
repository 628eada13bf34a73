//! The commands, one file each.

pub mod check;
pub mod init;
pub mod report;
pub mod schema;
pub mod test;
