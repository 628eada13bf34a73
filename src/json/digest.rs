//! Digests of arguments and results: recorded in place of contents.

use std::fmt;

use ring::digest::{Context, SHA256};
use ring::hmac::{self, HMAC_SHA256};

use crate::json::value::Value;

/// Bytes kept of the hash; twice as many hex digits are shown.
pub const DIGEST_BYTES: usize = 12;

/// The first 96 bits of SHA-256, or of HMAC-SHA256 under a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Digest {
    /// A digest from its bytes.
    pub const fn from_bytes(bytes: [u8; DIGEST_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(self) -> [u8; DIGEST_BYTES] {
        self.0
    }

    /// Its first 64 bits, for keys that live in memory only.
    pub fn short(self) -> u64 {
        let mut first = [0; 8];
        first.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        u64::from_be_bytes(first)
    }

    fn of_hash(hash: &[u8]) -> Self {
        let mut kept = [0; DIGEST_BYTES];
        kept.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
        Self(kept)
    }
}

impl fmt::Display for Digest {
    /// 24 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        let mut text = [0; DIGEST_BYTES * 2];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0x0f)]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A key that makes digests of guessable arguments useless to whoever lacks it (RFC 2104).
///
/// Printing it for debugging shows the algorithm only.
#[derive(Clone, Debug)]
pub struct HmacKey(hmac::Key);

impl HmacKey {
    /// A key of any length; longer than 64 bytes it is hashed first, as RFC 2104 has it.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, secret))
    }
}

/// Hashes what arrives in pieces, such as a streamed result.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Plain(Context),
    Keyed(hmac::Context),
}

impl Hasher {
    /// Starts a digest, keyed if there is a key.
    pub fn new(key: Option<&HmacKey>) -> Self {
        Self(match key {
            Some(key) => State::Keyed(hmac::Context::with_key(&key.0)),
            None => State::Plain(Context::new(&SHA256)),
        })
    }

    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Plain(context) => context.update(piece),
            State::Keyed(context) => context.update(piece),
        }
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Plain(context) => Digest::of_hash(context.finish().as_ref()),
            State::Keyed(context) => Digest::of_hash(context.sign().as_ref()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher(..)")
    }
}

/// The digest of a value's canonical form.
pub fn digest(value: Value<'_>, key: Option<&HmacKey>) -> Digest {
    let mut canonical = Vec::with_capacity(value.size_bytes());
    value.write_canonical(&mut canonical);
    let mut hasher = Hasher::new(key);
    hasher.update(&canonical);
    hasher.finish()
}
