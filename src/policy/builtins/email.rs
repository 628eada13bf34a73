//! Mail addresses: the strict subset that every mail system reads alike (the dot-atom form of
//! RFC 5321 section 4.1.2, without quoting, comments, display names or address literals).

use super::BuiltinError;

/// RFC 5321 section 4.5.3.1.1.
const LOCAL_LIMIT_BYTES: usize = 64;
/// RFC 1035 section 2.3.4, without the final dot.
const DOMAIN_LIMIT_BYTES: usize = 253;
const LABEL_LIMIT_BYTES: usize = 63;

/// A mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// Before the `@`, as written: upper and lower case may be two mailboxes.
    pub local: String,
    /// After the `@`, in lower case.
    pub domain: String,
}

/// Reads one bare address, `name@example.com`. International domains are written in their ASCII
/// form (`xn--…`).
///
/// # Errors
/// Text that is not exactly one address of the strict form; `%` and `!` before the `@`, which some
/// mail systems route by.
pub fn email(text: &str) -> Result<Email, BuiltinError> {
    let fault = |what: &str| Err(BuiltinError::new(format!("not a plain mail address: {what}")));
    let Some((local, domain)) = text.split_once('@') else {
        return fault("no `@`");
    };
    if local.is_empty() || local.len() > LOCAL_LIMIT_BYTES {
        return fault("the part before `@` is empty or too long");
    }
    let atom = |c: char| c.is_ascii_alphanumeric() || "#$&'*+-/=?^_`{|}~".contains(c);
    if !local.split('.').all(|atoms| !atoms.is_empty() && atoms.chars().all(atom)) {
        return fault("the part before `@` has a character that is not plain");
    }
    if domain.len() > DOMAIN_LIMIT_BYTES {
        return fault("the domain is too long");
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_LIMIT_BYTES
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric =
        domain.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    if !domain.split('.').all(label) || numeric {
        return fault("the domain is not a host name");
    }
    Ok(Email { local: local.to_owned(), domain: domain.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::email;

    #[test]
    fn plain_addresses_are_read() {
        let read = email("Ann.Lee+news@Mail.Example.COM").unwrap();
        assert_eq!(
            (read.local.as_str(), read.domain.as_str()),
            ("Ann.Lee+news", "mail.example.com")
        );
        for text in [
            "a@b.c",
            "o'brien@example.com",
            "a_b-c@x-y.example",
            "root@localhost",
            "a@xn--bcher-kva.example",
            "1@2.example",
        ] {
            assert!(email(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "a",
            "@",
            "a@",
            "@b.c",
            "a@b@c.d",
            "a@b.c,d@e.f",
            "a@b.c;d@e.f",
            "a@b.c d@e.f",
            " a@b.c",
            "a@b.c ",
            "a@b.c\n",
            "a\n@b.c",
            "a@b.c\r\nBcc: d@e.f",
            "Ann <a@b.c>",
            "<a@b.c>",
            "\"a b\"@c.d",
            "\"a@b\"@c.d",
            "a(x)@b.c",
            "a@(x)b.c",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@b..c",
            "a@.b.c",
            "a@b.c.",
            "a@-b.c",
            "a@b-.c",
            "a..b@c.d",
            ".a@b.c",
            "a.@b.c",
            "a%b.c@d.e",
            "b.c!a@d.e",
            "a@b_c.d",
            "ä@b.c",
            "a@ä.c",
            "a@b\u{3002}c",
            "a@b\u{0}.c",
            "mailto:a@b.c",
            "a\\@b.c",
            "a@b.c#",
            "a@b/c",
        ] {
            assert!(email(text).is_err(), "{text:?}");
        }
        assert!(email(&format!("{}@b.c", "a".repeat(65))).is_err());
        assert!(email(&format!("a@{}.c", "b".repeat(64))).is_err());
        assert!(email(&format!("a@{}c", "b.".repeat(130))).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_panics(text in any::<String>()) {
            let _ = email(&text);
        }

        #[test]
        fn what_is_read_is_the_whole_text(text in "[a-zA-Z.@%! <>\"-]{0,24}") {
            if let Ok(read) = email(&text) {
                let again = format!("{}@{}", read.local, read.domain);
                prop_assert!(text.eq_ignore_ascii_case(&again));
            }
        }
    }
}
