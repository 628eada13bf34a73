//! A policy file as it is written: kind `Policy`, before anything is checked but its shape.
//!
//! Keys and words that the format knows but this version does not act on stand in [`SHAPE`], so that
//! they are refused by name.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::yaml::{Entries, Field, Period, Shape, Text, Tree};

/// What the types of a policy file do not say.
pub const SHAPE: Shape = Shape {
    required: &[
        ("RawPolicy", &["apiVersion", "kind", "metadata"]),
        ("RawMetadata", &["name"]),
        ("RawRule", &["id"]),
        ("RawRequirement", &["call"]),
        ("RawLimit", &["id", "per", "max", "then"]),
    ],
    planned: &[],
};

/// The version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ApiVersion {
    #[serde(rename = "toolgate/v1")]
    V1,
}

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PolicyKind {
    Policy,
}

/// Rules and limits over the calls of a run. The order of files and of rules never matters:
/// stop outranks deny, deny outranks approve, approve outranks warn, warn outranks allow.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    #[serde(rename = "apiVersion")]
    pub api_version: ApiVersion,
    pub kind: PolicyKind,
    pub metadata: RawMetadata,
    /// How seriously all rules and limits of the file are taken; `enforce` when absent.
    pub mode: Option<Field<RawMode>>,
    /// Refuse every call that no `allow` rule lets pass. One policy of all may set it.
    pub default: Option<Field<RawDefault>>,
    #[serde(default)]
    pub rules: Vec<Field<RawRule>>,
    #[serde(default)]
    pub limits: Vec<Field<RawLimit>>,
}

/// What the policy is called and whom to ask about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMetadata {
    /// Unique among all policies; agents and records see `NAME/RULE-ID`.
    pub name: Field<String>,
    pub owner: Option<String>,
    pub description: Option<String>,
}

/// How seriously a rule is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawMode {
    /// Evaluate and record what would have happened; never act.
    Observe,
    /// Act.
    Enforce,
    /// Check when loading, then leave out.
    Off,
}

/// What happens to calls that nothing allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawDefault {
    Deny,
}

/// Fires when `when` holds and, if there are `requires`, one of them is missing or, if there is a
/// `schema`, the result does not satisfy it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRule {
    /// Unique among all policies; agents and records see it.
    pub id: Field<String>,
    /// Globs over `server.operation`, or `tag:NAME`; absent means every tool.
    pub tools: Option<Field<Vec<Field<String>>>>,
    /// `call`, which is also meant when it is absent, or `result`.
    pub phase: Option<Field<RawPhase>>,
    /// A CEL boolean; absent means always.
    pub when: Option<Text>,
    /// Calls that must have completed successfully earlier in this run.
    pub requires: Option<Field<Vec<RawRequirement>>>,
    /// With `phase: result`: a JSON Schema that the result must satisfy; the rule fires on one that
    /// does not. An answer that is not JSON is text.
    pub schema: Option<Tree>,
    /// What the rule does when it fires. A rule has `then`, or `set`, `redact` or both.
    pub then: Option<Field<RawVerb>>,
    /// New values of arguments, by path: `args.limit: "100"`. Each is a CEL expression.
    #[schemars(with = "Option<Entries<String>>")]
    pub set: Option<Field<Entries<Text>>>,
    /// What is taken out of the arguments or the result.
    pub redact: Option<Field<RawRedact>>,
    /// What the model is told; `{…}` interpolates CEL. Required with `approve`, `deny`
    /// and `stop`.
    pub message: Option<Text>,
    /// Overrides the policy's mode.
    pub mode: Option<Field<RawMode>>,
    /// With `then: approve`: who may approve; shown to whoever decides.
    pub approvers: Option<Field<Vec<Field<String>>>>,
    /// With `then: approve`: how long an approval may stay undecided and, once decided, unused.
    /// Default 1h.
    pub expires: Option<Field<Period>>,
    /// `none`: a refusal does not say which values would have passed.
    pub explain: Option<Field<RawExplain>>,
    /// With `then: deny` or `stop`: MCP clients are told that there is no such tool, and a rule
    /// without conditions takes it out of lists of tools.
    pub conceal: Option<Field<bool>>,
}

/// When a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawPhase {
    /// Before the call is forwarded.
    Call,
    /// Before the answer reaches the agent.
    Result,
}

/// What is taken out: what a detector finds, a value at a path, or what a detector finds there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRedact {
    /// What to look for.
    pub detector: Option<Field<RawDetector>>,
    /// Where it stands: `args.…`, or `result.…` in `phase: result`; `[*]` for every element.
    pub path: Option<Text>,
    /// What is put in its place; `[DETECTOR]` or `[redacted]` when absent.
    pub with: Option<Field<String>>,
}

