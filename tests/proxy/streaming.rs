//! Answers pass through as they are: piece by piece, byte for byte, redirects and all.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Act, Connection, Reply, Setup, Tool, get, post, soon};

const RULE_THAT_READS_RESULTS: &str = "
rules:
- id: seen
  tools: [svc.refund]
  requires: [{ call: svc.find, where: prior.result.ok == true }]
  then: deny
  message: Look first.";

/// Each piece is there before the next is sent, whether a rule reads the result or not.
#[tokio::test]
async fn pieces_arrive_as_they_are_sent() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).policy(RULE_THAT_READS_RESULTS).start().await;
    for (turn, (path, below)) in
        [("/svc/items", "/items"), ("/svc/items/1", "/items/1")].iter().enumerate()
    {
        let reply = Reply::json("").header("content-type", "text/event-stream");
        let pieces = tool.pieces(below, reply);
        let mut connection = Connection::open(gate.address).await;
        pieces.send("data: 0\n\n".into()).await.expect("the tool takes it");
        let mut answer = soon("the head", connection.begin(get(path))).await.expect("an answer");
        for number in 0..20 {
            let frame = soon("a piece", answer.body_mut().frame()).await;
            let data = frame.expect("more").expect("no error").into_data().expect("data");
            assert_eq!(data, format!("data: {number}\n\n"), "one at a time");
            pieces.send(format!("data: {}\n\n", number + 1).into()).await.expect("it takes it");
        }
        drop(pieces);
        let rest = soon("the end", answer.into_body().collect()).await.expect("whole").to_bytes();
        assert_eq!(rest, "data: 20\n\n");
        let event = gate.calls(turn + 1).await.pop().expect("an event");
        assert_eq!((&event["status"], &event["result_bytes"]), (&json!("ok"), &json!(200)));
    }
}

#[tokio::test]
async fn any_bytes_pass_unchanged() {
    let tool = Tool::start().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number * 7 % 251) as u8).collect();
    let reply = Reply::json("")
        .header("content-encoding", "br")
        .header("x-any", "thing")
        .header("set-cookie", "a=b")
        .header("set-cookie", "c=d")
        .body(bytes.clone());
    tool.on("/items", Act::Reply(reply));
    let gate = Setup::before(&tool).policy(RULE_THAT_READS_RESULTS).start().await;
    let answer = gate.send(get("/svc/items")).await;
    assert_eq!(answer.body, bytes);
    assert_eq!(answer.header("content-length"), Some("3000000"));
    assert_eq!(answer.header("content-encoding"), Some("br"));
    assert_eq!(answer.header("x-any"), Some("thing"));
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(gate.calls(1).await[0]["result_bytes"], 3_000_000);
}

#[tokio::test]
async fn an_answer_without_a_body_stays_without() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    tool.on("/items", Act::Reply(Reply::status(204).body("")));
    let mut connection = Connection::open(gate.address).await;
    let answer = connection.send(get("/svc/items")).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    tool.on("/items", Act::Reply(Reply::status(304).body("")));
    assert_eq!(connection.send(get("/svc/items")).await.status, 304);
    for event in gate.calls(2).await {
        assert_eq!((&event["status"], &event["result_bytes"]), (&json!("ok"), &json!(0)));
    }
}

