//! A gate whose config and policies change while it serves: one version a decision, no call lost,
//! counters kept, and nothing taken over that does not hold.

use std::collections::HashMap;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use toolgate::policy::compile::compile;
use toolgate::yaml::Source;

use crate::harness::{
    Answer, Connection, Gate, Setup, Tool, Wire, get, of_kind, post, request, until,
};

/// Calls of `svc.put` that all versions let pass together.
const BUDGET: usize = 400;

/// Version `n` of a policy: whatever it says, it says its number.
fn version(n: usize) -> String {
    format!(
        "apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: v }}\nmode: enforce\n\
         rules:\n\
         - {{ id: first, tools: [svc.find], then: warn, message: First of {n}. }}\n\
         - {{ id: second, tools: [svc.find], then: warn, message: Second of {n}. }}\n\
         - {{ id: no, tools: [svc.drop], then: deny, message: No of {n}. }}\n\
         - {{ id: seen-{n}, tools: [svc.find, svc.drop, svc.put], then: deny, message: Seen., mode: observe }}\n\
         limits:\n\
         - {{ id: budget, per: tenant, tools: [svc.put], max: {{ calls: {BUDGET} }}, then: deny, message: Spent of {n}. }}\n"
    )
}

/// What a gate with only version `n` calls its policies.
fn name_of(n: usize) -> String {
    let source = Source { name: "policy0.yaml".to_owned(), text: version(n) };
    let (set, _) = compile(&[Arc::new(source)], None).expect("it holds");
    set.version.to_string()
}

fn versioned(tool: &Tool) -> Setup {
    let text = version(0);
    let (_, rest) = text.split_once("kind: Policy\n").expect("a policy");
    Setup::before(tool).whole_policy(rest.trim_end())
}

/// One call as the agent saw it: the decision's id, and the numbers of all versions it was told of.
struct Told {
    call_id: String,
    versions: Vec<usize>,
}

fn told(answer: &Answer) -> Told {
    let decision = answer.header("toolgate-decision").expect("a decision");
    let (_, call_id) = decision.split_once("id=").expect("an id");
    let mut text = answer.json()["detail"].to_string();
    for warning in answer.headers.get_all("toolgate-warning") {
        text.push_str(warning.to_str().expect("ASCII"));
        text.push(' ');
    }
    let numbers = text.split(" of ").skip(1).map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().expect("a number")
    });
    Told { call_id: call_id.to_owned(), versions: numbers.collect() }
}

