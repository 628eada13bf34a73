//! What the model and the MCP server of the demo answer, by a script: no network and no key are
//! needed, and every demo is the same.

use serde_json::{Value, json};

/// The model that answers, by the name under which it has a price.
pub const MODEL: &str = "gpt-4o";

/// The revision of MCP that the demo speaks.
pub const REVISION: &str = "2025-11-25";

/// The session that the MCP server gives everybody.
pub const SESSION: &str = "weather-session-1";

/// Bytes of text that count as a token.
const TOKEN_BYTES: usize = 4;

/// The model's answer to a conversation. What it asks for depends on what it was told so far: it
/// reads why it was refused, as a real one does.
pub fn model(request: &Value) -> Value {
    let messages = request.get("messages").and_then(Value::as_array);
    let told: Vec<&str> = messages
        .into_iter()
        .flatten()
        .filter(|message| message.get("role") == Some(&json!("tool")))
        .filter_map(|message| message.get("content").and_then(Value::as_str))
        .collect();
    let message = match told.as_slice() {
        [] => wish(&[
            ("call_1", "search_hotels", json!({"city": "Lisbon"})),
            ("call_2", "weather_forecast", json!({"city": "Lissabon"})),
        ]),
        [_, _] => wish(&[
            ("call_3", "weather_forecast", json!({"city": "Lisbon"})),
            ("call_4", "booking_create", json!({"hotel": "Casa Azul", "guests": 12})),
        ]),
        [.., refused] if refused.contains("at most ten guests") => json!({"role": "assistant",
            "content": "Casa Azul has rooms and the sun will shine, but it takes at most ten guests \
                        in one booking. For twelve, I pass this on to the groups desk."}),
        [..] => json!({"role": "assistant", "content": "Casa Azul is booked for all twelve."}),
    };
    let finish = if message.get("tool_calls").is_some() { "tool_calls" } else { "stop" };
    let input = request.get("messages").map_or(0, |it| it.to_string().len()) / TOKEN_BYTES;
    let output = message.to_string().len() / TOKEN_BYTES;
    json!({
        "id": format!("chatcmpl-{}", told.len()),
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": input, "completion_tokens": output,
                  "total_tokens": input.saturating_add(output)},
    })
}

/// A message in which a model asks for tools: id, function and arguments of each.
fn wish(calls: &[(&str, &str, Value)]) -> Value {
    let call = |(id, name, args): &(&str, &str, Value)| {
        json!({"id": id, "type": "function",
               "function": {"name": name, "arguments": args.to_string()}})
    };
    let calls: Vec<Value> = calls.iter().map(call).collect();
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

/// The MCP server's answer to a message: a status, and a JSON-RPC response if one is due.
pub fn weather(message: &Value) -> (u16, Value) {
    let Some(id) = message.get("id") else { return (202, Value::Null) };
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    let result = match method {
        "initialize" => json!({"protocolVersion": REVISION, "capabilities": {"tools": {}},
                               "serverInfo": {"name": "weather", "version": "1.0"}}),
        "tools/list" => json!({"tools": [{
            "name": "forecast", "description": "Says what the weather of a city will be.",
            "annotations": {"readOnlyHint": true},
            "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}},
                            "required": ["city"]}}]}),
        "tools/call" => forecast(message.pointer("/params/arguments/city")),
        _ => {
            let error = json!({"code": -32601, "message": "There is no such method."});
            return (200, json!({"jsonrpc": "2.0", "id": id, "error": error}));
        }
    };
    (200, json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn forecast(city: Option<&Value>) -> Value {
    let city = city.and_then(Value::as_str).unwrap_or_default();
    if city == "Lisbon" {
        json!({"content": [{"type": "text", "text": "Lisbon: sunny, 24 °C."}]})
    } else {
        let text = format!("There is no city {city}. Did you mean Lisbon?");
        json!({"isError": true, "content": [{"type": "text", "text": text}]})
    }
}
