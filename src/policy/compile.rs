//! From policy files to a policy set: everything that is wrong is found at once, and nothing is
//! half-loaded.

mod approving;
mod arguments;
pub mod codes;
mod limits;
mod measures;
mod names;
mod rewrites;
mod rules;
mod schema;
mod tools;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::names::Names;
use self::tools::Known;
use crate::contract::ArgsContract;
use crate::policy::expr::{self, Program, Site};
use crate::policy::matcher::Matcher;
use crate::policy::message::Message;
use crate::policy::model::{DefaultDeny, Mode, Verb};
use crate::policy::raw::{RawMode, RawPolicy, SHAPE};
use crate::policy::set::{Parts, PolicySet};
use crate::policy::view::ToolFacts;
use crate::yaml::{self, Diagnostic, Field, Severity, Source, Span, Text};

/// The tools that policies can be about.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub tools: Vec<ToolFacts>,
    /// Servers whose tool names come from the path, so that every operation of theirs may exist.
    pub open_servers: Vec<Arc<str>>,
    /// What tools declare to take, by tool.
    pub contracts: HashMap<Arc<str>, Arc<ArgsContract>>,
    pub meters: Meters,
}

/// Which tools say, or have it said of them, what they use.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    /// Tools that report tokens.
    pub tokens: HashSet<Arc<str>>,
    /// Tools that report tokens, of which no model has a price.
    pub unpriced: HashSet<Arc<str>>,
    /// Tools whose calls have a cost.
    pub costs: HashSet<Arc<str>>,
    /// Servers all of whose tools have one, also those that nobody names.
    pub cost_servers: Vec<Arc<str>>,
}

/// Compiles policy files into one set. Without a catalogue, names of tools and tags are not checked.
///
/// # Errors
/// Every fault of every file, warnings among them, when one of them is an error. Otherwise the
/// warnings come with the set.
pub fn compile(
    sources: &[Arc<Source>],
    catalogue: Option<&Catalogue>,
) -> Result<(PolicySet, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut compiler = Compiler {
        catalogue,
        known: catalogue.map(Known::of),
        subject: Matcher::every(),
        names: Names::default(),
        parts: Parts {
            open_servers: catalogue.map(|known| known.open_servers.clone()).unwrap_or_default(),
            ..Parts::default()
        },
        default_at: None,
        allow_at: Vec::new(),
        targets: Vec::new(),
        faults: Vec::new(),
    };
    for source in sources {
        let before = compiler.faults.len();
        compiler.file(source);
        let own = compiler.faults.get_mut(before..).unwrap_or_default();
        own.sort_by_key(|fault| fault.span.start);
    }
    compiler.finish(sources)
}

/// A place that a later fault may have to name.
#[derive(Clone)]
struct Place {
    source: Arc<Source>,
    span: Span,
}

impl Place {
    /// `file:line:column`
    fn text(&self) -> String {
        let (line, column) = self.source.line_column(self.span.start);
        format!("{}:{line}:{column}", self.source.name)
    }
}

/// The file that is being compiled.
struct File<'f> {
    source: &'f Arc<Source>,
    policy: Arc<str>,
    mode: Mode,
    /// Where the file's structure is at fault: what seems to be absent there may only be unreadable.
    damage: Vec<Span>,
}

impl File<'_> {
    fn is_whole(&self, span: Span) -> bool {
        !self.damage.iter().any(|fault| span.start <= fault.start && fault.start <= span.end)
    }

    fn place(&self, span: Span) -> Place {
        Place { source: self.source.clone(), span }
    }

    /// `policy/id`
    fn name(&self, id: &str) -> Arc<str> {
        Arc::from(format!("{}/{id}", self.policy))
    }
}

struct Compiler<'c> {
    catalogue: Option<&'c Catalogue>,
    known: Option<Known<'c>>,
    /// The tools that the rule or limit in hand is about.
    subject: Matcher,
    names: Names,
    parts: Parts,
    /// Where `default: deny` was set.
    default_at: Option<Place>,
    /// Where rules with `then: allow` stand.
    allow_at: Vec<Place>,
    /// What rules change, and where they say so.
    targets: Vec<rewrites::Target>,
    faults: Vec<Diagnostic>,
}

