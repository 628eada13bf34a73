//! Trace context, by the cases of the public W3C test suite and of the recommendation. Whether they
//! hold over a connection is asked in `tests/proxy/tracing.rs`.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::incoming;
use crate::call::trace::{TraceContext, TraceParent};

const TRACE: &str = "12345678901234567890123456789012";
const VALID: &str = "00-12345678901234567890123456789012-1234567890123456-01";

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

/// What is sent on for a request with these headers.
fn context(pairs: &[(&str, &str)]) -> TraceContext {
    TraceContext::child_of(incoming(&headers(pairs)).as_ref())
}

/// What is sent on of a state.
fn state(states: &[&str]) -> Option<String> {
    let mut pairs = vec![("traceparent", VALID)];
    pairs.extend(states.iter().map(|state| ("tracestate", *state)));
    let context = context(&pairs);
    assert_eq!(context.trace_id(), TRACE, "a state never changes the trace");
    others(&context)
}

/// The members of others behind our own, if there are any.
fn others(context: &TraceContext) -> Option<String> {
    let sent = context.tracestate(context.span());
    let own = format!("toolgate={}", context.span_id());
    let others = sent.strip_prefix(&own).expect("our own member is the first");
    others.strip_prefix(',').map(str::to_owned)
}

/// The `traceparent` that is sent on.
fn sent(context: &TraceContext) -> String {
    context.span().to_string()
}

#[test]
fn a_valid_parent_is_continued() {
    let context = context(&[("TraceParent", VALID)]);
    assert_eq!(context.trace_id(), TRACE);
    assert_eq!(context.parent_span_id().as_deref(), Some("1234567890123456"));
    assert_ne!(context.span_id(), "1234567890123456");
    assert_eq!(sent(&context), format!("00-{TRACE}-{}-01", context.span_id()));
    assert_eq!(others(&context), None);
}

