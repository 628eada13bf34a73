//! A hundred secrets wherever secrets may stand: none of them in anything that the gate says of the
//! calls, in no form; and where the config has contents recorded, those that it asks for.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::harness::collector::Collector;
use crate::harness::model::{Model, Script};
use crate::harness::{Act, Gate, Reply, Setup, Tool, post, request, until};
use crate::llm::PRICES;

/// Secrets, each of which stands in one place.
#[derive(Default)]
struct Canaries {
    words: Mutex<Vec<String>>,
    shaped: Mutex<Vec<String>>,
}

impl Canaries {
    /// A secret that looks like no secret.
    fn word(&self) -> String {
        let mut words = self.words.lock();
        let word = format!("cnry{:04}q{:08x}zv", words.len(), fastrand::u32(..));
        words.push(word.clone());
        word
    }

    /// A secret that a detector knows.
    fn shaped(&self) -> String {
        let mut shaped = self.shaped.lock();
        let random: String = (0..36).map(|_| fastrand::alphanumeric()).collect();
        let kinds = [
            format!("ghp_{random}"),
            format!("{}@mail.example.com", random.to_lowercase()),
            format!("sk-{random}7"),
        ];
        let secret = kinds[shaped.len() % kinds.len()].clone();
        shaped.push(secret.clone());
        secret
    }

    fn all(&self) -> Vec<String> {
        let (words, shaped) = (self.words.lock(), self.shaped.lock());
        words.iter().chain(shaped.iter()).cloned().collect()
    }
}

/// A secret as others might write it: as it is, in a URL, in hex, and in base64 at any place of a
/// longer text.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        secret.to_owned(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        hex.to_uppercase(),
        hex,
    ];
    for before in ["", "x", "xx"] {
        let inner = base64(format!("{before}{secret}").as_bytes());
        // What depends on its neighbours is left out.
        let from = if before.is_empty() { 0 } else { 4 };
        forms.push(inner[from..inner.len() - 4].to_owned());
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = (bits >> (18 - 6 * place)) & 63;
            let is_padding = place > three.len();
            out.push(if is_padding { '=' } else { char::from(DIGITS[digit as usize]) });
        }
    }
    out
}

fn found(said: &str, secret: &str) -> Option<String> {
    forms(secret).into_iter().find(|form| said.contains(form.as_str()))
}

#[test]
fn secrets_are_found_in_every_form() {
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
    let secret = "cnry0001q12345678zv";
    for before in ["", "a", "ab", "abc"] {
        let text = format!("{before}{secret} and more");
        assert!(found(&base64(text.as_bytes()), secret).is_some(), "{before}");
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(found(&hex, secret).is_some());
    }
    assert!(found("cnry0002q12345678zv", secret).is_none());
}

/// A gate, what stands behind it, and what is looked through.
struct World {
    canaries: Canaries,
    tool: Tool,
    collector: Collector,
    gate: Gate,
    calls: Mutex<usize>,
    _model: Model,
}

const RULES: &str = "rules:\n\
    - { id: no-edit, tools: [svc.edit], then: deny, message: No. }\n\
    - { id: careful, tools: [svc.look], then: warn, message: Careful. }\n\
    - { id: trial, mode: observe, tools: [svc.put], then: deny, message: No. }\n";

