//! The built gate as a child process, in a folder of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::{Answer, Connection, Tool, get, request, soon, until};

/// The tools of upstream `svc` in every test.
const TOOLS: &str = r#"
    tools:
    - { name: get, match: "GET /items/{id}" }
    - { name: find, match: "GET /items", tags: [search] }
    - { name: put, match: "POST /items" }
    - { name: edit, match: "PUT /items/{id}" }
    - { name: drop, match: "DELETE /items/{id}" }
    - { name: look, match: "POST /look", effect: read }
    - { name: refund, match: "POST /refunds", tags: [money] }
    - { name: "{tool}", match: "POST /tools/{tool}" }
"#;

/// What a gate is started with.
pub struct Setup {
    http: String,
    upstream: String,
    tools: String,
    top: String,
    bounds: String,
    runs: String,
    events: String,
    listen: String,
    policies: Vec<String>,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    closed_stdout: bool,
}

/// A running gate. It is killed when dropped.
pub struct Gate {
    pub address: SocketAddr,
    admin: SocketAddr,
    child: Child,
    folder: TempDir,
    stderr: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
}

impl Setup {
    /// A gate in front of `tool`, without policies.
    pub fn before(tool: &Tool) -> Self {
        Self::at(&format!("http://{}", tool.address))
    }

    /// A gate in front of whatever is at `url`.
    pub fn at(url: &str) -> Self {
        Self {
            http: url.to_owned(),
            upstream: String::new(),
            tools: TOOLS.to_owned(),
            top: String::new(),
            bounds: String::new(),
            runs: "{}".to_owned(),
            events: "./events.jsonl".to_owned(),
            listen: "127.0.0.1:0".to_owned(),
            policies: Vec::new(),
            files: Vec::new(),
            environment: Vec::new(),
            closed_stdout: false,
        }
    }

    /// A policy in enforce mode: its `rules:`, `limits:` and what else it says.
    pub fn policy(self, rest: &str) -> Self {
        let name = format!("p{}", self.policies.len() + 1);
        self.whole_policy(&format!("metadata: {{ name: {name} }}\nmode: enforce\n{rest}"))
    }

    /// A policy from `metadata` on.
    pub fn whole_policy(mut self, rest: &str) -> Self {
        self.policies.push(format!("apiVersion: toolgate/v1\nkind: Policy\n{rest}\n"));
        self
    }

    /// Another key of the upstream: `timeout: 1s`.
    pub fn upstream(mut self, line: &str) -> Self {
        self.upstream.push_str(&format!("    {line}\n"));
        self
    }

    /// Other tools than the usual ones: the value of `tools:`, as lines or in brackets.
    pub fn tools(mut self, value: &str) -> Self {
        self.tools = format!("    tools: {value}\n");
        self
    }

    /// Another upstream, written as the config has it under `upstreams`.
    pub fn other_upstream(mut self, lines: &str) -> Self {
        self.tools.push_str(lines);
        self
    }

    /// Another top-level key.
    pub fn top(mut self, line: &str) -> Self {
        self.top.push_str(line);
        self.top.push('\n');
        self
    }

    /// The value of `bounds:`.
    pub fn bounds(mut self, value: &str) -> Self {
        self.bounds = format!("bounds: {value}\n");
        self
    }

    /// The value of `runs:`.
    pub fn runs(mut self, value: &str) -> Self {
        self.runs = value.to_owned();
        self
    }

    /// The value of `record.events`.
    pub fn events(mut self, value: &str) -> Self {
        self.events = value.to_owned();
        self
    }

    /// The value of `listen`.
    pub fn listen(mut self, value: &str) -> Self {
        self.listen = value.to_owned();
        self
    }

    /// A file beside the config.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// A variable of the gate's environment.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Nobody reads the gate's standard output.
    pub fn closed_stdout(mut self) -> Self {
        self.closed_stdout = true;
        self
    }