#[test]
fn without_a_parent_a_trace_begins() {
    let ids: HashSet<_> = (0..100)
        .map(|_| {
            let context = context(&[]);
            assert_eq!(context.parent_span_id(), None);
            let sent = TraceParent::parse(&sent(&context)).unwrap();
            assert_eq!(sent, context.span());
            assert!(context.is_sampled());
            context.trace_id()
        })
        .collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn each_child_has_a_span_of_its_own() {
    let parent = incoming(&headers(&[("traceparent", VALID)]));
    let child = || TraceContext::child_of(parent.as_ref()).span_id();
    let spans: HashSet<_> = (0..100).map(|_| child()).collect();
    assert_eq!(spans.len(), 100);
}

#[test]
fn flags_pass_as_far_as_they_are_defined() {
    for (received, sent) in [
        ("00-12345678901234567890123456789012-1234567890123456-00", "00"),
        ("00-12345678901234567890123456789012-1234567890123456-01", "01"),
        ("00-12345678901234567890123456789012-1234567890123456-02", "02"),
        ("00-12345678901234567890123456789012-1234567890123456-03", "03"),
        ("00-12345678901234567890123456789012-1234567890123456-ff", "03"),
        ("cc-12345678901234567890123456789012-1234567890123456-ff", "01"),
        ("01-12345678901234567890123456789012-1234567890123456-fe", "00"),
    ] {
        let context = context(&[("traceparent", received)]);
        assert_eq!(context.trace_id(), TRACE);
        assert!(context.span().to_string().starts_with("00-"), "{received}");
        assert!(context.span().to_string().ends_with(sent), "{received}");
    }
}

#[test]
fn parents_that_can_be_read_are_read() {
    for header in [
        "cc-12345678901234567890123456789012-1234567890123456-01",
        "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        "fe-12345678901234567890123456789012-1234567890123456-01-",
        " 00-12345678901234567890123456789012-1234567890123456-01",
        "\t00-12345678901234567890123456789012-1234567890123456-01",
        "00-12345678901234567890123456789012-1234567890123456-01 ",
        "00-12345678901234567890123456789012-1234567890123456-01\t",
        "\t 00-12345678901234567890123456789012-1234567890123456-01 \t",
    ] {
        assert_eq!(TraceParent::parse(header).unwrap().trace_id(), TRACE, "{header}");
    }
}

#[test]
fn invalid_parents_begin_a_new_trace() {
    for header in [
        "",
        "00",
        "00-12345678901234567890123456789012-1234567890123456-01.",
        "00-12345678901234567890123456789012-1234567890123456-01-",
        "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
        "cc-12345678901234567890123456789012-1234567890123456-011",
        "ff-12345678901234567890123456789012-1234567890123456-01",
        ".0-12345678901234567890123456789012-1234567890123456-01",
        "0.-12345678901234567890123456789012-1234567890123456-01",
        "000-12345678901234567890123456789012-1234567890123456-01",
        "0000-12345678901234567890123456789012-1234567890123456-01",
        "0-12345678901234567890123456789012-1234567890123456-01",
        "00-00000000000000000000000000000000-1234567890123456-01",
        "00-.2345678901234567890123456789012-1234567890123456-01",
        "00-1234567890123456789012345678901.-1234567890123456-01",
        "00-123456789012345678901234567890123-1234567890123456-01",
        "00-1234567890123456789012345678901-1234567890123456-01",
        "00-12345678901234567890123456789012-0000000000000000-01",
        "00-12345678901234567890123456789012-.234567890123456-01",
        "00-12345678901234567890123456789012-123456789012345.-01",
        "00-12345678901234567890123456789012-12345678901234567-01",
        "00-12345678901234567890123456789012-123456789012345-01",
        "00-12345678901234567890123456789012-1234567890123456-.0",
        "00-12345678901234567890123456789012-1234567890123456-0.",
        "00-12345678901234567890123456789012-1234567890123456-001",
        "00-12345678901234567890123456789012-1234567890123456-1",
        "00-1234567890123456789012345678901A-1234567890123456-01",
        "00-12345678901234567890123456789012-123456789012345A-01",
        "0A-12345678901234567890123456789012-1234567890123456-01",
        "00-+2345678901234567890123456789012-1234567890123456-01",
        "00_12345678901234567890123456789012_1234567890123456_01",
        "00-12345678901234567890123456789012-1234567890123456-é",
    ] {
        assert_eq!(TraceParent::parse(header), None, "{header}");
        let context = context(&[("traceparent", header), ("tracestate", "foo=1")]);
        assert_ne!(context.trace_id(), TRACE, "{header}");
        assert_eq!(context.parent_span_id(), None, "{header}");
        assert_eq!(others(&context), None, "{header}");
    }
}

#[test]
fn two_parents_are_none() {
    let other = "00-12345678901234567890123456789011-1234567890123456-01";
    for second in [other, VALID] {
        let context = context(&[("traceparent", VALID), ("traceparent", second)]);
        assert_ne!(context.trace_id(), TRACE);
        assert_eq!(context.parent_span_id(), None);
    }
}

#[test]
fn other_header_names_mean_nothing() {
    assert_ne!(context(&[("trace-parent", VALID)]).trace_id(), TRACE);
    assert_ne!(context(&[("trace.parent", VALID)]).trace_id(), TRACE);
    for name in ["trace-state", "trace.state"] {
        let context = context(&[("traceparent", VALID), (name, "foo=1")]);
        assert_eq!(others(&context), None);
    }
}

#[test]
fn a_state_without_a_parent_says_nothing() {
    for state in ["foo=1", "foo=1,bar=2"] {
        let context = context(&[("tracestate", state)]);
        assert_eq!((context.parent_span_id(), others(&context)), (None, None));
    }
    let two = [("traceparent", VALID), ("traceparent", VALID), ("tracestate", "foo=1")];
    assert_eq!(others(&context(&two)), None);
}

#[test]
fn states_are_combined_and_trimmed() {
    let cases: [(&[&str], Option<&str>); 17] = [
        (&["foo=1,bar=2"], Some("foo=1,bar=2")),
        (&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], Some("foo=1,bar=2,rojo=1,congo=2,baz=3")),
        (&[""], None),
        (&["foo=1", ""], Some("foo=1")),
        (&["", "foo=1"], Some("foo=1")),
        (&[" , ,\t"], None),
        (&["foo=1 \t , \t bar=2, \t baz=3"], Some("foo=1,bar=2,baz=3")),
        (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], Some("foo=1,bar=2,baz=3")),
        (&["foo=1,,bar=2"], Some("foo=1,bar=2")),
        (&["\tfoo=1 "], Some("foo=1")),
        (&["foo= 1 "], Some("foo= 1")),
        (&["\t foo=1 \t"], Some("foo=1")),
        (&["foo= 1"], Some("foo= 1")),
        (&["foo=a b"], Some("foo=a b")),
        (&["0foo=1"], Some("0foo=1")),
        (&["t@v=1"], Some("t@v=1")),
        (&["0t@v=1"], Some("0t@v=1")),
    ];
    for (states, expected) in cases {
        assert_eq!(state(states).as_deref(), expected, "{states:?}");
    }
}

#[test]
fn every_legal_character_passes() {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|character| !matches!(character, ',' | '=')).collect();
    for key in [key.to_owned(), format!("{key}@a-z0-9_-*/")] {
        let member = format!("{key}={value}");
        assert_eq!(state(&[&member]), Some(member));
    }
}

#[test]
fn invalid_states_are_dropped() {
    for states in [
        &["foo=1,foo=1"][..],
        &["foo=1,foo=2"],
        &["foo=1", "foo=2"],
        &["foo =1"],
        &["FOO=1"],
        &["foo.bar=1"],
        &["foo@=1,bar=2"],
        &["@foo=1,bar=2"],
        &["foo@@bar=1,bar=2"],
        &["foo@bar@baz=1,bar=2"],
        &["foo@1bar=1"],
        &["_foo=1"],
        &["foo=bar=baz"],
        &["foo=,bar=3"],
        &["foo"],
        &["=1"],
        &["foo=1,bar"],
        &["foo=a\tb"],
        &["foo=é"],
    ] {
        assert_eq!(state(states), None, "{states:?}");
    }
}

