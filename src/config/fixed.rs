//! What a gate cannot change while it runs: where it listens, where it records, how much it was
//! built to hold.

use std::sync::Arc;
use std::time::Duration;

use super::settings::{Bounds, Events, Settings};
use super::{codes, raw};
use crate::yaml::{Diagnostic, Field, Source, Span};

/// The value of a key that holds until the gate is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// As it is reached in the config: `bounds.head`.
    pub key: &'static str,
    /// Enough of it to tell two apart and to show.
    pub value: String,
    /// Where it is written, if it is.
    pub span: Option<Span>,
}

/// The fixed values of a config.
pub(super) fn fixed(raw: &raw::Config, settings: &Settings) -> Vec<Fixed> {
    fn span<T>(field: Option<&Field<T>>) -> Option<Span> {
        field.map(|field| field.span)
    }
    let bounds = raw.bounds.as_ref();
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
    } = settings.bounds;
    let events = match &settings.events {
        Events::Stdout => "stdout".to_owned(),
        Events::File(path) => path.display().to_string(),
    };
    let fixed = |key, value: String, span| Fixed { key, value, span };
    let time = |time: Duration| format!("{time:?}");
    let record = raw.record.as_ref();
    let runs = raw.runs.as_ref();
    vec![
        fixed("listen", settings.listen.to_string(), span(raw.listen.as_ref())),
        fixed("admin", settings.admin.to_string(), span(raw.admin.as_ref())),
        fixed("record.events", events, span(record.and_then(|record| record.events.as_ref()))),
        fixed(
            "runs.idle_end",
            time(settings.runs.idle_end),
            span(runs.and_then(|runs| runs.idle_end.as_ref())),
        ),
        fixed(
            "bounds.head",
            head_limit_bytes.to_string(),
            span(bounds.and_then(|bounds| bounds.head.as_ref())),
        ),
        fixed(
            "bounds.headers",
            headers_limit.to_string(),
            span(bounds.and_then(|bounds| bounds.headers.as_ref())),
        ),
        fixed(
            "bounds.connections",
            connections_limit.to_string(),
            span(bounds.and_then(|bounds| bounds.connections.as_ref())),
        ),
        fixed(
            "bounds.live_runs",
            live_runs_limit.to_string(),
            span(bounds.and_then(|bounds| bounds.live_runs.as_ref())),
        ),
        fixed(
            "bounds.header_time",
            time(header_time),
            span(bounds.and_then(|bounds| bounds.header_time.as_ref())),
        ),
        fixed(
            "bounds.body_time",
            time(body_time),
            span(bounds.and_then(|bounds| bounds.body_time.as_ref())),
        ),
        fixed(
            "bounds.drain",
            time(drain_time),
            span(bounds.and_then(|bounds| bounds.drain.as_ref())),
        ),
    ]
}

/// The keys whose values are others than those the gate was started with, one fault each.
pub fn changed(started: &[Fixed], wanted: &[Fixed], config: &Arc<Source>) -> Vec<Diagnostic> {
    let before = |key| started.iter().find(|fixed| fixed.key == key);
    let differ = wanted.iter().filter_map(|fixed| {
        let old = before(fixed.key).filter(|old| old.value != fixed.value)?;
        let text = format!("`{}` cannot change while the gate runs", fixed.key);
        let fault = Diagnostic::error(codes::RESTART, text)
            .at(config, fixed.span.unwrap_or_default())
            .help(format!("restart the gate for `{}`, or keep `{}`", fixed.value, old.value));
        Some(fault)
    });
    differ.collect()
}
