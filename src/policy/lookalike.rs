//! Names of arguments and operations that some servers read as one and the same.
//!
//! JSON readers that ignore case (Go's `encoding/json`, .NET), that know two spellings of a field
//! (`user_id` and `userId`, as protobuf's JSON mapping does), and form decoders that make an array
//! of `amount[]` or blanks and dots into `_` would see another argument than the rule does.

/// Whether a server may read `name` where a rule reads `wanted`, although they differ.
pub fn reads_as(name: &str, wanted: &str) -> bool {
    let first = |text: &str| text.bytes().next().filter(u8::is_ascii_alphanumeric);
    if let (Some(one), Some(other)) = (first(name), first(wanted))
        && !one.eq_ignore_ascii_case(&other)
    {
        return false;
    }
    name != wanted && letters(name).eq(letters(wanted))
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
    use super::reads_as;

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
