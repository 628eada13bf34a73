//! Digests of arguments and results: recorded in place of contents.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

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
        first
            .iter_mut()
            .zip(self.0)
            .for_each(|(to, from)| *to = from);
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
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A key that makes digests of guessable arguments useless to whoever lacks it (RFC 2104).
#[derive(Clone)]
pub struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    /// A key of any length; longer than 64 bytes it is hashed first, as RFC 2104 has it.
    pub fn new(secret: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(secret).ok().map(Self)
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// Hashes what arrives in pieces, such as a streamed result.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Plain(Sha256),
    Keyed(Hmac<Sha256>),
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Keyed(_) => "Keyed(..)",
        })
    }
}

impl Hasher {
    /// Starts a digest, keyed if there is a key.
    pub fn new(key: Option<&HmacKey>) -> Self {
        Self(match key {
            Some(key) => State::Keyed(key.0.clone()),
            None => State::Plain(Sha256::new()),
        })
    }

    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Plain(hash) => hash.update(piece),
            State::Keyed(hash) => Mac::update(hash, piece),
        }
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Plain(hash) => Digest::of_hash(&hash.finalize()),
            State::Keyed(hash) => Digest::of_hash(&hash.finalize().into_bytes()),
        }
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
