//! What models asked for and what was executed: every tool call that a model emitted in a run is
//! remembered by its name and by what its arguments mean, and every executed call is held against it.
//!
//! Executing a wish uses it up, atomically: of two executions of one wish one was asked for. Whoever
//! executes gets an [`Execution`], and gives the wish back unless the request was sent: a refused
//! call, repeated after an approval, is no second execution.
//!
//! The same memory finds the run of a call that names none: the run whose model asked for just this
//! call, or emitted the tool call that a request answers, or gave the answer that it goes on from.
//! These are labels as all run ids are, and only ever runs of the same caller.

mod links;
mod memory;
mod name;
#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;

use self::links::{Links, Mark};
use self::memory::{Matched, Memory};
use crate::call::{Caller, Intended, RunId, ToolFacts};
use crate::clock::Now;
use crate::json::{Value, meaning_key};
use crate::ledger::Ledger;

/// Calls remembered over all runs. Beyond it the runs that were silent for longest are forgotten,
/// and nothing is known of what was asked for in them.
const CALLS_LIMIT: usize = 262_144;

/// Share of them that is forgotten at once, so that one walk makes room for many.
const FORGOTTEN_SHARE: usize = 16;

/// Shortest time for which it is remembered what runs are known by: they may be kept going by other
/// calls meanwhile.
const MARKS_KEPT: Duration = Duration::from_secs(3_600);

/// A tool call that a model asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedCall {
    /// The provider's id of the tool call (`call_…`, `toolu_…`); empty where it gives none.
    pub id: Arc<str>,
    /// The function's name as the model said it.
    pub name: Box<str>,
    /// What its arguments mean; `None` when they cannot be read as JSON.
    pub args: Option<ArgsKey>,
}

/// What arguments mean ([`meaning_key`]); known to this process only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArgsKey(u64);

/// What a model's answer says of the run that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelAnswer {
    /// The provider's id of the answer, which a later request may go on from
    /// (`previous_response_id`).
    pub response: Option<Arc<str>>,
    /// The conversation that it stands in.
    pub conversation: Option<Arc<str>>,
    /// The calls that it asks for.
    pub calls: Vec<AskedCall>,
    /// The model has ended its turn and wants no tool.
    pub is_final: bool,
    pub given: Given,
}

/// When an answer of a model was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// By the call that asked for it.
    #[default]
    Now,
    /// The model has begun to work on it, and it will be fetched by its id.
    Later,
    /// It is read by its id. What it asks for counts once, in the run where it was begun: whoever
    /// reads an answer again, wherever, has no new wish of the model's.
    Fetched,
}

/// What the model has to do with a call that is about to be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// No model was heard in this run: nobody knows.
    Unknown,
    /// A model asked for exactly this call, and it was not executed before.
    Asked,
    /// No model in this run asked for it.
    NeverAsked,
    /// A model asked for this tool with other arguments, and that call was not executed.
    Altered {
        /// The provider's id of the call that was asked for; empty where it gave none.
        of: Arc<str>,
    },
    /// A model asked for it once, and it was executed before.
    Again {
        /// The provider's id of the call that was asked for; empty where it gave none.
        of: Arc<str>,
    },
}

/// A call that looks for its run, or is about to be executed.
#[derive(Clone, Copy, Debug)]
pub struct ToolCall<'a> {
    /// `server.operation`
    pub tool: &'a Arc<str>,
    pub server: &'a str,
    pub operation: &'a str,
    /// No other tool that is known has this operation: its bare name means this one.
    pub sole: bool,
    args: u64,
}

/// What models asked for, in all runs.
#[derive(Debug, Default)]
pub struct Intents {
    runs: DashMap<RunId, Memory, RandomState>,
    /// INVARIANT: calls remembered over all runs, as nearly as calls on their way allow.
    count: AtomicUsize,
    /// Numbers given to them.
    numbers: AtomicU64,
    links: Links,
}

/// An execution that uses up what a model asked for, unless it is dropped before
/// [`Execution::keep`].
pub struct Execution {
    ledger: Arc<Ledger>,
    run: RunId,
    number: u64,
    id: Arc<str>,
    kept: bool,
}

impl ArgsKey {
    /// The key of arguments as they were read, strictly.
    pub fn of(args: Value<'_>) -> Self {
        Self(meaning_key(args))
    }
}

impl Intent {
    /// The same without the call that was asked for; `None` when nothing is known.
    pub fn intended(&self) -> Option<Intended> {
        match self {
            Self::Unknown => None,
            Self::Asked => Some(Intended::Asked),
            Self::NeverAsked => Some(Intended::NeverAsked),
            Self::Altered { .. } => Some(Intended::Altered),
            Self::Again { .. } => Some(Intended::Again),
        }
    }

