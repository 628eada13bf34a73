//! Toolgate: a sidecar gate between an AI agent and its tools.
//!
//! Modules stand in reading order: what a call is, how it is identified, judged, forwarded,
//! classified and recorded. ARCHITECTURE.md tells the story with file names.

pub mod clock;
pub mod json;
pub mod yaml;

pub mod policy;

pub mod call;

pub mod config;
