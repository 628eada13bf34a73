//! What all providers' answers have in common: things to note down, and the call being asked for.

use std::mem;

use super::Provider;
use super::said::{
    ASKED_ARGS_LIMIT_BYTES, ASKED_LIMIT_BYTES, ASKED_LIMIT_CALLS, Asked, Counted, FINISH_LIMIT,
    Fault, Said, WORD_LIMIT_BYTES,
};
use super::skim::{Scalar, Sink, Step};
use super::words::NAMES;
use super::{anthropic, gemini, openai};
use crate::call::usage::{Surcharged, Tier};

/// Why answers end, in the words of the providers. Any other word may be anything.
const FINISHES: &[&str] = &[
    "stop",
    "length",
    "tool_calls",
    "function_call",
    "content_filter",
    "completed",
    "max_output_tokens",
    "eos",
    "eos_token",
    "abort",
    "error",
    "insufficient_system_resource",
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "compaction",
    "model_context_window_exceeded",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "NO_IMAGE",
];

/// Tokens in the words of the provider, each the highest it has said: they only ever grow, and some
/// say each of them more than once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    /// All that was written to a cache.
    pub cache_write: u64,
    /// Of it, for minutes and for an hour, where that is told apart.
    pub cache_write_5m: u64,
    pub cache_write_1h: u64,
    pub reasoning: u64,
    pub audio_input: u64,
    pub audio_output: u64,
    /// Of the prompt, what tools of the provider's own added to it.
    pub tool_input: u64,
    pub searches: u64,
    pub surcharged: Surcharged,
}

/// A tool call, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Item {
    pub kind: Option<Box<str>>,
    pub id: Option<Box<str>>,
    pub call_id: Option<Box<str>>,
    pub name: Option<Box<str>>,
    pub args: Vec<u8>,
    pub is_cut: bool,
    pub index: Option<u64>,
}

/// A call whose parts come one after the other.
#[derive(Debug)]
struct Open {
    /// Which of the answers, and which call in it.
    key: (u64, u64),
    item: Item,
}

/// One of the answers that a chat gives, as far as this event or text has told of it. What number it
/// has, and that it has ended, may stand behind its calls.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub index: Option<u64>,
    pub has_ended: bool,
    /// Parts of calls, each with its place among them.
    pub parts: Vec<(u64, Item)>,
}

/// What a count is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Input,
    Output,
    Total,
    /// Of one of them.
    Part,
}

/// Of which sides counts were said, and whether they can be relied on.
#[derive(Clone, Copy, Debug, Default)]
struct Reliance {
    has_input: bool,
    has_output: bool,
    /// What was generated has been counted in this event or text.
    has_output_now: bool,
    /// More was generated since it was counted.
    is_behind: bool,
    /// A count was no count, or was less than before.
    is_unclear: bool,
}

/// Reads what passes and notes what it says.
#[derive(Debug)]
pub(super) struct Gather {
    provider: Provider,
    is_stream: bool,
    pub said: Said,
    pub counts: Counts,
    pub item: Item,
    pub choice: Choice,
    open: Vec<Open>,
    args_bytes: usize,
    /// Numbers of this event or text were about tokens.
    pub saw_usage: bool,
    reliance: Reliance,
    total: u64,
    /// Some of the answer could not be read.
    is_unread: bool,
    /// It had an answer, or a part of one.
    pub saw_choice: bool,
    /// The stream has said all about its tokens, whatever comes.
    pub is_settled: bool,
    /// The number of the part that this event is about.
    pub index: Option<u64>,
    /// What a list of counts by kind of content is at.
    pub is_audio: bool,
    /// Searches among the parts of the answer, as listed at its end.
    pub listed_searches: u64,
}

impl Gather {
    pub fn new(provider: Provider, is_stream: bool) -> Self {
        Self {
            provider,
            is_stream,
            said: Said::default(),
            counts: Counts::default(),
            item: Item::default(),
            choice: Choice::default(),
            open: Vec::new(),
            args_bytes: 0,
            saw_usage: false,
            reliance: Reliance::default(),
            total: 0,
            is_unread: false,
            saw_choice: false,
            is_settled: false,
            index: None,
            is_audio: false,
            listed_searches: 0,
        }
    }

