//! What is known of one run: its calls in order, its end, and what follows from them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cli::events::{self, AfterEnd, Event, EventsError, Kind};

/// Calls of a run that are kept; of a longer run the later ones are only counted.
const CALL_LIMIT: usize = 50_000;

/// The last life of a run. An id that was used again after its run had ended names another life.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub run_id: String,
    /// In order of arrival.
    pub calls: Vec<Event>,
    pub stop: Option<Event>,
    /// Calls beyond the limit.
    pub unkept: u64,
    pub earlier_lives: u64,
    /// Lines of the events files that could not be read.
    pub unreadable: u64,
}

/// What became of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub calls: u64,
    /// Messages of a protocol around them, which are no calls.
    pub messages: u64,
    pub ok: u64,
    pub failed: u64,
    pub refused: u64,
    /// Of the refused ones those that came after the run had been stopped.
    pub after_stop: u64,
}

/// What calls to one tool, and one model of it, cost.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(super) struct Cost<'a> {
    pub tool: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub model: &'a str,
    pub calls: u64,
    pub tokens: u64,
    pub usd: f64,
}

/// What one tool was used for.
#[derive(Debug, Default)]
pub(super) struct ToolUse {
    pub calls: u64,
    pub failed: u64,
    pub refused: u64,
    /// Durations of the calls that were let through, in milliseconds, sorted.
    pub durations: Vec<f64>,
}

impl Story {
    /// Reads what the files tell of a run.
    pub fn read(paths: &[PathBuf], run_id: &str) -> Result<Self, EventsError> {
        let mut story = Self { run_id: run_id.to_owned(), ..Self::default() };
        story.unreadable = events::scan(paths, |event: Event| story.take(event))?;
        story.calls.sort_by_key(|call| (call.ts_ms, call.step_id));
        Ok(story)
    }

    fn take(&mut self, event: Event) {
        if event.run_id.as_deref() != Some(&self.run_id) {
            return;
        }
        let after = self.stop.as_ref().map(|stop| {
            let reason = stop.stop_reason.as_deref();
            event.after_end(stop.ts_ms, reason)
        });
        match after {
            None | Some(AfterEnd::Nothing) => {}
            Some(AfterEnd::GoesOn) => self.stop = None,
            Some(AfterEnd::Anew) => {
                self.earlier_lives = self.earlier_lives.saturating_add(1);
                self.calls.clear();
                self.stop = None;
                self.unkept = 0;
            }
        }
        match event.kind {
            Kind::Call if self.calls.len() < CALL_LIMIT => self.calls.push(event),
            Kind::Call => self.unkept = self.unkept.saturating_add(1),
            Kind::Stop => self.stop = Some(event),
            Kind::Other => {}
        }
    }

