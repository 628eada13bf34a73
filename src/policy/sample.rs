//! A made-up call for the tests of this module.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::json::Document;
use crate::policy::history::{Captured, History, Step};
use crate::policy::view::{CallView, Caller, Effect, Env, NO_LABELS, RunView, ToolFacts};

/// Everything a view of a call borrows from.
pub(crate) struct Sample {
    pub tool: ToolFacts,
    pub args: Document,
    pub caller: Caller,
    pub history: History,
    pub now: Now,
}

/// Facts of a tool without tags that writes.
pub(crate) fn tool(name: &str) -> ToolFacts {
    let (server, operation) = name.split_once('.').unwrap();
    ToolFacts {
        name: Arc::from(name),
        server: Arc::from(server),
        operation: Arc::from(operation),
        tags: Arc::from([]),
        effect: Effect::Write,
        version: Arc::from(""),
    }
}

impl Sample {
    pub fn new(name: &str, args: &str) -> Self {
        Self {
            tool: tool(name),
            args: Document::from_text(args).unwrap(),
            caller: Caller::default(),
            history: History::default(),
            now: Now { mono: Duration::from_secs(3_600), wall_ms: 1_767_614_400_000 },
        }
    }

    /// Remembers an earlier call that ended so long ago.
    pub fn step(&mut self, name: &str, ago: Duration, succeeded: bool, captured: &[(&str, &str)]) {
        let captured = captured.iter().map(|(path, json)| Captured {
            path: Arc::from(*path),
            value: Some(Document::from_text(json).unwrap()),
        });
        self.history.push(Step {
            tool: Arc::from(name),
            ended: self.now.mono - ago,
            succeeded,
            call_key: 0,
            result_key: 0,
            captured: captured.collect(),
        });
    }

    pub fn env(&self) -> Env<'_> {
        Env {
            call: CallView {
                args: self.args.root(),
                args_bytes: 2,
                protocol: "http",
                method: "POST",
                path: "/",
                step: 1,
                intended: None,
                model: None,
                tool: &self.tool,
                caller: &self.caller,
            },
            run: RunView {
                id: "r",
                age: Duration::ZERO,
                calls: 0,
                errors: 0,
                denials: 0,
                tokens: 0,
                cost_usd: crate::policy::amount::Usd::ZERO,
                labels: &NO_LABELS,
                history: &self.history,
            },
            prior: None,
            answer: None,
            now: self.now,
        }
    }
}
