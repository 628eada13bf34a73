//! A task that a model plans: what it asks for goes through the gate, as does the model itself.

use http::Method;
use serde_json::{Value, json};

use crate::Services;
use crate::agent::{Agent, Reply};
use crate::scripted::{MODEL, REVISION};
use crate::stage::Stage;

/// The task that a model plans.
pub const PLANNING_RUN: &str = "run_meeting_in_lisbon";

/// Questions after which the agent gives up.
const QUESTIONS_LIMIT: usize = 6;

/// Twelve people want to meet: the model asks for tools, mistakes one city for none, is refused a
/// booking, and says so in the end.
pub async fn meeting(url: &str, services: &Services, stage: &mut Stage) -> Result<(), String> {
    stage.scene("A model plans a meeting for twelve");
    let agent = Agent::new(url, PLANNING_RUN);
    hello(&agent).await?;
    let booked = services.booking.arrived("POST /bookings");
    let mut messages = vec![
        json!({"role": "system", "content": "You plan meetings. Use the tools; say what you could \
            not do, and why. Do not make anything up."}),
        json!({"role": "user", "content": "Twelve of us want to meet in Lisbon. Find a hotel, look \
            at the weather, and book it for all of us."}),
    ];
    stage.voice("agent", "openai.chat \"Twelve of us want to meet in Lisbon. Find a hotel, …\"");
    let (mut questions, mut said, mut wishes) = (0, String::new(), Vec::new());
    while said.is_empty() && questions < QUESTIONS_LIMIT {
        questions += 1;
        let answer = question(&agent, &messages).await?;
        said = answer.get("content").and_then(Value::as_str).unwrap_or_default().to_owned();
        let asked = answer.get("tool_calls").and_then(Value::as_array).cloned().unwrap_or_default();
        messages.push(answer);
        for call in asked {
            let wish = Wish::read(&call)?;
            stage.voice("model", &format!("asks for {} {}", wish.function, wish.args));
            let reply = wish.execute(&agent).await?;
            stage.call(&wish.tool(), &wish.args, &reply);
            let content = reply.body.to_string();
            messages.push(json!({"role": "tool", "tool_call_id": wish.id, "content": content}));
            wishes.push((wish.function, reply));
        }
    }
    stage.voice("model", &said);
    let failed = |(function, reply): &(String, Reply)| {
        function == "weather_forecast" && reply.body.get("isError") == Some(&Value::Bool(true))
    };
    stage.expect(
        "the MCP server was asked twice: it knew no Lissabon, and the weather of Lisbon",
        services.weather.arrived("POST /mcp") == 4
            && wishes.iter().filter(|it| failed(it)).count() == 1,
    );
    stage.expect(
        "the booking that the model asked for was refused, and did not reach the service",
        services.booking.arrived("POST /bookings") == booked
            && wishes
                .iter()
                .any(|(function, reply)| function == "booking_create" && reply.is_refused()),
    );
    stage.expect(
        "the model was asked three times, and tells the user what was not done",
        services.model.arrived_in_all() == 3 && questions == 3 && said.contains("groups desk"),
    );
    Ok(())
}

/// What an MCP client says before its first call.
async fn hello(agent: &Agent) -> Result<(), String> {
    let client = json!({"protocolVersion": REVISION, "capabilities": {},
                        "clientInfo": {"name": "booking-desk", "version": "1.0"}});
    let begun = agent.ask("/weather/mcp", "initialize", &client).await?;
    let listed = agent.ask("/weather/mcp", "tools/list", &json!({})).await?;
    let name = listed.body.pointer("/tools/0/name");
    if begun.status == 200 && name == Some(&json!("forecast")) {
        Ok(())
    } else {
        Err(format!("the MCP server does not list its tool: {} {}", begun.body, listed.body))
    }
}

/// The model's next message.
async fn question(agent: &Agent, messages: &[Value]) -> Result<Value, String> {
    let order = json!({"model": MODEL, "max_tokens": 300, "messages": messages});
    let answer = agent.call(Method::POST, "/openai/v1/chat/completions", &order).await?;
    match answer.body.pointer("/choices/0/message") {
        Some(message) => Ok(message.clone()),
        None => Err(format!("no answer of the model: {} {}", answer.status, answer.body)),
    }
}

/// A tool call that the model asks for.
struct Wish {
    id: String,
    function: String,
    args: Value,
}

impl Wish {
    fn read(call: &Value) -> Result<Self, String> {
        let text = |path: &str| call.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let (Some(id), Some(function), Some(args)) =
            (text("/id"), text("/function/name"), text("/function/arguments"))
        else {
            return Err(format!("this is no tool call: {call}"));
        };
        let args = serde_json::from_str(&args).map_err(|error| format!("{args}: {error}"))?;
        Ok(Self { id, function, args })
    }

    /// The tool behind the function, as the gate calls it.
    fn tool(&self) -> String {
        self.function.replacen('_', ".", 1)
    }

    async fn execute(&self, agent: &Agent) -> Result<Reply, String> {
        match self.function.as_str() {
            "search_hotels" => {
                let city = self.args.get("city").and_then(Value::as_str).unwrap_or_default();
                let path = format!("/search/hotels?city={city}");
                agent.call(Method::GET, &path, &Value::Null).await
            }
            "booking_create" => agent.call(Method::POST, "/booking/bookings", &self.args).await,
            "weather_forecast" => {
                let params = json!({"name": "forecast", "arguments": self.args});
                agent.ask("/weather/mcp", "tools/call", &params).await
            }
            other => Err(format!("the model asks for {other}, which is no tool")),
        }
    }
}
