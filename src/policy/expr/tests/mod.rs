//! Tests of the expression engine as its users see it.
