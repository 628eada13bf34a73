//! What the model of a run had to do with a call.

/// A call held against what the model of its run asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intended {
    /// A model asked for exactly this call, and it was not made before.
    Asked,
    /// No model in this run asked for it.
    NeverAsked,
    /// A model asked for this tool with other arguments.
    Altered,
    /// A model asked for it once, and it was made before.
    Again,
}

impl Intended {
    /// The name users see in events and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::NeverAsked => "never_asked",
            Self::Altered => "altered",
            Self::Again => "again",
        }
    }

    /// What is wrong with the call, in words; `None` of one that was asked for.
    pub fn mismatch(self) -> Option<&'static str> {
        match self {
            Self::Asked => None,
            Self::NeverAsked => Some("no model in this run asked for this call"),
            Self::Altered => Some("the model asked for this tool with other arguments"),
            Self::Again => Some("the model asked for this call once, and it was made before"),
        }
    }

    /// `call.intended` in expressions.
    pub fn holds(self) -> bool {
        self.mismatch().is_none()
    }
}
