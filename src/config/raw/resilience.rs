//! What a config says of tools that fail, as it is written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::Deserializer;

use crate::call::plan::RetryOn;
use crate::yaml::{ByteSize, Field, Period, ScalarFault, parse_scalar};

/// Attempts that are made again. Only calls that are safe to repeat are: reads, writes with an
/// idempotency key, and requests of which nothing was sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included. Default 3; 1 switches retries off.
    pub attempts: Option<Field<u64>>,
    /// After which failures: `connect`, `timeout`, `reset` (closed without an answer) and statuses.
    /// Default `[connect, 429, 502, 503, 504]`.
    pub on: Option<Field<Vec<Field<Condition>>>>,
    /// Retries to a hundred calls of the upstream in the last ten seconds. Default `20%`.
    pub budget: Option<Field<Percent>>,
    /// The longest wait before the second attempt; it doubles with each one, and the wait is drawn
    /// from nothing to it. Default 100ms.
    pub backoff: Option<Field<Period>>,
    /// The longest such wait. Default 5s.
    pub backoff_max: Option<Field<Period>>,
}

/// When a failing tool is given a rest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// Failures that open it. Default 5.
    pub failures: Option<Field<u64>>,
    /// Their least share of the tool's attempts in the same time. Default `50%`.
    pub share: Option<Field<Percent>>,
    /// The time in which they are counted. Default 30s.
    pub within: Option<Field<Period>>,
    /// How long nothing is let through. Default 10s.
    pub open_for: Option<Field<Period>>,
    /// Calls that are let through then, and must all succeed. Default 1.
    pub probes: Option<Field<u64>>,
    /// Whether an answer that says that it failed (`tool_error` of the tool) is such a failure.
    /// Default false.
    pub tool_errors: Option<Field<bool>>,
}

/// The last good answer, given again when the tool is down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// How old it may be. 0s switches it off.
    #[schemars(required)]
    pub stale_for: Option<Field<Period>>,
    /// The longest body that is kept. Default 256KiB.
    pub max_bytes: Option<Field<ByteSize>>,
}

/// How a repetition of a request is told from a new one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// The header whose value says so. The gate adds it to writes that come without.
    #[schemars(required)]
    pub header: Option<Field<String>>,
}

/// A failure after which an attempt may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition(pub RetryOn);

/// A share: `20%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percent(pub u32);

impl Condition {
    fn parse(text: &str) -> Result<Self, ScalarFault> {
        let known = match text {
            "connect" => Some(RetryOn::Connect),
            "timeout" => Some(RetryOn::Timeout),
            "reset" => Some(RetryOn::Reset),
            _ => None,
        };
        let status = || text.parse().ok().filter(|status| is_failure(*status)).map(RetryOn::Status);
        known.or_else(status).map(Self).ok_or_else(|| {
            ScalarFault::new(format!("`{text}` is no failure after which a call is made again"))
                .help("one of `connect`, `timeout`, `reset`, `429`, and `500` to `599`")
        })
    }
}

fn is_failure(status: u16) -> bool {
    status == 429 || (500..600).contains(&status)
}

impl Percent {
    fn parse(text: &str) -> Result<Self, ScalarFault> {
        let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
        number.filter(|percent| *percent <= 100).map(Self).ok_or_else(|| {
            let fault = ScalarFault::new(format!("expected a share, found `{text}`"));
            match text.parse::<u32>() {
                Ok(number) if number <= 100 => fault.help(format!("did you mean `{number}%`?")),
                Ok(_) | Err(_) => fault.help("from `0%` to `100%`"),
            }
        })
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_scalar(deserializer, Self::parse)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_scalar(deserializer, Self::parse)
    }
}

impl JsonSchema for Condition {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Condition")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "anyOf": [
                { "enum": ["connect", "timeout", "reset", 429] },
                { "type": "integer", "minimum": 500, "maximum": 599 }
            ]
        })
    }
}

impl JsonSchema for Percent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Percent")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(100|\\d{1,2})%$",
            "examples": ["20%"]
        })
    }
}
