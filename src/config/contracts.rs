//! What the tools of an upstream are declared to be: its OpenAPI document, a catalogue of
//! functions, schemas in the config.

use std::collections::HashMap;
use std::sync::Arc;

use super::load;
use super::operation::Pattern;
use super::raw;
use super::settings::Operation;
use super::validate::Check;
use super::{codes, labels};
use crate::contract::catalogue::{self, standalone};
use crate::contract::codes as contract_codes;
use crate::contract::dialect::Direction;
use crate::contract::{Contract, Definition, OnBreach, Part, SchemaFault, Statuses, openapi};
use crate::policy::view::Effect;
use crate::yaml::{Diagnostic, Field, ScalarFault, Source, Span, Tree, closest};

/// A tool that a file declares, before the config's own words about it.
pub(super) struct Given {
    pub operation: Operation,
    pub pattern: Pattern,
    pub effect: Option<Effect>,
    pub definition: Definition,
    pub source: Arc<Source>,
    pub span: Span,
}

/// The tools of the upstream's `openapi`, and the entries of `tools` about them, by name.
pub(super) struct Documented<'r> {
    pub given: Vec<Given>,
    pub entries: HashMap<&'r str, &'r raw::Tool>,
}

/// What the upstream does about answers that break their schema.
pub(super) fn on_breach(raw: &raw::Upstream) -> OnBreach {
    let field = raw.contract.as_ref().and_then(|contract| contract.responses.as_ref());
    match field.map(|field| field.value) {
        Some(raw::OnBreach::Refuse) => OnBreach::Refuse,
        Some(raw::OnBreach::Observe) | None => OnBreach::Observe,
    }
}

/// The tools of an upstream's `openapi`, with the entries of `tools` that only name one.
pub(super) fn documented<'r>(raw: &'r raw::Upstream, check: &mut Check<'_>) -> Documented<'r> {
    let mut documented = Documented { given: Vec::new(), entries: HashMap::new() };
    let Some(field) = &raw.openapi else { return documented };
    let Some(source) = read(field, check) else { return documented };
    let openapi::Imported { operations, mut faults } = openapi::import(&source);
    check.faults.append(&mut faults);
    documented.given =
        operations.into_iter().filter_map(|one| given(one, &source, check)).collect();
    for entry in raw.tools.iter().flat_map(|tools| &tools.value) {
        let (Some(name), None) = (&entry.value.name, &entry.value.pattern) else { continue };
        let named = |given: &&Given| given.definition.name == name.value;
        if documented.given.iter().any(|given| named(&given)) {
            documented.entries.insert(&name.value, &entry.value);
            continue;
        }
        let text = format!("`{}` has no operation `{}`", field.value, name.value);
        let names = documented.given.iter().map(|given| given.definition.name.as_str());
        let fault = match closest(&name.value, names) {
            Some(close) => ScalarFault::new(text).help(format!("did you mean `{close}`?")),
            None => ScalarFault::new(text).help("a tool of its own needs `match`"),
        };
        check.fault(codes::NAME, name.span, fault);
    }
    documented
}

fn given(
    operation: openapi::Operation,
    source: &Arc<Source>,
    check: &mut Check<'_>,
) -> Option<Given> {
    let openapi::Operation { name, method, path, effect, definition, span } = operation;
    let mut left_out = |why: String| {
        let message = format!("`{name}` is left out, calls to it are refused: {why}");
        check.faults.push(Diagnostic::warning(contract_codes::LEFT_OUT, message).at(source, span));
    };
    if let Err(fault) = labels::operation(&name) {
        left_out(fault.message);
        return None;
    }
    match Pattern::parse(&format!("{method} {path}")) {
        Ok(pattern) => Some(Given {
            operation: Operation::Named(Arc::from(name.as_str())),
            pattern,
            effect: Some(effect),
            definition,
            source: Arc::clone(source),
            span,
        }),
        Err(fault) => {
            left_out(fault.message);
            None
        }
    }
}

