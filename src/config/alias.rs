//! `alias: payments.refund`: one name for a tool that is reached in several ways, over HTTP here and
//! over MCP there. Rules, limits, loops and history know the tool by that name alone.
//!
//! What is known of a tool is joined over all entries with its name: it has the tags of each, it
//! only reads if all of them do, and arguments that one leaves out of loop keys all leave out. What a
//! call costs and how it is made stays with the entry that it is made by.

use std::collections::HashMap;
use std::sync::Arc;

use super::raw;
use super::settings::{Alias, Operation, Upstream};
use super::validate::Check;
use super::{codes, labels};
use crate::call::Plan;
use crate::policy::view::Effect;
use crate::yaml::{Entries, Field, ScalarFault, Span, Text, closest};

/// Reads an alias; faults are reported. `name` is the tool's own within its upstream.
pub(super) fn read(field: Option<&Text>, name: &str, check: &mut Check<'_>) -> Option<Alias> {
    let field = field?;
    if name.starts_with('{') {
        let text = ScalarFault::new("this entry is many tools, and an alias is the name of one");
        let help = "give the tool an entry of its own, with its path spelt out";
        check.fault(codes::CONFLICT, field.span, text.help(help));
        return None;
    }
    let Some((server, operation)) = field.value.split_once('.') else {
        let text = ScalarFault::new(format!("`{}` is not the name of a tool", field.value));
        let help = format!("write `UPSTREAM.TOOL`, for example `payments.{}`", field.value);
        check.fault(codes::NAME, field.span, text.help(help));
        return None;
    };
    check.ok(codes::NAME, field.span, labels::upstream(server))?;
    check.ok(codes::NAME, field.span, labels::operation(operation))?;
    Some(Alias { server: Arc::from(server), operation: Arc::from(operation) })
}

/// What the entries that go by one name have in common.
#[derive(Default)]
struct Joined {
    tags: Vec<Arc<str>>,
    writes: bool,
    ignored: Vec<Arc<str>>,
    entries: usize,
}

/// A place of one entry of a tool, to be looked at and changed.
struct Entry<'a> {
    upstream: &'a Arc<str>,
    name: Arc<str>,
    tags: &'a mut Arc<[Arc<str>]>,
    effect: &'a mut Effect,
    ignored: &'a mut Arc<[Arc<str>]>,
    plan: &'a Plan,
}

/// Joins what is known of the tools with one name, and reports aliases that cannot hold.
pub(super) fn join(raw: &Entries<raw::Upstream>, built: &mut [Upstream], check: &mut Check<'_>) {
    for (upstream, field) in written(raw) {
        // What cannot be read was said.
        if check.is_damaged(field.span) {
            continue;
        }
        judge(upstream, field, built, check);
    }
    let mut joined: HashMap<Arc<str>, Joined> = HashMap::new();
    for entry in entries(built) {
        let one = joined.entry(entry.name).or_default();
        one.entries = one.entries.saturating_add(1);
        one.writes |= entry.effect.changes();
        add(&mut one.tags, entry.tags);
        add(&mut one.ignored, entry.ignored);
    }
    for entry in entries(built) {
        let Some(one) = joined.get(&entry.name).filter(|one| one.entries > 1) else { continue };
        *entry.tags = Arc::from(one.tags.as_slice());
        *entry.ignored = Arc::from(one.ignored.as_slice());
        *entry.effect = if one.writes { Effect::Write } else { Effect::Read };
    }
}

fn add(all: &mut Vec<Arc<str>>, some: &[Arc<str>]) {
    for one in some {
        if !all.contains(one) {
            all.push(Arc::clone(one));
        }
    }
}

/// Every alias in the file, with the name of its upstream.
fn written(raw: &Entries<raw::Upstream>) -> impl Iterator<Item = (&Field<String>, &Text)> {
    raw.iter().flat_map(|(name, upstream)| {
        let tools = upstream.tools.iter().flat_map(|listed| &listed.value);
        tools.filter_map(move |tool| Some((name, tool.value.alias.as_ref()?)))
    })
}

/// The entries of all tools whose names are in the config.
fn entries(built: &mut [Upstream]) -> impl Iterator<Item = Entry<'_>> {
    built.iter_mut().flat_map(|upstream| {
        let Upstream { name, tools, named, .. } = upstream;
        let server = &*name;
        let routed = tools.iter_mut().filter_map(move |tool| {
            let Operation::Named(operation) = &tool.operation else { return None };
            let name = tool.facts(server, operation).name;
            Some(Entry {
                upstream: server,
                name,
                tags: &mut tool.tags,
                effect: &mut tool.effect,
                ignored: &mut tool.ignore_args,
                plan: &tool.plan,
            })
        });
        let named = named.tools.iter_mut().map(move |tool| Entry {
            upstream: server,
            name: tool.facts(server).name,
            tags: &mut tool.tags,
            effect: &mut tool.effect,
            ignored: &mut tool.ignore_args,
            plan: &tool.plan,
        });
        routed.chain(named)
    })
}

/// Says what is wrong with one alias, if something is.
fn judge(upstream: &Field<String>, field: &Text, built: &mut [Upstream], check: &mut Check<'_>) {
    let mut fault = |span: Span, text: String, help: String| {
        check.fault(codes::OVERLAP, span, ScalarFault::new(text).help(help));
    };
    if let Some((message, help)) = unknown(field, built) {
        return fault(field.span, message, help);
    }
    let same = entries(built).filter(|entry| *entry.name == *field.value);
    let same: Vec<(Arc<str>, Option<Arc<str>>)> =
        same.map(|entry| (Arc::clone(entry.upstream), args_of(entry.plan))).collect();
    if same.iter().filter(|(server, _)| **server == *upstream.value).count() > 1 {
        let text = format!("two tools of `{}` would be `{}`", upstream.value, field.value);
        let help = "an alias joins the tools of different upstreams".to_owned();
        return fault(field.span, text, help);
    }
    let own = same.iter().find(|(server, _)| **server == *upstream.value);
    let Some((_, Some(own))) = own else { return };
    let other = same.iter().find(|(_, args)| args.as_ref().is_some_and(|args| args != own));
    if let Some((server, _)) = other {
        let text = format!("takes other arguments here than `{}` of `{server}`", field.value);
        let help = "declare the same schema in both places, or give the tools names of their own";
        fault(field.span, text, help.to_owned());
    }
}

/// What the arguments are declared to be.
fn args_of(plan: &Plan) -> Option<Arc<str>> {
    plan.contract.as_ref().and_then(|contract| contract.args_version.clone())
}

/// What is wrong with an alias into an upstream of this config that has no such tool.
fn unknown(field: &Text, built: &[Upstream]) -> Option<(String, String)> {
    let (server, operation) = field.value.split_once('.')?;
    let upstream = built.iter().find(|upstream| *upstream.name == *server)?;
    let own: Vec<&str> = upstream
        .tools
        .iter()
        .filter_map(|tool| match &tool.operation {
            Operation::Named(operation) if tool.alias.is_none() => Some(&**operation),
            Operation::Named(_) | Operation::FromPath(_) => None,
        })
        .collect();
    if upstream.is_open() || own.contains(&operation) {
        return None;
    }
    let help = match closest(operation, own.iter().copied()) {
        Some(close) => format!("did you mean `{server}.{close}`?"),
        None => "name one of its tools, or an upstream that is not in this file".to_owned(),
    };
    Some((format!("`{server}` has no tool `{operation}`"), help))
}
