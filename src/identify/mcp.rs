//! A call to an MCP server: one JSON-RPC message a request, or the opening or closing of a stream.
//! A `tools/call` is a call like any other; everything else is what the protocol needs around it.

use std::sync::Arc;

use ::http::header::{HeaderMap, HeaderValue};
use ::http::request::Parts;
use ::http::{Method, Request};
use bytes::Bytes;
use hyper::body::Incoming;

use crate::call::trace::{TraceContext, TraceParent, TraceState};
use crate::call::{
    Effect, Era, Language, Mcp, Plan, Refusal, RunId, Standing, StatusHint, StopReason, ToolFacts,
};
use crate::identify::head::{Head, malformed};
use crate::identify::propagate::InBody;
use crate::identify::run_id::{RunIdSource, is_run_id};
use crate::identify::{Call, Desk, Identity, MessageFacts, Share, Target, baggage, body};
use crate::json::{ArgumentsBuilder, Document, Hasher, JSON_DEPTH_LIMIT, Object, Value, splice};
use crate::ledger::{PinStanding, PinnedDefinition, Turn};
use crate::protocol::mcp::message::{self, Message, Unread};
use crate::protocol::mcp::methods::{self, Kind, TOOLS_CALL};
use crate::protocol::mcp::{self, headers, meta, name};
use crate::protocol::{NamedTool, NamedTools};

/// The one place below the upstream's name where messages go; the upstream's URL says the rest.
const ENDPOINT: &str = "/mcp";

const SESSION_HEADER: &str = "mcp-session-id";

/// What is known of a message before it is a call.
struct Reading {
    message: Message,
    document: Document,
    text: Bytes,
    share: Share,
}

/// What a message asks for.
struct Asked {
    standing: Standing,
    /// Where the message goes, whatever name the tool goes by.
    upstream: Arc<str>,
    tool: Arc<ToolFacts>,
    ignored: Arc<[Arc<str>]>,
    plan: Arc<Plan>,
    args: Document,
    pinned: Option<Arc<PinnedDefinition>>,
}

pub(super) async fn call(
    head: &Head,
    request: Request<Incoming>,
    target: &Target,
    tools: &NamedTools,
    desk: &mut Desk<'_>,
) -> Result<Call, Refusal> {
    let (parts, incoming) = request.into_parts();
    note(desk, Mcp::unread(parts.method.as_str()));
    endpoint(target, desk)?;
    let verb = match parts.method {
        Method::POST => {
            return posted(head, parts, incoming, tools, desk).await;
        }
        Method::GET => methods::STREAM,
        Method::DELETE => methods::END_SESSION,
        _ => {
            let refusal = malformed("An MCP server is reached by POST, GET and DELETE.");
            return Err(refusal.with_hint(StatusHint::MethodNotAllowed));
        }
    };
    let limit = desk.terms.body_limit(tools.upstream());
    body::collect(&parts, incoming, limit, (desk.terms, desk.room)).await?;
    note(desk, Mcp::unread(verb));
    let asked = Asked::of_protocol(verb, tools, ArgumentsBuilder::new(), desk)?;
    Ok(assembled(head, parts, (Bytes::new(), Share::default()), asked, desk))
}

/// The arguments of a message as they were written; all of one that has none.
pub(super) fn arguments_of(body: &Bytes) -> Bytes {
    let text = std::str::from_utf8(body).unwrap_or_default();
    match splice::place(text, &["params", "arguments"]) {
        Some(range) => body.slice(range),
        None => Bytes::new(),
    }
}

/// The message with other arguments, all else as it was. `None` when it has no place for them.
pub(super) fn with_arguments(body: &Bytes, arguments: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(body).ok()?;
    let path = [Box::from("params"), Box::from("arguments")];
    splice::assign(text, &path, std::str::from_utf8(arguments).ok()?).map(Bytes::from)
}

