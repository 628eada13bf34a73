//! The kill switch: at once, for whom it is meant, and until it is lifted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Connection, Gate, Setup, Tool, get, of_kind, post, until};

async fn engage(gate: &Gate, kill: Value) -> String {
    let answer = gate.operate(Method::POST, "/v1/kills", Some(&kill)).await;
    assert_eq!(answer.status, 201, "{:?}", answer.json());
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn lift(gate: &Gate, id: &str) {
    let answer = gate.operate(Method::DELETE, &format!("/v1/kills/{id}"), None).await;
    assert_eq!(answer.status, 200);
}

/// The statuses of a read, a write, and a read in another run.
async fn statuses(gate: &Gate) -> [u16; 3] {
    let mut read = get("/svc/items/1");
    read.headers_mut().insert("toolgate-run-id", "one".parse().expect("an id"));
    let mut write = post("/svc/items", &json!({ "n": 1 }));
    write.headers_mut().insert("toolgate-run-id", "two".parse().expect("an id"));
    let mut other = get("/svc/items/2");
    other.headers_mut().insert("toolgate-run-id", "two".parse().expect("an id"));
    let mut statuses = [0; 3];
    for (place, asked) in [read, write, other].into_iter().enumerate() {
        statuses[place] = gate.send(asked).await.status.as_u16();
    }
    statuses
}

#[tokio::test]
async fn each_scope_stops_its_calls_and_lifting_lets_them_through() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).top("caller: { tenant: acme }").start().await;
    for (kill, expected) in [
        (json!({ "scope": "all" }), [403, 403, 403]),
        (json!({ "scope": "writes" }), [200, 403, 200]),
        (json!({ "scope": "tool", "tool": "svc.get" }), [403, 200, 403]),
        (json!({ "scope": "tool", "tool": "svc.*" }), [403, 403, 403]),
        (json!({ "scope": "tool", "tool": "tag:money" }), [200, 200, 200]),
        (json!({ "scope": "tenant", "tenant": "acme" }), [403, 403, 403]),
        (json!({ "scope": "tenant", "tenant": "other" }), [200, 200, 200]),
    ] {
        let id = engage(&gate, kill.clone()).await;
        assert_eq!(statuses(&gate).await, expected, "{kill}");
        lift(&gate, &id).await;
        assert_eq!(statuses(&gate).await, [200, 200, 200], "{kill} lifted");
    }
    let id = engage(&gate, json!({ "scope": "run", "run": "one" })).await;
    assert_eq!(statuses(&gate).await, [403, 200, 200]);
    let stops = gate.stops(1).await;
    assert_eq!((&stops[0]["run_id"], &stops[0]["stop_reason"]), (&json!("one"), &json!("killed")));
    lift(&gate, &id).await;
    assert_eq!(statuses(&gate).await, [403, 200, 200], "the run has ended");
}

#[tokio::test]
async fn the_agent_is_told_why_and_it_is_recorded_who_did_it() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let kill =
        json!({ "scope": "tool", "tool": "svc.put", "reason": "Shop is down", "actor": "ann" });
    let id = engage(&gate, kill).await;
    let answer = gate.send(post("/svc/items", &json!({ "n": 1 }))).await;
    let told = answer.json();
    assert_eq!(told["stop_reason"], "killed");
    assert_eq!(told["error_class"], "limit");
    assert_eq!((&told["executed"], &told["retry"]["scope"]), (&json!(false), &json!("none")));
    let detail = told["detail"].as_str().expect("a detail");
    assert!(detail.contains("switched off by the operator: Shop is down."), "{detail}");
    lift(&gate, &id).await;
    let events = gate.end().await;
    let kills = of_kind(events, "kill");
    assert_eq!(kills.len(), 2);
    assert_eq!((&kills[0]["actor"], &kills[0]["tool"]), (&json!("ann"), &json!("svc.put")));
    let details: Vec<_> = kills.iter().filter_map(|kill| kill["detail"].as_str()).collect();
    assert!(details[0].starts_with(&format!("engaged {id}")), "{details:?}");
    assert!(details[1].starts_with(&format!("lifted {id}")), "{details:?}");
    assert_eq!(tool.count(), 0);
}

#[tokio::test]
async fn no_call_that_begins_after_the_acknowledgement_passes() {
    let tool = Tool::start().await;
    let gate = Arc::new(Setup::before(&tool).start().await);
    for round in 0..5 {
        let acknowledged = Arc::new(AtomicBool::new(false));
        let (passed, wrong) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut agents = Vec::new();
        for _ in 0..16 {
            let (gate, acknowledged) = (Arc::clone(&gate), Arc::clone(&acknowledged));
            let (passed, wrong) = (Arc::clone(&passed), Arc::clone(&wrong));
            agents.push(tokio::spawn(async move {
                let mut connection = Connection::open(gate.address).await;
                let mut refused = 0;
                while refused < 20 {
                    let after = acknowledged.load(Ordering::SeqCst);
                    let status = connection.send(get("/svc/items/1")).await.status;
                    if status == 200 {
                        passed.fetch_add(1, Ordering::SeqCst);
                        wrong.fetch_add(usize::from(after), Ordering::SeqCst);
                    } else {
                        refused += 1;
                    }
                }
            }));
        }
        until("some load", async || (passed.load(Ordering::SeqCst) > 50).then_some(())).await;
        let id = engage(&gate, json!({ "scope": "all" })).await;
        acknowledged.store(true, Ordering::SeqCst);
        for agent in agents {
            agent.await.expect("an agent");
        }
        assert_eq!(wrong.load(Ordering::SeqCst), 0, "round {round}");
        lift(&gate, &id).await;
    }
}

