//! What a tool declares is what it is called with: everything else is refused in words that a model
//! can mend its call by, and does not reach the tool.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Act, Answer, Gate, Reply, Setup, Tool, get, of_kind, post, request, until};

const API: &str = r##"
openapi: "3.0.3"
info: { title: Payments, version: "1" }
servers: [{ url: "https://elsewhere.example" }]
paths:
  /refunds:
    post:
      operationId: refund
      summary: Pay money back.
      requestBody:
        required: true
        content:
          application/json:
            schema: { $ref: "#/components/schemas/Refund" }
      responses:
        "200":
          description: Done.
          content:
            application/json:
              schema: { type: object, required: [id], properties: { id: { type: string } } }
    get:
      operationId: listRefunds
      parameters:
      - { name: limit, in: query, schema: { type: integer, minimum: 1, maximum: 100 } }
      - { name: open, in: query, schema: { type: boolean } }
      - { name: states, in: query, schema: { type: array, items: { enum: [new, paid] } } }
      - { name: X-Trace, in: header, schema: { type: string } }
      responses: { default: { description: Any. } }
  /refunds/{id}:
    parameters:
    - { name: id, in: path, required: true, schema: { type: integer } }
    get: { operationId: getRefund, responses: { default: { description: Any. } } }
    patch:
      requestBody:
        content:
          application/json:
            schema:
              allOf:
              - { $ref: "#/components/schemas/Money" }
              - { type: object, properties: { note: { type: string, nullable: true } } }
      responses: { default: { description: Any. } }
  /search:
    post:
      operationId: search
      x-toolgate-effect: read
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              properties: { text: { type: string } }
              additionalProperties: true
      responses: { default: { description: Any. } }
  /upload:
    post:
      operationId: upload
      requestBody: { required: true, content: { text/csv: {} } }
      responses: { default: { description: Any. } }
components:
  schemas:
    Money:
      type: object
      properties:
        amount: { type: number, minimum: 0, exclusiveMinimum: true }
        currency: { type: string, enum: [EUR, USD] }
    Refund:
      type: object
      required: [amount, currency, receipt]
      properties:
        amount: { type: number, minimum: 0, exclusiveMinimum: true }
        currency: { type: string, enum: [EUR, USD] }
        receipt: { type: string, readOnly: true }
        customer: { $ref: "#/components/schemas/Customer" }
    Customer:
      type: object
      additionalProperties: false
      properties:
        name: { type: string }
        referred_by: { $ref: "#/components/schemas/Customer" }
"##;

fn documented(tool: &Tool) -> Setup {
    Setup::before(tool).file("api.yaml", API).upstream("openapi: ./api.yaml").tools("[]")
}

/// Holds a refusal against what is promised, and gives its violations by path.
fn broken(answer: &Answer, path: &str, words: &str) -> Value {
    let problem = answer.json();
    assert_eq!(answer.status, 400, "{problem}");
    assert_eq!(problem["stop_reason"], "schema_violation", "{problem}");
    assert_eq!(problem["error_class"], "request");
    assert_eq!(problem["executed"], false);
    assert_eq!(problem["retry"]["scope"], "different_args");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("was NOT executed."), "{detail}");
    assert!(detail.contains(words), "{words}: {detail}");
    let violations = problem["violations"].as_array().expect("violations");
    let found = violations.iter().find(|violation| violation["path"] == path);
    found.unwrap_or_else(|| panic!("{path}: {problem}")).clone()
}

