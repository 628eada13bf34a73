//! What the head of a request says: the run, the trace, the path; and heads that are refused.

use std::net::SocketAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderName, Method, Version};

use crate::call::trace::TraceContext;
use crate::call::{Refusal, RunId, StatusHint, StopReason};
use crate::clock::Now;
use crate::identify::path::{self, CanonicalPath};
use crate::identify::query::{self, Query};
use crate::identify::run_id::{self, RunIdSource};
use crate::identify::trace;
use crate::identify::{Desk, fresh_run};

/// Carries the token of a run that was made here.
const TOKEN_HEADER: &str = "toolgate-run-token";

/// A path that begins so names its run in the next segment.
pub(super) const RUN_PREFIX: &str = "/_run/";

/// Headers by which a method or a path is smuggled past whoever reads the request line.
const OVERRIDES: [&str; 6] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-rewrite-url",
];

/// Which run a request belongs to, and its place in a trace.
pub(super) struct Head {
    /// The run that the head names, and where.
    pub run: Option<(RunId, &'static str)>,
    /// Whose calls without a label are one run while they follow each other.
    pub window: String,
    /// The call's place in a trace; without a caller's span, until its run is known.
    pub trace: TraceContext,
}

/// What a request is aimed at.
pub(crate) struct Target {
    pub path: CanonicalPath,
    pub query: Query,
}

/// Reads the run and the trace, which need no body, so that every later refusal knows its run.
pub(super) fn read(
    parts: &Parts,
    peer: SocketAddr,
    desk: &mut Desk<'_>,
    now: Now,
) -> Result<Head, Refusal> {
    let incoming = trace::incoming(&parts.headers);
    let trace = TraceContext::child_of(incoming.as_ref());
    desk.known.trace = Some(trace.clone());
    let in_path = run_in_path(parts.uri.path());
    let terms = desk.terms;
    let by_token = by_token(parts, desk, now)?;
    let resolved = run_id::resolve(
        &parts.headers,
        in_path,
        terms.run_header.as_ref(),
        incoming.as_ref().map(|(parent, _)| parent),
    );
    let resolved = resolved.map_err(|fault| malformed(fault.to_string()))?;
    let run = match (by_token, resolved) {
        (Some(run), resolved) => {
            let outright = resolved.filter(|resolved| {
                matches!(resolved.source, RunIdSource::Header | RunIdSource::Path)
            });
            if outright.is_some_and(|resolved| resolved.id != run.0) {
                return Err(malformed("the run token and the request name different runs"));
            }
            Some((run, RunIdSource::Token.name()))
        }
        (None, Some(resolved)) => Some((RunId(resolved.id), resolved.source.name())),
        (None, None) => None,
    };
    let window = format!("{}\u{0}{}", terms.caller.agent, peer.ip());
    // For the record of a call whose agent goes away before it could be read.
    desk.known.run = run.clone().or_else(|| {
        let unlabelled = desk.ledger.unlabelled_run(&window, now, || fresh_run(now));
        Some((unlabelled, RunIdSource::AgentWindow.name()))
    });
    Ok(Head { run, window, trace })
}

/// The run that a token names. Without a token there is none, which may be a refusal.
fn by_token(parts: &Parts, desk: &Desk<'_>, now: Now) -> Result<Option<RunId>, Refusal> {
    let mut tokens = parts.headers.get_all(TOKEN_HEADER).iter();
    match (tokens.next(), tokens.next()) {
        (None, _) if desk.terms.require_token => Err(token_refused()),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(malformed("more than one run token")),
        (Some(token), None) => {
            let minted = &desk.ledger.minted;
            let named = token.to_str().ok();
            let run = named.and_then(|token| minted.verify(token, &desk.terms.caller, now));
            let known = run.filter(|run| minted.get(run).is_some());
            known.map(Some).ok_or_else(token_refused)
        }
    }
}

/// What is said to a call without a run token that holds.
pub(super) fn token_refused() -> Refusal {
    let message = "A valid run token is needed in the header Toolgate-Run-Token: whoever started \
                   this run makes one with POST /v1/runs.";
    Refusal::without_rule(StopReason::RunTokenRequired, message)
}

/// Refuses heads that two readers could read differently, and finds out what is asked for.
pub(super) fn target(parts: &Parts) -> Result<Target, Refusal> {
    method(parts)?;
    host(parts)?;
    framing(parts)?;
    let path = parts.uri.path();
    let path = match path.strip_prefix(RUN_PREFIX) {
        Some(rest) => rest.find('/').and_then(|end| rest.get(end..)).unwrap_or("/"),
        None => path,
    };
    let path = path::canonical(path).map_err(|fault| malformed(fault.to_string()))?;
    let query = query::parse(parts.uri.query().unwrap_or_default());
    let query = query.map_err(|fault| {
        let refuse = if fault.is_repeated() { ambiguous } else { malformed };
        refuse(fault.to_string())
    })?;
    Ok(Target { path, query })
}

/// The run id in `/_run/ID/…`, if the path begins so.
fn run_in_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(RUN_PREFIX)?;
    Some(rest.split_once('/').map_or(rest, |(id, _)| id))
}

