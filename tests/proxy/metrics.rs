//! Every metric that is promised, after a few calls of every kind: under its name, with its labels
//! and buckets, and with exemplars that lead to the calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::model::{Model, Script};
use crate::harness::{Act, Connection, Gate, Reply, get, post};
use crate::llm::{PRICES, chat};
use crate::mcp::server::{Server, call, message, old};

const ANSWER: &str = r#"{"model":"plain","choices":[{"message":{"content":"Fine."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":200,"prompt_tokens_details":{"cached_tokens":400}}}"#;

/// Rules that refuse, watch, take out and end.
const POLICY: &str = "rules:
- { id: never, tools: [svc.drop], then: deny, message: Never. }
- { id: watched, tools: [svc.find], then: deny, mode: observe, message: Not so. }
- { id: enough, tools: [svc.refund], then: stop, message: Enough. }
limits:
- { id: purse, per: tenant, max: { cost_usd: 1.0 }, then: deny }
";

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// A sample of a scrape.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
    exemplar: Option<BTreeMap<String, String>>,
}

/// The labels between braces; no value of these tests has quotes or commas.
fn labels(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("a label");
        (name.to_owned(), value.trim_matches('"').to_owned())
    };
    pairs.map(pair).collect()
}

fn sample(line: &str) -> Sample {
    let (line, exemplar) = match line.split_once(" # {") {
        Some((line, rest)) => (line, Some(labels(rest.split_once('}').expect("an end").0))),
        None => (line, None),
    };
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, own) = series.split_once('{').unwrap_or((series, "}"));
    Sample {
        name: name.to_owned(),
        labels: labels(own.trim_end_matches('}')),
        value: value.parse().expect("a number"),
        exemplar,
    }
}

async fn scrape(gate: &Gate, accept: Option<&str>) -> (String, Vec<Sample>) {
    let mut request: Request<Full<_>> = get("/metrics");
    if let Some(accept) = accept {
        request.headers_mut().insert("accept", accept.parse().expect("a value"));
    }
    let answer = Connection::open(gate.admin_address()).await.send(request).await;
    let kind = answer.header("content-type").expect("a type").to_owned();
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    (kind, text.lines().filter(|line| !line.starts_with('#')).map(sample).collect())
}

fn sum(samples: &[Sample], name: &str, wanted: &[(&str, &str)]) -> f64 {
    let fits = |sample: &&Sample| {
        sample.name == name
            && wanted
                .iter()
                .all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
    };
    let found: Vec<&Sample> = samples.iter().filter(fits).collect();
    assert!(!found.is_empty(), "{name} {wanted:?}");
    found.iter().map(|sample| sample.value).sum()
}

