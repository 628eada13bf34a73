//! Queries: what is taken, how it is sent, and what is refused.

use super::{QUERY_LIMIT_PAIRS, QueryError, parse};

/// Names and values.
type Pairs = &'static [(&'static str, &'static str)];

#[test]
fn every_query_is_sent_in_one_form() {
    let cases: [(&str, Pairs, Option<&str>); 18] = [
        ("", &[], None),
        ("&", &[], None),
        ("a=1", &[("a", "1")], Some("a=1")),
        ("b=2&a=1", &[("b", "2"), ("a", "1")], Some("b=2&a=1")),
        ("a", &[("a", "")], Some("a=")),
        ("a=", &[("a", "")], Some("a=")),
        ("&a=1&&b=2&", &[("a", "1"), ("b", "2")], Some("a=1&b=2")),
        ("q=a+b", &[("q", "a b")], Some("q=a%20b")),
        ("q=a%20b", &[("q", "a b")], Some("q=a%20b")),
        ("q=a%2Bb", &[("q", "a+b")], Some("q=a%2Bb")),
        ("a=b=c", &[("a", "b=c")], Some("a=b%3Dc")),
        ("%61=%62", &[("a", "b")], Some("a=b")),
        ("a%5Bb%5D=1", &[("a[b]", "1")], Some("a%5Bb%5D=1")),
        ("a[b]=1", &[("a[b]", "1")], Some("a%5Bb%5D=1")),
        ("f=x,y:z/@", &[("f", "x,y:z/@")], Some("f=x,y:z/@")),
        ("u=https%3A%2F%2Fx%2Fa%2520b", &[("u", "https://x/a%20b")], Some("u=https://x/a%2520b")),
        ("n=%C3%A9%3B%26%23", &[("n", "é;&#")], Some("n=%C3%A9%3B%26%23")),
        ("a=1&A=2", &[("a", "1"), ("A", "2")], Some("a=1&A=2")),
    ];
    for (text, pairs, sent) in cases {
        let query = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(query.pairs().collect::<Vec<_>>(), pairs, "{text}");
        assert_eq!(query.canonical().as_deref(), sent, "{text}");
        if let Some(sent) = sent {
            assert_eq!(parse(sent).unwrap(), query, "{text}: the form that is sent is its own");
            let read = url::form_urlencoded::parse(sent.as_bytes());
            let read: Vec<_> = read.into_owned().collect();
            let ours = query.pairs().map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(read, ours.collect::<Vec<_>>(), "{text}: as a browser reads it");
        }
    }
}

#[test]
fn what_two_servers_could_read_differently_is_refused() {
    let repeated = |name: &str| QueryError::Repeated { name: name.to_owned() };
    let cases = [
        ("a=1&a=2", repeated("a")),
        ("a=1&a=1", repeated("a")),
        ("a=1&b=2&%61=3", repeated("a")),
        ("a+b=1&a%20b=2", repeated("a b")),
        ("a&a=", repeated("a")),
        ("a=1;b=2", QueryError::Semicolon),
        ("a;b", QueryError::Semicolon),
        ("=1", QueryError::EmptyName),
        ("a=1&=", QueryError::EmptyName),
        ("a=%", QueryError::Escape),
        ("a=%4", QueryError::Escape),
        ("a=%zz", QueryError::Escape),
        ("%=1", QueryError::Escape),
        ("a=%u0041", QueryError::Escape),
        ("a=%4+1", QueryError::Escape),
        ("a=%ff", QueryError::NotUtf8),
        ("a=%c0%80", QueryError::NotUtf8),
        ("a=%00", QueryError::Control),
        ("a=%0d%0a", QueryError::Control),
        ("a%09=1", QueryError::Control),
        ("a=%7f", QueryError::Control),
        ("a=%C2%85", QueryError::Control),
        ("a=\u{1}", QueryError::Control),
        ("a=é", QueryError::NotAscii),
        ("a=b c", QueryError::Delimiter),
        ("a=b#c", QueryError::Delimiter),
    ];
    for (text, error) in cases {
        assert_eq!(parse(text), Err(error), "{text}");
    }
}

#[test]
fn pairs_are_bounded() {
    let query =
        |pairs: usize| (0..pairs).map(|index| format!("k{index}=v")).collect::<Vec<_>>().join("&");
    assert_eq!(parse(&query(QUERY_LIMIT_PAIRS)).unwrap().pairs().len(), QUERY_LIMIT_PAIRS);
    assert_eq!(parse(&query(QUERY_LIMIT_PAIRS + 1)), Err(QueryError::TooManyPairs));
}

#[test]
fn a_repeated_name_is_shown_safely() {
    let error = parse("%E2%80%AE%22=1&%E2%80%AE%22=2").unwrap_err();
    assert!(error.is_repeated());
    assert_eq!(error.to_string(), "the query has the name \"\\u{202e}\\\"\" more than once");
    assert!(!parse("=").unwrap_err().is_repeated());
}
