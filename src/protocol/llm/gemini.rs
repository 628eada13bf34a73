//! Answers of Gemini's API: one object, a stream of events, or an array that is sent as it grows.
//!
//! Format: Gemini API reference, "GenerateContentResponse", "UsageMetadata".

use super::gather::{Gather, Item, Side, raise, word};
use super::skim::Scalar;
use super::skim::Step::{self, Index as I, Name as N};
use crate::call::usage::Usage;

/// Whether the object at `path` is the arguments of a call.
pub(super) fn is_args(path: &[Step]) -> bool {
    matches!(
        unwrapped(path),
        [N("candidates"), I(_), N("content"), N("parts"), I(_), N("functionCall"), N("args")]
    )
}

/// A stream without events is an array of answers.
fn unwrapped(path: &[Step]) -> &[Step] {
    match path {
        [I(_), rest @ ..] => rest,
        _ => path,
    }
}

pub(super) fn enter(gather: &mut Gather, path: &[Step]) {
    match unwrapped(path) {
        [N("candidates"), I(_), N("content"), N("parts"), I(_), N("functionCall")] => {
            gather.item = Item::default();
        }
        [N("usageMetadata"), N("promptTokensDetails" | "candidatesTokensDetails"), I(_)] => {
            gather.is_audio = false;
        }
        [N("error")] => {
            gather.fault();
        }
        _ => {}
    }
}

pub(super) fn value(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    match (unwrapped(path), value) {
        ([N("usageMetadata"), of @ ..], value) => tokens(gather, of, value),
        ([N("candidates"), I(_), N("finishReason")], Scalar::Text { taken, .. }) => {
            gather.finished(taken);
        }
        (
            [N("candidates"), I(_), N("content"), N("parts"), I(_), N("functionCall"), of @ ..],
            value,
        ) => called(gather, of, value),
        (
            [N("candidates"), I(_), N("content"), N("parts"), I(_), N("text")],
            Scalar::Text { bytes, .. },
        ) => gather.generated(bytes),
        ([N("promptFeedback"), N("blockReason")], Scalar::Text { taken, .. }) => {
            gather.finished(taken);
        }
        (
            [N("candidates"), I(_), N("groundingMetadata"), N("webSearchQueries"), I(_)],
            Scalar::Text { .. },
        ) => gather.listed_searches = gather.listed_searches.saturating_add(1),
        ([N("modelVersion")], Scalar::Text { taken, .. }) => gather.said.model = Some(taken.into()),
        ([N("responseId")], Scalar::Text { taken, .. }) => {
            gather.said.response_id = Some(taken.into());
        }
        ([N("error"), N("status")], Scalar::Text { taken, .. }) => {
            gather.fault().kind = Some(taken.into());
        }
        ([N("error"), N("code")], Scalar::Count(code)) => {
            gather.fault().code = Some(code.to_string().into());
        }
        ([N("error"), N("message")], Scalar::Text { taken, .. }) => gather.fault_message(taken),
        _ => {}
    }
}

fn called(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    match (path, value) {
        ([N("name")], value) => gather.item.name = word(value),
        ([N("id")], value) => gather.item.id = word(value),
        ([N("args")], value) => {
            if let Scalar::Raw { text, .. } = value {
                gather.generated(text.len() as u64);
            }
            gather.item.take_args(value);
        }
        _ => {}
    }
}

pub(super) fn leave(gather: &mut Gather, path: &[Step]) {
    if let [N("candidates"), I(_), N("content"), N("parts"), I(_), N("functionCall")] =
        unwrapped(path)
    {
        let item = std::mem::take(&mut gather.item);
        gather.ask(item);
    }
}

fn tokens(gather: &mut Gather, of: &[Step], value: Scalar<'_>) {
    if let ([_, I(_), N("modality")], Scalar::Text { taken, .. }) = (of, value) {
        gather.is_audio = taken == "AUDIO";
    }
    let side = match of {
        [N("promptTokenCount")] => Side::Input,
        [N("candidatesTokenCount")] => Side::Output,
        [N("totalTokenCount")] => Side::Total,
        [N("toolUsePromptTokenCount" | "thoughtsTokenCount" | "cachedContentTokenCount")]
        | [_, I(_), N("tokenCount")] => Side::Part,
        _ => return,
    };
    let Some(count) = gather.count(side, value) else { return };
    let is_audio = gather.is_audio;
    let counts = &mut gather.counts;
    let target = match of {
        [N("promptTokenCount")] => &mut counts.input,
        [N("toolUsePromptTokenCount")] => &mut counts.tool_input,
        [N("candidatesTokenCount")] => &mut counts.output,
        [N("thoughtsTokenCount")] => &mut counts.reasoning,
        [N("cachedContentTokenCount")] => &mut counts.cache_read,
        [N("promptTokensDetails"), I(_), N("tokenCount")] if is_audio => &mut counts.audio_input,
        [N("candidatesTokensDetails"), I(_), N("tokenCount")] if is_audio => {
            &mut counts.audio_output
        }
        _ => return,
    };
    raise(target, count);
}

/// Thoughts come on top of what is shown.
pub(super) fn usage(gather: &Gather) -> (bool, Usage) {
    let counts = gather.counts;
    let input = counts.input.saturating_add(counts.tool_input);
    let output = counts.output.saturating_add(counts.reasoning);
    let usage = Usage {
        input,
        cache_read: counts.cache_read,
        cache_write: 0,
        cache_write_1h: 0,
        audio_input: counts.audio_input,
        output,
        reasoning: counts.reasoning,
        audio_output: counts.audio_output,
        searches: counts.searches,
        surcharged: counts.surcharged,
    };
    (input > 0 || output > 0, usage)
}