impl Compiler<'_> {
    fn file(&mut self, source: &Arc<Source>) {
        let before = self.faults.len();
        let raw = yaml::read_partial::<RawPolicy>(source, SHAPE, &mut self.faults);
        let damage = self.faults.iter().skip(before).map(|fault| fault.span).collect();
        let Some(raw) = raw else { return };
        self.policy_name(source, &raw.metadata.name);
        let file = File {
            source,
            policy: Arc::from(raw.metadata.name.value.as_str()),
            mode: raw.mode.map_or(Mode::Enforce, |mode| Mode::from(mode.value)),
            damage,
        };
        if let Some(default) = &raw.default {
            self.default_deny(&file, default.span);
        } else if raw.rules.is_empty() && raw.limits.is_empty() && file.damage.is_empty() {
            let fault = Diagnostic::warning(codes::NO_EFFECT, "this policy says nothing");
            self.fault(&file, raw.metadata.name.span, fault.help("add `rules` or `limits`"));
        }
        for rule in &raw.rules {
            self.rule(&file, rule);
        }
        for limit in &raw.limits {
            self.limit(&file, limit);
        }
    }

    fn default_deny(&mut self, file: &File<'_>, span: Span) {
        if let Some(first) = &self.default_at {
            let note = format!("the first is at {}", first.text());
            let fault = Diagnostic::error(codes::TWO_DEFAULTS, "`default: deny` is set twice");
            return self.fault(file, span, fault.help("set it in one policy only").note(note));
        }
        self.default_at = Some(file.place(span));
        let name = file.name(names::DEFAULT);
        self.parts.default_deny = Some(DefaultDeny { name, mode: file.mode });
    }

    fn finish(
        mut self,
        sources: &[Arc<Source>],
    ) -> Result<(PolicySet, Vec<Diagnostic>), Vec<Diagnostic>> {
        if self.faults.iter().any(|fault| fault.severity == Severity::Error) {
            return Err(self.faults);
        }
        self.check_allowing();
        Ok((PolicySet::new(sources, self.parts), self.faults))
    }

    /// `allow` and `default: deny` need each other.
    fn check_allowing(&mut self) {
        let lifts = |then: Verb| matches!(then, Verb::Allow | Verb::Approve);
        let allows = self.parts.rules.iter().any(|rule| lifts(rule.then));
        if let (Some(default), false) = (&self.default_at, allows) {
            let fault = Diagnostic::warning(codes::NO_EFFECT, "every call is refused")
                .at(&default.source, default.span)
                .help("add a rule with `then: allow` or `then: approve`");
            self.faults.push(fault);
        }
        if self.default_at.is_none() {
            self.faults.extend(self.allow_at.iter().map(|place| {
                Diagnostic::warning(codes::NO_EFFECT, "`allow` changes nothing here")
                    .at(&place.source, place.span)
                    .help("what no rule refuses passes, unless a policy sets `default: deny`")
            }));
        }
    }

    fn fault(&mut self, file: &File<'_>, span: Span, fault: Diagnostic) {
        self.faults.push(fault.at(file.source, span));
    }

    /// Compiles an expression, mapping its faults into the file.
    fn expression(&mut self, file: &File<'_>, text: &Text, site: Site) -> Option<Program> {
        match expr::compile(&text.value, site) {
            Ok(program) => {
                self.tools_asked_for(file, text, &program);
                self.arguments_asked_for(file, text, &program);
                Some(program)
            }
            Err(errors) => {
                self.expression_faults(file, text, errors);
                None
            }
        }
    }

    /// Compiles a boolean that must be able to be true; `never` says so of one that is not.
    fn condition(
        &mut self,
        file: &File<'_>,
        text: &Text,
        site: Site,
        never: &str,
    ) -> Option<Program> {
        let program = self.expression(file, text, site)?;
        if program.constant() == Some(false) {
            let fault = Diagnostic::error(codes::NEVER, never);
            self.fault(file, text.span, fault.help("it is false for every call"));
        }
        Some(program)
    }

    fn message(&mut self, file: &File<'_>, text: &Text) -> Message {
        self.message_at(file, text, Site::Message)
    }

    fn message_at(&mut self, file: &File<'_>, text: &Text, site: Site) -> Message {
        match Message::parse_at(&text.value, site) {
            Ok(message) => message,
            Err(errors) => {
                self.expression_faults(file, text, errors);
                Message::default()
            }
        }
    }

    fn expression_faults(&mut self, file: &File<'_>, text: &Text, errors: Vec<expr::ExprError>) {
        for error in errors {
            let mut fault = Diagnostic::error(error.code, error.message);
            fault.help = error.help;
            self.fault(file, text.locate(error.span), fault);
        }
    }

    fn mode(file: &File<'_>, own: Option<&Field<RawMode>>) -> Mode {
        own.map_or(file.mode, |mode| Mode::from(mode.value))
    }
}

impl From<RawMode> for Mode {
    fn from(raw: RawMode) -> Self {
        match raw {
            RawMode::Observe => Self::Observe,
            RawMode::Enforce => Self::Enforce,
            RawMode::Off => Self::Off,
        }
    }
}

#[cfg(test)]
mod tests;
