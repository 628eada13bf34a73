//! What a provider's answer said beyond its status: numbers and names, never its text.

use crate::call::usage::{Tier, Usage};

/// Longest name or id that is kept, in bytes; a longer one is cut.
pub(super) const WORD_LIMIT_BYTES: usize = 256;

/// Tool calls of one answer that are remembered; models ask for a few dozen at the most.
pub(super) const ASKED_LIMIT_CALLS: usize = 128;

/// Arguments of one tool call that are kept, in bytes.
pub(super) const ASKED_ARGS_LIMIT_BYTES: usize = 65_536;

/// Arguments of all tool calls of one answer that are kept, in bytes.
pub(super) const ASKED_LIMIT_BYTES: usize = 262_144;

/// Different reasons for its end that are kept of an answer.
pub(super) const FINISH_LIMIT: usize = 8;

/// A tool call that the model asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The id under which its result is to be given back, when it has one.
    pub id: Option<Box<str>>,
    pub name: Box<str>,
    /// The arguments as the model wrote them: JSON, or the text that a free-form tool takes.
    pub args: Box<[u8]>,
    /// Whether `args` is all of it.
    pub is_whole: bool,
}

/// How an answer says that it failed, in the provider's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// `type`, or Gemini's `status`.
    pub kind: Option<Box<str>>,
    pub code: Option<Box<str>>,
    /// Whether its message speaks of a prompt that is too long.
    pub is_about_length: bool,
}

/// Where the tokens of an answer come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counted {
    /// The provider has not said anything.
    #[default]
    Not,
    /// It has said how it began; what follows may still add to that.
    SoFar,
    /// It has said all.
    Finally,
}

/// What was read of an answer.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The model that answered.
    pub model: Option<Box<str>>,
    /// The id by which a later request may go on from here.
    pub response_id: Option<Box<str>>,
    pub usage: Usage,
    pub counted: Counted,
    /// Nothing that can be relied on was said of the length of the prompt.
    pub has_unknown_input: bool,
    /// Some of the answer could not be read: it may have said more.
    pub is_unread: bool,
    /// Absent when the answer does not say.
    pub tier: Option<Tier>,
    /// Why the model stopped, in the provider's words; more than one where it gave several answers.
    pub finish: Vec<Box<str>>,
    pub asked: Vec<Asked>,
    /// Of `asked`, how many were told before the answer had ended.
    pub told: usize,
    /// The model asked for more than is remembered.
    pub asked_more: bool,
    /// The model came to its end by itself and asked for no tool.
    pub is_final: bool,
    pub fault: Option<Fault>,
    /// Length of what the model generated, as it stood in the answer, in bytes. A token is never
    /// shorter than a byte.
    pub generated_bytes: u64,
}
