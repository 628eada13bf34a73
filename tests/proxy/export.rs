//! Spans of what went through the gate, before collectors that take them and collectors that do
//! not: no call is the worse for it.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::collector::{Collector, Mood};
use crate::harness::{Act, Gate, Reply, Setup, Tool, get, post, until};

/// How many spans were exported or dropped so far.
async fn accounted(gate: &Gate) -> f64 {
    let exported = gate.metric("toolgate_telemetry_exported_total", "").await;
    exported + gate.metric("toolgate_telemetry_dropped_total", "").await
}

fn of_run(run: &str, path: &str, number: u64) -> Request<Full<Bytes>> {
    let mut call = post(path, &json!({ "number": number }));
    call.headers_mut().insert("toolgate-run-id", run.parse().expect("a value"));
    call
}

fn named<'s>(spans: &'s [Span], name: &str) -> Vec<&'s Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn the_spans_of_a_run_arrive() {
    for protocol in ["http/protobuf", "grpc"] {
        let tool = Tool::start().await;
        let collector = Collector::start().await;
        let export = format!(
            "export: {{ otlp: \"http://{}\", protocol: {protocol}, sample: 100%, \
             headers: {{ x-team: blue }}, resource: {{ openinference.project.name: shop }} }}",
            collector.address
        );
        let gate = Setup::before(&tool).top(&export).start().await;
        let where_to = match protocol {
            "grpc" => format!("spans go to http://{} (grpc); ", collector.address),
            _ => format!("spans go to http://{}/v1/traces (http/protobuf); ", collector.address),
        };
        assert!(gate.stderr().contains(&where_to), "{}", gate.stderr());
        for number in 0..3 {
            assert_eq!(gate.send(of_run("run-1", "/svc/items", number)).await.status, 200);
        }
        // The run goes on, and whether it is kept is not known yet.
        assert!(collector.received().is_empty());
        let events = gate.end().await;
        let spans = collector.spans();
        let calls = named(&spans, "execute_tool svc.put");
        assert_eq!(calls.len(), 3, "{spans:#?}");
        let traced = events.iter().filter(|event| event["kind"] == "call");
        for (event, span) in traced.zip(calls) {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let (trace, id): (String, String) = (hex(&span.trace_id), hex(&span.span_id));
            assert_eq!((&event["trace_id"], &event["span_id"]), (&json!(trace), &json!(id)));
        }
        for request in collector.received() {
            assert_eq!(request.headers["x-team"], "blue");
            let resource = request.request.resource_spans[0].resource.clone().expect("a resource");
            let keys: Vec<String> =
                resource.attributes.into_iter().map(|attribute| attribute.key).collect();
            assert!(keys.contains(&"openinference.project.name".to_owned()), "{keys:?}");
        }
    }
}

/// A call that failed is told of at once, without its run's end.
#[tokio::test]
async fn a_failed_call_is_exported_while_its_run_goes_on() {
    let tool = Tool::start().await;
    let collector = Collector::start().await;
    let export = format!("export: {{ otlp: \"http://{}\", sample: 0% }}", collector.address);
    let gate = Setup::before(&tool).top(&export).start().await;
    assert_eq!(gate.send(of_run("run-1", "/svc/items", 1)).await.status, 200);
    tool.on("/look", Act::Reply(Reply::status(500)));
    assert_eq!(gate.send(of_run("run-2", "/svc/look", 2)).await.status, 500);
    let failed = until("the failed call", async || {
        let spans = collector.spans();
        (!named(&spans, "execute_tool svc.look").is_empty()).then_some(spans)
    })
    .await;
    assert!(named(&failed, "execute_tool svc.put").is_empty(), "another run: {failed:#?}");
    gate.end().await;
    assert!(named(&collector.spans(), "execute_tool svc.put").is_empty());
}

