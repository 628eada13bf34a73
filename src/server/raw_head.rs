//! The messages of one HTTP/1 connection, followed in the bytes before hyper reads them.
//!
//! hyper mends what it can: it drops a Content-Length that stands beside a Transfer-Encoding, takes
//! bare line feeds for line ends, lets codings before `chunked` pass and cuts off fragments. Whoever
//! stood in front of the gate may have read such a message in another way, so it is refused. What
//! passes here is read by hyper in the same way, to the byte (RFC 9112, sections 2.2, 5 and 6).

use http::Uri;
use memchr::memchr;

/// How an HTTP/2 connection begins (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest request target, in bytes; the longest that `http::Uri` holds.
const TARGET_LIMIT_BYTES: usize = 65_534;

/// Most digits of a Content-Length, so that it fits 64 bits.
const LENGTH_LIMIT_DIGITS: usize = 18;

/// Longest line with a chunk's size, CRLF included: the size fits 64 bits.
const CHUNK_LINE_LIMIT_BYTES: usize = 17;

const CRLF: &[u8] = b"\r\n";

/// Why a head is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadFault {
    #[error("its head is longer than accepted")]
    TooLong,
    #[error("it has more headers than accepted")]
    TooManyHeaders,
    #[error("a line of its head does not end in CRLF")]
    LineEnd,
    #[error("its head has a control character")]
    Control,
    #[error("its first line is not `METHOD TARGET HTTP/1.1`")]
    RequestLine,
    #[error("its target has a character that must be percent-encoded")]
    TargetCharacter,
    #[error("its target is neither a path nor a URL")]
    Target,
    #[error("one of its headers is folded over two lines")]
    Folded,
    #[error("the name of one of its headers is invalid")]
    HeaderName,
    #[error("it has more than one Content-Length")]
    LengthTwice,
    #[error("its Content-Length is not a number")]
    Length,
    #[error("it has a Transfer-Encoding other than one `chunked`")]
    Coding,
    #[error("it has both a Content-Length and a Transfer-Encoding")]
    LengthAndCoding,
}

/// What the bytes at the front of the connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many of them are as they must be. Never 0.
    Clear(usize),
    /// They are the beginning of something: more are needed to say.
    More,
    /// A head that is not accepted. Nothing after it is looked at.
    Refused(HeadFault),
    /// A body whose chunks are not framed as they must be.
    Broken,
}

/// Bounds on heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadBounds {
    pub head_bytes: usize,
    pub headers: usize,
}

/// Where in the messages of a connection we are.
#[derive(Debug)]
pub(super) struct Messages {
    bounds: HeadBounds,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// Nothing was seen: it may become HTTP/2.
    Start,
    Head(Head),
    /// Bytes of a body that are still to come.
    Body(u64),
    /// The line with a chunk's size.
    ChunkSize,
    ChunkData(u64),
    /// The CRLF after a chunk's data; after the last chunk, whose data is empty, the message ends.
    ChunkEnd {
        last: bool,
    },
    /// HTTP/2, which is hyper's to judge.
    Http2,
    Refused(HeadFault),
    Broken,
}

/// A head, as far as its lines are complete.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// Where the first incomplete line begins.
    line: usize,
    /// Up to where no line feed was found in it.
    searched: usize,
    /// Complete lines, the first one included.
    lines: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Messages {
    /// A connection on which nothing was seen.
    pub fn new(bounds: HeadBounds) -> Self {
        Self { bounds, place: Place::Start }
    }

    /// Whether a message that has begun is not over, as far as it was found clear.
    pub fn is_within(&self) -> bool {
        match self.place {
            Place::Start | Place::Head(_) | Place::Http2 => false,
            Place::Body(_) | Place::ChunkSize | Place::ChunkData(_) => true,
            Place::ChunkEnd { .. } | Place::Refused(_) | Place::Broken => true,
        }
    }

    /// Looks at `bytes`, which begin where what was found clear ended. After [`Next::More`] they
    /// must be the same ones and more.
    pub fn look(&mut self, bytes: &[u8]) -> Next {
        if bytes.is_empty() {
            return Next::More;
        }
        match self.place {
            Place::Start => self.start(bytes),
            Place::Head(head) => self.head(head, bytes),
            Place::Body(left) => {
                let clear = clip(left, bytes);
                let left = left.saturating_sub(clear as u64);
                self.place =
                    if left == 0 { Place::Head(Head::default()) } else { Place::Body(left) };
                Next::Clear(clear)
            }
            Place::ChunkSize => self.chunk_size(bytes),
            Place::ChunkData(left) => {
                let clear = clip(left, bytes);
                let left = left.saturating_sub(clear as u64);
                let end = Place::ChunkEnd { last: false };
                self.place = if left == 0 { end } else { Place::ChunkData(left) };
                Next::Clear(clear)
            }
            Place::ChunkEnd { last } => self.chunk_end(last, bytes),
            Place::Http2 => Next::Clear(bytes.len()),
            Place::Refused(fault) => Next::Refused(fault),
            Place::Broken => Next::Broken,
        }
    }

    fn start(&mut self, bytes: &[u8]) -> Next {
        if bytes.starts_with(HTTP2_PREFACE) {
            self.place = Place::Http2;
            return Next::Clear(bytes.len());
        }
        if HTTP2_PREFACE.starts_with(bytes) {
            return Next::More;
        }
        self.head(Head::default(), bytes)
    }

    fn head(&mut self, mut head: Head, bytes: &[u8]) -> Next {
        match head.read(bytes, self.bounds) {
            Ok(None) => {
                self.place = Place::Head(head);
                Next::More
            }
            Ok(Some(end)) => {
                self.place = match (head.chunked, head.length) {
                    (true, _) => Place::ChunkSize,
                    (false, Some(length @ 1..)) => Place::Body(length),
                    (false, Some(0) | None) => Place::Head(Head::default()),
                };
                Next::Clear(end)
            }
            Err(fault) => {
                self.place = Place::Refused(fault);
                Next::Refused(fault)
            }
        }
    }

    /// RFC 9112, section 7.1. Extensions, which mean nothing to anybody and were read differently
    /// by many, are not accepted.
    fn chunk_size(&mut self, bytes: &[u8]) -> Next {
        let shown = bytes.get(..CHUNK_LINE_LIMIT_BYTES).unwrap_or(bytes);
        let Some(end) = shown.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() < CHUNK_LINE_LIMIT_BYTES { Next::More } else { self.broken() };
        };
        let line = shown.get(..=end).and_then(|line| line.strip_suffix(CRLF));
        let size = line
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.place = match size {
            Some(0) => Place::ChunkEnd { last: true },
            Some(size) => Place::ChunkData(size),
            None => return self.broken(),
        };
        Next::Clear(end.saturating_add(1))
    }

    /// Trailers would stand here; they are not accepted.
    fn chunk_end(&mut self, last: bool, bytes: &[u8]) -> Next {
        if bytes.starts_with(CRLF) {
            self.place = if last { Place::Head(Head::default()) } else { Place::ChunkSize };
            return Next::Clear(CRLF.len());
        }
        if CRLF.starts_with(bytes) { Next::More } else { self.broken() }
    }

    fn broken(&mut self) -> Next {
        self.place = Place::Broken;
        Next::Broken
    }
}

