//! What a judge is asked about a run, and the answers it may give.

use std::sync::Arc;

/// Most grades of a scale.
pub const SCALE_LIMIT_GRADES: usize = 16;

/// Labels that say how an evaluation went and so are nobody's grade.
pub const RESERVED_LABELS: [&str; 3] = ["error", "undecidable", "skipped"];

/// A question about a run with a scale of answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rubric {
    /// As events, metrics and `gen_ai.evaluation.name` have it.
    pub name: Arc<str>,
    /// What the judge is to find out, in the operator's words.
    pub question: String,
    /// Whether it can only be answered from what calls said, so that without recorded bodies nobody
    /// need be asked.
    pub needs_contents: bool,
    /// From 2 to [`SCALE_LIMIT_GRADES`], labels distinct.
    pub scale: Vec<Grade>,
}

/// One answer of a scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Grade {
    pub label: Arc<str>,
    /// Finite.
    pub score: f64,
    /// When it applies, in the operator's words; may be empty.
    pub meaning: String,
}

impl Rubric {
    /// The grade with exactly this label.
    pub fn grade(&self, label: &str) -> Option<&Grade> {
        self.scale.iter().find(|grade| *grade.label == *label)
    }
}
