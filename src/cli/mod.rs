//! The commands.

pub mod check;
pub mod report;
pub mod test;
