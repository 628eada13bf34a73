//! What is refused, under which name, and with which words.

use bytes::Bytes;

use crate::json::{Document, JSON_DEPTH_LIMIT, JsonError, JsonErrorKind};

fn refuse(text: impl AsRef<[u8]>) -> JsonError {
    let bytes = Bytes::copy_from_slice(text.as_ref());
    match Document::parse(bytes, JSON_DEPTH_LIMIT) {
        Ok(read) => {
            panic!("{:?} was read as {:?}", String::from_utf8_lossy(text.as_ref()), read.root())
        }
        Err(error) => error,
    }
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn what_two_decoders_could_read_differently_is_refused() {
    use JsonErrorKind::*;
    let cases: &[(&[u8], JsonErrorKind)] = &[
        (br#"{"a":1,"a":1}"#, DuplicateKey),
        (br#"{"a":1,"b":2,"a":3}"#, DuplicateKey),
        (br#"{"a":1,"\u0061":2}"#, DuplicateKey),
        (br#"{"\u0061":1,"\u0061":2}"#, DuplicateKey),
        (br#"{"a\/b":1,"a/b":2}"#, DuplicateKey),
        (b"{\"\\u00e9\":1,\"\xc3\xa9\":2}", DuplicateKey),
        (b"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", DuplicateKey),
        (br#"{"":1,"":2}"#, DuplicateKey),
        (br#"[[{"x":{"deep":[{"k":0,"k":0}]}}]]"#, DuplicateKey),
        (br#"{"a":{"b":1},"c":2,"a":3}"#, DuplicateKey),
        (
            br#"{"longer-than-eight-1":1,"longer-than-eight-2":2,"longer-than-eight-1":3}"#,
            DuplicateKey,
        ),
        (b"18446744073709551616", NumberRange),
        (b"-9223372036854775809", NumberRange),
        (b"[1,2.5,\"9e9\",100000000000000000000]", NumberRange),
        (b"{\"a\":-123123123123123123123123123123}", NumberRange),
        (b"1e400", NumberRange),
        (b"-1e400", NumberRange),
        (b"[1.5e+9999]", NumberRange),
        (b"1797693134862315708145274237317043567981e270", NumberRange),
        (b"NaN", Syntax),
        (b"[Infinity]", Syntax),
        (b"-Infinity", Syntax),
        (b"[nan]", Syntax),
        (br#""\ud800""#, Syntax),
        (br#""\udc00""#, Syntax),
        (br#""\ud800\u0061""#, Syntax),
        (br#""\udc00\ud800""#, Syntax),
        (br#"{"\ud83d":1}"#, Syntax),
        (b"\xef\xbb\xbf{}", ByteOrderMark),
        (b"\xff\xfe{\0}\0", NotUtf8),
        (b"\xfe\xff\0{\0}", NotUtf8),
        (b"{\0\"\0a\0\"\0", Syntax),
        (b"\0{\0}", Syntax),
        (b"\"\xff\"", NotUtf8),
        (b"\"\xc3\"", NotUtf8),
        (b"\"\xc0\xaf\"", NotUtf8),
        (b"\"\xed\xa0\x80\"", NotUtf8),
        (b"\"\xf4\x90\x80\x80\"", NotUtf8),
        (b"{}{}", TrailingData),
        (b"1 2", TrailingData),
        (b"{}\0", TrailingData),
        (b"[]]", TrailingData),
        (b"\"a\",", TrailingData),
        (b"{}//", TrailingData),
        (b"{}\xef\xbb\xbf", TrailingData),
        (b"1\x0c", TrailingData),
        (b"", Syntax),
        (b"  ", Syntax),
    ];
    for (text, kind) in cases {
        assert_eq!(refuse(text).kind, *kind, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn depth_is_bounded() {
    assert!(Document::from_text(&nested(64)).is_ok());
    assert_eq!(refuse(nested(65)).kind, JsonErrorKind::TooDeep);
    assert_eq!(refuse("[".repeat(100_000)).kind, JsonErrorKind::TooDeep);
    assert_eq!(refuse("{\"a\":".repeat(70)).kind, JsonErrorKind::TooDeep);
    let parse = |depth, limit| Document::parse(Bytes::from(nested(depth)), limit);
    assert!(parse(0, 0).is_err_and(|error| error.kind == JsonErrorKind::Syntax));
    assert!(parse(1, 0).is_err_and(|error| error.kind == JsonErrorKind::TooDeep));
    assert!(parse(126, usize::MAX).is_ok());
    assert!(parse(127, usize::MAX).is_err_and(|error| error.kind == JsonErrorKind::TooDeep));
}

#[test]
fn integers_of_64_bits_and_wide_doubles_are_read() {
    let cases = [
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("-0e1", "-0.0"),
        ("[\"1e99\\\"\",-0,1e99,-0.0,[-0]]", "[\"1e99\\\"\",0,1e+99,-0.0,[0]]"),
        ("18446744073709551616.0", "1.8446744073709552e+19"),
        ("-9223372036854775809e0", "-9.223372036854776e+18"),
        ("1e-400", "0.0"),
    ];
    for (text, canonical) in cases {
        let mut out = Vec::new();
        Document::from_text(text).unwrap().root().write_canonical(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), canonical, "{text}");
    }
}

#[test]
fn names_that_differ_are_not_duplicates() {
    for text in [
        r#"{"a":1,"A":2}"#,
        r#"{"a":1,"a\u0000":2}"#,
        r#"{"a":1,"":2}"#,
        r#"{"\u00e9":1,"e\u0301":2}"#,
        r#"{"abcdefgh":1,"abcdefg":2,"abcdefghi":3}"#,
        r#"[{"a":1},{"a":2}]"#,
        r#"{"a":{"a":{"a":1}}}"#,
    ] {
        assert!(Document::from_text(text).is_ok(), "{text}");
    }
}

#[test]
fn errors_say_where_and_never_what() {
    let error = refuse("{\n  \"token\": 1,\n  \"token\": 2\n}");
    assert_eq!((error.line, error.column, error.offset), (3, 4, 19));
    assert_eq!(
        error.to_string(),
        "an object has the member name \"token\" twice (line 3, column 4)"
    );
    let error = refuse("[1,\n \"s3cret\" x]");
    assert_eq!((error.line, error.column), (2, 11));
    assert!(!error.message.contains("s3cret"), "{error}");
    let error = refuse("[1, 100000000000000000000]");
    assert_eq!((error.line, error.column, error.offset), (1, 5, 4));
    assert!(!error.message.contains("1000"), "{error}");
    let error = refuse(b"[\"abc\xff\"]");
    assert_eq!(error.offset, 5);
    let long = "k".repeat(65);
    let error = refuse(format!("{{\"{long}\":1,\"{long}\":2}}"));
    assert_eq!(error.message, "an object has a member name twice");
    let error = refuse("{\"\\u001b[31m\":1,\"\\u001b[31m\":2}");
    assert_eq!(error.message, "an object has the member name \"\\u{1b}[31m\" twice");
}

#[test]
fn big_objects_are_read_and_checked() {
    let members = |count: usize| {
        let members: Vec<_> =
            (0..count).map(|index| format!("\"name-{}\":{index}", index * 7919 % count)).collect();
        members.join(",")
    };
    let distinct = format!("{{{}}}", members(50_021));
    let read = Document::from_text(&distinct).unwrap();
    let object = read.root().as_object().unwrap();
    assert_eq!(object.len(), 50_021);
    assert!(object.get("name-50020").is_some());
    let twice = format!("{{{},\"\\u006eame-77\":0}}", members(50_021));
    assert_eq!(refuse(twice).kind, JsonErrorKind::DuplicateKey);
}
