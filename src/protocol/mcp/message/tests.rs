//! Messages that are one thing, and messages that could be another.

use super::*;

fn read(text: &str) -> Result<Message, Unread> {
    Message::read(&Document::from_text(text).unwrap(), text)
}

fn fault(text: &str) -> Fault {
    read(text).unwrap_err().fault
}

#[test]
fn each_kind_is_told_by_its_members() {
    let request = read(r#"{"jsonrpc":"2.0","id": "a\u0062","method":"ping"}"#).unwrap();
    let id = request.id().unwrap();
    assert_eq!((id.raw(), id.to_string().as_str()), (r#""a\u0062""#, "ab"));
    assert!(id.is(Value::Str("ab")) && !id.is(Value::Int(1)));
    assert_eq!(request.method(), Some(("ping", Kind::Request)));
    let note = read(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#).unwrap();
    assert_eq!(note.method(), Some(("notifications/progress", Kind::Notification)));
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}"#,
    ] {
        assert!(matches!(read(text), Ok(Message::Response { .. })), "{text}");
    }
    // Members that nobody knows change nothing.
    assert!(read(r#"{"jsonrpc":"2.0","id":7,"method":"x/y","extra":1}"#).is_ok());
}

#[test]
fn what_could_be_another_message_is_refused() {
    for (text, expected) in [
        ("[]", Fault::Batch),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, Fault::Batch),
        ("7", Fault::NotAnObject),
        (r#"{"id":1,"method":"ping"}"#, Fault::Version),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, Fault::Version),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, Fault::Id),
        (r#"{"jsonrpc":"2.0","id":1.0,"method":"ping"}"#, Fault::Id),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, Fault::Id),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, Fault::Id),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, Fault::Method),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call\u0000"}"#, Fault::Method),
        (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Fault::Method),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, Fault::Ambiguous),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, Fault::Ambiguous),
        (r#"{"jsonrpc":"2.0","id":1}"#, Fault::Ambiguous),
        (r#"{"jsonrpc":"2.0","result":{}}"#, Fault::Id),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}"#, Fault::Lookalike("method")),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{}}"#,
            Fault::Lookalike("params"),
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, Fault::Params),
        (r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}"#, Fault::CallWithoutId),
    ] {
        assert_eq!(fault(text), expected, "{text}");
    }
    let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(600));
    assert_eq!(fault(&long), Fault::Id);
}

#[test]
fn a_refusal_knows_the_id_as_far_as_there_is_one() {
    let unread = read(r#"{"jsonrpc":"1.0","id":"q","method":"ping"}"#).unwrap_err();
    assert_eq!(unread.id.unwrap().raw(), "\"q\"");
    assert_eq!(read(r#"{"jsonrpc":"2.0","id":[],"method":"ping"}"#).unwrap_err().id, None);
}

#[test]
fn a_tool_call_has_a_name_and_arguments() {
    let call = |params: &str| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let document = Document::from_text(&text).unwrap();
        tool_call(&document)
            .map(|call| (call.name.to_owned(), call.arguments.map(|arguments| arguments.len())))
    };
    assert_eq!(call(r#"{"name":"a","arguments":{"x":1}}"#), Ok(("a".to_owned(), Some(1))));
    assert_eq!(call(r#"{"name":"a","_meta":{"progressToken":1}}"#), Ok(("a".to_owned(), None)));
    assert_eq!(call(r#"{"name":"a","arguments":null}"#), Ok(("a".to_owned(), None)));
    for (params, expected) in [
        ("null", Fault::Params),
        ("{}", Fault::Name),
        (r#"{"name":7}"#, Fault::Name),
        (r#"{"name":"a","arguments":[]}"#, Fault::Arguments),
        (r#"{"name":"a","arguments":"{}"}"#, Fault::Arguments),
        (r#"{"name":"a","_meta":1}"#, Fault::Meta),
        (r#"{"name":"a","task":{"ttl":1}}"#, Fault::Task),
        (r#"{"name":"a","Arguments":{}}"#, Fault::Lookalike("arguments")),
        (r#"{"name":"a","NAME":"b"}"#, Fault::Lookalike("name")),
    ] {
        assert_eq!(call(params).unwrap_err(), expected, "{params}");
    }
}