    /// Starts the gate and waits until it serves.
    pub async fn start(self) -> Gate {
        match self.try_start().await {
            Ok(gate) => gate,
            Err((status, said)) => panic!("the gate ended with {status}: {said}"),
        }
    }

    /// Starts a gate that must not start: its exit code, and what it said.
    pub async fn refused(self) -> (Option<i32>, String) {
        match self.try_start().await {
            Ok(gate) => panic!("it serves: {}", gate.stderr()),
            Err((status, said)) => (status.code(), said),
        }
    }

    async fn try_start(self) -> Result<Gate, (ExitStatus, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        self.write(&folder);
        Gate::launch(folder, self.environment, self.closed_stdout).await
    }

    fn write(&self, folder: &TempDir) {
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a file");
        };
        let mut policies = String::new();
        for (number, text) in self.policies.iter().enumerate() {
            let name = format!("policy{number}.yaml");
            write(&name, text);
            policies.push_str(&format!("- ./{name}\n"));
        }
        if !policies.is_empty() {
            policies.insert_str(0, "policies:\n");
        }
        for (name, text) in &self.files {
            write(name, text);
        }
        let Self { http, upstream, tools, top, bounds, runs, events, listen, .. } = self;
        write(
            "toolgate.yaml",
            &format!(
                "apiVersion: toolgate/v1\nkind: Config\nlisten: {listen}\nadmin: 127.0.0.1:0\n\
                 record: {{ events: {events} }}\nruns: {runs}\n{bounds}{top}{policies}\
                 upstreams:\n  svc:\n    http: {http}\n{upstream}{tools}"
            ),
        );
    }
}

/// The lines of a stream as they come, and the task that ends with it.
fn gather(
    stream: impl AsyncRead + Unpin + Send + 'static,
) -> (Arc<Mutex<String>>, tokio::task::JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&text);
    let task = tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut text = shared.lock();
            text.push_str(&line);
            text.push('\n');
        }
    });
    (text, task)
}

