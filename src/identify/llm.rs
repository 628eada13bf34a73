//! A call to a model API: its method and path name the tool, and its body is the arguments.

use std::borrow::Cow;
use std::sync::Arc;

use ::http::Request;
use hyper::body::Incoming;

use crate::call::prices::Prices;
use crate::call::{Effect, Language, Llm, Provider, Refusal, Standing, StopReason};
use crate::identify::head::{Head, ambiguous};
use crate::identify::query::Query;
use crate::identify::{Call, Desk, Identity, Target, body, percent};
use crate::json::Value;
use crate::protocol::NamedTools;
use crate::protocol::llm::operation::{self, Kind, Operation};
use crate::protocol::llm::{Order, Routed, shown_model};

/// Paths that a refusal names, so that an agent's author sees what is spoken here.
const SHOWN_LIMIT_NAMES: usize = 32;

/// Longest name of the query that a refusal repeats, in characters.
const NAME_SHOWN_LIMIT_CHARS: usize = 64;

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
    let Routed { operation: Operation { kind, .. }, .. } = routed;
    only_known_pairs(*provider, kind, &target.query)?;
    let path = operation::target(*provider, base_path, &routed);
    let limit = desk.terms.body_limit(tools.upstream());
    let (bytes, share) = body::collect(&parts, body, limit, (terms, desk.room)).await?;
    let args = body::arguments(&bytes, &[], &target.query)?;
    let Routed { operation, model, is_deployment, .. } = routed;
    one_model(model, args.root())?;
    let order =
        Order::new(*provider, operation, (model, is_deployment), args.root(), Arc::clone(prices));
    desk.known.model = order.model().map(shown_model).map(Arc::from);
    desk.known.particulars.request_model.clone_from(&desk.known.model);
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

/// What a model is to do stands in the body alone: servers do not read it off the query, and rules
/// and prices would.
fn only_known_pairs(provider: Provider, kind: Kind, query: &Query) -> Result<(), Refusal> {
    let known: &[&str] = match (kind, provider) {
        (Kind::Look | Kind::Manage, _) => return Ok(()),
        (Kind::Generate | Kind::Embed, Provider::OpenAi) => &["api-version"],
        (Kind::Generate | Kind::Embed, Provider::Anthropic) => &["beta"],
        (Kind::Generate | Kind::Embed, Provider::Gemini) => &["alt", "key", "$alt"],
    };
    let mut names = query.pairs().map(|(name, _)| name);
    match names.find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let shown: String = name.chars().take(NAME_SHOWN_LIMIT_CHARS).collect();
            let shown = shown.escape_debug();
            Err(ambiguous(format!("the query has \"{shown}\": arguments stand in the body")))
        }
    }
}

/// Where the path names the model, the body names the same or none.
fn one_model(of_path: Option<&str>, args: Value<'_>) -> Result<(), Refusal> {
    let said = args.as_object().and_then(|args| args.get("model"));
    let (Some(of_path), Some(said)) = (of_path, said) else { return Ok(()) };
    let of_path = percent::decode(of_path).unwrap_or(Cow::Borrowed(of_path));
    let same = |said: &str| said == of_path || said.strip_prefix("models/") == Some(&*of_path);
    if said.as_str().is_some_and(same) {
        return Ok(());
    }
    Err(ambiguous("the path names one model and the body another"))
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
