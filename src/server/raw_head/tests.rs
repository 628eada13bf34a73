//! Heads and bodies that pass, those that do not, and both cut at every byte.

use super::{HeadBounds, HeadFault, Messages, Next};

const BOUNDS: HeadBounds = HeadBounds { head_bytes: 16_384, headers: 64 };

/// What becomes of the bytes of a connection: how many pass, and how it ends.
fn follow(bytes: &[u8]) -> (usize, Next) {
    follow_in(&[bytes.len()], bytes, BOUNDS)
}

/// As [`follow`], with the bytes arriving up to one of `cuts` after the other.
fn follow_in(cuts: &[usize], bytes: &[u8], bounds: HeadBounds) -> (usize, Next) {
    let mut messages = Messages::new(bounds);
    let mut passed = 0;
    let mut last = Next::More;
    for cut in cuts {
        loop {
            last = messages.look(&bytes[passed..*cut]);
            match last {
                Next::Clear(0) => panic!("nothing was cleared"),
                Next::Clear(count) => passed += count,
                Next::More => break,
                Next::Refused(_) | Next::Broken => return (passed, last),
            }
        }
    }
    (passed, last)
}

fn refused(head: &str) -> Option<HeadFault> {
    match follow(head.as_bytes()) {
        (0, Next::Refused(fault)) => Some(fault),
        _ => None,
    }
}

const ACCEPTED: [&str; 14] = [
    "GET / HTTP/1.1\r\n\r\n",
    "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n",
    "get /a HTTP/1.1\r\nHost:x\r\n\r\n",
    "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: x\r\nX: \ta b\t\r\nY:\r\nZ: \u{e9}\r\n\r\n",
    "GET /{a}|b^c\\d?e={f}|g^h HTTP/1.1\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\ncontent-length:\t5 \r\n\r\n\r\n\r\n!",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n00A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0anything at all\n\n",
];

#[test]
fn well_framed_messages_pass_whole() {
    for text in ACCEPTED {
        assert_eq!(follow(text.as_bytes()), (text.len(), Next::More), "{text:?}");
    }
}

#[test]
fn pipelined_messages_pass_whole() {
    let pipelined: String = ACCEPTED[..13].concat();
    assert_eq!(follow(pipelined.as_bytes()), (pipelined.len(), Next::More));
}

#[test]
fn heads_that_can_be_read_in_two_ways_are_refused() {
    use HeadFault::*;
    let table = [
        (
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            LengthAndCoding,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            LengthAndCoding,
        ),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", LengthTwice),
        ("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", LengthTwice),
        ("POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", Length),
        ("POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n", Length),
        ("POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", Length),
        ("POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n", Length),
        ("POST / HTTP/1.1\r\nContent-Length: 5 5\r\n\r\n", Length),
        ("POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", Length),
        ("POST / HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\n", Length),
        ("POST / HTTP/1.1\r\nContent-Length: ٥\r\n\r\n", Length),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            Coding,
        ),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: ,chunked\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", Coding),
        ("POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", HeaderName),
        ("POST / HTTP/1.1\r\n Transfer-Encoding: chunked\r\n\r\n", Folded),
        ("GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", Folded),
        ("GET / HTTP/1.1\r\nX: a\r\n\tb\r\n\r\n", Folded),
        ("GET / HTTP/1.1\r\nX\r\n\r\n", HeaderName),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", HeaderName),
        ("GET / HTTP/1.1\r\nX(: a\r\n\r\n", HeaderName),
        ("GET / HTTP/1.1\r\n\u{e9}: a\r\n\r\n", HeaderName),
        ("GET / HTTP/1.1\nHost: x\r\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: x\n\r\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: x\r\n\n", LineEnd),
        ("GET / HTTP/1.1\r\nHost: x\r\r\n\r\n", Control),
        ("GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", Control),
        ("GET / HTTP/1.1\r\nX: a\0b\r\n\r\n", Control),
        ("GET / HTTP/1.1\r\nX: a\x0bb\r\n\r\n", Control),
        ("GET / HTTP/1.1\r\nX: a\x7fb\r\n\r\n", Control),
        ("GET /\0 HTTP/1.1\r\n\r\n", Control),
        ("GET /\t HTTP/1.1\r\n\r\n", TargetCharacter),
        ("GET /é HTTP/1.1\r\n\r\n", TargetCharacter),
        ("GET /a#b HTTP/1.1\r\n\r\n", TargetCharacter),
        ("GET /a<b HTTP/1.1\r\n\r\n", TargetCharacter),
        ("GET http:///a HTTP/1.1\r\n\r\n", Target),
        ("GET http:/a HTTP/1.1\r\n\r\n", Target),
        ("GET / HTTP/1.0\r\n\r\n", RequestLine),
        ("GET / HTTP/2.0\r\n\r\n", RequestLine),
        ("GET / http/1.1\r\n\r\n", RequestLine),
        ("GET /\r\n\r\n", RequestLine),
        ("GET / \r\n\r\n", RequestLine),
        ("GET  / HTTP/1.1\r\n\r\n", RequestLine),
        ("GET / HTTP/1.1 \r\n\r\n", RequestLine),
        (" GET / HTTP/1.1\r\n\r\n", RequestLine),
        ("GET\t/ HTTP/1.1\r\n\r\n", RequestLine),
        ("G(T / HTTP/1.1\r\n\r\n", RequestLine),
        ("\r\nGET / HTTP/1.1\r\n\r\n", RequestLine),
        ("\nGET / HTTP/1.1\r\n\r\n", LineEnd),
        ("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", RequestLine),
    ];
    for (head, fault) in table {
        assert_eq!(refused(head), Some(fault), "{head:?}");
        let second = format!("GET / HTTP/1.1\r\n\r\n{head}");
        assert_eq!(follow(second.as_bytes()), (18, Next::Refused(fault)), "second: {head:?}");
    }
    let second = "GET / HTTP/1.1\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(follow(second.as_bytes()), (18, Next::Refused(RequestLine)));
}