#[tokio::test]
async fn arguments_are_what_the_document_declares() {
    let tool = Tool::start().await;
    let gate = documented(&tool).start().await;
    let refund = |body: Value| post("/svc/refunds", &body);

    let answer = gate.send(refund(json!({ "amout": 5, "currency": "EUR" }))).await;
    broken(&answer, "/args/amout", "`amout` is not an argument: did you mean `amount`?");
    broken(&answer, "/args/amount", "`args.amount` is missing");
    let answer = gate.send(refund(json!({ "amount": "5", "currency": "EUR" }))).await;
    let violation = broken(&answer, "/args/amount", "`args.amount` must be a number, not text");
    assert_eq!(violation["limit"], "number");
    let answer = gate.send(refund(json!({ "amount": 0, "currency": "EUR" }))).await;
    let violation = broken(&answer, "/args/amount", "`args.amount` must be > 0");
    assert_eq!((&violation["limit"], &violation["actual"]), (&json!(0), &json!(0)));
    let answer = gate.send(refund(json!({ "amount": 5, "currency": "canary-GBP" }))).await;
    broken(&answer, "/args/currency", r#"must be one of ["EUR","USD"]"#);
    assert!(!String::from_utf8_lossy(&answer.body).contains("canary"), "text is not repeated");
    let nested = json!({ "name": "a", "referred_by": { "nam": "b" } });
    let answer =
        gate.send(refund(json!({ "amount": 5, "currency": "EUR", "customer": nested }))).await;
    broken(&answer, "/args/customer/referred_by/nam", "did you mean `name`?");
    let answer = gate.send(request(Method::POST, "/svc/refunds", None)).await;
    broken(&answer, "/args/amount", "is missing");
    assert_eq!(tool.count(), 0, "nothing of this reached the tool");

    // What is only answered is not asked for.
    let answer = gate.send(refund(json!({ "amount": 5.5, "currency": "EUR" }))).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let nested = json!({ "name": "a", "referred_by": { "name": "b" } });
    let whole = json!({ "amount": 1, "currency": "USD", "customer": nested });
    assert_eq!(gate.send(refund(whole)).await.status, 200);
    assert_eq!(tool.count(), 2);
    let calls = gate.calls(8).await;
    assert_eq!(calls[0]["stop_reason"], "schema_violation");
    assert_eq!(calls[0]["tool"], "svc.refund");
    let version = calls[0]["tool_version"].as_str().expect("a version");
    assert_eq!(version.len(), 24, "{version}");
    assert!(
        calls.iter().all(|call| call["tool_version"] == version),
        "one definition, one version"
    );
}

#[tokio::test]
async fn text_of_paths_and_queries_is_read_as_the_document_asks() {
    let tool = Tool::start().await;
    let rule = "
rules:
- id: text-stays-text
  tools: [svc.listRefunds]
  when: args.?limit.orValue(\"\") == \"7\"
  then: deny
  message: Not seven.";
    let gate = documented(&tool).policy(rule).start().await;
    for path in [
        "/svc/refunds?limit=5&open=true&states=new,paid",
        "/svc/refunds?limit=100",
        "/svc/refunds",
        "/svc/refunds/12",
    ] {
        let answer = gate.send(get(path)).await;
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
    let targets: Vec<String> = tool.ledger().iter().map(|seen| seen.target.clone()).collect();
    assert_eq!(targets[0], "/refunds?limit=5&open=true&states=new,paid", "it is sent as it came");
    let answer = gate.send(get("/svc/refunds?limit=7")).await;
    assert_eq!(answer.json()["stop_reason"], "args_denied", "rules go on seeing text");

    for (path, at, words) in [
        ("/svc/refunds?limit=5.5", "/args/limit", "must be an integer"),
        ("/svc/refunds?limit=five", "/args/limit", "must be an integer, not text"),
        ("/svc/refunds?limit=%2B5", "/args/limit", "must be an integer, not text"),
        ("/svc/refunds?limit=101", "/args/limit", "must be <= 100"),
        ("/svc/refunds?limit=18446744073709551616", "/args/limit", "must be an integer, not text"),
        ("/svc/refunds?open=yes", "/args/open", "must be true or false"),
        ("/svc/refunds?states=new,old", "/args/states/1", "must be one of"),
        ("/svc/refunds?limt=5", "/args/limt", "did you mean `limit`?"),
        ("/svc/refunds?X-Trace=5", "/args/X-Trace", "is not an argument"),
        ("/svc/refunds/abc", "/args/id", "must be an integer, not text"),
        ("/svc/refunds/12?verbose=1", "/args/verbose", "is not an argument"),
    ] {
        broken(&gate.send(get(path)).await, at, words);
    }
    assert_eq!(tool.count(), 4);
}

#[tokio::test]
async fn combined_and_open_schemas_say_which_names_there_are() {
    let tool = Tool::start().await;
    let gate = documented(&tool).start().await;
    let patch = |body: Value| request(Method::PATCH, "/svc/refunds/7", Some(&body));
    for body in [json!({ "amount": 5, "note": null }), json!({ "note": "x" }), json!({})] {
        let answer = gate.send(patch(body)).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
    let answer = gate.send(patch(json!({ "note": "x", "notes": "y" }))).await;
    broken(&answer, "/args/notes", "did you mean `note`?");
    let answer = gate.send(post("/svc/search", &json!({ "text": "a", "anything": [1] }))).await;
    assert_eq!(answer.status, 200, "what is explicitly open is open");
    let answer = gate.send(post("/svc/search", &json!({ "text": 1 }))).await;
    broken(&answer, "/args/text", "must be text, not a number");
    assert_eq!(tool.count(), 4);
    let calls = gate.calls(6).await;
    assert_eq!(calls[0]["tool"], "svc.patch_refunds_id", "a name is made where none is given");
    assert_eq!(calls[4]["effect"], "read", "as the document says");
}

#[tokio::test]
async fn what_cannot_be_a_tool_is_named_and_refused() {
    let tool = Tool::start().await;
    let gate = documented(&tool).start().await;
    let said = gate.stderr();
    assert!(said.contains("`upload` is left out"), "{said}");
    let answer = gate.send(post("/svc/upload", &json!({}))).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["stop_reason"]),
        (403, &json!("tool_not_allowed"))
    );
    let answer = gate.send(request(Method::DELETE, "/svc/refunds/7", None)).await;
    assert_eq!(answer.json()["stop_reason"], "tool_not_allowed");
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn entries_add_to_operations_by_name() {
    let tool = Tool::start().await;
    let rule = "
rules:
- { id: no-money, tools: [\"tag:money\"], then: deny, message: No money today. }
- { id: reads, tools: [svc.listRefunds], when: tool.effect == \"write\", then: deny, message: Writes. }";
    let tools = "[{ name: refund, tags: [money] }, { name: listRefunds, effect: write }, \
                 { name: ping, match: \"GET /ping\" }]";
    let gate = documented(&tool).tools(tools).policy(rule).start().await;
    let answer = gate.send(post("/svc/refunds", &json!({ "amount": 1, "currency": "EUR" }))).await;
    assert_eq!(answer.json()["rule"], "p1/no-money");
    assert_eq!(gate.send(get("/svc/refunds")).await.json()["rule"], "p1/reads");
    assert_eq!(
        gate.send(get("/svc/ping?anything=1")).await.status,
        200,
        "nothing is declared of it"
    );
    assert_eq!(tool.count(), 1);
}

const CATALOGUE: &str = r#"[
  { "type": "function", "function": { "name": "mv", "description": "Move.",
    "parameters": { "type": "object", "required": ["source", "destination"],
      "properties": { "source": { "type": "string" }, "destination": { "type": "string" } } } } },
  { "name": "mv.all", "inputSchema": { "type": "object", "properties": {} } },
  { "name": "ls", "parameters": { "properties": { "a": { "type": "boolean" } } } }
]"#;

fn catalogued(tool: &Tool) -> Setup {
    Setup::before(tool)
        .file("tools.json", CATALOGUE)
        .tools(r#"[{ name: "{tool}", match: "POST /tools/{tool}", schemas: ./tools.json }]"#)
}

#[tokio::test]
async fn a_catalogue_names_all_the_tools_there_are() {
    let tool = Tool::start().await;
    let gate = catalogued(&tool).start().await;
    let call = |name: &str, args: Value| post(&format!("/svc/tools/{name}"), &args);
    for (name, args) in [
        ("mv", json!({ "source": "a", "destination": "b" })),
        ("mv.all", json!({})),
        ("ls", json!({ "a": true })),
        ("ls", json!({})),
    ] {
        let answer = gate.send(call(name, args)).await;
        assert_eq!(answer.status, 200, "{name}: {}", String::from_utf8_lossy(&answer.body));
    }
    for name in ["secure_file_relocate_v3", "MV", "mv.json", "lS"] {
        let answer = gate.send(call(name, json!({}))).await;
        assert_eq!(answer.status, 403, "{name}");
        assert_eq!(answer.json()["stop_reason"], "tool_not_allowed", "{name}");
    }
    let answer = gate.send(call("ls", json!({ "a": true, "cache_enabled": true }))).await;
    broken(&answer, "/args/cache_enabled", "`cache_enabled` is not an argument");
    let answer = gate.send(call("mv.all", json!({ "b": 1 }))).await;
    broken(&answer, "/args/b", "there are none");
    let answer = gate.send(call("mv", json!({ "source": "a" }))).await;
    broken(&answer, "/args/destination", "is missing");
    assert_eq!(tool.count(), 4);
    let calls = gate.calls(11).await;
    assert_eq!(calls[0]["tool"], "svc.mv");
    assert_ne!(calls[0]["tool_version"], calls[2]["tool_version"]);
}

#[tokio::test]
async fn schemas_stand_in_the_config_too() {
    let tool = Tool::start().await;
    let tools = r#"
    - name: note
      match: "POST /notes/{id}"
      args: { type: object, required: [text], properties: { id: { type: integer }, text: { type: string } } }
    - { name: tag, match: "POST /tags", schema: ./tag.json }"#;
    let gate: Gate = Setup::before(&tool)
        .file("tag.json", r#"{ "properties": { "name": { "type": "string", "maxLength": 3 } } }"#)
        .tools(tools)
        .start()
        .await;
    assert_eq!(gate.send(post("/svc/notes/5", &json!({ "text": "a" }))).await.status, 200);
    assert_eq!(gate.send(post("/svc/tags", &json!({ "name": "abc" }))).await.status, 200);
    let answer = gate.send(post("/svc/notes/x", &json!({ "text": "a" }))).await;
    broken(&answer, "/args/id", "must be an integer");
    let answer = gate.send(post("/svc/tags", &json!({ "name": "abcd" }))).await;
    broken(&answer, "/args/name", "must be of 3 characters or fewer");
    assert_eq!(tool.count(), 2);
}

#[tokio::test]
async fn answers_that_break_their_schema_are_marked_or_withheld() {
    let tool = Tool::start().await;
    tool.on("/refunds", Act::Reply(Reply::json(r#"{"id": 7}"#)));
    let call = || post("/svc/refunds", &json!({ "amount": 1, "currency": "EUR" }));

    let after = "rules:\n- { id: after, tools: [svc.listRefunds], requires: [{ call: svc.refund }], \
                 then: deny, message: Refund first. }";
    let gate = documented(&tool).policy(after).start().await;
    assert_eq!(gate.send(get("/svc/refunds")).await.status, 403);
    let answer = gate.send(call()).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "id": 7 })));
    let event = gate.calls(2).await.remove(1);
    assert_eq!(
        (&event["status"], &event["error_class"]),
        (&json!("ok"), &json!("contract_violation"))
    );
    let listed = gate.send(get("/svc/refunds")).await;
    assert_eq!(listed.status, 200, "to observe is not to act: the call has taken place");

    let gate = documented(&tool).upstream("contract: { responses: refuse }").start().await;
    let answer = gate.send(call()).await;
    let problem = answer.json();
    assert_eq!(answer.status, 502, "{problem}");
    assert_eq!(problem["stop_reason"], "contract_violation");
    assert_eq!(problem["executed"], true);
    assert_eq!(problem["violations"][0]["path"], "/result/id");
    assert!(
        problem["detail"].as_str().expect("words").contains("`result.id` must be text"),
        "{problem}"
    );
    tool.on("/refunds", Act::Reply(Reply::json(r#"{"id": "r1"}"#)));
    assert_eq!(gate.send(call()).await.status, 200);
    assert_eq!(tool.count(), 4, "each of them was executed once");
    let calls = gate.calls(2).await;
    assert_eq!(calls[0]["error_class"], "contract_violation");
    assert_eq!(calls[1].get("error_class"), None);
}

#[tokio::test]
async fn rules_that_read_what_no_tool_takes_do_not_load() {
    let tool = Tool::start().await;
    let rule = "
rules:
- id: over
  tools: [svc.refund]
  when: args.amout > 500 || args.customer.nmae == \"x\"
  then: deny
  message: Over.";
    let (code, said) = documented(&tool).policy(rule).refused().await;
    assert_eq!(code, Some(2), "{said}");
    for words in [
        "error[TG330]: `amout` is not an argument of `svc.refund`",
        "help: did you mean `amount`?",
        "policy0.yaml:9:14",
        "`args.customer.nmae` is not an argument of `svc.refund`",
        "help: did you mean `name`?",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // What some tool may take, and what nothing is declared of, is none of the gate's business.
    let rule = "
rules:
- { id: any, when: has(args.amount) && args.amount > 500, then: deny, message: Over. }
- { id: open, tools: [svc.search], when: has(args.whatever), then: deny, message: Not that. }";
    let gate = documented(&tool).policy(rule).start().await;
    let answer =
        gate.send(post("/svc/refunds", &json!({ "amount": 501, "currency": "EUR" }))).await;
    assert_eq!(answer.json()["rule"], "p1/any");
}

#[tokio::test]
async fn a_definition_that_changes_is_a_drift() {
    let tool = Tool::start().await;
    let gate = documented(&tool).start().await;
    let call = || post("/svc/refunds", &json!({ "amount": 1, "currency": "EUR", "fee": 1 }));
    broken(&gate.send(call()).await, "/args/fee", "`fee` is not an argument");
    let fee = "receipt: { type: string, readOnly: true }\n        fee: { type: integer }";
    let changed = API.replacen("receipt: { type: string, readOnly: true }", fee, 1);
    gate.replace("api.yaml", &changed);
    gate.signal("HUP");
    until("the call passes", async || (gate.send(call()).await.status == 200).then_some(())).await;
    let events = gate.end().await;
    let calls = of_kind(events.clone(), "call");
    let (first, last) = (&calls[0]["tool_version"], &calls[calls.len() - 1]["tool_version"]);
    let drifts = of_kind(events, "drift");
    assert_eq!(drifts.len(), 1, "{drifts:?}");
    assert_eq!((&drifts[0]["tool"], &drifts[0]["tool_version"]), (&json!("svc.refund"), last));
    assert_eq!(
        drifts[0]["detail"],
        format!("from {} to {}", first.as_str().expect("text"), last.as_str().expect("text"))
    );
}

#[tokio::test]
async fn what_rules_set_is_checked_as_well() {
    let tool = Tool::start().await;
    let rule = "
rules:
- id: clamp
  tools: [svc.listRefunds]
  set: { args.limit: 'args.?limit.orValue(\"10\") == \"50\" ? \"500\" : args.?limit.orValue(\"10\")' }";
    let gate = documented(&tool).policy(rule).start().await;
    broken(&gate.send(get("/svc/refunds?limit=50")).await, "/args/limit", "must be <= 100");
    let answer = gate.send(get("/svc/refunds")).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert_eq!(tool.ledger()[0].target, "/refunds?limit=10");
}