async fn posted(
    head: &Head,
    parts: Parts,
    incoming: Incoming,
    tools: &NamedTools,
    desk: &mut Desk<'_>,
) -> Result<Call, Refusal> {
    note_session(&parts.headers, desk);
    let limit = desk.terms.body_limit(tools.upstream());
    let (bytes, share) = body::collect(&parts, incoming, limit, (desk.terms, desk.room)).await?;
    let reading = read(bytes, share, desk)?;
    let (method, kind) =
        reading.message.method().unwrap_or((methods::RESPONSE, Kind::Notification));
    let is_own = method == methods::RESPONSE || methods::from_client(method, kind).is_some();
    let id = reading.message.id().map(|id| Arc::from(id.raw()));
    note(desk, Mcp { id, is_foreign: !is_own, ..Mcp::unread(method) });
    let era = headers::agree(&parts.headers, &reading.message, &reading.document);
    let era = era.map_err(|mismatch| {
        fault(desk, mcp::HEADER_MISMATCH);
        malformed(mismatch.to_string())
    })?;
    if let Language::Mcp(message) = &mut desk.known.language {
        message.era = era;
    }
    let asked = if method == TOOLS_CALL {
        Asked::of_tool(&reading, &parts.headers, tools, desk)?
    } else {
        let args = match message::params(&reading.document) {
            Some(params) => ArgumentsBuilder::new().body(Value::Object(params).to_document()),
            None => ArgumentsBuilder::new(),
        };
        Asked::of_protocol(method, tools, args, desk)?
    };
    let turn = turn(&parts.headers, &reading.message, tools, desk)?;
    let (run, trace) = placed(&reading.document, head, desk);
    let in_body = InBody::of(&reading.document, reading.message.id().is_some(), era);
    let pinned = asked.pinned.clone();
    let mut call = assembled(head, parts, (reading.text, reading.share), asked, desk);
    call.trace = trace;
    call.message = Some(Box::new(MessageFacts { pinned, turn, run, in_body }));
    match call.standing {
        Standing::Tool => call.keeps_to_contract()?,
        Standing::Protocol => {}
    }
    Ok(call)
}

/// Notes which session and which revision a message says it is of.
fn note_session(fields: &HeaderMap, desk: &mut Desk<'_>) {
    let particulars = &mut desk.known.particulars;
    particulars.revision = headers::revision(fields);
    particulars.session = fields.get(SESSION_HEADER).map(|session| {
        let mut hasher = Hasher::new(desk.terms.digest_key.as_ref());
        hasher.update(session.as_bytes());
        hasher.finish()
    });
}

fn note(desk: &mut Desk<'_>, message: Mcp) {
    desk.known.method = message.method.to_string();
    desk.known.language = Language::Mcp(message);
}

/// Notes which JSON-RPC error answers what follows.
fn fault(desk: &mut Desk<'_>, code: i64) {
    if let Language::Mcp(message) = &mut desk.known.language {
        message.fault = Some(code);
    }
}

/// Below the upstream's name there is one place, and it takes no query.
fn endpoint(target: &Target, desk: &mut Desk<'_>) -> Result<(), Refusal> {
    let below = target.path.split_first().map(|(_, below)| below.canonical()).unwrap_or_default();
    if !matches!(below.as_str(), "" | "/" | ENDPOINT) {
        desk.known.path = Some(target.path.shown());
        let message = format!(
            "There is nothing at {}: messages go to `{ENDPOINT}` below the server's name.",
            target.path.shown()
        );
        return Err(Refusal::without_rule(StopReason::ToolNotAllowed, message));
    }
    if target.query.pairs().next().is_some() {
        return Err(malformed("The address of an MCP server takes no query here."));
    }
    Ok(())
}

fn read(text: Bytes, share: Share, desk: &mut Desk<'_>) -> Result<Reading, Refusal> {
    let Ok(document) = Document::parse(text.clone(), JSON_DEPTH_LIMIT) else {
        fault(desk, mcp::PARSE_ERROR);
        return Err(malformed(message::Fault::Json.to_string()));
    };
    let written = std::str::from_utf8(&text).unwrap_or_default();
    match Message::read(&document, written) {
        Ok(message) => Ok(Reading { message, document, text, share }),
        Err(Unread { fault: wrong, id }) => {
            fault(desk, wrong.code());
            if let Language::Mcp(message) = &mut desk.known.language {
                message.id = id.map(|id| Arc::from(id.raw()));
            }
            Err(malformed(wrong.to_string()))
        }
    }
}

