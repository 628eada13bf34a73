//! What a gate runs by: validated and immutable.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Method, Uri};
use secrecy::{ExposeSecret, SecretString};

use crate::call::prices::Prices;
use crate::call::{Plan, Provider};
use crate::contract::OnBreach;
use crate::evaluate;
use crate::identify::baggage::Pass;
use crate::identify::path::PathTemplate;
use crate::policy::compile::{Catalogue, Meters};
use crate::policy::view::{Caller, Effect, ToolFacts};
use crate::protocol::llm::operation::billed_names;
use crate::record::Collector;
use crate::record::content::Capture;
use crate::stdio::Spec;

/// A whole config. `Debug` never shows a secret.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub admin_tokens: AdminTokens,
    /// Hosts under which the admin side is reached beside its address and loopback ones.
    pub admin_hosts: Vec<String>,
    /// The folder for what outlives the gate.
    pub state: PathBuf,
    pub upstreams: Vec<Upstream>,
    /// What models cost.
    pub prices: Arc<Prices>,
    pub runs: Runs,
    pub reload: Reload,
    pub events: Events,
    /// Whether contents are recorded.
    pub capture: Capture,
    /// What is asked about ended runs.
    pub evaluate: Option<evaluate::Plan>,
    /// Whether is learned what is usual, and told of what moves away from it.
    pub drift: bool,
    /// Where spans go, if anywhere.
    pub export: Option<Export>,
    pub caller: Caller,
    /// Makes digests an HMAC.
    pub digest_key: Option<SecretString>,
    pub bounds: Bounds,
}

/// Who may ask what of the admin side. With neither, a token is made at start.
#[derive(Debug, Default)]
pub struct AdminTokens {
    pub read: Option<SecretString>,
    /// Includes reading.
    pub write: Option<SecretString>,
}

/// A service behind the gate.
#[derive(Debug)]
pub struct Upstream {
    /// `[a-z0-9_-]+`, not beginning with `_`; the first segment of callers' paths.
    pub name: Arc<str>,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port, without user information.
    pub authority: Authority,
    /// Of an MCP server that is started here.
    pub command: Option<Spec>,
    /// What stands in front of the tools' paths: empty, or `/` and more, without `/` at the end.
    pub base_path: Arc<str>,
    pub kind: Kind,
    /// Of a plain HTTP API. The more literal first, so that the first that matches is the one.
    pub tools: Vec<Tool>,
    /// Of all others.
    pub named: Named,
    /// The largest body of a request to it, where it is not the same as everywhere.
    pub body_limit_bytes: Option<usize>,
    pub timeouts: Timeouts,
    pub auth: Option<Auth>,
    /// What it is given of the baggage of requests.
    pub baggage: Pass,
    /// PEM certificates to trust instead of the public ones.
    pub ca_pem: Option<Arc<[u8]>>,
}

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Http,
    Mcp,
    Llm(Provider),
}

/// The tools of an upstream whose calls name their tool themselves.
#[derive(Debug, Default)]
pub struct Named {
    /// Those that the config says something of.
    pub tools: Vec<NamedTool>,
    /// Tags of all others.
    pub tags: Arc<[Arc<str>]>,
    /// The plan of all others.
    pub plan: Arc<Plan>,
    /// What is done about answers that break the schemas which their server itself gives.
    pub on_breach: OnBreach,
}

/// The name that a tool goes by, wherever it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub server: Arc<str>,
    pub operation: Arc<str>,
}

/// A tool that calls name themselves.
#[derive(Clone, Debug)]
pub struct NamedTool {
    /// As calls name it.
    pub operation: Arc<str>,
    pub alias: Option<Alias>,
    /// The upstream's and its own, each once.
    pub tags: Arc<[Arc<str>]>,
    /// What the config says, or the strictest.
    pub effect: Effect,
    /// Top-level arguments left out of loop keys.
    pub ignore_args: Arc<[Arc<str>]>,
    pub plan: Arc<Plan>,
}

/// An operation of an upstream.
#[derive(Clone, Debug)]
pub struct Tool {
    pub operation: Operation,
    /// Of a named one.
    pub alias: Option<Alias>,
    pub method: Method,
    /// As written: `/customers/{id}`.
    pub path: Arc<str>,
    /// The same, parsed.
    pub template: PathTemplate,
    /// The upstream's and its own, each once.
    pub tags: Arc<[Arc<str>]>,
    pub effect: Effect,
    /// Top-level arguments left out of loop keys.
    pub ignore_args: Arc<[Arc<str>]>,
    pub plan: Arc<Plan>,
}

