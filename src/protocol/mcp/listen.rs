//! Listening to an answer while it passes: how the call ended, and with what result.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::answer::{self, Ending, Said, Told};
use crate::call::{ErrorClass, Mcp};
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
    message: Mcp,
    told: Telling,
}

/// What has been said of the call's end.
enum Telling {
    Nothing,
    Ended(Told),
    /// Nobody knows how the client takes it.
    Doubtful,
}

enum From {
    /// Nothing any more when it was too long.
    Json(Option<BytesMut>),
    Events(Reader),
}

/// What an answer declares itself to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    As(Form),
    /// Something that clients take for one of the forms, or read in another way than it is read
    /// here, and why.
    Unclear(&'static str),
    /// No client takes it for messages.
    Other,
}

impl Form {
    /// The form that an answer declares, in words that leave no doubt.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        match Declared::of(headers) {
            Declared::As(form) => Some(form),
            Declared::Unclear(_) | Declared::Other => None,
        }
    }
}

impl Declared {
    /// Reads what an answer declares itself to be.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let Some(declared) = types.next() else { return Self::Other };
        if types.next().is_some() {
            return Self::Unclear("it declares two types");
        }
        let declared = String::from_utf8_lossy(declared.as_bytes()).to_ascii_lowercase();
        let mut parts = declared.split(';').map(str::trim);
        let form = match parts.next().unwrap_or_default() {
            "text/event-stream" => Form::Events,
            "application/json" => Form::Json,
            // Clients look for these words wherever they stand.
            _ if declared.contains("text/event-stream")
                || declared.contains("application/json") =>
            {
                return Self::Unclear("its type is none that the protocol has");
            }
            _ => return Self::Other,
        };
        let in_utf8 = |parameter: &str| {
            matches!(parameter, "" | "charset=utf-8" | "charset=\"utf-8\"" | "charset=utf8")
        };
        if !parts.all(in_utf8) {
            return Self::Unclear("it declares that it is not in UTF-8, or something unknown");
        }
        let mut codings = headers.get_all(CONTENT_ENCODING).iter();
        if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Self::Unclear("it is compressed, which nobody asked for");
        }
        Self::As(form)
    }
}

impl Listener {
    /// A listener to an answer of this form to this message.
    pub fn new(form: Form, message: &Mcp) -> Self {
        let from = match form {
            Form::Json => From::Json(Some(BytesMut::new())),
            Form::Events => From::Events(Reader::new(MESSAGE_LIMIT_BYTES)),
        };
        Self { from, message: message.clone(), told: Telling::Nothing }
    }

    /// Of several responses the first counts, as it does for clients. An answer in which anything
    /// stands that clients may take for another response is not believed at all.
    fn read(message: &Mcp, told: &mut Telling, text: Bytes) {
        if text.is_empty() {
            return;
        }
        let Ok(document) = Document::parse(text, JSON_DEPTH_LIMIT) else {
            *told = Telling::Doubtful;
            return;
        };
        match (answer::read(&document), &told) {
            (Said::Response(response), _) if !answer::answers(response, message.id.as_deref()) => {
                *told = Telling::Doubtful;
            }
            (Said::Response(response), Telling::Nothing) => {
                *told = Telling::Ended(Told::of(response, message.era));
            }
            (Said::Response(_), Telling::Ended(_) | Telling::Doubtful) | (Said::Message, _) => {}
            (Said::Nothing | Said::Unclear(_), _) => *told = Telling::Doubtful,
        }
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
                        Block::Event(event) => {
                            Self::read(&self.message, &mut self.told, event.data)
                        }
                        Block::Silent(_) | Block::Oversized(_) => {}
                    }
                }
            }
        }
    }

    fn heard(self: Box<Self>, _whole: bool) -> Heard {
        let Self { from, message, mut told } = *self;
        let mut is_read = true;
        match from {
            From::Json(Some(bytes)) => Self::read(&message, &mut told, bytes.freeze()),
            From::Json(None) => is_read = false,
            From::Events(_) => {}
        }
        let Telling::Ended(told) = told else {
            // No response came, or none that can be read: what became of the call is not known.
            let failure = is_read.then_some(ErrorClass::MalformedResponse);
            return Heard { failure, ..Heard::default() };
        };
        let mut result = Vec::new();
        told.result.root().write_canonical(&mut result);
        Heard {
            is_settled: true,
            failure: told.is_error().then_some(ErrorClass::ToolError),
            rpc_code: match told.ending {
                Ending::Error { code } => Some(code),
                Ending::Result | Ending::ToolError | Ending::InputRequired => None,
            },
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
        let message = Mcp { id: Some("1".into()), ..Mcp::unread("tools/call") };
        let mut listener = Box::new(Listener::new(form, &message));
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
            ANSWER.replace("\"id\":1", "\"id\":\"1\"")
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
        let heard = hear(Form::Json, &[error]);
        assert_eq!((heard.failure, heard.rpc_code), (Some(ErrorClass::ToolError), Some(-32602)));
        let own = format!("data: {ANSWER}\n\n");
        let other = own.replace("\"id\":1", "\"id\":2");
        let failed = own.replace("\"content\"", "\"isError\":true,\"content\"");
        let half = ANSWER.replace("\"id\"", "\"method\":null,\"id\"");
        let half = format!("data: {half}\n\n");
        for pieces in [
            &[][..],
            &["data: {}\n\n"],
            &["data: {\"id\":1"],
            &[&other],
            &[&other, &failed],
            &[&failed, &other],
            &[&half, &own],
        ] {
            let heard = hear(Form::Events, pieces);
            assert_eq!(heard.failure, Some(ErrorClass::MalformedResponse));
        }
        assert_eq!(hear(Form::Events, &["id: 1\ndata: \n\n", &own, &failed]).failure, None);
        let long = "x".repeat(MESSAGE_LIMIT_BYTES + 1);
        let heard = hear(Form::Json, &[&long]);
        assert_eq!((heard.failure, heard.result), (None, None));
    }

    #[test]
    fn only_the_exact_words_declare_a_form() {
        let declared = |types: &[&str], coding: Option<&str>| {
            let mut headers = HeaderMap::new();
            for kind in types {
                headers.append(CONTENT_TYPE, kind.parse().unwrap());
            }
            if let Some(coding) = coding {
                headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
            }
            Declared::of(&headers)
        };
        for (kind, form) in [
            ("application/json", Form::Json),
            ("Application/JSON; charset=UTF-8", Form::Json),
            ("text/event-stream;charset=\"utf-8\"", Form::Events),
        ] {
            assert_eq!(declared(&[kind], None), Declared::As(form), "{kind}");
            assert_eq!(declared(&[kind], Some("identity")), Declared::As(form), "{kind}");
            assert!(matches!(declared(&[kind], Some("gzip")), Declared::Unclear(_)), "{kind}");
            assert!(matches!(declared(&[kind, kind], None), Declared::Unclear(_)), "{kind}");
        }
        for kind in [
            "text/event-stream; charset=utf-16-le",
            "text/event-stream; charset=utf-8; charset=utf-7",
            "text/event-stream; charset*=utf-7",
            "application/json; charset=cp037",
            "application/jsonx",
            "x-text/event-stream",
        ] {
            assert!(matches!(declared(&[kind], None), Declared::Unclear(_)), "{kind}");
        }
        assert_eq!(declared(&["text/html"], None), Declared::Other);
        assert_eq!(declared(&[], None), Declared::Other);
    }
}
