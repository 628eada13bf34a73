//! What models asked for in one run, and what became of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::name::{Fit, KnownName, SaidName};
use super::{Intent, ToolCall};

/// Calls remembered of one run. Beyond it the oldest that was executed is forgotten, or else the
/// oldest: executed after that, it counts as never asked for.
pub(super) const RUN_LIMIT_CALLS: usize = 256;

/// Answers of one run that are waited for. Beyond it the oldest is forgotten.
const AWAITED_LIMIT_ANSWERS: usize = 64;

/// Longest id of an answer that is waited for, in bytes.
const AWAITED_ID_LIMIT_BYTES: usize = 256;

/// Ids of at least so many bytes are taken to be unique, so that a call that is reported twice is one
/// call. Shorter ones are numbers within an answer (`call_0`).
const UNIQUE_ID_MIN_BYTES: usize = 9;

/// The memory of one run in which a model has answered.
#[derive(Debug)]
pub(super) struct Memory {
    pub seen: Duration,
    calls: VecDeque<Wish>,
    /// Ids of answers that were begun and not fetched yet, the oldest first.
    awaited: VecDeque<Arc<str>>,
}

/// A call that a model asked for.
#[derive(Debug)]
struct Wish {
    number: u64,
    /// The provider's id of the tool call; empty where there is none.
    id: Arc<str>,
    name: SaidName,
    /// What its arguments mean; `None` when they could not be read.
    args: Option<u64>,
    /// The tool by which it was executed.
    executed: Option<Arc<str>>,
}

/// What an execution is to the model's wishes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Matched {
    pub intent: Intent,
    /// The wish that it has used up, with its id.
    pub used: Option<(u64, Arc<str>)>,
}

impl Memory {
    pub fn new(seen: Duration) -> Self {
        Self { seen, calls: VecDeque::new(), awaited: VecDeque::new() }
    }

    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// The answer of this id will be fetched.
    pub fn awaits(&mut self, id: &Arc<str>) {
        if id.len() > AWAITED_ID_LIMIT_BYTES || self.awaited.contains(id) {
            return;
        }
        if self.awaited.len() >= AWAITED_LIMIT_ANSWERS {
            self.awaited.pop_front();
        }
        self.awaited.push_back(Arc::clone(id));
    }

    /// The answer of this id is there. Whether it was waited for; it is no more.
    pub fn arrives(&mut self, id: &str) -> bool {
        let place = self.awaited.iter().position(|awaited| **awaited == *id);
        place.and_then(|place| self.awaited.remove(place)).is_some()
    }

    /// Remembers a call that was asked for, unless it is known under its id.
    pub fn add(&mut self, number: u64, id: &Arc<str>, name: &str, args: Option<u64>) {
        let name = SaidName::of(name);
        let same = |wish: &Wish| wish.id == *id && wish.name == name && wish.args == args;
        if id.len() >= UNIQUE_ID_MIN_BYTES && self.calls.iter().any(same) {
            return;
        }
        if self.calls.len() >= RUN_LIMIT_CALLS {
            let done = self.calls.iter().position(|wish| wish.executed.is_some());
            self.calls.remove(done.unwrap_or(0));
        }
        let id = Arc::clone(id);
        self.calls.push_back(Wish { number, id, name, args, executed: None });
    }

    /// What an execution is, and uses up the wish that it fulfils: of several the oldest, and one
    /// with the tool's full name before one with its bare name.
    pub fn execute(&mut self, call: &ToolCall<'_>) -> Matched {
        let tool = KnownName::of(call.server, call.operation);
        let open = self.best(|wish| wish.executed.is_none() && wish.args == Some(call.args), &tool);
        if let Some((place, _)) = open
            && let Some(wish) = self.calls.get_mut(place)
        {
            wish.executed = Some(Arc::clone(call.tool));
            return Matched {
                intent: Intent::Asked,
                used: Some((wish.number, Arc::clone(&wish.id))),
            };
        }
        let again =
            |wish: &Wish| wish.executed.as_ref() == Some(call.tool) && wish.args == Some(call.args);
        let id = |place: usize| self.calls.get(place).map(|wish| Arc::clone(&wish.id));
        if let Some(of) = self.best(again, &tool).and_then(|(place, _)| id(place)) {
            return Matched { intent: Intent::Again { of }, used: None };
        }
        let altered = |wish: &Wish| {
            wish.executed.is_none()
                && match wish.name.fits(&tool) {
                    Some(Fit::Full) => true,
                    // Somebody else's operation may have been meant.
                    Some(Fit::Bare) => call.sole,
                    None => false,
                }
        };
        let intent = match self.best(altered, &tool).and_then(|(place, _)| id(place)) {
            Some(of) => Intent::Altered { of },
            None => Intent::NeverAsked,
        };
        Matched { intent, used: None }
    }

    /// Whether a call is asked for and not executed.
    pub fn wants(&self, call: &ToolCall<'_>) -> bool {
        let tool = KnownName::of(call.server, call.operation);
        self.best(|wish| wish.executed.is_none() && wish.args == Some(call.args), &tool).is_some()
    }

    /// Takes an execution back, which did not take place.
    pub fn undo(&mut self, number: u64) {
        if let Some(wish) = self.calls.iter_mut().find(|wish| wish.number == number) {
            wish.executed = None;
        }
    }

    /// The first with the best name among those that are `eligible`.
    fn best(&self, eligible: impl Fn(&Wish) -> bool, tool: &KnownName) -> Option<(usize, Fit)> {
        let fits = |(place, wish): (usize, &Wish)| Some((place, wish.name.fits(tool)?));
        let found = self.calls.iter().enumerate().filter(|(_, wish)| eligible(wish));
        found.filter_map(fits).min_by_key(|(place, fit)| (*fit, *place))
    }
}
