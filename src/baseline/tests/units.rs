//! Bounds, and what is told when.
