//! What requests say of themselves.

use super::*;

fn of(provider: Provider, text: &str) -> Facts {
    of_call(provider, "chat", text)
}

fn of_call(provider: Provider, name: &'static str, text: &str) -> Facts {
    let operation = Operation { name, kind: Kind::Generate, is_stream: false };
    facts(provider, operation, None, document(text).root())
}

#[test]
fn models_lengths_and_numbers_of_answers_are_read_where_each_provider_has_them() {
    let openai = of(
        Provider::OpenAi,
        r#"{"model":"m","stream":true,"max_tokens":5,"max_completion_tokens":7,"n":3}"#,
    );
    assert_eq!((openai.model.as_deref(), openai.is_stream), (Some("m"), true));
    assert_eq!((openai.max_output, openai.answers), (Some(7), 3));
    assert_eq!(openai.most(None).output, 21);
    let prompts = of(Provider::OpenAi, r#"{"prompt":["a","b"],"n":2,"max_tokens":4}"#);
    assert_eq!(prompts.most(None).output, 16);
    let tokens = of(Provider::OpenAi, r#"{"prompt":[1,2,3],"max_tokens":4}"#);
    assert_eq!(tokens.most(None).output, 4);
    let gemini =
        of(Provider::Gemini, r#"{"generationConfig":{"maxOutputTokens":9,"candidateCount":2}}"#);
    assert_eq!(gemini.most(None).output, 18);
    let huge = of(Provider::Anthropic, r#"{"max_tokens":18446744073709551615}"#);
    assert_eq!(huge.max_output, Some(u64::MAX));
    let none = of(Provider::Anthropic, r#"{"max_tokens":-1}"#);
    assert_eq!(none.most(None).output, super::super::request::OUTPUT_UNKNOWN_TOKENS);
}

#[test]
fn bytes_bound_the_tokens_of_a_prompt() {
    let text = "日本語 and more ".repeat(200);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}]}}"#);
    let facts = of(Provider::OpenAi, &body);
    assert!(facts.input.known >= u64::try_from(text.len()).expect("small"));
    assert!(!facts.input.has_unknown && !facts.input.caches);
    let spend = facts.most(None);
    assert_eq!(spend.input, facts.input.known);
}

#[test]
fn what_is_only_referred_to_counts_as_the_longest_prompt() {
    for text in [
        r#"{"previous_response_id":"resp_1"}"#,
        r#"{"conversation":"conv_1"}"#,
        r#"{"cachedContent":"c"}"#,
        r#"{"messages":[{"content":[{"type":"file","file":{"file_id":"f"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"document","source":{"type":"base64","data":"JVBERi0"}}]}]}"#,
        r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
        r#"{"tools":[{"type":"mcp","server_url":"x"}]}"#,
        r#"{"tools":[{"googleSearch":{}}]}"#,
        r#"{"contents":[{"parts":[{"fileData":{"fileUri":"x"}}]}]}"#,
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"application/pdf","data":"x"}}]}]}"#,
        r#"{"mcp_servers":[{}]}"#,
    ] {
        let facts = of(Provider::OpenAi, text);
        assert!(facts.input.has_unknown, "{text}");
        assert_eq!(facts.most(None).input, super::super::request::INPUT_UNKNOWN_TOKENS);
    }
    for text in [
        r#"{"previous_response_id":null}"#,
        r#"{"messages":[{"content":[{"type":"document","source":{"type":"text","data":"hi"}}]}]}"#,
        r#"{"tools":[{"type":"function","function":{"name":"web_search"}}]}"#,
        r#"{"messages":[{"role":"assistant","content":[{"type":"web_search_tool_result","tool_use_id":"x"}]}]}"#,
    ] {
        assert!(!of(Provider::OpenAi, text).input.has_unknown, "{text}");
    }
}

