//! The data of server-sent events, handed on while it passes: an event may be as long as the whole
//! answer, and nothing of it is held.
//!
//! Format: WHATWG HTML, "Interpreting an event stream". [`crate::protocol::sse`] reads whole events;
//! here only their data counts.

/// What a stream may begin with.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const DATA: &[u8] = b"data";

/// A part of an event's data, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Data(&'a [u8]),
    /// The event is complete.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In the name of a field, of which so many bytes fit `data`.
    Name(usize),
    /// Right behind the colon after `data`.
    Space,
    /// In a value that counts.
    Data,
    /// In a line that does not.
    Other,
}

/// Splits a stream.
#[derive(Debug)]
pub(super) struct Lines {
    at: At,
    /// Bytes of a byte order mark that were seen, as long as there may be one.
    mark: Option<usize>,
    is_empty: bool,
    is_after_return: bool,
    has_data: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            at: At::Name(0),
            mark: Some(0),
            is_empty: true,
            is_after_return: false,
            has_data: false,
        }
    }
}

impl Lines {
    /// Reads on in `input`, and takes from it what was read. To be called until it says `None`.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Part<'a>> {
        while let Some((&byte, rest)) = input.split_first() {
            if std::mem::take(&mut self.is_after_return) && byte == b'\n' {
                *input = rest;
                continue;
            }
            if let Some(seen) = self.mark {
                if BYTE_ORDER_MARK.get(seen) == Some(&byte) {
                    self.mark = Some(seen.saturating_add(1));
                    *input = rest;
                    continue;
                }
                self.mark = None;
            }
            if matches!(byte, b'\n' | b'\r') {
                self.is_after_return = byte == b'\r';
                *input = rest;
                match self.end_line() {
                    Some(part) => return Some(part),
                    None => continue,
                }
            }
            self.is_empty = false;
            match self.at {
                At::Name(fitting) => {
                    *input = rest;
                    self.at = match (fitting, byte) {
                        (4, b':') => At::Space,
                        _ if DATA.get(fitting) == Some(&byte) => {
                            At::Name(fitting.saturating_add(1))
                        }
                        _ => At::Other,
                    };
                    if self.at == At::Space
                        && let Some(part) = self.begin_data()
                    {
                        return Some(part);
                    }
                }
                At::Space if byte == b' ' => {
                    *input = rest;
                    self.at = At::Data;
                }
                At::Space => self.at = At::Data,
                At::Data | At::Other => {
                    let end = memchr::memchr2(b'\n', b'\r', input).unwrap_or(input.len());
                    let (text, after) = input.split_at_checked(end).unwrap_or((*input, &[]));
                    *input = after;
                    if self.at == At::Data {
                        return Some(Part::Data(text));
                    }
                }
            }
        }
        None
    }

    /// A further line of data is joined by a line feed.
    fn begin_data(&mut self) -> Option<Part<'static>> {
        let is_further = std::mem::replace(&mut self.has_data, true);
        is_further.then_some(Part::Data(b"\n"))
    }

    fn end_line(&mut self) -> Option<Part<'static>> {
        self.at = At::Name(0);
        let is_blank = std::mem::replace(&mut self.is_empty, true);
        (is_blank && std::mem::take(&mut self.has_data)).then_some(Part::End)
    }
}
