//! Do the header fields of a message say what its body says? Whoever stands between may go by the
//! fields, and the server by the body.
//!
//! Format: MCP 2026-07-28, "Streamable HTTP", sections "Request Metadata" and "Server Validation".

use http::{HeaderMap, HeaderName, HeaderValue};

use super::message::{self, Message};
use super::methods::TOOLS_CALL;
use crate::call::Era;
use crate::json::{Document, Object, Value};

/// The revision of the protocol.
pub const VERSION_HEADER: &str = "mcp-protocol-version";
/// The message's method.
pub const METHOD_HEADER: &str = "mcp-method";
/// The name of the tool or prompt, or the resource's address.
pub const NAME_HEADER: &str = "mcp-name";
/// Begins the names of fields that repeat arguments.
const PARAM_PREFIX: &str = "mcp-param-";
/// Where the body says the revision, below `params._meta`.
pub const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// In a schema: the argument is repeated in a header field of this name.
const PARAM_KEYWORD: &str = "x-mcp-header";

/// The first revision without sessions. Later ones sort behind it.
const STATELESS_SINCE: &str = "2026-07-28";

/// The revisions there are.
const REVISIONS: [&str; 5] =
    ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", STATELESS_SINCE];

/// Most arguments of one tool that are looked for in header fields.
const PARAMS_LIMIT: usize = 64;
/// Deepest such argument.
const PARAM_DEPTH_LIMIT: usize = 16;

/// A header field that does not say what the body says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error("Header mismatch: {0} stands more than once")]
    Repeated(Box<str>),
    #[error("Header mismatch: {0} is missing")]
    Missing(Box<str>),
    #[error("Header mismatch: {0} does not say what the body says")]
    Differs(Box<str>),
}

/// An argument that a header field repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// Names of the members that lead to it.
    path: Vec<String>,
    field: HeaderName,
    is_integer: bool,
}

/// The revision that the fields of a message name, where it is one that there is.
pub fn revision(headers: &HeaderMap) -> Option<&'static str> {
    let named = headers.get(VERSION_HEADER)?.as_bytes();
    REVISIONS.into_iter().find(|revision| revision.as_bytes() == named)
}

/// Checks the fields of one message against its body.
///
/// # Errors
/// The first field that is missing or says something else.
pub fn agree(headers: &HeaderMap, message: &Message, document: &Document) -> Result<Era, Mismatch> {
    let version = one(headers, VERSION_HEADER)?;
    let method = one(headers, METHOD_HEADER)?;
    let name = one(headers, NAME_HEADER)?;
    let in_body = message::meta(document).and_then(|meta| meta.get(VERSION_KEY));
    let era = match (version, in_body) {
        (Some(version), None) if !is_stateless(version) => Era::Sessions,
        (None, None) => Era::Sessions,
        (Some(_), None) => Era::Stateless,
        (None, Some(_)) => return Err(Mismatch::Missing(VERSION_HEADER.into())),
        (Some(version), Some(Value::Str(own))) if *version == *own.as_bytes() => Era::Stateless,
        (Some(_), Some(_)) => return Err(Mismatch::Differs(VERSION_HEADER.into())),
    };
    let Some((own, _)) = message.method() else { return Ok(era) };
    let is_required = era == Era::Stateless && message.id().is_some();
    match method {
        Some(method) if *method != *own.as_bytes() => {
            return Err(Mismatch::Differs(METHOD_HEADER.into()));
        }
        None if is_required => return Err(Mismatch::Missing(METHOD_HEADER.into())),
        Some(_) | None => {}
    }
    match (name, named(own, document)) {
        (Some(name), Some(own)) if !says(name, own) => Err(Mismatch::Differs(NAME_HEADER.into())),
        (None, Some(_)) if is_required => Err(Mismatch::Missing(NAME_HEADER.into())),
        (Some(_) | None, _) => Ok(era),
    }
}

/// The fields that a message of the stateless revision needs, made from its body. None for others.
pub fn made_for(message: &Message, document: &Document) -> Vec<(HeaderName, HeaderValue)> {
    let version = message::meta(document).and_then(|meta| meta.get(VERSION_KEY)?.as_str());
    let (Some(version), Some((method, _))) = (version, message.method()) else {
        return Vec::new();
    };
    let fields = [
        (VERSION_HEADER, Some(version.to_owned())),
        (METHOD_HEADER, Some(method.to_owned())),
        (NAME_HEADER, named(method, document).map(encoded)),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| {
        Some((HeaderName::from_static(name), HeaderValue::try_from(value?).ok()?))
    });
    fields.collect()
}

/// What `Mcp-Name` repeats of a message.
fn named<'d>(method: &str, document: &'d Document) -> Option<&'d str> {
    let member = match method {
        TOOLS_CALL | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return None,
    };
    message::params(document)?.get(member)?.as_str()
}