impl World {
    async fn start(bodies: &str, variable: Option<&str>) -> Self {
        let canaries = Canaries::default();
        let (tool, collector) = (Tool::start().await, Collector::start().await);
        let completions: Vec<String> = (0..6).map(|_| canaries.word()).collect();
        let shaped = canaries.shaped();
        let model = Model::start(move |prompt| script(&prompt.body, &completions, &shaped)).await;
        let address = tool.address;
        let setup = Setup::before(&tool)
            .policy(RULES)
            .events(&format!("./events.jsonl, bodies: {bodies}"))
            .top("prices: ./prices.yaml")
            .file("prices.yaml", PRICES)
            .top(&format!("export: {{ otlp: \"http://{}\", sample: 100% }}", collector.address))
            .other_upstream(&format!("  pay:\n    mcp: http://{address}/mcp\n"))
            .other_upstream(&format!("  openai: {{ llm: openai, url: \"{}/v1\" }}\n", model.url()))
            .environment("RUST_LOG", "debug");
        let setup = match variable {
            Some(value) => {
                setup.environment("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
            }
            None => setup,
        };
        let gate = setup.start().await;
        Self { canaries, tool, collector, gate, calls: Mutex::new(0), _model: model }
    }

    fn word(&self) -> String {
        self.canaries.word()
    }

    async fn send(&self, mut request: Request<Full<Bytes>>) -> u16 {
        let headers = request.headers_mut();
        headers.insert("toolgate-run-id", "r".parse().expect("a value"));
        for name in ["authorization", "cookie", "x-api-key", "x-own"] {
            headers.insert(name, self.word().parse().expect("a value"));
        }
        *self.calls.lock() += 1;
        self.gate.send(request).await.status.as_u16()
    }

    /// Calls of a plain tool: everything that an agent can write, and everything that it is answered.
    async fn plain_calls(&self) {
        let (word, tool) = (|| self.word(), &self.tool);
        let answers = [
            Reply::json(&json!({ "token": word(), "deep": [{ "note": word() }] }).to_string()),
            Reply::json("").kind("text/plain").body(format!("said {}", word())),
            Reply::json("").kind("text/event-stream").body(format!("data: {}\n\n", word())),
            Reply::status(404).body(json!({ "error": word() }).to_string()),
            Reply::status(503).body(word()).header("x-why", word()),
        ];
        for reply in answers {
            tool.on("/items", Act::Reply(reply));
            let body =
                json!({ "password": word(), "note": word(), "mail": self.canaries.shaped() });
            self.send(post("/svc/items", &body)).await;
        }
        self.send(request(Method::GET, &format!("/svc/items/{}", word()), None)).await;
        self.send(request(Method::GET, &format!("/svc/items?q={}&{}=1", word(), word()), None))
            .await;
        tool.on("/look", Act::Close);
        self.send(post("/svc/look", &json!({ "warned": word() }))).await;
        let edit = request(
            Method::PUT,
            &format!("/svc/items/{}", word()),
            Some(&json!({ "denied": word() })),
        );
        assert_eq!(self.send(edit).await, 403);
        // Refused before it is a call: what it is not, it is not told by.
        let broken = Bytes::from(format!("{{\"broken\": \"{}\", ", word()));
        let mut malformed = post("/svc/items", &Value::Null);
        *malformed.body_mut() = Full::new(broken);
        assert_eq!(self.send(malformed).await, 400);
    }

    /// Messages of MCP: arguments, results, results that say they failed, errors.
    async fn mcp_calls(&self) {
        let results = [
            json!({ "result": { "content": [{ "type": "text", "text": self.word() }] } }),
            json!({ "result": { "structuredContent": { "a": self.word() }, "content": [] } }),
            json!({ "result": { "isError": true, "content": [{ "type": "text", "text": self.word() }] } }),
            json!({ "error": { "code": -32602, "message": self.word(), "data": self.word() } }),
        ];
        for (id, as_events) in [(1, false), (2, true)] {
            for (turn, result) in results.iter().enumerate() {
                let id = id * 10 + turn;
                let mut answer = json!({ "jsonrpc": "2.0", "id": id });
                for (name, value) in result.as_object().expect("an object") {
                    answer[name] = value.clone();
                }
                let reply = match as_events {
                    false => Reply::json(&answer.to_string()),
                    true => Reply::json("")
                        .kind("text/event-stream")
                        .body(format!("data: {answer}\n\n")),
                };
                self.tool.on("/mcp", Act::Reply(reply));
                let arguments = json!({ "card": self.word(), "mail": self.canaries.shaped() });
                let params = json!({ "name": "say", "arguments": arguments });
                let message =
                    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
                let mut request = post("/pay/mcp", &message);
                let headers = request.headers_mut();
                headers.insert(
                    "accept",
                    "application/json, text/event-stream".parse().expect("a value"),
                );
                headers.insert("mcp-session-id", self.word().parse().expect("a value"));
                self.send(request).await;
            }
        }
    }

    /// Questions to a model: prompts, tools and completions, whole and in pieces.
    async fn model_calls(&self) {
        for stream in [false, true] {
            for turn in 0..3 {
                let body = json!({
                    "model": "plain", "stream": stream, "max_tokens": 100, "turn": turn,
                    "messages": [
                        { "role": "system", "content": self.word() },
                        { "role": "user", "content": [{ "type": "text", "text": self.word() }] },
                    ],
                    "tools": [{ "type": "function", "function": { "name": "f", "description": self.word() } }],
                });
                self.send(post("/openai/v1/chat/completions", &body)).await;
            }
        }
    }

    /// Everything that was said of the calls: events, logs, metrics in both formats; and the spans.
    async fn said(mut self) -> (Canaries, String, Vec<Span>) {
        self.plain_calls().await;
        self.mcp_calls().await;
        self.model_calls().await;
        let calls = *self.calls.lock();
        assert_eq!(self.gate.calls(calls).await.len(), calls);
        let mut said = String::new();
        for accept in ["application/openmetrics-text", "text/plain"] {
            let mut ask = request(Method::GET, "/metrics", None);
            ask.headers_mut().insert("accept", accept.parse().expect("a value"));
            let answer =
                crate::harness::Connection::open(self.gate.admin_address()).await.send(ask).await;
            assert!(answer.body.len() > 1_000);
            said.push_str(&String::from_utf8_lossy(&answer.body));
        }
        self.gate.terminate();
        assert!(self.gate.ended().await.success(), "{}", self.gate.stderr());
        said.push_str(&self.gate.stderr());
        said.push_str(&self.gate.stdout());
        said.push_str(&self.gate.read("events.jsonl"));
        let collector = &self.collector;
        let spans = until("a span of each call", async || {
            let spans = collector.spans();
            let called = spans.iter().filter(|span| attribute(span, "toolgate.call.id").is_some());
            // What is refused before it has a place in a trace has no span.
            (called.count() + 1 >= calls).then_some(spans)
        })
        .await;
        (self.canaries, said, spans)
    }
}

/// What the model says: to each question another secret.
fn script(body: &str, completions: &[String], shaped: &str) -> Script {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let turn = asked["turn"].as_u64().unwrap_or_default() as usize;
    let is_stream = asked["stream"] == true;
    let said = &completions[(turn + if is_stream { 3 } else { 0 }) % completions.len()];
    if turn == 2 && !is_stream {
        return Script::json(
            429,
            &json!({ "error": { "message": said, "type": "rate_limit_error" } }).to_string(),
        );
    }
    let usage = json!({ "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19 });
    if !is_stream {
        let message = json!({ "role": "assistant", "content": format!("{said} {shaped}"), "tool_calls": [
            { "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{}" } }] });
        let choice = json!({ "index": 0, "finish_reason": "stop", "message": message });
        return Script::json(
            200,
            &json!({ "model": "plain-1", "choices": [choice], "usage": usage }).to_string(),
        );
    }
    let piece = |text: &str, finish: Value| {
        json!({ "model": "plain-1", "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": finish }] }).to_string()
    };
    let (first, second) = said.split_at(said.len() / 2);
    let end = json!({ "model": "plain-1", "choices": [], "usage": usage }).to_string();
    Script::events(&[&piece(first, Value::Null), &piece(second, json!("stop")), &end, "[DONE]"])
}

