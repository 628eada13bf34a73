//! The upstreams of a config: where they are, what they can do, and how they are called.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};

use super::contracts::{self, Documented, Given};
use super::operation::Pattern;
use super::raw;
use super::reads::Reads;
use super::settings::{Auth, Kind, Operation, Timeouts, Tool, Upstream};
use super::validate::{Check, secret, size};
use super::{alias, codes, command, cost, kind, labels, named, resilience};
use crate::call::Plan;
use crate::call::plan::OutputPlan;
use crate::contract::{Definition, OnBreach};
use crate::forward::RESULT_CAPTURE_LIMIT_BYTES;
use crate::identify::baggage::Pass;
use crate::policy::view::Effect;
use crate::yaml::{
    self, Diagnostic, Either, Entries, Field, Period, ScalarFault, Source, Span, Text,
};

/// Largest file of certificates.
const CA_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// Allowed bounds on answers: they are held in memory until they are whole.
const OUTPUT_RANGE_BYTES: (u64, u64) = (1, 64 << 20);

/// Largest body that an upstream may take in place of `bounds.body`: a quarter of the memory for all
/// bodies, so that one always finds room. Conversations with pictures are long.
const BODY_LIMIT_BYTES: usize = 16 << 20;

/// The tag of upstreams that are told no more than they have to be.
const UNTRUSTED: &str = "untrusted";

/// Allowed lengths of every timeout.
pub(super) const TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(24 * 3_600));

/// What an upstream says of all its tools.
pub(super) struct Common {
    pub tags: Vec<Arc<str>>,
    pub resilience: resilience::Shared,
    pub cost: cost::Written,
    pub output: OutputPlan,
}

impl Common {
    pub(super) fn of(raw: &raw::Upstream, check: &mut Check<'_>) -> Self {
        Self {
            tags: tags(&raw.tags, check),
            resilience: resilience::shared(raw, check),
            cost: cost::shared(raw, check),
            output: output(raw.output.as_ref(), check).unwrap_or_default(),
        }
    }
}

/// A tool with its pattern, while its upstream is put together.
struct Draft {
    name: String,
    source: Arc<Source>,
    span: Span,
    pattern: Pattern,
    tool: Tool,
}

/// The upstreams that could be made; faults are reported.
pub(super) fn upstreams(
    raw: &Field<Entries<raw::Upstream>>,
    check: &mut Check<'_>,
) -> Vec<Upstream> {
    if raw.value.0.is_empty() {
        let text = ScalarFault::new("no upstreams: there is nothing to forward calls to");
        check.fault(codes::EMPTY, raw.span, text);
    }
    let ends = raw.value.iter().skip(1).map(|(name, _)| name.span.start).chain([usize::MAX]);
    let entries = raw.value.iter().zip(ends);
    let place = |name: &Field<String>, end| Span { start: name.span.start, end };
    let mut built: Vec<Upstream> = entries
        .filter_map(|((name, raw), end)| upstream(name, raw, place(name, end), check))
        .collect();
    alias::join(&raw.value, &mut built, check);
    resilience::check_read_backs(&raw.value, &built, check);
    built
}

fn upstream(
    name: &Field<String>,
    raw: &raw::Upstream,
    place: Span,
    check: &mut Check<'_>,
) -> Option<Upstream> {
    check.ok(codes::NAME, name.span, labels::upstream(&name.value));
    let damaged = check.is_damaged(place);
    let (kind, target) = kind::kind(name, raw, damaged, check);
    let (tools, named) = match kind {
        None | Some(Kind::Http) => (tools(name, raw, place, check), None),
        Some(kind @ (Kind::Mcp | Kind::Llm(_))) => {
            (Some(Vec::new()), Some(named::named(raw, kind, check)))
        }
    };
    let timeouts = timeouts(raw, kind, check);
    let auth = raw.auth.as_ref().and_then(|raw| auth(raw, check));
    let ca_pem = raw.ca_file.as_ref().and_then(|field| {
        let read = read_certificates(&check.path(&field.value), check.secrets.reads);
        check.ok(codes::FILE, field.span, read)
    });
    let command = match raw.mcp.as_ref().map(|field| &field.value) {
        Some(Either::Long(raw)) => Some(command::command(&name.value, raw, check)?),
        Some(Either::Short(_)) | None => None,
    };
    let (kind, target) = (kind?, target?);
    if command.is_some()
        && let Some(header) = raw.auth.as_ref().map(|auth| auth.span)
    {
        let text = ScalarFault::new("a command takes no `auth`");
        check.fault(codes::CONFLICT, header, text.help("give it what it needs in `env`"));
    }
    if let Some(field) = &raw.ca_file
        && target.scheme == http::uri::Scheme::HTTP
    {
        let text = ScalarFault::new("`ca_file` needs an `https` URL");
        check.fault(codes::CONFLICT, field.span, text);
    }
    Some(Upstream {
        name: Arc::from(name.value.as_str()),
        scheme: target.scheme,
        authority: target.authority,
        command,
        base_path: Arc::from(target.base_path),
        kind,
        tools: tools?,
        named: named.unwrap_or_default(),
        body_limit_bytes: body_limit(raw, kind, check),
        timeouts,
        auth,
        baggage: baggage(raw, check),
        ca_pem,
    })
}