impl Gate {
    /// Starts a gate in a folder that has all it needs.
    async fn launch(
        folder: TempDir,
        environment: Vec<(String, String)>,
        closed_stdout: bool,
    ) -> Result<Self, (ExitStatus, String)> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_toolgate"))
            .args(["run", "--config", "toolgate.yaml"])
            .current_dir(folder.path())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the gate starts");
        let stdout = child.stdout.take().expect("piped");
        let stdout = if closed_stdout { Arc::default() } else { gather(stdout).0 };
        let (stderr, mut all_said) = gather(child.stderr.take().expect("piped"));
        let serving = until("the gate's first line", async || {
            // Looked at first: what was said before the end is there when it is over.
            let over = all_said.is_finished();
            let said = stderr.lock().clone();
            let mut lines = said.lines().filter(|line| line.starts_with("toolgate: serving "));
            lines.next().map(|line| Some(line.to_owned())).or(over.then_some(None))
        })
        .await;
        let Some(serving) = serving else {
            let _ = (&mut all_said).await;
            let status = soon("the gate's end", child.wait()).await.expect("a status");
            let said = stderr.lock().clone();
            return Err((status, said));
        };
        let words = serving.split_whitespace();
        let mut addresses = words.filter_map(|word| word.strip_prefix("http://")?.parse().ok());
        let address = addresses.next().expect("where it serves");
        let admin = addresses.next().expect("where its admin side is");
        Ok(Self { address, admin, child, folder, stderr, stdout })
    }

    /// Kills the gate as a crash would, does something to its folder, and starts it again.
    pub async fn crash_and_restart(
        mut self,
        meanwhile: impl FnOnce(&Path),
    ) -> Result<Self, (Option<i32>, String)> {
        self.child.start_kill().expect("it runs");
        let _ = self.ended().await;
        meanwhile(self.folder.path());
        let started = Self::launch(self.folder, Vec::new(), false).await;
        started.map_err(|(status, said)| (status.code(), said))
    }

    /// Where the admin side listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The token that was made at start.
    pub fn admin_token(&self) -> String {
        let said = self.stderr();
        let token = said.lines().find_map(|line| line.split_once("/#token=")).expect("a token").1;
        token.trim().to_owned()
    }

    /// A request to the admin side with the token that was made at start.
    pub async fn operate(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut asked = request(method, path, body);
        let headers = asked.headers_mut();
        headers.insert("host", "localhost".parse().expect("a host"));
        let token = format!("Bearer {}", self.admin_token());
        headers.insert("authorization", token.parse().expect("a token"));
        Connection::open(self.admin).await.send(asked).await
    }
    /// An answer over a connection of its own.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        Connection::open(self.address).await.send(request).await
    }

    /// What the admin side says to a path.
    pub async fn admin(&self, path: &str) -> Answer {
        Connection::open(self.admin).await.send(get(path)).await
    }

    /// The sum of a metric's series whose labels contain `labels`. 0 when there is none.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = String::from_utf8(self.admin("/metrics").await.body.to_vec()).expect("text");
        let values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, own) = series.split_once('{').unwrap_or((series, ""));
            (found == name && own.contains(labels)).then(|| value.parse::<f64>().ok())?
        });
        values.sum()
    }

    /// Waits until a metric has a value.
    pub async fn metric_becomes(&self, name: &str, value: f64) {
        let what = format!("{name} is {value}");
        until(&what, async || (self.metric(name, "").await == value).then_some(())).await;
    }

    /// The events written so far, whole lines only.
    pub fn events_now(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl"));
        let text = text.unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
    }

    /// Waits for so many events of calls; more than that is a fault.
    pub async fn calls(&self, count: usize) -> Vec<Value> {
        let calls = until(&format!("{count} events of calls"), async || {
            let calls = of_kind(self.events_now(), "call");
            (calls.len() >= count).then_some(calls)
        })
        .await;
        assert_eq!(calls.len(), count, "{calls:#?}");
        calls
    }

    /// Waits for so many events of runs that ended.
    pub async fn stops(&self, count: usize) -> Vec<Value> {
        let stops = until(&format!("{count} stop events"), async || {
            let stops = of_kind(self.events_now(), "stop");
            (stops.len() >= count).then_some(stops)
        })
        .await;
        assert_eq!(stops.len(), count, "{stops:#?}");
        stops
    }

    /// What was said on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().clone()
    }

    /// What was said on standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.lock().clone()
    }

    /// Everything the gate has written anywhere, for secrets to be looked for.
    pub async fn everything_said(&self) -> String {
        let events = std::fs::read_to_string(self.folder.path().join("events.jsonl"));
        let metrics = self.admin("/metrics").await.body;
        let metrics = String::from_utf8_lossy(&metrics).into_owned();
        [self.stderr(), self.stdout(), events.unwrap_or_default(), metrics].concat()
    }

    /// Asks the gate to end, as service managers do.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends the gate a signal.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs");
        let told =
            std::process::Command::new("sh").arg("-c").arg(format!("kill -{name} {id}")).status();
        assert!(told.expect("a shell").success());
    }

    /// Where the config and what it names are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file beside the config.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("a file")
    }

    /// Puts another file in the place of one beside the config, in one step.
    pub fn replace(&self, name: &str, text: &str) {
        let new = self.folder.path().join(".new");
        std::fs::write(&new, text).expect("a file");
        std::fs::rename(new, self.folder.path().join(name)).expect("renamed");
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> ExitStatus {
        soon("the gate's end", self.child.wait()).await.expect("a status")
    }

    /// Ends the gate in an orderly way and gives all its events.
    pub async fn end(mut self) -> Vec<Value> {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.stderr());
        self.events_now()
    }
}

/// The events of one kind.
pub fn of_kind(events: Vec<Value>, kind: &str) -> Vec<Value> {
    events.into_iter().filter(|event| event["kind"] == kind).collect()
}