fn attribute<'s>(span: &'s Span, name: &str) -> Option<&'s str> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue;
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        StringValue(text) => Some(text),
        _ => None,
    }
}

#[tokio::test]
async fn nothing_that_is_said_of_calls_holds_a_secret() {
    // Whatever the environment wants, the config has the last word.
    for variable in [None, Some("SPAN_AND_EVENT")] {
        let world = World::start("none", variable).await;
        let (canaries, mut said, spans) = world.said().await;
        let secrets = canaries.all();
        assert!(secrets.len() >= 100, "{} secrets", secrets.len());
        assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), secrets.len());
        said.push_str(&format!("{spans:?}"));
        for name in [
            "toolgate.verdict",
            "gen_ai.usage.input_tokens",
            "gen_ai.response.time_to_first_chunk",
            "mcp.session.id",
            "rpc.response.status_code",
            "url.full",
        ] {
            assert!(said.contains(name), "{name} is not told at all");
        }
        for secret in &secrets {
            if let Some(form) = found(&said, secret) {
                let at = said.find(&form).unwrap_or_default();
                let from = said.floor_char_boundary(at.saturating_sub(300));
                let to = said.floor_char_boundary((at + 300).min(said.len()));
                panic!("{secret} as {form}: …{}…", &said[from..to]);
            }
        }
        for span in &spans {
            // Reasons and names of rules: no word of a tool's.
            let message = span.status.clone().unwrap_or_default().message;
            let is_plain =
                |letter: char| letter.is_ascii_alphanumeric() || "_-:/ ".contains(letter);
            assert!(message.len() <= 128 && message.chars().all(is_plain), "{message}");
            assert!(secrets.iter().all(|secret| found(&message, secret).is_none()), "{message}");
        }
    }
}