/// What it is given of baggage: what is said, else all, or nothing where it is not trusted.
fn baggage(raw: &raw::Upstream, check: &mut Check<'_>) -> Pass {
    let Some(listed) = &raw.baggage else {
        let is_untrusted = raw.tags.iter().any(|tag| tag.value == UNTRUSTED);
        return if is_untrusted { Pass::Only(Arc::from([])) } else { Pass::All };
    };
    for field in &listed.value {
        check.ok(codes::NAME, field.span, labels::baggage(&field.value));
    }
    Pass::Only(listed.value.iter().map(|field| Arc::from(field.value.as_str())).collect())
}

fn tools(
    upstream: &Field<String>,
    raw: &raw::Upstream,
    place: Span,
    check: &mut Check<'_>,
) -> Option<Vec<Tool>> {
    let Documented { given, entries } = contracts::documented(raw, check);
    if let Some(listed) = raw.tools.as_ref().filter(|listed| listed.value.is_empty())
        && raw.openapi.is_none()
    {
        let text = format!("`{}` has no tools: every call to it is refused", upstream.value);
        let help = "for example `- { name: get, match: \"GET /customers/{id}\" }`";
        check.fault(codes::EMPTY, listed.span, ScalarFault::new(text).help(help));
    }
    if raw.tools.is_none() && raw.openapi.is_none() {
        if raw.http.is_some() && !check.is_damaged(place) {
            let text = ScalarFault::new("missing key `tools`");
            check.fault(yaml::codes::MISSING_KEY, upstream.span, text);
        }
        return None;
    }
    let common = Common::of(raw, check);
    let mut drafts = Drafts { raw, common, drafts: Vec::new() };
    for field in raw.tools.iter().flat_map(|listed| &listed.value) {
        let adds = raw.openapi.is_some() && field.value.pattern.is_none();
        if field.value.schemas.is_some() {
            for given in contracts::catalogued(&field.value, check) {
                drafts.add(&field.value, Some(given), check);
            }
        } else if !adds {
            missing_match(field, check);
            drafts.add(&field.value, None, check);
        }
    }
    let alone = raw::Tool::default();
    for given in given {
        let entry = entries.get(given.definition.name.as_str()).copied().unwrap_or(&alone);
        drafts.add(entry, Some(given), check);
    }
    let mut drafts = drafts.drafts;
    drafts.sort_by(|a, b| a.pattern.template.by_specificity(&b.pattern.template));
    Some(drafts.into_iter().map(|draft| draft.tool).collect())
}

/// Says that a tool has no `match`, unless something was said of it already.
fn missing_match(field: &Field<raw::Tool>, check: &mut Check<'_>) {
    if field.value.pattern.is_none() && !check.is_damaged(field.span) {
        let text = ScalarFault::new("missing key `match`");
        check.fault(yaml::codes::MISSING_KEY, field.span, text);
    }
}

/// The tools of an upstream, as they come together.
struct Drafts<'r> {
    raw: &'r raw::Upstream,
    common: Common,
    drafts: Vec<Draft>,
}

impl Drafts<'_> {
    /// Adds what an entry of `tools` says, about a tool of a file if there is one.
    fn add(&mut self, raw: &raw::Tool, given: Option<Given>, check: &mut Check<'_>) {
        let breach = contracts::on_breach(self.raw);
        let Some(draft) = tool(raw, given, &self.common, breach, check) else { return };
        if let Some(text) = clash(&draft, &self.drafts) {
            let mut fault = Diagnostic::error(codes::OVERLAP, text.message);
            fault.help = text.help;
            check.faults.push(fault.at(&draft.source, draft.span));
        }
        self.drafts.push(draft);
    }
}