impl Asked {
    /// What is no tool call.
    fn of_protocol(
        method: &str,
        tools: &NamedTools,
        args: ArgumentsBuilder<'_>,
        desk: &mut Desk<'_>,
    ) -> Result<Self, Refusal> {
        let NamedTool { facts: tool, ignored, plan } = tools.message(method);
        desk.known.tool = Some(Arc::clone(&tool));
        let args = args.build().map_err(|fault| malformed(fault.to_string()))?;
        let upstream = Arc::clone(tools.upstream());
        let standing = Standing::Protocol;
        Ok(Self { standing, upstream, tool, ignored, plan, args, pinned: None })
    }

    /// A `tools/call`: the tool that it names, as its server has described it.
    fn of_tool(
        reading: &Reading,
        fields: &HeaderMap,
        tools: &NamedTools,
        desk: &mut Desk<'_>,
    ) -> Result<Self, Refusal> {
        let call = message::tool_call(&reading.document).map_err(|wrong| {
            fault(desk, wrong.code());
            malformed(wrong.to_string())
        })?;
        let upstream = tools.upstream();
        let pins = &desk.ledger.pins;
        name::check(call.name, || pins.is_listed(upstream, call.name)).map_err(|wrong| {
            Refusal::without_rule(StopReason::ToolNotAllowed, sentence(&wrong.to_string()))
        })?;
        let standing = pins.look(&format!("{upstream}.{}", call.name));
        let (pinned, changed) = match standing {
            PinStanding::Unlisted => (None, None),
            PinStanding::NoRoom => {
                let message = "Its server lists more tools than can be remembered, so that nobody \
                               would know if this one changed.";
                return Err(Refusal::without_rule(StopReason::ToolNotAllowed, message));
            }
            PinStanding::Agreed(known) => (Some(known), None),
            PinStanding::Quarantined { agreed, changed } => (Some(agreed), Some(changed)),
        };
        let effect = pinned.as_ref().map_or(Effect::Write, |known| known.effect);
        let found = described(tools.find(call.name, effect), pinned.as_deref());
        let NamedTool { facts: tool, ignored, plan } = found;
        desk.known.tool = Some(Arc::clone(&tool));
        if let Some(changed) = changed {
            return Err(quarantined(&tool.name, &changed));
        }
        if let Some(known) = &pinned {
            headers_agree(known, fields, call.arguments, desk)?;
        }
        let args = match call.arguments {
            Some(arguments) => ArgumentsBuilder::new().body(Value::Object(arguments).to_document()),
            None => ArgumentsBuilder::new(),
        };
        let args = args.build().map_err(|fault| malformed(fault.to_string()))?;
        let upstream = Arc::clone(upstream);
        Ok(Self { standing: Standing::Tool, upstream, tool, ignored, plan, args, pinned })
    }
}

/// A tool with the version and the schemas that its server gave it; the config's own words are
/// stronger.
fn described(found: NamedTool, pinned: Option<&PinnedDefinition>) -> NamedTool {
    let Some(known) = pinned else { return found };
    let NamedTool { facts, ignored, plan } = found;
    let facts = if facts.version.is_empty() {
        Arc::new(ToolFacts { version: Arc::clone(&known.digest), ..(*facts).clone() })
    } else {
        facts
    };
    let plan = match (&plan.contract, &known.contract) {
        (None, Some(contract)) => {
            Arc::new(Plan { contract: Some(Arc::clone(contract)), ..(*plan).clone() })
        }
        (_, _) => plan,
    };
    NamedTool { facts, ignored, plan }
}

