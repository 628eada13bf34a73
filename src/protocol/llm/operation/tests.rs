//! Paths, with and without versions.

use http::Method;

use super::{Kind, route, target};
use crate::protocol::llm::Provider;

fn name(provider: Provider, method: &Method, path: &str) -> Option<&'static str> {
    route(provider, method, path).map(|routed| routed.operation.name)
}

#[test]
fn calls_are_known_with_and_without_a_version() {
    let (post, get) = (&Method::POST, &Method::GET);
    let openai = |method, path| name(Provider::OpenAi, method, path);
    assert_eq!(openai(post, "/chat/completions"), Some("chat"));
    assert_eq!(openai(post, "/v1/chat/completions"), Some("chat"));
    assert_eq!(openai(post, "/v1/responses"), Some("responses"));
    assert_eq!(openai(post, "/responses/compact"), Some("compact"));
    assert_eq!(openai(post, "/responses/resp_1/cancel"), Some("cancel_response"));
    assert_eq!(openai(get, "/models/org/model"), Some("model"));
    assert_eq!(openai(get, "/chat/completions"), Some("stored_chats"));
    assert_eq!(openai(post, "/openai/deployments/a/chat/completions"), Some("chat"));
    let anthropic = |method, path| name(Provider::Anthropic, method, path);
    assert_eq!(anthropic(post, "/v1/messages"), Some("messages"));
    assert_eq!(anthropic(post, "/messages/count_tokens"), Some("count_tokens"));
    let gemini = |method, path| name(Provider::Gemini, method, path);
    assert_eq!(gemini(post, "/v1beta/models/m:streamGenerateContent"), Some("generate_content"));
    assert_eq!(gemini(post, "/models/m:embedContent"), Some("embed_content"));
    assert_eq!(gemini(get, "/v1/models"), Some("models"));
}

#[test]
fn what_is_not_known_is_no_call() {
    for path in [
        "/",
        "/chat",
        "/v1",
        "/chat/completions/",
        "/chat/completions/a/b",
        "/v1/v1/chat/completions",
        "/audio/transcriptions",
        "/files",
        "/responses//cancel",
        "/openai/deployments/a/models",
        "/vx/chat/completions",
    ] {
        assert_eq!(name(Provider::OpenAi, &Method::POST, path), None, "{path}");
    }
    assert_eq!(name(Provider::OpenAi, &Method::PUT, "/chat/completions"), None);
    for path in ["/models/m", "/models/:generateContent", "/models/a/b:generateContent", "/files"] {
        assert_eq!(name(Provider::Gemini, &Method::POST, path), None, "{path}");
    }
    assert_eq!(name(Provider::Anthropic, &Method::GET, "/v1/messages"), None);
}

#[test]
fn a_version_is_sent_once() {
    let sent = |provider, base, path| {
        let routed = route(provider, &Method::POST, path).expect(path);
        target(provider, base, &routed)
    };
    for path in ["/v1/chat/completions", "/chat/completions"] {
        assert_eq!(sent(Provider::OpenAi, "/v1", path), "/chat/completions");
        assert_eq!(sent(Provider::OpenAi, "/api/v1/", path), "/chat/completions");
        assert_eq!(sent(Provider::OpenAi, "", path), "/v1/chat/completions");
    }
    assert_eq!(sent(Provider::OpenAi, "/beta", "/chat/completions"), "/chat/completions");
    assert_eq!(sent(Provider::OpenAi, "/proxy", "/v1/responses"), "/v1/responses");
    let azure = "/openai/deployments/a/chat/completions";
    assert_eq!(sent(Provider::OpenAi, "/", azure), azure);
    let gemini = "/models/m:generateContent";
    assert_eq!(sent(Provider::Gemini, "", gemini), "/v1beta/models/m:generateContent");
    assert_eq!(sent(Provider::Gemini, "/v1beta", "/v1beta/models/m:generateContent"), gemini);
    assert_eq!(sent(Provider::Anthropic, "/", "/v1/messages"), "/v1/messages");
}

#[test]
fn paths_name_models_and_say_what_is_billed() {
    let routed = route(Provider::Gemini, &Method::POST, "/models/g-2:streamGenerateContent");
    let routed = routed.expect("known");
    assert_eq!((routed.model, routed.operation.is_stream), (Some("g-2"), true));
    let routed = route(Provider::OpenAi, &Method::POST, "/openai/deployments/mine/embeddings");
    let routed = routed.expect("known");
    assert_eq!((routed.model, routed.operation.kind), (Some("mine"), Kind::Embed));
}
