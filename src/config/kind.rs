//! What an upstream speaks, and where it is: exactly one of `http`, `mcp`, and `llm` with `url`.

use super::address::{self, Target};
use super::codes;
use super::command;
use super::raw;
use super::settings::Kind;
use super::validate::Check;
use crate::call::Provider;
use crate::yaml::{self, Either, Field, ScalarFault, Text};

/// The kind of an upstream and its address; `None` where nothing can be said of either.
pub(super) fn kind(
    name: &Field<String>,
    raw: &raw::Upstream,
    damaged: bool,
    check: &mut Check<'_>,
) -> (Option<Kind>, Option<Target>) {
    let spans = [
        raw.http.as_ref().map(|text| text.span),
        raw.mcp.as_ref().map(|field| field.span),
        raw.llm.as_ref().map(|field| field.span),
    ];
    let mut given = spans.into_iter().flatten();
    let (first, second) = (given.next(), given.next());
    if let Some(second) = second {
        let text = ScalarFault::new("an upstream is one of `http`, `mcp` and `llm`");
        check.fault(codes::CONFLICT, second, text.help("make two upstreams of it"));
        return (None, None);
    }
    if first.is_none() {
        if !damaged {
            let text = ScalarFault::new("missing key `http`");
            let help = "or `mcp: URL` or a command, or `llm: openai` with `url: URL`";
            check.fault(yaml::codes::MISSING_KEY, name.span, text.help(help));
        }
        return (None, None);
    }
    let Some(llm) = raw.llm else {
        if let Some(url) = &raw.url {
            let text = ScalarFault::new("`url` stands beside `llm` only");
            check.fault(codes::CONFLICT, url.span, text.help("use `http: URL` or `mcp: URL`"));
        }
        return match (&raw.http, raw.mcp.as_ref().map(|field| &field.value)) {
            (Some(text), _) => (Some(Kind::Http), target(text, check)),
            (None, Some(Either::Short(text))) => (Some(Kind::Mcp), target(text, check)),
            (None, Some(Either::Long(_))) => (Some(Kind::Mcp), Some(command::target())),
            (None, None) => (None, None),
        };
    };
    let provider = match llm.value {
        raw::Provider::Openai => Provider::OpenAi,
        raw::Provider::Anthropic => Provider::Anthropic,
        raw::Provider::Gemini => Provider::Gemini,
    };
    let Some(url) = &raw.url else {
        let text = ScalarFault::new("missing key `url`");
        let help = "for example `url: https://api.openai.com/v1`";
        check.fault(yaml::codes::MISSING_KEY, llm.span, text.help(help));
        return (Some(Kind::Llm(provider)), None);
    };
    (Some(Kind::Llm(provider)), target(url, check))
}

fn target(text: &Text, check: &mut Check<'_>) -> Option<Target> {
    check.ok(codes::URL, text.span, address::target(&text.value))
}
