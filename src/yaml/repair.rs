//! Going on after a syntax error, so that the faults behind it are reported too.
//!
//! The parser stops at its first complaint. Most are about one value (an expression that should
//! have been quoted), so that value is overwritten in a copy of the text, byte for byte so that all
//! places hold, and the copy is parsed again. What stood there is never used: the file has a fault.

use super::source::Span;

/// A filler that is valid anywhere a value can stand.
const FILLER: u8 = b'_';

/// Overwrites the value around a complaint at `offset`. Returns the range that no longer means
/// what was written, or `None` when there is nothing sensible to overwrite.
pub(super) fn repair(text: &mut String, offset: usize) -> Option<Span> {
    let line_start = text.get(..offset)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text.get(offset..)?.find(['\n', '\r']).map_or(text.len(), |at| offset + at);
    let at_value = text.get(offset..)?.starts_with(['!', '@', '%', '`', '*', '&']);
    let block_value = block_value(text.get(line_start..line_end)?).map(|at| line_start + at);
    let range = match block_value {
        Some(start) if start <= offset => start..line_end,
        Some(_) | None if at_value => offset..offset + 1,
        Some(_) | None => return None,
    };
    let filler: String = text.get(range.clone())?.bytes().map(|_| char::from(FILLER)).collect();
    text.replace_range(range.clone(), &filler);
    Some(Span { start: range.start, end: line_end })
}

/// Where the value begins on a line `key: value`, also after `- `; `None` for other lines and for
/// values in brackets, which hold more than one value.
fn block_value(line: &str) -> Option<usize> {
    let mut rest = line.trim_start();
    while let Some(item) = rest.strip_prefix("- ") {
        rest = item.trim_start();
    }
    let colon = rest.find(": ")?;
    let key = rest.get(..colon)?;
    let plain_key = key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let value = rest.get(colon + 2..)?.trim_start();
    let holds = plain_key && !key.is_empty() && !value.is_empty() && !value.starts_with(['{', '[']);
    holds.then_some(line.len() - value.len())
}
