//! Which ended runs are judged: all that failed, and a share of the others.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::call::RunId;

/// The share of runs that are judged although they did not fail: from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

/// Why a run is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    Failed,
    /// It is among the share of the others.
    Sampled,
}

impl Chosen {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Sampled => "sampled",
        }
    }

    /// What users see in the event.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Failed => "of a failed run",
            Self::Sampled => "of a sampled run",
        }
    }
}

impl Share {
    /// `None` of what is no share.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// Whether a run is judged. Of those that did not fail the choice is by id alone, so that several
    /// gates choose the same ones, and apart from the choice of spans.
    pub fn choose(self, run: &RunId, failed: bool) -> Option<Chosen> {
        if failed {
            return Some(Chosen::Failed);
        }
        let mut hasher = DefaultHasher::new();
        "evaluate".hash(&mut hasher);
        run.hash(&mut hasher);
        #[expect(clippy::cast_precision_loss, reason = "a place between 0 and 1")]
        let place = (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64;
        (place < self.0).then_some(Chosen::Sampled)
    }
}
