//! What the admin side tells whoever asks: whether the gate lives, whether it is ready, its metrics.

use std::sync::atomic::Ordering;

use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::admin::Admin;
use crate::admin::reply::{Reply, text_reply};
use crate::admin::routes::Page;
use crate::pipeline::Gate;
use crate::record::Held;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Admin {
    /// A page that takes no token.
    pub(super) fn page(&self, page: Page, headers: &HeaderMap) -> Reply {
        match page {
            Page::Readyz if !self.ready.load(Ordering::Relaxed) => {
                text_reply(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
            }
            Page::Readyz if !self.gate.recorder.is_writing() => {
                text_reply(StatusCode::SERVICE_UNAVAILABLE, "events cannot be written\n")
            }
            Page::Metrics => self.metrics(headers),
            Page::Home => text_reply(
                StatusCode::OK,
                "toolgate admin: /livez /readyz /metrics, and with a token /v1/openapi.json\n",
            ),
            Page::Livez | Page::Readyz => text_reply(StatusCode::OK, "ok\n"),
        }
    }

    fn metrics(&self, headers: &HeaderMap) -> Reply {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let open = accept.is_some_and(prefers_open_metrics);
        let Gate { ledger, recorder, .. } = &*self.gate;
        let held = Held {
            reserved_calls: ledger.reserved_calls(),
            live_runs: ledger.live_runs(),
            breakers: ledger.breakers.states(self.gate.clock.now()),
            unknown_writes: ledger.unknown.count(),
        };
        let mut reply = text_reply(StatusCode::OK, recorder.render_metrics(&held, open));
        let kind = HeaderValue::from_static(if open { OPEN_METRICS } else { CLASSIC_METRICS });
        reply.headers_mut().insert(CONTENT_TYPE, kind);
        reply
    }
}

/// Whether an `Accept` asks for OpenMetrics at least as much as for plain text (RFC 9110, section
/// 12.5.1).
fn prefers_open_metrics(accept: &str) -> bool {
    let weight = |wanted: &[&str]| {
        let members = accept.split(',').filter_map(|member| {
            let mut parts = member.split(';').map(str::trim);
            let kind = parts.next()?;
            let is_wanted = wanted.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted));
            let weight = parts.find_map(|part| part.strip_prefix("q=")?.trim().parse::<f32>().ok());
            is_wanted.then_some(weight.unwrap_or(1.0))
        });
        members.fold(0.0, f32::max)
    };
    let open = weight(&["application/openmetrics-text"]);
    open > 0.0 && open >= weight(&["text/plain", "text/*"])
}

#[cfg(test)]
mod tests {
    use super::prefers_open_metrics;

    #[test]
    fn what_is_wanted_more_is_given() {
        for (accept, open) in [
            ("application/openmetrics-text", true),
            ("application/openmetrics-text; version=1.0.0;q=0.5,text/plain;q=0.4,*/*;q=0.1", true),
            ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", true),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.1", false),
            ("application/openmetrics-text;q=0", false),
            ("text/plain", false),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(prefers_open_metrics(accept), open, "{accept}");
        }
    }
}
