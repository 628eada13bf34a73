//! JSON as it is told: written on until it is long enough, without what is secret.

use super::redact::{REDACTED, is_secret_name};
use super::{CONTENT_LIMIT_BYTES, CUT, Wording, worded};
use crate::json::Value;
use crate::policy::detect::Detector;

/// Writes a value, and stops when it is long enough.
pub(super) struct Walk {
    out: String,
    wording: Wording,
}

impl Walk {
    /// The value as compact JSON, cut with a mark.
    pub fn written(value: Value<'_>, wording: Wording) -> String {
        let mut walk = Self { out: String::new(), wording };
        walk.value(value);
        let Self { mut out, .. } = walk;
        if out.len() > CONTENT_LIMIT_BYTES {
            out.truncate(out.floor_char_boundary(CONTENT_LIMIT_BYTES));
            out.push_str(CUT);
        }
        out
    }

    fn is_full(&self) -> bool {
        self.out.len() > CONTENT_LIMIT_BYTES
    }

    /// Recurses no deeper than documents nest, which their reader bounds.
    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null | Value::Bool(_) => self.plain(value),
            Value::Int(_) | Value::UInt(_) | Value::Float(_) => self.number(value),
            Value::Str(text) => self.string(text),
            Value::Array(array) => {
                self.out.push('[');
                for (at, element) in array.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    self.comma(at);
                    self.value(element);
                }
                self.out.push(']');
            }
            Value::Object(object) => {
                self.out.push('{');
                for (at, (name, value)) in object.iter().enumerate() {
                    if self.is_full() {
                        return;
                    }
                    self.comma(at);
                    self.string(name);
                    self.out.push(':');
                    self.member(name, value);
                }
                self.out.push('}');
            }
        }
    }

    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.out.push(',');
        }
    }

    fn member(&mut self, name: &str, value: Value<'_>) {
        match self.wording {
            Wording::Redacted if is_secret_name(name) && !is_count(name, value) => {
                self.text(REDACTED);
            }
            Wording::Redacted | Wording::Verbatim => self.value(value),
        }
    }

    fn number(&mut self, value: Value<'_>) {
        let mut digits = Vec::new();
        value.write_canonical(&mut digits);
        let digits = String::from_utf8_lossy(&digits);
        match self.wording {
            Wording::Redacted if Detector::CardNumber.is_number(&digits) => {
                self.text(&format!("[{}]", Detector::CardNumber.name()));
            }
            Wording::Redacted | Wording::Verbatim => self.out.push_str(&digits),
        }
    }

    fn plain(&mut self, value: Value<'_>) {
        let mut text = Vec::new();
        value.write_canonical(&mut text);
        self.out.push_str(&String::from_utf8_lossy(&text));
    }

    fn string(&mut self, text: &str) {
        let told = worded(text, self.wording);
        self.text(&told);
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(&serde_json::to_string(text).unwrap_or_default());
    }
}

/// Whether a value tells how many tokens there were, and is none.
fn is_count(name: &str, value: Value<'_>) -> bool {
    let of_tokens = name.to_ascii_lowercase().contains("token");
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => of_tokens,
        // Their members are looked at, `usage.token_details` among them.
        Value::Object(_) => of_tokens,
        Value::Str(_) | Value::Array(_) => false,
    }
}
