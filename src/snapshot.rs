//! Settings, policies and upstreams as one unit: a call takes one snapshot and sees no other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Uri};
use secrecy::ExposeSecret;

use crate::call::{Refusal, StopReason, ToolFacts};
use crate::config::settings::{self, Kind, Operation, Settings};
use crate::forward::{ConnectError, Timeouts, Upstream, UpstreamSpec};
use crate::identify::baggage::Pass;
use crate::identify::path::{PathTemplate, TemplateError};
use crate::identify::{ModelApi, Surface, Terms};
use crate::json::HmacKey;
use crate::policy::set::PolicySet;
use crate::protocol::http::{Route, Routes, ToolName};
use crate::protocol::{NamedTool, NamedTools};
use crate::record::content::Capture;

/// What a gate goes by until the next reload.
pub struct Snapshot {
    pub terms: Terms,
    pub policies: PolicySet,
    /// Whether contents of calls are captured.
    pub capture: Capture,
    /// The tools whose names are in the config, for what changes about them to be seen.
    pub tools: Vec<ToolFacts>,
    upstreams: HashMap<Arc<str>, Placed>,
}

/// An upstream and what it was made of.
struct Placed {
    spec: UpstreamSpec,
    upstream: Arc<Upstream>,
}

/// Settings that validation let pass and that cannot be put to work all the same.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the path of tool `{tool}` cannot be used: {fault}")]
    Path { tool: String, fault: TemplateError },
    #[error("the URL of upstream `{0}` cannot be used")]
    Url(Arc<str>),
    #[error("the credential of upstream `{0}` cannot be sent as a header")]
    Credential(Arc<str>),
}

impl Snapshot {
    /// Puts settings and policies to work; connects nowhere yet. Upstreams that are as they were in
    /// `previous` are taken from there, with their connections.
    ///
    /// # Errors
    /// The first thing that cannot be set up.
    pub fn build(
        settings: &Settings,
        policies: PolicySet,
        previous: Option<&Self>,
    ) -> Result<Self, SnapshotError> {
        let digest_key =
            settings.digest_key.as_ref().map(|key| HmacKey::new(key.expose_secret().as_bytes()));
        let mut routes = Routes::default();
        let mut surfaces = HashMap::new();
        let mut upstreams = HashMap::new();
        for upstream in &settings.upstreams {
            let name = Arc::clone(&upstream.name);
            match upstream.kind {
                Kind::Http => {
                    let tools = upstream.tools.iter().map(|tool| route(upstream, tool));
                    routes.add(Arc::clone(&name), tools.collect::<Result<_, _>>()?);
                }
                Kind::Mcp => {
                    surfaces.insert(Arc::clone(&name), Surface::Mcp(named(upstream)));
                }
                Kind::Llm(provider) => {
                    let api = ModelApi {
                        provider,
                        base_path: Arc::clone(&upstream.base_path),
                        tools: named(upstream),
                        prices: Arc::clone(&settings.prices),
                    };
                    surfaces.insert(Arc::clone(&name), Surface::Llm(api));
                }
            }
            let spec = spec(upstream)?;
            let before = previous.and_then(|previous| previous.upstreams.get(&name));
            let upstream = match before.filter(|before| before.spec == spec) {
                Some(before) => Arc::clone(&before.upstream),
                None => Arc::new(Upstream::new(&spec)?),
            };
            upstreams.insert(name, Placed { spec, upstream });
        }
        let tools = settings.tool_facts();
        let terms = Terms {
            routes,
            surfaces,
            caller: settings.caller.clone(),
            require_token: settings.runs.require_token,
            run_header: settings.runs.header.clone(),
            body_limit_bytes: settings.bounds.body_limit_bytes,
            body_limits: body_limits(settings),
            body_time: settings.bounds.body_time,
            digest_key,
            shared_operations: shared_operations(&tools),
            baggage: baggage(settings),
        };
        Ok(Self { terms, policies, capture: settings.capture, tools, upstreams })
    }

    /// The upstream of that name.
    ///
    /// # Errors
    /// `gate_unavailable`; cannot happen while routes and upstreams come from one config.
    pub fn upstream(&self, name: &str) -> Result<&Upstream, Refusal> {
        self.upstreams.get(name).map(|placed| &*placed.upstream).ok_or_else(|| {
            Refusal::without_rule(StopReason::GateUnavailable, "The tool's upstream is not set up.")
        })
    }

