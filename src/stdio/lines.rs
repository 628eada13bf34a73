//! Lines off a stream, within a bound: of a longer one only its size is kept.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// How much is read at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// One line, without its end.
pub(super) enum Line {
    Whole(Vec<u8>),
    /// Its size in bytes.
    TooLong(usize),
}

/// A stream read line by line.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(stream: R) -> Self {
        Self { reader: BufReader::with_capacity(PIECE_BYTES, stream) }
    }

    /// The next line that is not empty; `None` when the stream has ended or cannot be read. An
    /// unfinished last line counts.
    pub async fn next(&mut self, limit_bytes: usize) -> Option<Line> {
        let mut line = Vec::new();
        let mut size = 0_usize;
        loop {
            let piece = self.reader.fill_buf().await.ok()?;
            let end = memchr::memchr(b'\n', piece);
            let is_over = piece.is_empty();
            let (content, used) = match end {
                Some(end) => (piece.get(..end).unwrap_or_default(), end.saturating_add(1)),
                None => (piece, piece.len()),
            };
            size = size.saturating_add(content.len());
            if size <= limit_bytes {
                line.extend_from_slice(content);
            } else {
                line = Vec::new();
            }
            self.reader.consume(used);
            if end.is_none() && !is_over {
                continue;
            }
            if size > limit_bytes {
                return Some(Line::TooLong(size));
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if !line.is_empty() {
                return Some(Line::Whole(line));
            }
            if is_over {
                return None;
            }
            size = 0;
        }
    }
}
