//! `toolgate.yaml` as it is written. The comments are what editors show.

mod command;
mod evaluate;
mod export;
pub mod resilience;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::{ByteSize, Either, Entries, Field, Period, Shape, Text, Tree};

pub use self::command::Command;
pub use self::evaluate::{Budget, Evaluate};
pub use self::export::{Export, Protocol};

/// The configuration of a gate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The version of the format.
    #[serde(rename = "apiVersion")]
    #[schemars(required)]
    pub api_version: Option<ApiVersion>,
    /// What the file is.
    #[schemars(required)]
    pub kind: Option<Kind>,
    /// Where agents call: an IP address and a port. Default `127.0.0.1:4100`.
    pub listen: Option<Field<String>>,
    /// Where health and metrics are served. Default `127.0.0.1:4101`.
    pub admin: Option<Field<String>>,
    /// Who may ask what of the admin side. Without it a token is made at each start.
    pub admin_tokens: Option<AdminTokens>,
    /// Hosts under which the admin side is reached, beside its own address and those of the loopback
    /// interface: `gate.internal`.
    #[serde(default)]
    pub admin_hosts: Vec<Field<String>>,
    /// A folder for what outlives the gate: kill switches, a made token. Default `./.toolgate`.
    pub state: Option<Field<String>>,
    /// Policy files, and folders below which all `*.yaml` and `*.yml` are policies (`*.test.yaml`
    /// aside), relative to this file.
    #[serde(default)]
    pub policies: Vec<Field<String>>,
    /// What a rule that cannot be evaluated does.
    pub on_error: Option<Field<OnError>>,
    /// The services behind the gate, by name. A call to `/NAME/…` goes to the upstream NAME.
    #[schemars(required)]
    pub upstreams: Option<Field<Entries<Upstream>>>,
    /// A file of what models cost: of its own format, or the public price map of the LiteLLM project.
    pub prices: Option<Field<String>>,
    /// How calls are gathered into runs.
    pub runs: Option<Runs>,
    /// How changes of this file, and of those it names, are found. `SIGHUP` asks for it at once.
    pub reload: Option<Reload>,
    /// What is recorded, and where.
    pub record: Option<Record>,
    /// A judge that is asked about ended runs.
    pub evaluate: Option<Field<Evaluate>>,
    /// Whether is learned what is usual for agents and tools.
    pub drift: Option<Drift>,
    /// Where spans of runs and their calls are sent, and which.
    pub export: Option<Export>,
    /// Labels of all calls on this listener.
    pub caller: Option<Caller>,
    /// How arguments and results are digested.
    pub digest: Option<Digest>,
    /// Bounds on what is accepted.
    pub bounds: Option<Bounds>,
}

/// Tokens of the admin side, each `${env:NAME}` or `${file:PATH}` of at least 16 bytes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminTokens {
    /// Lets its holder look.
    pub read: Option<Text>,
    /// Lets its holder look and act: switch off, approve, stop.
    pub write: Option<Text>,
}

/// The version of the format.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum ApiVersion {
    #[serde(rename = "toolgate/v1")]
    V1,
}

/// What the file is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
pub enum Kind {
    Config,
}

/// What a rule that cannot be evaluated does.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Refuses the call.
    Deny,
}

/// A service behind the gate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Of a plain HTTP API: its URL, `http` or `https`, with the path that stands in front of its
    /// tools' paths.
    pub http: Option<Text>,
    /// Of an MCP server: the URL of its streamable HTTP endpoint, or the command that it is, which
    /// the gate starts. Agents reach it at `/NAME/mcp`.
    pub mcp: Option<Field<Either<Text, Command>>>,
    /// Of a model API: whose it is, or is compatible with.
    pub llm: Option<Field<Provider>>,
    /// Of a model API: its URL, as the provider's SDK takes it: `https://api.openai.com/v1`.
    pub url: Option<Text>,
    /// Its operations. A request that is none of them is refused. Required of `http` without
    /// `openapi`; of `mcp` and `llm`, which name their tools themselves, entries say more of some.
    pub tools: Option<Field<Vec<Field<Tool>>>>,
    /// An OpenAPI document, 3.0 or 3.1, whose operations are tools. An entry of `tools` without
    /// `match` adds to the operation of its name: tags, effect, ignore_args.
    pub openapi: Option<Field<String>>,
    /// What is done about answers that break their schema.
    pub contract: Option<Contract>,
    /// Tags of all its tools, for `tag:NAME` in policies.
    #[serde(default)]
    pub tags: Vec<Field<String>>,
    /// The members of a request's `baggage` that it is given, by name: `[session.id]`. Default: all;
    /// with the tag `untrusted` none.
    pub baggage: Option<Field<Vec<Field<String>>>>,
    /// How long to wait for the head of an answer; short for `timeouts: { response: … }`.
    pub timeout: Option<Field<Period>>,
    /// How long to wait for what.
    pub timeouts: Option<Field<Timeouts>>,
    /// Credentials that are added to requests; agents do not see them.
    pub auth: Option<Field<Auth>>,
    /// Largest body of a request to it, up to 16MiB. Default `bounds.body`; of a model API, 16MiB.
    pub body: Option<Field<ByteSize>>,
    /// How much its tools may answer, unless one says otherwise.
    pub output: Option<Field<Output>>,
    /// PEM file with the certificate authorities to trust instead of the public ones.
    pub ca_file: Option<Field<String>>,
    /// Attempts that are made again, of all its tools. Writes only as far as they are safe to repeat.
    pub retry: Option<Field<resilience::Retry>>,
    /// When its tools, each on its own, are given a rest.
    pub breaker: Option<Field<resilience::Breaker>>,
    /// Most calls to it at a time.
    pub in_flight: Option<Field<u64>>,
    /// The last good answer of its tools that only read, given again when they are down.
    pub fallback: Option<Field<resilience::Fallback>>,
    /// How a repeated write is told from a new one, by all its tools.
    pub idempotency: Option<Field<resilience::Idempotency>>,
    /// What a call to one of its tools costs, in US dollars; with `cost_from`, at most. It is reserved
    /// before the call is forwarded, and charged when the result does not say what the call cost.
    pub cost_usd: Option<Text>,
    /// A CEL number over `result` that is the cost of a call in US dollars: `result.usage.cost`.
    pub cost_from: Option<Text>,
}

