//! The recordings, a dozen kept here and all of them outside.

use std::fmt::Write as _;

use super::*;

const KEPT: &str = include_str!("../../../../tests/data/llm_answers.jsonl");

/// One recorded answer.
struct Recording {
    provider: Provider,
    is_stream: bool,
    model: String,
    body: String,
    usage: Usage,
    has_kind: bool,
}

fn recordings(text: &str) -> Vec<Recording> {
    text.lines().map(recording).collect()
}

fn recording(line: &str) -> Recording {
    let document = document(line);
    let root = document.root().as_object().expect("an object");
    let text = |name: &str| root.get(name).and_then(Value::as_str).unwrap_or_default();
    let provider = match text("provider") {
        "anthropic" => Provider::Anthropic,
        "gemini" => Provider::Gemini,
        _ => Provider::OpenAi,
    };
    let of = |name: &str| root.get(name).and_then(Value::as_object);
    let (first, last) = (of("usage_first"), of("usage_last"));
    let later = |path: &[&str]| match number(last, path) {
        0 => number(first, path),
        count => count,
    };
    let usage = match provider {
        Provider::Anthropic => anthropic(later),
        Provider::OpenAi => openai(later),
        Provider::Gemini => gemini(later),
    };
    Recording {
        provider,
        is_stream: matches!(root.get("stream"), Some(Value::Bool(true))),
        model: text("model").to_owned(),
        body: text("body").to_owned(),
        usage,
        has_kind: !text("uri").contains("/threads/"),
    }
}

fn anthropic(of: impl Fn(&[&str]) -> u64) -> Usage {
    let (read, written) = (of(&["cache_read_input_tokens"]), of(&["cache_creation_input_tokens"]));
    let written_1h = of(&["cache_creation", "ephemeral_1h_input_tokens"]);
    Usage {
        input: of(&["input_tokens"]) + read + written,
        cache_read: read,
        cache_write: written - written_1h,
        cache_write_1h: written_1h,
        output: of(&["output_tokens"]),
        searches: of(&["server_tool_use", "web_search_requests"]),
        ..Usage::default()
    }
}

fn openai(of: impl Fn(&[&str]) -> u64) -> Usage {
    let any = |paths: &[&[&str]]| paths.iter().map(|path| of(path)).max().unwrap_or_default();
    Usage {
        input: any(&[&["prompt_tokens"], &["input_tokens"]]),
        output: any(&[&["completion_tokens"], &["output_tokens"]]),
        cache_read: any(&[
            &["prompt_tokens_details", "cached_tokens"],
            &["prompt_token_details", "cached_tokens"],
            &["input_tokens_details", "cached_tokens"],
            &["prompt_cache_hit_tokens"],
        ]),
        cache_write: of(&["input_tokens_details", "cache_write_tokens"]),
        reasoning: any(&[
            &["completion_tokens_details", "reasoning_tokens"],
            &["output_tokens_details", "reasoning_tokens"],
        ]),
        ..Usage::default()
    }
}

fn gemini(of: impl Fn(&[&str]) -> u64) -> Usage {
    let thoughts = of(&["thoughtsTokenCount"]);
    Usage {
        input: of(&["promptTokenCount"]),
        output: of(&["candidatesTokenCount"]) + thoughts,
        reasoning: thoughts,
        ..Usage::default()
    }
}

/// What was read of an answer is what was recorded of it, whole and byte by byte.
fn check(recording: &Recording) -> Said {
    let Recording { provider, is_stream, body, .. } = recording;
    let whole = read(*provider, *is_stream, &[body.as_bytes()]);
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let slowly = read(*provider, *is_stream, &bytes);
    assert_eq!(format!("{whole:?}"), format!("{slowly:?}"));
    // Searches are listed among the parts of an answer; the recorded usage need not have them.
    let searches = recording.usage.searches.max(whole.usage.searches);
    assert_eq!(whole.usage, Usage { searches, ..recording.usage }, "{body}");
    assert_eq!(whole.counted, Counted::Finally, "{body}");
    assert!(whole.fault.is_none(), "{body}");
    if recording.model.is_empty() {
        return whole;
    }
    assert_eq!(whole.model.as_deref(), Some(&*recording.model), "{body}");
    whole
}

#[test]
fn kept_recordings_are_read_as_recorded() {
    let recordings = recordings(KEPT);
    assert!(recordings.len() >= 20);
    for recording in &recordings {
        check(recording);
    }
    let count = |of: fn(&Recording) -> bool| recordings.iter().filter(|one| of(one)).count();
    assert!(count(|one| one.is_stream) >= 4);
    assert!(count(|one| one.provider == Provider::Anthropic) >= 6);
    assert!(count(|one| one.provider == Provider::Gemini) >= 1);
}