/// A gate after calls of every kind, one of which it refused, one of which failed, and one of which
/// ended its run.
async fn busy(server: &Server, model: &Model) -> Gate {
    let setup = server
        .gate()
        .top("caller: { tenant: acme, project: trips, user: kim, agent: booker }")
        .top("prices: ./prices.yaml")
        .file("prices.yaml", PRICES)
        .other_upstream(&format!("  openai: {{ llm: openai, url: \"{}/v1\" }}\n", model.url()))
        .upstream("cost_usd: 0.01")
        .upstream("breaker: { failures: 3, within: 1m, open_for: 2s }")
        .policy(POLICY);
    let gate = setup.start().await;
    let failing = Act::Reply(Reply::status(503));
    server.tool.on("/items/9", failing);
    for (request, status) in [
        (get("/_run/r/svc/items/1"), 200),
        (get("/_run/r/svc/items/9"), 503),
        (get("/_run/r/svc/items"), 200),
        (post("/_run/r/openai/chat/completions", &chat("plain", false)), 200),
        (old(&message(1, "tools/list", json!({}))), 200),
        (old(&call(2, "say", json!({}))), 200),
        (old(&call(3, "fail", json!({}))), 200),
        (old(&call(4, "missing", json!({}))), 200),
        (crate::harness::request(http::Method::DELETE, "/_run/r/svc/items/1", None), 403),
        (post("/_run/r/svc/refunds", &json!({ "amount": 1 })), 403),
    ] {
        let answer = gate.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
    gate.stops(1).await;
    gate
}

/// Metrics with their labels; of distributions, `le` is none of them.
const PROMISED: [(&str, &[&str]); 28] = [
    ("gen_ai_execute_tool_duration_seconds", &["tool", "type", "agent", "error_type"]),
    ("gen_ai_invoke_agent_tool_calls", &["agent"]),
    ("gen_ai_invoke_agent_inference_calls", &["agent"]),
    ("gen_ai_invoke_agent_duration_seconds", &["agent", "error_type"]),
    ("gen_ai_client_operation_duration_seconds", &["operation", "provider", "model", "error_type"]),
    ("gen_ai_client_token_usage", &["operation", "provider", "model", "error_type", "token_type"]),
    ("mcp_client_operation_duration_seconds", &["method", "tool", "error_type"]),
    ("toolgate_decisions_total", &["verdict", "rule", "stop_reason", "mode"]),
    ("toolgate_runs_ended_total", &["stop_reason", "agent"]),
    ("toolgate_run_cost_usd", &["tenant", "project", "model"]),
    ("toolgate_cost_usd_total", &["tenant", "project", "user", "agent", "tool", "model"]),
    ("toolgate_budget_remaining_ratio", &["limit", "measure"]),
    ("toolgate_breaker_state", &["tool"]),
    ("toolgate_in_flight", &[]),
    ("toolgate_reserved_calls", &[]),
    ("toolgate_live_runs", &[]),
    ("toolgate_unknown_writes", &[]),
    ("toolgate_policy_reloads_total", &["result"]),
    ("toolgate_policy_last_reload_successful", &[]),
    ("toolgate_drift_total", &["signal", "agent", "tool"]),
    ("toolgate_evaluations_total", &["name", "label"]),
    ("toolgate_intents_total", &["intent"]),
    ("toolgate_redactions_total", &["rule"]),
    ("toolgate_telemetry_sampled_out_total", &[]),
    ("toolgate_telemetry_dropped_total", &["reason"]),
    ("toolgate_telemetry_exported_total", &[]),
    ("toolgate_gate_duration_seconds", &[]),
    ("toolgate_build_info", &["version"]),
];

#[tokio::test]
async fn every_metric_that_is_promised_is_there_with_its_labels() {
    let (server, model) =
        (Server::start().await, Model::start(|_| Script::json(200, ANSWER)).await);
    let gate = busy(&server, &model).await;
    let (kind, samples) = scrape(&gate, None).await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    assert!(samples.iter().all(|sample| sample.exemplar.is_none()));
    for (name, wanted) in PROMISED {
        let counts = format!("{name}_count");
        let mut found =
            samples.iter().filter(|one| one.name == name || one.name == counts).peekable();
        assert!(found.peek().is_some(), "{name} is missing");
        for sample in found {
            let own: BTreeSet<&str> = sample.labels.keys().map(String::as_str).collect();
            assert_eq!(own, wanted.iter().copied().collect(), "{name}");
        }
    }
    assert!(!samples.iter().any(|sample| sample.labels.keys().any(|label| label.contains("run"))));
    assert!(!samples.iter().any(|sample| sample.labels.values().any(|value| value == "r")));
}

#[tokio::test]
async fn calls_are_counted_as_what_they_are() {
    let (server, model) =
        (Server::start().await, Model::start(|_| Script::json(200, ANSWER)).await);
    let gate = busy(&server, &model).await;
    let (_, samples) = scrape(&gate, None).await;
    let of = |name: &str, labels: &[(&str, &str)]| sum(&samples, name, labels);
    let tools = "gen_ai_execute_tool_duration_seconds_count";
    assert_eq!(of(tools, &[]), 6.0, "three over HTTP and three over MCP");
    assert_eq!(of(tools, &[("tool", "svc.get"), ("error_type", "http_5xx")]), 1.0);
    assert_eq!(of(tools, &[("tool", "pay.fail"), ("error_type", "tool_error")]), 1.0);
    assert_eq!(of(tools, &[("tool", "pay.missing"), ("error_type", "-32602")]), 1.0);
    let messages = "mcp_client_operation_duration_seconds_count";
    assert_eq!(of(messages, &[("tool", "pay.missing"), ("error_type", "-32602")]), 1.0);
    assert_eq!(of(messages, &[("method", "tools/call"), ("tool", "pay.say")]), 1.0);
    assert_eq!(of(messages, &[("method", "tools/list"), ("tool", "")]), 1.0);
    let model = [("operation", "chat"), ("provider", "openai"), ("model", "plain")];
    assert_eq!(of("gen_ai_client_operation_duration_seconds_count", &model), 1.0);
    for (token_type, tokens) in [("input", 1000.0), ("output", 200.0), ("cache_read", 400.0)] {
        let labels = [model[0], model[1], model[2], ("token_type", token_type)];
        assert_eq!(of("gen_ai_client_token_usage_sum", &labels), tokens);
    }
    let whose = [("tenant", "acme"), ("project", "trips"), ("user", "kim"), ("agent", "booker")];
    let cost = |tool, model| {
        let labels = [&whose[..], &[("tool", tool), ("model", model)]].concat();
        of("toolgate_cost_usd_total", &labels)
    };
    assert!((cost("svc.get", "") - 0.02).abs() < 1e-9);
    assert!((cost("openai.chat", "plain") - 0.00104).abs() < 1e-9);
    let agent = [("agent", "booker")];
    // Refused calls were not admitted.
    assert_eq!(of("gen_ai_invoke_agent_tool_calls_sum", &agent), 6.0);
    assert_eq!(of("gen_ai_invoke_agent_inference_calls_sum", &agent), 1.0);
    let ended = [("stop_reason", "tool_not_allowed"), ("agent", "booker")];
    assert_eq!(of("toolgate_runs_ended_total", &ended), 1.0);
    let run = of("toolgate_run_cost_usd_sum", &[("tenant", "acme"), ("model", "plain")]);
    assert!((run - 0.03104).abs() < 1e-9, "{run}");
    let denied = [("verdict", "deny"), ("rule", "p1/never"), ("mode", "enforce")];
    assert_eq!(of("toolgate_decisions_total", &denied), 1.0);
    let would = [("verdict", "deny"), ("rule", "p1/watched"), ("mode", "observe")];
    assert_eq!(of("toolgate_decisions_total", &would), 1.0);
    let left = of("toolgate_budget_remaining_ratio", &[("limit", "p1/purse")]);
    assert!((left - 0.968_96).abs() < 1e-6, "{left}");
}

#[tokio::test]
async fn buckets_are_those_of_the_conventions() {
    let (server, model) =
        (Server::start().await, Model::start(|_| Script::json(200, ANSWER)).await);
    let gate = busy(&server, &model).await;
    let (_, samples) = scrape(&gate, None).await;
    let bounds = |name: &str| {
        let bucket = format!("{name}_bucket");
        let of = samples.iter().filter(|sample| sample.name == bucket);
        let bounds: BTreeSet<String> = of.map(|sample| sample.labels["le"].clone()).collect();
        let mut bounds: Vec<f64> = bounds
            .iter()
            .filter(|le| *le != "+Inf")
            .map(|le| le.parse().expect("a bound"))
            .collect();
        bounds.sort_by(f64::total_cmp);
        (bounds.first().copied(), bounds.last().copied(), bounds.len())
    };
    for (name, first, last, count) in [
        ("gen_ai_execute_tool_duration_seconds", 0.01, 81.92, 14),
        ("gen_ai_client_operation_duration_seconds", 0.01, 81.92, 14),
        ("gen_ai_invoke_agent_tool_calls", 1.0, 128.0, 8),
        ("gen_ai_invoke_agent_inference_calls", 1.0, 128.0, 8),
        ("gen_ai_invoke_agent_duration_seconds", 0.1, 409.6, 13),
        ("gen_ai_client_token_usage", 1.0, 67_108_864.0, 14),
        ("mcp_client_operation_duration_seconds", 0.01, 300.0, 14),
    ] {
        assert_eq!(bounds(name), (Some(first), Some(last), count), "{name}");
    }
    assert_eq!(bounds("toolgate_run_cost_usd").0, Some(0.001));
}

#[tokio::test]
async fn exemplars_are_the_calls_that_events_tell_of() {
    let (server, model) =
        (Server::start().await, Model::start(|_| Script::json(200, ANSWER)).await);
    let gate = busy(&server, &model).await;
    let spans: HashMap<Value, Value> = gate
        .calls(10)
        .await
        .iter()
        .map(|event| (event["span_id"].clone(), event["trace_id"].clone()))
        .collect();
    assert_eq!(spans.len(), 10, "each call has a span of its own");
    let (kind, samples) = scrape(&gate, Some(OPEN_METRICS)).await;
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    for name in [
        "gen_ai_execute_tool_duration_seconds_bucket",
        "gen_ai_client_operation_duration_seconds_bucket",
        "gen_ai_client_token_usage_bucket",
        "mcp_client_operation_duration_seconds_bucket",
        "toolgate_gate_duration_seconds_bucket",
        "toolgate_decisions_total",
    ] {
        let of = samples.iter().filter(|sample| sample.name == name);
        let exemplars: Vec<_> = of.filter_map(|sample| sample.exemplar.as_ref()).collect();
        assert!(!exemplars.is_empty(), "{name}");
        for exemplar in exemplars {
            let trace = spans.get(&json!(exemplar["span_id"])).expect("a call's span");
            assert_eq!(*trace, json!(exemplar["trace_id"]), "{name}");
        }
    }
    let ended = samples.iter().find(|sample| sample.name == "toolgate_runs_ended_total");
    let ended = ended.expect("the run").exemplar.as_ref().expect("its exemplar");
    assert!(spans.values().any(|trace| *trace == json!(ended["trace_id"])), "the run's trace");
}

#[tokio::test]
async fn made_up_tools_do_not_make_series_without_end() {
    let server = Server::start().await;
    let gate = server.gate().start().await;
    let mut connection = Connection::open(gate.address).await;
    for number in 0..1_200 {
        let path = format!("/_run/r/svc/tools/t{number}");
        assert_eq!(connection.send(post(&path, &json!({}))).await.status, 200);
    }
    let (_, samples) = scrape(&gate, None).await;
    let name = "gen_ai_execute_tool_duration_seconds_count";
    assert_eq!(samples.iter().filter(|sample| sample.name == name).count(), 1_025);
    assert_eq!(sum(&samples, name, &[("tool", "other")]), 176.0);
}
