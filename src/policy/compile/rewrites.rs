//! `set` and `redact`, checked and compiled, and that no two rules change the same value.

use std::sync::Arc;

use super::rules::{phase_of, sites};
use super::{Compiler, File, Place, codes};
use crate::policy::detect::Detector;
use crate::policy::expr::Site;
use crate::policy::matcher::Matcher;
use crate::policy::model::{Mode, Phase};
use crate::policy::raw::{RawDetector, RawRedact, RawRule};
use crate::policy::rewrite::{Assignment, Redaction, Rewrite, ValuePath};
use crate::yaml::{Diagnostic, Entries, Field, Span, Text};

/// Longest replacement, in bytes.
const WITH_LIMIT_BYTES: usize = 256;

/// What a rule changes, and where it says so.
pub(super) struct Target {
    phase: Phase,
    tools: Matcher,
    change: Change,
    place: Place,
}

enum Change {
    Set(ValuePath),
    Redact(Redaction),
}

impl Target {
    /// Whether the order of two changes would matter for some call. Conditions are not compared:
    /// that they never hold together cannot be told from them.
    fn conflicts_with(&self, other: &Self) -> bool {
        let differ = match (&self.change, &other.change) {
            (Change::Set(one), Change::Set(other)) => one.may_meet(other),
            (Change::Set(one), Change::Redact(other))
            | (Change::Redact(other), Change::Set(one)) => {
                other.detector.is_none() && other.path.as_ref().is_some_and(|at| at.may_meet(one))
            }
            (Change::Redact(one), Change::Redact(other)) => {
                let meet = match (&one.path, &other.path) {
                    (Some(one), Some(other)) => one.may_meet(other),
                    (None, _) | (_, None) => true,
                };
                one.detector == other.detector && one.with != other.with && meet
            }
        };
        differ && self.phase == other.phase && self.tools.may_meet(&other.tools)
    }
}

