//! Received -> Identified: which run, which tool, which arguments. Read once, strictly; whatever
//! two readers could read differently is refused here.

pub mod baggage;
mod body;
mod contract;
mod head;
mod http;
mod llm;
mod mcp;
pub mod path;
mod percent;
mod place;
mod propagate;
pub mod query;
mod rewritten;
pub mod run_id;
pub mod trace;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderMap, HeaderName, Method, Request};
use bytes::Bytes;
use hyper::body::Incoming;

use crate::call::trace::TraceContext;
use crate::call::{
    Caller, Known, Language, Llm, Particulars, Plan, Provider, Refusal, RunId, Standing, ToolFacts,
};
use crate::clock::{Clock, Now};
use crate::json::{self, Digest, Document, Hasher, HmacKey};
use crate::ledger::{
    ArgsKey, Denial, Ledger, PinnedDefinition, Sizes, ToolCall, Turn, Visit, Work,
};
use crate::policy::view::CallView;
use crate::protocol::NamedTools;
use crate::protocol::http::Routes;
use crate::protocol::llm::{Order, shown_model};

use self::baggage::Pass;
pub use self::body::{Room, Share};
use self::head::Head;
pub(crate) use self::head::Target;
pub use self::llm::ModelApi;
use self::propagate::InBody;
pub use self::rewritten::RewriteFault;
use self::run_id::RunIdSource;

/// A request as it arrived; nothing in it has been believed yet.
pub struct Received {
    request: Request<Incoming>,
    peer: SocketAddr,
    arrived: Now,
}

/// A call whose run, tool and arguments are known. Made here and nowhere else.
pub struct Identified {
    visit: Visit,
    call: Call,
}

/// The headers of a request.
pub type Headers = HeaderMap;

/// One operation that an agent asks for, exactly as it will be judged, hashed and sent.
pub struct Call {
    pub language: Language,
    pub standing: Standing,
    /// The HTTP method.
    pub method: Method,
    /// The canonical path below the upstream's own.
    pub path: String,
    /// The canonical query, without `?`.
    pub query: Option<String>,
    /// As received.
    pub headers: Headers,
    pub body: Bytes,
    /// Holds the body's place in the gate's memory.
    pub share: Share,
    pub tool: Arc<ToolFacts>,
    /// The name of the upstream, which only the config gives an address.
    pub upstream: Arc<str>,
    pub args: Document,
    /// Size of the canonical arguments, in bytes.
    pub args_bytes: u64,
    /// Tool and arguments, 1 and 1.0 being equal.
    pub key: u64,
    /// Top-level arguments left out of `key`.
    pub ignored: Arc<[Arc<str>]>,
    /// Digest of the canonical arguments.
    pub args_digest: Digest,
    pub caller: Caller,
    pub trace: TraceContext,
    /// What the config says of calls to the tool.
    pub plan: Arc<Plan>,
    /// Names of the arguments that are text because they stand in the path or the query; only
    /// where the tool's arguments are declared.
    pub textual: Box<[String]>,
    /// Was this call asked for by the model of its run? `None` when that is not known.
    pub intended: Option<bool>,
    /// What more there is to a message of the Model Context Protocol.
    pub message: Option<Box<MessageFacts>>,
    /// What a call to a model may use, and is charged by.
    pub order: Option<Box<Order>>,
}

/// What more there is to a call that is a message of the Model Context Protocol.
#[derive(Debug, Default)]
pub struct MessageFacts {
    /// What the server has said of the tool.
    pub pinned: Option<Arc<PinnedDefinition>>,
    /// Its place among the requests of its session that wait.
    pub turn: Option<Turn>,
    /// The run that its body names, and by what.
    pub run: Option<(RunId, &'static str)>,
    /// What its body has of a place in a trace.
    pub in_body: InBody,
}

/// What identification goes by; fixed for as long as the settings are.
pub struct Terms {
    /// The tools of plain HTTP upstreams.
    pub routes: Routes,
    /// Those of all other upstreams, by the upstream's name.
    pub surfaces: HashMap<Arc<str>, Surface>,
    pub caller: Caller,
    /// Calls without a run token are refused.
    pub require_token: bool,
    /// The operator's own header for run ids.
    pub run_header: Option<HeaderName>,
    pub body_limit_bytes: usize,
    /// In place of it, by the upstream's name.
    pub body_limits: HashMap<Arc<str>, usize>,
    /// From the head to the last byte of the body.
    pub body_time: Duration,
    pub digest_key: Option<HmacKey>,
    /// Operations that more than one of the tools has whose names are in the config.
    pub shared_operations: HashSet<Arc<str>>,
    /// What upstreams are given of baggage, by name; all others are given all of it.
    pub baggage: HashMap<Arc<str>, Pass>,
}

impl Terms {
    /// The largest body of a request to an upstream, in bytes.
    pub fn body_limit(&self, upstream: &str) -> usize {
        self.body_limits.get(upstream).copied().unwrap_or(self.body_limit_bytes)
    }

