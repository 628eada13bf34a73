//! Messages on their way to the agent: each is judged as soon as it is there, and all that is no
//! answer passes at once. Holding a whole stream back would hold back what the answer waits for.

use bytes::{Bytes, BytesMut};

use crate::forward::Sift;
use crate::json::{Document, JSON_DEPTH_LIMIT};
use crate::protocol::mcp::listen::Form;
use crate::protocol::sse::{self, Block, Reader};

/// What ends an event that nothing ended.
const END: &[u8] = b"\n\n";

/// A part of an answer that somebody must decide over.
pub enum Piece<'p> {
    Message {
        text: &'p str,
        document: &'p Document,
    },
    /// What cannot be read in one way only, and why.
    Unreadable(&'static str),
    /// More than is held back.
    TooLarge,
}

/// What becomes of it.
pub enum Fate {
    Pass,
    /// This JSON text takes its place.
    Replace(String),
}

/// Decides over a piece.
pub type Judge = Box<dyn FnMut(Piece<'_>) -> Fate + Send>;

/// An answer's messages, judged one by one.
pub struct Sieve {
    form: State,
    /// What came and has not gone on.
    held: BytesMut,
    limit_bytes: usize,
    overflow: Overflow,
    judge: Judge,
}

enum State {
    Json,
    Events(Reader),
}

/// What is done with a part that is too long to be held.
enum Overflow {
    None,
    /// It goes on unread.
    Pass,
    /// It is left out.
    Drop,
}

impl Sieve {
    /// Judges an answer of this form. Of each message at most `limit_bytes` are held.
    pub fn new(form: Form, limit_bytes: usize, judge: Judge) -> Self {
        let form = match form {
            Form::Json => State::Json,
            Form::Events => State::Events(Reader::new(limit_bytes)),
        };
        Self { form, held: BytesMut::new(), limit_bytes, overflow: Overflow::None, judge }
    }

    /// Asks for what to do with a part that is too long, once. What goes on in its place, at once.
    fn overflow(&mut self, out: &mut BytesMut) {
        match self.overflow {
            Overflow::None => match (self.judge)(Piece::TooLarge) {
                Fate::Pass => {
                    self.overflow = Overflow::Pass;
                    out.extend_from_slice(&self.held.split());
                }
                Fate::Replace(text) => {
                    self.overflow = Overflow::Drop;
                    self.held.clear();
                    match self.form {
                        State::Json => out.extend_from_slice(text.as_bytes()),
                        State::Events(_) => {
                            out.extend_from_slice(format!("data: {text}\n\n").as_bytes());
                        }
                    }
                }
            },
            Overflow::Pass => out.extend_from_slice(&self.held.split()),
            Overflow::Drop => self.held.clear(),
        }
    }

    fn events(&mut self, piece: &[u8], out: &mut BytesMut) {
        let mut rest = piece;
        loop {
            let State::Events(reader) = &mut self.form else { return };
            let before = rest.len();
            let block = reader.next(&mut rest);
            let taken = piece.len().saturating_sub(before)..piece.len().saturating_sub(rest.len());
            self.held.extend_from_slice(piece.get(taken).unwrap_or_default());
            let Some(block) = block else {
                // The end of a blank line that has gone on: alone, it is no line of its own.
                if *self.held == *b"\n" {
                    out.extend_from_slice(&self.held.split());
                }
                if self.held.len() > self.limit_bytes || !matches!(self.overflow, Overflow::None) {
                    self.overflow(out);
                }
                return;
            };
            let raw = self.held.split();
            match (&self.overflow, block) {
                (Overflow::None, Block::Oversized(_)) => {
                    self.held = raw;
                    self.overflow(out);
                }
                (Overflow::None, Block::Silent(_)) => out.extend_from_slice(&raw),
                (Overflow::None, Block::Event(event)) => {
                    match judged(&mut self.judge, &event.data) {
                        Fate::Pass => out.extend_from_slice(&raw),
                        Fate::Replace(text) => out.extend_from_slice(&sse::with_data(&raw, &text)),
                    }
                }
                (Overflow::Pass, _) => out.extend_from_slice(&raw),
                (Overflow::Drop, _) => {}
            }
            self.overflow = Overflow::None;
        }
    }
}

/// Decides over the text of a message.
fn judged(judge: &mut Judge, text: &Bytes) -> Fate {
    if text.is_empty() {
        return Fate::Pass;
    }
    let document = Document::parse(text.clone(), JSON_DEPTH_LIMIT).ok();
    match (std::str::from_utf8(text), document) {
        // A batch of messages holds answers that nobody has looked at.
        (Ok(text), Some(document)) if document.root().as_object().is_some() => {
            judge(Piece::Message { text, document: &document })
        }
        (_, _) => judge(Piece::Unreadable("it is no JSON that can be read in one way only")),
    }
}

impl Sift for Sieve {
    fn pass(&mut self, piece: Bytes) -> Bytes {
        let mut out = BytesMut::new();
        match self.form {
            State::Json => {
                self.held.extend_from_slice(&piece);
                if self.held.len() > self.limit_bytes || !matches!(self.overflow, Overflow::None) {
                    self.overflow(&mut out);
                }
            }
            State::Events(_) => self.events(&piece, &mut out),
        }
        out.freeze()
    }

    fn rest(&mut self) -> Bytes {
        match (&self.form, &self.overflow) {
            (_, Overflow::Drop) => Bytes::new(),
            (State::Json, Overflow::None) => {
                let held = self.held.split().freeze();
                match judged(&mut self.judge, &held) {
                    Fate::Pass => held,
                    Fate::Replace(text) => Bytes::from(text),
                }
            }
            // What no blank line ends is no event; a reader that takes it for one gets it judged.
            (State::Events(_), Overflow::None) if !self.held.is_empty() => {
                let held = self.held.clone().freeze();
                let mut out = BytesMut::new();
                self.events(END, &mut out);
                match out.strip_suffix(END) {
                    Some(same) if *same == *held => held,
                    Some(_) | None => out.freeze(),
                }
            }
            (_, Overflow::Pass | Overflow::None) => self.held.split().freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replaces answers, cannot abide what it cannot read, and lets all else pass.
    fn judge() -> Judge {
        Box::new(|piece| match piece {
            Piece::Message { text, .. } if text.contains("\"result\"") => {
                Fate::Replace("{\"new\":1}".to_owned())
            }
            Piece::Message { .. } => Fate::Pass,
            Piece::Unreadable(_) => Fate::Replace("{\"unread\":1}".to_owned()),
            Piece::TooLarge => Fate::Replace("{\"large\":1}".to_owned()),
        })
    }

    fn sift(form: Form, pieces: &[&str]) -> Vec<String> {
        let mut sieve = Sieve::new(form, 64, judge());
        let mut out: Vec<Bytes> =
            pieces.iter().map(|piece| sieve.pass(Bytes::from(piece.to_string()))).collect();
        out.push(sieve.rest());
        out.iter().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).collect()
    }

    #[test]
    fn everything_but_answers_passes_at_once() {
        let ask = "id: 1\ndata: {\"method\":\"sampling/createMessage\"}\n\n";
        let answer = "event: message\nid: 2\ndata: {\"result\":1}\n\n";
        let expected = "event: message\nid: 2\ndata: {\"new\":1}\n\n";
        assert_eq!(sift(Form::Events, &[ask, answer, ": end\n"]), [ask, expected, "", ": end\n"]);
        let hello = ": hello\r\n\r\n";
        assert_eq!(sift(Form::Events, &[hello, hello]), [hello, hello, ""]);
        assert_eq!(sift(Form::Events, &[": hello\r\n\r", "\n"]), [": hello\r\n\r", "\n", ""]);
        let (first, second) = answer.split_at(20);
        assert_eq!(sift(Form::Events, &[first, second]), ["", expected, ""]);
        let whole = [ask, answer, ask].concat();
        let all = sift(Form::Events, &[&whole]).concat();
        assert_eq!(all, [ask, expected, ask].concat());
    }

    #[test]
    fn what_is_too_long_or_unreadable_is_not_passed_by_accident() {
        let long = format!("data: {}\n\n", "x".repeat(100));
        let out = sift(Form::Events, &[&long[..80], &long[80..], "data: {}\n\n"]);
        assert_eq!(out.concat(), "data: {\"large\":1}\n\ndata: {}\n\n");
        let out = sift(Form::Events, &[&long, "data: {}\n\n"]);
        assert_eq!(out.concat(), "data: {\"large\":1}\n\ndata: {}\n\n");
        let out = sift(Form::Events, &["data: [{\"result\":1}]\n\n", "data: {\"result\":1}"]);
        assert_eq!(out.concat(), "data: {\"unread\":1}\n\ndata: {\"new\":1}\n\n");
        let long = format!("{{\"result\":\"{}\"}}", "x".repeat(100));
        assert_eq!(sift(Form::Json, &[&long[..70], &long[70..]]).concat(), "{\"large\":1}");
        assert_eq!(sift(Form::Json, &["{\"res", "ult\":1}"]).concat(), "{\"new\":1}");
        assert_eq!(sift(Form::Json, &["{\"id\":1}"]).concat(), "{\"id\":1}");
        assert_eq!(sift(Form::Json, &["{\"id\":1"]).concat(), "{\"unread\":1}");
    }
}
