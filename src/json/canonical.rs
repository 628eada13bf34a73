//! The canonical form: byte for byte what Python's
//! `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` prints, so that an
//! agent's own SDK can compute the same digest.

use crate::json::document::{Document, Node};
use crate::json::value::Value;

/// Writes a double.
pub(super) type WriteDouble = fn(f64, &mut Vec<u8>);

/// Appends the canonical form of a value, with doubles as `double` writes them.
pub(super) fn write(value: Value<'_>, double: WriteDouble, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => write_bool(value, out),
        Value::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Value::UInt(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Value::Float(value) => double(value, out),
        Value::Str(text) => write_escaped(text, out),
        Value::Array(array) => {
            let (document, at) = array.place();
            write_node(document, at, double, out);
        }
        Value::Object(object) => {
            let (document, at) = object.place();
            write_node(document, at, double, out);
        }
    }
}

/// Recursion is bounded by the depth limit that the document was read with.
fn write_node(document: &Document, at: u32, double: WriteDouble, out: &mut Vec<u8>) {
    match document.node(at) {
        Node::Null => out.extend_from_slice(b"null"),
        Node::Bool(value) => write_bool(value, out),
        Node::Int(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Node::UInt(value) => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
        Node::Float(value) => double(value, out),
        Node::Plain { start, len } => out.extend_from_slice(document.quoted(start, len)),
        Node::Decoded { .. } => write_escaped(document.string(at), out),
        Node::Array { len, .. } => {
            out.push(b'[');
            let mut element = at.saturating_add(1);
            for index in 0..len {
                if index > 0 {
                    out.push(b',');
                }
                write_node(document, element, double, out);
                element = document.next(element);
            }
            out.push(b']');
        }
        Node::Object { len, order, .. } => {
            out.push(b'{');
            for (index, name) in document.sorted_names(order, len).iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_node(document, *name, double, out);
                out.push(b':');
                write_node(document, name.saturating_add(1), double, out);
            }
            out.push(b'}');
        }
    }
}

fn write_bool(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// A string with the escapes that Python writes: the short ones where there is one, `\u00xx` for
/// other control characters, and nothing else.
fn write_escaped(text: &str, out: &mut Vec<u8>) {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some((before, [byte, after @ ..])) = rest.split_at_checked(clean_len(rest)) {
        out.extend_from_slice(before);
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => 0,
        };
        if short == 0 {
            let low = HEX.get(usize::from(byte & 0x0f)).copied().unwrap_or_default();
            out.extend_from_slice(if *byte < 0x10 { b"\\u000" } else { b"\\u001" });
            out.push(low);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Bytes before the first one that needs an escape.
fn clean_len(text: &[u8]) -> usize {
    // Whole chunks are looked at without a branch a byte, which compiles to vector instructions.
    let (chunks, _) = text.as_chunks::<32>();
    let clean =
        |chunk: &&[u8; 32]| !chunk.iter().fold(false, |any, byte| any | needs_escape(*byte));
    let skipped = chunks.iter().take_while(clean).count().saturating_mul(32);
    let rest = text.get(skipped..).unwrap_or_default();
    let found = rest.iter().position(|byte| needs_escape(*byte)).unwrap_or(rest.len());
    skipped.saturating_add(found)
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}
