//! Answers of Anthropic's API, as it is and as other clouds serve it.
//!
//! Format: Anthropic API reference, "Messages", "Streaming Messages". The first event of a stream has
//! the prompt's tokens; a later one has those of the answer, and all again where tools of the
//! provider's own added to the prompt.

use super::gather::{Gather, Item, Side, raise, word};
use super::skim::Scalar;
use super::skim::Step::{self, Index as I, Name as N};
use crate::call::usage::Usage;

/// Whether the object at `path` is the arguments of a call.
pub(super) fn is_args(path: &[Step]) -> bool {
    matches!(path, [N("content"), I(_), N("input")])
}

/// The first event of a stream wraps the message.
fn unwrapped(path: &[Step]) -> &[Step] {
    match path {
        [N("message"), rest @ ..] if !rest.is_empty() => rest,
        _ => path,
    }
}

pub(super) fn enter(gather: &mut Gather, path: &[Step]) {
    match unwrapped(path) {
        [N("content"), I(_)] | [N("content_block")] => gather.item = Item::default(),
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
        ([N("content"), I(_), rest @ ..] | [N("content_block"), rest @ ..], value) => {
            block(gather, rest, value);
        }
        ([N("delta"), N("text" | "thinking")], Scalar::Text { bytes, .. }) => {
            gather.generated(bytes);
        }
        ([N("delta"), N("partial_json")], value) => {
            if let Scalar::Text { bytes, .. } = value {
                gather.generated(bytes);
            }
            gather.item.take_args(value);
        }
        ([N("index")], Scalar::Count(index)) => gather.index = Some(index),
        ([N("stop_reason")] | [N("delta"), N("stop_reason")], Scalar::Text { taken, .. }) => {
            gather.finished(taken);
            gather.saw_choice = true;
        }
        ([N("model")], Scalar::Text { taken, .. }) => gather.said.model = Some(taken.into()),
        ([N("id")], Scalar::Text { taken, .. }) => gather.said.response_id = Some(taken.into()),
        ([N("error"), N("type")], Scalar::Text { taken, .. }) => {
            gather.fault().kind = Some(taken.into());
        }
        ([N("error"), N("message")], Scalar::Text { taken, .. }) => gather.fault_message(taken),
        // Other clouds that serve the model refuse in their own words.
        ([N("message")], Scalar::Text { taken, .. }) => gather.fault_message(taken),
        _ => {}
    }
}

fn block(gather: &mut Gather, path: &[Step], value: Scalar<'_>) {
    match (path, value) {
        ([N("type")], value) => gather.item.kind = word(value),
        ([N("id")], value) => gather.item.id = word(value),
        ([N("name")], value) => gather.item.name = word(value),
        ([N("input")], value) => {
            if let Scalar::Raw { text, .. } = value {
                gather.generated(text.len() as u64);
            }
            gather.item.take_args(value);
        }
        ([N("text" | "thinking")], Scalar::Text { bytes, .. }) => gather.generated(bytes),
        _ => {}
    }
}

pub(super) fn leave(gather: &mut Gather, path: &[Step]) {
    if !matches!(unwrapped(path), [N("content"), I(_)]) {
        return;
    }
    let item = std::mem::take(&mut gather.item);
    if item.kind.as_deref() == Some("tool_use") {
        gather.ask(item);
    }
}

/// The number of the block stands behind what it is, in events that begin or continue one.
pub(super) fn end_of_text(gather: &mut Gather) {
    // The event that says why the model stopped has all tokens.
    gather.is_settled |= gather.is_stream() && gather.has_output_now() && gather.saw_choice;
    let Some(index) = gather.index else { return };
    let mut item = std::mem::take(&mut gather.item);
    match item.kind.as_deref() {
        Some("tool_use") => {
            // It begins with an empty object, in place of which the parts come.
            item.args = Vec::new();
            gather.add_part((0, index), item);
        }
        // Of a call that the provider carries out itself, parts come as well: they have no name.
        Some(_) => {}
        None if !item.args.is_empty() || item.is_cut => gather.add_part((0, index), item),
        None => {}
    }
}

fn tokens(gather: &mut Gather, of: &[Step], value: Scalar<'_>) {
    if let ([N("service_tier")], Scalar::Text { taken, .. }) = (of, value) {
        gather.tier(taken);
    }
    match (of, value) {
        ([N("inference_geo")], Scalar::Text { taken, .. }) => {
            gather.counts.surcharged.in_us |= taken.eq_ignore_ascii_case("us");
        }
        ([N("speed")], Scalar::Text { taken, .. }) => {
            gather.counts.surcharged.fast |= taken == "fast";
        }
        _ => {}
    }
    let side = match of {
        [N("input_tokens")] => Side::Input,
        [N("output_tokens")] => Side::Output,
        [N("cache_read_input_tokens" | "cache_creation_input_tokens")]
        | [N("cache_creation"), N("ephemeral_5m_input_tokens" | "ephemeral_1h_input_tokens")]
        | [N("server_tool_use"), N("web_search_requests")] => Side::Part,
        _ => return,
    };
    let Some(count) = gather.count(side, value) else { return };
    let counts = &mut gather.counts;
    let target = match of {
        [N("input_tokens")] => &mut counts.input,
        [N("output_tokens")] => &mut counts.output,
        [N("cache_read_input_tokens")] => &mut counts.cache_read,
        [N("cache_creation_input_tokens")] => &mut counts.cache_write,
        [N("cache_creation"), N("ephemeral_5m_input_tokens")] => &mut counts.cache_write_5m,
        [N("cache_creation"), N("ephemeral_1h_input_tokens")] => &mut counts.cache_write_1h,
        [N("server_tool_use"), N("web_search_requests")] => &mut counts.searches,
        _ => return,
    };
    raise(target, count);
}

/// What is read from a cache or written to one comes on top of the prompt's other tokens.
pub(super) fn usage(gather: &Gather) -> (bool, Usage) {
    let counts = gather.counts;
    let written =
        counts.cache_write.max(counts.cache_write_5m.saturating_add(counts.cache_write_1h));
    let input = counts.input.saturating_add(counts.cache_read).saturating_add(written);
    let usage = Usage {
        input,
        cache_read: counts.cache_read,
        cache_write: written.saturating_sub(counts.cache_write_1h),
        cache_write_1h: counts.cache_write_1h,
        audio_input: 0,
        output: counts.output,
        reasoning: 0,
        audio_output: 0,
        searches: counts.searches,
        surcharged: counts.surcharged,
    };
    (input > 0 || counts.output > 0, usage)
}
