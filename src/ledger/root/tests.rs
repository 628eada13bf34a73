//! The span of a run.
