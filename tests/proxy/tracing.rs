//! Traces go on through the gate: what tools are told of where a call stands, by the public W3C
//! rules, and what the record says of it. Calls of a run that come without a place in a trace have
//! one together.

use std::collections::HashSet;

use http::HeaderMap;
use serde_json::{Value, json};

use crate::harness::faulty::{Faulty, answer, fine};
use crate::harness::{Gate, Setup, Tool, Wire, get, of_kind};
use crate::mcp::server::{Server, call, message, new, old};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The trace, the span and the flags that a tool was told, and the members of others in the state.
struct Told {
    trace: String,
    span: String,
    flags: String,
    others: Option<String>,
}

/// What stands in headers: one well-formed parent, and a state with our own member in front.
fn told(headers: &HeaderMap) -> Told {
    let one = |name: &str| {
        let mut values = headers.get_all(name).iter();
        let value = values.next().unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(values.next(), None, "one {name}");
        value.to_str().expect("ASCII").to_owned()
    };
    of_texts(&one("traceparent"), &one("tracestate"))
}

fn of_texts(parent: &str, state: &str) -> Told {
    let parts: Vec<&str> = parent.split('-').collect();
    let [version, trace, span, flags] = parts.try_into().expect("four parts");
    let lower = |text: &str, len| {
        text.len() == len && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    assert!(version == "00" && lower(trace, 32) && lower(span, 16) && lower(flags, 2), "{parent}");
    let own = format!("toolgate={span}");
    let others = state.strip_prefix(&own).unwrap_or_else(|| panic!("{own} is first: {state}"));
    let others = others.strip_prefix(',').map(str::to_owned);
    assert!(state.split(',').count() <= 32, "{state}");
    Told { trace: trace.into(), span: span.into(), flags: flags.into(), others }
}

/// What a case of the public suite expects.
#[derive(Debug)]
enum Expect {
    /// The caller's trace goes on, with this of its state.
    GoesOn(Option<String>),
    /// A new one is begun, without a state.
    Anew,
}

/// The cases of `traceparent` in the public suite, of level 2, as lines of a head.
fn parents() -> Vec<(Vec<String>, Expect)> {
    let rest = format!("{TRACE}-{PARENT}");
    let goes_on = |value: String| (vec![format!("traceparent: {value}")], Expect::GoesOn(None));
    let anew = |value: String| {
        (vec![format!("traceparent: {value}"), "tracestate: foo=1".into()], Expect::Anew)
    };
    let mut cases: Vec<_> = [
        format!("00-{rest}-01"),
        format!("cc-{rest}-01"),
        format!("cc-{rest}-01-what-the-future-will-be-like"),
        format!("fe-{rest}-00-"),
        format!(" 00-{rest}-01"),
        format!("\t00-{rest}-01"),
        format!("00-{rest}-01 "),
        format!("00-{rest}-01\t"),
        format!("\t 00-{rest}-01 \t"),
    ]
    .map(goes_on)
    .into();
    cases.extend(
        [
            String::new(),
            "nonsense".into(),
            format!("00-{rest}-01."),
            format!("00-{rest}-01-what-the-future-will-be-like"),
            format!("cc-{rest}-01.what-the-future-will-be-like"),
            format!("ff-{rest}-01"),
            format!(".0-{rest}-01"),
            format!("0.-{rest}-01"),
            format!("000-{rest}-01"),
            format!("0000-{rest}-01"),
            format!("0-{rest}-01"),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-.{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{}.-{PARENT}-01", &TRACE[1..]),
            format!("00-{TRACE}3-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-.{}-01", &PARENT[1..]),
            format!("00-{TRACE}-{}.-01", &PARENT[1..]),
            format!("00-{TRACE}-{PARENT}7-01"),
            format!("00-{TRACE}-{}-01", &PARENT[1..]),
            format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
            format!("00-{rest}-.0"),
            format!("00-{rest}-0."),
            format!("00-{rest}-001"),
            format!("00-{rest}-1"),
            format!("00-{rest}-0A"),
        ]
        .map(anew),
    );
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        cases.push((vec![format!("{name}: {CALLER}")], Expect::GoesOn(None)));
    }
    for name in ["trace-parent", "trace.parent", "trace_parent"] {
        cases.push((vec![format!("{name}: {CALLER}")], Expect::Anew));
    }
    let other = CALLER.replace("319c", "319d");
    for second in [other.as_str(), CALLER] {
        let lines = [CALLER, second].map(|value| format!("traceparent: {value}"));
        cases.push((lines.into(), Expect::Anew));
    }
    cases
}

/// The cases of `tracestate` in the public suite: the values of its headers, and what goes on.
fn states() -> Vec<(Vec<String>, Option<String>)> {
    let bars = |range: std::ops::RangeInclusive<u32>| {
        range.map(|index| format!("bar{index:02}={index:02}")).collect::<Vec<_>>().join(",")
    };
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|letter| !matches!(letter, ',' | '=')).collect();
    let legal = [format!("{key}={value}"), format!("{key}@a-z0-9_-*/={value}")];
    let long = |length| format!("{}=1", "z".repeat(length));
    let tenant = |tenant, system| format!("{}@{}=1", "t".repeat(tenant), "v".repeat(system));
    let mut cases: Vec<(Vec<String>, Option<String>)> = vec![
        (vec![bars(1..=10), bars(11..=20), bars(21..=31)], Some(bars(1..=31))),
        (vec![bars(1..=10), bars(11..=20), bars(21..=30), bars(31..=32)], Some(bars(1..=31))),
        (vec![bars(1..=10), bars(11..=20), bars(21..=30), bars(31..=33)], None),
        (vec!["foo=1".into(), long(256)], Some(format!("foo=1,{}", long(256)))),
        (vec!["foo=1".into(), long(257)], None),
        (vec!["foo=1".into(), tenant(241, 14)], Some(format!("foo=1,{}", tenant(241, 14)))),
        (vec!["foo=1".into(), tenant(242, 1)], None),
        (vec!["foo=1".into(), tenant(1, 15)], None),
        (vec![format!("foo={}", "v".repeat(257))], None),
        (vec![format!("toolgate=00f067aa0ba902b7,{}", bars(1..=31))], Some(bars(1..=31))),
    ];
    cases.extend(legal.map(|member| (vec![member.clone()], Some(member))));
    let texts: [(&[&str], Option<&str>); 29] = [
        (&["foo=1,bar=2"], Some("foo=1,bar=2")),
        (&[""], None),
        (&["foo=1", ""], Some("foo=1")),
        (&["", "foo=1"], Some("foo=1")),
        (&["foo=1,,bar=2"], Some("foo=1,bar=2")),
        (&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], Some("foo=1,bar=2,rojo=1,congo=2,baz=3")),
        (&["foo=1,foo=1"], None),
        (&["foo=1,foo=2"], None),
        (&["foo=1", "foo=1"], None),
        (&["foo=1", "foo=2"], None),
        (&["foo=1 \t , \t bar=2, \t baz=3"], Some("foo=1,bar=2,baz=3")),
        (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], Some("foo=1,bar=2,baz=3")),
        (&[" foo=1"], Some("foo=1")),
        (&["\tfoo=1"], Some("foo=1")),
        (&["foo=1 "], Some("foo=1")),
        (&["foo=1\t"], Some("foo=1")),
        (&["\t foo=1 \t"], Some("foo=1")),
        (&["0foo=1"], Some("0foo=1")),
        (&["foo =1"], None),
        (&["FOO=1"], None),
        (&["foo.bar=1"], None),
        (&["foo@=1,bar=2"], None),
        (&["@foo=1,bar=2"], None),
        (&["foo@@bar=1,bar=2"], None),
        (&["foo@bar@baz=1,bar=2"], None),
        (&["foo=bar=baz"], None),
        (&["foo=,bar=3"], None),
        (&["foo"], None),
        (&["toolgate=x,foo=1"], Some("foo=1")),
    ];
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    cases.extend(texts.map(|(values, left)| (owned(values), left.map(str::to_owned))));
    cases
}

