//! The commands, one file each.

pub mod approvals;
pub mod check;
pub mod drive;
pub mod events;
pub mod exec;
pub mod explain;
pub mod init;
pub mod kill;
mod operate;
mod pins;
pub mod report;
mod root;
pub mod run;
pub mod schema;
mod serving;
pub mod terminal;
pub mod test;
mod unknown;

pub use self::root::main;
