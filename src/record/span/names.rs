//! Names of spans' attributes, as the conventions have them.
//!
//! `gen_ai.*`, `mcp.*` and `jsonrpc.*`: OpenTelemetry semantic conventions v1.41.1, registry and "GenAI
//! spans", "GenAI agent spans", "MCP", all of it in development and so kept here rather than taken
//! from a crate. `http.*`, `url.*`, `server.*`, `network.*`, `error.type`: v1.44.0, stable.
//! `openinference.*`, `input.*`, `output.*`: OpenInference, "Semantic Conventions". `toolgate.*` is
//! ours.

pub const OPERATION: &str = "gen_ai.operation.name";
pub const PROVIDER: &str = "gen_ai.provider.name";
pub const AGENT: &str = "gen_ai.agent.name";
pub const CONVERSATION: &str = "gen_ai.conversation.id";
pub const TOOL_NAME: &str = "gen_ai.tool.name";
pub const TOOL_TYPE: &str = "gen_ai.tool.type";
pub const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
pub const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub const TOOL_RESULT: &str = "gen_ai.tool.call.result";
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// Seconds.
pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
pub const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Backends read this one or the next.
pub const CACHE_CREATION_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
pub const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
pub const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub const INPUT_MESSAGES: &str = "gen_ai.input.messages";
pub const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";

pub const MCP_METHOD: &str = "mcp.method.name";
pub const MCP_SESSION: &str = "mcp.session.id";
pub const MCP_REVISION: &str = "mcp.protocol.version";
pub const JSONRPC_ID: &str = "jsonrpc.request.id";
pub const RPC_STATUS: &str = "rpc.response.status_code";

pub const ERROR_TYPE: &str = "error.type";
pub const HTTP_METHOD: &str = "http.request.method";
pub const HTTP_STATUS: &str = "http.response.status_code";
/// From 1 on, of attempts after the first.
pub const RESEND_COUNT: &str = "http.request.resend_count";
pub const URL: &str = "url.full";
pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";
pub const TRANSPORT: &str = "network.transport";
pub const USER: &str = "user.id";

pub const SPAN_KIND: &str = "openinference.span.kind";
pub const INPUT: &str = "input.value";
pub const INPUT_TYPE: &str = "input.mime_type";
pub const OUTPUT: &str = "output.value";
pub const OUTPUT_TYPE: &str = "output.mime_type";

pub const CALL: &str = "toolgate.call.id";
pub const RUN: &str = "toolgate.run.id";
pub const RUN_SOURCE: &str = "toolgate.run.id_source";
pub const PARENT_RUN: &str = "toolgate.run.parent_id";
pub const STEP: &str = "toolgate.step";
pub const TENANT: &str = "toolgate.tenant";
pub const PROJECT: &str = "toolgate.project";
pub const VERDICT: &str = "toolgate.verdict";
pub const RULE: &str = "toolgate.rule";
pub const STOP_REASON: &str = "toolgate.stop_reason";
pub const RETRY_SCOPE: &str = "toolgate.retry_scope";
/// `enforce` or `observe`.
pub const MODE: &str = "toolgate.mode";
pub const POLICY_VERSION: &str = "toolgate.policy_version";
/// `ok`, `error`, `timeout`, `denied`, `cancelled` or `unknown`, as in events.
pub const STATUS: &str = "toolgate.status";
/// As in events, also of answers that were passed on although something is to be said of them.
pub const ERROR_CLASS: &str = "toolgate.error_class";
pub const EXECUTED: &str = "toolgate.executed";
pub const ATTEMPTS: &str = "toolgate.attempts";
pub const ARGS_SHA: &str = "toolgate.args_sha";
pub const ARGS_BYTES: &str = "toolgate.args_bytes";
pub const RESULT_SHA: &str = "toolgate.result_sha";
pub const RESULT_BYTES: &str = "toolgate.result_bytes";
pub const COST_USD: &str = "toolgate.cost_usd";
pub const TOKENS_ESTIMATED: &str = "toolgate.tokens_estimated";
pub const BREAKER: &str = "toolgate.breaker";
pub const APPROVAL: &str = "toolgate.approval";
pub const REDACTED: &str = "toolgate.redacted";
pub const INTENT: &str = "toolgate.intent";
pub const EFFECT: &str = "toolgate.effect";
/// Probability with which a run like this one is kept: over 0, up to 1.
pub const SAMPLING_RATIO: &str = "toolgate.sampling.ratio";
/// `share`, `error`, `denied`, `outlier` or `stopped`.
pub const SAMPLING_REASON: &str = "toolgate.sampling.reason";
pub const RUN_STEPS: &str = "toolgate.run.steps";
pub const RUN_CALLS: &str = "toolgate.run.calls";
pub const RUN_OK: &str = "toolgate.run.ok";
pub const RUN_ERRORS: &str = "toolgate.run.errors";
pub const RUN_DENIALS: &str = "toolgate.run.denials";
pub const RUN_TOKENS: &str = "toolgate.run.tokens";

/// Of an event: a decision over a call that was more than to let it pass.
pub const DECISION_EVENT: &str = "toolgate.decision";
/// Of an event: arguments and results of a tool's call.
pub const CONTENT_EVENT: &str = "toolgate.content";
/// Of an event: messages of a model call ("GenAI events").
pub const INFERENCE_EVENT: &str = "gen_ai.client.inference.operation.details";

/// Of an event: what was said of a run ("GenAI events").
pub const EVALUATION_EVENT: &str = "gen_ai.evaluation.result";
pub const EVALUATION_NAME: &str = "gen_ai.evaluation.name";
pub const EVALUATION_EXPLANATION: &str = "gen_ai.evaluation.explanation";
pub const EVALUATION_LABEL: &str = "gen_ai.evaluation.score.label";
pub const EVALUATION_SCORE: &str = "gen_ai.evaluation.score.value";

pub const EXECUTE_TOOL: &str = "execute_tool";
pub const INVOKE_AGENT: &str = "invoke_agent";
/// Stands for a name that is not one of few (semantic conventions, "http.request.method").
pub const OTHER: &str = "_OTHER";