    pub fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// One event, or the whole text, has ended.
    pub fn end_of_text(&mut self) {
        match self.provider {
            Provider::OpenAi => openai::end_of_text(self),
            Provider::Anthropic => anthropic::end_of_text(self),
            Provider::Gemini => {}
        }
        let searches = mem::take(&mut self.listed_searches);
        raise(&mut self.counts.searches, searches);
        if mem::take(&mut self.reliance.has_output_now) {
            self.reliance.is_behind = false;
        }
        self.saw_usage = false;
        self.saw_choice = false;
        self.index = None;
        self.item = Item::default();
        self.choice = Choice::default();
    }

    /// The tool calls that are complete and were not told yet. When the model has said why it
    /// stopped, all of them are; where it gives several answers, those of the one that has ended.
    pub fn news(&mut self) -> Vec<Asked> {
        let is_over = match self.provider {
            Provider::OpenAi => false,
            Provider::Anthropic | Provider::Gemini => !self.said.finish.is_empty(),
        };
        if is_over {
            let complete: Vec<Item> = self.open.drain(..).map(|open| open.item).collect();
            complete.into_iter().for_each(|item| self.ask(item));
        }
        let news = self.said.asked.get(self.said.told..).unwrap_or_default().to_vec();
        self.said.told = self.said.asked.len();
        news
    }

    /// What was said, once nothing follows. `is_whole` says that the answer came to its end.
    pub fn finish(mut self, is_whole: bool) -> Said {
        let opened: Vec<Item> = self.open.drain(..).map(|open| open.item).collect();
        if is_whole {
            for item in opened {
                self.ask(item);
            }
        }
        let (any, mut usage) = match self.provider {
            Provider::OpenAi => openai::usage(&self),
            Provider::Anthropic => anthropic::usage(&self),
            Provider::Gemini => gemini::usage(&self),
        };
        let Reliance { mut has_input, mut has_output, is_behind, is_unclear, .. } = self.reliance;
        // What a total has more than one side is the other's.
        if self.total > 0 && has_input {
            raise(&mut usage.output, self.total.saturating_sub(usage.input));
            has_output = true;
        } else if self.total > 0 && has_output {
            raise(&mut usage.input, self.total.saturating_sub(usage.output));
            has_input = true;
        }
        let is_relied_on = has_input && has_output && !is_behind && !is_unclear && !self.is_unread;
        self.said.has_unknown_input = !has_input || is_unclear;
        self.said.is_unread = self.is_unread;
        let settles_at_end = match self.provider {
            Provider::OpenAi | Provider::Gemini => is_whole,
            Provider::Anthropic => is_whole && !self.is_stream,
        };
        self.said.usage = usage;
        let is_settled = (self.is_settled || settles_at_end) && is_relied_on;
        self.said.counted = match (any, is_settled) {
            (false, _) => Counted::Not,
            (true, true) => Counted::Finally,
            (true, false) => Counted::SoFar,
        };
        let ended_well = |reason: &str| {
            matches!(reason, "stop" | "end_turn" | "stop_sequence" | "completed" | "STOP")
        };
        self.said.is_final = is_whole
            && self.said.asked.is_empty()
            && !self.said.asked_more
            && self.said.fault.is_none()
            && !self.said.finish.is_empty()
            && self.said.finish.iter().all(|reason| ended_well(reason));
        self.said
    }

    /// Notes a tool call that is complete, unless it was noted before.
    pub fn ask(&mut self, item: Item) {
        let Some(name) = item.name else { return };
        let id = item.call_id.or(item.id);
        // Told again, as it began or as it ended. Others may have the same id: some number their calls
        // anew in each answer, or give all the same.
        let same = |asked: &Asked| {
            let is_cut = item.is_cut || !asked.is_whole;
            asked.id == id && asked.name == name && (is_cut || *asked.args == *item.args)
        };
        let known = if id.is_some() { self.said.asked.iter().position(same) } else { None };
        if let Some(at) = known {
            self.complete(at, item.args, item.is_cut);
            return;
        }
        let room = ASKED_LIMIT_BYTES.saturating_sub(self.args_bytes);
        if self.said.asked.len() >= ASKED_LIMIT_CALLS || item.args.len() > room {
            self.said.asked_more = true;
            return;
        }
        self.args_bytes = self.args_bytes.saturating_add(item.args.len());
        let (args, is_whole) = (item.args.into_boxed_slice(), !item.is_cut);
        self.said.asked.push(Asked { id, name, args, is_whole });
    }