#[tokio::test]
async fn the_public_rules_hold_over_a_connection() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let mut cases = parents();
    for (values, left) in states() {
        let states = values.iter().map(|value| format!("tracestate: {value}"));
        let lines = std::iter::once(format!("traceparent: {CALLER}")).chain(states).collect();
        cases.push((lines, Expect::GoesOn(left)));
    }
    for (name, left) in
        [("TraceState", Some("foo=1")), ("TRACESTATE", Some("foo=1")), ("trace-state", None)]
    {
        let lines = vec![format!("traceparent: {CALLER}"), format!("{name}: foo=1")];
        cases.push((lines, Expect::GoesOn(left.map(str::to_owned))));
    }
    cases.push((vec!["tracestate: foo=1,bar=2".into()], Expect::Anew));
    cases.push((Vec::new(), Expect::Anew));
    let count = cases.len();
    assert!(count > 80, "{count}");
    let mut wire = Wire::open(gate.address).await;
    let mut spans = HashSet::new();
    for (lines, expected) in cases {
        let head: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        wire.send(format!("GET /svc/items HTTP/1.1\r\nHost: gate\r\n{head}\r\n")).await;
        assert_eq!(wire.answer().await.status, 200, "it is no reason to refuse: {lines:?}");
        let arrived = tool.ledger().pop().expect("it arrived");
        let Told { trace, span, others, .. } = told(&arrived.headers);
        assert!(span != PARENT && spans.insert(span), "a span of its own: {lines:?}");
        match expected {
            Expect::GoesOn(left) => {
                assert_eq!((trace.as_str(), others), (TRACE, left), "{lines:?}");
            }
            Expect::Anew => {
                assert_ne!(trace, TRACE, "{lines:?}");
                assert_eq!(others, None, "{lines:?}");
            }
        }
    }
    for event in gate.calls(count).await {
        let is_callers = event["trace_id"] == TRACE;
        let source = if is_callers { "traceparent" } else { "agent_window" };
        assert_eq!(event["run_id_source"], source, "what is invalid names no run");
        assert_eq!(event["parent_span_id"] == PARENT, is_callers);
    }
}

