//! A call to a model API: its method and path name the tool, and its body is the arguments.

use std::sync::Arc;

use ::http::Request;
use hyper::body::Incoming;

use crate::call::prices::Prices;
use crate::call::{Effect, Language, Llm, Provider, Refusal, Standing, StopReason};
use crate::identify::head::Head;
use crate::identify::{Call, Desk, Identity, Target, body};
use crate::protocol::NamedTools;
use crate::protocol::llm::operation::{self, Kind};
use crate::protocol::llm::{Order, Routed, shown_model};

/// Paths that a refusal names, so that an agent's author sees what is spoken here.
const SHOWN_LIMIT_NAMES: usize = 32;

/// An upstream that is a model API.
#[derive(Debug)]
pub struct ModelApi {
    pub provider: Provider,
    /// The path of the upstream's address.
    pub base_path: Arc<str>,
    pub tools: NamedTools,
    pub prices: Arc<Prices>,
}

pub(super) async fn call(
    head: &Head,
    request: Request<Incoming>,
    target: &Target,
    api: &ModelApi,
    desk: &mut Desk<'_>,
) -> Result<Call, Refusal> {
    let ModelApi { provider, base_path, tools, prices } = api;
    desk.known.language = Language::Llm(Llm { provider: *provider });
    let terms = desk.terms;
    let (parts, body) = request.into_parts();
    let below = target.path.split_first().map_or("/", |(_, below)| below.as_str());
    let below = decoded_colon(below);
    let Some(routed) = operation::route(*provider, &parts.method, &below) else {
        desk.known.path = Some(target.path.shown());
        return Err(unknown(*provider, &parts.method, target));
    };
    let found = tools.find(routed.operation.name, effect(routed.operation.kind));
    desk.known.tool = Some(Arc::clone(&found.facts));
    let path = operation::target(*provider, base_path, &routed);
    let limit = desk.terms.body_limit(tools.upstream());
    let (bytes, share) = body::collect(&parts, body, limit, (terms, desk.room)).await?;
    let args = body::arguments(&bytes, &[], &target.query)?;
    let Routed { operation, model, is_deployment, .. } = routed;
    let order =
        Order::new(*provider, operation, (model, is_deployment), args.root(), Arc::clone(prices));
    desk.known.model = order.model().map(shown_model).map(Arc::from);
    let Identity { digest: args_digest, bytes: args_bytes, key } =
        Identity::of(&args, &found.facts, &found.ignored, terms, bytes.len());
    desk.known.args = Some((args_digest, args_bytes));
    let call = Call {
        language: Language::Llm(Llm { provider: *provider }),
        standing: Standing::Tool,
        method: parts.method,
        path,
        query: target.query.canonical(),
        headers: parts.headers,
        body: bytes,
        share,
        key,
        ignored: found.ignored,
        args_digest,
        tool: found.facts,
        upstream: Arc::clone(tools.upstream()),
        args,
        args_bytes,
        caller: terms.caller.clone(),
        trace: head.trace.clone(),
        plan: found.plan,
        textual: Box::default(),
        intended: None,
        message: None,
        order: Some(Box::new(order)),
    };
    call.keeps_to_contract()?;
    Ok(call)
}

/// Gemini's calls stand behind a colon, which some clients encode.
fn decoded_colon(path: &str) -> String {
    path.replace("%3A", ":").replace("%3a", ":")
}

/// A model changes nothing but its bill.
fn effect(kind: Kind) -> Effect {
    match kind {
        Kind::Generate | Kind::Embed | Kind::Look => Effect::Read,
        Kind::Manage => Effect::Write,
    }
}

fn unknown(provider: Provider, method: &::http::Method, target: &Target) -> Refusal {
    let mut names = operation::names(provider);
    names.truncate(SHOWN_LIMIT_NAMES);
    let message = format!(
        "The gate knows no call {method} {} of this API, and lets nothing pass that it cannot count. \
         It knows: {}.",
        target.path.shown(),
        names.join(", ")
    );
    Refusal::without_rule(StopReason::ToolNotAllowed, message)
}
