//! Breakers: a tool that fails is given a rest, then tried with a few calls before the rest follow.
//!
//! ```text
//! Closed --failures within the window--> Open --open_for is over--> HalfOpen
//!    ^                                     ^                            |
//!    |                                     +------- a probe failed -----+
//!    +--------------------- all probes succeeded -----------------------+
//! ```

use std::collections::hash_map::RandomState;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;

use crate::call::plan::BreakerPlan;
use crate::clock::Now;
use crate::ledger::window::Window;
use crate::weaken::Hole;

/// Tools with a breaker of their own, because tool names may come from callers. Those beyond share
/// one an upstream.
const BREAKERS_LIMIT: usize = 4_096;

/// The longest rest that a tool may ask for with `Retry-After`.
const REST_LIMIT: Duration = Duration::from_secs(300);

/// What a breaker does with calls, as records and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

/// How one attempt went, as far as the tool's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered; whatever it said of the call, it works.
    Answered,
    /// It could not be reached, did not answer, or said that it is failing. `rest` is how long it
    /// asked to be left alone.
    Failed { rest: Option<Duration> },
}

/// The breakers of all tools. They outlive calls and reloads.
#[derive(Debug, Default)]
pub struct Breakers {
    tools: DashMap<Arc<str>, Arc<Breaker>, RandomState>,
    /// By upstream, for the tools beyond the limit.
    shared: DashMap<Arc<str>, Arc<Breaker>, RandomState>,
}

/// The breaker of one tool.
#[derive(Debug)]
struct Breaker(Mutex<Memory>);

#[derive(Debug)]
struct Memory {
    state: State,
    /// Counted up with every change of state: what was let through before says nothing after.
    generation: u64,
}

#[derive(Debug)]
enum State {
    /// Boxed: it is large, and a resting breaker needs none.
    Closed {
        window: Box<Window>,
    },
    Open {
        until: Duration,
    },
    HalfOpen {
        trying: u32,
        succeeded: u32,
    },
}

/// Leave to make one attempt. Dropped without a report it is given back: a client that went away
/// says nothing of the tool.
#[derive(Debug)]
pub struct Ticket {
    breaker: Arc<Breaker>,
    plan: BreakerPlan,
    generation: u64,
    state: BreakerState,
    /// It is one of the probes and was not reported.
    owed: bool,
}

/// No leave: the tool has its rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resting {
    pub state: BreakerState,
    /// When asking again makes sense.
    pub after: Duration,
}

impl BreakerState {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// The value of the gauge: 0 closed, 1 open, 2 half-open.
    pub fn level(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::Open => 1,
            Self::HalfOpen => 2,
        }
    }
}

impl Breakers {
    /// Asks for leave to call `tool` of the upstream `server` once.
    ///
    /// # Errors
    /// The tool has its rest, or is being tried by others.
    pub fn enter(
        &self,
        tool: &Arc<str>,
        server: &Arc<str>,
        plan: BreakerPlan,
        now: Now,
    ) -> Result<Ticket, Resting> {
        let breaker = self.breaker(tool, server, plan);
        let mut memory = breaker.0.lock();
        memory.advance(now);
        let state = memory.state.name();
        let owed = match &mut memory.state {
            State::Closed { .. } => false,
            State::Open { until } => {
                return Err(Resting { state, after: until.saturating_sub(now.mono) });
            }
            State::HalfOpen { trying, succeeded } => {
                let taken = trying.saturating_add(*succeeded);
                if taken >= plan.probes && !Hole::UnboundedProbes.is_open() {
                    // The probes decide within about as long as one call takes.
                    return Err(Resting { state, after: Duration::from_secs(1) });
                }
                *trying = trying.saturating_add(1);
                true
            }
        };
        let generation = memory.generation;
        drop(memory);
        Ok(Ticket { breaker, plan, generation, state, owed })
    }

    /// The state of every breaker there is, by tool; of a shared one under the upstream's name.
    pub fn states(&self, now: Now) -> Vec<(Arc<str>, BreakerState)> {
        let all = self.tools.iter().chain(self.shared.iter());
        all.map(|entry| {
            let mut memory = entry.value().0.lock();
            memory.advance(now);
            (entry.key().clone(), memory.state.name())
        })
        .collect()
    }

