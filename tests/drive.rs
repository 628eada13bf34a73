//! Recorded runs, driven through a real gate: the built binary as recorded upstream, as gate and as
//! driver, each a process of its own on a free port.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const TOOLGATE: &str = env!("CARGO_BIN_EXE_toolgate");
const RUNS: &str = "tests/data/runs.jsonl";
const DIGESTS: &str = "tests/data/runs.digests";

/// A process that is ended when the test is.
struct Running {
    child: Child,
}

impl Running {
    /// Starts `toolgate` and waits for the line on its standard error that contains `marker`.
    /// Returns what follows the marker.
    fn start(args: &[&str], marker: &str) -> (Self, String) {
        let mut command = Command::new(TOOLGATE);
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let rest = lines.by_ref().map_while(Result::ok).find_map(|line| {
            said.push_str(&line);
            said.push('\n');
            line.split_once(marker).map(|(_, rest)| rest.to_owned())
        });
        let Some(rest) = rest else { panic!("no `{marker}` in:\n{said}") };
        // Drained, so that the process never waits for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        (Self { child }, rest)
    }

    /// Sends SIGTERM, and waits for the end. Returns what it wrote to standard output.
    fn end(mut self) -> String {
        let id = self.child.id();
        Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().unwrap();
        let mut written = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut written).unwrap();
        assert!(self.child.wait().unwrap().success());
        written
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A recorded upstream and a gate in front of it.
struct Bench {
    folder: tempfile::TempDir,
    upstream: Running,
    gate: Running,
    /// The gate's address with the upstream's prefix.
    through: String,
}

impl Bench {
    fn start(recording: &str, policies: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (upstream, address) = Running::start(
            &["drive", recording, "--serve", "127.0.0.1:0", "--output", "json"],
            " on http://",
        );
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let policies: Vec<String> =
            policies.iter().map(|file| root.join(file).display().to_string()).collect();
        let config = folder.path().join("toolgate.yaml");
        let text = format!(
            "apiVersion: toolgate/v1\nkind: Config\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\n\
             policies: {policies:?}\nupstreams:\n  desk:\n    http: http://{address}\n    \
             tools: [{{ name: \"{{tool}}\", match: \"POST /tools/{{tool}}\" }}]\n\
             record: {{ events: ./events.jsonl }}\n"
        );
        std::fs::write(&config, text).unwrap();
        let (gate, rest) =
            Running::start(&["run", "--config", config.to_str().unwrap()], "toolgate: serving ");
        let through = format!("{}/desk", rest.split(' ').next().unwrap());
        Self { folder, upstream, gate, through }
    }

    fn events(&self) -> PathBuf {
        self.folder.path().join("events.jsonl")
    }

    /// Drives a recording through the gate; the exit code and the report.
    fn drive(&self, recording: &str, more: &[&str]) -> (Option<i32>, Value) {
        let mut args = vec!["drive", recording, "--through", &self.through, "--output", "json"];
        args.extend(more);
        let output = toolgate(&args);
        (output.status.code(), json(&output))
    }

