//! JSON read once and strictly: a flat document that borrows its text, its canonical form and digest.
