//! What a gate cannot change while it runs: where it listens, where it records, how much it was
//! built to hold.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::settings::{Bounds, Events, Export, Settings};
use super::{codes, evaluate, raw};
use crate::yaml::{Diagnostic, Field, Source, Span};

/// The value of a key that holds until the gate is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// As it is reached in the config: `bounds.head`.
    pub key: &'static str,
    value: Value,
    /// Where it is written, if it is.
    pub span: Option<Span>,
}

/// Enough of a value to tell two apart.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// May be shown.
    Plain(String),
    /// Digests of it.
    Secret(Vec<[u8; 32]>),
}

/// The fixed values of a config.
pub(super) fn fixed(raw: &raw::Config, settings: &Settings) -> Vec<Fixed> {
    let mut all = places(raw, settings);
    let drift = raw.drift.as_ref().and_then(|raw| raw.enabled.as_ref());
    all.push(plain("drift.enabled", settings.drift, span(drift)));
    all.extend(export(raw.export.as_ref(), settings.export.as_ref()));
    all.extend(bounds(raw.bounds.as_ref(), &settings.bounds));
    all
}

fn places(raw: &raw::Config, settings: &Settings) -> Vec<Fixed> {
    let Settings { listen, admin, admin_tokens, admin_hosts, state, runs, events, .. } = settings;
    let events = match events {
        Events::Stdout => "stdout".to_owned(),
        Events::File(path) => path.display().to_string(),
    };
    let tokens = [&admin_tokens.read, &admin_tokens.write];
    // The place matters: a token that comes to be the other is another one.
    let tokens = tokens.map(|token| {
        let text = token.as_ref().map_or("", |token| token.expose_secret());
        Sha256::digest(text).into()
    });
    let written = raw.admin_tokens.as_ref();
    let written = written.and_then(|tokens| tokens.write.as_ref().or(tokens.read.as_ref()));
    let record = raw.record.as_ref().and_then(|record| record.events.as_ref());
    let idle_end = raw.runs.as_ref().and_then(|runs| runs.idle_end.as_ref());
    vec![
        plain("listen", listen, span(raw.listen.as_ref())),
        plain("admin", admin, span(raw.admin.as_ref())),
        Fixed {
            key: "admin_tokens",
            value: Value::Secret(tokens.to_vec()),
            span: written.map(|token| token.span),
        },
        plain("admin_hosts", admin_hosts.join(", "), span(raw.admin_hosts.first())),
        plain("state", state.display(), span(raw.state.as_ref())),
        plain("record.events", events, span(record)),
        Fixed {
            key: "evaluate",
            value: Value::Secret(vec![evaluate::digest(settings.evaluate.as_ref())]),
            span: span(raw.evaluate.as_ref()),
        },
        plain("runs.idle_end", time(runs.idle_end), span(idle_end)),
    ]
}

fn export(raw: Option<&raw::Export>, export: Option<&Export>) -> Vec<Fixed> {
    let written = raw.and_then(|raw| raw.otlp.as_ref()).map(|text| text.span);
    let shown = |show: fn(&Export) -> String| export.map(show).unwrap_or_default();
    let ca = export.and_then(|export| export.collector.ca_pem.as_ref());
    let attributes = |export: &Export| {
        let attributes = export.collector.resource.iter();
        attributes.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
    };
    vec![
        plain("export.otlp", shown(|export| export.collector.to_string()), written),
        Fixed {
            key: "export.ca_file",
            value: Value::Secret(ca.iter().map(|pem| Sha256::digest(pem).into()).collect()),
            span: raw.and_then(|raw| span(raw.ca_file.as_ref())),
        },
        plain(
            "export.timeout",
            shown(|export| time(export.collector.timeout)),
            raw.and_then(|raw| span(raw.timeout.as_ref())),
        ),
        plain(
            "export.sample",
            shown(|export| format!("{}%", export.sample_percent)),
            raw.and_then(|raw| span(raw.sample.as_ref())),
        ),
        plain(
            "export.queue",
            shown(|export| export.collector.queue_limit_bytes.to_string()),
            raw.and_then(|raw| span(raw.queue.as_ref())),
        ),
        plain(
            "export.hold",
            shown(|export| time(export.hold)),
            raw.and_then(|raw| span(raw.hold.as_ref())),
        ),
        plain(
            "export.held",
            shown(|export| export.held_limit_bytes.to_string()),
            raw.and_then(|raw| span(raw.held.as_ref())),
        ),
        plain("export.resource", shown(attributes), written),
    ]
}

fn bounds(raw: Option<&raw::Bounds>, bounds: &Bounds) -> Vec<Fixed> {
    let Bounds {
        // Each call takes it from the settings it began with.
        body_limit_bytes: _,
        head_limit_bytes,
        headers_limit,
        connections_limit,
        live_runs_limit,
        header_time,
        body_time,
        drain_time,
    } = *bounds;
    let times = [
        ("bounds.header_time", header_time, raw.and_then(|raw| span(raw.header_time.as_ref()))),
        ("bounds.body_time", body_time, raw.and_then(|raw| span(raw.body_time.as_ref()))),
        ("bounds.drain", drain_time, raw.and_then(|raw| span(raw.drain.as_ref()))),
    ];
    let counts = [
        ("bounds.head", head_limit_bytes, raw.and_then(|raw| span(raw.head.as_ref()))),
        ("bounds.headers", headers_limit, raw.and_then(|raw| span(raw.headers.as_ref()))),
        (
            "bounds.connections",
            connections_limit,
            raw.and_then(|raw| span(raw.connections.as_ref())),
        ),
        ("bounds.live_runs", live_runs_limit, raw.and_then(|raw| span(raw.live_runs.as_ref()))),
    ];
    let times = times.into_iter().map(|(key, value, span)| plain(key, time(value), span));
    times.chain(counts.into_iter().map(|(key, value, span)| plain(key, value, span))).collect()
}

fn plain(key: &'static str, value: impl ToString, span: Option<Span>) -> Fixed {
    Fixed { key, value: Value::Plain(value.to_string()), span }
}

fn span<T>(field: Option<&Field<T>>) -> Option<Span> {
    field.map(|field| field.span)
}

fn time(time: Duration) -> String {
    format!("{time:?}")
}

/// The keys whose values are others than those the gate was started with, one fault each.
pub fn changed(started: &[Fixed], wanted: &[Fixed], config: &Arc<Source>) -> Vec<Diagnostic> {
    let before = |key| started.iter().find(|fixed| fixed.key == key);
    let differ = wanted.iter().filter_map(|fixed| {
        let old = before(fixed.key).filter(|old| old.value != fixed.value)?;
        let text = format!("`{}` cannot change while the gate runs", fixed.key);
        let help = match (&fixed.value, &old.value) {
            (Value::Plain(new), Value::Plain(old)) if !new.is_empty() && !old.is_empty() => {
                format!("restart the gate for `{new}`, or keep `{old}`")
            }
            (Value::Plain(_) | Value::Secret(_), _) => {
                "restart the gate for it, or keep what was there".to_owned()
            }
        };
        let span = fixed.span.unwrap_or_default();
        Some(Diagnostic::error(codes::RESTART, text).at(config, span).help(help))
    });
    differ.collect()
}