    /// Ends both; what the upstream reports, and the folder in which the events are.
    fn end(self) -> (Value, tempfile::TempDir) {
        self.gate.end();
        (serde_json::from_str(&self.upstream.end()).unwrap(), self.folder)
    }
}

fn toolgate(args: &[&str]) -> Output {
    Command::new(TOOLGATE).args(args).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn number(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer}: {report}"))
}

/// `args_sha` by run and step, from an events file.
fn recorded_digests(events: &Path) -> BTreeMap<(String, u64), String> {
    let text = std::fs::read_to_string(events).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let calls = events.filter(|event| event["kind"] == "call");
    calls
        .map(|call| {
            let run = call["run_id"].as_str().unwrap().to_owned();
            let step = call["step_id"].as_u64().unwrap();
            ((run, step), call["args_sha"].as_str().unwrap().to_owned())
        })
        .collect()
}

fn python_digests() -> BTreeMap<(String, u64), String> {
    let text = std::fs::read_to_string(DIGESTS).unwrap();
    let parsed = text.lines().map(|line| {
        let mut words = line.split(' ');
        let (run, step) = (words.next().unwrap(), words.next().unwrap());
        ((run.to_owned(), step.parse().unwrap()), words.next().unwrap().to_owned())
    });
    parsed.collect()
}

#[test]
fn without_policies_every_call_passes_and_is_recorded_once() {
    let bench = Bench::start(RUNS, &[]);
    let events = bench.events();
    let (exit, report) = bench.drive(RUNS, &["--check-events", events.to_str().unwrap()]);
    assert_eq!(exit, Some(0), "{report}");
    assert_eq!(number(&report, "/drive/forwarded"), 77);
    assert_eq!(number(&report, "/drive/refused"), 0);
    assert_eq!(number(&report, "/events/calls"), 77);
    let (upstream, _folder) = bench.end();
    assert_eq!(number(&upstream, "/upstream/answers"), 77);
    assert_eq!(number(&upstream, "/upstream/not_as_recorded"), 0);

    let after =
        toolgate(&["drive", RUNS, "--check-events", events.to_str().unwrap(), "--output", "json"]);
    let report = json(&after);
    assert_eq!(after.status.code(), Some(0), "{report}");
    assert_eq!(number(&report, "/events/stops"), 14);
    assert_eq!(number(&report, "/events/digests_equal"), 77);
    assert_eq!(recorded_digests(&events), python_digests());
}

#[test]
fn labelled_violations_are_refused_and_never_reach_the_tool() {
    let bench = Bench::start(RUNS, &["policies/airline.yaml"]);
    let events = bench.events();
    let (exit, report) = bench.drive(RUNS, &["--check-events", events.to_str().unwrap()]);
    assert_eq!(exit, Some(0), "{report}");
    assert_eq!(number(&report, "/drive/labels/calls/refused"), 6);
    assert_eq!(number(&report, "/drive/labels/calls/passed"), 0);
    assert_eq!(number(&report, "/drive/labels/unlabelled_calls_refused"), 0);
    let (upstream, _folder) = bench.end();
    assert_eq!(number(&upstream, "/upstream/answers"), 71);

    let events = events.to_str().unwrap();
    let told = toolgate(&["explain", "tau_airline_gpt4o/27/1", "--events", events]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("1 was refused by airline/airline-cancel-unflown"), "{told}");
    let listed = toolgate(&["runs", "--refused", "--events", events, "--output", "json"]);
    assert_eq!(json(&listed).as_array().unwrap().len(), 5);
}

#[test]
fn a_recording_is_driven_again_under_other_run_ids() {
    let bench = Bench::start(RUNS, &[]);
    let events = bench.events();
    let events = events.to_str().unwrap();
    for prefix in ["once-", "again-"] {
        let more = ["--run-prefix", prefix, "--limit", "3", "--check-events", events];
        let (exit, report) = bench.drive(RUNS, &more);
        assert_eq!(exit, Some(0), "{report}");
        assert_eq!(number(&report, "/drive/runs"), 3);
    }
    bench.end();
}

#[test]
fn whatever_differs_from_the_recording_is_a_mismatch() {
    let bench = Bench::start(RUNS, &[]);
    let changed = bench.folder.path().join("changed.jsonl");
    let text = std::fs::read_to_string(RUNS).unwrap();
    let line = text.lines().find(|line| line.contains("\"id\": \"slack/user_task_9\"")).unwrap();
    let position = text.lines().position(|other| other == line).unwrap();
    // Another answer than the one that is served, at the same place in the recording.
    let before = text.lines().take(position).map(|line| format!("{line}\n")).collect::<String>();
    let other = line.replacen("\"result\": \"", "\"result\": \"not ", 1);
    std::fs::File::create(&changed)
        .unwrap()
        .write_all(format!("{before}{other}").as_bytes())
        .unwrap();
    let (exit, report) = bench.drive(changed.to_str().unwrap(), &[]);
    assert_eq!(exit, Some(1), "{report}");
    assert_eq!(number(&report, "/mismatches"), 1);
    let said = report.pointer("/examples/0").and_then(Value::as_str).unwrap();
    assert!(said.contains("slack/user_task_9 step 1") && said.contains("another body"), "{said}");
    // Other arguments than the recorded ones do not get an answer.
    let other = line.replacen("\"args\": {}", "\"args\": {\"more\": 1}", 1);
    std::fs::write(&changed, format!("{before}{other}")).unwrap();
    let more = ["--run-prefix", "other-"];
    let (exit, report) = bench.drive(changed.to_str().unwrap(), &more);
    assert_eq!((exit, number(&report, "/mismatches")), (Some(1), 1), "{report}");
    let said = report.pointer("/examples/0").and_then(Value::as_str).unwrap();
    assert!(said.contains("409"), "{said}");
    bench.gate.end();
}

#[test]
fn what_cannot_be_driven_is_told_apart_by_exit_code() {
    let code = |args: &[&str]| toolgate(args).status.code();
    assert_eq!(code(&["drive", RUNS]), Some(2));
    assert_eq!(code(&["drive", RUNS, "--through", "not an address"]), Some(2));
    assert_eq!(code(&["drive", "tests/drive.rs", "--through", "http://127.0.0.1:1"]), Some(2));
    assert_eq!(code(&["drive", "tests/none.jsonl", "--through", "http://127.0.0.1:1"]), Some(3));
    assert_eq!(code(&["drive", RUNS, "--through", "http://127.0.0.1:1/desk"]), Some(3));
    assert_eq!(code(&["explain", "run_1", "--events", "tests/none.jsonl"]), Some(3));
    assert_eq!(code(&["explain", "run_1", "--events", RUNS]), Some(1));
    assert_eq!(code(&["explain"]), Some(2));
}

/// Where there is a Python, the digests in the repository are compared with what it computes.
#[test]
fn the_digests_in_the_repository_are_pythons() {
    let program = "import hashlib, json, sys\n\
        for line in open(sys.argv[1], encoding='utf-8'):\n    \
            run = json.loads(line)\n    \
            for n, step in enumerate(run['steps'], 1):\n        \
                text = json.dumps(step['args'], sort_keys=True, separators=(',', ':'), ensure_ascii=False)\n        \
                print(run['id'], n, hashlib.sha256(text.encode()).hexdigest()[:24])\n";
    match Command::new("python3").args(["-c", program, RUNS]).output() {
        Ok(output) if output.status.success() => {
            let expected = std::fs::read_to_string(DIGESTS).unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        }
        Ok(_) | Err(_) => eprintln!("no python3 here: its digests are taken as they are"),
    }
}