#[tokio::test]
async fn contents_are_on_spans_where_the_config_has_them_there() {
    let (canaries, said, spans) = World::start("full", None).await.said().await;
    let told = format!("{spans:?}");
    // Headers, session ids and what was refused are no contents.
    let recorded = canaries.all().iter().filter(|secret| told.contains(secret.as_str())).count();
    assert!(recorded >= 40, "{recorded} of {}", canaries.all().len());
    for shaped in canaries.shaped.lock().iter() {
        assert!(told.contains(shaped.as_str()), "{shaped}");
    }
    for secret in canaries.all() {
        assert_eq!(found(&said, &secret), None, "spans alone have contents");
    }
    for name in [
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "input.value",
        "output.value",
    ] {
        assert!(spans.iter().any(|span| attribute(span, name).is_some()), "{name}");
    }
}

#[tokio::test]
async fn redacted_contents_are_without_what_detectors_know() {
    let (canaries, _, spans) = World::start("redacted", None).await.said().await;
    let told = format!("{spans:?}");
    for shaped in canaries.shaped.lock().iter() {
        assert_eq!(found(&told, shaped), None, "{shaped}");
    }
    let words = canaries.words.lock();
    let recorded = words.iter().filter(|word| told.contains(word.as_str())).count();
    assert!(recorded >= 20, "words that look like nothing stay: {recorded}");
    assert!(told.contains("[email]") && told.contains("[secret]"));
    assert!(told.contains("[redacted]"), "passwords go by their name");
}

#[tokio::test]
async fn the_environment_narrows_what_the_config_allows() {
    let (canaries, _, spans) = World::start("full", Some("NO_CONTENT")).await.said().await;
    let told = format!("{spans:?}");
    for secret in canaries.all() {
        assert_eq!(found(&told, &secret), None, "{secret}");
    }
    let (canaries, _, spans) = World::start("full", Some("EVENT_ONLY")).await.said().await;
    assert!(spans.iter().all(|span| attribute(span, "input.value").is_none()));
    let events: String = spans.iter().map(|span| format!("{:?}", span.events)).collect();
    assert!(canaries.shaped.lock().iter().all(|shaped| events.contains(shaped.as_str())));
}
