//! What the audience sees, and what the demo holds the gate to.

use serde_json::Value;
use toolgate::cli::terminal::{Paint, Tone, wants_color};

use crate::agent::Reply;

/// Width of a line of text, in characters.
const WIDTH: usize = 96;

/// The terminal, and what did not happen as it should.
pub struct Stage {
    paint: Paint,
    missed: Vec<String>,
}

impl Stage {
    /// An empty stage.
    pub fn new() -> Self {
        Self { paint: Paint { color: wants_color(&std::io::stdout()) }, missed: Vec::new() }
    }

    /// A new scene.
    pub fn scene(&self, title: &str) {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4));
        println!("\n{}", self.paint.tone(Tone::Strong, &format!("── {title} {rule}")));
    }

    /// Something to know.
    pub fn say(&self, text: &str) {
        println!("{}", self.paint.tone(Tone::Faint, text));
    }

    /// A text as another program wrote it.
    pub fn show(&self, text: &str) {
        println!("{text}");
    }

    /// What somebody says, or does.
    pub fn voice(&self, who: &str, text: &str) {
        let mut lines = wrapped(text, WIDTH.saturating_sub(9)).into_iter();
        println!("  {who:<6} {}", lines.next().unwrap_or_default());
        for line in lines {
            println!("         {line}");
        }
    }

    /// A call and what came of it.
    pub fn call(&self, tool: &str, args: &Value, reply: &Reply) {
        let args = if args.is_null() { String::new() } else { format!(" {args}") };
        println!("  agent  {}{args}", self.paint.tone(Tone::Strong, tool));
        if reply.is_refused() {
            self.refusal(reply);
        } else {
            let status = self.paint.tone(Tone::Good, &reply.status.to_string());
            println!("  tool   {status} {}", reply.body);
        }
    }

    fn refusal(&self, reply: &Reply) {
        let status = self.paint.tone(Tone::Refused, &reply.status.to_string());
        let mut lines = wrapped(&reply.phrase, WIDTH.saturating_sub(13)).into_iter();
        println!("  gate   {status} {}", lines.next().unwrap_or_default());
        for line in lines {
            println!("             {line}");
        }
        for violation in
            reply.body.get("violations").and_then(Value::as_array).into_iter().flatten()
        {
            let path = violation.get("path").and_then(Value::as_str).unwrap_or_default();
            let passes = violation.get("passes").and_then(Value::as_str).unwrap_or_default();
            let actual = violation.get("actual").map(|actual| format!(" is {actual},"));
            let actual = actual.unwrap_or_default();
            let text = format!("{path}{actual} passes at {passes}");
            println!("             {}", self.paint.tone(Tone::Failed, &text));
        }
        let scope = reply.body.get("retry").and_then(|retry| retry.get("scope"));
        let scope = scope.and_then(Value::as_str).unwrap_or_default();
        let rule = reply.text("rule");
        let rule = if rule.is_empty() { "no rule" } else { rule };
        let facts = format!("{rule} · {} · retry: {scope}", reply.text("stop_reason"));
        println!("             {}", self.paint.tone(Tone::Faint, &facts));
    }

    /// Holds the gate to something: `what` must be so.
    pub fn expect(&mut self, what: &str, is_so: bool) {
        if is_so {
            println!("         {} {what}", self.paint.tone(Tone::Good, "✓"));
        } else {
            println!("         {} {what}", self.paint.tone(Tone::Refused, "✗ did not happen:"));
            self.missed.push(what.to_owned());
        }
    }

    /// What did not happen.
    pub fn missed(self) -> Vec<String> {
        self.missed
    }
}

/// Breaks a text into lines between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { continue };
        if !line.is_empty() && line.chars().count() + word.chars().count() >= width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