    /// Takes the whole of a call of which only the beginning was noted, unless that was told.
    fn complete(&mut self, at: usize, args: Vec<u8>, is_cut: bool) {
        let is_told = at < self.said.told;
        let room = ASKED_LIMIT_BYTES.saturating_sub(self.args_bytes);
        if let Some(asked) = self.said.asked.get_mut(at)
            && !(asked.is_whole || is_cut || is_told || args.len() > room)
        {
            self.args_bytes = self.args_bytes.saturating_add(args.len());
            asked.args = args.into_boxed_slice();
            asked.is_whole = true;
        }
    }

    /// The answer of this number has ended: its calls are complete.
    pub fn answer_ended(&mut self, answer: u64) {
        let (ended, open) =
            mem::take(&mut self.open).into_iter().partition(|open| open.key.0 == answer);
        self.open = open;
        let ended: Vec<Open> = ended;
        ended.into_iter().for_each(|open| self.ask(open.item));
    }

    /// Adds a part of a tool call to what came before of it.
    pub fn add_part(&mut self, key: (u64, u64), part: Item) {
        let held: usize = self.open.iter().map(|open| open.item.args.len()).sum();
        let room = ASKED_LIMIT_BYTES.saturating_sub(held.saturating_add(self.args_bytes));
        let at = self.open.iter().rposition(|open| open.key == key);
        // Some give every call the same place, and an id of its own; others a new id to every part,
        // but the name to the first alone.
        let at = at.filter(|at| self.open.get(*at).is_some_and(|open| !open.item.is_other(&part)));
        let Some(at) = at else {
            if self.open.len() >= ASKED_LIMIT_CALLS || part.args.len() > room {
                self.said.asked_more = true;
                return;
            }
            self.open.push(Open { key, item: part });
            return;
        };
        let Some(open) = self.open.get_mut(at) else { return };
        let item = &mut open.item;
        item.name = item.name.take().or(part.name);
        item.id = item.id.take().or(part.id);
        item.kind = item.kind.take().or(part.kind);
        item.is_cut |= part.is_cut;
        let room = ASKED_ARGS_LIMIT_BYTES.saturating_sub(item.args.len()).min(room);
        if part.args.len() > room {
            item.is_cut = true;
        } else {
            item.args.extend_from_slice(&part.args);
        }
    }

    /// Notes a part of a call of the answer that is being read.
    pub fn choice_part(&mut self, place: u64, part: Item) {
        let held: usize = self.choice.parts.iter().map(|(_, part)| part.args.len()).sum();
        let room = ASKED_LIMIT_BYTES.saturating_sub(held);
        if self.choice.parts.len() >= ASKED_LIMIT_CALLS || part.args.len() > room {
            self.said.asked_more = true;
            return;
        }
        self.choice.parts.push((place, part));
    }

    /// All of an answer that this event or text tells of has been read. `at` is its place in the list.
    pub fn choice_left(&mut self, at: u32) {
        let Choice { index, has_ended, parts } = mem::take(&mut self.choice);
        let answer = index.unwrap_or_else(|| u64::from(at));
        parts.into_iter().for_each(|(place, part)| self.add_part((answer, place), part));
        if has_ended {
            self.answer_ended(answer);
        }
    }

    /// Notes why an answer ended.
    pub fn finished(&mut self, reason: &str) {
        let reason = if FINISHES.contains(&reason) { reason } else { "other" };
        let known = self.said.finish.iter().any(|known| **known == *reason);
        if !known && self.said.finish.len() < FINISH_LIMIT {
            self.said.finish.push(reason.into());
        }
    }

    pub fn fault(&mut self) -> &mut Fault {
        self.said.fault.get_or_insert_default()
    }

    /// The message of a failure: only what it is about is kept.
    pub fn fault_message(&mut self, message: &str) {
        let is_about_length = super::errors::is_about_length(message);
        self.fault().is_about_length |= is_about_length;
    }

    pub fn tier(&mut self, name: &str) {
        self.said.tier = Some(Tier::named(name));
    }

    /// What follows counts all of a run, whose steps were counted each for itself before.
    pub fn counts_all(&mut self) {
        self.reliance.is_unclear = false;
    }

    /// Notes that some of the answer cannot be read.
    pub fn unread(&mut self) {
        self.is_unread = true;
    }