    /// What an upstream is given of the baggage of requests.
    fn baggage(&self, upstream: &str) -> &Pass {
        self.baggage.get(upstream).unwrap_or(&Pass::All)
    }
}

/// How an upstream that is no plain HTTP API is read.
#[derive(Debug)]
pub enum Surface {
    /// An MCP server.
    Mcp(NamedTools),
    /// A model API.
    Llm(ModelApi),
}

/// Where identification looks things up and notes them.
pub struct Desk<'a> {
    pub terms: &'a Terms,
    pub ledger: &'a Arc<Ledger>,
    pub clock: &'a Clock,
    pub known: &'a mut Known,
    /// Memory for bodies.
    pub room: &'a Room,
}

impl Received {
    /// A request from `peer` that arrived at `arrived`.
    pub fn new(request: Request<Incoming>, peer: SocketAddr, arrived: Now) -> Self {
        Self { request, peer, arrived }
    }
}

impl Identified {
    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The call and its stay in its run, for the guards.
    pub(crate) fn into_parts(self) -> (Visit, Call) {
        (self.visit, self.call)
    }
}

/// The idempotency key that an agent sent, in the header that the config declares for the tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentKey<'a> {
    /// The tool has none.
    NotDeclared,
    Absent,
    One(&'a str),
    /// More than one, or not text.
    Unreadable,
}

impl Call {
    /// The idempotency key that the agent sent.
    pub fn sent_key(&self) -> SentKey<'_> {
        let Some(header) = &self.plan.resilience.idempotency else { return SentKey::NotDeclared };
        let mut values = self.headers.get_all(header).iter();
        match (values.next(), values.next()) {
            (None, _) => SentKey::Absent,
            (Some(one), None) => match one.to_str() {
                Ok(key) if !key.is_empty() => SentKey::One(key),
                Ok(_) | Err(_) => SentKey::Unreadable,
            },
            (Some(_), Some(_)) => SentKey::Unreadable,
        }
    }

    /// Whether its arguments are what the tool declares, as they stand now.
    ///
    /// # Errors
    /// `schema_violation`, with every place that is wrong and what would be right.
    pub fn keeps_to_contract(&self) -> Result<(), Refusal> {
        contract::keeps(self)
    }

    /// The method as rules and events name it: of an MCP message its own, else that of HTTP.
    pub fn shown_method(&self) -> &str {
        match &self.language {
            Language::Mcp(message) => &message.method,
            Language::Http | Language::Llm(_) => self.method.as_str(),
        }
    }

    /// The bytes that its arguments came as: what an approval of it is an approval of. The rest of
    /// a message is another one in each: ids, tokens, places in traces.
    pub fn bound_bytes(&self) -> Bytes {
        match &self.language {
            Language::Http | Language::Llm(_) => self.body.clone(),
            Language::Mcp(_) => mcp::arguments_of(&self.body),
        }
    }

    /// What a breaker knows the tool by: one that is reached in several ways may be down in one of
    /// them.
    pub fn rested_as(&self) -> Arc<str> {
        if self.tool.server == self.upstream {
            return Arc::clone(&self.tool.name);
        }
        Arc::from(format!("{}@{}", self.tool.name, self.upstream))
    }

    /// The call as a model may have asked for it.
    pub(crate) fn as_wish(&self, terms: &Terms) -> ToolCall<'_> {
        let sole = !terms.shared_operations.contains(&self.tool.operation);
        ToolCall::new(&self.tool, ArgsKey::of(self.args.root()), sole)
    }

    /// The most that the call can take of budgets.
    pub fn sizes(&self) -> Sizes {
        let fixed = self.plan.cost.max();
        let Some(order) = &self.order else { return Sizes { cost: fixed, tokens: 0 } };
        // Of a model without a price, what the config says a call costs.
        let unpriced = if self.plan.cost.is_said() { fixed } else { Order::unpriced() };
        Sizes { cost: order.most_cost().unwrap_or(unpriced), tokens: order.most_tokens() }
    }

    /// What of its run it is.
    pub fn work(&self) -> Work {
        match &self.order {
            None => Work::Tool,
            Some(order) if order.is_billed() => {
                Work::Inference(order.model().map(|name| Arc::from(shown_model(name))))
            }
            Some(_) => Work::Lookup,
        }
    }

    /// What expressions see of it.
    pub fn view(&self, step: u64) -> CallView<'_> {
        CallView {
            args: self.args.root(),
            args_bytes: self.args_bytes,
            protocol: self.language.name(),
            method: self.shown_method(),
            path: &self.path,
            step,
            intended: self.intended,
            model: self.order.as_ref().and_then(|order| order.model()),
            tool: &self.tool,
            caller: &self.caller,
        }
    }
}

