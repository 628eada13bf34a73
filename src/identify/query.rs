//! The query of a request: `application/x-www-form-urlencoded`, read strictly into arguments and
//! written again in one form, which is what is sent.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::identify::percent::{self, PercentFault};

/// Most pairs a query may have.
pub const QUERY_LIMIT_PAIRS: usize = 128;

/// Longest name that a message repeats, in characters.
const NAME_SHOWN_LIMIT_CHARS: usize = 64;

/// What is encoded in the form that is sent. What stands for itself are the unreserved characters
/// of RFC 3986 and those of `query` that no decoder gives a meaning to.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b',')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// Why a query is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Some servers take the first value, some the last, some all.
    #[error("the query has the name \"{name}\" more than once")]
    Repeated { name: String },
    #[error("the query has more than {QUERY_LIMIT_PAIRS} pairs")]
    TooManyPairs,
    #[error("the query has a value without a name")]
    EmptyName,
    #[error("the query has a `;`, which some servers read as `&`")]
    Semicolon,
    #[error("the query has a `%` without two hex digits after it")]
    Escape,
    #[error("the query is not UTF-8 when decoded")]
    NotUtf8,
    #[error("the query has a control character")]
    Control,
    #[error("the query has a character outside of ASCII that is not percent-encoded")]
    NotAscii,
    #[error("the query has a space or `#` that is not percent-encoded")]
    Delimiter,
}

impl QueryError {
    /// Whether the query is well formed but says something twice.
    pub fn is_repeated(&self) -> bool {
        matches!(self, Self::Repeated { .. })
    }
}

/// A query without repeated names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

/// Reads a query, without its `?`. `a` reads as `a=`; empty pairs (`a=1&&b=2`) are left out.
///
/// # Errors
/// Whatever two decoders could read differently.
pub fn parse(query: &str) -> Result<Query, QueryError> {
    if query.is_empty() {
        return Ok(Query::default());
    }
    if !query.is_ascii() {
        return Err(QueryError::NotAscii);
    }
    if query.contains(';') {
        return Err(QueryError::Semicolon);
    }
    if query.contains([' ', '#']) {
        return Err(QueryError::Delimiter);
    }
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() >= QUERY_LIMIT_PAIRS {
            return Err(QueryError::TooManyPairs);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name.is_empty() {
            return Err(QueryError::EmptyName);
        }
        pairs.push((decode(name)?, decode(value)?));
    }
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let twice = names.iter().zip(names.iter().skip(1)).find(|(one, other)| one == other);
    if let Some((name, _)) = twice {
        let name = name.chars().take(NAME_SHOWN_LIMIT_CHARS).collect::<String>();
        return Err(QueryError::Repeated { name: name.escape_debug().to_string() });
    }
    Ok(Query { pairs })
}

impl Query {
    /// A query of decoded names and values. Whether they can be sent so is for [`parse`] to say.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self { pairs }
    }

    /// Names and values, decoded, in the order they stand.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The form that is sent: every pair with its `=`, spaces as `%20`, so that servers which know
    /// `+` as a space and those which do not read the same. `None` when there are no pairs.
    pub fn canonical(&self) -> Option<String> {
        let mut text = String::new();
        for (index, (name, value)) in self.pairs.iter().enumerate() {
            if index > 0 {
                text.push('&');
            }
            let name = utf8_percent_encode(name, ENCODED);
            let value = utf8_percent_encode(value, ENCODED);
            // Writing to a string cannot fail.
            let _ = write!(text, "{name}={value}");
        }
        (!text.is_empty()).then_some(text)
    }
}

fn decode(encoded: &str) -> Result<String, QueryError> {
    let spaced = encoded.replace('+', " ");
    let decoded = percent::decode(&spaced).map_err(|fault| match fault {
        PercentFault::Escape => QueryError::Escape,
        PercentFault::NotUtf8 => QueryError::NotUtf8,
    })?;
    if decoded.contains(char::is_control) {
        return Err(QueryError::Control);
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests;