/// The arguments of a tool that its schema wants repeated: those reached through `properties` alone.
pub fn mirrored(schema: &serde_json::Value) -> Vec<Mirrored> {
    let mut found = Vec::new();
    let mut waiting = vec![(Vec::new(), schema)];
    while let Some((path, schema)) = waiting.pop() {
        let members = schema.get("properties").and_then(serde_json::Value::as_object);
        for (name, member) in members.into_iter().flatten() {
            let mut path: Vec<String> = path.clone();
            path.push(name.clone());
            let field = member.get(PARAM_KEYWORD).and_then(serde_json::Value::as_str);
            let field = field.map(|token| format!("{PARAM_PREFIX}{token}").to_ascii_lowercase());
            if let Some(field) = field.and_then(|field| HeaderName::try_from(field).ok())
                && found.len() < PARAMS_LIMIT
            {
                let kind = member.get("type").and_then(serde_json::Value::as_str);
                let is_integer = kind == Some("integer");
                found.push(Mirrored { path: path.clone(), field, is_integer });
            }
            if path.len() < PARAM_DEPTH_LIMIT && waiting.len() < PARAMS_LIMIT {
                waiting.push((path, member));
            }
        }
    }
    found
}

/// Checks the fields that repeat arguments.
///
/// # Errors
/// The first one that is missing or says something else.
pub fn params_agree(
    mirrored: &[Mirrored],
    headers: &HeaderMap,
    arguments: Option<Object<'_>>,
) -> Result<(), Mismatch> {
    for argument in mirrored {
        let name = argument.field.as_str();
        let field = one(headers, name)?;
        let value = argument.value(arguments);
        match (field, value.and_then(shown)) {
            (None, None) => {}
            (None, Some(_)) => return Err(Mismatch::Missing(name.into())),
            (Some(_), None) => return Err(Mismatch::Differs(name.into())),
            (Some(field), Some(own)) => {
                let same = says(field, &own) || argument.is_integer && same_number(field, &own);
                if !same {
                    return Err(Mismatch::Differs(name.into()));
                }
            }
        }
    }
    Ok(())
}

/// Gives the fields that repeat arguments the values that arguments have now.
pub fn mirror(mirrored: &[Mirrored], headers: &mut HeaderMap, arguments: Option<Object<'_>>) {
    for argument in mirrored {
        headers.remove(&argument.field);
        let value = argument.value(arguments).and_then(shown).map(|value| encoded(&value));
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(argument.field.clone(), value);
        }
    }
}

impl Mirrored {
    fn value<'d>(&self, arguments: Option<Object<'d>>) -> Option<Value<'d>> {
        let mut value = Value::Object(arguments?);
        for name in &self.path {
            value = value.as_object()?.get(name)?;
        }
        Some(value)
    }
}

/// A value as a header field has it; `null` and what is no scalar have no form.
fn shown(value: Value<'_>) -> Option<String> {
    match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::UInt(value) => Some(value.to_string()),
        Value::Float(_) => {
            let mut text = Vec::new();
            value.write_canonical(&mut text);
            String::from_utf8(text).ok()
        }
        Value::Str(text) => Some(text.to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `42` and `42.0` are the same whole number.
fn same_number(field: &[u8], own: &str) -> bool {
    let whole = |text: &str| text.strip_suffix(".0").unwrap_or(text).parse::<i128>().ok();
    let field = std::str::from_utf8(field).ok().and_then(whole);
    field.is_some() && field == whole(own)
}

/// The value of a field that may stand once.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h [u8]>, Mismatch> {
    let mut values = headers.get_all(name).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    if values.next().is_some() {
        return Err(Mismatch::Repeated(name.into()));
    }
    Ok(first)
}

fn is_stateless(version: &[u8]) -> bool {
    let is_date = version.len() == STATELESS_SINCE.len()
        && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
    is_date && version >= STATELESS_SINCE.as_bytes()
}

const SENTINEL: (&[u8], &[u8]) = (b"=?base64?", b"?=");

/// Whether a field stands for this text, as it is or in the form for what no field can hold.
fn says(field: &[u8], text: &str) -> bool {
    let inside = field.strip_prefix(SENTINEL.0).and_then(|rest| rest.strip_suffix(SENTINEL.1));
    match inside {
        // The canonical form only: a lax decoder would take others for the same.
        Some(inside) => *inside == *base64(text.as_bytes()).as_bytes(),
        None => *field == *text.as_bytes(),
    }
}

/// A text as a field can hold it.
fn encoded(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
    let bytes = text.as_bytes();
    if is_plain && !(bytes.starts_with(SENTINEL.0) && bytes.ends_with(SENTINEL.1)) {
        return text.to_owned();
    }
    format!("=?base64?{}?=", base64(bytes))
}

/// Base 64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4));
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4_usize {
            let index = bits >> (18 - 6 * place) & 63;
            let letter = usize::try_from(index).ok().and_then(|index| LETTERS.get(index));
            out.push(if place > group.len() { '=' } else { char::from(*letter.unwrap_or(&b'=')) });
        }
    }
    out
}

#[cfg(test)]
mod tests;
