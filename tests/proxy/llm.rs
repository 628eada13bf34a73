//! Model APIs behind the gate: what is asked passes as it came, what is answered passes as it comes,
//! and what it cost is known at the end, whatever the end.

mod answers;
mod money;
mod refusals;

use serde_json::{Value, json};

use crate::harness::model::Model;
use crate::harness::{Gate, Setup, Tool};

/// Prices of the models that tests ask.
pub const PRICES: &str = "apiVersion: toolgate/v1
kind: Prices
models:
  plain: { input: 1, output: 2, cache_read: 0.1, max_input_tokens: 50000, max_output_tokens: 1000, reasons: false }
  thinker: { input: 1, output: 2, max_output_tokens: 1000 }
";

/// A gate in front of a model server, as all three kinds of APIs, and of a tool.
pub fn before(tool: &Tool, model: &Model) -> Setup {
    let url = model.url();
    Setup::before(tool)
        .top("prices: ./prices.yaml")
        .file("prices.yaml", PRICES)
        .other_upstream(&format!("  openai: {{ llm: openai, url: \"{url}/v1\" }}\n"))
        .other_upstream(&format!(
            "  claude: {{ llm: anthropic, url: \"{url}\", auth: {{ header: x-api-key, value: \"${{file:key}}\" }} }}\n"
        ))
        .other_upstream(&format!("  gemini: {{ llm: gemini, url: \"{url}\" }}\n"))
        .file("key", "sk-of-the-operator")
}

/// A question in the words of OpenAI's chat.
pub fn chat(model: &str, stream: bool) -> Value {
    json!({
        "model": model,
        "stream": stream,
        "max_tokens": 100,
        "messages": [{ "role": "user", "content": "How are you?" }],
    })
}

/// The last event of a call.
pub async fn last(gate: &Gate, count: usize) -> Value {
    gate.calls(count).await.pop().expect("an event")
}
