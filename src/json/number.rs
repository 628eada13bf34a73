//! Finds number literals again in a text, for the rare number whose kind its value does not tell.
//!
//! serde_json hands over an integer beyond 64 bits as a double, and `-0` as `-0.0`. Python reads
//! both as integers, so the literal decides what they are.

use std::ops::Range;

/// The number literals of a JSON text that is known to be valid up to the last one asked for.
#[derive(Debug)]
pub(super) struct NumberLiterals<'t> {
    text: &'t [u8],
    position: usize,
    /// Literals passed so far.
    passed: usize,
}

impl<'t> NumberLiterals<'t> {
    pub(super) fn new(text: &'t [u8]) -> Self {
        Self { text, position: 0, passed: 0 }
    }

    /// Where the literal with the given index from 0 stands. Indices must go up from call to call,
    /// so that all calls together read the text once.
    pub(super) fn nth(&mut self, index: usize) -> Option<Range<usize>> {
        loop {
            let literal = self.next_literal()?;
            self.passed += 1;
            if self.passed > index {
                return Some(literal);
            }
        }
    }

    fn next_literal(&mut self) -> Option<Range<usize>> {
        loop {
            let rest = self.text.get(self.position..)?;
            let found = rest.iter().position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9'))?;
            let token = rest.get(found..)?;
            let start = self.position + found;
            if token.first() == Some(&b'"') {
                self.position = start + string_len(token);
                continue;
            }
            let len = token.iter().take_while(|byte| is_number_byte(**byte)).count();
            self.position = start + len;
            return Some(start..self.position);
        }
    }
}

/// Whether a literal is written as an integer.
pub(super) fn is_integer(literal: &str) -> bool {
    !literal.contains(['.', 'e', 'E'])
}

fn is_number_byte(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
}

/// Length of the string literal that `token` starts with, quotes included.
fn string_len(token: &[u8]) -> usize {
    let mut escaped = false;
    let inside = token.iter().skip(1).take_while(|byte| {
        let ends = **byte == b'"' && !escaped;
        escaped = **byte == b'\\' && !escaped;
        !ends
    });
    inside.count() + 2
}
