//! What is taken out of contents, what is left, and how much.

use bytes::Bytes;

use super::{Bodies, CONTENT_LIMIT_BYTES, CUT, Capture, redact};
use crate::call::{ContentPlace, Known, Language, Llm, Provider};
use crate::json::Document;

#[test]
fn the_environment_narrows_what_the_config_allows_and_never_opens_it() {
    let place = |bodies, variable| Capture::new(bodies, variable).gate.map(|(_, place)| place);
    for variable in [None, Some("true"), Some("SPAN_AND_EVENT"), Some("SPAN_ONLY"), Some("")] {
        assert_eq!(place(Bodies::None, variable), None, "{variable:?}");
    }
    for bodies in [Bodies::Redacted, Bodies::Full] {
        assert_eq!(place(bodies, None), Some(ContentPlace::Span));
        assert_eq!(place(bodies, Some("true")), Some(ContentPlace::Span));
        assert_eq!(place(bodies, Some("span_only")), Some(ContentPlace::Span));
        assert_eq!(place(bodies, Some("EVENT_ONLY")), Some(ContentPlace::Event));
        assert_eq!(place(bodies, Some("SPAN_AND_EVENT")), Some(ContentPlace::Both));
        for closed in ["NO_CONTENT", "false", "no", "0", "whatever"] {
            assert_eq!(place(bodies, Some(closed)), None, "{closed}");
        }
    }
}

