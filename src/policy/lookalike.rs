//! Names of arguments and operations that some servers read as one and the same.
//!
//! JSON readers that ignore case (Go's `encoding/json`, .NET), that know two spellings of a field
//! (`user_id` and `userId`, as protobuf's JSON mapping does), and form decoders that make an array
//! of `amount[]` or blanks and dots into `_` would see another argument than the rule does.

/// Whether a server may read `name` where a rule reads `wanted`, although they differ.
#[inline]
pub fn reads_as(name: &str, wanted: &str) -> bool {
    match (name.as_bytes(), wanted.as_bytes()) {
        ([a, ..], [b, ..])
            if a.is_ascii_alphanumeric()
                && b.is_ascii_alphanumeric()
                && !a.eq_ignore_ascii_case(b) =>
        {
            false
        }
        _ => name != wanted && reads_as_whole(name, wanted),
    }
}

fn reads_as_whole(name: &str, wanted: &str) -> bool {
    match plainly(name.as_bytes(), wanted.as_bytes()) {
        Some(same) => same,
        None => letters(name).eq(letters(wanted)),
    }
}

/// Whether two names of plain letters are one for the most lenient reader; `None` when it takes
/// more than plain letters to tell. Nearly every pair of names differs in its first letters, so
/// this is all that most of them cost: every name of an object is compared at every access.
fn plainly(mut name: &[u8], mut wanted: &[u8]) -> Option<bool> {
    loop {
        match (name, wanted) {
            ([a, name_rest @ ..], [b, wanted_rest @ ..])
                if a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric() =>
            {
                if !a.eq_ignore_ascii_case(b) {
                    return Some(false);
                }
                (name, wanted) = (name_rest, wanted_rest);
            }
            ([b'_' | b'-' | b'.', rest @ ..], _) => name = rest,
            (_, [b'_' | b'-' | b'.', rest @ ..]) => wanted = rest,
            ([], []) => return Some(true),
            ([letter, ..], []) | ([], [letter, ..]) if letter.is_ascii_alphanumeric() => {
                return Some(false);
            }
            _ => return None,
        }
    }
}

/// A name as the most lenient reader sees it; equal for names it takes for each other.
pub fn leniently(name: &str) -> String {
    letters(name).collect()
}

/// What is left of a name for the most lenient reader.
fn letters(name: &str) -> impl Iterator<Item = char> {
    let read = name.chars().take_while(|letter| !matches!(letter, '[' | '\0'));
    let kept = read.filter(|letter| {
        !matches!(letter, '_' | '-' | '.') && !letter.is_whitespace() && !letter.is_control()
    });
    // By way of the capital, which `ſ` and `s` share.
    kept.flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{letters, plainly, reads_as};

    #[test]
    fn names_that_servers_take_for_each_other() {
        for name in ["Amount", "AMOUNT", "amount[]", "amount[0]", "amount ", " amount", "amo_unt"] {
            assert!(reads_as(name, "amount"), "{name}");
        }
        for (name, wanted) in [
            ("userId", "user_id"),
            ("user-id", "user_id"),
            ("user.id", "user_id"),
            ("\u{17f}tatus", "status"),
            ("\u{212a}ey", "key"),
            ("amount\0x", "amount"),
        ] {
            assert!(reads_as(name, wanted), "{name:?} for {wanted}");
            assert!(reads_as(wanted, name), "{wanted} for {name:?}");
        }
    }

    proptest! {
        #[test]
        fn the_quick_way_agrees_with_the_thorough_one(
            name in "[aAbB_.\\[ -\u{17f}\u{212a}sk0]{0,6}",
            wanted in "[aAbB_.\\[ -\u{17f}\u{212a}sk0]{0,6}",
        ) {
            if let Some(same) = plainly(name.as_bytes(), wanted.as_bytes()) {
                prop_assert_eq!(same, letters(&name).eq(letters(&wanted)), "{} {}", name, wanted);
            }
        }
    }

    #[test]
    fn names_that_differ_for_everybody() {
        for (name, wanted) in [
            ("amount", "amount"),
            ("amounts", "amount"),
            ("mount", "amount"),
            ("", "a"),
            ("a", "b"),
        ] {
            assert!(!reads_as(name, wanted), "{name} for {wanted}");
        }
    }
}