#[test]
fn images_and_sound_have_bounds_of_their_own() {
    let data = "A".repeat(1_000_000);
    let image = of(
        Provider::OpenAi,
        &format!(
            r#"{{"messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"{data}"}}}}]}}]}}"#
        ),
    );
    assert!(image.input.known < 100_000 && !image.input.has_unknown);
    let audio = of(
        Provider::OpenAi,
        &format!(
            r#"{{"messages":[{{"content":[{{"type":"input_audio","input_audio":{{"data":"{data}"}}}}]}}]}}"#
        ),
    );
    assert!(audio.input.has_audio && (60_000..80_000).contains(&audio.input.known));
    let cached = of(
        Provider::Anthropic,
        r#"{"system":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}"#,
    );
    assert!(cached.most(None).caches);
}

#[test]
fn runs_are_hinted_at_in_many_ways() {
    let of = |text: &str| hints(Provider::OpenAi, document(text).root());
    assert_eq!(of(r#"{"conversation":{"id":"c"}}"#).conversation.as_deref(), Some("c"));
    assert_eq!(of(r#"{"conversation":"c"}"#).conversation.as_deref(), Some("c"));
    let previous = of(r#"{"previous_response_id":"resp_1"}"#).previous_response;
    assert_eq!(previous.as_deref(), Some("resp_1"));
    let labels = of(r#"{"metadata":{"thread_id":"t","session_id":" s "}}"#).metadata;
    assert_eq!(labels.as_deref(), Some("s"));
    for user in
        ["user_abc_account_x_session_0b1c", r#"{\"device_id\":\"d\",\"session_id\":\"0b1c\"}"#]
    {
        let text = format!(r#"{{"metadata":{{"user_id":"{user}"}}}}"#);
        let found = hints(Provider::Anthropic, document(&text).root()).metadata;
        assert_eq!(found.as_deref(), Some("0b1c"));
    }
    assert_eq!(of(r#"{"metadata":{"user_id":"u-1"}}"#).metadata, None);
    assert_eq!(of(r#"{"metadata":{"session_id":""}}"#).metadata, None);
}

#[test]
fn results_name_the_calls_that_they_answer() {
    let chat = r#"{"messages":[{"role":"tool","tool_call_id":"a"},{"role":"user","tool_call_id":"x"}],"input":[{"type":"function_call_output","call_id":"b"},{"type":"function_call","call_id":"y"}]}"#;
    assert_eq!(answered(Provider::OpenAi, chat), ["a", "b"]);
    let blocks = r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c"},{"type":"text","text":"t"}]},{"content":"x"}]}"#;
    assert_eq!(answered(Provider::Anthropic, blocks), ["c"]);
    let parts =
        r#"{"contents":[{"parts":[{"functionResponse":{"id":"d","name":"f","response":{}}}]}]}"#;
    assert_eq!(answered(Provider::Gemini, parts), ["d"]);
}

fn answered(provider: Provider, text: &str) -> Vec<String> {
    hints(provider, document(text).root()).answered.iter().map(ToString::to_string).collect()
}

/// A bound that the server does not know, or reads in another case, bounds nothing.
#[test]
fn only_the_words_of_the_call_bound_its_answer() {
    let most = |name, text: &str| of_call(Provider::OpenAi, name, text).most(None).output;
    let unknown = super::super::request::OUTPUT_UNKNOWN_TOKENS;
    assert_eq!(most("chat", r#"{"max_output_tokens":1}"#), unknown);
    assert_eq!(most("responses", r#"{"max_tokens":1}"#), unknown);
    assert_eq!(most("responses", r#"{"max_output_tokens":7}"#), 7);
    assert_eq!(most("completions", r#"{"max_completion_tokens":1}"#), unknown);
    assert_eq!(most("chat", r#"{"max_tokens":1,"MAX_TOKENS":9000,"N":2}"#), 18_000);
}

#[test]
fn models_that_may_stand_in_and_surcharges_are_seen() {
    let facts = of(Provider::OpenAi, r#"{"model":"a","models":["b","c",1]}"#);
    let others: Vec<&str> = facts.others.iter().map(|name| &**name).collect();
    assert_eq!(others, ["b", "c"]);
    let plain = of(Provider::Anthropic, r#"{"inference_geo":"global"}"#).surcharged;
    assert!(!plain.in_us && !plain.fast);
    let dear = of(Provider::Anthropic, r#"{"speed":"fast"}"#).surcharged;
    assert!(dear.in_us && dear.fast);
}