#[test]
fn secrets_in_text_go_by_their_shape_or_by_their_name() {
    for (text, left) in [
        ("call me at ann@example.com", "call me at [email]"),
        ("card 4111 1111 1111 1111.", "card [card_number]."),
        ("key ghp_0123456789abcdefghijABCDEFGHIJ012345", "key [secret]"),
        ("password=hunter2 and more", "password=[redacted] and more"),
        (r#"{"password": "two words"}"#, r#"{"password": [redacted]"}"#),
        (r#"{\"api_key\":\"abc def\"}"#, r#"{\"api_key\":[redacted]\"}"#),
        (r#"{"client_secret":"a\"b"}"#, r#"{"client_secret":[redacted]"}"#),
        ("Authorization: Bearer abc.def", "Authorization: [redacted]"),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: [redacted]\nHost: x"),
        ("curl -H 'X: Basic dXNlcjpwYXNz'", "curl -H 'X: Basic [redacted]'"),
        ("?q=1&access_token=abc&x=2", "?q=1&access_token=[redacted]&x=2"),
        ("max_tokens: 100, tokens=3", "max_tokens: 100, tokens=3"),
        ("the token was lost, passwords are hard", "the token was lost, passwords are hard"),
    ] {
        assert_eq!(redact(text), left, "{text}");
    }
    let key = "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----";
    assert_eq!(redact(key), "[secret]");
}

#[test]
fn urls_lose_their_user_information_and_nothing_else() {
    for (text, left) in [
        ("see https://u:canary@h/ now", "see https://[redacted]@h/ now"),
        ("postgres://user:canary@db:5432/x?a=b", "postgres://[redacted]@db:5432/x?a=b"),
        ("MONGODB+SRV://u:canary@a.example.com,b", "MONGODB+SRV://[redacted]@a.example.com,b"),
        ("redis://:canary@cache", "redis://[redacted]@cache"),
        ("https://canary@github.com/a/b", "https://[redacted]@github.com/a/b"),
        ("amqp://u:can@ary@h/v", "amqp://[redacted]@h/v"),
        ("amqp://u:can'a,r;y%40@h", "amqp://[redacted]@h"),
        ("mysql://u:can/a?r#y@h/db", "mysql://[redacted]@h/db"),
        ("mysql://h:9/to/ann@h", "mysql://h:9/to/ann@h"),
        (r#"{\"url\":\"https:\/\/u:canary@h\/\"}"#, r#"{\"url\":\"https:\/\/[redacted]@h\/\"}"#),
        (r"https://u:p\u0026canary@h", "https://[redacted]@h"),
        ("a://u:canary@b c://v:canary@d", "a://[redacted]@b c://[redacted]@d"),
        ("https://h:8080/users/@ann?q=1", "https://h:8080/users/@ann?q=1"),
        ("https://h/p and <b> @ann", "https://h/p and <b> @ann"),
        (r#"["https://h","@ann"]"#, r#"["https://h","@ann"]"#),
    ] {
        assert_eq!(redact(text), left, "{text}");
    }
    let args = r#"{"dsn":"postgres:\/\/user:canary@host\/x","at":["ftp://u:canary@h"]}"#;
    let (input, output) = texts(&captured(Bodies::Redacted, args, "go to https://u:canary@h/"));
    assert_eq!(input, r#"{"dsn":"postgres://[redacted]@host/x","at":["ftp://[redacted]@h"]}"#);
    assert_eq!(output, "go to https://[redacted]@h/");
}

fn captured(bodies: Bodies, args: &str, body: &str) -> Known {
    let mut known = Known::default();
    let capture = Capture::new(bodies, None);
    capture.note_input(&mut known, Document::from_text(args).unwrap().root());
    capture.note_output(&mut known, Some(Bytes::copy_from_slice(body.as_bytes())));
    known
}

fn texts(known: &Known) -> (String, String) {
    let contents = known.particulars.contents.clone().unwrap_or_default();
    let text = |content: Option<crate::call::Content>| content.map(|content| content.text);
    (text(contents.input).unwrap_or_default(), text(contents.output).unwrap_or_default())
}

#[test]
fn members_of_json_go_by_their_names_whatever_they_hold() {
    let args = r#"{"user":"ann","Api-Key":"k","auth":{"a":[1]},"pin":1234,"max_tokens":5,
        "token_details":{"cached":1,"token":"t"},"ssn":"078-05-1120","n":4111111111111111,
        "inner":"{\"password\":\"x y\"}","hasToken":true,"cookies":["a"]}"#;
    let (input, output) = texts(&captured(Bodies::Redacted, args, r#"{"ok":true,"jwt":"e"}"#));
    assert_eq!(
        input,
        r#"{"user":"ann","Api-Key":"[redacted]","auth":"[redacted]","pin":"[redacted]","#
            .to_owned()
            + r#""max_tokens":5,"token_details":{"cached":1,"token":"[redacted]"},"ssn":"[us_ssn]","#
            + r#""n":"[card_number]","inner":"{\"password\":[redacted]\"}","hasToken":true,"#
            + r#""cookies":"[redacted]"}"#
    );
    assert_eq!(output, r#"{"ok":true,"jwt":"[redacted]"}"#);
    let (input, output) = texts(&captured(Bodies::Full, r#"{"password":"x"}"#, "plain text"));
    assert_eq!((&*input, &*output), (r#"{"password":"x"}"#, "plain text"));
    assert!(captured(Bodies::None, args, "x").particulars.contents.is_none());
}

#[test]
fn what_is_told_is_bounded_and_cut_between_characters() {
    let long = "ä".repeat(40_000);
    for bodies in [Bodies::Redacted, Bodies::Full] {
        let args = format!(r#"{{"a":"{long}","b":["{long}","{long}"]}}"#);
        for text in [&long, &args] {
            let known = captured(bodies, &args, text);
            let (input, output) = texts(&known);
            for told in [input, output] {
                assert!(told.len() <= CONTENT_LIMIT_BYTES + 2 * CUT.len(), "{}", told.len());
                assert!(told.len() > CONTENT_LIMIT_BYTES - 4, "{}", told.len());
                assert!(told.ends_with(CUT));
            }
            let weight = known.particulars.contents.map(|contents| contents.weight_bytes());
            assert!(weight.is_some_and(|bytes| bytes > 2 * CONTENT_LIMIT_BYTES));
        }
    }
}

/// Wherever the cut falls within a secret, no part of it is told.
#[test]
fn no_secret_is_told_by_halves() {
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    for before in (0..60).chain(4_060..4_140) {
        let filler = "x ".repeat((CONTENT_LIMIT_BYTES - 40 + before) / 2);
        let text = format!("{filler}{}{secret} {filler}", if before % 2 == 0 { "" } else { " " });
        let (_, output) = texts(&captured(Bodies::Redacted, "{}", &text));
        assert!(!output.contains("ghp_"), "{before}");
    }
}

#[test]
fn what_rules_took_out_of_a_result_is_not_captured() {
    let mut known = Known { redacted: 1, ..Known::default() };
    let capture = Capture::new(Bodies::Full, None);
    capture.note_input(&mut known, Document::from_text("{}").unwrap().root());
    known.redacted = 2;
    capture.note_output(&mut known, Some(Bytes::from_static(b"{\"a\":1}")));
    assert_eq!(texts(&known), ("{}".to_owned(), String::new()));
}

fn messages(provider: Provider, args: &str, body: &str) -> (String, String) {
    let language = Language::Llm(Llm { provider });
    let mut known = Known { language, ..Known::default() };
    let capture = Capture::new(Bodies::Redacted, None);
    capture.note_input(&mut known, Document::from_text(args).unwrap().root());
    capture.note_output(&mut known, Some(Bytes::copy_from_slice(body.as_bytes())));
    let contents = known.particulars.contents.unwrap_or_default();
    (contents.input_messages.unwrap_or_default(), contents.output_messages.unwrap_or_default())
}

#[test]
fn messages_of_all_providers_read_alike() {
    let hello = r#"[{"parts":[{"content":"Be brief.","type":"text"}],"role":"system"},{"parts":[{"content":"Hello","type":"text"}],"role":"user"}]"#;
    let call = r#"[{"finish_reason":"F","parts":[{"content":"Hm.","type":"text"},{"arguments":{"q":1},"id":"c1","name":"find","type":"tool_call"}],"role":"assistant"}]"#;
    let (input, output) = messages(
        Provider::OpenAi,
        r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hello"}]}]}"#,
        r#"{"choices":[{"finish_reason":"F","message":{"role":"assistant","content":"Hm.","tool_calls":[{"id":"c1","type":"function","function":{"name":"find","arguments":"{\"q\":1}"}}]}}]}"#,
    );
    assert_eq!((&*input, &*output), (hello, call));
    let (input, output) = messages(
        Provider::Anthropic,
        r#"{"system":"Be brief.","messages":[{"role":"user","content":"Hello"}]}"#,
        r#"{"role":"assistant","stop_reason":"F","content":[{"type":"text","text":"Hm."},{"type":"tool_use","id":"c1","name":"find","input":{"q":1}}]}"#,
    );
    assert_eq!((&*input, &*output), (hello, call));
    let (input, output) = messages(
        Provider::Gemini,
        r#"{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"#,
        r#"{"candidates":[{"finishReason":"F","content":{"role":"model","parts":[{"text":"Hm."},{"functionCall":{"name":"find","args":{"q":1}}}]}}]}"#,
    );
    assert_eq!(input, hello);
    assert_eq!(output, call.replace(r#""id":"c1","#, ""));
}

/// A secret that comes in pieces is found in what they add up to.
#[test]
fn streams_are_read_as_what_they_add_up_to() {
    let said = r#"[{"parts":[{"content":"Ask [email] now","type":"text"}],"role":"assistant"}]"#;
    let events = |events: &[&str]| {
        events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>()
    };
    let chat = events(&[
        r#"{"choices":[{"delta":{"role":"assistant","content":"Ask ann@exa"}}]}"#,
        r#"{"choices":[{"delta":{"content":"mple.com now"}}]}"#,
        "[DONE]",
    ]);
    let responses = events(&[
        r#"{"type":"response.output_text.delta","delta":"Ask ann@exa"}"#,
        r#"{"type":"response.function_call_arguments.delta","delta":"{}"}"#,
        r#"{"type":"response.output_text.delta","delta":"mple.com now"}"#,
    ]);
    let anthropic = events(&[
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Ask ann@exa"}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"mple.com now"}}"#,
    ]);
    let gemini = r#"[{"candidates":[{"content":{"parts":[{"text":"Ask ann@exa"}]}}]},
        {"candidates":[{"content":{"parts":[{"text":"mple.com now"}]}}]}]"#;
    for (provider, body) in [
        (Provider::OpenAi, &*chat),
        (Provider::OpenAi, &responses),
        (Provider::Anthropic, &anthropic),
        (Provider::Gemini, gemini),
    ] {
        assert_eq!(messages(provider, r#"{"model":"m"}"#, body).1, said, "{provider:?}");
    }
}
