//! `toolgate exec`: a program behind a gate of its own, as one run.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{Tool, soon, until};

/// A folder with a config for this tool.
fn folder(tool: &Tool, policy: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "apiVersion: toolgate/v1\nkind: Config\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\n\
         record: {{ events: ./events.jsonl }}\npolicies: [./p.yaml]\nupstreams:\n\
         \x20 svc:\n    http: http://{}\n    tools:\n\
         \x20   - {{ name: get, match: \"GET /items/{{id}}\", cost_usd: 0.01 }}\n\
         \x20 my-model: {{ llm: openai, url: \"http://{}/v1\" }}\n",
        tool.address, tool.address
    );
    fs::write(folder.path().join("toolgate.yaml"), config).expect("it is written");
    let policy = format!(
        "apiVersion: toolgate/v1\nkind: Policy\nmetadata: {{ name: p }}\nmode: enforce\n{policy}"
    );
    fs::write(folder.path().join("p.yaml"), policy).expect("it is written");
    folder
}

fn exec(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
    command.arg("exec").args(arguments).current_dir(folder).kill_on_drop(true);
    command.env_remove("TRACEPARENT").env_remove("TRACESTATE");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn output(mut command: Command) -> (Output, String, String) {
    let output = soon("the program's end", command.output()).await.expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

fn events(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("events.jsonl")).expect("there are events");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const AGENT: &str = r#"
import os, sys, urllib.request, urllib.error
for item in ("1", "2", "secret"):
    try:
        with urllib.request.urlopen(os.environ["TOOLGATE_SVC_URL"] + "/items/" + item) as answer:
            print(answer.status)
    except urllib.error.HTTPError as error:
        print(error.code)
print(os.environ["TOOLGATE_RUN_ID"], os.environ["OPENAI_BASE_URL"], os.environ["TRACEPARENT"])
sys.exit(7)
"#;

#[tokio::test]
async fn a_program_runs_as_one_run_and_its_exit_code_is_passed_on() {
    let tool = Tool::start().await;
    let rule = "rules:\n- { id: r, tools: [svc.get], when: 'args.id == \"secret\"', then: deny, message: No. }\n";
    let folder = folder(&tool, rule);
    let (output, out, err) = output(exec(folder.path(), &["--", "python3", "-c", AGENT])).await;
    assert_eq!(output.status.code(), Some(7), "{err}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..3], ["200", "200", "403"], "{out}{err}");
    let told: Vec<&str> = lines[3].split(' ').collect();
    assert!(told[1].ends_with(&format!("/_run/{}/my-model", told[0])), "{told:?}");
    assert!(told[2].starts_with("00-") && told[2].len() == 55, "{told:?}");
    let said = format!("toolgate: {}: 2 calls, 0 failed, 1 denied, 0.0200 USD", told[0]);
    assert!(err.lines().any(|line| line == said), "{err}");
    let events = events(folder.path());
    assert!(events.iter().all(|event| event["run_id"] == told[0]), "{events:?}");
    assert_eq!(events.iter().filter(|event| event["kind"] == "stop").count(), 1);
}

const TRACER: &str = r#"
import os, urllib.request
url = os.environ["TOOLGATE_SVC_URL"]
urllib.request.urlopen(url + "/items/1")
here = os.environ["TRACEPARENT"]
span = here[:36] + "00000000000000aa" + here[52:]
for number, parent in enumerate((here, span)):
    request = urllib.request.Request(url + "/items/" + str(number + 2))
    request.add_header("traceparent", parent)
    request.add_header("tracestate", os.environ["TRACESTATE"])
    urllib.request.urlopen(request)
print(here, os.environ["TRACESTATE"])
"#;

#[tokio::test]
async fn a_program_goes_on_in_the_trace_that_it_was_started_in() {
    let tool = Tool::start().await;
    let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    for started_in in [Some(format!("00-{trace}-{span}-00")), Some("nonsense".into()), None] {
        let folder = folder(&tool, "rules: []\n");
        let mut command = exec(folder.path(), &["--", "python3", "-c", TRACER]);
        if let Some(parent) = &started_in {
            command.env("TRACEPARENT", parent).env("TRACESTATE", "a=1,b=2");
        }
        let is_placed = started_in.is_some_and(|parent| parent != "nonsense");
        let before = tool.count();
        let (output, out, err) = output(command).await;
        assert!(output.status.success(), "{err}");
        let (parent, state) = out.trim().split_once(' ').expect("both variables");
        let [_, root_trace, root, flags] =
            parent.split('-').collect::<Vec<_>>().try_into().expect("four parts");
        let others = if is_placed { ",a=1,b=2" } else { "" };
        assert_eq!(state, format!("toolgate={root}{others}"));
        assert_eq!((root_trace == trace, flags == "00"), (is_placed, is_placed));
        let events = events(folder.path());
        let stop = events.iter().find(|event| event["kind"] == "stop").expect("it ended");
        assert_eq!((&stop["trace_id"], &stop["span_id"]), (&root_trace.into(), &root.into()));
        let above = stop.get("parent_span_id").and_then(Value::as_str);
        assert_eq!(above, is_placed.then_some(span));
        let calls: Vec<_> = events.iter().filter(|event| event["kind"] == "call").collect();
        let parents: Vec<_> = calls.iter().map(|call| &call["parent_span_id"]).collect();
        assert_eq!(parents, [root, root, "00000000000000aa"]);
        for call in calls {
            // What the gate made itself names no other run.
            assert_eq!(
                (&call["run_id"], &call["run_id_source"]),
                (&stop["run_id"], &"path".into())
            );
            assert_eq!(call["trace_id"], root_trace);
        }
        for arrived in &tool.ledger()[before..] {
            let sent = arrived.headers["traceparent"].to_str().expect("ASCII");
            assert_eq!(sent.split('-').nth(1), Some(root_trace));
            let state = arrived.headers["tracestate"].to_str().expect("ASCII");
            assert_eq!(state.split_once(',').map(|(_, rest)| rest), is_placed.then_some("a=1,b=2"));
        }
    }
}

#[tokio::test]
async fn a_budget_given_on_the_command_line_holds() {
    let tool = Tool::start().await;
    let folder = folder(&tool, "rules: []\n");
    for (arguments, expected) in [
        (&["--calls", "1"][..], ["200", "403", "403"]),
        (&["--budget-usd", "0.02"], ["200", "200", "403"]),
    ] {
        let arguments: Vec<&str> =
            arguments.iter().copied().chain(["--", "python3", "-c", AGENT]).collect();
        let (_, out, err) = output(exec(folder.path(), &arguments)).await;
        assert_eq!(out.lines().take(3).collect::<Vec<_>>(), expected, "{err}");
    }
}

#[tokio::test]
async fn signals_reach_the_program_and_its_end_by_one_is_told() {
    let tool = Tool::start().await;
    let folder = folder(&tool, "rules: []\n");
    let caught =
        "trap 'echo caught; exit 5' TERM; echo ready > ready; while :; do sleep 0.05; done";
    for (script, expected) in [(caught, 5), ("echo ready > ready; exec sleep 100", 143)] {
        let child = exec(folder.path(), &["--", "sh", "-c", script]).spawn().expect("it starts");
        let ready = folder.path().join("ready");
        until("the program", async || ready.exists().then_some(())).await;
        fs::remove_file(&ready).expect("it is there");
        let pid = child.id().expect("it runs").to_string();
        let killed = std::process::Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("kill runs").success());
        let ended = soon("its end", child.wait_with_output()).await.expect("it ends");
        assert_eq!(ended.status.code(), Some(expected));
    }
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let tool = Tool::start().await;
    let folder = folder(&tool, "rules: []\n");
    for (arguments, code, expected) in [
        (&["--", "/no/such/program"][..], 3, "cannot run `/no/such/program`"),
        (&["--calls", "0", "--", "true"], 2, "--calls"),
        (&["--budget-usd", "x", "--", "true"], 2, "--budget-usd"),
        (&["--config", "none.yaml", "--", "true"], 2, "none.yaml"),
        (&["--mcp", "svc"], 2, "does not speak MCP"),
        (&["--mcp", "other"], 2, "no upstream `other`"),
        (&["--mcp", "No Name", "--", "true"], 2, "No Name"),
    ] {
        let (output, out, err) = output(exec(folder.path(), arguments)).await;
        assert_eq!((output.status.code(), out.as_str()), (Some(code), ""), "{err}");
        assert!(err.contains(expected), "{err}");
    }
}
