//! Answers of OpenAI's API, and of the many that speak like it: chat completions, responses,
//! completions, embeddings, and runs of assistants.
//!
//! Format: OpenAI API reference, "Chat", "Responses", "Streaming events".

use super::gather::{Gather, Item, Side, raise, word};
use super::skim::Scalar;
use super::skim::Step::{self, Index as I, Name as N};
use crate::call::usage::Usage;

/// Events of a streamed response wrap it; a response that is not streamed stands alone.
fn unwrapped(path: &[Step]) -> &[Step] {
    match path {
        [N("response"), rest @ ..] => rest,
        _ => path,
    }
}

pub(super) fn enter(gather: &mut Gather, path: &[Step]) {
    match unwrapped(path) {
        [N("choices"), I(_)] => gather.saw_choice = true,
        [N("output"), I(_)]
        | [N("item")]
        | [N("choices"), I(_), N("message" | "delta"), N("tool_calls"), I(_)]
        | [N("choices"), I(_), N("message" | "delta"), N("function_call")] => {
            gather.item = Item::default();
        }
        [N("usage")] => gather.saw_usage = true,
        [N("error")] => {
            gather.fault();
        }
        _ => {}
    }
}

pub(super) fn value(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    match (unwrapped(path), value) {
        ([N("usage"), of @ ..], value) => tokens(gather, of, value),
        ([N("choices"), I(_), rest @ ..], value) => choice(gather, rest, value),
        ([N("output"), I(_), rest @ ..] | [N("item"), rest @ ..], value) => {
            output(gather, rest, value);
        }
        ([N("model")], Scalar::Text { taken, .. }) => gather.said.model = Some(taken.into()),
        ([N("id")], Scalar::Text { taken, .. }) => {
            gather.said.response_id.get_or_insert_with(|| taken.into());
        }
        ([N("service_tier")], Scalar::Text { taken, .. }) => gather.tier(taken),
        ([N("object")], Scalar::Text { taken: "thread.run", .. }) => gather.counts_all(),
        // The delta of a streamed response is text, thought or arguments.
        ([N("delta")], Scalar::Text { bytes, .. }) => gather.generated(bytes),
        ([N("status")], Scalar::Text { taken, .. }) => status(gather, taken),
        ([N("incomplete_details"), N("reason")], Scalar::Text { taken, .. }) => {
            gather.finished(taken);
        }
        ([N("error"), rest @ ..], value) => error(gather, rest, value),
        ([N("type")], Scalar::Text { taken: "error", .. }) => {
            gather.fault();
        }
        // An event of the type `error` has them at its top.
        ([N("message")], value) => error(gather, &[N("message")], value),
        ([N("code")], value) if gather.said.fault.is_some() => error(gather, &[N("code")], value),
        _ => {}
    }
}

fn error(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    match (path, value) {
        // Some say only a text.
        ([] | [N("message")], Scalar::Text { taken, .. }) => gather.fault_message(taken),
        ([N("type")], Scalar::Text { taken, .. }) => gather.fault().kind = Some(taken.into()),
        ([N("code")], Scalar::Text { taken, .. }) => gather.fault().code = Some(taken.into()),
        ([N("code")], Scalar::Count(code)) => {
            gather.fault().code = Some(code.to_string().into());
        }
        _ => {}
    }
}

/// The status of a response. Of other objects it says nothing that counts.
fn status(gather: &mut Gather, status: &str) {
    match status {
        "completed" => gather.finished("completed"),
        "failed" => {
            gather.fault();
        }
        _ => {}
    }
    let has_ended = matches!(status, "completed" | "failed" | "incomplete" | "cancelled");
    gather.index = has_ended.then_some(1);
}

fn choice(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    match (path, value) {
        ([N("finish_reason")], Scalar::Text { taken, .. }) => {
            gather.finished(taken);
            gather.choice.has_ended = true;
        }
        ([N("index")], Scalar::Count(index)) => gather.choice.index = Some(index),
        (
            [N("text")]
            | [
                N("message" | "delta"),
                N("content" | "refusal" | "reasoning_content" | "reasoning"),
                ..,
            ],
            Scalar::Text { bytes, .. },
        ) => gather.generated(bytes),
        ([N("message" | "delta"), N("tool_calls"), I(_), rest @ ..], value) => {
            called(gather, rest, value);
        }
        ([N("message" | "delta"), N("function_call"), rest @ ..], value) => {
            called(gather, rest, value);
        }
        _ => {}
    }
}

fn called(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    match (path, value) {
        ([N("id")], value) => gather.item.id = word(value).filter(|id| !id.is_empty()),
        ([N("index")], Scalar::Count(index)) => gather.item.index = Some(index),
        (
            [N("name")] | [N("function" | "custom"), N("name")],
            Scalar::Text { taken, bytes, .. },
        ) => {
            gather.item.name = (!taken.is_empty()).then(|| taken.into());
            gather.generated(bytes);
        }
        ([N("arguments")] | [N("function" | "custom"), N("arguments" | "input")], value) => {
            if let Scalar::Text { bytes, .. } = value {
                gather.generated(bytes);
            }
            gather.item.take_args(value);
        }
        _ => {}
    }
}

