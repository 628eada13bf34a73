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
        r#"{"mcpServers":[{}]}"#,
        r#"{"web_search_options":{}}"#,
        r#"{"messages":[{"role":"assistant","audio":{"id":"audio_1"}}]}"#,
        r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:application/pdf;base64,JVBERi0"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"input_audio","input_audio":{"format":"flac","data":"x"}}]}]}"#,
        r#"{"input":[{"type":"reasoning","id":"rs_1","summary":[]}]}"#,
        r#"{"input":[{"type":"message","id":"msg_1","role":"assistant","content":[]}]}"#,
        r#"{"input":[{"id":"msg_1"}]}"#,
        r#"{"input":[{"id":"msg_1","type":null}]}"#,
        r#"{"input":[{"type":"computer_call_output","output":{"type":"computer_screenshot","file_id":"file_1"}}]}"#,
        r#"{"input":[{"type":"image_generation_call","id":"ig_1"}]}"#,
        r#"{"tools":[{"type":"web_search","id":"x"}]}"#,
        r#"{"tools":[{"type":"tool_search"}]}"#,
        r#"{"tools":[{"type":"shell","environment":{"type":"container_auto"}}]}"#,
        r#"{"tools":[{"code_execution":{}}]}"#,
        r#"{"tools":[{"google_maps":{}}]}"#,
        r#"{"tools":[{"fileSearch":{}}]}"#,
        r#"{"tools":[{"googleSearchRetrieval":{}}]}"#,
        r#"{"tools":[{"retrieval":{}}]}"#,
        r#"{"tools":[{"mcpServers":[]}]}"#,
    ] {
        let facts = of(Provider::OpenAi, text);
        assert!(facts.input.has_unknown, "{text}");
        assert_eq!(facts.most(None).input, super::super::request::INPUT_UNKNOWN_TOKENS);
    }
    for text in [
        r#"{"previous_response_id":null}"#,
        r#"{"messages":[{"content":[{"type":"document","source":{"type":"text","data":"hi"}}]}]}"#,
        r#"{"tools":[{"type":"function","function":{"name":"web_search"}}]}"#,
        r#"{"tools":[{"type":"bash_20250124","name":"bash"},{"name":"f","input_schema":{}}]}"#,
        r#"{"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#,
        r#"{"input":"text"}"#,
        r#"{"input":[{"role":"user","content":"x"},{"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"x"},{"type":"reasoning","id":"rs","encrypted_content":"x","summary":[]},{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"x"}]}]}"#,
        r#"{"input":["a","b"]}"#,
        r#"{"input":[1,2]}"#,
        r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"x"}]}"#,
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}},{"text":"x","thoughtSignature":"y"}]}]}"#,
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
            r#"{{"messages":[{{"content":[{{"type":"input_audio","input_audio":{{"format":"wav","data":"{data}"}}}}]}}]}}"#
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

/// What says that it is an image but does not stand where images do is text, and so is all that
/// stands beside one.
#[test]
fn all_but_the_bytes_of_images_and_sound_counts_by_its_length() {
    let big = "a b c d ".repeat(25_000);
    let empty = vec!["\"\""; 90_000].join(",");
    for text in [
        format!(
            r#"{{"messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"f","input":{{"type":"image","text":"{big}"}}}}]}}]}}"#
        ),
        format!(
            r#"{{"tools":[{{"type":"function","function":{{"parameters":{{"x":{{"type":"image","description":"{big}"}}}}}}}}]}}"#
        ),
        format!(
            r#"{{"tools":[{{"type":"function","function":{{"parameters":{{"type":"audio","input_audio":{{"data":""}},"description":"{big}"}}}}}}]}}"#
        ),
        format!(
            r#"{{"contents":[{{"parts":[{{"functionResponse":{{"name":"f","response":{{"inlineData":{{"mimeType":"image/png"}},"text":"{big}"}}}}}}]}}]}}"#
        ),
        format!(
            r#"{{"messages":[{{"content":[{{"type":"image_url","image_url":{{"url":"https://x","detail":"{big}"}}}}]}}]}}"#
        ),
        format!(
            r#"{{"messages":[{{"content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"x"}},"text":"{big}"}}]}}]}}"#
        ),
        format!(
            r#"{{"contents":[{{"parts":[{{"inlineData":{{"mimeType":"image/png","data":"x"}},"text":"{big}"}}]}}]}}"#
        ),
        format!(r#"{{"input":[{{"type":"input_image","image_url":"https://x","text":"{big}"}}]}}"#),
        format!(
            r#"{{"tools":[{{"type":"function","function":{{"parameters":{{"enum":[{empty}]}}}}}}]}}"#
        ),
        format!(
            r#"{{"tools":[{{"type":"function","function":{{"parameters":{{"enum":[{}]}}}}}}]}}"#,
            empty.replace("\"\"", "[]")
        ),
    ] {
        let input = of(Provider::OpenAi, &text).input;
        assert!(input.known >= u64::try_from(text.len()).expect("small"), "{}", &text[..80]);
        assert!(!input.has_unknown, "{}", &text[..80]);
    }
    // Images stand within results of tools too.
    let data = "A".repeat(1_000_000);
    for text in [
        format!(
            r#"{{"messages":[{{"content":[{{"type":"tool_result","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}]}}]}}]}}"#
        ),
        format!(
            r#"{{"input":[{{"type":"computer_call_output","call_id":"c","output":{{"type":"computer_screenshot","image_url":"data:image/png;base64,{data}"}}}}]}}"#
        ),
        format!(
            r#"{{"input":[{{"type":"message","role":"user","content":[{{"type":"input_image","image_url":"data:image/png;base64,{data}"}}]}}]}}"#
        ),
        format!(
            r#"{{"contents":[{{"parts":[{{"functionResponse":{{"name":"f","parts":[{{"inlineData":{{"mimeType":"image/png","data":"{data}"}}}}]}}}}]}}]}}"#
        ),
    ] {
        let input = of(Provider::OpenAi, &text).input;
        assert!(input.known < 100_000 && !input.has_unknown, "{} {}", input.known, &text[..80]);
    }
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
    assert_eq!(most("chat", r#"{"max_tokens":10,"n":5000}"#), 50_000);
    assert_eq!(most("chat", r#"{"max_tokens":10,"n":"50"}"#), 500);
    for endless in ["-1", "-1.0", "0", "\"9\""] {
        let text = format!(r#"{{"max_tokens":{endless},"max_completion_tokens":1}}"#);
        assert_eq!(most("chat", &text), unknown, "{endless}");
    }
    let most = |text: &str| of(Provider::Gemini, text).most(None).output;
    let both = r#"{"generationConfig":{"maxOutputTokens":1},"generation_config":{"max_output_tokens":900,"candidateCount":8}}"#;
    assert_eq!(most(both), 7_200);
    assert_eq!(
        most(r#"{"generationConfig":{"maxOutputTokens":1},"generation_config":{"x":1}}"#),
        unknown
    );
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
