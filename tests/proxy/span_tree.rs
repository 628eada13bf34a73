//! What tools were told of where a call stands, and the spans that are exported, are one tree: each
//! span that somebody was told of is exported, and stands below one that is.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tokio::process::Command;

use crate::harness::collector::Collector;
use crate::harness::faulty::{Faulty, Then, answer, fine, lost};
use crate::harness::{Act, Connection, Setup, Tool, get, soon};
use crate::mcp::server::{Server, message, new};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const RETRY: &str = "retry: { attempts: 3, on: [503, reset, timeout], budget: 100%, backoff: 1ms }";

fn export(collector: &Collector) -> String {
    format!("export: {{ otlp: \"http://{}\", sample: 100% }}", collector.address)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The span that a `traceparent` names.
fn span_of(parent: &str) -> String {
    parent.split('-').nth(2).expect("a span").to_owned()
}

/// Spans by their ids.
struct Tree(HashMap<String, Span>);

impl Tree {
    fn of(spans: Vec<Span>) -> Self {
        let count = spans.len();
        let by_id: HashMap<_, _> =
            spans.into_iter().map(|span| (hex(&span.span_id), span)).collect();
        assert_eq!(by_id.len(), count, "none is exported twice");
        Self(by_id)
    }

    fn get(&self, id: &str) -> &Span {
        self.0.get(id).unwrap_or_else(|| panic!("no span {id} of {:?}", self.0.keys()))
    }

    fn parent(&self, id: &str) -> String {
        hex(&self.get(id).parent_span_id)
    }

    fn named(&self, name: &str) -> (&str, &Span) {
        let mut found = self.0.iter().filter(|(_, span)| span.name == name);
        let (id, span) = found.next().unwrap_or_else(|| panic!("no span {name}"));
        assert!(found.next().is_none(), "one span {name}");
        (id, span)
    }

    /// Sees that all stand in this trace and below each other, all but one in the end below none.
    fn is_one(&self, trace: &str, above: &str) {
        let mut roots = 0;
        for span in self.0.values() {
            assert_eq!(hex(&span.trace_id), trace, "{}", span.name);
            let parent = hex(&span.parent_span_id);
            match self.0.get(&parent) {
                Some(parent) => {
                    let within = parent.start_time_unix_nano <= span.start_time_unix_nano
                        && span.end_time_unix_nano <= parent.end_time_unix_nano;
                    assert!(within, "{} within {}", span.name, parent.name);
                }
                None => {
                    assert_eq!(parent, above, "{}", span.name);
                    roots += 1;
                }
            }
        }
        assert_eq!(roots, 1);
    }
}

#[tokio::test]
async fn a_run_without_a_tracer_is_one_tree_down_to_its_attempts() {
    let collector = Collector::start().await;
    let server = Server::start().await;
    let tool = Faulty::start(|asked| match asked.nth {
        0 => answer(503, "{}"),
        1 => lost(true, Then::Reset),
        _ => fine(),
    })
    .await;
    let pay = format!("  pay:\n    mcp: http://{}/mcp\n", server.tool.address);
    let gate = Setup::at(&tool.url()).upstream(RETRY).other_upstream(&pay).top(&export(&collector));
    let gate = gate.start().await;
    let mut request = get("/svc/items/1");
    request.headers_mut().insert("toolgate-run-id", "r".parse().expect("a value"));
    assert_eq!(gate.send(request).await.status, 200);
    let say = message(1, "tools/call", json!({ "name": "say", "arguments": {} }));
    assert_eq!(gate.send(new(say)).await.status, 200);
    gate.end().await;
    let tree = Tree::of(collector.spans());
    assert_eq!(tree.0.len(), 6, "a run, two calls, three attempts");
    let (root, run) = tree.named("invoke_agent");
    tree.is_one(&hex(&run.trace_id), "");
    let (call, _) = tree.named("execute_tool svc.get");
    assert_eq!(tree.parent(call), root);
    for (asked, _) in tool.ledger() {
        let told = span_of(&asked.headers["traceparent"]);
        assert_eq!((tree.parent(&told).as_str(), tree.get(&told).name.as_str()), (call, "GET"));
    }
    let told = &server.tool.ledger()[0].headers["traceparent"];
    let told = span_of(told.to_str().expect("ASCII"));
    assert_eq!(
        (tree.parent(&told).as_str(), tree.get(&told).name.as_str()),
        (root, "tools/call pay.say")
    );
}

#[tokio::test]
async fn the_request_around_a_message_is_linked() {
    let collector = Collector::start().await;
    let server = Server::start().await;
    let gate = server.gate().top(&export(&collector)).start().await;
    let carried = "00-11111111111111111111111111111111-2222222222222222-01";
    let cases = [
        (Some(carried), Some(CALLER), Some((TRACE, PARENT))),
        (Some(carried), None, None),
        (Some(carried), Some(carried), None),
        (None, Some(CALLER), None),
        (Some("nonsense"), Some(CALLER), None),
    ];
    for (in_body, in_head, _) in cases {
        let mut params = json!({ "name": "say", "arguments": {}, "_meta": {} });
        if let Some(parent) = in_body {
            params["_meta"]["traceparent"] = json!(parent);
        }
        let mut request = new(message(1, "tools/call", params));
        if let Some(parent) = in_head {
            request.headers_mut().insert("traceparent", parent.parse().expect("a value"));
        }
        assert_eq!(gate.send(request).await.status, 200);
    }
    gate.end().await;
    let tree = Tree::of(collector.spans());
    let arrived = server.tool.ledger();
    assert_eq!(arrived.len(), cases.len());
    for (arrived, (in_body, in_head, linked)) in arrived.iter().zip(cases) {
        let told = span_of(arrived.headers["traceparent"].to_str().expect("ASCII"));
        let links = tree.get(&told).links.iter();
        let links: Vec<_> = links.map(|to| (hex(&to.trace_id), hex(&to.span_id))).collect();
        let expected = linked.map(|(trace, span)| (trace.to_owned(), span.to_owned()));
        assert_eq!(links, Vec::from_iter(expected), "{in_body:?} {in_head:?}");
    }
}

#[tokio::test]
async fn an_attempt_that_nobody_waited_for_is_told_of() {
    let collector = Collector::start().await;
    let tool = Tool::start().await;
    tool.on("/items/1", Act::Hang);
    let gate = Setup::before(&tool).top(&export(&collector)).start().await;
    let mut connection = Connection::open(gate.address).await;
    let sent = connection.try_send(get("/svc/items/1"));
    tokio::select! {
        _ = sent => panic!("it was answered"),
        () = tool.reached_by(1) => {}
    }
    drop(connection);
    let told = tool.ledger()[0].headers["traceparent"].clone();
    let told = span_of(told.to_str().expect("ASCII"));
    gate.calls(1).await;
    gate.end().await;
    let tree = Tree::of(collector.spans());
    let (root, run) = tree.named("invoke_agent");
    tree.is_one(&hex(&run.trace_id), "");
    let (call, _) = tree.named("execute_tool svc.get");
    assert_eq!((tree.parent(&told).as_str(), tree.parent(call).as_str()), (call, root));
}

const AGENT: &str = r#"
import os, urllib.request
url = os.environ["TOOLGATE_SVC_URL"]
urllib.request.urlopen(url + "/items/1")
request = urllib.request.Request(url + "/items/2")
request.add_header("traceparent", os.environ["TRACEPARENT"])
urllib.request.urlopen(request)
"#;

fn write_config(folder: &Path, tool: &Tool, collector: &Collector) {
    let config = format!(
        "apiVersion: toolgate/v1\nkind: Config\nlisten: 127.0.0.1:0\n{}\n\
         record: {{ events: ./events.jsonl }}\nupstreams:\n\
         \x20 svc:\n    http: http://{}\n    tools:\n\
         \x20   - {{ name: get, match: \"GET /items/{{id}}\" }}\n",
        export(collector),
        tool.address
    );
    fs::write(folder.join("toolgate.yaml"), config).expect("it is written");
}

#[tokio::test]
async fn a_program_is_a_branch_of_the_tree_that_it_was_started_in() {
    let tool = Tool::start().await;
    for started_in in [Some(CALLER), None] {
        let collector = Collector::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        write_config(folder.path(), &tool, &collector);
        let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
        command.args(["exec", "--", "python3", "-c", AGENT]).current_dir(folder.path());
        command.env_remove("TRACEPARENT").env_remove("TRACESTATE").kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(parent) = started_in {
            command.env("TRACEPARENT", parent);
        }
        let output = soon("the program's end", command.output()).await.expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = Tree::of(collector.spans());
        assert_eq!(tree.0.len(), 5, "a run, two calls, two attempts");
        let (root, run) = tree.named("invoke_agent");
        let trace = hex(&run.trace_id);
        let above = if started_in.is_some() { PARENT } else { "" };
        assert_eq!(trace == TRACE, started_in.is_some());
        tree.is_one(&trace, above);
        let below = tree.0.keys().filter(|id| tree.parent(id) == root).count();
        assert_eq!(below, 2, "also the call that was told where to stand");
    }
}