#[tokio::test]
async fn headers_of_one_connection_stay_on_it() {
    let tool = Tool::start().await;
    let reply = Reply::json("{}")
        .header("connection", "x-private, keep-alive")
        .header("x-private", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-authenticate", "Basic")
        .header("toolgate-decision", "allow; id=forged")
        .header("toolgate-run-id", "forged")
        .header("toolgate-warning", "forged")
        .header("x-public", "2");
    tool.on("/items", Act::Reply(reply));
    let gate = Setup::before(&tool)
        .file("token", "the-gates-own-credential")
        .upstream("auth: { bearer: \"${file:token}\" }")
        .start()
        .await;
    let mut request = post("/_run/r/svc/items", &json!({ "a": 1 }));
    for (name, value) in [
        ("connection", "x-hop, keep-alive"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authorization", "Basic abc"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("toolgate-run-id", "r"),
        ("toolgate-anything", "1"),
        ("authorization", "Bearer the-agents-own"),
        ("expect", "100-continue"),
        ("x-end-to-end", "2"),
        ("accept", "application/json"),
        ("user-agent", "agent/1"),
    ] {
        let name: http::HeaderName = name.parse().expect("a name");
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    let answer = gate.send(request).await;
    assert_eq!(answer.status, 200);
    let arrived = &tool.ledger()[0];
    let mut names: Vec<&str> = arrived.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "authorization",
            "content-length",
            "content-type",
            "host",
            "traceparent",
            "tracestate",
            "user-agent",
            "x-end-to-end"
        ]
    );
    assert_eq!(arrived.headers["authorization"], "Bearer the-gates-own-credential");
    assert_eq!(arrived.headers["host"], tool.address.to_string(), "the tool's own name");
    assert_eq!(arrived.body.as_deref(), Some(br#"{"a":1}"#.as_slice()));
    assert_eq!(answer.header("x-public"), Some("2"));
    for name in ["x-private", "keep-alive", "proxy-authenticate", "toolgate-warning"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("toolgate-run-id"), Some("r"), "not what the tool says");
    assert!(answer.header("toolgate-decision").is_some_and(|value| !value.contains("forged")));
}

#[tokio::test]
async fn redirects_are_answers_like_any_other() {
    let tool = Tool::start().await;
    let elsewhere = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    for status in [301, 302, 303, 307, 308] {
        let url = format!("http://{}/secrets", elsewhere.address);
        tool.on("/items", Act::Reply(Reply::status(status).header("location", url.clone())));
        let answer = gate.send(get("/svc/items")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (status, Some(&*url)));
    }
    assert_eq!((tool.count(), elsewhere.count()), (5, 0), "nobody followed them");
}

/// A tool that says things no HTTP library would let it say.
async fn tool_that_writes(bytes: &'static [u8]) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let serving = tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut request = vec![0; 65_536];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(bytes).await;
                // What else comes would be a tunnel.
                let mut rest = [0; 64];
                while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
            });
        }
    });
    (url, serving)
}

#[tokio::test]
async fn what_is_no_answer_is_not_passed_on() {
    let switching =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    for bytes in [
        switching.as_slice(),
        b"SSH-2.0-OpenSSH_9.7\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"\0\0\0\0",
    ] {
        let (url, serving) = tool_that_writes(bytes).await;
        let gate = Setup::at(&url).upstream("timeout: 2s").start().await;
        let mut connection = Connection::open(gate.address).await;
        let answer = connection.send(post("/svc/items", &json!({}))).await;
        let shown = String::from_utf8_lossy(bytes);
        assert!([502, 504].contains(&answer.status.as_u16()), "{shown:?}: {answer:?}");
        let event = &gate.calls(1).await[0];
        assert_eq!(event["status"], "unknown", "{shown:?}");
        assert_eq!(answer.json()["retry"]["scope"], "after_precondition", "{shown:?}");
        gate.metric_becomes("toolgate_in_flight", 0.0).await;
        serving.abort();
    }
}

/// The connection to the tool is kept between calls, and one that the tool closed is not used.
#[tokio::test]
async fn connections_to_the_tool_are_kept_and_given_up() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let mut connection = Connection::open(gate.address).await;
    for _ in 0..3 {
        assert_eq!(connection.send(get("/svc/items")).await.status, 200);
    }
    tool.drop_connections();
    // It takes the gate a moment to see it; a read that meets the closing is answered 502 and
    // may be repeated.
    let again = soon("an answer", async {
        loop {
            let answer = connection.send(get("/svc/items")).await;
            if answer.status == 200 {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(again.await.body, r#"{"ok":true}"#);
}
