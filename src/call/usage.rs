//! The tokens of one model call, in one form for all providers.

/// Tokens as they are billed. Parts are contained in their totals: `input` counts what was read from
/// or written to a cache, `output` counts what was thought and not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All of the prompt.
    pub input: u64,
    /// Of `input`, read from a cache.
    pub cache_read: u64,
    /// Of `input`, written to a cache for some minutes.
    pub cache_write: u64,
    /// Of `input`, written to a cache for an hour.
    pub cache_write_1h: u64,
    /// Of `input`, sound.
    pub audio_input: u64,
    /// All that was generated.
    pub output: u64,
    /// Of `output`, thought.
    pub reasoning: u64,
    /// Of `output`, sound.
    pub audio_output: u64,
    /// Searches of the web that the provider made for it.
    pub searches: u64,
    pub surcharged: Surcharged,
}

/// For what all of a call is dearer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surcharged {
    /// It was kept within the United States.
    pub in_us: bool,
    /// It was given more of the machine.
    pub fast: bool,
}

impl Usage {
    /// All tokens.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// How a provider was asked to, or says it did, carry a call out; each has prices of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    #[default]
    Standard,
    /// Slower, and cheaper.
    Flex,
    /// Faster, and dearer.
    Priority,
    /// Later, and cheaper.
    Batch,
    /// The fastest, and the dearest.
    Ultrafast,
}

impl Tier {
    /// The tier that an answer's `service_tier` names; the standard one for names that have no
    /// prices of their own.
    pub fn named(name: &str) -> Self {
        match &*name.to_ascii_lowercase() {
            "flex" => Self::Flex,
            "priority" | "fast" => Self::Priority,
            "batch" => Self::Batch,
            "ultrafast" => Self::Ultrafast,
            _ => Self::Standard,
        }
    }
}