/// Whose model API it is, or is compatible with.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Openai,
    Anthropic,
    Gemini,
}

/// What is done about answers that break their schema.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// `observe` passes them on and records it; `refuse` withholds them. Default `observe`.
    pub responses: Option<Field<OnBreach>>,
}

/// What is done about an answer that breaks its schema.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnBreach {
    /// Passes it on and records it.
    Observe,
    /// Withholds it.
    Refuse,
}

/// How much a tool may answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Longest answer that is handed on. Answers are then held back until they are whole.
    #[schemars(required)]
    pub max_bytes: Option<Field<ByteSize>>,
    /// What happens to a longer one. Default `refuse`.
    pub over: Option<Field<Over>>,
}

/// What happens to an answer that is too long.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// It is withheld as a whole.
    Refuse,
}

/// How long to wait for an upstream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// To connect, TLS included. Default 5s.
    pub connect: Option<Field<Period>>,
    /// From the request to the head of the answer. Default 60s; of `mcp` 5m, of `llm` 10m.
    pub response: Option<Field<Period>>,
    /// Between two parts of a body. Default 30s; of `mcp` 5m, of `llm` 10m.
    pub idle: Option<Field<Period>>,
}

/// Credentials: `bearer` alone, or `header` with `value`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Sent as `Authorization: Bearer …`; `${env:NAME}` or `${file:PATH}`.
    pub bearer: Option<Text>,
    /// The header to send.
    pub header: Option<Field<String>>,
    /// Its value, with `${env:NAME}` or `${file:PATH}` in it.
    pub value: Option<Text>,
}

/// An operation of an upstream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name within the upstream: `get` of upstream `crm` is the tool `crm.get`. `{NAME}` takes
    /// the name from the path parameter NAME.
    #[schemars(required)]
    pub name: Option<Text>,
    /// The name that it goes by in place of `UPSTREAM.NAME`, in rules and everywhere else: that of a
    /// tool that is reached in another way too. `payments.refund`.
    pub alias: Option<Text>,
    /// The requests it takes: `GET /customers/{id}`. Left out of an entry that adds to an
    /// operation of `openapi`.
    #[serde(rename = "match")]
    pub pattern: Option<Text>,
    /// A JSON Schema of its arguments.
    pub args: Option<Tree>,
    /// A file with a JSON Schema of its arguments.
    pub schema: Option<Field<String>>,
    /// A JSON Schema of its answers with a status of success.
    pub result: Option<Tree>,
    /// A catalogue of functions, for a tool that is named by its path: each function is a tool, and
    /// a call to another is refused.
    pub schemas: Option<Field<String>>,
    /// Tags, for `tag:NAME` in policies.
    #[serde(default)]
    pub tags: Vec<Field<String>>,
    /// Whether it changes anything. Default: `read` for GET and HEAD, else `write`.
    pub effect: Option<Field<Effect>>,
    /// How much it may answer.
    pub output: Option<Field<Output>>,
    /// Arguments that do not make two calls different to loop detection, such as a timestamp.
    #[serde(default)]
    pub ignore_args: Vec<Field<String>>,
    /// How long to wait for the head of an answer, in place of the upstream's `timeout`.
    pub timeout: Option<Field<Period>>,
    /// In place of the upstream's.
    pub retry: Option<Field<resilience::Retry>>,
    /// In place of the upstream's.
    pub breaker: Option<Field<resilience::Breaker>>,
    /// In place of the upstream's.
    pub fallback: Option<Field<resilience::Fallback>>,
    /// In place of the upstream's.
    pub idempotency: Option<Field<resilience::Idempotency>>,
    /// Tools (`UPSTREAM.TOOL`) of which one success shows what became of a write that was sent and
    /// not answered: until then the same write is refused.
    #[serde(default)]
    pub read_back: Vec<Field<String>>,
    /// Whether an answer says that the call failed, whatever its status: an expression over `result`
    /// and `response`.
    pub tool_error: Option<Text>,
    /// Whether the same write is refused while one is in flight, unless the agent gives each its own
    /// idempotency key. Default: of tools with `read_back` or `idempotency`.
    pub at_most_once: Option<Field<bool>>,
    /// What a call costs, in US dollars; with `cost_from`, at most. It is reserved before the call is
    /// forwarded, and charged when the result does not say what the call cost.
    pub cost_usd: Option<Text>,
    /// A CEL number over `result` that is the cost of a call in US dollars: `result.usage.cost`.
    pub cost_from: Option<Text>,
}

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It does not.
    Read,
    /// It may.
    Write,
}

