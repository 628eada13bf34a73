//! What the rules that fire want changed, and the change itself.
//!
//! All conditions and values are computed first, over the call as it came: so no rule sees what
//! another one changed, and their order does not matter. Then values are set, then paths are
//! redacted, then detectors run in their own order.

use std::sync::Arc;

use super::{Redaction, Rewrite};
use crate::json;
use crate::json::splice::{self, Found, Step};
use crate::policy::expr::EvalError;
use crate::policy::lookalike::reads_as;
use crate::policy::model::Mode;
use crate::policy::view::Env;
use crate::weaken::Hole;

/// What came of asking the rules of one phase.
#[derive(Default)]
pub struct Asked<'r> {
    /// What is to be changed.
    pub wanted: Wanted<'r>,
    /// What would be, if rules in observe mode acted.
    pub would: Wanted<'r>,
    /// Rules in observe mode that would have refused, because they cannot be evaluated.
    pub observed: Vec<Arc<str>>,
}

/// Asks every rule what it wants changed.
///
/// # Errors
/// The first enforced rule that cannot be evaluated, and why.
pub fn ask<'r>(
    rules: &'r [Arc<Rewrite>],
    env: &Env<'_>,
) -> Result<Asked<'r>, (Arc<str>, EvalError)> {
    let mut asked = Asked::default();
    for rule in rules {
        match rule.mode {
            Mode::Enforce => {
                asked.wanted.ask(rule, env).map_err(|error| (rule.name.clone(), error))?;
            }
            Mode::Observe if asked.would.ask(rule, env).is_err() => {
                asked.observed.push(rule.name.clone());
            }
            Mode::Observe | Mode::Off => {}
        }
    }
    Ok(asked)
}

/// What rules of one phase want changed in one call.
#[derive(Default)]
pub struct Wanted<'r> {
    /// With the place of the rule among `rules`.
    sets: Vec<(usize, Vec<Box<str>>, String)>,
    redactions: Vec<(usize, &'r Redaction)>,
    rules: Vec<(&'r Rewrite, String)>,
}

/// What was changed by one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// `policy/id`
    pub rule: Arc<str>,
    /// What the agent is told.
    pub note: String,
    /// Values taken out.
    pub redacted: u64,
    /// Whether anything is other than it was.
    pub any: bool,
}

impl<'r> Wanted<'r> {
    /// Asks one rule, and notes what it wants when it fires.
    ///
    /// # Errors
    /// When its condition or a value cannot be evaluated.
    fn ask(&mut self, rule: &'r Rewrite, env: &Env<'_>) -> Result<(), EvalError> {
        if !rule.fires(env)? {
            return Ok(());
        }
        let place = self.rules.len();
        for assignment in &rule.set {
            let names = assignment.path.names().unwrap_or_default();
            self.sets.push((place, names, assignment.value.eval_json(env)?));
        }
        let redact = rule.redact.as_ref().filter(|_| !Hole::NoRedaction.is_open());
        self.redactions.extend(redact.map(|redaction| (place, redaction)));
        // Whole values first, so that detectors do not look at what goes anyway.
        self.redactions.sort_by_key(|(_, redaction)| redaction.detector);
        self.rules.push((rule, rule.note(env)));
        Ok(())
    }

    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The values to be set: names of the path below the arguments, and the value as JSON.
    pub fn sets(&self) -> impl Iterator<Item = (usize, &[Box<str>], &str)> {
        self.sets.iter().map(|(place, names, json)| (*place, &**names, json.as_str()))
    }

    /// A name beside one on the way to a value to be set which the tool could take for it.
    pub fn ambiguous(&self, args: json::Value<'_>) -> Option<String> {
        self.sets.iter().find_map(|(_, names, _)| {
            let mut value = Some(args);
            for name in names {
                let Some(json::Value::Object(object)) = value else { return None };
                if object.names().any(|other| reads_as(other, name)) {
                    return Some(name.to_string());
                }
                value = object.get(name);
            }
            None
        })
    }

    /// All changes to arguments that stand in one JSON text. `None` when it has no place for a
    /// value to be set.
    pub fn rewrite_json(&self, text: &str, tally: &mut [Changed]) -> Option<String> {
        let mut current = text.to_owned();
        for (place, names, json) in self.sets() {
            let after = splice::assign(&current, names, json)?;
            if let Some(changed) = tally.get_mut(place) {
                changed.any |= after != current;
            }
            current = after;
        }
        Some(self.redact_json(&current, tally).unwrap_or(current))
    }

    /// A list to note changes in.
    pub fn tally(&self) -> Vec<Changed> {
        let unchanged = |(rule, note): &(&Rewrite, String)| Changed {
            rule: rule.name.clone(),
            note: note.clone(),
            redacted: 0,
            any: false,
        };
        self.rules.iter().map(unchanged).collect()
    }

    /// Takes out of a JSON text what is to be taken out. `None` when there is nothing.
    pub fn redact_json(&self, text: &str, tally: &mut [Changed]) -> Option<String> {
        if self.redactions.is_empty() {
            return None;
        }
        splice::rewrite(text, &mut |path, found| self.redacted(path, found, tally))
    }

    /// The same of a text that is no JSON, standing at `path`.
    pub fn redact_text(
        &self,
        path: &[Step<'_>],
        text: &str,
        tally: &mut [Changed],
    ) -> Option<String> {
        let mut current: Option<String> = None;
        for (place, redaction) in &self.redactions {
            let now = current.as_deref().unwrap_or(text);
            let (next, count) = match redaction.detector {
                None => {
                    let whole = redaction.path.as_ref().is_some_and(|at| at.leads_to(path));
                    if !whole || now == &*redaction.with {
                        continue;
                    }
                    (redaction.with.to_string(), 1)
                }
                Some(detector) => {
                    if redaction.path.as_ref().is_some_and(|at| !at.leads_above(path)) {
                        continue;
                    }
                    let Some(replaced) = detector.replace(now, &redaction.with) else { continue };
                    replaced
                }
            };
            current = Some(next);
            note(tally, *place, count);
        }
        current
    }

    fn redacted(
        &self,
        path: &[Step<'_>],
        found: Found<'_>,
        tally: &mut [Changed],
    ) -> Option<String> {
        match found {
            Found::Text(json) => {
                let text = splice::unquoted(json);
                self.redact_text(path, &text, tally).map(|text| splice::quoted(&text))
            }
            // Nothing is there to be taken out.
            Found::Word("null") => None,
            Found::Number(_) | Found::Word(_) | Found::Array | Found::Object => {
                let (place, redaction) = self.redactions.iter().find(|(_, redaction)| {
                    let at = redaction.path.as_ref();
                    match (redaction.detector, found) {
                        (None, _) => at.is_some_and(|at| at.leads_to(path)),
                        (Some(detector), Found::Number(number)) => {
                            at.is_none_or(|at| at.leads_above(path)) && detector.is_number(number)
                        }
                        (Some(_), _) => false,
                    }
                })?;
                note(tally, *place, 1);
                Some(splice::quoted(&redaction.with))
            }
        }
    }
}

fn note(tally: &mut [Changed], place: usize, count: u64) {
    if let Some(changed) = tally.get_mut(place) {
        changed.redacted = changed.redacted.saturating_add(count);
        changed.any = true;
    }
}
