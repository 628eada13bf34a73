//! Fields that say the same as the body, fields that do not, and fields that are not there.

use super::*;

fn document(text: &str) -> Document {
    Document::from_text(text).unwrap()
}

fn fields(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn judge(pairs: &[(&str, &str)], body: &str) -> Result<Era, Mismatch> {
    let document = document(body);
    agree(&fields(pairs), &Message::read(&document, body).unwrap(), &document)
}

const NEW: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
const OLD: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get"}}"#;
const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
const METHOD: (&str, &str) = ("mcp-method", "tools/call");
const NAME: (&str, &str) = ("mcp-name", "get");

#[test]
fn the_stateless_revision_needs_every_field() {
    assert_eq!(judge(&[VERSION, METHOD, NAME], NEW), Ok(Era::Stateless));
    assert_eq!(judge(&[VERSION, METHOD, ("mcp-name", "=?base64?Z2V0?=")], NEW), Ok(Era::Stateless));
    let missing = |name: &str| Err(Mismatch::Missing(name.into()));
    let differs = |name: &str| Err(Mismatch::Differs(name.into()));
    for (pairs, expected) in [
        (&[METHOD, NAME][..], missing(VERSION_HEADER)),
        (&[VERSION, NAME], missing(METHOD_HEADER)),
        (&[VERSION, METHOD], missing(NAME_HEADER)),
        (&[("mcp-protocol-version", "2025-11-25"), METHOD, NAME], differs(VERSION_HEADER)),
        (&[VERSION, ("mcp-method", "Tools/call"), NAME], differs(METHOD_HEADER)),
        (&[VERSION, METHOD, ("mcp-name", "put")], differs(NAME_HEADER)),
        (&[VERSION, METHOD, ("mcp-name", "=?base64?Z2V1?=")], differs(NAME_HEADER)),
        (&[VERSION, METHOD, ("mcp-name", "=?base64?Z2V0===?=")], differs(NAME_HEADER)),
        (&[VERSION, METHOD, NAME, NAME], Err(Mismatch::Repeated(NAME_HEADER.into()))),
        (&[VERSION, VERSION, METHOD, NAME], Err(Mismatch::Repeated(VERSION_HEADER.into()))),
    ] {
        assert_eq!(judge(pairs, NEW), expected, "{pairs:?}");
    }
}

#[test]
fn older_revisions_need_none_but_may_not_lie() {
    assert_eq!(judge(&[], OLD), Ok(Era::Sessions));
    assert_eq!(judge(&[("mcp-protocol-version", "2025-11-25")], OLD), Ok(Era::Sessions));
    assert_eq!(judge(&[METHOD, NAME], OLD), Ok(Era::Sessions));
    assert!(judge(&[("mcp-method", "tools/list")], OLD).is_err());
    assert!(judge(&[("mcp-name", "put")], OLD).is_err());
    // The server says what it thinks of a body without a revision.
    assert_eq!(judge(&[VERSION, METHOD, NAME], OLD), Ok(Era::Stateless));
    assert!(judge(&[VERSION, NAME], OLD).is_err());
    let listed = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    assert_eq!(judge(&[VERSION, ("mcp-method", "tools/list")], listed), Ok(Era::Stateless));
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    assert_eq!(judge(&[VERSION], note), Ok(Era::Stateless));
}

#[test]
fn base64_is_that_of_the_standard() {
    for (text, expected) in [
        ("", ""),
        ("f", "Zg=="),
        ("fo", "Zm8="),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg=="),
        ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64(text.as_bytes()), expected);
    }
}

#[test]
fn arguments_are_repeated_as_the_schema_asks() {
    let schema = serde_json::json!({"properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "deep": {"properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
        "list": {"items": {"properties": {"x": {"x-mcp-header": "X"}}}},
        "other": {"type": "string"},
    }});
    let mirrored = mirrored(&schema);
    assert_eq!(mirrored.len(), 2);
    let check = |pairs: &[(&str, &str)], args: &str| {
        let args = document(args);
        params_agree(&mirrored, &fields(pairs), args.root().as_object())
    };
    assert_eq!(check(&[], "{}"), Ok(()));
    assert_eq!(check(&[("mcp-param-region", "eu")], r#"{"region":"eu"}"#), Ok(()));
    assert_eq!(check(&[], r#"{"region":null}"#), Ok(()));
    assert_eq!(check(&[("mcp-param-n", "42.0")], r#"{"deep":{"n":42}}"#), Ok(()));
    assert!(check(&[("mcp-param-n", "43")], r#"{"deep":{"n":42}}"#).is_err());
    assert!(check(&[("mcp-param-region", "us")], r#"{"region":"eu"}"#).is_err());
    assert!(check(&[], r#"{"region":"eu"}"#).is_err());
    assert!(check(&[("mcp-param-region", "eu")], "{}").is_err());
    let mut headers = fields(&[("mcp-param-n", "1"), ("mcp-param-region", "us")]);
    let args = document(r#"{"region":" ü "}"#);
    mirror(&mirrored, &mut headers, args.root().as_object());
    assert_eq!(headers.len(), 1);
    assert_eq!(headers["mcp-param-region"], "=?base64?IMO8IA==?=");
    assert_eq!(params_agree(&mirrored, &headers, args.root().as_object()), Ok(()));
}

#[test]
fn fields_can_be_made_from_a_body() {
    let document = document(NEW);
    let message = Message::read(&document, NEW).unwrap();
    let headers: HeaderMap = made_for(&message, &document).into_iter().collect();
    assert_eq!(agree(&headers, &message, &document), Ok(Era::Stateless));
    assert_eq!(headers.len(), 3);
}
