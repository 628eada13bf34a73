//! An answer read off a copy of its bytes while it passes on.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::Provider;
use super::gather::Gather;
use super::lines::{Lines, Part};
use super::said::{Asked, Said};
use super::skim::Skim;

/// Reads one answer, in pieces of any size. Holds names, numbers and arguments of tool calls, all
/// bounded, and no text.
#[derive(Debug)]
pub struct Reader {
    form: Form,
    skim: Skim,
    gather: Gather,
}

#[derive(Debug)]
enum Form {
    Json,
    Events(Lines, Last),
    /// Compressed, or neither: nothing of it can be told.
    Unreadable,
}

/// The first bytes of an event's data: the last event of some streams is no JSON.
#[derive(Debug, Default)]
struct Last {
    first: [u8; Self::END.len()],
    len: usize,
}

impl Last {
    const END: &[u8; 6] = b"[DONE]";

    fn feed(&mut self, data: &[u8]) {
        let free = self.first.get_mut(self.len..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(data) {
            *to = *from;
        }
        self.len = self.len.saturating_add(data.len()).min(Self::END.len());
    }

    /// Whether the event says nothing, or that the stream has ended.
    fn is_end(&self) -> bool {
        self.len == 0 || self.first == *Self::END
    }
}

impl Reader {
    /// A reader for an answer with these headers.
    pub fn new(provider: Provider, headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let encoding = text(CONTENT_ENCODING).unwrap_or("identity").trim();
        let kind = text(CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
        let form = if !encoding.eq_ignore_ascii_case("identity") {
            Form::Unreadable
        } else if kind.starts_with("text/event-stream") {
            Form::Events(Lines::default(), Last::default())
        } else {
            Form::Json
        };
        let is_stream = matches!(form, Form::Events(..));
        Self { form, skim: Skim::default(), gather: Gather::new(provider, is_stream) }
    }

    /// Takes in what comes next.
    pub fn feed(&mut self, piece: &[u8]) {
        match &mut self.form {
            Form::Json => self.skim.feed(piece, &mut self.gather),
            Form::Unreadable => {}
            Form::Events(lines, last) => {
                let mut rest = piece;
                while let Some(part) = lines.next(&mut rest) {
                    match part {
                        Part::Data(data) => {
                            last.feed(data);
                            self.skim.feed(data, &mut self.gather);
                        }
                        Part::End => {
                            self.skim.finish(&mut self.gather);
                            // One that cannot be read may have said anything.
                            if !self.skim.is_done() && !last.is_end() {
                                self.gather.unread();
                            }
                            *last = Last::default();
                            self.gather.end_of_text();
                            self.skim.reset();
                        }
                    }
                }
            }
        }
    }

    /// The tool calls that the answer has asked for since this was last called.
    pub fn news(&mut self) -> Vec<Asked> {
        match self.form {
            Form::Events(..) => self.gather.news(),
            // Nobody acts on half an answer.
            Form::Json | Form::Unreadable => Vec::new(),
        }
    }

    /// What the answer said. `is_whole` says that it came to its end.
    pub fn finish(mut self, is_whole: bool) -> Said {
        let is_read = match self.form {
            Form::Json => {
                self.skim.finish(&mut self.gather);
                self.gather.end_of_text();
                self.skim.is_done()
            }
            Form::Events(..) => true,
            Form::Unreadable => false,
        };
        if !is_read {
            self.gather.unread();
        }
        self.gather.finish(is_whole && is_read)
    }
}