#[test]
fn sizes_are_bounded() {
    let members = |count: usize| {
        (1..=count).map(|index| format!("bar{index:02}={index:02}")).collect::<Vec<_>>().join(",")
    };
    let without_last = members(31);
    assert_eq!(state(&[&members(32)]), Some(without_last), "ours is the thirty-second");
    assert_eq!(state(&[&members(31)]), Some(members(31)));
    assert_eq!(state(&[&members(33)]), None);
    assert_eq!(state(&[&members(32), "bar33=33"]), None);
    let with_foo = |key: &str| state(&["foo=1", &format!("{key}=1")]);
    assert!(with_foo(&"z".repeat(256)).is_some());
    assert_eq!(with_foo(&"z".repeat(257)), None);
    assert!(with_foo(&format!("{}@{}", "t".repeat(241), "v".repeat(14))).is_some());
    assert_eq!(with_foo(&format!("{}@v", "t".repeat(242))), None);
    assert_eq!(with_foo(&format!("t@{}", "v".repeat(15))), None);
    assert!(state(&[&format!("foo={}", "v".repeat(256))]).is_some());
    assert_eq!(state(&[&format!("foo={}", "v".repeat(257))]), None);
}

#[test]
fn long_states_lose_long_members_first_and_then_the_last() {
    let long = format!("long={}", "v".repeat(200));
    let medium: Vec<_> = (0..8).map(|index| format!("k{index}={}", "v".repeat(60))).collect();
    let medium = medium.join(",");
    assert_eq!(medium.len(), 8 * 63 + 7);
    assert_eq!(state(&[&long, &medium]), Some(medium.clone()));
    assert_eq!(state(&[&medium, "a=1", "b=2"]), Some(medium));
}

#[test]
fn half_a_kilobyte_of_others_goes_on_whole() {
    let member = |length: usize| format!("k{length}={}", "v".repeat(length - 5));
    let most = [member(127), member(128), member(126), member(125)].join(",");
    let most = format!("{most},z=1");
    assert_eq!(most.len(), 513);
    assert_eq!(state(&[&most]), Some(most[..509].to_owned()), "whole members only");
    assert_eq!(state(&[&most[..509], "z="]), None);
    let last = format!("last={}", "v".repeat(123));
    let exact = [member(127), member(128), member(126), last].join(",");
    assert_eq!((exact.len(), state(&[&exact])), (512, Some(exact.clone())));
    assert_eq!(state(&[&format!("{}=1", "z".repeat(256))]).unwrap().len(), 258, "where it fits");
}

#[test]
fn our_own_member_goes_first_and_says_which_span_was_sent() {
    let span = |context: &TraceContext| context.tracestate(context.span());
    let ours = context(&[("traceparent", VALID), ("tracestate", "foo=1,toolgate=old,bar=2")]);
    assert_eq!(span(&ours), format!("toolgate={},foo=1,bar=2", ours.span_id()));
    let fresh = context(&[]);
    assert_eq!(span(&fresh), format!("toolgate={}", fresh.span_id()));
    let attempt = ours.span().with_span(0xab).unwrap();
    assert_eq!(attempt.to_string(), format!("00-{TRACE}-00000000000000ab-01"));
    assert_eq!(ours.tracestate(attempt), "toolgate=00000000000000ab,foo=1,bar=2");
    assert_eq!(ours.span().with_span(0), None);
    // One of ours among thirty-two makes room for itself.
    let full: Vec<_> =
        (1..=31).map(|index| format!("k{index}=v")).chain(["toolgate=x".into()]).collect();
    let sent = span(&context(&[("traceparent", VALID), ("tracestate", &full.join(","))]));
    assert_eq!(sent.split(',').count(), 32);
    assert!(sent.ends_with(",k31=v"), "{sent}");
}

#[test]
fn spans_stand_where_they_are_put() {
    let call = context(&[("traceparent", VALID), ("tracestate", "foo=1")]);
    let child = call.child();
    assert_eq!((child.trace_id(), child.parent()), (call.trace_id(), Some(call.span())));
    assert_eq!(others(&child).as_deref(), Some("foo=1"));
    let sibling = call.sibling();
    assert_eq!((sibling.trace_id(), sibling.parent()), (call.trace_id(), call.parent()));
    assert_ne!(sibling.span(), call.span());
    let other = TraceParent::parse(&VALID.replace("12-", "13-")).unwrap();
    assert_eq!(call.clone().linked(Some(other)).link(), Some(other));
    assert_eq!(call.clone().linked(call.parent()).link(), None, "it stands there already");
    assert_eq!(call.clone().linked(None).link(), None);
}

#[test]
fn an_unsampled_trace_stays_unsampled_below() {
    let call = context(&[("traceparent", &VALID.replace("-01", "-00"))]);
    assert!(!call.is_sampled() && !call.child().is_sampled() && !call.sibling().is_sampled());
}