    /// The id of the tool call that the execution differs from, if the provider gave one.
    pub fn differs_from(&self) -> Option<&Arc<str>> {
        match self {
            Self::Unknown | Self::Asked | Self::NeverAsked => None,
            Self::Altered { of } | Self::Again { of } => Some(of).filter(|id| !id.is_empty()),
        }
    }
}

impl<'a> ToolCall<'a> {
    /// A call to `tool`. `sole`: no other tool that is known has its operation.
    pub fn new(tool: &'a ToolFacts, args: ArgsKey, sole: bool) -> Self {
        let ToolFacts { name, server, operation, .. } = tool;
        Self { tool: name, server, operation, sole, args: args.0 }
    }
}

impl Intents {
    /// Remembers what a model answered in a run. `owner` is the run's caller, when the model was
    /// called by the same: calls of theirs that name no run can then be known by it. Whether the
    /// answer counts.
    pub fn answered(
        &self,
        run: &RunId,
        owner: Option<&Caller>,
        answer: &ModelAnswer,
        now: Now,
    ) -> bool {
        if answer.given == Given::Fetched && !self.is_awaited(run, answer) {
            return false;
        }
        if self.count.load(Ordering::Relaxed) >= CALLS_LIMIT {
            self.make_room();
        }
        let fresh = || Memory::new(now.mono);
        let mut memory = self.runs.entry(run.clone()).or_insert_with(fresh);
        let before = memory.len();
        memory.seen = now.mono;
        if let (Given::Later, Some(id)) = (answer.given, &answer.response) {
            memory.awaits(id);
        }
        for call in &answer.calls {
            // Never the same again, also not in a later life of the run.
            let number = self.numbers.fetch_add(1, Ordering::Relaxed);
            memory.add(number, &call.id, &call.name, call.args.map(|ArgsKey(key)| key));
        }
        let grown = memory.len().saturating_sub(before);
        drop(memory);
        self.count.fetch_add(grown, Ordering::Relaxed);
        // Nobody is led into another's run, and nobody leads the calls of its owner there.
        if let Some(owner) = owner {
            self.mark(run, owner, answer, now);
        }
        true
    }

    /// Whether an answer that is fetched was begun in this run and has not been fetched before.
    fn is_awaited(&self, run: &RunId, answer: &ModelAnswer) -> bool {
        let Some(id) = &answer.response else { return false };
        self.runs.get_mut(run).is_some_and(|mut memory| memory.arrives(id))
    }

    fn mark(&self, run: &RunId, caller: &Caller, answer: &ModelAnswer, now: Now) {
        let note = |mark| self.links.note(mark, run, now.mono);
        for call in &answer.calls {
            note(Mark::Call(caller.clone(), Arc::clone(&call.id)));
            if let Some(ArgsKey(key)) = call.args {
                note(Mark::Args(caller.clone(), key));
            }
        }
        if let Some(id) = &answer.response {
            note(Mark::Response(caller.clone(), Arc::clone(id)));
        }
        if let Some(id) = &answer.conversation {
            note(Mark::Conversation(caller.clone(), Arc::clone(id)));
        }
    }

    /// Executes a call in a run. The number is that of the wish that it has used up.
    fn execute(&self, run: &RunId, call: &ToolCall<'_>, now: Now) -> Matched {
        // Runs without a model cost nothing.
        if self.runs.is_empty() {
            return Matched { intent: Intent::Unknown, used: None };
        }
        let Some(mut memory) = self.runs.get_mut(run) else {
            return Matched { intent: Intent::Unknown, used: None };
        };
        memory.seen = now.mono;
        memory.execute(call)
    }

    /// The run whose model asked for this call, when exactly one run of this caller did and has not
    /// executed it.
    pub fn run_of_call(&self, caller: &Caller, call: &ToolCall<'_>) -> Option<RunId> {
        if self.runs.is_empty() {
            return None;
        }
        let marked = self.links.of(&Mark::Args(caller.clone(), call.args));
        let wants = |run: &RunId| self.runs.get(run).is_some_and(|memory| memory.wants(call));
        let mut found = marked.runs.into_iter().map(|(run, _)| run).filter(wants);
        match (found.next(), found.next(), marked.lost) {
            (Some(run), None, None) => Some(run),
            (Some(_) | None, _, _) => None,
        }
    }

