//! What a run is made of: calls to tools, and calls to models.

use std::sync::Arc;

/// What an admitted call asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Something of a tool.
    #[default]
    Tool,
    /// A model's answer; with the model's name, if the request says it.
    Inference(Option<Arc<str>>),
    /// Something else of a model's API: a list of models, a count of tokens.
    Lookup,
}

/// The models that a run has asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Models {
    #[default]
    None,
    One(Arc<str>),
    Several,
}

impl Models {
    /// Notes that the run asks a model.
    pub(super) fn ask(&mut self, model: &Arc<str>) {
        match self {
            Self::None => *self = Self::One(Arc::clone(model)),
            Self::One(known) if known == model => {}
            Self::One(_) => *self = Self::Several,
            Self::Several => {}
        }
    }
}
