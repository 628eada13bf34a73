//! Answers made for the purpose: calls of tools in every form, failures, streams that end early.

use super::*;

fn asked(said: &Said) -> Vec<(Option<&str>, &str, &str)> {
    let text = |args| std::str::from_utf8(args).expect("text");
    said.asked.iter().map(|one| (one.id.as_deref(), &*one.name, text(&*one.args))).collect()
}

/// Reads a stream of these events, whole and in small pieces.
fn stream(provider: Provider, events: &[&str]) -> Said {
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let said = read(provider, true, &[text.as_bytes()]);
    for size in [1, 7] {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        assert_eq!(format!("{said:?}"), format!("{:?}", read(provider, true, &pieces)));
    }
    said
}

fn json(provider: Provider, text: &str) -> Said {
    read(provider, false, &[text.as_bytes()])
}

#[test]
fn chat_calls_come_in_parts_that_are_told_apart_by_their_number() {
    let said = stream(
        Provider::OpenAi,
        &[
            r#"{"id":"c1","model":"m","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":"{\"x\":"},"index":0}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"é\"}"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9}}"#,
            "[DONE]",
        ],
    );
    assert_eq!(asked(&said), [(Some("a"), "f", r#"{"x":"é"}"#), (Some("b"), "g", "{}")]);
    assert_eq!((said.usage.input, said.usage.output), (5, 9));
    assert_eq!((said.counted, said.is_final), (Counted::Finally, false));
    assert_eq!(said.response_id.as_deref(), Some("c1"));
}

#[test]
fn chat_calls_of_several_answers_are_told_apart() {
    let part = |answer: u8, id: &str, args: &str, finish: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,{id}"function":{{"arguments":"{args}"}}}}]}},"index":{answer}{finish}}}]}}"#
        )
    };
    let ended = r#","finish_reason":"tool_calls""#;
    let events = [
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]}}]}"#.to_owned(),
        r#"{"choices":[{"index":1,"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\""}}]}}]}"#.to_owned(),
        // The end of the one is not the end of the other.
        part(0, "", ":1}", ended),
        part(1, r#""id":"b","#, ":2", ""),
        part(1, "", "}", ended),
        "[DONE]".to_owned(),
    ];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let said = stream(Provider::OpenAi, &events);
    assert_eq!(asked(&said), [(Some("a"), "f", r#"{"x":1}"#), (Some("b"), "f", r#"{"x":2}"#)]);
}

#[test]
fn chat_calls_of_one_place_are_told_apart_by_their_ids_and_of_one_id_by_what_they_are() {
    let call = |id: &str, args: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"id":"{id}","function":{{"name":"f","arguments":"{args}"}}}}]}}}}]}}"#
        )
    };
    let said = stream(Provider::OpenAi, &[&call("a", "1"), &call("b", "2"), "[DONE]"]);
    assert_eq!(asked(&said), [(Some("a"), "f", "1"), (Some("b"), "f", "2")]);
    let said = json(
        Provider::OpenAi,
        r#"{"choices":[{"index":0,"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"1"}},{"id":"a","function":{"name":"f","arguments":"2"}}]},"finish_reason":"tool_calls"}]}"#,
    );
    assert_eq!(asked(&said), [(Some("a"), "f", "1"), (Some("a"), "f", "2")]);
}

