//! The gate as operators run it: the release binary with a config, policies, and events to a file.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use toolgate::clock::Clock;

use crate::process::{Endpoint, Process};
use crate::workload;

/// A running gate and the folder with its files.
pub struct Gate {
    pub endpoint: Endpoint,
    /// From starting the program to its listening.
    pub ready: Duration,
    events: PathBuf,
    _folder: TempDir,
}

impl Gate {
    /// Starts a gate in front of `upstream` with a policy of this text.
    pub fn start(name: &'static str, upstream: SocketAddr, policy: Option<&str>) -> Self {
        Self::start_under(Command::new(binary()), name, upstream, policy, "")
    }

    /// The same, with the spans of so many of a hundred runs sent to a collector. Runs do not end
    /// while it is measured: they are decided over because few calls may wait.
    pub fn start_exporting(
        name: &'static str,
        upstream: SocketAddr,
        policy: Option<&str>,
        (collector, percent): (SocketAddr, u32),
    ) -> Self {
        let export = export(collector, percent);
        Self::start_under(Command::new(binary()), name, upstream, policy, &export)
    }

    /// The same with a command that runs the binary its own way.
    pub fn start_under(
        mut command: Command,
        name: &'static str,
        upstream: SocketAddr,
        policy: Option<&str>,
        export: &str,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let events = folder.path().join("events.jsonl");
        let config = write_files(folder.path(), upstream, policy, export);
        let clock = Clock::system();
        let child = command.arg("run").arg("--config").arg(config).stderr(Stdio::piped()).spawn();
        let mut process = Process(child.expect("it starts"));
        let mut stderr = BufReader::new(process.0.stderr.take().expect("it is piped")).lines();
        let address = loop {
            let line = stderr.next().expect("it serves before it ends").expect("it is text");
            if let Some((_, rest)) = line.split_once("serving http://") {
                break rest.split(' ').next().and_then(|at| at.parse().ok()).expect("an address");
            }
        };
        let ready = clock.now().mono;
        // Whatever else it has to say must not fill the pipe.
        std::thread::spawn(move || {
            stderr.map_while(Result::ok).for_each(|line| eprintln!("{line}"))
        });
        let endpoint = Endpoint { name, address, through_gate: true, process };
        Self { endpoint, ready, events, _folder: folder }
    }

    /// How many events were written since it was last asked.
    pub fn take_events(&self) -> usize {
        // The writer gathers for some milliseconds.
        std::thread::sleep(Duration::from_millis(100));
        let written = fs::read(&self.events).expect("the events file is there");
        let file = OpenOptions::new().write(true).open(&self.events);
        file.and_then(|file| file.set_len(0)).expect("the events file is ours");
        written.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// The binary under measurement: the one that `cargo bench` has built with the release settings,
/// unless `BENCH_BINARY` names that of another commit.
pub fn binary() -> PathBuf {
    let other = std::env::var_os("BENCH_BINARY");
    other.map_or_else(|| env!("CARGO_BIN_EXE_toolgate").into(), PathBuf::from)
}

fn write_files(folder: &Path, upstream: SocketAddr, policy: Option<&str>, export: &str) -> PathBuf {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("the folder is ours");
        path
    };
    let policies = if let Some(policy) = policy {
        write("policy.yaml", policy);
        "[policy.yaml]"
    } else {
        "[]"
    };
    let mut config = format!(
        "apiVersion: toolgate/v1\nkind: Config\nlisten: 127.0.0.1:0\nadmin: 127.0.0.1:0\n\
         policies: {policies}\nrecord: {{ events: events.jsonl }}\n\
         caller: {{ tenant: acme, agent: bench }}\n{export}\
         upstreams:\n  api:\n    http: http://{upstream}\n    tools:\n    \
         - {{ name: refund, match: POST /refunds }}\n"
    );
    for operation in ["verify", "cancel", "search", "confirm", "lookup", "delete", "export"] {
        config.push_str(&format!(
            "    - {{ name: {operation}, match: \"POST /{operation}s/{{id}}\" }}\n"
        ));
    }
    write("toolgate.yaml", &(config + &others(policy)))
}

/// Upstreams for the tools that a large policy names and nobody calls: rules over tools that do
/// not exist are refused.
fn others(policy: Option<&str>) -> String {
    let named = policy.unwrap_or_default().matches("[other.tool").count();
    if named == 0 {
        return String::new();
    }
    "  other:\n    http: http://127.0.0.1:9\n    tools:\n    \
     - { name: \"{tool}\", match: \"POST /{tool}\" }\n"
        .to_owned()
}

/// The key that has spans of so many of a hundred runs exported.
pub fn export(collector: SocketAddr, percent: u32) -> String {
    format!("export: {{ otlp: \"http://{collector}\", sample: {percent}%, held: 64KiB }}\n")
}

/// Ten rules and every kind of limit.
pub fn policy() -> String {
    workload::rules(10, 10) + workload::LIMITS
}

/// A thousand rules of which ten apply, and the limits.
pub fn large_policy() -> String {
    workload::rules(10, 1_000) + workload::LIMITS
}
