//! The gate of the demo: the built binary as a process of its own, on free ports.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Longest wait for the gate to become ready, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running gate.
pub struct Gate {
    child: Child,
    /// Where the agent calls.
    pub url: String,
    pub events: PathBuf,
    /// Where the operator's commands go, and metrics are.
    pub admin: String,
    config: PathBuf,
    program: PathBuf,
    _folder: tempfile::TempDir,
}

impl Gate {
    /// Starts the gate in front of the services; `more` is added to its config.
    pub async fn start(services: [SocketAddr; 6], more: &str) -> Result<Self, String> {
        let program = program()?;
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        let config = folder.path().join("toolgate.yaml");
        std::fs::write(&config, joined(&config_for(services)?, more))
            .map_err(|error| format!("cannot write the config: {error}"))?;
        let mut child = Command::new(&program)
            .args(["run".as_ref(), "--config".as_ref(), config.as_os_str()])
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let stderr = child.stderr.take().ok_or("the gate has no standard error")?;
        let (url, admin) = addresses(stderr)?;
        let events = folder.path().join("events.jsonl");
        let gate = Self { child, url, events, admin, config, program, _folder: folder };
        gate.ready().await?;
        Ok(gate)
    }

    async fn ready(&self) -> Result<(), String> {
        let admin = &self.admin;
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let uri: http::Uri =
            format!("{admin}/readyz").parse().map_err(|error| format!("{admin}: {error}"))?;
        let asking = async {
            loop {
                match client.get(uri.clone()).await {
                    Ok(response) if response.status().is_success() => return,
                    Ok(_) | Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.map_err(|_| "the gate is not ready".to_owned())
    }

    /// Asks the gate to end, and waits until it has: then everything is recorded.
    pub fn end(&mut self) -> Result<(), String> {
        let id = self.child.id();
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status();
        asked.map_err(|error| format!("cannot end the gate: {error}"))?;
        let status = self.child.wait().map_err(|error| format!("the gate is lost: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("the gate ended with {status}")) }
    }

    /// What a command of the operator's says, which goes through the admin side.
    pub fn operate(&self, words: &[&str]) -> Result<String, String> {
        let told = Command::new(&self.program)
            .args(words)
            .args(["--admin", &self.admin, "--config"])
            .arg(&self.config)
            .output()
            .map_err(|error| format!("toolgate {}: {error}", words.join(" ")))?;
        if !told.status.success() {
            return Err(String::from_utf8_lossy(&told.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&told.stdout).into_owned())
    }

    /// What `toolgate explain` says of a run.
    pub fn explain(&self, run: &str) -> Result<String, String> {
        let told = Command::new(&self.program)
            .args(["explain", run, "--events"])
            .arg(&self.events)
            .output()
            .map_err(|error| format!("cannot explain: {error}"))?;
        if !told.status.success() {
            return Err(String::from_utf8_lossy(&told.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&told.stdout).into_owned())
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Usually it has ended long ago; if the demo fails, nothing must stay behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary lies beside the folder of the examples.
fn program() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.parent().and_then(Path::parent).ok_or("the demo does not know its place")?;
    let program = folder.join("toolgate");
    if program.is_file() {
        Ok(program)
    } else {
        Err(format!("{} is missing: run `cargo build` first", program.display()))
    }
}

/// The config beside this file, with free ports, the services' own, and policies where they lie.
fn config_for(services: [SocketAddr; 6]) -> Result<String, String> {
    let mut config = include_str!("toolgate.yaml").to_owned();
    let [booking, payments, search, rates, weather, model] = services;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let changes = [
        ("127.0.0.1:4100", "127.0.0.1:0".to_owned()),
        ("127.0.0.1:4101", "127.0.0.1:0".to_owned()),
        ("127.0.0.1:9301", booking.to_string()),
        ("127.0.0.1:9302", payments.to_string()),
        ("127.0.0.1:9303", search.to_string()),
        ("127.0.0.1:9304", rates.to_string()),
        ("127.0.0.1:9305", weather.to_string()),
        ("127.0.0.1:9306", model.to_string()),
        ("../../policies", root.join("policies").display().to_string()),
        ("./prices.yaml", root.join("tests/demo/prices.yaml").display().to_string()),
    ];
    for (written, meant) in changes {
        if !config.contains(written) {
            return Err(format!("tests/demo/toolgate.yaml does not name {written}"));
        }
        config = config.replace(written, &meant);
    }
    Ok(config)
}

/// A config with more keys; what they say of a key counts, where both say something in one line.
fn joined(config: &str, more: &str) -> String {
    let key = |line: &str| line.split_once(':').map(|(key, _)| key.to_owned());
    let said: Vec<String> = more.lines().filter_map(key).collect();
    let is_kept = |line: &&str| key(line).is_none_or(|key| !said.contains(&key));
    let kept: Vec<&str> = config.lines().filter(is_kept).collect();
    format!("{}\n{more}", kept.join("\n"))
}

/// Reads from the gate's first words where it listens: the agent's side and the admin's.
fn addresses(stderr: ChildStderr) -> Result<(String, String), String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut said = Vec::new();
    let found = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let found = line.strip_prefix("toolgate: serving ").and_then(|rest| {
            let (url, rest) = rest.split_once(" admin ")?;
            Some((url.to_owned(), rest.split(' ').next()?.to_owned()))
        });
        said.push(line);
        found
    });
    // What it says later is for the reader of the demo.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            eprintln!("{line}");
        }
    });
    found.ok_or_else(|| format!("the gate did not start:\n{}", said.join("\n")))
}