#[test]
fn calls_of_a_response_are_noted_once() {
    let call = r#"{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\":1}","status":"completed"}"#;
    let begun = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"","status":"in_progress"}}"#;
    let done = format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{call}}}"#);
    let custom = r#"{"type":"custom_tool_call","call_id":"call_2","name":"free","input":"text","status":"completed"}"#;
    let completed = format!(
        r#"{{"type":"response.completed","response":{{"id":"resp_1","model":"m","status":"completed","service_tier":"flex","output":[{call},{custom},{{"type":"web_search_call","id":"ws","status":"completed"}}],"usage":{{"input_tokens":10,"input_tokens_details":{{"cached_tokens":4}},"output_tokens":6,"output_tokens_details":{{"reasoning_tokens":2}},"total_tokens":16}}}}}}"#
    );
    let said = stream(Provider::OpenAi, &[begun, &done, &completed]);
    let expected = [(Some("call_1"), "f", r#"{"a":1}"#), (Some("call_2"), "free", "text")];
    assert_eq!(asked(&said), expected);
    assert_eq!((said.usage.cache_read, said.usage.reasoning, said.usage.searches), (4, 2, 1));
    assert_eq!(said.tier, Some(Tier::Flex));
    // What began and never was completed is nothing that anybody carries out.
    assert!(stream(Provider::OpenAi, &[begun]).asked.is_empty());
}

#[test]
fn blocks_of_a_message_are_calls_where_the_client_carries_them_out() {
    let said = stream(
        Provider::Anthropic,
        &[
            r#"{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"q\":1}"}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
            r#"{"delta":{"partial_json":"[1,2]}"},"index":1,"type":"content_block_delta"}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":20}}"#,
            r#"{"type":"message_stop"}"#,
        ],
    );
    assert_eq!(asked(&said), [(Some("t"), "f", r#"{"a":[1,2]}"#)]);
    assert_eq!((said.usage.input, said.usage.cache_read, said.usage.output), (10, 3, 20));
    let whole = json(
        Provider::Anthropic,
        r#"{"id":"msg","model":"m","stop_reason":"end_turn","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":1,"output_tokens":2}}"#,
    );
    assert!(whole.is_final && whole.asked.is_empty() && whole.generated_bytes == 2);
    let call = json(
        Provider::Anthropic,
        r#"{"stop_reason":"tool_use","content":[{"type":"tool_use","id":"t","name":"f","input":{"b": [1]}}],"usage":{"input_tokens":1,"output_tokens":2}}"#,
    );
    assert_eq!(asked(&call), [(Some("t"), "f", r#"{"b": [1]}"#)]);
}

#[test]
fn parts_of_candidates_are_calls_in_every_form_of_the_answer() {
    let one = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":"b"}}}]}}],"modelVersion":"g","responseId":"r"}"#;
    let two = r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":6}}"#;
    let events = stream(Provider::Gemini, &[one, two]);
    let array = json(Provider::Gemini, &format!("[{one}\n,\r\n{two}]"));
    for said in [events, array] {
        assert_eq!(asked(&said), [(None, "f", r#"{"a":"b"}"#)]);
        assert_eq!((said.usage.input, said.usage.output, said.usage.reasoning), (4, 11, 6));
        assert_eq!((said.counted, said.is_final), (Counted::Finally, false));
        assert_eq!(said.model.as_deref(), Some("g"));
    }
}

#[test]
fn usage_that_is_said_more_than_once_is_the_highest_of_it() {
    let said = stream(
        Provider::Gemini,
        &[
            r#"{"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1}}"#,
            r#"{"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":5}}"#,
        ],
    );
    assert_eq!((said.usage.input, said.usage.output), (4, 5));
    let half =
        r#"{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1}}}"#;
    let said = stream(Provider::Anthropic, &[half]);
    assert_eq!((said.counted, said.usage.input), (Counted::SoFar, 7));
    let none = stream(Provider::OpenAi, &[r#"{"choices":[{"delta":{"content":"12345"}}]}"#]);
    assert_eq!((none.counted, none.generated_bytes), (Counted::Not, 5));
}

#[test]
fn numbers_in_the_text_of_an_answer_are_not_its_usage() {
    let said = json(
        Provider::OpenAi,
        r#"{"choices":[{"message":{"content":"{\"usage\":{\"prompt_tokens\":1}}","x":{"usage":{"prompt_tokens":2}}}}],"metadata":{"usage":{"prompt_tokens":3}}}"#,
    );
    assert_eq!(said.counted, Counted::Not);
}

#[test]
fn arguments_are_cut_and_say_so() {
    let long = "x".repeat(70_000);
    let said = json(
        Provider::OpenAi,
        &format!(
            r#"{{"choices":[{{"message":{{"tool_calls":[{{"id":"a","function":{{"name":"f","arguments":"{long}"}}}}]}}}}]}}"#
        ),
    );
    let one = said.asked.first().expect("one");
    assert!(!one.is_whole && one.args.len() == 65_536);
    let many: Vec<String> = (0..200)
        .map(|at| format!(r#"{{"id":"{at}","function":{{"name":"f","arguments":"{{}}"}}}}"#))
        .collect();
    let said = json(
        Provider::OpenAi,
        &format!(r#"{{"choices":[{{"message":{{"tool_calls":[{}]}}}}]}}"#, many.join(",")),
    );
    assert!(said.asked_more && said.asked.len() == 128 && !said.is_final);
}

fn failed(provider: Provider, status: u16, text: &str) -> Option<Failure> {
    failure(StatusCode::from_u16(status).expect("a status"), &json(provider, text))
}

#[test]
fn failures_are_told_apart() {
    let long = r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","code":"context_length_exceeded"}}"#;
    assert_eq!(failed(Provider::OpenAi, 400, long), Some(Failure::ContextOverflow));
    let long = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 201000 tokens > 200000 maximum"}}"#;
    assert_eq!(failed(Provider::Anthropic, 400, long), Some(Failure::ContextOverflow));
    let long = r#"{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#;
    assert_eq!(failed(Provider::Gemini, 400, long), Some(Failure::ContextOverflow));
    let wrong = r#"{"error":{"message":"temperature","type":"invalid_request_error"}}"#;
    assert_eq!(failed(Provider::OpenAi, 400, wrong), Some(Failure::ValidationFailed));
    let status = |status| failed(Provider::Anthropic, status, "{}");
    assert_eq!(status(429), Some(Failure::RateLimit));
    assert_eq!(status(529), Some(Failure::ModelUnavailable));
    assert_eq!(status(503), Some(Failure::ModelUnavailable));
    assert_eq!(status(404), Some(Failure::ModelUnavailable));
    assert_eq!((status(401), status(403), status(200)), (None, None, None));
}

#[test]
fn a_stream_that_begins_well_may_fail() {
    let failed = |provider, event| failure(StatusCode::OK, &stream(provider, &[event]));
    let event = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    assert_eq!(failed(Provider::Anthropic, event), Some(Failure::ModelUnavailable));
    let event = r#"{"type":"error","code":"rate_limit_exceeded","message":"slow down"}"#;
    assert_eq!(failed(Provider::OpenAi, event), Some(Failure::RateLimit));
    let event = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"x"}}}"#;
    assert_eq!(failed(Provider::OpenAi, event), Some(Failure::ModelUnavailable));
    let event = r#"{"error":{"message":"x","type":"server_error"}}"#;
    assert_eq!(failed(Provider::OpenAi, event), Some(Failure::ModelUnavailable));
    let event = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"q"}}"#;
    assert_eq!(failed(Provider::Gemini, event), Some(Failure::RateLimit));
}

#[test]
fn compressed_answers_are_not_guessed_at() {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("content-encoding", HeaderValue::from_static("gzip"));
    let mut reader = Reader::new(Provider::OpenAi, &headers);
    reader.feed(br#"{"usage":{"prompt_tokens":1}}"#);
    assert_eq!(reader.finish(true).counted, Counted::Not);
}

/// Counts that are missing, that are no counts, or that came before what they count are not relied on.
#[test]
fn half_a_usage_is_not_the_whole() {
    let chat = |usage: &str| {
        let body = r#"{"model":"m","choices":[{"message":{"content":"text"},"finish_reason":"stop"}],"usage":"#;
        json(Provider::OpenAi, &format!("{body}{usage}}}"))
    };
    let counts = |said: &Said| (said.usage.input, said.usage.output);
    for usage in [
        r#"{"prompt_tokens":1000}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":null}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":-200}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":2e2}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":"many"}"#,
        r#"{"completion_tokens":200}"#,
        r#"{"total_tokens":1200}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":200},"usage":{"prompt_tokens":1,"completion_tokens":1}"#,
    ] {
        assert_ne!(chat(usage).counted, Counted::Finally, "{usage}");
    }
    for usage in [
        r#"{"prompt_tokens":1000,"completion_tokens":200}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":"200"}"#,
        r#"{"prompt_tokens":1000,"completion_tokens":0,"total_tokens":1200}"#,
        r#"{"prompt_tokens":1000,"total_tokens":1200}"#,
        r#"{"completion_tokens":200,"total_tokens":1200}"#,
        r#"{"prompt_tokens":1000,"input_tokens":0,"completion_tokens":200,"output_tokens":0}"#,
    ] {
        let said = chat(usage);
        assert_eq!((said.counted, counts(&said)), (Counted::Finally, (1000, 200)), "{usage}");
    }
    let gemini = |usage: &str| {
        let body = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]}}],"usageMetadata":"#;
        json(Provider::Gemini, &format!("{body}{usage}}}"))
    };
    let said = gemini(r#"{"promptTokenCount":"1000","candidatesTokenCount":"200"}"#);
    assert_eq!((said.counted, counts(&said)), (Counted::Finally, (1000, 200)));
    assert_eq!(gemini(r#"{"promptTokenCount":1000}"#).counted, Counted::SoFar);
    let claude = r#"{"content":[{"type":"text","text":"x"}],"usage":{"input_tokens":1000}}"#;
    assert_eq!(json(Provider::Anthropic, claude).counted, Counted::SoFar);
    let begun =
        r#"{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1}}}"#;
    for usage in ["{}", r#"{"output_tokens":null}"#] {
        let end = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}"#
        );
        let text = r#"{"type":"content_block_delta","index":0,"delta":{"text":"x"}}"#;
        assert_eq!(stream(Provider::Anthropic, &[begun, text, &end]).counted, Counted::SoFar);
    }
}

#[test]
fn what_is_generated_after_it_was_counted_is_not_counted() {
    let text = r#"{"choices":[{"delta":{"content":"text"}}]}"#;
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":1}}"#;
    assert_eq!(stream(Provider::OpenAi, &[text, end, usage]).counted, Counted::Finally);
    assert_eq!(stream(Provider::OpenAi, &[usage, text, end]).counted, Counted::SoFar);
    // Each event counts for itself.
    let each = r#"{"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":9,"completion_tokens":5}}"#;
    assert_eq!(stream(Provider::OpenAi, &[each, each]).counted, Counted::SoFar);
}

/// An event that cannot be read may have said more.
#[test]
fn a_stream_with_an_event_that_cannot_be_read_is_not_known() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#;
    let end = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let deep = format!(r#"{{"deep":{}{}}}"#, "[".repeat(80), "]".repeat(80));
    let two = format!("{usage}{usage}");
    for event in [deep.as_str(), "{\"x\":NaN..}", "{\"x\":", "[DONE", &two] {
        let said = stream(Provider::OpenAi, &[end, usage, event]);
        assert_eq!((said.counted, said.is_unread), (Counted::SoFar, true), "{event}");
    }
    let said = stream(Provider::OpenAi, &[end, usage, "", "[DONE]"]);
    assert_eq!((said.counted, said.is_unread), (Counted::Finally, false));
}

#[test]
fn open_calls_and_words_of_an_answer_are_bounded() {
    let long = "x".repeat(60_000);
    let events: Vec<String> = (0..40)
        .map(|at| format!(r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{at},"id":"{at}","function":{{"name":"f","arguments":"{long}"}}}}]}}}}]}}"#))
        .collect();
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let said = read(
        Provider::OpenAi,
        true,
        &events
            .iter()
            .flat_map(|event| [b"data: ".as_slice(), event.as_bytes(), b"\n\n"])
            .collect::<Vec<_>>(),
    );
    let held: usize = said.asked.iter().map(|asked| asked.args.len()).sum();
    assert!(held <= 262_144 && said.asked_more, "{held}");
    let said =
        json(Provider::OpenAi, r#"{"choices":[{"finish_reason":"the text of the answer"}]}"#);
    assert_eq!(said.finish, [Box::from("other")]);
    let long = "x".repeat(200);
    let names = ["gpt-4o", "ft:gpt-4o:acme::id", "my secret prompt", long.as_str()];
    assert_eq!(names.map(shown_model), ["gpt-4o", "ft:gpt-4o:acme::id", "other", "other"]);
}

#[test]
fn searches_of_gemini_are_counted() {
    let said = json(
        Provider::Gemini,
        r#"{"candidates":[{"groundingMetadata":{"webSearchQueries":["a","b"]}}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}"#,
    );
    assert_eq!(said.usage.searches, 2);
}