/// A streamed answer that breaks off anywhere is never taken for a whole one with fewer tokens.
#[test]
fn a_stream_that_breaks_off_has_not_said_its_last_tokens_early() {
    for recording in recordings(KEPT).iter().filter(|one| one.is_stream) {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
        for end in 0..recording.body.len() {
            let mut reader = Reader::new(recording.provider, &headers);
            reader.feed(&recording.body.as_bytes()[..end]);
            let said = reader.finish(false);
            if said.counted == Counted::Finally {
                assert_eq!(said.usage.output, recording.usage.output);
                assert_eq!(said.usage.input, recording.usage.input);
            }
            assert!(said.usage.output <= recording.usage.output);
            assert!(!said.is_final);
        }
    }
}

fn outside(name: &str) -> String {
    let folder = std::env::var("TOOLGATE_CORPORA").expect("TOOLGATE_CORPORA names the folder");
    std::fs::read_to_string(std::path::Path::new(&folder).join(name)).expect(name)
}

fn provider_name(recording: &Recording) -> &'static str {
    recording.provider.name()
}

#[test]
#[ignore = "needs TOOLGATE_CORPORA"]
fn all_recordings_are_read_as_recorded() {
    let recordings = recordings(&outside("llm_usage.jsonl"));
    assert_eq!(recordings.len(), 282);
    for recording in &recordings {
        let said = check(recording);
        let asks = ["\"tool_use\"", "\"type\":\"function_call\"", "\"type\": \"function_call\""];
        let is_asking = asks.iter().any(|word| recording.body.contains(word));
        if is_asking && recording.has_kind {
            let id = ["\"id\":\"toolu_", "\"id\": \"toolu_", "call_id"];
            let has_id = id.iter().any(|word| recording.body.contains(word));
            assert_eq!(!said.asked.is_empty(), has_id, "{}", recording.body);
        }
    }
}

/// The price of every recorded answer, by the plain formula over the map's own numbers.
#[test]
#[ignore = "needs TOOLGATE_CORPORA"]
fn costs_are_those_of_the_public_map() {
    let map = outside("litellm_model_prices.json");
    let prices = litellm::read(&document(&map)).expect("a map");
    assert!(prices.len() > 3_000);
    let map: BTreeMap<String, serde_json::Value> = serde_json::from_str(&map).expect("a map");
    let mut report = String::new();
    let mut priced = 0;
    let corpus = outside("llm_usage.jsonl");
    for (at, recording) in recordings(&corpus).iter().enumerate() {
        let said = check(recording);
        let model = recording.model.as_str();
        let Some(price) = prices.of_call(provider_name(recording), Some(model), None) else {
            writeln!(report, "{at} none {model}").expect("text");
            continue;
        };
        let usage = Usage { searches: 0, ..said.usage };
        let tier = said.tier.unwrap_or_default();
        let cost = price.cost(&usage, tier).dollars();
        writeln!(report, "{at} {cost:.9} {model}").expect("text");
        let keys = [model.to_owned(), format!("{}/{model}", provider_name(recording))];
        let found = if recording.provider == Provider::Gemini {
            map.get(&keys[1])
        } else {
            keys.iter().find_map(|key| map.get(key))
        };
        let Some(found) = found else { continue };
        let suffix = match tier {
            Tier::Flex => "_flex",
            Tier::Priority => "_priority",
            Tier::Standard | Tier::Batch | Tier::Ultrafast => "",
        };
        let dollars = |name: &str| {
            let tiered = found.get(format!("{name}{suffix}")).and_then(serde_json::Value::as_f64);
            tiered.or_else(|| found.get(name).and_then(serde_json::Value::as_f64))
        };
        let input = dollars("input_cost_per_token").expect(model);
        let output = dollars("output_cost_per_token").unwrap_or_default();
        let written = dollars("cache_creation_input_token_cost").unwrap_or(input);
        let plain = usage.input - usage.cache_read - usage.cache_write - usage.cache_write_1h;
        let by_hand = as_f64(plain) * input
            + as_f64(usage.cache_read) * dollars("cache_read_input_token_cost").unwrap_or(input)
            + as_f64(usage.cache_write) * written
            + as_f64(usage.cache_write_1h)
                * dollars("cache_creation_input_token_cost_above_1hr").unwrap_or(written)
            + as_f64(usage.output - usage.reasoning) * output
            + as_f64(usage.reasoning)
                * dollars("output_cost_per_reasoning_token").unwrap_or(output);
        assert!(cost >= by_hand - 1e-12 && cost <= by_hand + 1.001e-9, "{cost} {by_hand} {model}");
        priced += 1;
    }
    println!("{report}");
    assert!(priced > 230, "{priced} of the recordings have a price");
}

#[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^53")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
