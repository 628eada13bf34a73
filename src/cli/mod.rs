//! The commands.

pub mod report;
