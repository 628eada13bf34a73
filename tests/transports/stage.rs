//! A gate in this process in front of scripted tools, in virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tempfile::TempDir;
use toolgate::clock::{Clock, ManualClock};
use toolgate::config;
use toolgate::ledger::{Bounds, Ledger};
use toolgate::pipeline::Gate;
use toolgate::policy::compile::compile;
use toolgate::record::{Destination, Held, Recorder};
use toolgate::rehearse::RawPolicyTest;
use toolgate::rehearse::raw::{RawEffect, RawTest};
use toolgate::server::{self, ServerBounds};
use toolgate::snapshot::Snapshot;
use toolgate::yaml::Diagnostic;

use crate::client::{Client, Heard};
use crate::script::{Answer, Script};

/// When a run begins unless the file says otherwise: 2026-01-05T12:00:00Z, as in policy tests.
const START_MS: i64 = 1_767_614_400_000;

/// How a tool is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `POST /SERVER/tools/OPERATION`, the arguments being the body.
    Http,
    /// `tools/call` to an MCP server over streamable HTTP.
    Mcp,
    /// `tools/call` to an MCP server that is a program.
    Stdio,
}

/// A gate, its tools and its agent, for one test.
pub struct Stage {
    clock: ManualClock,
    script: Script,
    client: Client,
    recorder: Arc<Recorder>,
    folder: TempDir,
}

impl Stage {
    pub async fn set(
        file: &Path,
        raw: &RawPolicyTest,
        test: &RawTest,
        transport: Transport,
    ) -> Self {
        assert!(test.labels.is_empty(), "labels are played elsewhere");
        let folder = tempfile::tempdir().expect("a folder");
        let script = Script::new(folder.path().to_owned());
        let address = script.serve().await;
        let text = written(file, raw, test, (transport, address), script.folder());
        let path = folder.path().join("toolgate.yaml");
        std::fs::write(&path, &text).expect("a file");
        let shown = |faults: Vec<Diagnostic>| -> String {
            let shown: Vec<String> = faults.iter().map(|fault| fault.render(false)).collect();
            panic!("{text}\n{}", shown.join("\n"))
        };
        let loaded = config::load(&path).map_err(shown).expect("a config");
        // A test shows its policies alone: other tools that they name are not there.
        let (policies, _) = compile(&loaded.sources, None).map_err(shown).expect("policies");
        let start_ms = test.now.or(raw.now).map_or(START_MS, |now| now.0);
        let clock = ManualClock::new(start_ms);
        let manual = Clock::Manual(clock.clone());
        let events = Destination::File(folder.path().join("events.jsonl"));
        let recorder = Recorder::start(manual.clone(), &events).expect("a journal");
        let bounds = Bounds { live_runs: 100, idle_end: Duration::MAX };
        let ledger = Ledger::new(manual.clone(), bounds, recorder.clone());
        let snapshot = Snapshot::build(&loaded.settings, policies, None);
        let snapshot = Arc::new(snapshot.expect("a snapshot"));
        let gate = Arc::new(Gate::new(manual, ledger, recorder.clone(), snapshot));
        let client = Client::new(server::connect(&gate, server_bounds()), transport).await;
        Self { clock, script, client, recorder, folder }
    }

    /// Moves the clock of the gate.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// One call to a tool that answers so.
    pub async fn call(&mut self, tool: &str, args: &Map<String, Value>, answer: &Answer) -> Heard {
        let (server, operation) = tool.split_once('.').expect("a server and an operation");
        // Before the tool is scripted: a session may have to be begun.
        self.client.meet(server).await;
        self.script.set(answer);
        let before = self.redactions();
        let mut heard = self.client.call(server, operation, args).await;
        heard.args = self.script.reached();
        let event = self.recorded(tool);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        heard.verdict = text("verdict");
        heard.rules.extend([text("rule")].into_iter().filter(|rule| !rule.is_empty()));
        heard.rules.extend(self.redactions().difference(&before).map(|(rule, _)| rule.clone()));
        heard.rules.sort_unstable();
        heard.rules.dedup();
        heard
    }