#[tokio::test]
async fn the_callers_flags_go_on_unchanged() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    for (version, flags, sent) in [
        ("00", "00", "00"),
        ("00", "01", "01"),
        ("00", "02", "02"),
        ("00", "ff", "03"),
        ("01", "ff", "01"),
    ] {
        let mut request = get("/svc/items");
        let parent = format!("{version}-{TRACE}-{PARENT}-{flags}");
        request.headers_mut().insert("traceparent", parent.parse().expect("a value"));
        assert_eq!(gate.send(request).await.status, 200);
        assert_eq!(told(&tool.ledger().pop().expect("it arrived").headers).flags, sent, "{parent}");
    }
}

#[tokio::test]
async fn calls_without_a_place_are_below_one_span_of_their_run() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .policy("rules:\n- { id: no, tools: [svc.drop], then: deny, message: No. }\n");
    let gate = gate.start().await;
    let in_run = |run: &str, path: &str| {
        let mut request = get(path);
        request.headers_mut().insert("toolgate-run-id", run.parse().expect("a value"));
        request
    };
    assert_eq!(gate.send(in_run("a", "/svc/items/1")).await.status, 200);
    assert_eq!(gate.send(in_run("a", "/svc/items/2")).await.status, 200);
    let mut refused = in_run("a", "/svc/items/3");
    *refused.method_mut() = http::Method::DELETE;
    assert_eq!(gate.send(refused).await.status, 403);
    assert!(gate.send(in_run("a", "/svc/nothing/here")).await.status.is_client_error());
    let mut placed = in_run("a", "/svc/items/4");
    placed.headers_mut().insert("traceparent", CALLER.parse().expect("a value"));
    assert_eq!(gate.send(placed).await.status, 200);
    assert_eq!(gate.send(in_run("b", "/svc/items/5")).await.status, 200);
    let arrived: Vec<Told> = tool.ledger().iter().map(|arrived| told(&arrived.headers)).collect();
    let events = gate.end().await;
    let (calls, stops) = (of_kind(events.clone(), "call"), of_kind(events, "stop"));
    let end =
        |run: &str| stops.iter().find(|stop| stop["run_id"] == run).expect("it ended").clone();
    let (a, b) = (end("a"), end("b"));
    assert_ne!(a["trace_id"], b["trace_id"]);
    assert_eq!(a.get("parent_span_id"), None);
    for call in &calls[..4] {
        assert_eq!((&call["trace_id"], &call["parent_span_id"]), (&a["trace_id"], &a["span_id"]));
    }
    assert_eq!(
        (&calls[4]["trace_id"], &calls[4]["parent_span_id"]),
        (&json!(TRACE), &json!(PARENT))
    );
    assert_eq!(
        (&calls[5]["trace_id"], &calls[5]["parent_span_id"]),
        (&b["trace_id"], &b["span_id"])
    );
    let spans: HashSet<&str> = calls.iter().filter_map(|call| call["span_id"].as_str()).collect();
    assert_eq!(spans.len(), 6);
    assert_eq!(arrived[0].trace, a["trace_id"]);
    assert_eq!(arrived[1].trace, a["trace_id"]);
}

#[tokio::test]
async fn a_run_whose_calls_have_places_has_no_span_of_its_own() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let mut request = get("/svc/items");
    request.headers_mut().insert("traceparent", CALLER.parse().expect("a value"));
    assert_eq!(gate.send(request).await.status, 200);
    let stop = of_kind(gate.end().await, "stop").remove(0);
    assert_eq!((stop.get("trace_id"), stop.get("span_id")), (None, None));
}

