//! The commands, one file each.

pub mod check;
pub mod init;
pub mod report;
mod root;
pub mod run;
pub mod schema;
pub mod test;

pub use self::root::main;
