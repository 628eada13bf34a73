//! What became of the calls of all runs, counted in the ways a reader asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cli::drive::gate::Fate;
use crate::cli::drive::recording::{Recording, Step};

/// The fates of the calls that were made, by run and step as in the recording.
#[derive(Debug)]
pub(super) struct Tally {
    pub fates: Vec<Vec<Fate>>,
    pub elapsed: Duration,
}

/// How the calls ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub runs: u64,
    pub calls: u64,
    pub forwarded: u64,
    pub refused: u64,
    pub mismatches: u64,
}

/// Refused and passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub refused: u64,
    pub passed: u64,
}

/// One call and what became of it.
pub(super) struct Told<'a> {
    pub run_id: &'a str,
    /// From 1, as in the gate's events.
    pub step_id: usize,
    pub step: &'a Step,
    pub fate: &'a Fate,
}

/// How what was refused compares with what is labelled.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub steps: Split,
    pub by_label: BTreeMap<String, Split>,
    /// Refused calls without a label: false alarms, if the labels are complete.
    pub unlabelled_refused: u64,
    /// Runs with a label on them or on one of their calls, by whether anything in them was refused.
    pub runs: Split,
    pub unlabelled_runs_refused: u64,
}

impl Tally {
    /// All calls that were made.
    pub fn told<'a>(&'a self, recording: &'a Recording) -> impl Iterator<Item = Told<'a>> {
        recording.runs.iter().zip(&self.fates).flat_map(|(run, fates)| {
            run.steps.iter().zip(fates).enumerate().map(|(position, (step, fate))| Told {
                run_id: &run.id,
                step_id: position.saturating_add(1),
                step,
                fate,
            })
        })
    }

    /// How the calls ended.
    pub fn counts(&self) -> Counts {
        let runs = self.fates.iter().filter(|fates| !fates.is_empty()).count() as u64;
        let mut counts = Counts { runs, ..Counts::default() };
        for fate in self.fates.iter().flatten() {
            counts.calls += 1;
            match fate {
                Fate::Forwarded => counts.forwarded += 1,
                Fate::Refused { .. } => counts.refused += 1,
                Fate::Mismatch(_) => counts.mismatches += 1,
            }
        }
        counts
    }

    /// Refusals by rule and stop reason, the most frequent first.
    pub fn by_rule(&self) -> Vec<(&str, &str, u64)> {
        let mut rules: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for fate in self.fates.iter().flatten() {
            if let Fate::Refused { rule, stop_reason } = fate {
                *rules.entry((rule, stop_reason)).or_default() += 1;
            }
        }
        let mut rules: Vec<_> =
            rules.into_iter().map(|((rule, reason), count)| (rule, reason, count)).collect();
        rules.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        rules
    }

    /// How refusals compare with the recording's labels.
    pub fn labels(&self, recording: &Recording) -> Labels {
        let mut labels = Labels::default();
        for Told { step, fate, .. } in self.told(recording) {
            let refused = matches!(fate, Fate::Refused { .. });
            if step.labels.is_empty() {
                labels.unlabelled_refused += u64::from(refused);
                continue;
            }
            labels.steps.note(refused);
            for label in &step.labels {
                labels.by_label.entry(label.clone()).or_default().note(refused);
            }
        }
        for (run, fates) in recording.runs.iter().zip(&self.fates) {
            let refused = fates.iter().any(|fate| matches!(fate, Fate::Refused { .. }));
            if run.labelled {
                labels.runs.note(refused);
            } else {
                labels.unlabelled_runs_refused += u64::from(refused);
            }
        }
        labels
    }
}

impl Split {
    fn note(&mut self, refused: bool) {
        if refused {
            self.refused += 1;
        } else {
            self.passed += 1;
        }
    }

    /// Refused and passed together.
    pub fn total(self) -> u64 {
        self.refused.saturating_add(self.passed)
    }
}