/// Calls as fast as the answers come, until told to end.
async fn agent(gate: std::net::SocketAddr, over: Arc<AtomicBool>) -> Vec<Told> {
    let mut connection = Connection::open(gate).await;
    let mut heard = Vec::new();
    let mut turn = 0_u64;
    while !over.load(Ordering::Relaxed) {
        turn += 1;
        let call = match turn % 3 {
            0 => get("/svc/items"),
            1 => request(http::Method::DELETE, "/svc/items/1", None),
            _ => post("/svc/items", &json!({ "turn": turn })),
        };
        heard.push(told(&connection.send(call).await));
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_under_load_mix_no_versions_and_drop_no_calls() {
    const RELOADS: usize = 1_000;
    const AGENTS: usize = 6;
    let tool = Tool::start().await;
    let gate = versioned(&tool).runs("{ header: x-run }").start().await;
    let over = Arc::new(AtomicBool::new(false));
    let agents: Vec<_> =
        (0..AGENTS).map(|_| tokio::spawn(agent(gate.address, Arc::clone(&over)))).collect();
    let result = |result: &str| format!("result=\"{result}\"");
    for n in 1..=RELOADS {
        let (text, counted, at_least) = if n % 10 == 0 {
            (version(n).replace("then: warn", "then: wran"), result("invalid"), n / 10)
        } else {
            (version(n), result("ok"), n - n / 10)
        };
        gate.replace("policy0.yaml", &text);
        gate.signal("HUP");
        until(&format!("reload {n}"), async || {
            let count = gate.metric("toolgate_policy_reloads_total", &counted).await;
            (count >= at_least as f64).then_some(())
        })
        .await;
    }
    assert_eq!(gate.admin("/readyz").await.status, 200);
    over.store(true, Ordering::Relaxed);
    let mut heard = Vec::new();
    for agent in agents {
        heard.extend(agent.await.expect("every call was answered"));
    }
    let reloaded = gate.metric("toolgate_policy_reloads_total", &result("ok")).await;
    assert_eq!(reloaded, (RELOADS - RELOADS / 10) as f64);
    let said = gate.stderr();
    assert!(said.contains("did you mean `warn`?") && said.contains("stays active"));
    let forwarded = tool.count();
    let events = of_kind(gate.end().await, "call");
    judge(&heard, &events, forwarded);
}

/// Compares what agents were told with what was recorded.
fn judge(heard: &[Told], events: &[serde_json::Value], forwarded: usize) {
    assert_eq!(heard.len(), events.len(), "every call is answered once and recorded once");
    let numbers: HashMap<String, usize> = (0..=1_000).map(|n| (name_of(n), n)).collect();
    let by_id: HashMap<&str, &serde_json::Value> =
        events.iter().map(|event| (event["call_id"].as_str().expect("an id"), event)).collect();
    assert_eq!(by_id.len(), events.len());
    let mut in_force = std::collections::BTreeSet::new();
    let (mut told_of_one, mut puts, mut sent) = (0, 0, 0);
    for told in heard {
        let event = by_id[told.call_id.as_str()];
        let n = numbers[event["policy_version"].as_str().expect("a version")];
        assert_ne!(n % 10, if n == 0 { 1 } else { 0 }, "an invalid version was in force: {event}");
        assert!(told.versions.iter().all(|told| *told == n), "{:?} under {n}", told.versions);
        assert_eq!(event["rules_observed"], json!([format!("v/seen-{n}")]), "{event}");
        in_force.insert(n);
        told_of_one += usize::from(!told.versions.is_empty());
        let ok = event["status"] == "ok";
        sent += usize::from(ok);
        match event["tool"].as_str().expect("a tool") {
            "svc.find" => assert_eq!(told.versions.len(), 2, "{event}"),
            "svc.put" => puts += usize::from(ok),
            _ => assert_eq!(told.versions.len(), 1, "{event}"),
        }
    }
    println!(
        "{} calls under {} versions, {told_of_one} of them told their version",
        heard.len(),
        in_force.len()
    );
    assert_eq!(puts, BUDGET, "the budget holds across reloads, and is used up");
    assert_eq!(forwarded, sent, "by the tool's own ledger");
    assert!(in_force.len() > 300, "calls met only {} versions", in_force.len());
}

/// Waits for what the gate says of a reload.
async fn says(gate: &Gate, text: &str) {
    until(text, async || gate.stderr().contains(text).then_some(())).await;
}

async fn refusal(gate: &Gate) -> String {
    let answer = gate.send(request(http::Method::DELETE, "/svc/items/1", None)).await;
    assert_eq!(answer.status, 403);
    answer.json()["detail"].to_string()
}

#[tokio::test]
async fn a_file_that_is_written_is_noticed_and_a_signal_is_not_needed() {
    let tool = Tool::start().await;
    let gate = versioned(&tool).top("reload: { poll: 0s }").start().await;
    std::fs::write(gate.folder().join("policy0.yaml"), version(7)).expect("written");
    says(&gate, &format!("policies {} -> {}", name_of(0), name_of(7))).await;
    assert!(refusal(&gate).await.contains("No of 7."));
    gate.replace("policy0.yaml", &version(8));
    says(&gate, &format!("policies {} -> {}", name_of(7), name_of(8))).await;
    assert!(refusal(&gate).await.contains("No of 8."));
    assert!(gate.stderr().contains("rules and limits: 4 enforce, 1 only observe"));
    let reloads = of_kind(gate.end().await, "reload");
    let details: Vec<&str> = reloads.iter().filter_map(|event| event["detail"].as_str()).collect();
    let [zero, seven, eight] = [0, 7, 8].map(name_of);
    assert_eq!(details, [format!("from {zero} to {seven}"), format!("from {seven} to {eight}")]);
}

#[tokio::test]
async fn without_notices_the_files_are_looked_at_now_and_then() {
    let tool = Tool::start().await;
    let gate = versioned(&tool).top("reload: { watch: false, poll: 150ms }").start().await;
    gate.replace("policy0.yaml", &version(5));
    says(&gate, &format!("-> {}", name_of(5))).await;
    assert!(gate.stderr().contains("found without notice"), "{}", gate.stderr());
    assert!(refusal(&gate).await.contains("No of 5."));
}

#[tokio::test]
async fn a_mounted_volume_is_swapped_as_a_whole() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool)
        .top("reload: { poll: 0s }")
        .policy("rules: [{ id: base, tools: [svc.edit], then: deny, message: Never. }]")
        .start()
        .await;
    // As the kubelet lays a volume out: visible names link through `..data` to one generation.
    let volume = gate.folder().join("volume");
    let generation = |name: &str, n: usize| {
        let folder = volume.join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("v.yaml"), version(n)).expect("written");
    };
    generation("..2026_a", 1);
    symlink("..2026_a", volume.join("..data")).expect("a link");
    symlink("..data/v.yaml", volume.join("v.yaml")).expect("a link");
    let config = gate.read("toolgate.yaml");
    gate.replace("toolgate.yaml", &config.replace("policies:\n", "policies:\n- ./volume\n"));
    says(&gate, "toolgate: reloaded").await;
    assert!(refusal(&gate).await.contains("No of 1."));
    for (n, name, old) in [(2, "..2026_b", "..2026_a"), (3, "..2026_c", "..2026_b")] {
        generation(name, n);
        symlink(name, volume.join("..data_tmp")).expect("a link");
        std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).expect("swapped");
        std::fs::remove_dir_all(volume.join(old)).expect("removed");
        let wanted = format!("No of {n}.");
        until(&wanted, async || refusal(&gate).await.contains(&wanted).then_some(())).await;
    }
    assert!(!gate.stderr().contains("not reloaded"), "{}", gate.stderr());
}