    /// What became of the calls.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for call in &self.calls {
            if call.is_message() {
                counts.messages += 1;
                continue;
            }
            counts.calls += 1;
            match (call.is_refused(), call.is_failed()) {
                (true, _) => counts.refused += 1,
                (false, true) => counts.failed += 1,
                (false, false) => counts.ok += 1,
            }
            counts.after_stop += u64::from(call.is_after_stop());
        }
        counts
    }

    /// When the first call arrived, in milliseconds since the Unix epoch.
    pub fn started_ms(&self) -> i64 {
        self.calls.first().or(self.stop.as_ref()).map_or(0, |event| event.ts_ms)
    }

    /// Milliseconds from the arrival of the run's first call to that of this one.
    pub fn offset_ms(&self, call: &Event) -> f64 {
        millis(call.ts_ms.saturating_sub(self.started_ms()))
    }

    /// Milliseconds from the first call's arrival to the last one's end.
    pub fn duration_ms(&self) -> f64 {
        let ends = self.calls.iter().map(|call| self.offset_ms(call) + took(call));
        let seen = ends.fold(0.0, f64::max);
        let told = self.stop.as_ref().and_then(|stop| stop.duration_ms).unwrap_or_default();
        seen.max(told)
    }

    /// The tools by name. Calls that named no tool stand under an empty name.
    pub fn tools(&self) -> BTreeMap<&str, ToolUse> {
        let mut tools: BTreeMap<&str, ToolUse> = BTreeMap::new();
        for call in &self.calls {
            let tool = tools.entry(call.tool.as_deref().unwrap_or_default()).or_default();
            tool.calls += 1;
            tool.refused += u64::from(call.is_refused());
            tool.failed += u64::from(call.is_failed());
            if !call.is_refused() {
                tool.durations.push(took(call));
            }
        }
        for tool in tools.values_mut() {
            tool.durations.sort_by(f64::total_cmp);
        }
        tools
    }

    /// What was paid for, in US dollars and tokens, by tool and model; the dearest first.
    pub fn costs(&self) -> Vec<Cost<'_>> {
        let mut by_model: BTreeMap<(&str, &str), Cost<'_>> = BTreeMap::new();
        for call in &self.calls {
            let tokens =
                call.tokens_input.unwrap_or(0).saturating_add(call.tokens_output.unwrap_or(0));
            let usd = call.cost_usd.unwrap_or_default();
            if tokens == 0 && usd <= 0.0 {
                continue;
            }
            let key = (
                call.tool.as_deref().unwrap_or_default(),
                call.model.as_deref().unwrap_or_default(),
            );
            let cost = by_model.entry(key).or_insert(Cost {
                tool: key.0,
                model: key.1,
                ..Cost::default()
            });
            cost.calls += 1;
            cost.usd += usd;
            cost.tokens = cost.tokens.saturating_add(tokens);
        }
        let mut costs: Vec<Cost<'_>> = by_model.into_values().collect();
        costs.sort_by(|one, other| other.usd.total_cmp(&one.usd));
        costs
    }

    /// Refusals by rule (or, without one, by stop reason) and stop reason; the most frequent first.
    pub fn refusals(&self) -> Vec<(&str, &str, u64)> {
        let mut by_rule: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for call in self.calls.iter().filter(|call| call.is_refused()) {
            let reason = call.stop_reason.as_deref().unwrap_or("refused");
            *by_rule.entry((call.rule.as_deref().unwrap_or_default(), reason)).or_default() += 1;
        }
        most_first(by_rule.into_iter().map(|((rule, reason), count)| (rule, reason, count)))
    }

    /// Rules in observe mode that would have acted, and how often.
    pub fn observed(&self) -> Vec<(&str, &str, u64)> {
        let mut by_rule: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for call in &self.calls {
            // Earlier versions recorded the names alone.
            let bare = if call.observed.is_empty() { call.rules_observed.as_slice() } else { &[] };
            let said = call.observed.iter().map(|seen| {
                let why = seen.stop_reason.as_deref().unwrap_or(&seen.verdict);
                (seen.rule.as_str(), why)
            });
            for seen in said.chain(bare.iter().map(|rule| (rule.as_str(), ""))) {
                *by_rule.entry(seen).or_default() += 1;
            }
        }
        most_first(by_rule.into_iter().map(|((rule, why), count)| (rule, why, count)))
    }

    /// Milliseconds in which no call was in the gate: the agent's own time.
    pub fn between_calls_ms(&self) -> f64 {
        let mut busy_until = 0.0_f64;
        let mut idle = 0.0;
        for call in &self.calls {
            let offset = self.offset_ms(call);
            idle += (offset - busy_until).max(0.0);
            busy_until = busy_until.max(offset + took(call));
        }
        idle
    }

    /// Milliseconds that the gate itself took, over all calls.
    pub fn gate_ms(&self) -> f64 {
        let micros: u64 = self.calls.iter().filter_map(|call| call.gate_us).sum();
        micros as f64 / 1e3
    }

    /// What a reader should know of what was read.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.earlier_lives > 0 {
            let lives = self.earlier_lives;
            notes
                .push(format!("the id was used before ({lives} ended earlier): shown is the last"));
        }
        if self.unkept > 0 {
            notes.push(format!("{} calls beyond the first {CALL_LIMIT} are left out", self.unkept));
        }
        if self.unreadable > 0 {
            notes.push(format!("{} lines could not be read", self.unreadable));
        }
        notes
    }
}

impl ToolUse {
    /// Milliseconds of all calls together.
    pub fn total_ms(&self) -> f64 {
        self.durations.iter().fold(0.0, |sum, ms| sum + ms)
    }

    /// The duration that 95 of 100 calls did not exceed, in milliseconds: the nearest rank.
    pub fn p95_ms(&self) -> Option<f64> {
        let rank = self.durations.len().saturating_mul(95).div_ceil(100);
        self.durations.get(rank.checked_sub(1)?).copied()
    }
}

/// How long a call took, in milliseconds.
pub(super) fn took(call: &Event) -> f64 {
    call.duration_ms.unwrap_or_default().max(0.0)
}

fn millis(ms: i64) -> f64 {
    ms as f64
}

fn most_first<'a>(
    counted: impl Iterator<Item = (&'a str, &'a str, u64)>,
) -> Vec<(&'a str, &'a str, u64)> {
    let mut counted: Vec<_> = counted.collect();
    counted.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
    counted
}