impl Head {
    /// Reads on; where the head ends, once it is complete.
    fn read(&mut self, bytes: &[u8], bounds: HeadBounds) -> Result<Option<usize>, HeadFault> {
        while let Some(rest) = bytes.get(self.searched..) {
            let Some(found) = memchr(b'\n', rest) else {
                self.searched = bytes.len();
                break;
            };
            let end = self.searched.saturating_add(found).saturating_add(1);
            if end > bounds.head_bytes {
                return Err(HeadFault::TooLong);
            }
            let line = bytes.get(self.line..end).unwrap_or_default();
            let line = line.strip_suffix(CRLF).ok_or(HeadFault::LineEnd)?;
            (self.line, self.searched) = (end, end);
            if line.is_empty() && self.lines > 0 {
                return Ok(Some(end));
            }
            self.line(line, bounds)?;
        }
        if bytes.len() >= bounds.head_bytes { Err(HeadFault::TooLong) } else { Ok(None) }
    }

    fn line(&mut self, line: &[u8], bounds: HeadBounds) -> Result<(), HeadFault> {
        // Folded and not searched, so that it is done for many bytes at a time.
        if line.iter().fold(false, |any, byte| any | is_control(*byte)) {
            return Err(HeadFault::Control);
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines == 1 {
            return request_line(line);
        }
        if self.lines > bounds.headers.saturating_add(1) {
            return Err(HeadFault::TooManyHeaders);
        }
        self.header(line)
    }

    fn header(&mut self, line: &[u8]) -> Result<(), HeadFault> {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Err(HeadFault::Folded);
        }
        let colon = memchr(b':', line).ok_or(HeadFault::HeaderName)?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(HeadFault::HeaderName);
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(HeadFault::LengthTwice);
            }
            self.length = Some(length(value).ok_or(HeadFault::Length)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadFault::Coding);
            }
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() {
            return Err(HeadFault::LengthAndCoding);
        }
        Ok(())
    }
}

/// RFC 9112, section 3. HTTP/1.0 and 0.9 have no way to say where a message ends that all agree on.
fn request_line(line: &[u8]) -> Result<(), HeadFault> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(b"HTTP/1.1"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(HeadFault::RequestLine);
    };
    if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
        return Err(HeadFault::RequestLine);
    }
    if !target.iter().all(|byte| is_of_target(*byte)) {
        return Err(HeadFault::TargetCharacter);
    }
    // What begins with a slash and has only these characters is a path; the rest is rare.
    let is_uri = target.starts_with(b"/") || Uri::try_from(target).is_ok();
    if is_uri && target.len() <= TARGET_LIMIT_BYTES { Ok(()) } else { Err(HeadFault::Target) }
}

fn length(digits: &[u8]) -> Option<u64> {
    let plain = digits.len() <= LENGTH_LIMIT_DIGITS && digits.iter().all(u8::is_ascii_digit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    digits.parse().ok()
}

fn clip(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()))
}

fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    const RARE: &[u8] = b"!#$%&'*+.^_`|~";
    byte.is_ascii_alphanumeric() || byte == b'-' || memchr(byte, RARE).is_some()
}

/// What may stand in a target: a little more than RFC 3986 has, because clients send it and the
/// readers of paths and queries judge it; but nothing that `http::Uri` cuts off or refuses.
fn is_of_target(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'#' | b'"' | b'<' | b'>' | b'`')
}

#[cfg(test)]
mod tests;