    fn breaker(&self, tool: &Arc<str>, server: &Arc<str>, plan: BreakerPlan) -> Arc<Breaker> {
        if let Some(known) = self.tools.get(tool) {
            return Arc::clone(&known);
        }
        let closed = || Arc::new(Breaker(Mutex::new(Memory::closed(plan, 0))));
        if self.tools.len() < BREAKERS_LIMIT {
            return Arc::clone(&self.tools.entry(tool.clone()).or_insert_with(closed));
        }
        Arc::clone(&self.shared.entry(server.clone()).or_insert_with(closed))
    }
}

impl State {
    fn name(&self) -> BreakerState {
        match self {
            Self::Closed { .. } => BreakerState::Closed,
            Self::Open { .. } => BreakerState::Open,
            Self::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }
}

impl Memory {
    fn closed(plan: BreakerPlan, generation: u64) -> Self {
        Self { state: State::Closed { window: Box::new(Window::new(plan.within)) }, generation }
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.generation = self.generation.wrapping_add(1);
    }

    /// What time alone brings about.
    fn advance(&mut self, now: Now) {
        if let State::Open { until } = self.state
            && now.mono >= until
        {
            self.turn(State::HalfOpen { trying: 0, succeeded: 0 });
        }
    }

    fn open(&mut self, plan: BreakerPlan, rest: Option<Duration>, now: Now) {
        let rest = rest.unwrap_or_default().min(REST_LIMIT).max(plan.open_for);
        self.turn(State::Open { until: now.mono.saturating_add(rest) });
    }

    /// What an attempt says that was let through while closed.
    fn count(&mut self, health: Health, plan: BreakerPlan, now: Now) {
        let State::Closed { window } = &mut self.state else { return };
        window.resize(plan.within);
        match health {
            Health::Answered => window.note(false, now),
            Health::Failed { rest } => {
                window.note(true, now);
                self.open_if_due(plan, rest, now);
            }
        }
    }

    /// Turns an answer that was counted into a failure.
    fn recount(&mut self, plan: BreakerPlan, now: Now) {
        let State::Closed { window } = &mut self.state else { return };
        window.resize(plan.within);
        window.mark(now);
        self.open_if_due(plan, None, now);
    }

    fn open_if_due(&mut self, plan: BreakerPlan, rest: Option<Duration>, now: Now) {
        let State::Closed { window } = &self.state else { return };
        let counts = window.counts(now);
        let share = counts.all.saturating_mul(u64::from(plan.share_percent));
        let enough = counts.marked >= u64::from(plan.failures);
        if enough && counts.marked.saturating_mul(100) >= share {
            self.open(plan, rest, now);
        }
    }

    /// What a probe says.
    fn judge(&mut self, health: Health, plan: BreakerPlan, now: Now) {
        let State::HalfOpen { trying, succeeded } = &mut self.state else { return };
        match health {
            Health::Failed { rest } => self.open(plan, rest, now),
            Health::Answered => {
                *trying = trying.saturating_sub(1);
                *succeeded = succeeded.saturating_add(1);
                if *succeeded >= plan.probes {
                    self.turn(State::Closed { window: Box::new(Window::new(plan.within)) });
                }
            }
        }
    }
}

impl Ticket {
    /// What the breaker was when it gave leave.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Says how the attempt went.
    pub fn report(&mut self, health: Health, now: Now) {
        let mut memory = self.breaker.0.lock();
        let current = memory.generation == self.generation;
        if std::mem::take(&mut self.owed) {
            if current {
                memory.judge(health, self.plan, now);
            }
        } else if current {
            memory.count(health, self.plan, now);
        }
    }

    /// Says of an attempt that was reported as answered that it failed after all: its answer broke
    /// off, or said so.
    pub fn report_late_failure(&mut self, now: Now) {
        self.breaker.0.lock().recount(self.plan, now);
    }

    /// Whether an answer that says that it failed is a failure of the tool.
    pub fn counts_tool_errors(&self) -> bool {
        self.plan.tool_errors
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.owed {
            return;
        }
        let mut memory = self.breaker.0.lock();
        if memory.generation == self.generation
            && let State::HalfOpen { trying, .. } = &mut memory.state
        {
            *trying = trying.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