#[test]
fn badly_framed_chunks_break_the_connection() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "11111111111111111\r\n",
        "0000000000000000000000000000",
    ] {
        let text = format!("{head}{body}");
        let (passed, end) = follow(text.as_bytes());
        assert_eq!(end, Next::Broken, "{body:?}");
        assert!(passed >= head.len() && passed < text.len(), "{body:?}");
    }
}

#[test]
fn bounds_hold_to_the_byte() {
    let bounds = HeadBounds { head_bytes: 64, headers: 2 };
    let follow = |text: &str| follow_in(&[text.len()], text.as_bytes(), bounds);
    let head = |length: usize| {
        let empty = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(length - empty))
    };
    assert_eq!(follow(&head(64)), (64, Next::More));
    for long in [head(65), head(66), head(1_000), "x".repeat(64)] {
        assert_eq!(follow(&long), (0, Next::Refused(HeadFault::TooLong)), "{long:?}");
    }
    assert_eq!(follow(&"x".repeat(63)), (0, Next::More));
    let two = "GET / HTTP/1.1\r\na: b\r\nc: d\r\n\r\n";
    assert_eq!(follow(two), (two.len(), Next::More));
    let three = "GET / HTTP/1.1\r\na: b\r\nc: d\r\ne: f\r\n\r\n";
    assert_eq!(follow(three), (0, Next::Refused(HeadFault::TooManyHeaders)));
}

#[test]
fn where_the_bytes_are_cut_makes_no_difference() {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut texts: Vec<String> = ACCEPTED.iter().map(|text| (*text).to_owned()).collect();
    texts.push(ACCEPTED[..13].concat());
    texts.push(format!("{}GET / HTTP/1.1\nHost: x\r\n\r\nrest", ACCEPTED[..13].concat()));
    texts.push(format!("{head}5\r\nhello\r\n5;a\r\n"));
    for text in texts {
        let bytes = text.as_bytes();
        let whole = follow(bytes);
        let each: Vec<usize> = (0..=bytes.len()).collect();
        assert_eq!(follow_in(&each, bytes, BOUNDS), whole, "byte by byte: {text:?}");
        for cut in 0..bytes.len() {
            let cut = follow_in(&[cut, bytes.len()], bytes, BOUNDS);
            assert_eq!(cut, whole, "{text:?}");
        }
    }
}

#[test]
fn a_message_is_under_way_until_its_last_byte() {
    let mut messages = Messages::new(BOUNDS);
    let bytes = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab";
    assert!(!messages.is_within());
    assert_eq!(messages.look(&bytes[..39]), Next::Clear(38));
    assert!(messages.is_within());
    assert_eq!(messages.look(&bytes[38..39]), Next::Clear(1));
    assert!(messages.is_within());
    assert_eq!(messages.look(&bytes[39..]), Next::Clear(1));
    assert!(!messages.is_within());
}
