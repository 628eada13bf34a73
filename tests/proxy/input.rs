//! What could be read in two ways, or is no call at all, is answered as stated, and the tool never
//! hears of it. Beside each table stand the legitimate requests that are nearest to it.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use http_body_util::Full;
use serde_json::json;

use crate::harness::{Connection, Gate, Setup, Tool, Wire, get, post, request};

type Request = http::Request<Full<Bytes>>;

async fn gate_and_tool() -> (Gate, Tool) {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).bounds("{ body: 4KiB }").start().await;
    (gate, tool)
}

fn with_body(body: impl Into<Bytes>) -> Request {
    let mut request = post("/svc/items", &json!({}));
    *request.body_mut() = Full::new(body.into());
    request
}

fn with(mut request: Request, name: &str, value: &str) -> Request {
    let name: HeaderName = name.parse().expect("a name");
    request.headers_mut().append(name, HeaderValue::from_str(value).expect("a value"));
    request
}

fn typed(value: Option<&str>) -> Request {
    let mut request = with_body("{\"a\":1}");
    request.headers_mut().remove("content-type");
    match value {
        Some(value) => with(request, "content-type", value),
        None => request,
    }
}

/// Sends each request over a connection of its own and holds the answer against what is stated.
async fn assert_refused(gate: &Gate, tool: &Tool, cases: Vec<(&str, Request, u16, &str)>) {
    let before = (tool.count(), gate.events_now().len());
    let count = cases.len();
    for (name, request, status, reason) in cases {
        let mut connection = Connection::open(gate.address).await;
        let answer = connection.send(request).await;
        let problem = answer.json();
        assert_eq!(answer.status, status, "{name}: {problem}");
        assert_eq!(problem["stop_reason"], reason, "{name}: {problem}");
        assert_eq!(problem["error_class"], "request", "{name}");
        assert_eq!(problem["executed"], false, "{name}");
        assert_eq!(problem["retry"]["scope"], "different_args", "{name}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
        assert!(connection.try_send(get("/svc/items")).await.is_err(), "{name}: it is closed");
    }
    assert_eq!(tool.count(), before.0, "nothing reached the tool");
    let events = gate.calls(before.1 + count).await;
    for event in &events[before.1..] {
        assert_eq!((&event["status"], &event["verdict"]), (&json!("denied"), &json!("deny")));
    }
}

async fn assert_passes(gate: &Gate, tool: &Tool, controls: Vec<(&str, Request)>) {
    let before = tool.count();
    let count = controls.len();
    for (name, request) in controls {
        let answer = gate.send(request).await;
        assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
    }
    assert_eq!(tool.count(), before + count);
}

#[tokio::test]
async fn json_that_two_parsers_could_read_differently() {
    let (gate, tool) = gate_and_tool().await;
    let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let utf16: Vec<u8> = "{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("a name twice", br#"{"a":1,"a":2}"#.to_vec()),
        ("a name twice, once escaped", br#"{"a":1,"\u0061":2}"#.to_vec()),
        ("a name twice, below", br#"{"x":{"a":1,"a":1}}"#.to_vec()),
        ("a name twice, in a list", br#"{"x":[{"a":1,"a":1}]}"#.to_vec()),
        ("data after the end", br#"{"a":1} {"a":2}"#.to_vec()),
        ("a comma after the end", br#"{"a":1},"#.to_vec()),
        ("a comma at the end", br#"{"a":1,}"#.to_vec()),
        ("cut off", br#"{"a":1"#.to_vec()),
        ("too deep", deep(65).into_bytes()),
        ("NaN", br#"{"a":NaN}"#.to_vec()),
        ("Infinity", br#"{"a":-Infinity}"#.to_vec()),
        ("beyond doubles", br#"{"a":1e400}"#.to_vec()),
        ("beyond 64 bits", br#"{"a":18446744073709551616}"#.to_vec()),
        ("below 64 bits", br#"{"a":-9223372036854775809}"#.to_vec()),
        ("a leading zero", br#"{"a":01}"#.to_vec()),
        ("a plus", br#"{"a":+1}"#.to_vec()),
        ("hex", br#"{"a":0x1}"#.to_vec()),
        ("a bare point", br#"{"a":.5}"#.to_vec()),
        ("single quotes", br#"{'a':1}"#.to_vec()),
        ("a bare name", br#"{a:1}"#.to_vec()),
        ("a comment", br#"{"a":1/**/}"#.to_vec()),
        ("a lone surrogate", br#"{"a":"\ud800"}"#.to_vec()),
        ("surrogates the wrong way around", br#"{"a":"\udc00\ud800"}"#.to_vec()),
        ("an unknown escape", br#"{"a":"\x41"}"#.to_vec()),
        ("a control character", b"{\"a\":\"\n\"}".to_vec()),
        ("a NUL", b"{\"a\":\"\0\"}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{\"a\":1}".to_vec()),
        ("not UTF-8", b"{\"a\":\"\xff\"}".to_vec()),
        ("an overlong form", b"{\"a\":\"\xc0\xaf\"}".to_vec()),
        ("UTF-16", utf16),
        ("a list", b"[1]".to_vec()),
        ("a number", b"1".to_vec()),
        ("null", b"null".to_vec()),
        ("white space", b" ".to_vec()),
        ("a form feed", b"\x0c{\"a\":1}".to_vec()),
        ("a no-break space", "\u{a0}{\"a\":1}".as_bytes().to_vec()),
    ];
    let cases = bodies.into_iter();
    let cases = cases.map(|(name, body)| (name, with_body(body), 400, "malformed")).collect();
    assert_refused(&gate, &tool, cases).await;
    let controls: Vec<(&str, Vec<u8>)> = vec![
        ("an empty object", b"{}".to_vec()),
        ("deep", deep(64).into_bytes()),
        ("64 bits", br#"{"a":18446744073709551615,"b":-9223372036854775808}"#.to_vec()),
        ("beyond 53 bits", br#"{"a":9007199254740993}"#.to_vec()),
        ("escapes", br#"{"a":"\u0061\ud83d\ude00\/","\u00e9":1}"#.to_vec()),
        ("one name in two objects", br#"{"a":{"b":1},"b":[{"b":1},{"b":2}]}"#.to_vec()),
        ("names that differ in case", br#"{"a":1,"A":2}"#.to_vec()),
        ("white space", b" \r\n\t{ \"a\" : [ ] } \n".to_vec()),
    ];
    let sent: Vec<Vec<u8>> = controls.iter().map(|(_, body)| body.clone()).collect();
    let controls = controls.into_iter().map(|(name, body)| (name, with_body(body))).collect();
    assert_passes(&gate, &tool, controls).await;
    for (arrived, sent) in tool.ledger().iter().zip(sent) {
        assert_eq!(arrived.body.as_deref(), Some(&*sent), "what was judged is what is sent");
    }
}

#[tokio::test]
async fn bodies_of_other_kinds_and_sizes() {
    let (gate, tool) = gate_and_tool().await;
    let big = |size: usize| {
        let empty = r#"{"a":""}"#.len();
        format!("{{\"a\":\"{}\"}}", "x".repeat(size - empty))
    };
    let unsupported = |name, request| (name, request, 415, "malformed");
    let cases = vec![
        unsupported("no type", typed(None)),
        unsupported("text", typed(Some("text/plain"))),
        unsupported("a form", typed(Some("application/x-www-form-urlencoded"))),
        unsupported("parts", typed(Some("multipart/form-data; boundary=a"))),
        unsupported("anything", typed(Some("*/*"))),
        unsupported("nothing", typed(Some(""))),
        unsupported("JSON of the wrong family", typed(Some("text/json"))),
        unsupported("another charset", typed(Some("application/json; charset=utf-16"))),
        unsupported("another charset, quoted", typed(Some("application/json; charset=\"latin1\""))),
        unsupported("two types in one", typed(Some("application/json, text/plain"))),
        unsupported(
            "two types",
            with(typed(Some("application/json")), "content-type", "text/plain"),
        ),
        unsupported("gzip", with(with_body("{}"), "content-encoding", "gzip")),
        unsupported("br", with(with_body("{}"), "content-encoding", "br")),
        unsupported("identity", with(with_body("{}"), "content-encoding", "identity")),
        ("a byte too much", with_body(big(4_097)), 413, "too_large"),
        ("far too much", with_body(big(1_000_000)), 413, "too_large"),
        ("GET with a body", request(Method::GET, "/svc/items", Some(&json!({}))), 400, "malformed"),
        (
            "DELETE with a body",
            request(Method::DELETE, "/svc/items/1", Some(&json!({}))),
            400,
            "malformed",
        ),
    ];
    assert_refused(&gate, &tool, cases).await;
    assert_passes(
        &gate,
        &tool,
        vec![
            ("JSON", typed(Some("application/json"))),
            ("JSON in UTF-8", typed(Some("application/json; charset=utf-8"))),
            ("JSON in UTF-8, shouted", typed(Some("Application/JSON;Charset=\"UTF-8\""))),
            ("JSON of a kind", typed(Some("application/vnd.api+json"))),
            ("as much as fits", with_body(big(4_096))),
            ("no body and no type", {
                let mut request = with_body("");
                request.headers_mut().remove("content-type");
                request
            }),
            ("DELETE", request(Method::DELETE, "/svc/items/1", None)),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_chunked_body_is_bounded_as_well() {
    let (gate, tool) = gate_and_tool().await;
    let head = "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let mut wire = Wire::open(gate.address).await;
    wire.send(head).await;
    wire.send("8\r\n{\"a\":\"xx\r\n").await;
    for _ in 0..10 {
        wire.send(format!("200\r\n{}\r\n", "x".repeat(512))).await;
    }
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.json()["stop_reason"].as_str()), (413, Some("too_large")));
    assert!(wire.is_closed().await);
    assert_eq!(tool.count(), 0);
    let mut wire = Wire::open(gate.address).await;
    wire.send(format!("{head}3\r\n{{\"a\r\n4\r\n\":1}}\r\n0\r\n\r\n")).await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(tool.ledger()[0].body.as_deref(), Some(br#"{"a":1}"#.as_slice()));
    let headers = &tool.ledger()[0].headers;
    assert_eq!(headers["content-length"], "7", "framed anew");
    assert_eq!(headers.get("transfer-encoding"), None);
}

#[tokio::test]
async fn methods_that_are_not_what_they_seem() {
    let (gate, tool) = gate_and_tool().await;
    let overridden = |name: &str| with(request(Method::GET, "/svc/items", None), name, "DELETE");
    assert_refused(
        &gate,
        &tool,
        vec![
            ("an override", overridden("x-http-method-override"), 400, "malformed"),
            ("another override", overridden("x-method-override"), 400, "malformed"),
            ("a third override", overridden("x-http-method"), 400, "malformed"),
            ("TRACE", request(Method::TRACE, "/svc/items", None), 405, "malformed"),
            (
                "lower case",
                request("get".parse().expect("a method"), "/svc/items", None),
                405,
                "malformed",
            ),
            (
                "an unknown one",
                request("PROPFIND".parse().expect("a method"), "/svc/items", None),
                405,
                "malformed",
            ),
            (
                "the gate's own stand-in",
                request("REFUSED".parse().expect("a method"), "/", None),
                405,
                "malformed",
            ),
        ],
    )
    .await;
    let mut wire = Wire::open(gate.address).await;
    wire.send("CONNECT svc:80 HTTP/1.1\r\nHost: svc:80\r\n\r\n").await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.json()["stop_reason"].as_str()), (405, Some("malformed")));
    assert!(answer.head.to_ascii_lowercase().contains("allow: get, post, put, patch, delete\r\n"));
    assert!(wire.is_closed().await);
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn paths_that_two_servers_could_read_differently() {
    let (gate, tool) = gate_and_tool().await;
    let paths = [
        "/svc/%2e%2e/svc/items/1",
        "/svc/../svc/items/1",
        "/svc/./items/1",
        "/svc/items/%2E",
        "/svc/items/.",
        "/svc/items/..",
        "/svc/items/%252e%252e",
        "/svc/items/%2525",
        "//svc/items/1",
        "/svc//items/1",
        "/svc/items//1",
        "/svc/items/a%2fb",
        "/svc/items/a%2Fb",
        "/svc/items/a;b",
        "/svc;x/items/1",
        "/svc/items/a%3bb",
        "/svc/items/a\\b",
        "/svc/items/a%5cb",
        "/svc/items/%00",
        "/svc/items/%0a",
        "/svc/items/%7f",
        "/svc/items/%",
        "/svc/items/%4",
        "/svc/items/%zz",
        "/svc/items/%ff",
        "/svc/items/%c0%ae",
        "/_run/a/../svc/items/1",
        "/svc/items?a;b",
        "/svc/items?a=%ff",
        "/svc/items?a=%0a",
        "/svc/items?=1",
    ];
    let cases = paths.iter().map(|path| (*path, get(path), 400, "malformed")).collect();
    assert_refused(&gate, &tool, cases).await;
    let controls = [
        ("/svc/items/%61%62", "/items/ab"),
        ("/svc/items/a%20b", "/items/a%20b"),
        ("/svc/items/%c3%a9", "/items/%C3%A9"),
        ("/svc/items/...", "/items/..."),
        ("/svc/items/a..b", "/items/a..b"),
        ("/svc/items/a:b@c", "/items/a:b@c"),
        ("/svc/items?a=b+c&d=%2e%2e", "/items?a=b%20c&d=.."),
        ("/svc/items?", "/items"),
    ];
    let sent = controls.iter().map(|(path, _)| (*path, get(path))).collect();
    assert_passes(&gate, &tool, sent).await;
    for (arrived, (_, canonical)) in tool.ledger().iter().zip(controls) {
        assert_eq!(arrived.target, canonical);
    }
}

#[tokio::test]
async fn one_argument_in_two_places() {
    let (gate, tool) = gate_and_tool().await;
    let put = |path: &str, body| request(Method::PUT, path, Some(&body));
    assert_refused(
        &gate,
        &tool,
        vec![
            ("twice in the query", get("/svc/items?a=1&a=2"), 400, "ambiguous_arguments"),
            ("twice, once escaped", get("/svc/items?a=1&%61=2"), 400, "ambiguous_arguments"),
            ("query and path", get("/svc/items/1?id=2"), 400, "ambiguous_arguments"),
            ("body and path", put("/svc/items/1", json!({ "id": 2 })), 400, "ambiguous_arguments"),
            (
                "body and query",
                put("/svc/items/1?a=1", json!({ "a": 1 })),
                400,
                "ambiguous_arguments",
            ),
        ],
    )
    .await;
    assert_passes(
        &gate,
        &tool,
        vec![
            ("each once", put("/svc/items/1?a=1", json!({ "b": 2 }))),
            ("names that differ in case", get("/svc/items?a=1&A=2")),
        ],
    )
    .await;
}

/// Heads as no client library writes them.
#[tokio::test]
async fn heads_that_two_servers_could_read_differently() {
    let (gate, tool) = gate_and_tool().await;
    let json = "Content-Type: application/json\r\n";
    let body = "{\"a\":1}";
    let inner = "GET /svc/items HTTP/1.1\r\nHost: gate\r\n\r\n";
    let post = |framing: &str, rest: &str| {
        format!("POST /svc/items HTTP/1.1\r\nHost: gate\r\n{json}{framing}\r\n{rest}")
    };
    let chunked = format!("7\r\n{body}\r\n0\r\n\r\n{inner}");
    let get = |lines: &str| format!("GET /svc/items HTTP/1.1\r\n{lines}\r\n");
    let long = format!("X: {}\r\n", "x".repeat(16_384));
    let many = "X: y\r\n".repeat(64);
    let cases: Vec<(&str, String)> = vec![
        ("CL and TE", post("Content-Length: 7\r\nTransfer-Encoding: chunked\r\n", &chunked)),
        ("TE and CL", post("Transfer-Encoding: chunked\r\nContent-Length: 7\r\n", &chunked)),
        (
            "TE twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ),
        (
            "TE identity, TE chunked",
            post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", &chunked),
        ),
        ("gzip, chunked", post("Transfer-Encoding: gzip, chunked\r\n", &chunked)),
        (",chunked", post("Transfer-Encoding: ,chunked\r\n", &chunked)),
        ("chunked, chunked", post("Transfer-Encoding: chunked, chunked\r\n", &chunked)),
        ("identity", post("Transfer-Encoding: identity\r\n", body)),
        ("xchunked", post("Transfer-Encoding: xchunked\r\n", &chunked)),
        ("TE with a space before the colon", post("Transfer-Encoding : chunked\r\n", &chunked)),
        ("TE after a bare CR", post("X: y\rTransfer-Encoding: chunked\r\n", &chunked)),
        ("CL twice, the same", post("Content-Length: 7\r\nContent-Length: 7\r\n", body)),
        ("CL twice, not the same", post("Content-Length: 7\r\nContent-Length: 0\r\n", body)),
        ("CL in a list", post("Content-Length: 7, 7\r\n", body)),
        ("CL with a sign", post("Content-Length: +7\r\n", body)),
        ("CL that is no number", post("Content-Length: seven\r\n", body)),
        ("CL too wide", post("Content-Length: 18446744073709551623\r\n", body)),
        ("bare LF everywhere", "GET /svc/items HTTP/1.1\nHost: gate\n\n".to_owned()),
        ("bare LF after a header", get("Host: gate\nX: y\r\n")),
        ("bare LF at the end", "GET /svc/items HTTP/1.1\r\nHost: gate\r\n\n".to_owned()),
        ("a folded header", get("Host: gate\r\nX: a\r\n b\r\n")),
        ("a folded Host", get("Host:\r\n gate\r\n")),
        ("NUL in a header", get("Host: gate\r\nX: a\0b\r\n")),
        ("NUL in a name", get("Host: gate\r\nX\0: a\r\n")),
        ("DEL in a header", get("Host: gate\r\nX: a\x7fb\r\n")),
        ("NUL in the path", "GET /svc/items/\0 HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned()),
        (
            "raw UTF-8 in the path",
            "GET /svc/items/\u{e9} HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned(),
        ),
        ("a fragment", "GET /svc/items#/../admin HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned()),
        ("no Host", get("X: y\r\n")),
        ("two Hosts", get("Host: gate\r\nHost: gate\r\n")),
        (
            "another authority",
            "GET http://other/svc/items HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned(),
        ),
        ("userinfo", "GET http://a:b@gate/svc/items HTTP/1.1\r\nHost: a:b@gate\r\n\r\n".to_owned()),
        ("HTTP/1.0", "GET /svc/items HTTP/1.0\r\nHost: gate\r\n\r\n".to_owned()),
        ("HTTP/0.9", "GET /svc/items\r\n\r\n".to_owned()),
        ("two spaces", "GET  /svc/items HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned()),
        ("an empty line first", format!("\r\n{inner}")),
        ("no colon", get("Host: gate\r\nX\r\n")),
        ("a head too long", get(&format!("Host: gate\r\n{long}"))),
        ("too many headers", get(&format!("Host: gate\r\n{many}"))),
        ("an upgrade", get("Host: gate\r\nConnection: upgrade\r\nUpgrade: websocket\r\n")),
        (
            "an upgrade to HTTP/2",
            get(
                "Host: gate\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            ),
        ),
        ("an upgrade without Connection", get("Host: gate\r\nUpgrade: h2c\r\n")),
    ];
    let count = cases.len();
    for (name, bytes) in cases {
        let mut wire = Wire::open(gate.address).await;
        // A second request must not be taken for one after the first was refused.
        wire.send(format!("{bytes}{inner}")).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, 400, "{name}: {answer:?}");
        let problem = answer.json();
        assert_eq!(problem["stop_reason"], "malformed", "{name}");
        assert_eq!(problem["executed"], false, "{name}");
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("content-type: application/problem+json\r\n"), "{name}: {head}");
        assert!(head.contains("connection: close\r\n"), "{name}: {head}");
        assert!(wire.is_closed().await, "{name}: nothing after it is answered");
    }
    assert_eq!(tool.count(), 0, "{:#?}", tool.ledger());
    let events = gate.calls(count).await;
    assert!(events.iter().all(|event| event["stop_reason"] == "malformed"));

    let controls = [
        get("Host: gate\r\n"),
        "GET http://gate/svc/items HTTP/1.1\r\nHost: gate\r\n\r\n".to_owned(),
        post("Content-Length: 7\r\n", body),
        post("content-length:7\r\n", body),
        post("transfer-encoding:\tChunked\r\n", "7\r\n{\"a\":1}\r\n0\r\n\r\n"),
        get(&format!("Host: gate\r\n{}", "X: y\r\n".repeat(63))),
    ];
    let pipelined = controls.concat();
    let mut wire = Wire::open(gate.address).await;
    wire.send(pipelined).await;
    for _ in &controls {
        assert_eq!(wire.answer().await.status, 200);
    }
    assert_eq!(tool.count(), controls.len());
    let ledger = tool.ledger();
    let bodies = ledger.iter().map(|arrived| arrived.body.clone().unwrap_or_default());
    assert_eq!(bodies.filter(|arrived| arrived == body).count(), 3);
}

/// Bodies that are not framed as they must be never pass for their beginning.
#[tokio::test]
async fn chunks_that_two_servers_could_read_differently() {
    let (gate, tool) = gate_and_tool().await;
    let head = "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let bodies = [
        "7;a=b\r\n{\"a\":1}\r\n0\r\n\r\n",
        "7\n{\"a\":1}\r\n0\r\n\r\n",
        "7 \r\n{\"a\":1}\r\n0\r\n\r\n",
        "0x7\r\n{\"a\":1}\r\n0\r\n\r\n",
        "7\r\n{\"a\":1}X\r\n0\r\n\r\n",
        "7\r\n{\"a\":1}\r\n0\r\nX: y\r\n\r\n",
        "7\r\n{\"a\":1}\r\n0;\r\n\r\n",
        "10000000000000007\r\n{\"a\":1}\r\n0\r\n\r\n",
    ];
    for body in bodies {
        let mut wire = Wire::open(gate.address).await;
        wire.send(format!("{head}{body}")).await;
        let answer = wire.answer().await;
        assert_eq!(
            (answer.status, answer.json()["stop_reason"].as_str()),
            (400, Some("malformed")),
            "{body:?}"
        );
        assert!(wire.is_closed().await, "{body:?}");
    }
    assert_eq!(tool.count(), 0);
    gate.calls(bodies.len()).await;
}

/// A client that asks before it sends is told before it has sent.
#[tokio::test]
async fn what_is_announced_is_judged_before_it_is_sent() {
    let (gate, tool) = gate_and_tool().await;
    let head = |length: usize| {
        format!(
            "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut wire = Wire::open(gate.address).await;
    wire.send(head(4_097)).await;
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.json()["stop_reason"].as_str()), (413, Some("too_large")));
    assert!(wire.is_closed().await);
    assert_eq!(tool.count(), 0);
    let mut wire = Wire::open(gate.address).await;
    wire.send(head(7)).await;
    assert_eq!(wire.answer().await.status, 100);
    assert_eq!(tool.count(), 0);
    wire.send("{\"a\":1}").await;
    assert_eq!(wire.answer().await.status, 200);
    assert_eq!(tool.ledger()[0].headers.get("expect"), None);
}

/// A client that first sends everything and then reads still gets to see why it was refused.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_sends_on() {
    let (gate, tool) = gate_and_tool().await;
    let mut wire = Wire::open(gate.address).await;
    wire.send(
        "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
         Content-Length: 20000000\r\n\r\n",
    )
    .await;
    for _ in 0..20 {
        wire.send(vec![b' '; 1_000_000]).await;
    }
    let answer = wire.answer().await;
    assert_eq!((answer.status, answer.json()["stop_reason"].as_str()), (413, Some("too_large")));
    assert!(wire.is_closed().await);
    assert_eq!(tool.count(), 0);
}

/// HTTP/2 says the same things in other places.
#[tokio::test]
async fn http2_is_held_to_the_same() {
    let (gate, tool) = gate_and_tool().await;
    let at = |mut request: Request, uri: &str| {
        *request.uri_mut() = uri.parse().expect("a URI");
        request
    };
    let plain = |uri: &str| at(get("/svc/items"), uri);
    let cases = [
        (
            "two authorities",
            with(plain("http://gate/svc/items"), "host", "other"),
            400,
            "malformed",
        ),
        ("userinfo", plain("http://a:b@gate/svc/items"), 400, "malformed"),
        ("dots", plain("http://gate/svc/%2e%2e/items"), 400, "malformed"),
        ("a list", at(with_body("[1]"), "http://gate/svc/items"), 400, "malformed"),
        ("too much", at(with_body("x".repeat(5_000)), "http://gate/svc/items"), 413, "too_large"),
        (
            "an override",
            with(plain("http://gate/svc/items"), "x-http-method-override", "PUT"),
            400,
            "malformed",
        ),
        ("TRACE", at(request(Method::TRACE, "/", None), "http://gate/svc/items"), 405, "malformed"),
        ("CONNECT", at(request(Method::CONNECT, "/", None), "gate:80"), 405, "malformed"),
    ];
    let count = cases.len();
    for (name, mut request, status, reason) in cases {
        let hosts = request.headers().get_all("host").iter().count();
        if hosts < 2 {
            request.headers_mut().remove("host");
        } else {
            request.headers_mut().insert("host", HeaderValue::from_static("other"));
        }
        let mut connection = Connection::open_http2(gate.address).await;
        let answer = connection.send_as_it_is(request).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["stop_reason"].as_str()),
            (status, Some(reason)),
            "{name}"
        );
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{name}");
        // One bad stream is no reason to close the others.
        assert_eq!(connection.send(get("/svc/items/1")).await.status, 200, "{name}");
    }
    assert_eq!(tool.count(), count, "the good streams only");
    assert!(tool.ledger().iter().all(|arrived| arrived.target == "/items/1"));
    gate.calls(2 * count).await;
}
