//! Percent-encoding (RFC 3986, section 2.1), read strictly.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why an encoded text cannot be decoded in exactly one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PercentFault {
    /// `%` without two hex digits after it.
    Escape,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
}

/// Decodes every escape once.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, PercentFault> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let after = rest.get(at + 1..).unwrap_or_default();
        let escape = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if escape.is_none() {
            return Err(PercentFault::Escape);
        }
        rest = after;
    }
    percent_decode_str(text).decode_utf8().map_err(|_| PercentFault::NotUtf8)
}

/// Whether a text still holds something that a second decoding would change.
pub(super) fn holds_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|window| {
        matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}