    /// The run whose model emitted the tool calls that a request answers, when they are all of one
    /// run of this caller.
    pub fn run_of_answers<'a>(
        &self,
        caller: &Caller,
        ids: impl IntoIterator<Item = &'a str>,
    ) -> Option<RunId> {
        let mut found: Option<RunId> = None;
        for id in ids {
            let Some(run) = self.known_by(&Mark::Call(caller.clone(), Arc::from(id))) else {
                continue;
            };
            match &found {
                Some(other) if *other != run => return None,
                Some(_) | None => found = Some(run),
            }
        }
        found
    }

    /// The run of this caller that the answer `id` was given in.
    pub fn run_of_response(&self, caller: &Caller, id: &str) -> Option<RunId> {
        self.known_by(&Mark::Response(caller.clone(), Arc::from(id)))
    }

    /// The run of this caller that the conversation `id` is in. One that was in several leads
    /// nowhere: its last user may be anybody.
    pub fn run_of_conversation(&self, caller: &Caller, id: &str) -> Option<RunId> {
        self.known_by(&Mark::Conversation(caller.clone(), Arc::from(id)))
    }

    /// The run of this caller that a session's calls were last asked for in. `session`: the run that
    /// the session is by itself.
    pub fn run_of_session(&self, caller: &Caller, session: &RunId) -> Option<RunId> {
        let marked = self.links.of(&Mark::Session(caller.clone(), session.clone()));
        let mut runs = marked.runs.into_iter().rev().map(|(run, _)| run);
        runs.find(|run| self.runs.contains_key(run))
    }

    /// Notes that a session's calls are asked for in `run`.
    pub fn join_session(&self, caller: &Caller, session: &RunId, run: &RunId, now: Now) {
        self.links.note(Mark::Session(caller.clone(), session.clone()), run, now.mono);
    }

    /// The one run that is known by a mark.
    fn known_by(&self, mark: &Mark) -> Option<RunId> {
        let marked = self.links.of(mark);
        let live = |run: &RunId| self.runs.contains_key(run);
        let mut found = marked.runs.into_iter().map(|(run, _)| run).filter(live);
        match (found.next(), found.next(), marked.lost) {
            (Some(run), None, None) => Some(run),
            (Some(_) | None, _, _) => None,
        }
    }

    /// Forgets a run that has ended.
    pub(super) fn forget(&self, run: &RunId) {
        if let Some((_, memory)) = self.runs.remove(run) {
            self.count.fetch_sub(memory.len(), Ordering::Relaxed);
        }
    }

    /// Forgets what has long linked nothing: runs that were silent for `idle_end` are over.
    pub(super) fn sweep(&self, now: Now, idle_end: Duration) {
        self.links.sweep(now.mono, idle_end.max(MARKS_KEPT));
    }

    /// Runs in which a model was heard, and calls that are remembered of them.
    pub fn remembered(&self) -> (usize, usize) {
        (self.runs.len(), self.count.load(Ordering::Relaxed))
    }

    fn make_room(&self) {
        let mut runs: Vec<(Duration, RunId, usize)> = self
            .runs
            .iter()
            .map(|memory| (memory.seen, memory.key().clone(), memory.len()))
            .collect();
        runs.sort_unstable_by_key(|(seen, _, _)| *seen);
        let mut left = CALLS_LIMIT / FORGOTTEN_SHARE;
        for (_, run, calls) in runs {
            if left == 0 {
                return;
            }
            self.forget(&run);
            left = left.saturating_sub(calls);
        }
    }
}

impl Ledger {
    /// What the model has to do with a call that is about to be executed in a run. An execution that
    /// was asked for uses that up until it is dropped, or for good when it is kept.
    pub fn execute(
        self: &Arc<Self>,
        run: &RunId,
        call: &ToolCall<'_>,
        now: Now,
    ) -> (Intent, Option<Execution>) {
        let Matched { intent, used } = self.intents.execute(run, call, now);
        let execution = used.map(|(number, id)| Execution {
            ledger: Arc::clone(self),
            run: run.clone(),
            number,
            id,
            kept: false,
        });
        (intent, execution)
    }
}

impl Execution {
    /// The provider's id of the call that was asked for, if it gave one.
    pub fn id(&self) -> Option<&Arc<str>> {
        Some(&self.id).filter(|id| !id.is_empty())
    }

    /// The request was sent: the call was executed, whatever comes of it.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if !self.kept
            && let Some(mut memory) = self.ledger.intents.runs.get_mut(&self.run)
        {
            memory.undo(self.number);
        }
    }
}