/// What a tool has in common with one before it that only one of them can have.
fn clash(draft: &Draft, before: &[Draft]) -> Option<ScalarFault> {
    let place = |other: &Draft| {
        let line = other.source.line_column(other.span.start).0;
        let elsewhere = !Arc::ptr_eq(&other.source, &draft.source);
        if elsewhere { format!("{line} of {}", other.source.name) } else { line.to_string() }
    };
    if let Some(other) = before.iter().find(|other| other.pattern.same_requests(&draft.pattern)) {
        let text = format!("takes the same requests as `{}` on line {}", other.name, place(other));
        return Some(ScalarFault::new(text).help("remove one, or make their paths differ"));
    }
    let named = |other: &&Draft| {
        matches!(draft.tool.operation, Operation::Named(_))
            && other.tool.operation == draft.tool.operation
    };
    let other = before.iter().find(named)?;
    let text = format!("the name `{}` is taken on line {}", draft.name, place(other));
    Some(ScalarFault::new(text).help("give each tool a name of its own"))
}

fn tool(
    raw: &raw::Tool,
    given: Option<Given>,
    common: &Common,
    breach: OnBreach,
    check: &mut Check<'_>,
) -> Option<Draft> {
    let named = match given {
        Some(given) => Some(given),
        None => named_here(raw, check),
    };
    let own = tags(&raw.tags, check);
    for field in &raw.ignore_args {
        check.ok(codes::NAME, field.span, labels::label(&field.value));
    }
    let Given { operation, pattern, effect, definition, source, span } = named?;
    let name = match &operation {
        Operation::Named(name) => name.to_string(),
        Operation::FromPath(parameter) => format!("{{{parameter}}}"),
    };
    let declared = contracts::own(raw, &name, check).or(Some(definition));
    let declared =
        declared.filter(|declared| !declared.args.is_empty() || !declared.results.is_empty());
    let contract =
        declared.and_then(|declared| contracts::contract(&declared, breach, &source, span, check));
    let effect = match raw.effect.map(|field| field.value) {
        Some(raw::Effect::Read) => Effect::Read,
        Some(raw::Effect::Write) => Effect::Write,
        None => effect.unwrap_or(match pattern.method {
            // Safe methods but OPTIONS (RFC 9110, section 9.2.1), which says little of a tool.
            Method::GET | Method::HEAD => Effect::Read,
            _ => Effect::Write,
        }),
    };
    let new = own.iter().filter(|tag| !common.tags.contains(tag));
    let cost = cost::of_tool(raw, &common.cost, check);
    let resilience = resilience::of_tool(raw, effect, &common.resilience, check);
    let output = output(raw.output.as_ref(), check).unwrap_or(common.output);
    let alias = alias::read(raw.alias.as_ref(), &name, check);
    let tool = Tool {
        operation,
        alias,
        method: pattern.method.clone(),
        path: Arc::from(pattern.path.as_str()),
        template: pattern.template.clone(),
        tags: common.tags.iter().chain(new).cloned().collect(),
        effect,
        ignore_args: raw.ignore_args.iter().map(|field| Arc::from(field.value.as_str())).collect(),
        plan: Arc::new(Plan { cost, contract, resilience, output }),
    };
    Some(Draft { name, source, span, pattern, tool })
}

/// The tool that an entry of `tools` names itself.
fn named_here(raw: &raw::Tool, check: &mut Check<'_>) -> Option<Given> {
    let pattern =
        raw.pattern.as_ref().and_then(|text| match Pattern::parse(text.value.trim_end()) {
            Ok(pattern) => Some(pattern),
            Err(fault) => {
                let span = text.locate(fault.range);
                let text = ScalarFault { message: fault.message, help: fault.help };
                check.fault(codes::MATCH, span, text);
                None
            }
        });
    let name = raw.name.as_ref();
    let operation = name.and_then(|name| operation(name, pattern.as_ref(), check));
    Some(Given {
        operation: operation?,
        pattern: pattern?,
        effect: None,
        definition: Definition::default(),
        source: Arc::clone(check.source),
        span: name?.span,
    })
}

/// How much a request to it may bring.
fn body_limit(raw: &raw::Upstream, kind: Kind, check: &mut Check<'_>) -> Option<usize> {
    let range = (1, BODY_LIMIT_BYTES as u64);
    match (raw.body, kind) {
        (Some(field), _) => Some(size(check, Some(field), BODY_LIMIT_BYTES, range)),
        (None, Kind::Llm(_)) => Some(BODY_LIMIT_BYTES),
        (None, Kind::Http | Kind::Mcp) => None,
    }
}

/// How much a tool may answer.
pub(super) fn output(
    raw: Option<&Field<raw::Output>>,
    check: &mut Check<'_>,
) -> Option<OutputPlan> {
    let raw::Output { max_bytes, over } = &raw?.value;
    match over.map(|over| over.value) {
        Some(raw::Over::Refuse) | None => {}
    }
    let field = max_bytes.as_ref().copied()?;
    let limit = size(check, Some(field), RESULT_CAPTURE_LIMIT_BYTES, OUTPUT_RANGE_BYTES);
    Some(OutputPlan { max_bytes: Some(limit) })
}

