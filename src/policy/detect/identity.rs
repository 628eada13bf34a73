//! What leads to a person or a machine: mail addresses, phone numbers, social security numbers and
//! IP addresses.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{begins, ends, run};

/// Longest name before the `@` (RFC 5321, section 4.5.3.1.1).
const LOCAL_LIMIT_BYTES: usize = 64;

/// Longest text of an IPv6 address, with an IPv4 address at its end (RFC 4291, section 2.2).
const IPV6_LIMIT_BYTES: usize = 45;

/// Digits of a phone number with its country (ITU-T E.164), and as few as are taken for one.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

fn local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

fn domain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-')
}

/// A mail address with a domain that has a dot.
pub(super) fn email(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let sign = at + memchr::memchr(b'@', bytes.get(at..)?)?;
        let before = bytes.get(from..sign).unwrap_or_default();
        let name = before.iter().rev().take(LOCAL_LIMIT_BYTES).take_while(|byte| local(**byte));
        let name = name.count();
        let raw = text.get(sign + 1..sign + 1 + run(text, sign + 1, domain)).unwrap_or_default();
        let host = raw.trim_end_matches(['.', '-']);
        let end = sign + 1 + host.len();
        let named = host.rsplit_once('.').is_some_and(|(front, last)| {
            let sound =
                !front.is_empty() && !front.contains("..") && !front.starts_with(['.', '-']);
            sound && last.len() >= 2 && last.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        if name > 0 && named && ends(text, end) {
            return Some(sign - name..end);
        }
        at = sign + 1;
    }
}

/// `123-45-6789`, of areas, groups and serials that are given out.
pub(super) fn us_ssn(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let dash = at + memchr::memchr(b'-', bytes.get(at..)?)?;
        at = dash + 1;
        let Some(start) = dash.checked_sub(3).filter(|start| *start >= from) else { continue };
        let end = dash + 8;
        let Some([a, b, c, b'-', d, e, b'-', rest @ ..]) = bytes.get(start..end) else { continue };
        let digits = [a, b, c, d, e].into_iter().chain(rest).all(u8::is_ascii_digit);
        let area = [*a, *b, *c];
        let issued = area != *b"000"
            && area != *b"666"
            && *a != b'9'
            && [*d, *e] != *b"00"
            && rest != b"0000";
        let apart = begins(text, start) && ends(text, end) && !joined(bytes, start, end);
        if digits && issued && apart {
            return Some(start..end);
        }
    }
}

/// Whether what looks whole is a piece of a longer number: a part number, a date.
fn joined(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default();
    let after = bytes.get(end..).unwrap_or_default();
    matches!(before, [.., b'0'..=b'9', b'-' | b'.'])
        || matches!(after, [b'-' | b'.', b'0'..=b'9', ..])
}

/// An IPv4 address.
pub(super) fn ipv4(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let start = at + bytes.get(at..)?.iter().position(u8::is_ascii_digit)?;
        let raw = text
            .get(start..start + run(text, start, |byte| byte.is_ascii_digit() || byte == b'.'))?;
        let found = raw.trim_end_matches('.');
        let end = start + found.len();
        let apart = begins(text, start) && ends(text, end) && !joined(bytes, start, end);
        if apart && found.parse::<Ipv4Addr>().is_ok() {
            return Some(start..end);
        }
        at = start + raw.len().max(1);
    }
}

/// An IPv6 address.
pub(super) fn ipv6(text: &str, from: usize) -> Option<Range<usize>> {
    let inside = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let colon = at + memchr::memchr(b':', bytes.get(at..)?)?;
        let before = bytes.get(from..colon).unwrap_or_default();
        let head = before.iter().rev().take(IPV6_LIMIT_BYTES).take_while(|byte| inside(**byte));
        let start = colon - head.count();
        let length = run(text, start, inside);
        at = (start + length).max(colon + 1);
        if length > IPV6_LIMIT_BYTES {
            continue;
        }
        let raw = text.get(start..start + length).unwrap_or_default();
        let found = raw.trim_end_matches('.');
        // A colon that ends a clause is none of the address.
        let found = match found.strip_suffix(':') {
            Some(shorter) if !shorter.ends_with(':') => shorter,
            _ => found,
        };
        let end = start + found.len();
        // `a::b` is more often a path of some programming language.
        let numeric = found.bytes().any(|byte| byte.is_ascii_digit());
        let apart = begins(text, start) && ends(text, end);
        if numeric && apart && found.parse::<Ipv6Addr>().is_ok() {
            return Some(start..end);
        }
    }
}

/// A phone number.
pub(super) fn phone(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let begin = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'(');
        let start = at + bytes.get(at..)?.iter().position(begin)?;
        let found = match bytes.get(start) {
            Some(b'+') => international(text, start),
            _ => domestic(text, start),
        };
        if let Some(end) = found.filter(|_| begins(text, start)) {
            return Some(start..end);
        }
        at = start + run(text, start, |byte| byte.is_ascii_digit()).max(1);
    }
}

/// `+49 30 1234567`: digits with single separators.
fn international(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut digits, mut end, mut open) = (start + 1, 0_usize, start, false);
    if !matches!(bytes.get(at), Some(b'1'..=b'9')) {
        return None;
    }
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied().unwrap_or_default();
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                end = at + 1;
            }
            b'(' if !open && next.is_ascii_digit() => open = true,
            b')' if open => open = false,
            b' ' | b'-' | b'.' | b'/' if next.is_ascii_digit() || next == b'(' => {}
            _ => break,
        }
        if digits > *PHONE_DIGITS.end() {
            return None;
        }
        at += 1;
    }
    (PHONE_DIGITS.contains(&digits) && ends(text, end)).then_some(end)
}

/// `(212) 555-0123`, `212-555-0123`, `212.555.0123`.
fn domestic(text: &str, start: usize) -> Option<usize> {
    let shape = |pattern: &str| {
        let end = start + pattern.len();
        let candidate = text.as_bytes().get(start..end)?;
        let fits = candidate.iter().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
            b'N' => matches!(byte, b'2'..=b'9'),
            b'd' => byte.is_ascii_digit(),
            wanted => *byte == wanted,
        });
        (fits && ends(text, end) && !joined(text.as_bytes(), start, end)).then_some(end)
    };
    let shapes = ["(Ndd) Ndd-dddd", "(Ndd)Ndd-dddd", "Ndd-Ndd-dddd", "Ndd.Ndd.dddd"];
    shapes.into_iter().find_map(shape)
}
