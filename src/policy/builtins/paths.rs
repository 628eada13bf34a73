//! Whether one path lies under another, by their text alone.
//!
//! Nothing is looked up: a symbolic link inside the folder may still lead out of it.

/// Longest path that is read: Linux's `PATH_MAX`.
const PATH_LIMIT_BYTES: usize = 4 * 1024;

/// Whether `path` is `dir` or lies below it, `.`, `..` and `//` resolved. An absolute path lies only
/// under an absolute folder, a relative one only under a relative one, as both start from the same
/// place. False for what is not known to stay there: a leading `~`, `$`, backquotes, backslashes,
/// NUL, a pattern that could match `..` or that `..` follows, and paths over 4 KiB.
#[must_use]
pub fn under(path: &str, dir: &str) -> bool {
    let (Some(path), Some(dir)) = (Resolved::new(path), Resolved::new(dir)) else {
        return false;
    };
    path.absolute == dir.absolute && path.names.starts_with(&dir.names)
}

struct Resolved<'t> {
    absolute: bool,
    names: Vec<&'t str>,
}

impl<'t> Resolved<'t> {
    fn new(path: &'t str) -> Option<Self> {
        let strange = |c| matches!(c, '\0' | '$' | '`' | '\\');
        if path.is_empty()
            || path.len() > PATH_LIMIT_BYTES
            || path.starts_with('~')
            || path.contains(strange)
        {
            return None;
        }
        let absolute = path.starts_with('/');
        let mut names = Vec::new();
        let mut patterns = false;
        for name in path.split('/') {
            match name {
                "" | "." => {}
                // A pattern may match a symbolic link, and what is above that is elsewhere.
                ".." if patterns => return None,
                ".." => {
                    if names.pop().is_none() && !absolute {
                        return None;
                    }
                }
                _ => {
                    let pattern = name.contains(['*', '?', '[']);
                    if pattern && (name.starts_with('.') || name.contains('(')) {
                        return None;
                    }
                    patterns |= pattern;
                    names.push(name);
                }
            }
        }
        Some(Self { absolute, names })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::under;

    const DIR: &str = "/workspace/tmp";

    #[test]
    fn paths_that_stay_are_under() {
        for path in [
            "/workspace/tmp",
            "/workspace/tmp/",
            "/workspace/tmp/x",
            "/workspace/tmp//x/",
            "//workspace///tmp/x",
            "/workspace/tmp/./x/.",
            "/workspace/tmp/a/../b",
            "/workspace/tmp/a/b/../../c",
            "/workspace/x/../tmp/y",
            "/../workspace/tmp/x",
            "/workspace/tmp/*",
            "/workspace/tmp/*.log",
            "/workspace/tmp/a?/[bc]*",
            "/workspace/tmp/..x",
            "/workspace/tmp/...",
            "/workspace/tmp/.hidden",
            "/workspace/tmp/ä b",
        ] {
            assert!(under(path, DIR), "{path}");
            assert!(under(path, "/workspace/tmp/"), "{path}");
            assert!(under(path, "/"), "{path}");
        }
        assert!(under("a/b", "a"));
        assert!(under("./a/b", "a"));
        assert!(under("a/b", "."));
        assert!(under("a/../b", "b"));
    }

    #[test]
    fn paths_that_leave_or_might_are_not() {
        for path in [
            "",
            "/",
            "/workspace",
            "/workspace/tmpfoo",
            "/workspace/tmp2/x",
            "/workspace/tmp/..",
            "/workspace/tmp/../x",
            "/workspace/tmp/a/../../x",
            "/workspace/tmp/./../x",
            "/workspace/tmp//..//x",
            "/workspace/tmp/x/../../../workspace/other",
            "/Workspace/tmp/x",
            "workspace/tmp/x",
            "x",
            ".",
            "..",
            "~/workspace/tmp",
            "~",
            "$HOME",
            "/workspace/tmp/$X",
            "/workspace/tmp/`pwd`",
            "/workspace/tmp/*/../../x",
            "/workspace/tmp/*/..",
            "/workspace/tmp/.*",
            "/workspace/tmp/.?",
            "/workspace/tmp/.[.]",
            "/workspace/tmp/@(..|x)*",
            "/workspace/tmp\\..\\..",
            "/workspace/tmp/\0",
            "/*/tmp",
            "/workspace/t*",
        ] {
            assert!(!under(path, DIR), "{path}");
        }
        assert!(!under("../a", "."));
        assert!(!under("../a", "a"));
        assert!(!under("a/../../a/b", "a"));
        assert!(!under("/a", "."));
        assert!(!under("a", "/"));
        assert!(!under("a", ""));
        assert!(!under("/a", "~"));
        assert!(!under(&format!("/{}", "a/".repeat(3_000)), "/"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_walking_the_path(names in prop::collection::vec("\\.|\\.\\.|a|b|", 0..12)) {
            let path = format!("/a/{}", names.join("/"));
            let mut walked = Vec::new();
            for name in path.split('/') {
                match name {
                    "" | "." => {}
                    ".." => { walked.pop(); }
                    name => walked.push(name),
                }
            }
            prop_assert_eq!(under(&path, "/a/b"), walked.starts_with(&["a", "b"]));
        }

        #[test]
        fn nothing_panics(path in any::<String>(), dir in any::<String>()) {
            let _ = under(&path, &dir);
        }
    }
}
