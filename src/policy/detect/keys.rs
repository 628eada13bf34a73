//! Keys and tokens: known by the prefixes that their makers gave them so that they can be found.

use std::ops::Range;

use memchr::memmem;

use super::{begins, ends, run};

/// A prefix, and how many characters of which kind follow it.
pub(super) struct Shape {
    prefix: &'static str,
    class: fn(u8) -> bool,
    least: usize,
    /// Whether there are exactly so many.
    exact: bool,
    /// Whether what follows must have a digit in it, so that words are not taken for keys.
    digit: bool,
}

const fn shape(prefix: &'static str, class: fn(u8) -> bool, least: usize) -> Shape {
    Shape { prefix, class, least, exact: false, digit: false }
}

const fn exactly(shape: Shape) -> Shape {
    Shape { exact: true, ..shape }
}

const fn with_digit(shape: Shape) -> Shape {
    Shape { digit: true, ..shape }
}

pub(super) static GITHUB: &[Shape] = &[
    shape("ghp_", alphanumeric, 36),
    shape("gho_", alphanumeric, 36),
    shape("ghu_", alphanumeric, 36),
    shape("ghs_", alphanumeric, 36),
    shape("ghr_", alphanumeric, 36),
    shape("github_pat_", word, 22),
];

pub(super) static SLACK: &[Shape] = &[
    with_digit(shape("xoxb-", token, 10)),
    with_digit(shape("xoxp-", token, 10)),
    with_digit(shape("xoxa-", token, 10)),
    with_digit(shape("xoxe-", token, 10)),
    with_digit(shape("xoxe.", token, 10)),
    with_digit(shape("xoxr-", token, 10)),
    with_digit(shape("xoxs-", token, 10)),
    with_digit(shape("xapp-", token, 10)),
];

/// OpenAI and Anthropic, Google, Stripe, GitLab, npm, Hugging Face, SendGrid.
pub(super) static API: &[Shape] = &[
    with_digit(shape("sk-", token, 20)),
    shape("AIza", token, 35),
    shape("sk_live_", alphanumeric, 16),
    shape("sk_test_", alphanumeric, 16),
    shape("rk_live_", alphanumeric, 16),
    shape("rk_test_", alphanumeric, 16),
    with_digit(shape("glpat-", token, 20)),
    with_digit(shape("npm_", alphanumeric, 36)),
    with_digit(shape("hf_", alphanumeric, 30)),
    with_digit(shape("SG.", dotted, 40)),
];

/// Access key ids of AWS: of users, of sessions and their kin.
pub(super) static AWS_IDS: &[Shape] = &[
    exactly(shape("AKIA", base32, 16)),
    exactly(shape("ASIA", base32, 16)),
    exactly(shape("ABIA", base32, 16)),
    exactly(shape("ACCA", base32, 16)),
];

/// Characters of an AWS secret access key.
const AWS_SECRET_LEN: usize = 40;

/// Characters between the name of a secret access key and the key.
const AWS_GAP_LIMIT: usize = 8;

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn dotted(byte: u8) -> bool {
    token(byte) || byte == b'.'
}

fn base32(byte: u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b'2'..=b'7')
}

fn base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+')
}

impl Shape {
    /// The first key of the shape that begins at byte `from` or later.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let mut at = from;
        loop {
            let rest = text.as_bytes().get(at..)?;
            let start = at + memmem::find(rest, self.prefix.as_bytes())?;
            let inside = start + self.prefix.len();
            let end = inside + run(text, inside, self.class);
            let body = text.get(inside..end).unwrap_or_default();
            let long = body.len() == self.least || (body.len() > self.least && !self.exact);
            let digit = !self.digit || body.bytes().any(|byte| byte.is_ascii_digit());
            if long && digit && begins(text, start) && ends(text, end) {
                return Some(start..end);
            }
            at = end;
        }
    }
}

/// Three parts in base64url, of which the first two are JSON objects.
pub(super) fn jwt(text: &str, from: usize) -> Option<Range<usize>> {
    /// What `{"` is in base64.
    const OBJECT: &str = "eyJ";
    let mut at = from;
    loop {
        let start = at + memmem::find(text.as_bytes().get(at..)?, OBJECT.as_bytes())?;
        let header = start + run(text, start, token);
        let is_jwt = begins(text, start)
            && text.get(header..).is_some_and(|rest| rest.starts_with(".eyJ"))
            && header - start >= 8;
        if !is_jwt {
            at = header;
            continue;
        }
        let payload = header + 1 + run(text, header + 1, token);
        if text.as_bytes().get(payload) == Some(&b'.') {
            return Some(start..payload + 1 + run(text, payload + 1, token));
        }
        at = payload;
    }
}

/// How the secret access key of AWS is named where it is written down.
pub(super) static AWS_SECRET_NAMES: [&str; 3] =
    ["ecret_access_key", "ecretAccessKey", "ECRET_ACCESS_KEY"];

/// A secret access key of AWS behind its name.
pub(super) fn behind(name: &str, text: &str, from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        let after = at + memmem::find(text.as_bytes().get(at..)?, name.as_bytes())? + name.len();
        let gap =
            run(text, after, |byte| matches!(byte, b' ' | b'"' | b'\'' | b':' | b'=' | b'\\'));
        let start = after + gap;
        let end = start + run(text, start, base64);
        if (1..=AWS_GAP_LIMIT).contains(&gap) && end - start == AWS_SECRET_LEN {
            return Some(start..end);
        }
        at = after;
    }
}

/// From the first line of a PEM block to its last, or to the end of the text.
pub(super) fn private_key(text: &str, from: usize) -> Option<Range<usize>> {
    /// Longest label of a block, such as `ENCRYPTED PRIVATE KEY`.
    const LABEL_LIMIT_BYTES: usize = 64;
    let mut at = from;
    loop {
        let start = at + memmem::find(text.as_bytes().get(at..)?, b"-----BEGIN ")?;
        let label = start + "-----BEGIN ".len();
        let length = run(text, label, |byte| {
            byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9')
        });
        let name = text.get(label..label + length).unwrap_or_default();
        if length > LABEL_LIMIT_BYTES || !name.contains("PRIVATE KEY") {
            at = label;
            continue;
        }
        let rest = text.get(label..).unwrap_or_default();
        let end = memmem::find(rest.as_bytes(), b"-----END ").map_or(text.len(), |found| {
            let closing = label + found + "-----END ".len();
            let rest = text.get(closing..).unwrap_or_default();
            rest.find("-----").map_or(text.len(), |dashes| closing + dashes + 5)
        });
        return Some(start..end);
    }
}
