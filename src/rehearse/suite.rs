//! A test file, checked and made ready to be played.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::expect::Expected;
use super::files::{self, Wanted};
use super::raw::{RawCaller, RawEffect, RawError, RawPolicyTest, RawStep, RawTest, RawTool, SHAPE};
use super::{codes, folder};
use crate::call::Status;
use crate::json;
use crate::ledger::Sizes;
use crate::policy::amount::Usd;
use crate::policy::compile::{Catalogue, compile};
use crate::policy::set::PolicySet;
use crate::policy::view::{Caller, Effect, Labels, ToolFacts};
use crate::yaml::{self, Diagnostic, Field, Severity, Source, Span};

/// When a run begins unless the file says otherwise: 2026-01-05T12:00:00Z, a Monday.
const START_MS: i64 = 1_767_614_400_000;
/// Most repetitions of one step.
const REPEAT_LIMIT: u32 = 10_000;
/// The first status that means failure (RFC 9110, section 15.5).
const FAILURE_STATUS: u16 = 400;

/// A test file and its policies.
pub(super) struct Suite {
    pub source: Arc<Source>,
    pub set: PolicySet,
    pub tests: Vec<Test>,
}

/// One run.
pub(super) struct Test {
    pub name: String,
    pub caller: Caller,
    pub labels: Labels,
    /// Milliseconds since the Unix epoch.
    pub start_ms: i64,
    pub steps: Vec<Step>,
}

/// One call, or the same call several times.
pub(super) struct Step {
    /// The tool's name in the file.
    pub span: Span,
    pub tool: Arc<ToolFacts>,
    pub args: json::Document,
    /// The arguments as JSON.
    pub text: String,
    pub advance: Duration,
    pub repeat: u32,
    /// What the call costs and how many tokens it uses, reserved and settled alike.
    pub sizes: Sizes,
    pub answer: Answer,
    pub expected: Expected,
}

/// How the tool answers.
pub(super) struct Answer {
    pub status: Status,
    pub http_status: u16,
    /// `None` when there is no answer.
    pub body: Option<Bytes>,
}

impl Suite {
    /// Reads and checks a test file and the policies it names.
    ///
    /// # Errors
    /// Every fault of the file; those of its policies when the file itself has none.
    pub fn load(
        source: &Arc<Source>,
        catalogue: Option<&Catalogue>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        let Some(raw) = yaml::read_shaped::<RawPolicyTest>(source, SHAPE, &mut faults) else {
            return Err(faults);
        };
        let set = policies(source, &raw)?;
        let mut loader = Loader { source, catalogue, set: &set, tools: &raw, faults };
        let tests = loader.tests(&raw);
        let mut faults = loader.faults;
        faults.sort_by_key(|fault| fault.span.start);
        if faults.is_empty() {
            Ok(Self { source: source.clone(), set, tests })
        } else {
            Err(faults)
        }
    }
}

