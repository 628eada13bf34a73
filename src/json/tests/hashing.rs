//! Digests against published vectors, and what loop keys equate.

use crate::json::{Digest, Document, Hasher, HmacKey, Value, digest, loop_key};

fn hash(pieces: &[&[u8]], key: Option<&HmacKey>) -> String {
    let mut hasher = Hasher::new(key);
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finish().to_string()
}

#[test]
fn unkeyed_digests_are_sha_256() {
    // FIPS 180-4 examples, cut to 24 digits.
    assert_eq!(hash(&[], None), "e3b0c44298fc1c149afbf4c8");
    assert_eq!(hash(&[b"abc"], None), "ba7816bf8f01cfea414140de");
    assert_eq!(hash(&[b"a", b"", b"bc"], None), "ba7816bf8f01cfea414140de");
    let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_eq!(hash(&[two_blocks], None), "248d6a61d20638b8e5c02693");
}

#[test]
fn keyed_digests_are_hmac_sha_256() {
    // RFC 4231, test cases 1, 2, 3 and 6, cut to 24 digits.
    let cases: [(&[u8], &[u8], &str); 4] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afce"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8eb"),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aa",
        ),
    ];
    for (key, message, expected) in cases {
        let key = HmacKey::new(key);
        assert_eq!(hash(&[message], Some(&key)), expected);
        let (head, tail) = message.split_at(3);
        assert_eq!(hash(&[head, tail], Some(&key)), expected);
    }
}

#[test]
fn the_digest_of_a_value_is_that_of_its_canonical_form() {
    let read = Document::from_text("{ \"b\": 98.0, \"a\": \"\\u00e9\" }").unwrap();
    let canonical = "{\"a\":\"é\",\"b\":98.0}".as_bytes();
    assert_eq!(digest(read.root(), None).to_string(), hash(&[canonical], None));
    let key = HmacKey::new(b"k");
    assert_eq!(digest(read.root(), Some(&key)).to_string(), hash(&[canonical], Some(&key)));
}

#[test]
fn a_digest_shows_24_digits_and_keys_show_nothing() {
    let digest = Digest::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xab, 0xff]);
    assert_eq!(digest.to_string(), "00010203040506070809abff");
    assert_eq!(digest.short(), 0x0001_0203_0405_0607);
    assert!(!format!("{:?}", HmacKey::new(b"s3cret")).contains("s3cret"));
}

fn key(args: &str, ignore: &[&str]) -> u64 {
    loop_key("shop.buy", Document::from_text(args).unwrap().root(), ignore)
}

#[test]
fn loop_keys_equate_what_means_the_same() {
    for (one, other) in [
        ("1", "1.0"),
        ("1", "1e0"),
        ("1", "10E-1"),
        ("0", "-0.0"),
        ("-0", "0e5"),
        ("-3", "-3.0"),
        ("100000000000000000000.0", "1e20"),
        ("9223372036854775808", "9223372036854775808.0"),
        ("-9223372036854775808", "-9223372036854775808.0"),
        (r#"{"a":1,"b":[2.0]}"#, r#"{ "b":[2], "a":1.0 }"#),
        (r#""é""#, r#""\u00e9""#),
    ] {
        assert_eq!(key(one, &[]), key(other, &[]), "{one} {other}");
    }
}

#[test]
fn loop_keys_tell_the_rest_apart() {
    let texts = [
        "1",
        "2",
        "-1",
        "1.5",
        "\"1\"",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        "[1]",
        "[1,1]",
        "[[1],1]",
        "[[1,1]]",
        "\"\"",
        "[\"\"]",
        "[\"\",\"\"]",
        "[\"a\",\"b\"]",
        "[\"ab\",\"\"]",
        "[\"a\\u00ff\",\"b\"]",
        "{\"a\":1}",
        "{\"a\":2}",
        "{\"b\":1}",
        "{\"a\":{\"b\":1}}",
        "{\"a\":1,\"b\":1}",
        "{\"a\":[1]}",
        "18446744073709551615",
        "18446744073709551616.0",
        "9007199254740992",
        "9007199254740993",
        "1e300",
        "[null]",
        "[[],[]]",
        "[[[]]]",
        "{\"a\":null}",
        "{\"\":null}",
    ];
    for (at, one) in texts.iter().enumerate() {
        for other in &texts[at + 1..] {
            assert_ne!(key(one, &[]), key(other, &[]), "{one} {other}");
        }
    }
    let none: &[&str] = &[];
    assert_ne!(loop_key("a", Value::Null, none), loop_key("b", Value::Null, none));
}

#[test]
fn ignored_arguments_do_not_count_at_the_top_level() {
    let ignore = ["nonce", "ts"];
    let plain = key(r#"{"a":{"nonce":1}}"#, &ignore);
    assert_eq!(key(r#"{"nonce":7,"a":{"nonce":1},"ts":"now"}"#, &ignore), plain);
    assert_ne!(key(r#"{"a":{"nonce":2}}"#, &ignore), plain);
    assert_ne!(key(r#"{"a":{"nonce":1},"Nonce":1}"#, &ignore), plain);
    assert_eq!(key(r#"{"nonce":1}"#, &ignore), key("{}", &[]));
    assert_eq!(key("[1]", &ignore), key("[1]", &[]));
}
