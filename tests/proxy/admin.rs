//! The admin side: who may ask, from where, and how it refuses everybody else.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Connection, Gate, Setup, Tool, get, post, request};

const TOKENS: &str = "admin_tokens: { read: \"${file:read.txt}\", write: \"${file:write.txt}\" }";

async fn gate() -> (Tool, Gate) {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    (tool, gate)
}

/// A kill that would be engaged if it were let through.
fn kill() -> Value {
    json!({ "scope": "all", "reason": "test" })
}

/// What the admin side answers to a kill with these headers beside the usual ones of a client.
async fn kill_with(gate: &Gate, headers: &[(&'static str, &str)]) -> u16 {
    let mut asked = post("/v1/kills", &kill());
    asked.headers_mut().insert("host", "localhost".parse().expect("a host"));
    for (name, value) in headers {
        asked.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    Connection::open(gate.admin_address()).await.send(asked).await.status.as_u16()
}

#[tokio::test]
async fn health_and_metrics_need_no_token_and_everything_else_does() {
    let (_tool, gate) = gate().await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(gate.admin(path).await.status, 200, "{path}");
    }
    for path in ["/v1/kills", "/v1/openapi.json", "/v1/anything", "/v1/kills/x"] {
        let mut asked = get(path);
        asked.headers_mut().insert("host", "localhost".parse().expect("a host"));
        let answer = Connection::open(gate.admin_address()).await.send(asked).await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let answer = gate.operate(Method::GET, "/v1/kills", None).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "kills": [] })));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-security-policy").is_some_and(|csp| csp.contains("'none'")));
}

#[tokio::test]
async fn the_agent_cannot_act_without_the_token() {
    let (_tool, gate) = gate().await;
    let token = format!("Bearer {}", gate.admin_token());
    let wrong = format!("Bearer {}0", gate.admin_token());
    let basic = token.replace("Bearer", "Basic");
    for headers in [
        vec![],
        vec![("authorization", "Bearer ")],
        vec![("authorization", &*wrong)],
        vec![("authorization", &*basic)],
        vec![("cookie", &*token)],
    ] {
        assert_eq!(kill_with(&gate, &headers).await, 401, "{headers:?}");
    }
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200, "nothing was switched off");
    assert_eq!(kill_with(&gate, &[("authorization", &token)]).await, 201);
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 403);
    let said = gate.everything_said().await;
    assert_eq!(said.matches(&gate.admin_token()).count(), 1, "the token is said once");
}

#[tokio::test]
async fn pages_of_other_origins_and_rebound_names_cannot_ride_on_the_operator() {
    let (_tool, gate) = gate().await;
    let token = format!("Bearer {}", gate.admin_token());
    let with = |more: &[(&'static str, &'static str)]| {
        let mut headers = vec![("authorization", token.clone())];
        headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        headers
    };
    for (more, expected) in [
        (vec![("host", "evil.example")], 421),
        (vec![("host", "localhost.evil.example:4101")], 421),
        (vec![("origin", "http://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("origin", "http://localhost:1")], 403),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("content-type", "text/plain")], 415),
        (vec![("content-type", "application/x-www-form-urlencoded")], 415),
        (vec![("origin", "http://localhost"), ("sec-fetch-site", "same-origin")], 201),
    ] {
        let headers = with(&more);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        assert_eq!(kill_with(&gate, &headers).await, expected, "{more:?}");
    }
    let on = gate.operate(Method::GET, "/v1/kills", None).await.json();
    assert_eq!(on["kills"].as_array().map(Vec::len), Some(1), "only the last one: {on}");
}

#[tokio::test]
async fn reading_and_writing_are_two_scopes_and_a_configured_token_is_never_said() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .top(TOKENS)
        .file("read.txt", "read-token-of-32-characters-....")
        .file("write.txt", "write-token-of-32-characters-...")
        .start()
        .await;
    let ask = async |method: Method, token: &str| {
        let body = (method == Method::POST).then(kill);
        let mut asked = request(method, "/v1/kills", body.as_ref());
        let headers = asked.headers_mut();
        headers.insert("host", "localhost".parse().expect("a host"));
        headers.insert("authorization", format!("Bearer {token}").parse().expect("a token"));
        Connection::open(gate.admin_address()).await.send(asked).await.status.as_u16()
    };
    let (read, write) = ("read-token-of-32-characters-....", "write-token-of-32-characters-...");
    assert_eq!(ask(Method::GET, read).await, 200);
    assert_eq!(ask(Method::POST, read).await, 403);
    assert_eq!(ask(Method::GET, write).await, 200);
    assert_eq!(ask(Method::POST, write).await, 201);
    let said = gate.everything_said().await;
    assert!(!said.contains("-token-of-32"), "{said}");
    assert!(!said.contains("#token="), "no other token was made");
}

#[tokio::test]
async fn requests_are_read_strictly() {
    let (_tool, gate) = gate().await;
    let send = async |body: &str| {
        let mut asked = post("/v1/kills", &Value::Null);
        *asked.body_mut() = bytes::Bytes::from(body.to_owned()).into();
        let headers = asked.headers_mut();
        headers.insert("host", "localhost".parse().expect("a host"));
        let token = format!("Bearer {}", gate.admin_token());
        headers.insert("authorization", token.parse().expect("a token"));
        Connection::open(gate.admin_address()).await.send(asked).await.status.as_u16()
    };
    for (body, expected) in [
        ("", 400),
        ("{", 400),
        (r#"{"scope":"run","scope":"all"}"#, 400),
        (r#"{"scope":"run","\u0073cope":"all"}"#, 400),
        (r#"{"scope":"all","more":1}"#, 422),
        (r#"{"scope":"everything"}"#, 422),
        (r#"{"scope":"tool"}"#, 422),
        (r#"{"scope":"all","tool":"svc.get"}"#, 422),
        (r#"{"scope":"run","run":""}"#, 422),
    ] {
        assert_eq!(send(body).await, expected, "{body}");
    }
    let long = json!({ "scope": "all", "reason": "x".repeat(100_000) }).to_string();
    assert_eq!(send(&long).await, 413);
    assert_eq!(gate.operate(Method::PUT, "/v1/kills", Some(&kill())).await.status, 405);
    assert_eq!(gate.operate(Method::GET, "/v1/nothing", None).await.status, 404);
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 200, "nothing was switched off");
}
