//! What a model call used, in tokens.

/// Tokens of one answer of a model, as its provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All of the input: read from a cache, written to one, or neither.
    pub input: u64,
    /// All of the output, reasoning included.
    pub output: u64,
    /// The part of `input` that was read from a cache.
    pub cached: u64,
    /// The part of `input` that was written to a cache.
    pub cache_written: u64,
    /// The part of `output` that was reasoning.
    pub reasoning: u64,
    /// Whether the provider said so, or it was made out from what passed.
    pub known: Counted,
}

/// Where a count of tokens is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// The provider's own count.
    #[default]
    Reported,
    /// Made out from what passed, because the provider did not say.
    Estimated,
}

impl Tokens {
    /// Input and output together: what limits count.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
