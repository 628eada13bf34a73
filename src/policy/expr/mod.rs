//! Expressions: parsed by `cel`, checked against the environment, compiled to our own program.