/// How calls are gathered into runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// A run without a call for this long has ended. Default 10m.
    pub idle_end: Option<Field<Period>>,
    /// Refuses calls without the token of a run that was made with `POST /v1/runs`.
    pub require_token: Option<Field<bool>>,
    /// A header whose value names the run, looked at before the well-known ones.
    pub header: Option<Field<String>>,
}

/// How changes of this file, and of those it names, are found.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reload {
    /// Whether to act on the file system's notices. Default true.
    pub watch: Option<Field<bool>>,
    /// How often to look at the files without a notice; `0s` for never. Default 30s.
    pub poll: Option<Field<Period>>,
}

/// What is usual for agents and tools: calls and tokens per run, latencies, errors, stop reasons, the
/// structure of answers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Whether it is learned, and told of when something moves away from it. Default true.
    pub enabled: Option<Field<bool>>,
}

/// What is recorded, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// `stdout`, or a file that one JSON object a call is appended to. Default `stdout`.
    pub events: Option<Field<String>>,
    /// Whether arguments, results, prompts and completions are recorded on spans. Default `none`.
    pub bodies: Option<Field<Bodies>>,
}

/// Whether contents are recorded. `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` in the
/// environment narrows it, or chooses the place, and never widens it.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    /// Never.
    None,
    /// Without what detectors find, and without values whose names say that they are secret; of each
    /// text 16 KiB.
    Redacted,
    /// As they are; of each text 16 KiB.
    Full,
}

/// Labels of all calls on this listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// `caller.tenant` in rules.
    pub tenant: Option<Text>,
    /// `caller.project` in rules.
    pub project: Option<Text>,
    /// `caller.user` in rules.
    pub user: Option<Text>,
    /// `caller.agent` in rules.
    pub agent: Option<Text>,
}

/// How arguments and results are digested.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// Makes digests an HMAC, for arguments that could be guessed; `${env:NAME}` or
    /// `${file:PATH}`, at least 16 bytes.
    pub key: Option<Text>,
}

/// Bounds on what is accepted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Largest body of a request. Default 1MiB.
    pub body: Option<Field<ByteSize>>,
    /// Largest head of a request: its first line and headers. Default 16KiB.
    pub head: Option<Field<ByteSize>>,
    /// Most headers of a request. Default 64.
    pub headers: Option<Field<u64>>,
    /// Most connections at a time. Default 1024.
    pub connections: Option<Field<u64>>,
    /// Most runs remembered at a time. Default 10000.
    pub live_runs: Option<Field<u64>>,
    /// How long a request's head may take to arrive. Default 10s.
    pub header_time: Option<Field<Period>>,
    /// How long a request's body may take to arrive, and a client may take nothing of an answer.
    /// Default 15s.
    pub body_time: Option<Field<Period>>,
    /// How long calls may go on after the gate was told to stop. Default 25s.
    pub drain: Option<Field<Period>>,
}

/// Required keys, and those of later versions.
pub const SHAPE: Shape = Shape {
    required: &[
        ("Config", &["apiVersion", "kind", "upstreams"]),
        ("Tool", &["name"]),
        ("Command", &["command"]),
        ("Output", &["max_bytes"]),
        ("Evaluate", &["judge", "model", "rubrics"]),
        ("Fallback", &["stale_for"]),
        ("Idempotency", &["header"]),
        ("Export", &["otlp"]),
    ],
    planned: &[
        ("Config", &["approvals", "ledger", "tls", "schema"]),
        ("Upstream", &["listen"]),
        ("Tool", &["in_flight"]),
        ("Record", &["store", "retention", "snapshots", "sample", "on"]),
    ],
};