/// Where an operation's name comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The config.
    Named(Arc<str>),
    /// The path parameter of this name.
    FromPath(Arc<str>),
}

/// How long to wait for an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub response: Duration,
    /// Between two parts of a body.
    pub idle: Duration,
}

/// A header with a credential, added to every request to the upstream.
#[derive(Debug)]
pub struct Auth {
    pub header: HeaderName,
    /// The whole value; valid as a header's.
    pub value: SecretString,
}

/// How calls are gathered into runs.
#[derive(Clone, Debug)]
pub struct Runs {
    /// A run without a call for this long has ended.
    pub idle_end: Duration,
    /// Calls without a run token are refused.
    pub require_token: bool,
    /// Looked at before the well-known headers.
    pub header: Option<HeaderName>,
}

/// How changes of the files are found. Told to by a signal, the gate looks in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether the system's notices are listened to.
    pub watch: bool,
    /// The pause between two looks at the files; zero for never.
    pub poll: Duration,
}

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Events {
    Stdout,
    /// Appended to.
    File(PathBuf),
}

/// Where spans go, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub collector: Collector,
    /// Of a hundred runs of which nothing is remarkable, so many are kept: 0 to 100.
    pub sample_percent: u32,
    /// Longest time that calls wait for the end of their run.
    pub hold: Duration,
    /// Memory for calls that wait for it.
    pub held_limit_bytes: usize,
}

/// Bounds on what is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub body_limit_bytes: usize,
    pub head_limit_bytes: usize,
    pub headers_limit: usize,
    pub connections_limit: usize,
    pub live_runs_limit: usize,
    /// How long a request's head may take to arrive.
    pub header_time: Duration,
    /// How long a request's body may take to arrive, and a client may take nothing of an answer.
    pub body_time: Duration,
    /// How long calls may go on after the gate was told to stop.
    pub drain_time: Duration,
}

impl Timeouts {
    /// What goes for an upstream whose config says nothing. Models think before they speak, and the
    /// tools of MCP servers may be at work for long without a word; their SDKs wait as long.
    pub fn of(kind: Kind) -> Self {
        let (response, idle) = match kind {
            Kind::Http => (60, 30),
            Kind::Mcp => (300, 300),
            Kind::Llm(_) => (600, 600),
        };
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), response: seconds(response), idle: seconds(idle) }
    }
}

impl Default for Runs {
    fn default() -> Self {
        Self { idle_end: Duration::from_secs(600), require_token: false, header: None }
    }
}

impl Default for Reload {
    fn default() -> Self {
        Self { watch: true, poll: Duration::from_secs(30) }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_limit_bytes: 1024 * 1024,
            head_limit_bytes: 16 * 1024,
            headers_limit: 64,
            connections_limit: 1_024,
            live_runs_limit: 10_000,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(15),
            drain_time: Duration::from_secs(25),
        }
    }
}

impl Upstream {
    /// Whether a tool of it may have a name that the config does not say.
    pub fn is_open(&self) -> bool {
        match self.kind {
            Kind::Mcp | Kind::Llm(_) => true,
            Kind::Http => {
                let open = |tool: &Tool| matches!(tool.operation, Operation::FromPath(_));
                self.tools.iter().any(open)
            }
        }
    }

    /// Scheme, authority and base path as one; `None` cannot happen, as they came from a URL.
    pub fn url(&self) -> Option<Uri> {
        let path = if self.base_path.is_empty() { "/" } else { &self.base_path };
        let parts = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone());
        parts.path_and_query(path).build().ok()
    }
}

