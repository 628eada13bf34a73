//! Random text: nothing panics, and nothing hides what follows it.

use proptest::prelude::*;

use super::{is_recursive_delete, only};
use crate::policy::builtins::shell::shell;

fn shellish() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "rm",
        "-rf",
        "/",
        " ",
        "  ",
        "\n",
        ";",
        "&",
        "&&",
        "|",
        "||",
        "(",
        ")",
        "((",
        "))",
        "{",
        "}",
        "$(",
        "${",
        "$((",
        "`",
        "'",
        "\"",
        "\\",
        "$",
        "$X",
        "X=",
        "X=(",
        "<",
        ">",
        "<<E",
        "\nE\n",
        "<<<",
        "<(",
        ">(",
        "2>&1",
        "if ",
        "then ",
        "fi",
        "for x in ",
        "do ",
        "done",
        "case x in ",
        "esac",
        ";;",
        "[[ ",
        " ]]",
        "function f ",
        "f()",
        "!",
        "time ",
        "sudo ",
        "env ",
        "-S",
        "sh -c ",
        "eval ",
        "xargs ",
        "find ",
        "-exec ",
        "{}",
        "*",
        "~",
        "{a,b}",
        "{1..9}",
        "#",
        "$'\\x72'",
        "é",
        "\u{0}",
        "=",
        "+=",
        ":-",
        "@P",
        "coproc ",
        "alias a=",
        "set -- ",
        "\"$@\"",
        "bash <<E\n",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_shell_like_text(text in shellish()) {
        let _ = shell(&text);
    }

    #[test]
    fn nothing_panics_on_any_text(text in any::<String>()) {
        let _ = shell(&text);
    }

    /// Quoting never changes what a word is.
    #[test]
    fn a_quoted_argument_comes_back(argument in "[^'\u{0}]{0,40}") {
        let command = only(&format!("echo -- '{argument}'"));
        prop_assert_eq!(command.args, vec!["--".to_owned(), argument]);
    }

    /// What stands in front of a delete does not hide it.
    #[test]
    fn a_delete_after_anything_readable_is_seen(prefix in shellish()) {
        if shell(&prefix).is_ok() && !prefix.trim_end_matches(' ').ends_with(['\\', '&', '|', ';', '!'])
            && let Ok(commands) = shell(&format!("{prefix}\nrm -rf /"))
        {
            prop_assert!(commands.iter().any(is_recursive_delete), "{prefix:?}: {commands:?}");
        }
    }
}