/// The tools of a catalogue, each at the path of the entry with its name in place of `{tool}`.
pub(super) fn catalogued(raw: &raw::Tool, check: &mut Check<'_>) -> Vec<Given> {
    let Some(field) = &raw.schemas else { return Vec::new() };
    let (Some(name), Some(pattern)) = (&raw.name, &raw.pattern) else { return Vec::new() };
    let parameter = name.value.starts_with('{') && pattern.value.contains(&name.value);
    if !parameter {
        let text = ScalarFault::new("`schemas` needs a tool that is named by its path")
            .help("for example `{ name: \"{tool}\", match: \"POST /tools/{tool}\" }`");
        check.fault(codes::CONFLICT, field.span, text);
        return Vec::new();
    }
    let Some(source) = read(field, check) else { return Vec::new() };
    let functions = catalogue::functions(&source, check.faults);
    let mut given = Vec::new();
    for catalogue::Function { definition, span } in functions {
        let operation = definition.name.clone();
        let mut fault = |code, text: ScalarFault| {
            let mut fault = Diagnostic::error(code, text.message).at(&source, span);
            fault.help = text.help;
            check.faults.push(fault);
        };
        if let Err(text) = labels::operation(&operation) {
            fault(codes::NAME, text);
            continue;
        }
        match Pattern::parse(&pattern.value.trim_end().replace(&name.value, &operation)) {
            Ok(pattern) => given.push(Given {
                operation: Operation::Named(Arc::from(operation.as_str())),
                pattern,
                effect: None,
                definition,
                source: Arc::clone(&source),
                span,
            }),
            // What is wrong with the pattern is said of the entry itself.
            Err(text) => fault(codes::MATCH, ScalarFault::new(text.message)),
        }
    }
    given
}

/// What the config itself declares of a tool: `schema`, `args`, `result`.
pub(super) fn own(raw: &raw::Tool, name: &str, check: &mut Check<'_>) -> Option<Definition> {
    if let (Some(file), Some(inline)) = (&raw.schema, &raw.args) {
        let text = ScalarFault::new("`schema` and `args` both say what the arguments are");
        check.fault(
            codes::CONFLICT,
            inline.span,
            text.help(format!("keep one; `schema` is {}", file.value)),
        );
    }
    let first =
        [raw.schema.as_ref().map(|file| file.span), raw.args.as_ref().map(|tree| tree.span)];
    let first = first.into_iter().flatten().chain(raw.result.as_ref().map(|tree| tree.span)).next();
    if let (Some(span), true) = (first, name.starts_with('{')) {
        let text = ScalarFault::new("this tool is many: each has a schema of its own");
        check.fault(codes::CONFLICT, span, text.help("name a catalogue of them in `schemas`"));
        return None;
    }
    let source = Arc::clone(check.source);
    let args = match (&raw.schema, &raw.args) {
        (Some(file), _) => {
            let source = read(file, check)?;
            let tree = crate::yaml::read::<Tree>(&source, check.faults)?;
            Some(standalone(&source, &tree, Direction::Request, check.faults))
        }
        (None, Some(inline)) => Some(standalone(&source, inline, Direction::Request, check.faults)),
        (None, None) => None,
    };
    let result = raw.result.as_ref();
    let result = result.map(|tree| standalone(&source, tree, Direction::Response, check.faults));
    if args.is_none() && result.is_none() {
        return None;
    }
    Some(Definition {
        name: name.to_owned(),
        description: String::new(),
        args: args.map(Part::whole).into_iter().collect(),
        results: result.map(|schema| (Statuses::Success, schema)).into_iter().collect(),
    })
}

/// The checks of a definition that stands at `span`; what cannot be used is reported there.
pub(super) fn contract(
    definition: &Definition,
    on_breach: OnBreach,
    source: &Arc<Source>,
    span: Span,
    check: &mut Check<'_>,
) -> Option<Arc<Contract>> {
    match Contract::build(definition, on_breach) {
        Ok(contract) => Some(Arc::new(contract)),
        Err(SchemaFault { pointer, message }) => {
            let text = format!("the schema of `{}` cannot be used: {message}", definition.name);
            let fault = Diagnostic::error(contract_codes::SCHEMA, text).at(source, span);
            check.faults.push(fault.note(format!("at {pointer}")));
            None
        }
    }
}

fn read(field: &Field<String>, check: &mut Check<'_>) -> Option<Arc<Source>> {
    let path = check.path(&field.value);
    let read = load::read(&path, check.secrets.reads);
    check.ok(codes::FILE, field.span, read)
}
