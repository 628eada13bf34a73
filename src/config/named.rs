//! Upstreams whose calls name their tool themselves: MCP servers and model APIs. Their entries of
//! `tools` say more of some tools; the upstream's own keys go for all others.

use std::sync::Arc;

use super::contracts;
use super::raw;
use super::settings::{Kind, Named, NamedTool};
use super::upstream::{Common, output, tags};
use super::validate::Check;
use super::{alias, codes, cost, labels, resilience};
use crate::call::Plan;
use crate::policy::view::Effect;
use crate::yaml::{self, Field, ScalarFault};

/// Reads `tools` and what goes for all of them; faults are reported.
pub(super) fn named(raw: &raw::Upstream, kind: Kind, check: &mut Check<'_>) -> Named {
    let common = Common::of(raw, check);
    if let Some(field) = &raw.openapi {
        let text = ScalarFault::new("`openapi` describes a plain HTTP API");
        check.fault(codes::CONFLICT, field.span, text.help("use it with `http`"));
    }
    refuse_replays(raw, kind, check);
    let mut tools: Vec<NamedTool> = Vec::new();
    for field in raw.tools.iter().flat_map(|listed| &listed.value) {
        let Some(tool) = tool(field, raw, kind, &common, check) else { continue };
        if tools.iter().any(|other| other.operation == tool.operation) {
            let text = ScalarFault::new(format!("the name `{}` is taken", tool.operation));
            check.fault(codes::OVERLAP, field.span, text.help("give each tool one entry"));
        }
        tools.push(tool);
    }
    let alone = raw::Tool::default();
    let plan = plan(&alone, "", raw, others(kind), &common, check);
    let on_breach = contracts::on_breach(raw);
    Named { tools, tags: common.tags.into(), plan: Arc::new(plan), on_breach }
}

/// Messages of the Model Context Protocol have ids of their own: an answer that was given before, and
/// a header that makes two of them one, mean nothing to whoever waits for this one. What a model said
/// before asks once more for the tool calls in it, though no model wants them now.
fn refuse_replays(raw: &raw::Upstream, kind: Kind, check: &mut Check<'_>) {
    let (refused, what, help): (&[&str], &str, &str) = match kind {
        Kind::Http => return,
        Kind::Mcp => (
            &["fallback", "idempotency"],
            "MCP servers",
            "a message is answered once, under its own id; remove it",
        ),
        Kind::Llm(_) => (
            &["fallback"],
            "model APIs",
            "an answer given again would ask again for its tool calls; remove it, or name another \
             upstream in the client",
        ),
    };
    let tools = raw.tools.iter().flat_map(|listed| &listed.value).map(|tool| &tool.value);
    let of_tools = tools.flat_map(|tool| {
        [
            tool.fallback.as_ref().map(|field| ("fallback", field.span)),
            tool.idempotency.as_ref().map(|field| ("idempotency", field.span)),
        ]
    });
    let own = [
        raw.fallback.as_ref().map(|field| ("fallback", field.span)),
        raw.idempotency.as_ref().map(|field| ("idempotency", field.span)),
    ];
    for (key, span) in own.into_iter().chain(of_tools).flatten().collect::<Vec<_>>() {
        if !refused.contains(&key) {
            continue;
        }
        let text = ScalarFault::new(format!("`{key}` is not for {what}"));
        check.fault(codes::CONFLICT, span, text.help(help));
    }
}

/// What a tool does of which nobody says it.
fn others(kind: Kind) -> Effect {
    match kind {
        Kind::Http | Kind::Mcp => Effect::Write,
        // A model changes nothing but its bill.
        Kind::Llm(_) => Effect::Read,
    }
}

fn tool(
    field: &Field<raw::Tool>,
    upstream: &raw::Upstream,
    kind: Kind,
    common: &Common,
    check: &mut Check<'_>,
) -> Option<NamedTool> {
    let raw = &field.value;
    if let Some(pattern) = &raw.pattern {
        let text = ScalarFault::new("`match` is for the tools of `http` upstreams");
        let help = "calls to this upstream name their tool themselves; remove it";
        check.fault(codes::CONFLICT, pattern.span, text.help(help));
    }
    if let Some(schemas) = &raw.schemas {
        let text = ScalarFault::new("`schemas` is for the tools of `http` upstreams");
        check.fault(codes::CONFLICT, schemas.span, text.help("declare each with `args`"));
    }
    let Some(name) = &raw.name else {
        if !check.is_damaged(field.span) {
            let text = ScalarFault::new("missing key `name`");
            check.fault(yaml::codes::MISSING_KEY, field.span, text);
        }
        return None;
    };
    check.ok(codes::NAME, name.span, labels::operation(&name.value))?;
    let own = tags(&raw.tags, check);
    for field in &raw.ignore_args {
        check.ok(codes::NAME, field.span, labels::label(&field.value));
    }
    let effect = raw.effect.map(|field| match field.value {
        raw::Effect::Read => Effect::Read,
        raw::Effect::Write => Effect::Write,
    });
    let plan = plan(raw, &name.value, upstream, effect.unwrap_or(others(kind)), common, check);
    let new = own.iter().filter(|tag| !common.tags.contains(tag));
    Some(NamedTool {
        operation: Arc::from(name.value.as_str()),
        alias: alias::read(raw.alias.as_ref(), &name.value, check),
        tags: common.tags.iter().chain(new).cloned().collect(),
        effect: effect.unwrap_or(others(kind)),
        ignore_args: raw.ignore_args.iter().map(|field| Arc::from(field.value.as_str())).collect(),
        plan: Arc::new(plan),
    })
}

fn plan(
    raw: &raw::Tool,
    name: &str,
    upstream: &raw::Upstream,
    effect: Effect,
    common: &Common,
    check: &mut Check<'_>,
) -> Plan {
    let breach = contracts::on_breach(upstream);
    let declared = contracts::own(raw, name, check);
    let declared =
        declared.filter(|declared| !declared.args.is_empty() || !declared.results.is_empty());
    let span = raw.name.as_ref().map(|name| name.span).unwrap_or_default();
    let source = Arc::clone(check.source);
    let contract =
        declared.and_then(|declared| contracts::contract(&declared, breach, &source, span, check));
    Plan {
        cost: cost::of_tool(raw, &common.cost, check),
        contract,
        resilience: resilience::of_tool(raw, effect, &common.resilience, check),
        output: output(raw.output.as_ref(), check).unwrap_or(common.output),
    }
}
