//! The variables of an expression that are not `args`: facts of the tool, the call, the run and the
//! caller, each with its type and its value.

use super::time::timestamp_of_millis;
use super::types::Type;
use super::value::{List, Map, Text, Value};
use crate::policy::view::Env;

/// One fact, as `tool.name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    ToolName,
    ToolServer,
    ToolOperation,
    ToolTags,
    ToolEffect,
    ToolVersion,
    CallProtocol,
    CallMethod,
    CallPath,
    CallStep,
    CallArgsBytes,
    CallIntended,
    CallModel,
    RunId,
    RunAge,
    RunCalls,
    RunErrors,
    RunDenials,
    RunTokens,
    RunCostUsd,
    RunLabels,
    CallerTenant,
    CallerProject,
    CallerUser,
    CallerAgent,
    ResponseStatus,
    ResponseBytes,
    ResponseStale,
    ResponseIsError,
    Now,
}

/// Every fact by group and field; `now` stands alone.
pub const FACTS: [(&str, &str, Fact); 29] = [
    ("tool", "name", Fact::ToolName),
    ("tool", "server", Fact::ToolServer),
    ("tool", "operation", Fact::ToolOperation),
    ("tool", "tags", Fact::ToolTags),
    ("tool", "effect", Fact::ToolEffect),
    ("tool", "version", Fact::ToolVersion),
    ("call", "protocol", Fact::CallProtocol),
    ("call", "method", Fact::CallMethod),
    ("call", "path", Fact::CallPath),
    ("call", "step", Fact::CallStep),
    ("call", "args_bytes", Fact::CallArgsBytes),
    ("call", "intended", Fact::CallIntended),
    ("call", "model", Fact::CallModel),
    ("run", "id", Fact::RunId),
    ("run", "age", Fact::RunAge),
    ("run", "calls", Fact::RunCalls),
    ("run", "errors", Fact::RunErrors),
    ("run", "denials", Fact::RunDenials),
    ("run", "tokens", Fact::RunTokens),
    ("run", "cost_usd", Fact::RunCostUsd),
    ("run", "labels", Fact::RunLabels),
    ("caller", "tenant", Fact::CallerTenant),
    ("caller", "project", Fact::CallerProject),
    ("caller", "user", Fact::CallerUser),
    ("caller", "agent", Fact::CallerAgent),
    (RESPONSE, "status", Fact::ResponseStatus),
    (RESPONSE, "bytes", Fact::ResponseBytes),
    (RESPONSE, "stale", Fact::ResponseStale),
    (RESPONSE, "is_error", Fact::ResponseIsError),
];

/// Groups whose fields are facts.
pub const GROUPS: [&str; 5] = ["tool", "call", "run", "caller", RESPONSE];

/// The group of the tool's answer, known once it is there.
pub const RESPONSE: &str = "response";

/// Names of the language that this version does not have yet.
pub const LATER_FIELDS: [(&str, &str); 1] = [("run", "taint")];

impl Fact {
    /// The fact of that name.
    pub fn find(group: &str, field: &str) -> Option<Self> {
        let mut all = FACTS.iter();
        all.find(|(of, name, _)| *of == group && *name == field).map(|(.., fact)| *fact)
    }

    /// Its name in expressions and, with slashes, in violations.
    pub fn name(self) -> (&'static str, &'static str) {
        let mut all = FACTS.iter();
        all.find(|(.., fact)| *fact == self).map_or(("now", ""), |(group, name, _)| (group, name))
    }

    pub fn type_of(self) -> Type {
        match self {
            Self::ToolTags => Type::list(Type::Text),
            Self::CallStep
            | Self::CallArgsBytes
            | Self::RunCalls
            | Self::RunErrors
            | Self::RunDenials
            | Self::RunTokens
            | Self::ResponseStatus
            | Self::ResponseBytes => Type::Int,
            Self::RunCostUsd => Type::Double,
            Self::RunLabels => Type::Map(Box::new(Type::Text)),
            Self::CallIntended | Self::ResponseStale | Self::ResponseIsError => Type::Bool,
            Self::RunAge => Type::Duration,
            Self::Now => Type::Timestamp,
            Self::ToolName
            | Self::ToolServer
            | Self::ToolOperation
            | Self::ToolEffect
            | Self::ToolVersion
            | Self::CallProtocol
            | Self::CallMethod
            | Self::CallPath
            | Self::CallModel
            | Self::RunId
            | Self::CallerTenant
            | Self::CallerProject
            | Self::CallerUser
            | Self::CallerAgent => Type::Text,
        }
    }

    /// The only values a fact can have, where there are few.
    pub fn values(self) -> Option<&'static [&'static str]> {
        match self {
            Self::ToolEffect => Some(&["read", "write"]),
            Self::CallProtocol => Some(&["http", "mcp", "llm"]),
            _ => None,
        }
    }

    /// Its value for this call; `None` when that is not known.
    pub fn value<'a>(self, env: &'a Env<'a>) -> Option<Value<'a>> {
        let text = |text: &'a str| Value::Text(Text::Borrowed(text));
        let count = |count: u64| Value::Int(i64::try_from(count).unwrap_or(i64::MAX));
        Some(match self {
            Self::ToolName => text(&env.call.tool.name),
            Self::ToolServer => text(&env.call.tool.server),
            Self::ToolOperation => text(&env.call.tool.operation),
            Self::ToolTags => Value::List(List::Names(&env.call.tool.tags)),
            Self::ToolEffect => text(env.call.tool.effect.name()),
            Self::ToolVersion => text(&env.call.tool.version),
            Self::CallProtocol => text(env.call.protocol),
            Self::CallMethod => text(env.call.method),
            Self::CallPath => text(env.call.path),
            Self::CallStep => count(env.call.step),
            Self::CallArgsBytes => count(env.call.args_bytes),
            Self::CallIntended => Value::Bool(env.call.intended?),
            Self::CallModel => text(env.call.model?),
            Self::RunId => text(env.run.id),
            Self::RunAge => Value::duration(env.run.age),
            Self::RunCalls => count(env.run.calls),
            Self::RunErrors => count(env.run.errors),
            Self::RunDenials => count(env.run.denials),
            Self::RunTokens => count(env.run.tokens),
            Self::RunCostUsd => Value::Double(env.run.cost_usd.dollars()),
            Self::RunLabels => Value::Map(Map::Labels(env.run.labels)),
            Self::CallerTenant => text(&env.call.caller.tenant),
            Self::CallerProject => text(&env.call.caller.project),
            Self::CallerUser => text(&env.call.caller.user),
            Self::CallerAgent => text(&env.call.caller.agent),
            Self::ResponseStatus => Value::Int(i64::from(env.answer?.status)),
            Self::ResponseBytes => count(env.answer?.bytes),
            Self::ResponseStale => Value::Bool(env.answer?.stale),
            Self::ResponseIsError => Value::Bool(env.answer?.is_error),
            Self::Now => Value::Timestamp(timestamp_of_millis(env.now.wall_ms)),
        })
    }
}