impl Auth {
    /// The value to send, marked as sensitive; `None` cannot happen, as it was checked.
    pub fn header_value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.value.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Settings {
    /// What policies may name: the tools whose names are in the config, each name once.
    pub fn tool_facts(&self) -> Vec<ToolFacts> {
        let named = |upstream: &Upstream| {
            let facts = upstream.tools.iter().filter_map(|tool| match &tool.operation {
                Operation::Named(operation) => Some(tool.facts(&upstream.name, operation)),
                Operation::FromPath(_) => None,
            });
            let named = upstream.named.tools.iter().map(|tool| tool.facts(&upstream.name));
            facts.chain(named).collect::<Vec<_>>()
        };
        let mut seen = HashSet::new();
        let all = self.upstreams.iter().flat_map(named);
        all.filter(|facts| seen.insert(Arc::clone(&facts.name))).collect()
    }

    /// All that policies are checked against.
    pub fn catalogue(&self) -> Catalogue {
        let mut contracts = HashMap::new();
        for upstream in &self.upstreams {
            let fixed = upstream.tools.iter().filter_map(|tool| match &tool.operation {
                Operation::Named(operation) => {
                    Some((tool.facts(&upstream.name, operation).name, &tool.plan))
                }
                Operation::FromPath(_) => None,
            });
            let named = upstream.named.tools.iter();
            let named = named.map(|tool| (tool.facts(&upstream.name).name, &tool.plan));
            for (name, plan) in fixed.chain(named) {
                let args = plan.contract.as_ref().and_then(|contract| contract.args());
                if let Some(args) = args {
                    contracts.insert(name, Arc::clone(args));
                }
            }
        }
        let mut tools = self.tool_facts();
        let mut meters = Meters::default();
        for upstream in &self.upstreams {
            self.meter(upstream, &mut tools, &mut meters);
        }
        Catalogue { tools, open_servers: self.open_servers(), contracts, meters }
    }

    /// Notes which tools of an upstream report tokens and have a cost. The calls of a model API are
    /// known by name, although the config does not name them.
    fn meter(&self, upstream: &Upstream, tools: &mut Vec<ToolFacts>, meters: &mut Meters) {
        let fixed = upstream.tools.iter().filter_map(|tool| match &tool.operation {
            Operation::Named(operation) => {
                Some((tool.facts(&upstream.name, operation).name, &tool.plan))
            }
            Operation::FromPath(_) => None,
        });
        let named = &upstream.named.tools;
        let said = named.iter().map(|tool| (tool.facts(&upstream.name).name, &tool.plan));
        let priced = fixed.chain(said).filter(|(_, plan)| plan.cost.is_said());
        meters.costs.extend(priced.map(|(name, _)| name));
        if upstream.is_open() && upstream.named.plan.cost.is_said() {
            meters.cost_servers.push(Arc::clone(&upstream.name));
        }
        let Kind::Llm(provider) = upstream.kind else { return };
        for operation in billed_names(provider) {
            let known = named.iter().find(|tool| *tool.operation == *operation);
            let tool = known.cloned().unwrap_or_else(|| upstream.named.other(operation));
            let facts = tool.facts(&upstream.name);
            meters.tokens.insert(Arc::clone(&facts.name));
            if !self.prices.is_empty() {
                meters.costs.insert(Arc::clone(&facts.name));
            } else if !tool.plan.cost.is_said() {
                meters.unpriced.insert(Arc::clone(&facts.name));
            }
            if known.is_none() {
                tools.push(facts);
            }
        }
    }

    /// Upstreams whose calls name their tool themselves: policies may name any tool of theirs.
    pub fn open_servers(&self) -> Vec<Arc<str>> {
        let servers = self.upstreams.iter().filter(|upstream| upstream.is_open());
        servers.map(|upstream| Arc::clone(&upstream.name)).collect()
    }
}

/// Server and operation of a tool, as everybody knows it.
fn known_as<'a>(
    alias: Option<&'a Alias>,
    server: &'a Arc<str>,
    operation: &'a Arc<str>,
) -> (&'a Arc<str>, &'a Arc<str>) {
    alias.map_or((server, operation), |alias| (&alias.server, &alias.operation))
}

fn facts(
    server: &Arc<str>,
    operation: &Arc<str>,
    tags: &Arc<[Arc<str>]>,
    effect: Effect,
    plan: &Plan,
) -> ToolFacts {
    let version = plan.contract.as_ref().map(|contract| Arc::clone(&contract.version));
    ToolFacts {
        name: Arc::from(format!("{server}.{operation}")),
        server: Arc::clone(server),
        operation: Arc::clone(operation),
        tags: Arc::clone(tags),
        effect,
        version: version.unwrap_or_default(),
    }
}

impl Named {
    /// A tool that the config does not name, and that only reads.
    fn other(&self, operation: &str) -> NamedTool {
        NamedTool {
            operation: Arc::from(operation),
            alias: None,
            tags: Arc::clone(&self.tags),
            effect: Effect::Read,
            ignore_args: Arc::from([]),
            plan: Arc::clone(&self.plan),
        }
    }
}

impl NamedTool {
    /// What is known of the tool as one of this upstream.
    pub fn facts(&self, server: &Arc<str>) -> ToolFacts {
        let (server, operation) = known_as(self.alias.as_ref(), server, &self.operation);
        facts(server, operation, &self.tags, self.effect, &self.plan)
    }
}

impl Tool {
    /// What is known of the tool under this operation name of this upstream.
    pub fn facts(&self, server: &Arc<str>, operation: &Arc<str>) -> ToolFacts {
        let (server, operation) = known_as(self.alias.as_ref(), server, operation);
        facts(server, operation, &self.tags, self.effect, &self.plan)
    }
}
