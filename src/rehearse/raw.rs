//! A policy test as it is written: kind `PolicyTest`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::DateTime;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::policy::raw::ApiVersion;
use crate::yaml::{Entries, Field, Period, ScalarFault, Shape, Text, parse_scalar};

/// What the types of a test file do not say.
pub const SHAPE: Shape = Shape {
    required: &[
        ("RawPolicyTest", &["apiVersion", "kind", "policies"]),
        ("RawTest", &["name", "steps"]),
        ("RawStep", &["call"]),
    ],
    planned: &[],
};

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum PolicyTestKind {
    PolicyTest,
}

/// Calls with the answers their tools would give, and what the policies must say to them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPolicyTest {
    #[serde(rename = "apiVersion")]
    pub api_version: ApiVersion,
    pub kind: PolicyTestKind,
    /// Files and folders of policies, relative to this file.
    pub policies: Field<Vec<Field<String>>>,
    /// What is known of tools. A tool that is not listed writes and has no tags.
    #[serde(default)]
    pub tools: Entries<RawTool>,
    /// Who calls, unless a test says otherwise.
    #[serde(default)]
    pub caller: RawCaller,
    /// When the tests begin, unless a test says otherwise: `2026-03-02T10:00:00Z`.
    pub now: Option<Timestamp>,
    #[serde(default)]
    pub tests: Vec<RawTest>,
}

/// What is known of a tool.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTool {
    /// `write` when absent.
    pub effect: Option<RawEffect>,
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Whether a tool changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawEffect {
    Read,
    Write,
}

/// Who calls. What is absent is empty.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawCaller {
    pub tenant: String,
    pub project: String,
    pub user: String,
    pub agent: String,
}

/// One run.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTest {
    /// Unique in its file.
    pub name: Field<String>,
    /// Who calls, instead of the file's caller.
    pub caller: Option<RawCaller>,
    /// What the run is labelled with: `run.labels`.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// When the run begins, instead of the file's `now`.
    pub now: Option<Timestamp>,
    pub steps: Field<Vec<Field<RawStep>>>,
}

/// One call. Without `expect` it must pass.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawStep {
    /// The tool: `server.operation`.
    pub call: Field<String>,
    #[serde(default)]
    #[schemars(with = "Map<String, Value>")]
    pub args: Map<String, Value>,
    /// What the tool answers; `{}` when absent.
    pub result: Option<Field<Value>>,
    /// The arguments as the tool must get them, after `set` and `redact`.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub expect_args: Option<Field<Value>>,
    /// The result as the agent must get it, after `redact`.
    pub expect_result: Option<Field<Value>>,
    /// The status the tool answers with; 200 when absent. From 400 on the call has failed.
    pub status: Option<Field<u16>>,
    /// How the call fails without an answer.
    pub error: Option<Field<RawError>>,
    /// What the call costs, in US dollars; nothing when absent.
    pub cost_usd: Option<Text>,
    /// Tokens that the call uses; none when absent.
    pub tokens: Option<u64>,
    /// How much later than the call before.
    pub advance: Option<Period>,
    /// How often the call is made, each time with the same expectation; once when absent.
    pub repeat: Option<Field<u32>>,
    /// What the gate must say.
    pub expect: Option<Field<RawExpect>>,
    /// The rule or limit that must say it: its id, or `policy/id`.
    pub rule: Option<Field<String>>,
    /// The stop reason of the refusal.
    pub reason: Option<Field<String>>,
    /// A part of what the model must be told.
    pub message: Option<Field<String>>,
    /// Exactly the rules and limits in observe mode that would have acted.
    pub observed: Option<Field<Vec<Field<String>>>>,
}

/// How a call fails without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawError {
    /// The tool did not answer in time.
    Timeout,
    /// The tool could not be reached.
    Connect,
    /// The answer was no HTTP.
    MalformedResponse,
}

/// What the gate says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RawExpect {
    /// It passes, and nothing is said.
    Allow,
    /// It passes with a warning.
    Warn,
    /// It is refused until a human has approved it.
    Approve,
    /// It is refused.
    Deny,
    /// It is refused and the run ends.
    Stop,
}

/// A moment as RFC 3339 writes it, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub i64);

impl Timestamp {
    fn parse(text: &str) -> Result<Self, ScalarFault> {
        match DateTime::parse_from_rfc3339(text) {
            Ok(moment) => Ok(Self(moment.timestamp_millis())),
            Err(_) => Err(ScalarFault::new(format!("expected a moment, found `{text}`"))
                .help("for example `2026-03-02T10:00:00Z`")),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_scalar(deserializer, Self::parse)
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}
