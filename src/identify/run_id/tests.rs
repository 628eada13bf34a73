//! Run ids: which source wins, and what is refused.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Resolved, RunIdError, RunIdSource, is_run_id, resolve};
use crate::call::trace::TraceParent;

const TRACE: &str = "12345678901234567890123456789012";

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

/// Resolves with every source the test gives, and `x-my-run` as the configured header.
fn find(
    pairs: &[(&str, &str)],
    path: Option<&str>,
    trace: bool,
) -> Result<Option<(String, RunIdSource)>, RunIdError> {
    let configured = HeaderName::from_static("x-my-run");
    let trace = trace.then(|| {
        TraceParent::parse(&format!("00-{TRACE}-1234567890123456-01")).expect("a valid parent")
    });
    let resolved = resolve(&headers(pairs), path, Some(&configured), trace.as_ref())?;
    Ok(resolved.map(|Resolved { id, source }| (id.to_string(), source)))
}

#[test]
fn the_first_source_wins() {
    use RunIdSource::*;
    let ladder: [(&str, &str, &str, RunIdSource); 12] = [
        ("Toolgate-Run-Id", "own", "own", Header),
        ("X-My-Run", "configured", "configured", ConfiguredHeader),
        ("Agent-Session-Id", "k1", "k1", KnownHeader),
        ("X-LiteLLM-Session-Id", "k2", "k2", KnownHeader),
        ("X-LiteLLM-Trace-Id", "k3", "k3", KnownHeader),
        ("Helicone-Session-Id", "k4", "k4", KnownHeader),
        ("X-Portkey-Trace-Id", "k5", "k5", KnownHeader),
        ("X-Claude-Code-Session-Id", "k6", "k6", KnownHeader),
        ("Session-Id", "k7", "k7", KnownHeader),
        ("X-Acme-Session-Id", "k8", "k8", KnownHeader),
        ("Baggage", "gen_ai.conversation.id=c,session.id=s", "s", Baggage),
        ("Mcp-Session-Id", "m", "mcp_62c66a7a5dd70c3146618063", McpSession),
    ];
    for first in 0..ladder.len() {
        let pairs: Vec<_> = ladder[first..].iter().map(|rung| (rung.0, rung.1)).collect();
        let reversed: Vec<_> = pairs.iter().rev().copied().collect();
        let (_, _, id, source) = ladder[first];
        for pairs in [pairs, reversed] {
            assert_eq!(find(&pairs, None, false).unwrap(), Some((id.to_owned(), source)));
        }
    }
    assert_eq!(find(&[], None, false).unwrap(), None);
    let mcp = [("mcp-session-id", "m")];
    assert_eq!(find(&mcp, None, true).unwrap(), Some((TRACE.to_owned(), Traceparent)));
    let baggage = [("baggage", "session.id=s")];
    assert_eq!(find(&baggage, None, true).unwrap(), Some(("s".to_owned(), Baggage)));
    let configured = [("x-my-run", "c")];
    assert_eq!(find(&configured, Some("p"), true).unwrap(), Some(("p".to_owned(), Path)));
}

#[test]
fn header_and_path_must_agree() {
    let own = [("toolgate-run-id", "r1")];
    assert_eq!(find(&own, Some("r1"), false).unwrap(), Some(("r1".into(), RunIdSource::Header)));
    assert_eq!(find(&own, Some("r2"), false), Err(RunIdError::Disagree));
}

#[test]
fn what_names_a_run_to_us_must_be_valid() {
    for value in ["", "a b", "a\"b", "a'b", "a\\b", "a\tb", "é", "a`b"] {
        let own = [("toolgate-run-id", value)];
        assert!(matches!(find(&own, None, false), Err(RunIdError::Invalid { .. })), "{value:?}");
        let path = find(&[], Some(value), false);
        assert!(matches!(path, Err(RunIdError::Invalid { .. })), "{value:?}");
    }
    for second in ["r1", "r2"] {
        let twice = [("toolgate-run-id", "r1"), ("Toolgate-Run-Id", second)];
        assert!(matches!(find(&twice, None, false), Err(RunIdError::Repeated { .. })));
    }
}

#[test]
fn weaker_sources_are_passed_over_when_invalid_and_refused_when_contradictory() {
    let known = |source| Ok(Some(("ok".to_owned(), source)));
    let passed_over: [&[(&str, &str)]; 5] = [
        &[("x-my-run", "not a run"), ("session-id", "ok")],
        &[("agent-session-id", ""), ("session-id", "ok")],
        &[("agent-session-id", "é"), ("x-other-session-id", "ok")],
        &[("session-id", "ok"), ("session-id", "ok")],
        &[("x-zeta-session-id", "no"), ("x-alpha-session-id", "ok")],
    ];
    for pairs in passed_over {
        assert_eq!(find(pairs, None, false), known(RunIdSource::KnownHeader), "{pairs:?}");
    }
    let baggage = [("baggage", "session.id=a%20b"), ("mcp-session-id", "ok")];
    let session = "mcp_2689367b205c16ce32ed4200".to_owned();
    assert_eq!(find(&baggage, None, false), Ok(Some((session, RunIdSource::McpSession))));
    let contradictory: [&[(&str, &str)]; 5] = [
        &[("x-my-run", "a"), ("x-my-run", "b")],
        &[("session-id", "a"), ("session-id", "b")],
        &[("x-foo-session-id", "a"), ("x-foo-session-id", "b")],
        &[("mcp-session-id", "a"), ("mcp-session-id", "b")],
        &[("baggage", "session.id=a"), ("baggage", "session.id=b")],
    ];
    for pairs in contradictory {
        let error = find(pairs, None, false);
        assert!(matches!(error, Err(RunIdError::Repeated { .. })), "{pairs:?}");
    }
}

#[test]
fn session_headers_are_known_by_their_shape() {
    for (name, counts) in [
        ("x-session-id", true),
        ("x-a-b-session-id", true),
        ("x-mysession-id", false),
        ("y-session-id", false),
        ("x-session-ids", false),
        ("xsession-id", false),
        ("x-session", false),
    ] {
        let found = find(&[(name, "s")], None, false).unwrap();
        assert_eq!(found.is_some(), counts, "{name}");
    }
}

#[test]
fn run_ids_are_bounded() {
    assert!(is_run_id(&"r".repeat(128)));
    assert!(!is_run_id(&"r".repeat(129)));
    assert!(is_run_id("run_01JB/a:b,c;d=e~!{}[]%"));
}

#[test]
fn sources_have_the_names_users_see() {
    use RunIdSource::*;
    let sources = [
        Header,
        Path,
        ConfiguredHeader,
        KnownHeader,
        Baggage,
        Traceparent,
        McpSession,
        AgentWindow,
    ];
    let names = sources.map(RunIdSource::name);
    let expected = [
        "header",
        "path",
        "configured_header",
        "known_header",
        "baggage",
        "traceparent",
        "mcp_session",
        "agent_window",
    ];
    assert_eq!(names, expected);
}

#[test]
fn errors_never_repeat_the_value() {
    let own = [("toolgate-run-id", "s3cret value")];
    let error = find(&own, None, false).unwrap_err().to_string();
    assert!(!error.contains("s3cret"), "{error}");
    assert!(error.starts_with("the run id in the header Toolgate-Run-Id is invalid"), "{error}");
}
