//! The commands, one file each.

pub mod check;
pub mod report;
mod root;
pub mod run;
pub mod test;

pub use self::root::main;