    /// Reads a count of tokens, and notes what can be relied on. Some write counts as texts.
    pub fn count(&mut self, side: Side, value: Scalar<'_>) -> Option<u64> {
        let count = match value {
            Scalar::Count(count) => Some(count),
            Scalar::Text { taken, is_whole: true, .. } => taken.parse().ok(),
            Scalar::Null => return None,
            Scalar::Text { .. } | Scalar::Bool(_) | Scalar::Number | Scalar::Raw { .. } => None,
        };
        let Some(count) = count else {
            self.reliance.is_unclear = true;
            return None;
        };
        // Of a stream whose events count each for itself, the highest is not all.
        let tells_again = self.provider == Provider::OpenAi;
        let (counts, reliance) = (self.counts, &mut self.reliance);
        match side {
            Side::Input => {
                reliance.is_unclear |= tells_again && count < counts.input;
                reliance.has_input = true;
            }
            Side::Output => {
                let stands_still = reliance.is_behind && counts.output > 0;
                reliance.is_unclear |= tells_again
                    && (count < counts.output || (count == counts.output && stands_still));
                (reliance.has_output, reliance.has_output_now) = (true, true);
            }
            Side::Total => {
                reliance.has_output_now = true;
                raise(&mut self.total, count);
            }
            Side::Part => {}
        }
        Some(count)
    }

    /// Whether what was generated has been counted in this event or text.
    pub fn has_output_now(&self) -> bool {
        self.reliance.has_output_now
    }

    pub fn generated(&mut self, bytes: u64) {
        self.reliance.is_behind |= bytes > 0;
        self.said.generated_bytes = self.said.generated_bytes.saturating_add(bytes);
    }
}

/// A word, when the value is a string.
pub(super) fn word(value: Scalar<'_>) -> Option<Box<str>> {
    match value {
        Scalar::Text { taken, .. } => Some(taken.into()),
        Scalar::Null | Scalar::Bool(_) | Scalar::Count(_) | Scalar::Number | Scalar::Raw { .. } => {
            None
        }
    }
}

/// Raises a count to what is said now.
pub(super) fn raise(count: &mut u64, value: u64) {
    *count = (*count).max(value);
}

impl Item {
    /// Whether a part begins another call: it has a name, and another id.
    fn is_other(&self, part: &Self) -> bool {
        let ids = self.id.as_ref().zip(part.id.as_ref());
        part.name.is_some() && ids.is_some_and(|(own, other)| own != other)
    }

    /// Takes arguments that are a string, or an object as it stands.
    pub fn take_args(&mut self, value: Scalar<'_>) {
        match value {
            Scalar::Text { taken, is_whole, .. } => {
                self.args = taken.as_bytes().to_vec();
                self.is_cut = !is_whole;
            }
            Scalar::Raw { text, is_whole } => {
                self.args = text.to_vec();
                self.is_cut = !is_whole;
            }
            Scalar::Null | Scalar::Bool(_) | Scalar::Count(_) | Scalar::Number => {}
        }
    }
}

impl Sink for Gather {
    fn name(&self, name: &str) -> Option<&'static str> {
        NAMES.iter().find(|known| **known == name).copied()
    }

    fn wants(&self, path: &[Step]) -> usize {
        let Some(Step::Name(name)) = path.last() else { return 0 };
        match *name {
            "arguments" | "partial_json" | "input" => ASKED_ARGS_LIMIT_BYTES,
            "message" => super::errors::MESSAGE_LIMIT_BYTES,
            "" | "text" | "content" | "thinking" | "refusal" | "reasoning_content" => 0,
            _ => WORD_LIMIT_BYTES,
        }
    }

    fn wants_raw(&self, path: &[Step]) -> usize {
        let is_args = match self.provider {
            Provider::OpenAi => false,
            Provider::Anthropic => anthropic::is_args(path),
            Provider::Gemini => gemini::is_args(path),
        };
        if is_args { ASKED_ARGS_LIMIT_BYTES } else { 0 }
    }

    fn enter(&mut self, path: &[Step]) {
        match self.provider {
            Provider::OpenAi => openai::enter(self, path),
            Provider::Anthropic => anthropic::enter(self, path),
            Provider::Gemini => gemini::enter(self, path),
        }
    }

    fn value(&mut self, path: &[Step], value: Scalar<'_>) {
        match self.provider {
            Provider::OpenAi => openai::value(self, path, value),
            Provider::Anthropic => anthropic::value(self, path, value),
            Provider::Gemini => gemini::value(self, path, value),
        }
    }

    fn leave(&mut self, path: &[Step]) {
        match self.provider {
            Provider::OpenAi => openai::leave(self, path),
            Provider::Anthropic => anthropic::leave(self, path),
            Provider::Gemini => gemini::leave(self, path),
        }
    }
}