#[tokio::test]
async fn each_attempt_is_a_span_that_the_tool_is_told() {
    let tool = Faulty::start(|asked| match asked.nth {
        0 | 1 => answer(503, "{}"),
        _ => fine(),
    })
    .await;
    let retry = "retry: { attempts: 3, on: [503], budget: 100%, backoff: 1ms }";
    let gate = Setup::at(&tool.url()).upstream(retry).start().await;
    let mut request = get("/svc/items/1");
    request.headers_mut().insert("traceparent", CALLER.parse().expect("a value"));
    request.headers_mut().insert("tracestate", "foo=1".parse().expect("a value"));
    assert_eq!(gate.send(request).await.status, 200);
    let event = gate.calls(1).await.remove(0);
    assert_eq!(event["attempts"], json!([503, 503, 200]));
    let mut spans: HashSet<String> = [event["span_id"].as_str().expect("a span").to_owned()].into();
    let asked = tool.ledger();
    assert_eq!(asked.len(), 3);
    for (asked, _) in asked {
        let Told { trace, span, others, .. } =
            of_texts(&asked.headers["traceparent"], &asked.headers["tracestate"]);
        assert_eq!((trace.as_str(), others.as_deref()), (TRACE, Some("foo=1")));
        assert!(spans.insert(span), "neither the call's nor another attempt's");
    }
}

/// The baggage that reached the tool, header by header.
fn baggage(tool: &Tool) -> Vec<String> {
    let arrived = tool.ledger().pop().expect("it arrived");
    let values = arrived.headers.get_all("baggage").iter();
    values.map(|value| value.to_str().expect("ASCII").to_owned()).collect()
}

#[tokio::test]
async fn baggage_goes_to_those_who_are_trusted_with_it() {
    let tool = Tool::start().await;
    let upstream = |name: &str, keys: &str| {
        let tools = "tools: [{ name: get, match: \"GET /items\" }]";
        format!("  {name}:\n    http: http://{}\n    {tools}\n    {keys}\n", tool.address)
    };
    let gate = Setup::before(&tool)
        .other_upstream(&upstream("stranger", "tags: [untrusted]"))
        .other_upstream(&upstream("guest", "tags: [untrusted]\n    baggage: [session.id]"))
        .other_upstream(&upstream("known", "baggage: [tier, session.id]"))
        .start()
        .await;
    let members =
        |count: usize| (0..count).map(|index| format!("k{index}=v")).collect::<Vec<_>>().join(",");
    let (most, more) = (members(64), members(65));
    let long = format!("session.id=s,a={}", "v".repeat(8_192));
    let some = "session.id=s1;p=1 , user=me%20too,tier=2";
    let cases: [(&str, &[&str], &[&str]); 12] = [
        ("svc", &[some], &[some]),
        ("svc", &["a=1", "b=2"], &["a=1", "b=2"]),
        ("svc", &[&most], &[&most]),
        ("svc", &[&more], &[]),
        ("svc", &[&long], &[]),
        ("stranger", &[some], &[]),
        ("stranger", &[], &[]),
        ("guest", &[some], &["session.id=s1;p=1"]),
        ("guest", &["user=me", "session.id=s2"], &["session.id=s2"]),
        ("guest", &["user=session.id=x"], &[]),
        ("guest", &[&long], &[]),
        ("known", &[some], &["session.id=s1;p=1,tier=2"]),
    ];
    for (name, sent, left) in cases {
        let mut request = get(&format!("/{name}/items"));
        for value in sent {
            request.headers_mut().append("baggage", value.parse().expect("a value"));
        }
        assert_eq!(gate.send(request).await.status, 200, "{name} {sent:?}");
        assert_eq!(baggage(&tool), left, "{name} {sent:?}");
    }
}

/// `params._meta` of the last message that reached a server.
fn meta(server: &Server) -> Value {
    let sent: Value = serde_json::from_slice(&server.last()).expect("JSON");
    sent["params"]["_meta"].clone()
}

fn told_in(meta: &Value) -> Told {
    let text = |name: &str| meta[name].as_str().unwrap_or_else(|| panic!("{name}: {meta}"));
    of_texts(text("traceparent"), text("tracestate"))
}

/// The last of so many calls that the gate has recorded.
async fn last(gate: &Gate, count: usize) -> Value {
    gate.calls(count).await.pop().expect("an event")
}