/// A part of a response: text, thought, or a call of a tool.
fn output(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    let is_shown_already = gather.is_stream();
    match (path, value) {
        ([N("type")], value) => gather.item.kind = word(value),
        ([N("id")], value) => gather.item.id = word(value),
        ([N("call_id")], value) => gather.item.call_id = word(value),
        ([N("name")], value) => gather.item.name = word(value),
        ([N("status")], value) => {
            gather.item.is_cut |= word(value).as_deref() == Some("in_progress")
        }
        ([N("arguments" | "input")], value) => {
            if let (false, Scalar::Text { bytes, .. }) = (is_shown_already, value) {
                gather.generated(bytes);
            }
            let is_begun = gather.item.is_cut;
            gather.item.take_args(value);
            gather.item.is_cut |= is_begun;
        }
        ([N("content" | "summary"), I(_), N("text" | "refusal")], Scalar::Text { bytes, .. })
            if !is_shown_already =>
        {
            gather.generated(bytes);
        }
        _ => {}
    }
}

pub(super) fn leave(gather: &mut Gather, path: &[Step]) {
    match unwrapped(path) {
        [N("choices"), I(_), N("message" | "delta"), N("tool_calls"), I(at)] => {
            let item = std::mem::take(&mut gather.item);
            let index = item.index.unwrap_or_else(|| u64::from(*at));
            gather.choice_part(index, item);
        }
        [N("choices"), I(_), N("message" | "delta"), N("function_call")] => {
            let item = std::mem::take(&mut gather.item);
            gather.choice_part(u64::MAX, item);
        }
        [N("choices"), I(at)] => gather.choice_left(*at),
        [N("output"), I(_)] | [N("item")] => {
            let is_listed = matches!(unwrapped(path), [N("output"), I(_)]);
            let item = std::mem::take(&mut gather.item);
            end_of_output(gather, item, is_listed);
        }
        _ => {}
    }
}

/// Tools that the client carries out. Those of the provider's own are carried out by it.
fn end_of_output(gather: &mut Gather, mut item: Item, is_listed: bool) {
    match item.kind.as_deref() {
        // Listed as they begin, and again when they are whole.
        Some("function_call" | "custom_tool_call") if !item.is_cut || item.args.len() > 2 => {
            gather.ask(item);
        }
        Some(kind @ ("local_shell_call" | "shell_call" | "apply_patch_call" | "computer_call")) => {
            item.name = kind.strip_suffix("_call").map(Into::into);
            if !item.is_cut {
                item.is_cut = true;
                gather.ask(item);
            }
        }
        Some("web_search_call") if is_listed => {
            gather.listed_searches = gather.listed_searches.saturating_add(1);
        }
        _ => {}
    }
}

fn tokens(gather: &mut Gather, of: &[Step], value: Scalar<'_>) {
    let side = match of {
        // Some write nothing under the names of the other API beside their own.
        [N("input_tokens" | "output_tokens")]
            if value == Scalar::Count(0) && has_counts(gather) =>
        {
            return;
        }
        [N("prompt_tokens" | "input_tokens")] => Side::Input,
        [N("completion_tokens" | "output_tokens")] => Side::Output,
        [N("total_tokens")] => Side::Total,
        [N("prompt_cache_hit_tokens")] | [_, N("cached_tokens" | "cache_write_tokens")] => {
            Side::Part
        }
        [_, N("audio_tokens" | "reasoning_tokens")] => Side::Part,
        _ => return,
    };
    let Some(count) = gather.count(side, value) else { return };
    let counts = &mut gather.counts;
    let target = match of {
        [N("prompt_tokens" | "input_tokens")] => &mut counts.input,
        [N("completion_tokens" | "output_tokens")] => &mut counts.output,
        [
            N("prompt_tokens_details" | "prompt_token_details" | "input_tokens_details"),
            N("cached_tokens"),
        ]
        | [N("prompt_cache_hit_tokens")] => &mut counts.cache_read,
        [
            N("prompt_tokens_details" | "prompt_token_details" | "input_tokens_details"),
            N("cache_write_tokens"),
        ] => &mut counts.cache_write,
        [
            N("prompt_tokens_details" | "prompt_token_details" | "input_tokens_details"),
            N("audio_tokens"),
        ] => &mut counts.audio_input,
        [N("completion_tokens_details" | "output_tokens_details"), N("reasoning_tokens")] => {
            &mut counts.reasoning
        }
        [N("completion_tokens_details" | "output_tokens_details"), N("audio_tokens")] => {
            &mut counts.audio_output
        }
        _ => return,
    };
    raise(target, count);
}

pub(super) fn end_of_text(gather: &mut Gather) {
    let has_ended = !gather.saw_choice && gather.is_stream();
    let has_finished = !gather.said.finish.is_empty();
    gather.is_settled |= gather.saw_usage && has_ended && has_finished && has_counts(gather);
}

fn has_counts(gather: &Gather) -> bool {
    gather.counts.input > 0 || gather.counts.output > 0
}

pub(super) fn usage(gather: &Gather) -> (bool, Usage) {
    let counts = gather.counts;
    let usage = Usage {
        input: counts.input,
        cache_read: counts.cache_read,
        cache_write: counts.cache_write,
        cache_write_1h: 0,
        audio_input: counts.audio_input,
        output: counts.output,
        reasoning: counts.reasoning,
        audio_output: counts.audio_output,
        searches: counts.searches,
        surcharged: counts.surcharged,
    };
    (has_counts(gather), usage)
}