fn method(parts: &Parts) -> Result<(), Refusal> {
    let known = matches!(
        parts.method,
        Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE
            | Method::OPTIONS
    );
    if !known {
        let refusal = malformed(format!("The method {} is not served.", parts.method));
        return Err(refusal.with_hint(StatusHint::MethodNotAllowed));
    }
    // Many servers do not tell `_` from `-` in the name of a header (RFC 3875, section 4.1.18).
    let overrides =
        |name: &HeaderName| OVERRIDES.contains(&name.as_str().replace('_', "-").as_str());
    if parts.headers.keys().any(|name| name.as_str().starts_with('x') && overrides(name)) {
        return Err(malformed("A header that overrides the method or path is not accepted."));
    }
    Ok(())
}

/// RFC 9112, section 3.2: exactly one Host, and the same as the request's authority.
fn host(parts: &Parts) -> Result<(), Refusal> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(malformed("More than one Host header."));
    }
    let authority = parts.uri.authority().map(|authority| authority.as_str());
    match (host.map(|host| host.as_bytes()), authority) {
        (None, None) => Err(malformed("The Host header is missing.")),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority.as_bytes()) => {
            Err(malformed("The Host header and the request's authority differ."))
        }
        (_, Some(authority)) if authority.contains('@') => {
            Err(malformed("User information in the request's authority is not accepted."))
        }
        (Some(_) | None, _) => Ok(()),
    }
}

/// One way to tell where the body ends, and no other protocol.
fn framing(parts: &Parts) -> Result<(), Refusal> {
    let headers = &parts.headers;
    if headers.contains_key(UPGRADE) || nominates(headers, "upgrade") {
        return Err(malformed("Protocol upgrades are not accepted."));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(malformed("Content-Length and Transfer-Encoding together."));
        }
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let only = codings.next().filter(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if only.is_none() || codings.next().is_some() || parts.version == Version::HTTP_10 {
            return Err(malformed("Transfer-Encoding must be `chunked` and stand once."));
        }
    }
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(malformed("More than one Content-Length header."));
    }
    Ok(())
}

fn nominates(headers: &HeaderMap, name: &str) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|nominated| nominated.trim().eq_ignore_ascii_case(name))
}

/// A request that is refused because it cannot be read in exactly one way.
pub(super) fn malformed(message: impl AsRef<str>) -> Refusal {
    Refusal::without_rule(StopReason::Malformed, sentence(message.as_ref()))
}

/// A request that says one thing in two places.
pub(super) fn ambiguous(message: impl AsRef<str>) -> Refusal {
    Refusal::without_rule(StopReason::AmbiguousArguments, sentence(message.as_ref()))
}

/// Faults are written to stand within a sentence; the agent is told whole ones.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let end = if text.ends_with('.') { "" } else { "." };
    first.into_iter().chain(letters).chain(end.chars()).collect()
}