/// Fields that repeat arguments are there in the stateless revision only.
fn headers_agree(
    known: &PinnedDefinition,
    fields: &HeaderMap,
    arguments: Option<Object<'_>>,
    desk: &mut Desk<'_>,
) -> Result<(), Refusal> {
    let is_stateless = match &desk.known.language {
        Language::Mcp(message) => message.era == Era::Stateless,
        Language::Http | Language::Llm(_) => false,
    };
    if !is_stateless || known.mirrored.is_empty() {
        return Ok(());
    }
    headers::params_agree(&known.mirrored, fields, arguments).map_err(|mismatch| {
        fault(desk, mcp::HEADER_MISMATCH);
        malformed(mismatch.to_string())
    })
}

fn quarantined(tool: &str, changed: &PinnedDefinition) -> Refusal {
    let message = format!(
        "The server has changed what it says of {tool} since somebody looked at it, and it is not \
         used until somebody has looked again: `toolgate pins approve {tool} --version {}`.",
        changed.digest
    );
    Refusal::without_rule(StopReason::DefinitionChanged, message)
}

/// Sees that no other request with the same id waits in the same session.
fn turn(
    fields: &HeaderMap,
    message: &Message,
    tools: &NamedTools,
    desk: &mut Desk<'_>,
) -> Result<Option<Turn>, Refusal> {
    let session = fields.get(SESSION_HEADER).map(HeaderValue::as_bytes);
    let (Some(session), Some(id)) = (session, message.id()) else { return Ok(None) };
    let session = String::from_utf8_lossy(session);
    let turn = desk.ledger.in_flight.take(tools.upstream(), &session, &id.to_string());
    if turn.is_none() {
        fault(desk, mcp::INVALID_REQUEST);
        let message = "A request with this id waits for its answer: give each one its own.";
        return Err(malformed(message));
    }
    Ok(turn)
}

/// The run and the place in a trace that the body names, which are nearer to the agent than those of
/// the request's head.
fn placed(
    document: &Document,
    head: &Head,
    desk: &mut Desk<'_>,
) -> (Option<(RunId, &'static str)>, TraceContext) {
    let carried = meta::carried(document);
    let parent = carried.traceparent.and_then(TraceParent::parse);
    let session = carried.baggage.text().and_then(|text| baggage::session([text]).ok().flatten());
    let session = session.filter(|id| is_run_id(id));
    let run = match (session, &parent) {
        (Some(id), _) => Some((RunId(Arc::from(&*id)), RunIdSource::Baggage.name())),
        (None, Some(parent)) => {
            Some((RunId(Arc::from(parent.trace_id())), RunIdSource::Traceparent.name()))
        }
        (None, None) => None,
    };
    let Some(parent) = parent else { return (run, head.trace.clone()) };
    let state = carried.tracestate.and_then(|state| TraceState::parse([state]));
    let trace = TraceContext::child_of(Some(&(parent, state.unwrap_or_default())));
    // Where the request stood, which may be a span of what is between the client and here.
    let trace = trace.linked(head.trace.parent());
    desk.known.trace = Some(trace.clone());
    (run, trace)
}

fn assembled(
    head: &Head,
    parts: Parts,
    (body, share): (Bytes, Share),
    asked: Asked,
    desk: &mut Desk<'_>,
) -> Call {
    let Asked { standing, upstream, tool, ignored, plan, args, pinned: _ } = asked;
    let terms = desk.terms;
    let Identity { digest: args_digest, bytes: args_bytes, key } =
        Identity::of(&args, &tool, &ignored, terms, body.len());
    desk.known.args = Some((args_digest, args_bytes));
    Call {
        language: desk.known.language.clone(),
        standing,
        method: parts.method,
        // The upstream's own address is the whole of it.
        path: String::new(),
        query: None,
        headers: parts.headers,
        body,
        share,
        upstream,
        tool,
        args,
        args_bytes,
        key,
        ignored,
        args_digest,
        caller: terms.caller.clone(),
        trace: head.trace.clone(),
        plan,
        textual: Box::default(),
        intended: None,
        message: None,
        order: None,
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}