fn policies(source: &Arc<Source>, raw: &RawPolicyTest) -> Result<PolicySet, Vec<Diagnostic>> {
    if raw.policies.value.is_empty() {
        let fault = Diagnostic::error(codes::EMPTY, "a test needs policies to test");
        return Err(vec![fault.at(source, raw.policies.span)]);
    }
    let mut faults = Vec::new();
    let mut sources = Vec::new();
    for path in &raw.policies.value {
        let full: PathBuf = folder(source).join(&path.value);
        let before = faults.len();
        sources.extend(files::read_all(&[full], Wanted::Policies, &mut faults));
        for fault in faults.iter_mut().skip(before) {
            *fault = fault.clone().at(source, path.span);
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    // Tool names are not checked here: a test shows the policies alone. `check` does.
    match compile(&sources, None) {
        Ok((set, _)) => Ok(set),
        Err(mut faults) => {
            faults.retain(|fault| fault.severity == Severity::Error);
            Err(faults)
        }
    }
}

pub(super) struct Loader<'l> {
    pub source: &'l Arc<Source>,
    catalogue: Option<&'l Catalogue>,
    set: &'l PolicySet,
    tools: &'l RawPolicyTest,
    pub faults: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn tests(&mut self, raw: &RawPolicyTest) -> Vec<Test> {
        if raw.tests.is_empty() {
            self.fault(codes::EMPTY, "this file has no tests", Span::default());
        }
        let mut names = BTreeSet::new();
        for test in &raw.tests {
            if !names.insert(&test.name.value) {
                let message = format!("the test `{}` stands twice", test.name.value);
                self.fault(codes::DUPLICATE, message, test.name.span);
            }
        }
        raw.tests.iter().map(|test| self.test(raw, test)).collect()
    }

    fn test(&mut self, file: &RawPolicyTest, raw: &RawTest) -> Test {
        if raw.steps.value.is_empty() {
            self.fault(codes::EMPTY, "this test has no steps", raw.name.span);
        } else if raw.steps.value.iter().all(|step| step.value.expect.is_none()) {
            self.fault(codes::EMPTY, "this test expects nothing", raw.name.span);
        }
        Test {
            name: raw.name.value.clone(),
            caller: caller(raw.caller.as_ref().unwrap_or(&file.caller)),
            labels: raw.labels.clone(),
            start_ms: raw.now.or(file.now).map_or(START_MS, |now| now.0),
            steps: raw.steps.value.iter().filter_map(|step| self.step(&step.value)).collect(),
        }
    }

    fn step(&mut self, raw: &RawStep) -> Option<Step> {
        let repeat = raw.repeat.map_or(1, |repeat| repeat.value);
        if let Some(field) = raw.repeat.filter(|field| !(1..=REPEAT_LIMIT).contains(&field.value)) {
            let message = format!("a step can be repeated 1 to {REPEAT_LIMIT} times");
            self.fault(codes::CONTRADICTION, message, field.span);
        }
        let answer = self.answer(raw);
        let expected = self.expected(raw);
        let text = serde_json::to_string(&raw.args).unwrap_or_default();
        let args = match json::Document::from_text(&text) {
            Ok(args) => args,
            Err(error) => {
                self.fault(codes::CONTRADICTION, format!("no arguments: {error}"), raw.call.span);
                return None;
            }
        };
        Some(Step {
            span: raw.call.span,
            tool: Arc::new(self.tool(&raw.call.value)),
            args,
            text,
            advance: raw.advance.map_or(Duration::ZERO, |advance| advance.0),
            repeat,
            sizes: self.sizes(raw),
            answer,
            expected,
        })
    }

    fn sizes(&mut self, raw: &RawStep) -> Sizes {
        let cost = raw.cost_usd.as_ref().and_then(|text| {
            let read = Usd::parse(&text.value);
            read.map_err(|fault| self.fault(codes::CONTRADICTION, fault.message, text.span)).ok()
        });
        Sizes { cost: cost.unwrap_or_default(), tokens: raw.tokens.unwrap_or_default() }
    }

    fn answer(&mut self, raw: &RawStep) -> Answer {
        if let (Some(error), true) = (raw.error, raw.result.is_some() || raw.status.is_some()) {
            let message = "a call that fails with `error` has neither `status` nor `result`";
            self.fault(codes::CONTRADICTION, message, error.span);
        }
        let status = match raw.error.map(|error| error.value) {
            Some(RawError::Timeout) => Status::Timeout,
            Some(RawError::Connect | RawError::MalformedResponse) => Status::Error,
            None if raw.status.is_some_and(|status| status.value >= FAILURE_STATUS) => {
                Status::Error
            }
            None => Status::Ok,
        };
        let body =
            raw.result.as_ref().map_or_else(|| "{}".to_owned(), |result| result.value.to_string());
        let http_status = raw.status.map_or(200, |status| status.value);
        Answer { status, http_status, body: raw.error.is_none().then(|| Bytes::from(body)) }
    }

    /// What is known of a tool: what the file says, else what the config says, else nothing.
    fn tool(&self, name: &str) -> ToolFacts {
        let listed = self.tools.tools.iter().find(|(listed, _)| listed.value == name);
        let known = self.catalogue.and_then(|catalogue| {
            catalogue.tools.iter().find(|tool| tool.name.as_ref() == name).cloned()
        });
        match (listed, known) {
            (None, Some(known)) => known,
            (Some((_, raw)), _) => facts(name, raw),
            (None, None) => facts(name, &RawTool::default()),
        }
    }

    /// Checks that a rule or limit exists, and returns its full name.
    pub(super) fn rule(&mut self, field: &Field<String>) -> Option<Arc<str>> {
        let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
        let rules = self.set.rules().iter().map(|rule| (&rule.id, &rule.name));
        let later = self.set.result_rules().iter().map(|rule| (&rule.id, &rule.name));
        let rewrites = self.set.rewrites().iter().map(|rule| (&rule.id, &rule.name));
        let rules = rules.chain(later).chain(rewrites);
        let limits = self.set.limits().iter().map(|limit| (&limit.id, &limit.name));
        for (id, name) in rules.chain(limits) {
            names.insert(id, name.clone());
            names.insert(name, name.clone());
        }
        if let Some(default) = self.set.default_deny() {
            names.insert(&default.name, default.name.clone());
        }
        if let Some(name) = names.get(field.value.as_str()) {
            return Some(name.clone());
        }
        let message = format!("no loaded policy has a rule or limit `{}`", field.value);
        let mut fault = Diagnostic::error(codes::UNKNOWN, message).at(self.source, field.span);
        if let Some(close) = yaml::closest(&field.value, names.keys().copied()) {
            fault = fault.help(format!("did you mean `{close}`?"));
        }
        self.faults.push(fault);
        None
    }

    pub(super) fn fault(&mut self, code: &'static str, message: impl Into<String>, span: Span) {
        self.faults.push(Diagnostic::error(code, message).at(self.source, span));
    }
}

fn facts(name: &str, raw: &RawTool) -> ToolFacts {
    let (server, operation) = name.split_once('.').unwrap_or((name, ""));
    ToolFacts {
        name: Arc::from(name),
        server: Arc::from(server),
        operation: Arc::from(operation),
        tags: raw.tags.iter().map(|tag| Arc::from(tag.as_str())).collect(),
        effect: match raw.effect {
            Some(RawEffect::Read) => Effect::Read,
            Some(RawEffect::Write) | None => Effect::Write,
        },
        version: Arc::from(""),
    }
}

fn caller(raw: &RawCaller) -> Caller {
    Caller {
        tenant: Arc::from(raw.tenant.as_str()),
        project: Arc::from(raw.project.as_str()),
        user: Arc::from(raw.user.as_str()),
        agent: Arc::from(raw.agent.as_str()),
    }
}