#[tokio::test]
async fn a_message_says_where_it_stands_and_the_request_is_beside_it() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    let carried = "00-11111111111111111111111111111111-2222222222222222-00";
    let say = |meta: Value| {
        message(1, "tools/call", json!({ "name": "say", "arguments": {}, "_meta": meta }))
    };
    // The message's own place is the parent, whatever the request says.
    let mut request = new(say(json!({ "traceparent": carried, "tracestate": "m=1" })));
    request.headers_mut().insert("traceparent", CALLER.parse().expect("a value"));
    request.headers_mut().insert("tracestate", "h=1".parse().expect("a value"));
    gate.send(request).await;
    let event = last(&gate, 1).await;
    assert_eq!(event["parent_span_id"], "2222222222222222");
    let headers = server.tool.ledger().pop().expect("it arrived").headers;
    for told in [told_in(&meta(&server)), told(&headers)] {
        assert_eq!((told.trace, told.flags), ("1".repeat(32), "00".to_owned()));
        assert_eq!(
            (json!(told.span), told.others.as_deref()),
            (event["span_id"].clone(), Some("m=1"))
        );
    }
    // Without one, or with one that is none, the request's is.
    for (at, own) in [json!({}), json!({ "traceparent": "nonsense", "tracestate": "m=1" })]
        .into_iter()
        .enumerate()
    {
        let mut request = new(say(own));
        request.headers_mut().insert("traceparent", CALLER.parse().expect("a value"));
        request.headers_mut().insert("tracestate", "h=1".parse().expect("a value"));
        gate.send(request).await;
        let event = last(&gate, 2 + at).await;
        let told = told_in(&meta(&server));
        assert_eq!((told.trace.as_str(), told.others.as_deref()), (TRACE, Some("h=1")));
        assert_eq!(
            (json!(told.span), &event["parent_span_id"]),
            (event["span_id"].clone(), &json!(PARENT))
        );
    }
    // With neither, the run's: also what the run needs besides calls.
    gate.send(new(say(json!({})))).await;
    let call = last(&gate, 4).await;
    gate.send(new(message(2, "tools/list", json!({})))).await;
    let list = last(&gate, 5).await;
    assert_eq!(json!(told_in(&meta(&server)).span), list["span_id"]);
    assert_eq!(
        (&call["trace_id"], &call["parent_span_id"]),
        (&list["trace_id"], &list["parent_span_id"])
    );
    assert!(call["parent_span_id"].is_string() && call["trace_id"] != TRACE);
    // The body of an older client stays what it was; its headers say it.
    let plain = self::call(3, "say", json!({}));
    gate.send(old(&plain)).await;
    assert_eq!(server.last(), plain.to_string());
    let headers = server.tool.ledger().pop().expect("it arrived").headers;
    assert_eq!(json!(told(&headers).span), last(&gate, 6).await["span_id"]);
}

#[tokio::test]
async fn baggage_of_a_message_goes_the_way_of_that_in_headers() {
    let server = Server::start().await;
    let lines = "    tags: [untrusted]\n    baggage: [session.id]\n";
    let other = format!("  own:\n    mcp: http://{}/mcp\n", server.tool.address);
    let gate = server.gate_with(lines).other_upstream(&other).start().await;
    let long = format!("session.id=s,a={}", "v".repeat(8_192));
    let some = "user=me,session.id=s1";
    for (own, in_header, left, left_own) in [
        (json!(some), None, json!("session.id=s1"), json!(some)),
        (json!("user=me"), None, Value::Null, json!("user=me")),
        (json!(long), None, Value::Null, Value::Null),
        (json!({ "secret": 1 }), None, Value::Null, Value::Null),
        (Value::Null, Some(some), json!("session.id=s1"), json!(some)),
        (Value::Null, None, Value::Null, Value::Null),
    ] {
        for (place, left) in [("/pay/mcp", left), ("/own/mcp", left_own)] {
            let mut meta_sent = json!({ "a": 1 });
            if !own.is_null() {
                meta_sent["baggage"] = own.clone();
            }
            let params =
                json!({ "name": "say", "arguments": { "baggage": "x" }, "_meta": meta_sent });
            let mut request = new(message(1, "tools/call", params));
            *request.uri_mut() = place.parse().expect("a path");
            if let Some(value) = in_header {
                request.headers_mut().insert("baggage", value.parse().expect("a value"));
            }
            assert_eq!(gate.send(request).await.status, 200);
            assert_eq!(meta(&server)["baggage"], left, "{place} {own} {in_header:?}");
            assert_eq!(meta(&server).get("baggage").is_some(), !left.is_null(), "gone as a whole");
            let sent: Value = serde_json::from_slice(&server.last()).expect("JSON");
            assert_eq!(sent["params"]["arguments"], json!({ "baggage": "x" }));
        }
    }
}