/// What to look for in texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDetector {
    /// A PEM block of a private key.
    PrivateKey,
    /// A JSON Web Token.
    Jwt,
    /// An access key of AWS.
    AwsKey,
    /// A token of GitHub.
    GithubToken,
    /// A token of Slack.
    SlackToken,
    /// A key of a well-known service.
    ApiKey,
    /// All of the above.
    Secret,
    /// An international bank account number.
    Iban,
    /// A card number.
    CardNumber,
    /// A mail address.
    Email,
    /// A social security number of the United States.
    UsSsn,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// A phone number.
    Phone,
}

/// What a rule or limit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawVerb {
    /// Lift `default: deny` for this call.
    Allow,
    /// Let the call pass and tell the agent.
    Warn,
    /// Refuse the call until a human has approved it.
    Approve,
    /// Refuse the call.
    Deny,
    /// Refuse the call and end the run.
    Stop,
}

/// What a refusal says about values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawExplain {
    None,
}

/// An earlier call that must have completed successfully in this run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRequirement {
    /// A glob over `server.operation`.
    pub call: Field<String>,
    /// How long ago at most, such as `30m`.
    pub within: Option<Field<Period>>,
    /// A CEL boolean that sees the earlier call as `prior`.
    pub r#where: Option<Text>,
    /// How many such calls; 1 when absent.
    pub count: Option<Field<u64>>,
    /// The most recent such call must be the one that satisfies `where` and `within`.
    pub last: Option<Field<bool>>,
}

/// A budget that calls draw on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawLimit {
    /// Unique among all policies; agents and records see it.
    pub id: Field<String>,
    /// What is counted together: `run`, `tool`, `agent`, `user`, `tenant`, `project`, `global`, or what
    /// a CEL expression gives, such as `args.account_id`.
    #[schemars(with = "PerSchema")]
    pub per: Text,
    /// Globs over `server.operation`, or `tag:NAME`; absent means every tool.
    pub tools: Option<Field<Vec<Field<String>>>>,
    /// Measures with their maxima; the limit is reached when one of them is.
    #[schemars(with = "MaxSchema")]
    pub max: Field<Entries<Text>>,
    /// A sliding window: a duration such as `24h`, or `20 steps`. Absent means the lifetime of what
    /// `per` names.
    pub within: Option<Text>,
    /// The share of the maximum from which on the agent is told, such as `0.8`.
    pub warn_at: Option<Text>,
    /// What happens to a call beyond the maximum.
    pub then: Field<RawVerb>,
    /// What the model is told; `{…}` interpolates CEL.
    pub message: Option<Text>,
    /// Overrides the policy's mode.
    pub mode: Option<Field<RawMode>>,
    /// With `then: approve`: who may approve; shown to whoever decides.
    pub approvers: Option<Field<Vec<Field<String>>>>,
    /// With `then: approve`: how long an approval may stay undecided and, once decided, unused.
    /// Default 1h.
    pub expires: Option<Field<Period>>,
    /// `none`: a refusal does not say what the maximum is.
    pub explain: Option<Field<RawExplain>>,
}

/// What `per` takes, for editors.
struct PerSchema;

impl JsonSchema for PerSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Per")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "examples": ["run", "tool", "agent", "user", "tenant", "project", "global", "args.id"]
        })
    }
}

/// The measures that `max` takes, for editors.
#[derive(JsonSchema)]
#[schemars(extend("patternProperties" = {
    "^(sum|distinct)\\(.*\\)$": { "type": "number", "description": "Of an expression over admitted calls." }
}))]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is used")]
struct MaxSchema {
    /// Calls admitted.
    calls: Option<u64>,
    /// What calls cost, in US dollars.
    cost_usd: Option<f64>,
    /// Tokens that calls used.
    tokens: Option<u64>,
    /// Time since the run's first call, such as `15m`.
    wall_time: Option<String>,
    /// Calls in a time, such as `5/s`.
    rate: Option<String>,
    /// Calls of a `rate` that may come at once.
    burst: Option<u32>,
    /// Calls admitted and not ended.
    in_flight: Option<u64>,
    /// Calls with the same tool, the same arguments and the same result.
    identical_calls: Option<u32>,
    /// Repetitions of the shortest cycle of calls at the end of the run.
    cycle_repeats: Option<u32>,
    /// Refused calls.
    denials: Option<u64>,
    /// Refusals by one and the same rule.
    denials_same_rule: Option<u64>,
    /// Forwarded calls that failed.
    errors: Option<u64>,
}