#[tokio::test]
async fn it_survives_a_crash_until_it_is_lifted() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let id = engage(&gate, json!({ "scope": "writes", "reason": "freeze" })).await;
    let gate = gate.crash_and_restart(|_| {}).await.expect("it starts");
    assert!(gate.stderr().contains("1 kill switch is still on"), "{}", gate.stderr());
    assert_eq!(statuses(&gate).await, [200, 403, 200]);
    let on = gate.operate(Method::GET, "/v1/kills", None).await.json();
    assert_eq!((&on["kills"][0]["id"], &on["kills"][0]["reason"]), (&json!(id), &json!("freeze")));
    lift(&gate, &id).await;
    let gate = gate.crash_and_restart(|_| {}).await.expect("it starts");
    assert_eq!(statuses(&gate).await, [200, 200, 200]);
}

#[tokio::test]
async fn a_torn_state_file_is_not_taken_for_nothing_switched_off() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    engage(&gate, json!({ "scope": "all" })).await;
    let torn = gate.crash_and_restart(|folder| {
        let path = folder.join(".toolgate/kill.json");
        let text = std::fs::read(&path).expect("it was kept");
        std::fs::write(&path, &text[..text.len() / 2]).expect("written");
    });
    let Err((code, said)) = torn.await else { panic!("it serves") };
    assert_eq!(code, Some(3));
    assert!(said.contains("kill.json") && said.contains("does not start without it"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_kept_is_switched_off_all_the_same_and_said() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let in_the_way = gate.folder().join(".toolgate/kill.json.new");
    std::fs::create_dir_all(&in_the_way).expect("a folder where a file should go");
    let kill = json!({ "scope": "all" });
    let answer = gate.operate(Method::POST, "/v1/kills", Some(&kill)).await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.json()["detail"].as_str().is_some_and(|text| text.contains("switched off, but"))
    );
    assert_eq!(statuses(&gate).await, [403, 403, 403]);
    let on = gate.operate(Method::GET, "/v1/kills", None).await.json();
    let id = on["kills"][0]["id"].as_str().expect("it is on").to_owned();
    let lifted = gate.operate(Method::DELETE, &format!("/v1/kills/{id}"), None).await;
    assert_eq!(lifted.status, 500, "it could not be lifted on disk either");
    assert_eq!(statuses(&gate).await, [403, 403, 403]);
    std::fs::remove_dir(in_the_way).expect("removed");
    lift(&gate, &id).await;
    assert_eq!(statuses(&gate).await, [200, 200, 200]);
}

#[tokio::test]
async fn it_is_told_which_tools_are_meant() {
    let tool = Tool::start().await;
    let gate = Setup::before(&tool).start().await;
    let kill = async |tool: &str| {
        let kill = json!({ "scope": "tool", "tool": tool });
        let answer = gate.operate(Method::POST, "/v1/kills", Some(&kill)).await;
        (answer.status.as_u16(), answer.json())
    };
    for foreign in ["svc.ge?", "svc.[gp]et", "svc.{get,put}"] {
        let (status, told) = kill(foreign).await;
        assert_eq!(status, 422, "{foreign}: {told}");
    }
    let (status, told) = kill("svc.gett").await;
    assert_eq!((status, &told["matches"]), (201, &json!([])));
    assert!(told["warning"].as_str().is_some_and(|text| text.contains("spelling")), "{told}");
    let (status, told) = kill("svc.ge*").await;
    assert_eq!((status, &told["matches"]), (201, &json!(["svc.get"])));
    assert_eq!(told.get("warning"), None);
    let on = gate.operate(Method::GET, "/v1/kills", None).await.json();
    assert_eq!(on["kills"].as_array().map(Vec::len), Some(2), "{on}");
    assert_eq!(gate.send(get("/svc/items/1")).await.status, 403);
}

/// A tool that takes connections and never gets as far as taking a request.
#[tokio::test]
async fn what_waits_for_a_connection_is_not_sent_any_more() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let gate = Setup::at(&url).upstream("timeouts: { connect: 50s }").start().await;
    let asked = gate.send(post("/svc/items", &json!({ "n": 1 })));
    let killed = async {
        let connection = silent.accept().await.expect("a connection");
        engage(&gate, json!({ "scope": "all" })).await;
        connection
    };
    let both = async { tokio::join!(asked, killed) };
    let both = tokio::time::timeout(std::time::Duration::from_secs(30), both).await;
    let (answer, _connection) = both.expect("it is not waited for the connection");
    assert_eq!(answer.status, 403);
    let told = answer.json();
    assert_eq!((&told["stop_reason"], &told["executed"]), (&json!("killed"), &json!(false)));
    let call = gate.calls(1).await.remove(0);
    assert_eq!((&call["status"], &call["stop_reason"]), (&json!("denied"), &json!("killed")));
}
