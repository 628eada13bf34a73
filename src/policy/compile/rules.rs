//! Rules, checked and compiled.

use super::{Compiler, File, codes};
use crate::policy::expr::{Program, Site};
use crate::policy::glob::Glob;
use crate::policy::model::{Mode, Phase, Requirement, Rule, Verb};
use crate::policy::raw::{RawPhase, RawRequirement, RawRule, RawVerb};
use crate::policy::reason::StopReason;
use crate::yaml::{Diagnostic, Field, codes as yaml_codes};

impl Compiler<'_> {
    pub(super) fn rule(&mut self, file: &File<'_>, raw: &Field<RawRule>) {
        if raw.value.set.is_some() || raw.value.redact.is_some() {
            let (approvers, expires) = (&raw.value.approvers, &raw.value.expires);
            self.approving(file, Verb::Allow, approvers.as_ref(), expires.as_ref());
            return self.rewrite(file, &raw.value);
        }
        let place = raw.span;
        let raw = &raw.value;
        let phase = phase_of(raw);
        let id = self.id(file, &raw.id);
        let tools = self.tools(file, raw.tools.as_ref());
        self.subject = tools.clone();
        let never = "this rule can never fire";
        let when =
            raw.when.as_ref().and_then(|text| self.condition(file, text, sites(phase).0, never));
        let requires = self.requirements(file, raw);
        let schema = self.schema(file, raw, phase);
        let message = raw.message.as_ref().map(|text| self.message_at(file, text, sites(phase).1));
        let then = raw.then.map(|then| Verb::from(then.value));
        if file.is_whole(place) {
            self.check_completeness(file, raw, then);
            self.check_phase(file, raw, phase);
        }
        let then = then.unwrap_or(Verb::Deny);
        if then == Verb::Allow {
            self.allow_at.push(file.place(raw.then.map_or(place, |then| then.span)));
        }
        let mode = Self::mode(file, raw.mode.as_ref());
        let reason = match phase {
            Phase::Call => reason(when.as_ref(), &requires),
            Phase::Result => StopReason::ResultDenied,
        };
        let rule = Rule {
            name: file.name(&id),
            id,
            policy: file.policy.clone(),
            phase,
            tools,
            when,
            requires,
            schema,
            then,
            message: message.unwrap_or_default(),
            mode,
            // Of a result nothing can be changed so that it passes.
            explain: raw.explain.is_none() && phase == Phase::Call,
            conceal: self.conceal(file, raw, then, phase),
            approving: self.approving(file, then, raw.approvers.as_ref(), raw.expires.as_ref()),
            reason,
        };
        self.capture(&rule);
        self.parts.rules.push(rule);
    }

    /// Whether the tool is to be concealed, which only a refusal before the call can do.
    fn conceal(&mut self, file: &File<'_>, raw: &RawRule, then: Verb, phase: Phase) -> bool {
        let Some(field) = raw.conceal.filter(|field| field.value) else { return false };
        let conceals = match then {
            Verb::Deny | Verb::Stop => phase == Phase::Call,
            Verb::Allow | Verb::Warn | Verb::Approve => false,
        };
        if !conceals {
            let message = "`conceal` hides a tool that a rule refuses before it is called";
            let fault = Diagnostic::error(codes::CONTRADICTION, message)
                .help("use it with `then: deny` or `then: stop`, and without `phase: result`");
            self.fault(file, field.span, fault);
        }
        conceals
    }

    /// What a rule must have beside an id.
    fn check_completeness(&mut self, file: &File<'_>, raw: &RawRule, then: Option<Verb>) {
        let id = &raw.id;
        let Some(then) = then else {
            let fault = Diagnostic::error(yaml_codes::MISSING_KEY, "missing key `then`");
            let fault =
                fault.help("what the rule does: `allow`, `warn`, `approve`, `deny` or `stop`");
            return self.fault(file, id.span, fault);
        };
        let message = raw.message.as_ref().map(|message| message.value.trim());
        // Who is told that there is no such tool is told nothing else.
        let is_concealed = raw.conceal.is_some_and(|field| field.value);
        if then.refuses() && !is_concealed && message.is_none_or(str::is_empty) {
            let what = format!("a rule with `then: {}` needs a `message`", then.name());
            let fault = Diagnostic::error(codes::NO_MESSAGE, what)
                .help("tell the model what to do instead");
            self.fault(file, raw.message.as_ref().map_or(id.span, |text| text.span), fault);
        }
        if let (Verb::Allow, Some(requires)) = (then, &raw.requires) {
            let fault = Diagnostic::error(
                codes::ALLOW_REQUIRES,
                "`requires` fires when something is missing, so `then: allow` would allow exactly then",
            );
            let fault = fault.help("refuse with `then: deny`, or ask `run.succeeded(…)` in `when`");
            self.fault(file, requires.span, fault);
        }
    }

    /// What a rule over an answer cannot say.
    fn check_phase(&mut self, file: &File<'_>, raw: &RawRule, phase: Phase) {
        if phase == Phase::Call {
            return;
        }
        if let Some(then) = raw.then.filter(|then| !judges_results(Verb::from(then.value))) {
            let name = Verb::from(then.value).name();
            let message = format!("`then: {name}` makes no sense once the tool has answered");
            let fault = Diagnostic::error(codes::PHASE, message)
                .help("withhold the result with `deny` or `stop`, or let it pass with `warn`");
            self.fault(file, then.span, fault);
        }
        if let Some(requires) = &raw.requires {
            let message = "`requires` asks before a call, and this rule is asked after it";
            let fault = Diagnostic::error(codes::PHASE, message)
                .help("leave out `phase: result`, or ask `run.succeeded(…)` in `when`");
            self.fault(file, requires.span, fault);
        }
    }

    fn requirements(&mut self, file: &File<'_>, raw: &RawRule) -> Vec<Requirement> {
        let Some(list) = &raw.requires else {
            return Vec::new();
        };
        if list.value.is_empty() && file.is_whole(list.span) {
            let fault = Diagnostic::error(codes::EMPTY, "`requires` lists nothing");
            self.fault(file, list.span, fault);
        }
        list.value.iter().map(|raw| self.requirement(file, raw)).collect()
    }

    fn requirement(&mut self, file: &File<'_>, raw: &RawRequirement) -> Requirement {
        self.earlier_tool(file, &raw.call.value, raw.call.span);
        let never = "no earlier call can ever satisfy this";
        let condition =
            raw.r#where.as_ref().and_then(|text| self.condition(file, text, Site::Where, never));
        if let Some(count) = raw.count.filter(|count| count.value == 0) {
            let fault = Diagnostic::error(codes::EMPTY, "`count: 0` requires nothing");
            self.fault(file, count.span, fault.help("leave `count` out to mean 1"));
        }
        let last = raw.last.is_some_and(|last| last.value);
        if let (true, Some(count)) = (last, raw.count.filter(|count| count.value > 1)) {
            let fault = Diagnostic::error(
                codes::CONTRADICTION,
                "`last: true` looks at one call, `count` asks for more",
            );
            self.fault(file, count.span, fault);
        }
        if let Some(within) = raw.within.filter(|within| within.value.0.is_zero()) {
            let fault = Diagnostic::error(codes::WITHIN, "a window of no length");
            self.fault(file, within.span, fault);
        }
        Requirement {
            call: Glob::new(&raw.call.value),
            within: raw.within.map(|within| within.value.0),
            condition,
            count: raw.count.map_or(1, |count| count.value),
            last,
        }
    }

    /// Notes which values of earlier calls the rule reads.
    fn capture(&mut self, rule: &Rule) {
        if rule.mode == Mode::Off {
            return;
        }
        for program in rule.when.iter().chain(rule.message.programs()) {
            self.capture_of(program, None);
        }
        for required in &rule.requires {
            if let Some(program) = &required.condition {
                self.capture_of(program, Some(&required.call));
            }
        }
    }

    /// Notes which values of earlier calls an expression reads; `prior` is a call of `prior_tools`.
    pub(super) fn capture_of(&mut self, program: &Program, prior_tools: Option<&Glob>) {
        for (tools, path) in program.captures_by_tool() {
            if let Some(tools) = tools.as_ref().or(prior_tools) {
                self.parts.captures.push((tools.clone(), path.clone()));
            }
        }
    }
}

