//! The commands, one file each.

pub mod check;
pub mod report;
pub mod test;
