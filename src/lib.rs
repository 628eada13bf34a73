//! Toolgate: a sidecar gate between an AI agent and its tools.
//!
//! Modules stand in reading order: what a call is, how it is identified, judged, forwarded,
//! classified and recorded. ARCHITECTURE.md tells the story with file names.
#![doc = include_str!("../ARCHITECTURE.md")]

pub mod clock;
pub mod weaken;

pub mod json;
pub mod yaml;

pub mod contract;
pub mod policy;

pub mod baseline;
pub mod call;

pub mod identify;
pub mod ledger;
pub mod protocol;

pub mod guard;

pub mod stdio;

pub mod forward;

pub mod classify;
pub mod evaluate;

pub mod record;
pub mod respond;
pub mod review;

pub mod config;
pub mod snapshot;

pub mod pipeline;

pub mod admin;
pub mod rehearse;
pub mod reload;
pub mod server;

pub mod cli;
