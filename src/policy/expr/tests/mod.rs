//! Tests of the expression engine as its users see it.

mod builtins;
mod conformance;
mod errors;
mod explain;
mod history;
mod hostile;
mod json_path;
mod oracle;

use std::sync::Arc;
use std::time::Duration;

use super::{EvalError, EvalErrorKind, ExprError, Program, Site, compile};
use crate::clock::Now;
use crate::json::Document;
use crate::policy::history::{Captured, History, Step};
use crate::policy::view::{CallView, Caller, Effect, Env, Labels, RunView, ToolFacts};

/// A call to evaluate expressions on.
pub struct World {
    pub args: Document,
    pub tool: ToolFacts,
    pub caller: Caller,
    pub history: History,
    pub prior: Option<Step>,
    pub labels: Labels,
    pub calls: u64,
    pub intended: Option<bool>,
    pub model: Option<&'static str>,
    pub now: Now,
}

impl World {
    pub fn new(args: &str) -> Self {
        Self {
            args: Document::from_text(args).unwrap(),
            tool: ToolFacts {
                name: "payments.refund".into(),
                server: "payments".into(),
                operation: "refund".into(),
                tags: Arc::from(["money".into(), "egress".into()]),
                effect: Effect::Write,
                version: "".into(),
            },
            caller: Caller {
                tenant: "acme".into(),
                project: "".into(),
                user: "ann".into(),
                agent: "support".into(),
            },
            history: History::default(),
            prior: None,
            labels: [("team", "refunds"), ("tier", "2")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            calls: 7,
            intended: None,
            model: None,
            // 2026-03-04T05:06:07.089Z, a Wednesday, an hour after the run began.
            now: Now { mono: Duration::from_secs(3_600), wall_ms: 1_772_600_767_089 },
        }
    }

    pub fn env(&self) -> Env<'_> {
        Env {
            call: CallView {
                args: self.args.root(),
                args_bytes: 321,
                protocol: "http",
                method: "POST",
                path: "/refunds",
                step: 8,
                intended: self.intended,
                model: self.model,
                tool: &self.tool,
                caller: &self.caller,
            },
            run: RunView {
                id: "run-1",
                age: Duration::from_secs(3_600),
                calls: self.calls,
                errors: 1,
                denials: 2,
                tokens: 0,
                cost_usd: crate::policy::amount::Usd::ZERO,
                labels: &self.labels,
                history: &self.history,
            },
            prior: self.prior.as_ref(),
            answer: None,
            now: self.now,
        }
    }

    pub fn bool(&self, source: &str) -> Result<bool, EvalError> {
        let site = if self.prior.is_some() { Site::Where } else { Site::Rule };
        program(source, site).eval_bool(&self.env())
    }

    pub fn text(&self, source: &str) -> Result<String, EvalError> {
        program(source, Site::Message).eval_text(&self.env())
    }
}

/// Compiles, or says why not.
pub fn program(source: &str, site: Site) -> Program {
    compile(source, site).unwrap_or_else(|errors| panic!("{source}: {errors:#?}"))
}

/// What is wrong with an expression of a rule: code, the text pointed at, message, help.
pub fn faults(source: &str, site: Site) -> Vec<(&'static str, String, String, String)> {
    let errors: Vec<ExprError> = compile(source, site).err().unwrap_or_default();
    let described = errors.into_iter().map(|error| {
        let at = source
            .get(error.span.clone())
            .unwrap_or_else(|| panic!("{source}: no place {:?}", error.span));
        (error.code, at.to_owned(), error.message, error.help.unwrap_or_default())
    });
    described.collect()
}

/// An ended call that succeeded, with values remembered of it.
pub fn step(tool: &str, ended_secs: u64, captured: &[(&str, Option<&str>)]) -> Step {
    Step {
        tool: tool.into(),
        ended: Duration::from_secs(ended_secs),
        succeeded: true,
        call_key: 0,
        result_key: 0,
        captured: captured
            .iter()
            .map(|(path, value)| Captured {
                path: (*path).into(),
                value: value.map(|value| Document::from_text(value).unwrap()),
            })
            .collect(),
    }
}

/// The kind of error an expression ends with.
pub fn kind(outcome: Result<bool, EvalError>) -> EvalErrorKind {
    outcome.expect_err("an error").kind
}

#[test]
fn programs_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + std::fmt::Debug>() {}
    shared::<Program>();
}
