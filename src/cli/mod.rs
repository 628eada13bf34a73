//! The commands.

pub mod report;
pub mod drive;
pub mod events;
pub mod explain;
pub mod terminal;