#[tokio::test]
async fn an_invalid_change_keeps_what_is_there_and_says_all_of_it() {
    let tool = Tool::start().await;
    let gate = versioned(&tool).start().await;
    let broken = version(1).replace("then: warn", "then: wran").replace("id: no", "di: no");
    gate.replace("policy0.yaml", &broken);
    gate.signal("HUP");
    says(&gate, "toolgate: not reloaded").await;
    let said = gate.stderr();
    for text in ["wran", "policy0.yaml:6:", &format!("the policy set {} stays active", name_of(0))]
    {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(refusal(&gate).await.contains("No of 0."));
    assert_eq!(gate.admin("/readyz").await.status, 200);
    assert!(gate.metric("toolgate_policy_reloads_total", "result=\"invalid\"").await >= 1.0);
    gate.replace("policy0.yaml", &version(2));
    gate.signal("HUP");
    says(&gate, &format!("policies {} -> {}", name_of(0), name_of(2))).await;
    assert!(refusal(&gate).await.contains("No of 2."));
    let events = of_kind(gate.end().await, "reload");
    let first = &events[0];
    assert_eq!((&first["status"], &first["policy_version"]), (&json!("error"), &json!(name_of(0))));
    assert!(!events.iter().any(|event| event.to_string().contains("wran")), "no contents");
}

#[tokio::test]
async fn a_key_that_needs_a_restart_is_named_and_nothing_is_half_applied() {
    let tool = Tool::start().await;
    let gate = versioned(&tool).start().await;
    let config = gate.read("toolgate.yaml");
    gate.replace("policy0.yaml", &version(4));
    gate.replace("toolgate.yaml", &config.replace("./events.jsonl", "./others.jsonl"));
    gate.signal("HUP");
    says(&gate, "`record.events` cannot change while the gate runs").await;
    assert!(refusal(&gate).await.contains("No of 0."), "not the policies either");
    gate.replace("toolgate.yaml", &config);
    says(&gate, &format!("-> {}", name_of(4))).await;
    assert!(refusal(&gate).await.contains("No of 4."));
}

/// A call that waits for its tool while settings and policies change ends as it began.
#[tokio::test]
async fn a_call_in_flight_ends_by_what_it_began_with() {
    let tool = Tool::start().await;
    let gate = versioned(&tool).start().await;
    let permit = tool.hold("/items");
    let mut connection = Connection::open(gate.address).await;
    let waiting = tokio::spawn(async move { connection.send(get("/svc/items")).await });
    tool.reached_by(1).await;
    let config = gate.read("toolgate.yaml");
    let moved = config.replace("upstreams:", "caller: { tenant: other }\nupstreams:");
    gate.replace("toolgate.yaml", &moved.replace(&format!("{}", tool.address), "127.0.0.1:9"));
    gate.replace("policy0.yaml", &version(9));
    gate.signal("HUP");
    says(&gate, &format!("-> {}", name_of(9))).await;
    permit.add_permits(1);
    let answer = waiting.await.expect("answered");
    assert_eq!(answer.status, 200);
    assert_eq!(told(&answer).versions, [0, 0]);
    let calls = of_kind(gate.end().await, "call");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["policy_version"], json!(name_of(0)));
    assert_eq!(calls[0]["status"], "ok");
}

/// Rules that come while the body of a call is still on its way are not for that call.
#[tokio::test]
async fn a_call_that_is_still_read_is_judged_by_what_it_began_with() {
    let tool = Tool::start().await;
    let gate = versioned(&tool).start().await;
    let mut wire = Wire::open(gate.address).await;
    wire.send(
        "POST /svc/items HTTP/1.1\r\nHost: gate\r\nContent-Type: application/json\r\n\
         Content-Length: 7\r\n\r\n{\"n\"",
    )
    .await;
    gate.metric_becomes("toolgate_in_flight", 1.0).await;
    gate.replace("policy0.yaml", &version(9).replace("[svc.drop]", "[svc.drop, svc.put]"));
    gate.signal("HUP");
    says(&gate, "toolgate: reloaded").await;
    wire.send(":1}").await;
    assert_eq!(wire.answer().await.status, 200, "it began before");
    let later = gate.send(post("/svc/items", &json!({ "n": 1 }))).await;
    assert_eq!((later.status.as_u16(), told(&later).versions), (403, vec![9]));
    let calls = of_kind(gate.end().await, "call");
    assert_eq!(calls[0]["policy_version"], json!(name_of(0)));
    assert_ne!(calls[1]["policy_version"], json!(name_of(0)));
}