impl From<RawVerb> for Verb {
    fn from(raw: RawVerb) -> Self {
        match raw {
            RawVerb::Allow => Self::Allow,
            RawVerb::Warn => Self::Warn,
            RawVerb::Approve => Self::Approve,
            RawVerb::Deny => Self::Deny,
            RawVerb::Stop => Self::Stop,
        }
    }
}

/// When a rule is asked.
pub(super) fn phase_of(raw: &RawRule) -> Phase {
    match raw.phase.map(|phase| phase.value) {
        Some(RawPhase::Result) => Phase::Result,
        Some(RawPhase::Call) | None => Phase::Call,
    }
}

/// Where the condition of a rule stands, and where its message does.
pub(super) fn sites(phase: Phase) -> (Site, Site) {
    match phase {
        Phase::Call => (Site::Rule, Site::Message),
        Phase::Result => (Site::Answer, Site::AnswerMessage),
    }
}

/// Whether a verb can be said over an answer.
fn judges_results(verb: Verb) -> bool {
    match verb {
        Verb::Warn | Verb::Deny | Verb::Stop => true,
        Verb::Allow | Verb::Approve => false,
    }
}

/// What a refusal by the rule is recorded as: what the agent would have to change.
fn reason(when: Option<&Program>, requires: &[Requirement]) -> StopReason {
    if !requires.is_empty() {
        StopReason::PreconditionMissing
    } else if when.is_some_and(Program::reads_arguments) {
        StopReason::ArgsDenied
    } else if when.is_some_and(Program::reads_now) {
        StopReason::OutsideWindow
    } else {
        StopReason::ToolNotAllowed
    }
}
