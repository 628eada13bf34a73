//! How long calls took: of tools, of models, of the messages of a protocol, and in the gate itself.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::Registry;

use super::capped::{Capped, Labels};
use super::exemplar::{Histogram, Seen};
use super::names::{Names, Open};
use crate::call::Provider;
use crate::record::conventions;
use crate::record::error_type::ErrorType;

/// Series of each of the three kinds of calls.
const SERIES_LIMIT: usize = 1_024;

/// `gen_ai.tool.type` of every tool here: the agent gives the arguments, and the gate executes it.
const FUNCTION: &str = "function";

/// Seconds, of MCP messages (OpenTelemetry semantic conventions for MCP, metrics).
const MESSAGE_SECONDS: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// `error.type` as a label: empty where a call ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ErrorLabel(pub Option<ErrorType>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToolLabels {
    tool: Arc<str>,
    r#type: &'static str,
    agent: Arc<str>,
    error_type: ErrorLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    operation: Operation,
    provider: &'static str,
    model: Arc<str>,
    error_type: ErrorLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    method: Arc<str>,
    tool: Arc<str>,
    error_type: ErrorLabel,
}

/// What a model was asked to do: one of the few calls that model APIs are known to have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    /// As the conventions call it.
    Common(&'static str),
    Own(Arc<str>),
}

/// What kind of call one was.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    /// Of a tool over plain HTTP.
    Tool(&'a Arc<str>),
    Model(&'a Model),
    /// A message, with the tool that it runs, if it runs one.
    Message(&'a Arc<str>, Option<&'a Arc<str>>),
}

/// A call to a model, as metrics name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Model {
    pub operation: Operation,
    pub provider: Provider,
    /// The one that answered or, before, was asked; empty where nobody said.
    pub name: Arc<str>,
}

/// A call that was forwarded.
pub(super) struct Forwarded<'a> {
    pub kind: Kind<'a>,
    pub agent: &'a Arc<str>,
    pub duration: Duration,
    pub error: ErrorLabel,
}

pub(super) struct Calls {
    tools: Capped<ToolLabels, Histogram>,
    models: Capped<ModelLabels, Histogram>,
    messages: Capped<MessageLabels, Histogram>,
    gate: Histogram,
    none: Arc<str>,
}

impl EncodeLabelValue for ErrorLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.map_or(Ok(()), |error| write!(encoder, "{error}"))
    }
}

impl EncodeLabelValue for Operation {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(match self {
            Self::Common(name) => name,
            Self::Own(name) => name,
        })
    }
}

impl Operation {
    /// By the name that the call has within its upstream.
    pub fn of(tool: &Arc<str>) -> Self {
        conventions::operation(tool).map_or_else(|| Self::Own(Arc::clone(tool)), Self::Common)
    }
}

impl Labels for ToolLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        let (tool, agent) = (name(Open::Tool, self.tool), name(Open::Agent, self.agent));
        Self { tool, agent, ..self }
    }
}

impl Labels for ModelLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        Self { model: name(Open::Model, self.model), ..self }
    }
}

impl Labels for MessageLabels {
    fn named(self, name: &dyn Fn(Open, Arc<str>) -> Arc<str>) -> Self {
        let (method, tool) = (name(Open::Method, self.method), name(Open::Tool, self.tool));
        Self { method, tool, ..self }
    }
}

/// Seconds from 0.01 to 81.92, doubling.
fn call_seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.01, 2.0, 14))
}

fn message_seconds() -> Histogram {
    Histogram::new(MESSAGE_SECONDS.into_iter())
}

impl Calls {
    pub fn registered(registry: &mut Registry, names: &Arc<Names>) -> Self {
        let tools = (
            "gen_ai_execute_tool_duration_seconds",
            "Time of forwarded tool calls, from arrival to the end of the answer, in seconds",
        );
        let models = (
            "gen_ai_client_operation_duration_seconds",
            "Time of forwarded calls to models, from arrival to the end of the answer, in seconds",
        );
        let messages = (
            "mcp_client_operation_duration_seconds",
            "Time of forwarded MCP messages, from arrival to the end of the answer, in seconds",
        );
        let gate = Histogram::new(exponential_buckets(0.000_005, 2.0, 16));
        registry.register(
            "toolgate_gate_duration_seconds",
            "Time of a call that was not spent waiting for its tool, in seconds",
            gate.clone(),
        );
        Self {
            tools: Capped::registered(registry, tools, names, SERIES_LIMIT, call_seconds),
            models: Capped::registered(registry, models, names, SERIES_LIMIT, call_seconds),
            messages: Capped::registered(registry, messages, names, SERIES_LIMIT, message_seconds),
            gate,
            none: Arc::from(""),
        }
    }

    /// Notes the time that any call spent in the gate.
    pub fn gated(&self, gate: Duration, seen: Seen) {
        seen.time(&self.gate, gate);
    }

    /// Notes the time of a call that was forwarded.
    pub fn forwarded(&self, call: &Forwarded<'_>, seen: Seen) {
        let Forwarded { kind, agent, duration, error } = *call;
        match kind {
            Kind::Tool(tool) => self.tool(tool, agent, error, duration, seen),
            Kind::Model(model) => {
                let labels = ModelLabels {
                    operation: model.operation.clone(),
                    provider: conventions::provider(model.provider),
                    model: Arc::clone(&model.name),
                    error_type: error,
                };
                self.models.with(labels, |times| seen.time(times, duration));
            }
            Kind::Message(method, tool) => {
                let labels = MessageLabels {
                    method: Arc::clone(method),
                    tool: Arc::clone(tool.unwrap_or(&self.none)),
                    error_type: error,
                };
                self.messages.with(labels, |times| seen.time(times, duration));
                if let Some(tool) = tool {
                    self.tool(tool, agent, error, duration, seen);
                }
            }
        }
    }

    fn tool(
        &self,
        tool: &Arc<str>,
        agent: &Arc<str>,
        error_type: ErrorLabel,
        duration: Duration,
        seen: Seen,
    ) {
        let (tool, agent) = (Arc::clone(tool), Arc::clone(agent));
        let labels = ToolLabels { tool, r#type: FUNCTION, agent, error_type };
        self.tools.with(labels, |times| seen.time(times, duration));
    }
}