    /// Ends what was started for the upstreams.
    pub async fn shutdown(&self) {
        for placed in self.upstreams.values() {
            placed.upstream.shutdown().await;
        }
    }

    /// Ends streams that nothing else ends, so that a gate that is told to stop need not wait for
    /// them.
    pub fn hush(&self) {
        for placed in self.upstreams.values() {
            placed.upstream.hush();
        }
    }

    /// Longest silence within an answer of that upstream.
    pub fn idle_timeout(&self, name: &str) -> Duration {
        self.upstreams.get(name).map_or(Duration::ZERO, |placed| placed.upstream.idle_timeout())
    }
}

/// Operations that tools of several servers have.
fn shared_operations(tools: &[ToolFacts]) -> HashSet<Arc<str>> {
    let mut seen = HashSet::new();
    let operations = tools.iter().map(|tool| &tool.operation);
    operations.filter(|operation| !seen.insert(*operation)).cloned().collect()
}

/// The largest bodies, where an upstream takes others than the rest.
fn body_limits(settings: &Settings) -> HashMap<Arc<str>, usize> {
    let own = |upstream: &settings::Upstream| {
        Some((Arc::clone(&upstream.name), upstream.body_limit_bytes?))
    };
    settings.upstreams.iter().filter_map(own).collect()
}

/// What upstreams are given of baggage, where that is not all of it.
fn baggage(settings: &Settings) -> HashMap<Arc<str>, Pass> {
    let bounded = settings.upstreams.iter().filter(|upstream| upstream.baggage != Pass::All);
    bounded.map(|upstream| (Arc::clone(&upstream.name), upstream.baggage.clone())).collect()
}

/// The tools that calls to an upstream name themselves.
fn named(upstream: &settings::Upstream) -> NamedTools {
    let settings::Named { tools, tags, plan, on_breach } = &upstream.named;
    let tools = tools.iter().map(|tool| {
        let named = NamedTool {
            facts: Arc::new(tool.facts(&upstream.name)),
            ignored: Arc::clone(&tool.ignore_args),
            plan: Arc::clone(&tool.plan),
        };
        (Arc::clone(&tool.operation), named)
    });
    let (name, tags) = (Arc::clone(&upstream.name), Arc::clone(tags));
    NamedTools::new(name, tools.collect(), tags, Arc::clone(plan)).breached(*on_breach)
}

fn route(upstream: &settings::Upstream, tool: &settings::Tool) -> Result<Route, SnapshotError> {
    let template = PathTemplate::parse(&tool.path).map_err(|fault| SnapshotError::Path {
        tool: format!("{} {}", tool.method, tool.path),
        fault,
    })?;
    let name = match &tool.operation {
        Operation::Named(operation) => {
            ToolName::Fixed(Arc::new(tool.facts(&upstream.name, operation)))
        }
        Operation::FromPath(parameter) => ToolName::FromPath {
            parameter: Arc::clone(parameter),
            tags: Arc::clone(&tool.tags),
            effect: tool.effect,
        },
    };
    Ok(Route {
        method: tool.method.clone(),
        template,
        written: Arc::from(&*tool.path),
        name,
        ignore_args: Arc::clone(&tool.ignore_args),
        plan: Arc::clone(&tool.plan),
    })
}

fn spec(upstream: &settings::Upstream) -> Result<UpstreamSpec, SnapshotError> {
    let url = Uri::builder()
        .scheme(upstream.scheme.clone())
        .authority(upstream.authority.clone())
        .path_and_query(if upstream.base_path.is_empty() { "/" } else { &upstream.base_path })
        .build()
        .map_err(|_| SnapshotError::Url(Arc::clone(&upstream.name)))?;
    let mut headers = Vec::new();
    if let Some(auth) = &upstream.auth {
        let mut value = HeaderValue::from_str(auth.value.expose_secret())
            .map_err(|_| SnapshotError::Credential(Arc::clone(&upstream.name)))?;
        value.set_sensitive(true);
        headers.push((auth.header.clone(), value));
    }
    Ok(UpstreamSpec {
        name: Arc::clone(&upstream.name),
        url,
        timeouts: Timeouts {
            connect: upstream.timeouts.connect,
            response: upstream.timeouts.response,
            idle: upstream.timeouts.idle,
        },
        headers,
        command: upstream.command.clone(),
        ca_pem: upstream.ca_pem.as_ref().map(|pem| pem.to_vec()),
    })
}