/// Identifies a request.
///
/// # Errors
/// Whatever is malformed, ambiguous, too large, too slow or names no tool is refused; the refusal is
/// noted in the run.
pub async fn identify(received: Received, desk: &mut Desk<'_>) -> Result<Identified, Refusal> {
    let Received { request, peer, arrived } = received;
    let (parts, body) = request.into_parts();
    desk.known.method = parts.method.as_str().to_owned();
    desk.known.particulars.verb = Particulars::verb(parts.method.as_str());
    if let Some(provider) = model_api(parts.uri.path(), desk.terms) {
        desk.known.language = Language::Llm(Llm { provider });
    }
    let head = head::read(&parts, peer, desk, arrived)?;
    let mut read = tool_and_arguments(&head, parts, body, desk).await;
    let standing = read.as_ref().map_or(Standing::Tool, |call| call.standing);
    let (run, source) = place::place(head, read.as_ref().ok(), desk, arrived);
    let visit = desk.ledger.attend(run.clone(), source, &desk.terms.caller, standing, arrived);
    propagate::propagate(read.as_mut().ok(), &visit, desk);
    match standing {
        Standing::Tool => desk.known.step = Some(visit.step()),
        Standing::Protocol => {}
    }
    if source == RunIdSource::Token.name() && desk.ledger.minted.get(&run).is_none() {
        // It ended between the look at its token and this call's coming.
        let refusal = head::token_refused();
        visit.refuse(&Denial::of(&refusal), arrived);
        return Err(refusal);
    }
    desk.known.parent_run = visit.parent();
    match read {
        Ok(call) => Ok(Identified { visit, call }),
        Err(refusal) => {
            let denial = Denial { key: Arc::from(refusal.reason.name()), stop: None };
            visit.refuse(&denial, desk.clock.now());
            Err(refusal)
        }
    }
}

/// Which model API a path begins with, however unreadable the rest of it is: whoever calls one is
/// told in its words why nothing came of it.
fn model_api(path: &str, terms: &Terms) -> Option<Provider> {
    let below = match path.strip_prefix(head::RUN_PREFIX) {
        Some(labelled) => labelled.split_once('/').map_or("", |(_, below)| below),
        None => path.trim_start_matches('/'),
    };
    let first = below.split('/').next().unwrap_or_default();
    match terms.surfaces.get(first)? {
        Surface::Llm(api) => Some(api.provider),
        Surface::Mcp(_) => None,
    }
}

/// Reads the call in the language of the upstream that its path begins with.
async fn tool_and_arguments(
    head: &Head,
    parts: ::http::request::Parts,
    body: Incoming,
    desk: &mut Desk<'_>,
) -> Result<Call, Refusal> {
    let terms = desk.terms;
    let target = head::target(&parts)?;
    let surface = target.path.split_first().and_then(|(first, _)| terms.surfaces.get(first));
    let request = Request::from_parts(parts, body);
    match surface {
        None => http::call(head, request, &target, desk).await,
        Some(Surface::Mcp(tools)) => mcp::call(head, request, &target, tools, desk).await,
        Some(Surface::Llm(api)) => llm::call(head, request, &target, api, desk).await,
    }
}

/// What arguments are known by.
struct Identity {
    digest: Digest,
    /// Size of the canonical form, in bytes.
    bytes: u64,
    /// The loop key.
    key: u64,
}

impl Identity {
    /// `size_hint`: about how long the canonical form is, in bytes.
    fn of(
        args: &Document,
        tool: &ToolFacts,
        ignored: &[Arc<str>],
        terms: &Terms,
        size_hint: usize,
    ) -> Self {
        let mut canonical = Vec::with_capacity(size_hint);
        args.root().write_canonical(&mut canonical);
        let mut hasher = Hasher::new(terms.digest_key.as_ref());
        hasher.update(&canonical);
        let key = json::loop_key_of_canonical(&tool.name, args.root(), ignored, &canonical);
        Self { digest: hasher.finish(), bytes: canonical.len() as u64, key }
    }
}

/// A fresh id for a run that nobody labelled.
fn fresh_run(now: Now) -> RunId {
    let millis = u64::try_from(now.wall_ms).unwrap_or_default();
    let random = u128::from(fastrand::u64(..)) << 16 | u128::from(fastrand::u16(..));
    RunId(Arc::from(format!("run_{}", ulid::Ulid::from_parts(millis, random)).as_str()))
}
