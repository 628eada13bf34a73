//! One name for a tool that is reached over HTTP and over MCP: one policy, one history, one budget.

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::harness::{Act, Answer, Gate, Reply, Setup, Tool, of_kind, post};

fn setup(tool: &Tool) -> Setup {
    let result = json!({ "content": [{ "type": "text", "text": "{\"ok\":true}" }] });
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
    tool.on("/mcp", Act::Reply(Reply::json(&answer.to_string())));
    let desk = format!(
        "  desk:\n    mcp: \"http://{}/mcp\"\n    tools:\n    \
         - {{ name: give_back, alias: svc.refund, tags: [desk] }}\n    \
         - {{ name: peek, alias: svc.look, effect: read }}\n",
        tool.address
    );
    Setup::before(tool).other_upstream(&desk)
}

fn within(mut request: Request<Full<bytes::Bytes>>) -> Request<Full<bytes::Bytes>> {
    request.headers_mut().insert("toolgate-run-id", "r".parse().expect("a value"));
    request
}

async fn plainly(gate: &Gate, path: &str, args: &Value) -> Answer {
    gate.send(within(post(path, args))).await
}

async fn in_mcp(gate: &Gate, name: &str, args: &Value) -> Value {
    let params = json!({ "name": name, "arguments": args });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let mut request = within(post("/desk/mcp", &message));
    let accept = "application/json, text/event-stream";
    request.headers_mut().insert("accept", accept.parse().expect("a value"));
    let answer = gate.send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.body).expect("JSON")
}

fn refused_by(answer: &Value) -> &str {
    answer["result"]["_meta"]["dev.toolgate/decision"]["rule"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn limits_count_a_tool_whichever_way_it_is_reached() {
    let tool = Tool::start().await;
    let limits = "limits:\n- { id: three, per: run, tools: [svc.refund], max: { \"sum(args.amount)\": 30 }, \
                  then: deny, message: Enough. }";
    let gate = setup(&tool).policy(limits).start().await;
    assert_eq!(plainly(&gate, "/svc/refunds", &json!({ "amount": 10 })).await.status, 200);
    assert_eq!(refused_by(&in_mcp(&gate, "give_back", &json!({ "amount": 20 })).await), "none");
    assert_eq!(refused_by(&in_mcp(&gate, "give_back", &json!({ "amount": 1 })).await), "p1/three");
    assert_eq!(plainly(&gate, "/svc/refunds", &json!({ "amount": 1 })).await.status, 403);
    let calls = of_kind(gate.end().await, "call");
    for call in &calls {
        assert_eq!(call["tool"], "svc.refund");
    }
    let protocols: Vec<_> = calls.iter().map(|call| &call["protocol"]).collect();
    assert_eq!(protocols, ["http", "mcp", "mcp", "http"]);
    assert_eq!(calls[2]["args_sha"], calls[3]["args_sha"]);
}

#[tokio::test]
async fn history_and_tags_are_those_of_the_tool() {
    let tool = Tool::start().await;
    let rules = "rules:\n\
        - { id: look-first, tools: [\"tag:desk\"], requires: [ { call: svc.look } ], then: deny, message: Look first. }";
    let gate = setup(&tool).policy(rules).start().await;
    // The tag is the other entry's.
    let refused = plainly(&gate, "/svc/refunds", &json!({ "amount": 1 })).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused_by(&in_mcp(&gate, "peek", &json!({})).await), "none");
    let passed = plainly(&gate, "/svc/refunds", &json!({ "amount": 1 })).await;
    assert_eq!(passed.status, 200, "{:#?} {}", tool.ledger(), gate.read("toolgate.yaml"));
}

#[tokio::test]
async fn loops_go_over_all_ways() {
    let tool = Tool::start().await;
    let limits = "limits:\n- { id: again, per: run, max: { identical_calls: 2 }, then: deny, message: Again. }";
    let gate = setup(&tool).policy(limits).start().await;
    tool.on("/refunds", Act::Reply(Reply::json("{\"ok\":true}")));
    assert_eq!(plainly(&gate, "/svc/refunds", &json!({ "amount": 1 })).await.status, 200);
    assert_eq!(refused_by(&in_mcp(&gate, "give_back", &json!({ "amount": 1 })).await), "none");
    assert_eq!(refused_by(&in_mcp(&gate, "give_back", &json!({ "amount": 1 })).await), "p1/again");
}
