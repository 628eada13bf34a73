//! What is found, what is left alone, and that replacing twice is replacing once.

use proptest::prelude::*;

use super::Detector;

fn redacted(detector: Detector, text: &str) -> String {
    detector.replace(text, "[x]").map_or_else(|| text.to_owned(), |(text, _)| text)
}

#[test]
fn what_is_found() {
    let key = format!("ghp_{}", "aB3".repeat(12));
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----";
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-D";
    let aws = "AKIAIOSFODNN7EXAMPLE";
    for (detector, text, expected) in [
        (
            Detector::CardNumber,
            "pay 4111 1111 1111 1111 by 12/28".into(),
            "pay [x] by 12/28".into(),
        ),
        (Detector::CardNumber, "4111111111111111".into(), "[x]".into()),
        (Detector::CardNumber, "5555-5555-5555-4444,378282246310005".into(), "[x],[x]".into()),
        (Detector::CardNumber, "3782 822463 10005".into(), "[x]".into()),
        (Detector::CardNumber, "6011111111111117; 30569309025904".into(), "[x]; [x]".into()),
        (Detector::CardNumber, "4111 1111 1111 1111 123 456".into(), "[x] 123 456".into()),
        (Detector::CardNumber, "order 4111111111111111.".into(), "order [x].".into()),
        (Detector::Iban, "to DE89 3704 0044 0532 0130 00 now".into(), "to [x] now".into()),
        (Detector::Iban, "GB29NWBK60161331926819, NL91ABNA0417164300".into(), "[x], [x]".into()),
        (Detector::Iban, "DE89370400440532013000 BIC COBADEFF".into(), "[x] BIC COBADEFF".into()),
        (Detector::Email, "Ann <ann.o'hara+x@mail.example.org>.".into(), "Ann <[x]>.".into()),
        (Detector::Email, "a@b.de, c@d.co.uk.".into(), "[x], [x].".into()),
        (Detector::UsSsn, "SSN 123-45-6789.".into(), "SSN [x].".into()),
        (
            Detector::IpAddress,
            "from 10.0.0.1:80 and 2001:db8::1.".into(),
            "from [x]:80 and [x].".into(),
        ),
        (Detector::IpAddress, "::1 [fe80::1:2]".into(), "[x] [[x]]".into()),
        (Detector::Phone, "call +49 30 901820 or (212) 555-0123".into(), "call [x] or [x]".into()),
        (Detector::Phone, "+1 (212) 555-0123; 212.555.0123".into(), "[x]; [x]".into()),
        (Detector::Jwt, format!("Bearer {jwt}\n"), "Bearer [x]\n".into()),
        (Detector::AwsKey, format!("id={aws};"), "id=[x];".into()),
        (
            Detector::AwsKey,
            format!("aws_secret_access_key = {secret}"),
            "aws_secret_access_key = [x]".into(),
        ),
        (Detector::PrivateKey, format!("a\n{pem}\nb"), "a\n[x]\nb".into()),
        (Detector::PrivateKey, "x -----BEGIN PRIVATE KEY-----\nMIIB".into(), "x [x]".into()),
        (Detector::GithubToken, format!("t {key}"), "t [x]".into()),
        (Detector::SlackToken, "xoxb-123456789012-abc".into(), "[x]".into()),
        (Detector::ApiKey, "sk-proj-abcDEF1234567890abcd".into(), "[x]".into()),
        (Detector::Secret, format!("{aws} {key} {jwt} {pem}"), "[x] [x] [x] [x]".into()),
    ] {
        let expected: String = expected;
        assert_eq!(redacted(detector, &text), expected, "{}", detector.name());
    }
}

#[test]
fn what_is_left_alone() {
    for (detector, text) in [
        (Detector::CardNumber, "4111111111111112"),
        (Detector::CardNumber, "1234567812345670"),
        (Detector::CardNumber, "a4111111111111111"),
        (Detector::CardNumber, "0.4111111111111111"),
        (Detector::CardNumber, "1767614400000 2026-01-05 12:00:00"),
        (Detector::CardNumber, "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        (Detector::CardNumber, "550e8400-e29b-41d4-a716-446655440000"),
        (Detector::Iban, "DE89370400440532013001"),
        (Detector::Iban, "DE893704004405320130001"),
        (Detector::Iban, "ZZ89370400440532013000"),
        (Detector::Email, "@home a@b x@ y@localhost a@.de"),
        (Detector::Email, "node@18.2.0"),
        (Detector::UsSsn, "000-12-3456 666-12-3456 912-34-5678 123-00-1234 123-45-0000"),
        (Detector::UsSsn, "1123-45-6789 123-45-67890 12-123-45-6789"),
        (
            Detector::IpAddress,
            "1.2.3 1.2.3.4.5 999.1.1.1 v1.2.3.4 10:30:00 a::b std::io 2026-01-05",
        ),
        (Detector::Phone, "2026-01-05 10:30 +1 + 5 12345678 1,234,567 212-555-01234"),
        (Detector::Jwt, "eyJhbGciOiJIUzI1NiJ9 eyJ.eyJ.x"),
        (Detector::AwsKey, "AKIAIOSFODNN7EXAMPLES akiaiosfodnn7example AKIA"),
        (Detector::PrivateKey, "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"),
        (Detector::GithubToken, "ghp_short xghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (Detector::ApiKey, "sk-learn-for-machine-learning-people task-1234567890123456789012"),
        (Detector::Secret, "a secret is no secret: /usr/bin/env, sha256:0123456789abcdef"),
    ] {
        assert_eq!(redacted(detector, text), text, "{}", detector.name());
    }
}

#[test]
fn numbers_are_cards_when_their_digits_are() {
    for (number, expected) in [
        ("4111111111111111", true),
        ("4111111111111112", false),
        ("-4111111111111111", false),
        ("4111111111111111.0", false),
        ("41111111111111e1", false),
        ("1767614400000", false),
    ] {
        assert_eq!(Detector::CardNumber.is_number(number), expected, "{number}");
    }
    assert!(!Detector::Phone.is_number("4111111111111111"));
}

proptest! {
    #[test]
    fn twice_is_once(text in "([a-z0-9 @.+:-]|4111 1111 1111 1111|DE89370400440532013000|eyJ|sk-|AKIA|é|\n){0,40}") {
        for detector in Detector::ALL {
            let with = format!("[{}]", detector.name());
            if let Some((once, count)) = detector.replace(&text, &with) {
                prop_assert!(count > 0);
                prop_assert_eq!(detector.replace(&once, &with), None, "{}: {}", detector.name(), once);
            }
        }
    }

    #[test]
    fn what_is_not_replaced_stays(text in "\\PC{0,60}") {
        for detector in Detector::ALL {
            if let Some((once, count)) = detector.replace(&text, "\u{1}") {
                prop_assert_eq!(once.matches('\u{1}').count() as u64, count);
                for piece in once.split('\u{1}') {
                    prop_assert!(text.contains(piece));
                }
            }
        }
    }
}

#[test]
fn hostile_text_takes_time_in_proportion() {
    let long = |piece: &str| piece.repeat(300_000 / piece.len());
    for text in
        ["1 ", "1234-", "a@", "eyJ.", "::", "-----BEGIN ", "+1", "DE89 ", "secret_access_key", "1."]
    {
        let text = long(text);
        for detector in Detector::ALL {
            let _ = detector.finds(&text);
        }
    }
}