    /// The record of the last call, which was to `tool`.
    fn recorded(&self, tool: &str) -> Value {
        assert!(self.recorder.flush(Duration::from_secs(60)), "events are written");
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl"));
        let text = text.expect("the events");
        let mut events = text.lines().rev();
        let event = events.find(|line| line.contains("\"kind\":\"call\"")).expect("a call");
        let event: Value = serde_json::from_str(event).expect("JSON");
        assert_eq!(event["tool"], tool, "{event}");
        event
    }

    /// How many values each rule has taken out, as metrics have it.
    fn redactions(&self) -> BTreeSet<(String, String)> {
        let text = self.recorder.render_metrics(&Held::default(), false);
        let series = text.lines().filter_map(|line| line.strip_prefix("toolgate_redactions_total"));
        let parts = series.filter_map(|line| line.strip_prefix("{rule=\"")?.split_once("\"} "));
        parts.map(|(rule, count)| (rule.to_owned(), count.to_owned())).collect()
    }
}

fn server_bounds() -> ServerBounds {
    ServerBounds {
        connections: 10,
        head_bytes: 16_384,
        headers: 64,
        head_time: Duration::from_secs(60),
        stall: Duration::from_secs(60),
        streams: 10,
        drain: Duration::from_secs(1),
    }
}

/// The config of a gate in front of every tool that the file names.
fn written(
    file: &Path,
    raw: &RawPolicyTest,
    test: &RawTest,
    (transport, address): (Transport, SocketAddr),
    script: &Path,
) -> String {
    let caller = test.caller.as_ref().unwrap_or(&raw.caller);
    let labels: BTreeMap<&str, &String> = [
        ("tenant", &caller.tenant),
        ("project", &caller.project),
        ("user", &caller.user),
        ("agent", &caller.agent),
    ]
    .into_iter()
    .filter(|(_, label)| !label.is_empty())
    .collect();
    let folder = file.parent().expect("a folder");
    let policies: Vec<_> =
        raw.policies.value.iter().map(|policy| folder.join(&policy.value)).collect();
    let mut text = format!(
        "apiVersion: toolgate/v1\nkind: Config\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\n\
         caller: {}\npolicies: {}\nupstreams:\n",
        serde_json::to_string(&labels).expect("JSON"),
        serde_json::to_string(&policies).expect("JSON"),
    );
    let steps = raw.tests.iter().flat_map(|test| &test.steps.value);
    let called = steps.map(|step| step.value.call.value.as_str());
    let listed = raw.tools.iter().map(|(name, _)| name.value.as_str());
    let names: BTreeSet<&str> = called.chain(listed).collect();
    let servers: BTreeSet<&str> =
        names.iter().map(|name| name.split_once('.').expect("a tool").0).collect();
    for server in servers {
        let place = match transport {
            Transport::Http => format!("http: \"http://{address}/{server}\""),
            Transport::Mcp => format!("mcp: \"http://{address}/{server}/mcp\""),
            Transport::Stdio => {
                let program =
                    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/scripted_tools.py");
                let command = serde_json::json!(["python3", program, script]);
                format!("mcp: {{ command: {command} }}")
            }
        };
        let _ = writeln!(text, "  {server}:\n    {place}\n    tools:");
        for name in &names {
            let Some(operation) = name.strip_prefix(server).and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            let of_file = raw.tools.iter().find(|(listed, _)| listed.value == *name);
            let effect = match of_file.and_then(|(_, tool)| tool.effect) {
                Some(RawEffect::Read) => "read",
                Some(RawEffect::Write) | None => "write",
            };
            let tags = of_file.map(|(_, tool)| tool.tags.clone()).unwrap_or_default();
            let tags = serde_json::to_string(&tags).expect("JSON");
            let pattern = match transport {
                Transport::Http => format!("match: \"POST /tools/{operation}\", "),
                Transport::Mcp | Transport::Stdio => String::new(),
            };
            let _ = writeln!(
                text,
                "    - {{ name: {operation}, {pattern}effect: {effect}, tags: {tags} }}"
            );
        }
        if transport == Transport::Http {
            let _ =
                writeln!(text, "    - {{ name: \"{{tool}}\", match: \"POST /tools/{{tool}}\" }}");
        }
    }
    text
}
