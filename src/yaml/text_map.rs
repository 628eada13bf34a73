//! Where each part of a scalar's value stands in the file.
//!
//! YAML folds lines, drops indentation and decodes escapes, so an offset into a value is not an
//! offset into the file. The map is made by walking the raw text and the value side by side; where
//! they cannot be matched, a place falls back to the whole scalar.

use std::ops::Range;

use super::node::Style;

/// A run of the value and the raw text it came from. Equal lengths mean byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub value: Range<usize>,
    pub raw: Range<usize>,
}

/// The segments of a value, in order. Empty when the value does not match the raw text.
pub(super) fn segments(raw: &str, value: &str, style: Style) -> Vec<Segment> {
    let walk = Walk { raw, value, at_raw: 0, at_value: 0, segments: Vec::new() };
    let matched = match style {
        Style::Literal | Style::Folded => walk.block(),
        Style::Plain | Style::SingleQuoted | Style::DoubleQuoted => walk.flow(style),
    };
    matched.unwrap_or_default()
}

/// The raw range of a range of the value; `None` when no segment covers it.
pub(super) fn locate(segments: &[Segment], range: Range<usize>) -> Option<Range<usize>> {
    let first = segments.iter().find(|segment| segment.value.end > range.start);
    let Some(first) = first else {
        // Behind the value's end: just behind its last part.
        let end = segments.last()?.raw.end;
        return Some(end..end);
    };
    let start = if first.byte_for_byte() {
        first.raw.start + range.start.saturating_sub(first.value.start)
    } else {
        first.raw.start
    };
    let last = segments.iter().rev().find(|segment| segment.value.start < range.end);
    let end = last.map_or(start, |last| {
        if last.byte_for_byte() {
            last.raw.start + range.end.min(last.value.end) - last.value.start
        } else {
            last.raw.end
        }
    });
    Some(start..if range.is_empty() { start } else { end.max(start) })
}

impl Segment {
    fn byte_for_byte(&self) -> bool {
        self.value.len() == self.raw.len()
    }
}

/// Both texts and how far they were matched.
struct Walk<'a> {
    raw: &'a str,
    value: &'a str,
    at_raw: usize,
    at_value: usize,
    segments: Vec<Segment>,
}

impl Walk<'_> {
    /// Block scalars: each line's content is in the value unchanged.
    fn block(mut self) -> Option<Vec<Segment>> {
        for line in self.raw.split('\n') {
            let content = line.trim_end_matches('\r').trim_start_matches(' ');
            if !content.is_empty() {
                self.skip_value_space();
                let start = self.at_raw + line.find(content)?;
                if !self.value.get(self.at_value..)?.starts_with(content) {
                    // Trailing comments and the like: the value has ended.
                    break;
                }
                self.push(content.len(), start..start + content.len());
            }
            self.at_raw += line.len() + 1;
        }
        Some(self.segments)
    }

    /// Plain and quoted scalars, character by character.
    fn flow(mut self, style: Style) -> Option<Vec<Segment>> {
        let raw = match style {
            Style::SingleQuoted | Style::DoubleQuoted => {
                self.at_raw = 1;
                self.raw.get(..self.raw.len().checked_sub(1)?)?
            }
            Style::Plain | Style::Literal | Style::Folded => self.raw,
        };
        while let Some(c) = raw.get(self.at_raw..)?.chars().next() {
            let rest = raw.get(self.at_raw..)?;
            let blanks = blank_len(rest);
            let fold = blanks > 0 && rest.get(..blanks)?.contains('\n');
            let start = self.at_raw;
            if fold {
                // One line break is a space; n are n - 1 line breaks.
                let breaks = rest.get(..blanks)?.matches('\n').count();
                self.push(breaks.saturating_sub(1).max(1), start..start + blanks);
                self.at_raw += blanks;
            } else if style == Style::SingleQuoted && rest.starts_with("''") {
                self.push(1, start..start + 2);
                self.at_raw += 2;
            } else if style == Style::DoubleQuoted && c == '\\' {
                self.escape(rest)?;
            } else {
                let width = c.len_utf8();
                self.same_char(c)?;
                self.push(width, start..start + width);
                self.at_raw += width;
            }
        }
        (self.at_value == self.value.len()).then_some(self.segments)
    }

    /// An escape of a double-quoted scalar (YAML 1.2.2, section 5.7).
    fn escape(&mut self, rest: &str) -> Option<()> {
        let kind = rest.chars().nth(1)?;
        let mut raw_len = match kind {
            'x' => 4,
            'u' => 6,
            'U' => 10,
            '\n' | '\r' => {
                // An escaped line break vanishes, with the indentation behind it.
                let behind = rest.get(1..)?;
                self.at_raw += 1 + blank_len(behind);
                return Some(());
            }
            other => 1 + other.len_utf8(),
        };
        let high_surrogate = rest.get(2..4).is_some_and(|hex| {
            kind == 'u' && ["d8", "d9", "da", "db"].contains(&hex.to_ascii_lowercase().as_str())
        });
        if high_surrogate {
            raw_len += 6;
        }
        let decoded = self.value.get(self.at_value..)?.chars().next()?.len_utf8();
        let start = self.at_raw;
        // A decoded run as long as its escape would pass for one copied byte for byte; none is.
        self.push(decoded, start..start + raw_len);
        self.at_raw += raw_len;
        Some(())
    }

    fn same_char(&self, c: char) -> Option<()> {
        self.value.get(self.at_value..)?.starts_with(c).then_some(())
    }

    /// Adds a run, joined to the one before when both are copied byte for byte and touch.
    fn push(&mut self, value_len: usize, raw: Range<usize>) {
        let value = self.at_value..self.at_value + value_len;
        self.at_value = value.end;
        let copied = value.len() == raw.len();
        match self.segments.last_mut() {
            Some(last) if copied && last.byte_for_byte() && last.raw.end == raw.start => {
                last.value.end = value.end;
                last.raw.end = raw.end;
            }
            Some(_) | None => self.segments.push(Segment { value, raw }),
        }
    }

    fn skip_value_space(&mut self) {
        let rest = self.value.get(self.at_value..).unwrap_or_default();
        self.at_value += rest.len() - rest.trim_start_matches([' ', '\n']).len();
    }
}

/// Length of the white space at the start, as YAML knows it.
fn blank_len(text: &str) -> usize {
    text.len() - text.trim_start_matches([' ', '\t', '\n', '\r']).len()
}
