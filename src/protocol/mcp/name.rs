//! Names of tools as servers give them, and whether a name may be part of ours.

use crate::call::PROTOCOL_PREFIX;

/// Longest name of a tool, in bytes (the specification's "Tool Names" advises the same).
pub const NAME_LIMIT_BYTES: usize = 128;

/// Why a name is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("a tool's name is empty or longer than {NAME_LIMIT_BYTES} bytes")]
    Length,
    #[error("a tool's name holds a blank, a control character or one that cannot be seen")]
    Character,
    #[error("a tool's name begins with `{PROTOCOL_PREFIX}`")]
    Reserved,
    /// It may look like another tool's.
    #[error("a tool's name holds letters beyond ASCII and is not one that the server listed")]
    NotListed,
}

/// Whether a name may be that of a tool. Letters beyond ASCII may look like others: such a name
/// passes only when `is_listed`, the server having listed exactly it.
///
/// # Errors
/// What is wrong with it.
pub fn check(name: &str, is_listed: impl FnOnce() -> bool) -> Result<(), NameFault> {
    if name.is_empty() || name.len() > NAME_LIMIT_BYTES {
        return Err(NameFault::Length);
    }
    if name.chars().any(is_unseen) {
        return Err(NameFault::Character);
    }
    if name.starts_with(PROTOCOL_PREFIX) {
        return Err(NameFault::Reserved);
    }
    if !name.is_ascii() && !is_listed() {
        return Err(NameFault::NotListed);
    }
    Ok(())
}

/// Blanks, control characters and those that change how others are shown (Unicode, "Default
/// Ignorable Code Points" and "Bidirectional Control").
fn is_unseen(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_taken_for_others_are_refused() {
        let long = "x".repeat(NAME_LIMIT_BYTES + 1);
        for (name, expected) in [
            ("get_weather", Ok(())),
            ("admin/tools.list-2", Ok(())),
            ("a:b", Ok(())),
            ("", Err(NameFault::Length)),
            (long.as_str(), Err(NameFault::Length)),
            ("get weather", Err(NameFault::Character)),
            ("get\u{0}", Err(NameFault::Character)),
            ("get\u{200b}", Err(NameFault::Character)),
            ("get\u{202e}", Err(NameFault::Character)),
            ("mcp:tools/list", Err(NameFault::Reserved)),
            ("g\u{435}t", Err(NameFault::NotListed)),
        ] {
            assert_eq!(check(name, || false), expected, "{name:?}");
        }
        assert_eq!(check("g\u{435}t", || true), Ok(()));
        assert_eq!(check("g\u{200b}t", || true), Err(NameFault::Character));
    }
}
