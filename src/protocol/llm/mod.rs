//! Model APIs: what a request asks for and may cost, what an answer used and asked for, and how a
//! call is refused in the provider's own words.

mod anthropic;
pub mod errors;
mod estimate;
mod gather;
mod gemini;
mod hints;
mod lines;
mod openai;
pub mod operation;
mod reader;
mod refusal;
mod request;
mod said;
mod skim;

pub use self::errors::Failure;
pub use self::hints::{Hints, hints};
pub use self::operation::{Kind, Operation, Routed};
pub use self::reader::Reader;
pub use self::refusal::refusal;
pub use self::request::{Facts, facts};
pub use self::said::{Asked, Counted, Fault, Said};

/// Whose API an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Also the many that speak like it.
    OpenAi,
    Anthropic,
    Gemini,
}

impl Provider {
    /// The name in the config, and of `gen_ai.provider.name`'s first part.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }
}

#[cfg(test)]
mod tests;