/// Whatever the collector does: each call is answered, each is recorded, the gate ends in an orderly
/// way, and what was lost is counted.
#[tokio::test]
async fn no_collector_keeps_a_call_waiting() {
    const CALLS: usize = 150;
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("an address")
    };
    let tempers = [
        ("http/protobuf", None),
        ("grpc", None),
        ("http/protobuf", Some(Mood::Silent)),
        ("grpc", Some(Mood::Silent)),
        ("http/protobuf", Some(Mood::Closes)),
        ("http/protobuf", Some(Mood::Half)),
        ("http/protobuf", Some(Mood::Says(500))),
        ("grpc", Some(Mood::Says(13))),
    ];
    for (protocol, mood) in tempers {
        let tool = Tool::start().await;
        tool.on("/look", Act::Reply(Reply::status(500)));
        let collector = Collector::start().await;
        let address = if mood.is_none() { gone } else { collector.address };
        if let Some(mood) = mood.clone() {
            collector.is(mood);
        }
        let export = format!(
            "export: {{ otlp: \"http://{address}\", protocol: {protocol}, queue: 64KiB, \
             timeout: 60s }}"
        );
        let gate = Setup::before(&tool).top(&export).start().await;
        for number in 0..CALLS {
            // Failed ones are kept at once.
            let answer = gate.send(post("/svc/look", &json!({ "number": number }))).await;
            assert_eq!(answer.status, 500);
        }
        let silent = matches!(mood, Some(Mood::Silent));
        if silent {
            // Its one request stands open all the while.
            collector.reached_by(1).await;
            assert_eq!(collector.received().len(), 1);
            assert!(gate.metric("toolgate_telemetry_dropped_total", "queue_full").await > 0.0);
        } else {
            until("what was lost is counted", async || {
                (accounted(&gate).await >= CALLS as f64).then_some(())
            })
            .await;
        }
        assert_eq!(gate.metric("toolgate_telemetry_exported_total", "").await, 0.0);
        gate.calls(CALLS).await;
        gate.end().await;
    }
}

/// Where spans go holds until a restart, and a reload says so.
#[tokio::test]
async fn where_spans_go_cannot_change_while_the_gate_runs() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .top("export: { otlp: \"http://127.0.0.1:9\", sample: 5% }")
        .start()
        .await;
    let text = gate.read("toolgate.yaml");
    for (from, to, key) in [
        ("sample: 5%", "sample: 6%", "export.sample"),
        ("127.0.0.1:9", "127.0.0.1:10", "export.otlp"),
        ("sample: 5%", "queue: 2MiB", "export.queue"),
    ] {
        gate.replace("toolgate.yaml", &text.replace(from, to));
        gate.signal("HUP");
        until(&format!("{key} is refused"), async || {
            gate.stderr().contains(&format!("`{key}` cannot change while")).then_some(())
        })
        .await;
    }
    assert_eq!(gate.send(get("/svc/items")).await.status, 200);
}

/// A credential that is renewed while the gate runs is sent from then on, and holds no reload up.
#[tokio::test]
async fn a_credential_of_the_collector_may_be_renewed() {
    let tool = Tool::start().await;
    let collector = Collector::start().await;
    let export = format!(
        "export: {{ otlp: \"http://{}\", sample: 100%, headers: {{ x-key: \"${{file:./key}}\" }} }}",
        collector.address
    );
    let gate = Setup::before(&tool).top(&export).file("key", "first").start().await;
    let sent = async |run: &str, key: &str| {
        assert_eq!(gate.send(of_run(run, "/svc/none", 1)).await.status, 403);
        until(&format!("{key} is sent"), async || {
            let received = collector.received();
            received.iter().any(|request| request.headers["x-key"] == key).then_some(())
        })
        .await;
    };
    sent("run-1", "first").await;
    gate.replace("key", "second");
    gate.signal("HUP");
    until("it is taken over", async || gate.stderr().contains("reloaded").then_some(())).await;
    sent("run-2", "second").await;
}
