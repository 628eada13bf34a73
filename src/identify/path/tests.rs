//! Paths: what is taken, in which form, and what is refused.

use super::{CanonicalPath, PATH_LIMIT_BYTES, PathError, PathTemplate, canonical};

fn read(path: &str) -> CanonicalPath {
    canonical(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn segments(path: &CanonicalPath) -> Vec<&str> {
    path.all().segments().collect()
}

#[test]
fn every_path_has_one_form() {
    let cases: [(&str, &str, &[&str]); 27] = [
        ("/", "/", &[]),
        ("/a", "/a", &["a"]),
        ("/a/", "/a/", &["a"]),
        (
            "/booking/bookings/7/confirm",
            "/booking/bookings/7/confirm",
            &["booking", "bookings", "7", "confirm"],
        ),
        ("/%61", "/a", &["a"]),
        ("/%7Euser", "/~user", &["~user"]),
        ("/a%2Db", "/a-b", &["a-b"]),
        ("/a%40b", "/a@b", &["a@b"]),
        ("/a@b", "/a@b", &["a@b"]),
        ("/v1/things:cancel", "/v1/things:cancel", &["v1", "things:cancel"]),
        ("/a%3ab", "/a:b", &["a:b"]),
        ("/a%20b", "/a%20b", &["a b"]),
        ("/a+b", "/a%2Bb", &["a+b"]),
        ("/a%2bb", "/a%2Bb", &["a+b"]),
        ("/caf%c3%a9", "/caf%C3%A9", &["café"]),
        ("/100%25", "/100%25", &["100%"]),
        ("/%25zz", "/%25zz", &["%zz"]),
        ("/a%3Fb", "/a%3Fb", &["a?b"]),
        ("/c%23", "/c%23", &["c#"]),
        ("/{x}|^\"<>`[]", "/%7Bx%7D%7C%5E%22%3C%3E%60%5B%5D", &["{x}|^\"<>`[]"]),
        ("/!$&'()*,=", "/!$&'()*,=", &["!$&'()*,="]),
        ("/%21%24%26%27%28%29%2A%2C%3D", "/!$&'()*,=", &["!$&'()*,="]),
        ("/...", "/...", &["..."]),
        ("/.a/b.", "/.a/b.", &[".a", "b."]),
        ("/%2ea", "/.a", &[".a"]),
        ("/~", "/~", &["~"]),
        ("/%E2%82%AC/%F0%9F%98%80", "/%E2%82%AC/%F0%9F%98%80", &["€", "😀"]),
    ];
    for (path, text, decoded) in cases {
        let read = read(path);
        assert_eq!(read.canonical(), text, "{path}");
        assert_eq!(segments(&read), decoded, "{path}");
        let again = canonical(text).unwrap();
        assert_eq!(again, read, "{path}: the canonical form is its own");
    }
}

#[test]
fn what_two_servers_could_read_differently_is_refused() {
    use PathError::*;
    let cases = [
        ("", NotAbsolute),
        ("a/b", NotAbsolute),
        ("*", NotAbsolute),
        ("http://x/", NotAbsolute),
        ("//", EmptySegment),
        ("//a", EmptySegment),
        ("/a//b", EmptySegment),
        ("/a//", EmptySegment),
        ("/.", DotSegment),
        ("/..", DotSegment),
        ("/./a", DotSegment),
        ("/a/../b", DotSegment),
        ("/a/..", DotSegment),
        ("/a/../", DotSegment),
        ("/%2e", DotSegment),
        ("/%2E%2e/a", DotSegment),
        ("/.%2e/a", DotSegment),
        ("/%2e./a", DotSegment),
        ("/..%20/a", DotSegment),
        ("/a%2fb", EncodedSlash),
        ("/a%2Fb", EncodedSlash),
        ("/..%2f..%2fetc", EncodedSlash),
        ("/a\\b", Backslash),
        ("/..\\a", Backslash),
        ("/a%5cb", Backslash),
        ("/a%5Cb", Backslash),
        ("/a;x=1", Semicolon),
        ("/a/..;/b", Semicolon),
        ("/a%3bx", Semicolon),
        ("/..%3B/a", Semicolon),
        ("/a%00", Control),
        ("/%0d%0aHost:x", Control),
        ("/a%09", Control),
        ("/a%7f", Control),
        ("/%C2%85", Control),
        ("/a\tb", Control),
        ("/%252e%252e", EncodedTwice),
        ("/%252f", EncodedTwice),
        ("/a%2541", EncodedTwice),
        ("/%25%32%66", EncodedTwice),
        ("/%25%32f", EncodedTwice),
        ("/é", NotAscii),
        ("/a/\u{ff0e}\u{ff0e}/b", NotAscii),
        ("/a b", Delimiter),
        ("/a?b", Delimiter),
        ("/a#b", Delimiter),
        ("/%", Escape),
        ("/%4", Escape),
        ("/%zz", Escape),
        ("/a%4/b", Escape),
        ("/%u0041", Escape),
        ("/%+1", Escape),
        ("/%ff", NotUtf8),
        ("/%c0%ae", NotUtf8),
        ("/%c0%af", NotUtf8),
        ("/%c3/%a9", NotUtf8),
        ("/%ed%a0%80", NotUtf8),
    ];
    for (path, error) in cases {
        assert_eq!(canonical(path), Err(error), "{path}");
    }
    let longest = "/".to_owned() + &"a".repeat(PATH_LIMIT_BYTES - 1);
    assert!(canonical(&longest).is_ok());
    assert_eq!(canonical(&(longest + "a")), Err(TooLong));
}

#[test]
fn every_byte_is_refused_or_has_one_form() {
    for byte in 0..=255u8 {
        let encoded = canonical(&format!("/x%{byte:02X}y"));
        let lower = canonical(&format!("/x%{byte:02x}y"));
        assert_eq!(encoded, lower, "{byte:#x}");
        if byte.is_ascii() {
            let raw = canonical(&format!("/x{}y", char::from(byte)));
            if let (Ok(raw), Ok(encoded)) = (&raw, &encoded) {
                assert_eq!(raw, encoded, "{byte:#x}");
            }
        } else {
            assert!(encoded.is_err(), "{byte:#x}");
        }
    }
}

#[test]
fn the_first_segment_splits_off() {
    let path = read("/crm/customers/a%20b/");
    let (first, below) = path.split_first().unwrap();
    assert_eq!(first, "crm");
    assert_eq!(below.canonical(), "/customers/a%20b/");
    assert_eq!(below.segments().collect::<Vec<_>>(), ["customers", "a b"]);
    assert!(below.ends_with_slash());
    assert!(read("/").split_first().is_none());
    for only in ["/crm", "/crm/"] {
        let path = read(only);
        let (first, below) = path.split_first().unwrap();
        assert_eq!((first, below.as_str(), below.segments().len()), ("crm", "/", 0));
    }
}

#[test]
fn long_paths_are_shown_cut() {
    let path = read(&("/".to_owned() + &"a".repeat(500)));
    assert_eq!(path.shown().chars().count(), 201);
    assert_eq!(read("/a").shown(), "/a");
}

mod templates {
    use std::cmp::Ordering;

    use super::super::{PathError, PathTemplate, TemplateError};
    use super::read;

    /// Names and values.
    type Pairs = &'static [(&'static str, &'static str)];

    fn template(text: &str) -> PathTemplate {
        PathTemplate::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn captures(pattern: &str, path: &str) -> Option<Vec<(String, String)>> {
        let path = read(path);
        let template = template(pattern);
        let captured = template.captures(&path.all())?;
        Some(captured.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    #[test]
    fn parameters_are_captured_in_order() {
        let cases: [(&str, &str, Pairs); 9] = [
            ("/", "/", &[]),
            ("/a/b", "/a/b", &[]),
            ("/a/b", "/%61/b", &[]),
            ("/customers/{id}/x", "/customers/7/x", &[("id", "7")]),
            ("/{b}/{a}", "/1/2", &[("b", "1"), ("a", "2")]),
            ("/{id}/", "/a%20b/", &[("id", "a b")]),
            ("/x/{id}:cancel", "/x/7:cancel", &[("id", "7")]),
            ("/report.{format}", "/report.pdf", &[("format", "pdf")]),
            ("/caf%C3%A9/{x-y.z_1}", "/caf%c3%a9/%C3%A9", &[("x-y.z_1", "é")]),
        ];
        for (pattern, path, expected) in cases {
            let expected: Vec<(String, String)> =
                expected.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(captures(pattern, path), Some(expected), "{pattern} {path}");
        }
    }

    #[test]
    fn other_paths_do_not_match() {
        for (pattern, path) in [
            ("/", "/a"),
            ("/a", "/"),
            ("/a", "/a/"),
            ("/a/", "/a"),
            ("/a", "/A"),
            ("/a/{id}", "/a"),
            ("/a/{id}", "/a/b/c"),
            ("/a/{id}", "/b/1"),
            ("/x/{id}:cancel", "/x/:cancel"),
            ("/x/{id}:cancel", "/x/7:confirm"),
            ("/aa{id}aa", "/aaa"),
        ] {
            assert_eq!(captures(pattern, path), None, "{pattern} {path}");
        }
    }

    #[test]
    fn bad_templates_are_refused() {
        let unbalanced = |segment: &str| TemplateError::Unbalanced { segment: segment.into() };
        let name = |name: &str| TemplateError::Name { name: name.into() };
        let cases = [
            ("", TemplateError::Path(PathError::NotAbsolute)),
            ("a", TemplateError::Path(PathError::NotAbsolute)),
            ("//", TemplateError::Path(PathError::EmptySegment)),
            ("/a//b", TemplateError::Path(PathError::EmptySegment)),
            ("/a/../b", TemplateError::Path(PathError::DotSegment)),
            ("/a%2fb", TemplateError::Path(PathError::EncodedSlash)),
            ("/größe", TemplateError::Path(PathError::NotAscii)),
            ("/a?b={c}", TemplateError::Path(PathError::Delimiter)),
            ("/{a", unbalanced("{a")),
            ("/a}", unbalanced("a}")),
            ("/}{", unbalanced("}{")),
            ("/{{a}}", unbalanced("{{a}}")),
            ("/{a}}", unbalanced("{a}}")),
            ("/{a}-{b}", TemplateError::SeveralParameters { segment: "{a}-{b}".into() }),
            ("/{}", name("")),
            ("/{1a}", name("1a")),
            ("/{a b}", name("a b")),
            ("/{a*}", name("a*")),
            ("/{a}/{b}/{a}", TemplateError::Repeated { name: "a".into() }),
        ];
        for (text, error) in cases {
            assert_eq!(PathTemplate::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn more_literal_templates_come_first() {
        let mut templates: Vec<_> =
            ["/{a}/{b}", "/x/{b}", "/x/{b}.json", "/{a}/y", "/x/y", "/x"].map(template).into();
        templates.sort_by(PathTemplate::by_specificity);
        let expected = ["/x/y", "/x/{b}.json", "/x/{b}", "/x", "/{a}/y", "/{a}/{b}"].map(template);
        assert_eq!(templates, expected);
        assert_eq!(template("/a/{x}").by_specificity(&template("/b/{y}")), Ordering::Equal);
    }

    #[test]
    fn templates_for_the_same_paths_are_found() {
        assert!(template("/a/{x}").same_paths_as(&template("/a/{y}")));
        assert!(template("/a").same_paths_as(&template("/%61")));
        for (one, other) in
            [("/a/{x}", "/a/x"), ("/a/{x}", "/b/{x}"), ("/a/{x}", "/a/{x}/"), ("/{x}.a", "/{x}.b")]
        {
            assert!(!template(one).same_paths_as(&template(other)), "{one} {other}");
        }
    }
}

#[test]
fn paths_that_lenient_servers_take_for_others() {
    let resembles = |template: &str, path: &str| {
        let template = PathTemplate::parse(template).unwrap();
        template.resembles(&canonical(path).unwrap().all())
    };
    for path in ["/c/Export", "/c/EXPORT", "/C/export", "/c/export/", "/c/export.json"] {
        assert!(resembles("/c/export", path), "{path}");
    }
    for path in ["/c/export.", "/c/export%20", "/c/export%3Fx", "/c/export%23"] {
        assert!(resembles("/c/export", path), "{path}");
    }
    for path in ["/c/exports", "/c/7", "/c/ex", "/c/export/x", "/c/my-export"] {
        assert!(!resembles("/c/export", path), "{path}");
    }
    assert!(resembles("/c/{id}:cancel", "/c/7:Cancel"));
    assert!(!resembles("/c/{id}:cancel", "/c/7:cancels"));
}
