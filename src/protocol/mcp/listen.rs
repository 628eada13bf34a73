//! Listening to an answer while it passes: how the call ended, and with what result.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::answer::{self, Ending, Told};
use crate::call::ErrorClass;
use crate::json::{Document, JSON_DEPTH_LIMIT};
use crate::protocol::sse::{Block, Reader};
use crate::protocol::{Heard, Listen};

/// Longest message that is listened to, in bytes.
pub const MESSAGE_LIMIT_BYTES: usize = 1024 * 1024;

/// In which form messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One message.
    Json,
    /// Any number, as server-sent events.
    Events,
}

/// Reads the answer to one `tools/call`.
pub struct Listener {
    from: From,
    told: Option<Told>,
}

enum From {
    /// Nothing any more when it was too long.
    Json(Option<BytesMut>),
    Events(Reader),
}

impl Form {
    /// The form that an answer declares.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let declared = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
        match declared.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => Some(Self::Events),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

impl Listener {
    /// A listener to an answer of this form.
    pub fn new(form: Form) -> Self {
        let from = match form {
            Form::Json => From::Json(Some(BytesMut::new())),
            Form::Events => From::Events(Reader::new(MESSAGE_LIMIT_BYTES)),
        };
        Self { from, told: None }
    }

    /// Of several responses the first counts, as it does for clients.
    fn read(told: &mut Option<Told>, message: Bytes) {
        if told.is_some() {
            return;
        }
        let document = Document::parse(message, JSON_DEPTH_LIMIT).ok();
        *told = document.as_ref().and_then(answer::response).map(Told::of);
    }
}

impl Listen for Listener {
    fn hear(&mut self, piece: &[u8]) {
        match &mut self.from {
            From::Json(kept) => {
                let fits =
                    |kept: &BytesMut| kept.len().saturating_add(piece.len()) <= MESSAGE_LIMIT_BYTES;
                match kept {
                    Some(bytes) if fits(bytes) => bytes.extend_from_slice(piece),
                    Some(_) | None => *kept = None,
                }
            }
            From::Events(reader) => {
                let mut rest = piece;
                while let Some(block) = reader.next(&mut rest) {
                    match block {
                        Block::Event(event) => Self::read(&mut self.told, event.data),
                        Block::Silent(_) | Block::Oversized(_) => {}
                    }
                }
            }
        }
    }

    fn heard(self: Box<Self>, _whole: bool) -> Heard {
        let Self { from, mut told } = *self;
        let mut is_read = true;
        match from {
            From::Json(Some(bytes)) => Self::read(&mut told, bytes.freeze()),
            From::Json(None) => is_read = false,
            From::Events(_) => {}
        }
        let Some(told) = told else {
            // No response came, or none that can be read: what became of the call is not known.
            let failure = is_read.then_some(ErrorClass::MalformedResponse);
            return Heard { failure, ..Heard::default() };
        };
        let mut result = Vec::new();
        told.result.root().write_canonical(&mut result);
        Heard {
            is_settled: true,
            failure: told.is_error().then_some(ErrorClass::ToolError),
            result: match told.ending {
                // It is not the result yet.
                Ending::InputRequired => None,
                Ending::Result | Ending::ToolError | Ending::Error { .. } => {
                    Some(Bytes::from(result))
                }
            },
            basis: Some(told.into_basis()),
            ..Heard::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(form: Form, pieces: &[&str]) -> Heard {
        let mut listener = Box::new(Listener::new(form));
        for piece in pieces {
            listener.hear(piece.as_bytes());
        }
        listener.heard(true)
    }

    const ANSWER: &str =
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"a\": 1}"}]}}"#;

    #[test]
    fn the_same_result_is_heard_in_either_form() {
        let json = hear(Form::Json, &[&ANSWER[..20], &ANSWER[20..]]);
        let stream = format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}}\n\n\
             event: message\ndata: {}\n\n",
            ANSWER.replace("\"id\":1", "\"id\":\"x\"")
        );
        let events = hear(Form::Events, &[&stream[..70], &stream[70..]]);
        assert_eq!(json.result.as_deref(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(json.basis.as_deref(), Some(&b"{\"a\": 1}"[..]));
        assert_eq!((json.result, json.basis), (events.result, events.basis));
        assert_eq!((json.failure, events.failure), (None, None));
    }

    #[test]
    fn a_response_settles_a_call_and_nothing_else_does() {
        let progress = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n";
        let whole = format!("{progress}data: {ANSWER}\n\n");
        assert!(hear(Form::Events, &[&whole]).is_settled);
        assert!(!hear(Form::Events, &[progress]).is_settled);
        assert!(!hear(Form::Events, &[&whole[..whole.len() - 1]]).is_settled, "not sent yet");
        assert!(!hear(Form::Json, &[&ANSWER[..20]]).is_settled);
    }

    #[test]
    fn failures_are_heard() {
        let failed = ANSWER.replace("\"content\"", "\"isError\":true,\"content\"");
        assert_eq!(hear(Form::Json, &[&failed]).failure, Some(ErrorClass::ToolError));
        let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool"}}"#;
        assert_eq!(hear(Form::Json, &[error]).failure, Some(ErrorClass::ToolError));
        for pieces in [&[][..], &["data: {}\n\n"], &["data: {\"id\":1"]] {
            let heard = hear(Form::Events, pieces);
            assert_eq!(heard.failure, Some(ErrorClass::MalformedResponse));
        }
        let long = "x".repeat(MESSAGE_LIMIT_BYTES + 1);
        let heard = hear(Form::Json, &[&long]);
        assert_eq!((heard.failure, heard.result), (None, None));
    }
}