/// A plain name, or `{parameter}`. Without a pattern, a parameter cannot be checked.
fn operation(name: &Text, pattern: Option<&Pattern>, check: &mut Check<'_>) -> Option<Operation> {
    let inside = name.value.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(parameter) = inside else {
        check.ok(codes::NAME, name.span, labels::operation(&name.value))?;
        return Some(Operation::Named(Arc::from(name.value.as_str())));
    };
    let pattern = pattern?;
    if pattern.template.parameters().any(|known| known == parameter) {
        return Some(Operation::FromPath(Arc::from(parameter)));
    }
    let fault = ScalarFault::new(format!("the path has no parameter `{{{parameter}}}`"));
    let close = yaml::closest(parameter, pattern.template.parameters());
    let known = close.or_else(|| pattern.template.parameters().next());
    let fault = match known {
        Some(known) => fault.help(format!("did you mean `{{{known}}}`?")),
        None => fault.help(format!("for example `POST /tools/{{{parameter}}}`")),
    };
    check.fault(codes::NAME, name.span, fault);
    None
}

/// The tags, each once.
pub(super) fn tags(fields: &[Field<String>], check: &mut Check<'_>) -> Vec<Arc<str>> {
    let mut tags: Vec<Arc<str>> = Vec::new();
    for field in fields {
        check.ok(codes::NAME, field.span, labels::tag(&field.value));
        if !tags.iter().any(|tag| **tag == *field.value) {
            tags.push(Arc::from(field.value.as_str()));
        }
    }
    tags
}

fn timeouts(raw: &raw::Upstream, kind: Option<Kind>, check: &mut Check<'_>) -> Timeouts {
    let default = Timeouts::of(kind.unwrap_or(Kind::Http));
    let parts = raw.timeouts.as_ref().map(|field| &field.value);
    if let (Some(short), Some(_)) = (&raw.timeout, parts.and_then(|parts| parts.response.as_ref()))
    {
        let text = ScalarFault::new("`timeout` and `timeouts.response` are the same")
            .help("keep one of them");
        check.fault(codes::CONFLICT, short.span, text);
    }
    let part = |field: fn(&raw::Timeouts) -> Option<&Field<Period>>| parts.and_then(field);
    let response = raw.timeout.as_ref().or_else(|| part(|parts| parts.response.as_ref()));
    Timeouts {
        connect: check.time(part(|parts| parts.connect.as_ref()), default.connect, TIMEOUT_RANGE),
        response: check.time(response, default.response, TIMEOUT_RANGE),
        idle: check.time(part(|parts| parts.idle.as_ref()), default.idle, TIMEOUT_RANGE),
    }
}

pub(super) fn auth(raw: &Field<raw::Auth>, check: &mut Check<'_>) -> Option<Auth> {
    let raw::Auth { bearer, header, value } = &raw.value;
    let (header, text, prefix) = match (bearer, header, value) {
        (Some(bearer), None, None) => (http::header::AUTHORIZATION, bearer, "Bearer "),
        (None, Some(header), Some(value)) => (self::header(header, check)?, value, ""),
        (Some(_), _, _) | (None, Some(_), None) | (None, None, _) => {
            let fault = ScalarFault::new("expected `bearer`, or `header` with `value`")
                .help("for example `auth: { bearer: \"${env:TOKEN}\" }`");
            check.fault(codes::CONFLICT, raw.span, fault);
            return None;
        }
    };
    let value = secret(text, check)?;
    let value = SecretString::from(format!("{prefix}{}", value.expose_secret()));
    if HeaderValue::from_str(value.expose_secret()).is_err() {
        let fault = ScalarFault::new("the secret has characters that cannot stand in a header");
        check.fault(codes::HEADER, text.span, fault);
    }
    Some(Auth { header, value })
}

fn header(field: &Field<String>, check: &mut Check<'_>) -> Option<HeaderName> {
    check.header(field, &[])
}

pub(super) fn read_certificates(path: &Path, reads: &Reads) -> Result<Arc<[u8]>, ScalarFault> {
    let shown = path.display();
    let failed =
        |error: std::io::Error| ScalarFault::new(format!("`{shown}` cannot be read: {error}"));
    let bytes = reads.file(path, CA_LIMIT_BYTES).map_err(failed)?;
    if bytes.len() as u64 > CA_LIMIT_BYTES {
        return Err(ScalarFault::new(format!("`{shown}` is larger than {CA_LIMIT_BYTES} bytes")));
    }
    let begin = b"-----BEGIN CERTIFICATE-----";
    if !bytes.windows(begin.len()).any(|window| window == begin) {
        return Err(ScalarFault::new(format!("`{shown}` holds no PEM certificate")));
    }
    Ok(Arc::from(bytes))
}
