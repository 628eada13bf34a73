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
            // A piece has many lines, and there may always be another: others get their turn, too.
            tokio::task::coop::consume_budget().await;
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[tokio::test]
    async fn lines_without_end_leave_others_their_turn() {
        for line in ["\n", "junk\n"] {
            let text = line.repeat(100_000);
            let mut lines = Lines::new(Cursor::new(text.into_bytes()));
            let mut turns = 0_u32;
            let read = async { while lines.next(100).await.is_some() {} };
            let others = async {
                loop {
                    turns += 1;
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                () = read => {}
                () = others => {}
            }
            assert!(turns > 100, "{line:?}: {turns}");
        }
    }

    #[tokio::test]
    async fn empty_lines_are_none() {
        let mut lines = Lines::new(Cursor::new(b"\n\r\na\n\nlonger\nb".to_vec()));
        assert!(matches!(lines.next(5).await, Some(Line::Whole(line)) if line == b"a"));
        assert!(matches!(lines.next(5).await, Some(Line::TooLong(6))));
        assert!(matches!(lines.next(5).await, Some(Line::Whole(line)) if line == b"b"));
        assert!(lines.next(5).await.is_none());
    }
}
