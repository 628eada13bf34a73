//! The built gate, as its users meet it: scripted agents on one side, scripted tools on the other.
//!
//! Each tool keeps a ledger of everything that reached it. It is the judge: what the gate refused
//! must not stand there, whatever the gate says of itself.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what is not as expected fails the test"
)]

mod harness;

mod admin;
mod alias;
mod approvals;
mod canaries;
mod contracts;
mod costs;
mod drift;
mod evaluate;
mod exec;
mod export;
mod exporter;
mod faults;
mod input;
mod intent;
mod kill;
mod limits;
mod llm;
mod mcp;
mod metrics;
mod minted_runs;
mod operate;
mod record;
mod reload;
mod resilience;
mod results;
mod rules;
mod run_id;
mod slow;
mod span_tree;
mod startup;
mod stdio;
mod stdio_front;
mod stdio_host;
mod stops;
mod streaming;
mod tls;
mod tracesafe;
mod tracing;