impl Compiler<'_> {
    pub(super) fn rewrite(&mut self, file: &File<'_>, raw: &RawRule) {
        let phase = phase_of(raw);
        let id = self.id(file, &raw.id);
        let tools = self.tools(file, raw.tools.as_ref());
        let (condition, message) = sites(phase);
        let never = "this rule can never fire";
        let when = raw.when.as_ref().and_then(|text| self.condition(file, text, condition, never));
        let message = raw.message.as_ref().map(|text| self.message_at(file, text, message));
        self.check_rewrite(file, raw);
        let mode = Self::mode(file, raw.mode.as_ref());
        let mut changes = Vec::new();
        let set = raw.set.as_ref().map(|set| self.assignments(file, set, phase, &mut changes));
        let redact =
            raw.redact.as_ref().and_then(|raw| self.redaction(file, raw, phase, &mut changes));
        if mode != Mode::Off {
            for (change, span) in changes {
                let place = file.place(span);
                self.target(Target { phase, tools: tools.clone(), change, place });
            }
        }
        let rewrite = Rewrite {
            name: file.name(&id),
            id,
            phase,
            tools,
            when,
            set: set.unwrap_or_default(),
            redact,
            message: message.unwrap_or_default(),
            mode,
        };
        if mode != Mode::Off {
            let values = rewrite.set.iter().map(|assignment| &assignment.value);
            for program in rewrite.when.iter().chain(rewrite.message.programs()).chain(values) {
                self.capture_of(program, None);
            }
        }
        self.parts.rewrites.push(rewrite);
    }

    /// Notes what a rule changes, and reports another rule that changes it in another way.
    fn target(&mut self, target: Target) {
        let other = self.targets.iter().find(|other| other.conflicts_with(&target));
        if let Some(other) = other {
            let message = "another rule changes the same value, for tools that both may be about";
            let fault = Diagnostic::error(codes::CONFLICT, message)
                .at(&target.place.source, target.place.span)
                .help("make it one rule, such as `args.n > 9 ? 9 : args.n`, or name other tools")
                .note(format!("the other is at {}", other.place.text()));
            self.faults.push(fault);
        }
        self.targets.push(target);
    }

    /// What a rule that changes something cannot say besides.
    fn check_rewrite(&mut self, file: &File<'_>, raw: &RawRule) {
        let other = [
            raw.then.as_ref().map(|field| ("then", field.span)),
            raw.requires.as_ref().map(|field| ("requires", field.span)),
            raw.schema.as_ref().map(|tree| ("schema", tree.span)),
            raw.explain.as_ref().map(|field| ("explain", field.span)),
            raw.conceal.as_ref().map(|field| ("conceal", field.span)),
        ];
        for (key, span) in other.into_iter().flatten() {
            let message = format!("a rule with `set` or `redact` has no `{key}`");
            let fault = Diagnostic::error(codes::CONTRADICTION, message)
                .help("a rule changes what passes or decides over it: write two rules");
            self.fault(file, span, fault);
        }
    }

    fn assignments(
        &mut self,
        file: &File<'_>,
        raw: &Field<Entries<Text>>,
        phase: Phase,
        changes: &mut Vec<(Change, Span)>,
    ) -> Vec<Assignment> {
        if phase == Phase::Result {
            let message = "`set` changes arguments, and the tool has already answered";
            let fault = Diagnostic::error(codes::PHASE, message)
                .help("take something out of a result with `redact`");
            self.fault(file, raw.span, fault);
            return Vec::new();
        }
        if raw.value.0.is_empty() {
            let fault = Diagnostic::error(codes::EMPTY, "`set` lists nothing");
            self.fault(file, raw.span, fault);
        }
        let mut assignments = Vec::new();
        for (path, value) in &raw.value {
            let parsed = self.path(file, &path.value, path.span, Phase::Call);
            let value = self.expression(file, value, Site::Value);
            let Some(parsed) = parsed else { continue };
            if parsed.names().is_none_or(|names| names.is_empty()) {
                let message = format!("`{parsed}` is not one argument");
                let fault =
                    Diagnostic::error(codes::PATH, message).help("for example `args.limit`");
                self.fault(file, path.span, fault);
                continue;
            }
            let target = Change::Set(parsed.clone());
            assignments.extend(value.map(|value| Assignment { path: parsed, value }));
            changes.push((target, path.span));
        }
        assignments
    }

    fn path(&mut self, file: &File<'_>, text: &str, span: Span, phase: Phase) -> Option<ValuePath> {
        let root = match phase {
            Phase::Call => "args",
            Phase::Result => "result",
        };
        match ValuePath::parse(text, root) {
            Ok(path) => Some(path),
            Err(reason) => {
                let fault = Diagnostic::error(codes::PATH, format!("`{text}`: {reason}"));
                let help = format!("for example `{root}.customer.email` or `{root}.rows[*].email`");
                self.fault(file, span, fault.help(help));
                None
            }
        }
    }

    fn redaction(
        &mut self,
        file: &File<'_>,
        raw: &Field<RawRedact>,
        phase: Phase,
        changes: &mut Vec<(Change, Span)>,
    ) -> Option<Redaction> {
        let detector = raw.value.detector.map(|detector| Detector::from(detector.value));
        let path = match &raw.value.path {
            Some(text) => Some(self.path(file, &text.value, text.span, phase)?),
            None => None,
        };
        if detector.is_none() && path.is_none() {
            if !file.is_whole(raw.span) {
                return None;
            }
            let fault = Diagnostic::error(codes::EMPTY, "`redact` says neither what nor where");
            let fault = fault.help("add `detector: card_number` or `path: result.customer.ssn`");
            self.fault(file, raw.span, fault);
            return None;
        }
        if detector.is_none() && path.as_ref().is_some_and(|path| path.segments().is_empty()) {
            let fault = Diagnostic::error(codes::PATH, "this would take out everything");
            self.fault(file, raw.span, fault.help("name a value, or refuse with `then: deny`"));
            return None;
        }
        let with = self.replacement(file, raw, detector);
        let redaction = Redaction { detector, path, with };
        changes.push((Change::Redact(redaction.clone()), raw.span));
        Some(redaction)
    }

    /// What is put in place of a value, which must not be something to be replaced itself.
    fn replacement(
        &mut self,
        file: &File<'_>,
        raw: &Field<RawRedact>,
        detector: Option<Detector>,
    ) -> Arc<str> {
        let Some(with) = &raw.value.with else {
            return Arc::from(format!("[{}]", detector.map_or("redacted", Detector::name)));
        };
        let text = with.value.as_str();
        let fault = if text.trim().is_empty() || text.len() > WITH_LIMIT_BYTES {
            Some(format!("a replacement has 1 to {WITH_LIMIT_BYTES} bytes"))
        } else if text.chars().any(char::is_control) {
            Some("a replacement has no control characters".to_owned())
        } else if detector.is_some_and(|detector| detector.finds(text)) {
            Some("the detector would find this replacement again".to_owned())
        } else {
            None
        };
        if let Some(message) = fault {
            let fault = Diagnostic::error(codes::CONTRADICTION, message);
            self.fault(file, with.span, fault.help("for example `[card]`"));
        }
        Arc::from(text)
    }
}

impl From<RawDetector> for Detector {
    fn from(raw: RawDetector) -> Self {
        match raw {
            RawDetector::PrivateKey => Self::PrivateKey,
            RawDetector::Jwt => Self::Jwt,
            RawDetector::AwsKey => Self::AwsKey,
            RawDetector::GithubToken => Self::GithubToken,
            RawDetector::SlackToken => Self::SlackToken,
            RawDetector::ApiKey => Self::ApiKey,
            RawDetector::Secret => Self::Secret,
            RawDetector::Iban => Self::Iban,
            RawDetector::CardNumber => Self::CardNumber,
            RawDetector::Email => Self::Email,
            RawDetector::UsSsn => Self::UsSsn,
            RawDetector::IpAddress => Self::IpAddress,
            RawDetector::Phone => Self::Phone,
        }
    }
}
