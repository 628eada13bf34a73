//! Made traffic of several agents and tools: heavy-tailed latencies, arrivals in bursts and by the
//! time of day, failures in clumps, load that wanders. Nothing of it knows how baselines work.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use crate::baseline::{Baselines, Call, Moved, Run};
use crate::call::{ErrorClass, RunEnd, RunId, StopReason};
use crate::clock::Now;

pub const HOUR: f64 = 3_600.0;

/// How long a tool takes.
#[derive(Clone, Copy)]
pub enum Latency {
    /// Median in milliseconds, and spread.
    LogNormal(f64, f64),
    /// Smallest in milliseconds, and exponent of the tail.
    Pareto(f64, f64),
    /// Two of them, and the share of the first: a cache.
    Either(f64, (f64, f64), (f64, f64)),
}

pub struct ToolSpec {
    pub name: Arc<str>,
    latency: Latency,
    /// Share of calls that fail by themselves.
    errors: f64,
    classes: &'static [(ErrorClass, f64)],
    /// Chance of each optional member of its answers.
    optional: &'static [f64],
    /// Chance that an answer differs from every other.
    unlike: f64,
}

pub struct AgentSpec {
    pub name: Arc<str>,
    runs_per_hour: f64,
    /// Median and spread of the calls it means to make in a run.
    calls: (f64, f64),
    /// Tools and how often it takes each.
    tools: &'static [(usize, f64)],
    /// Median and spread of the tokens of one step; 0 without a model.
    tokens: (f64, f64),
    ends: &'static [(RunEnd, f64)],
}

/// What becomes different, from some moment on.
#[derive(Clone, Copy, Debug)]
pub enum Anomaly {
    LatencyTimes(usize, f64),
    /// The given share of calls takes so many times what 95 of 100 took at most.
    TailTimes(usize, f64, f64),
    ErrorShare(usize, f64),
    NewError(usize, ErrorClass, f64),
    ShapeChanged(usize),
    CallsTimes(usize, f64),
    TokensTimes(usize, f64),
    EndShare(usize, RunEnd, f64),
}

pub struct Dice(fastrand::Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.0.f64() < share
    }

    /// 0 to 1, neither of them.
    fn open(&mut self) -> f64 {
        (self.0.f64() + f64::EPSILON).min(1.0 - f64::EPSILON)
    }

    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.open().ln()).sqrt() * (std::f64::consts::TAU * self.open()).cos()
    }

    pub fn log_normal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    pub fn wait(&mut self, mean: f64) -> f64 {
        -mean * self.open().ln()
    }

    pub fn pick(&mut self, below: usize) -> usize {
        self.0.usize(..below)
    }

    fn of<T: Copy>(&mut self, weights: &[(T, f64)]) -> T {
        let mut left = self.0.f64() * weights.iter().map(|(_, weight)| weight).sum::<f64>();
        for (what, weight) in weights {
            left -= weight;
            if left < 0.0 {
                return *what;
            }
        }
        weights[0].0
    }

    fn latency(&mut self, latency: Latency) -> f64 {
        match latency {
            Latency::LogNormal(median, sigma) => self.log_normal(median, sigma),
            Latency::Pareto(least, alpha) => least * self.open().powf(-1.0 / alpha),
            Latency::Either(share, one, other) => {
                let (median, sigma) = if self.chance(share) { one } else { other };
                self.log_normal(median, sigma)
            }
        }
    }
}

const UPSTREAM: &[(ErrorClass, f64)] = &[
    (ErrorClass::Http5xx, 0.6),
    (ErrorClass::Timeout, 0.2),
    (ErrorClass::Http4xx, 0.15),
    (ErrorClass::Connect, 0.05),
];
const TOOLISH: &[(ErrorClass, f64)] =
    &[(ErrorClass::ToolError, 0.7), (ErrorClass::Http4xx, 0.2), (ErrorClass::Timeout, 0.1)];

pub fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str, latency, errors, classes, optional, unlike| ToolSpec {
        name: Arc::from(name),
        latency,
        errors,
        classes,
        optional,
        unlike,
    };
    use Latency::{Either, LogNormal, Pareto};
    vec![
        tool("kv.get", LogNormal(8.0, 0.3), 0.002, UPSTREAM, &[], 0.0),
        tool("crm.get", LogNormal(40.0, 0.6), 0.01, UPSTREAM, &[0.5, 0.2], 0.0),
        tool("web.search", Pareto(120.0, 1.6), 0.03, UPSTREAM, &[0.8, 0.5, 0.3, 0.1], 0.02),
        tool("docs.read", Either(0.6, (2.0, 0.4), (80.0, 0.5)), 0.005, TOOLISH, &[0.9], 0.0),
        tool("llm.chat", LogNormal(2_500.0, 0.7), 0.008, UPSTREAM, &[0.4, 0.05], 0.0),
        tool("db.query", LogNormal(25.0, 1.1), 0.01, TOOLISH, &[0.5, 0.5, 0.5, 0.5, 0.5], 0.3),
        tool("mail.send", LogNormal(300.0, 0.4), 0.001, UPSTREAM, &[], 0.0),
        tool("report.make", Pareto(1_000.0, 2.2), 0.05, TOOLISH, &[0.3], 0.0),
    ]
}

const BUDGET: RunEnd = RunEnd::Stopped(StopReason::BudgetCalls);
const LOOP: RunEnd = RunEnd::Stopped(StopReason::LoopDetected);

pub fn agents() -> Vec<AgentSpec> {
    let agent = |name: &str, runs_per_hour, calls, tools, tokens, ends| AgentSpec {
        name: Arc::from(name),
        runs_per_hour,
        calls,
        tools,
        tokens,
        ends,
    };
    vec![
        agent(
            "support",
            40.0,
            (5.0, 0.5),
            &[(0, 2.0), (1, 3.0), (4, 2.0), (6, 1.0)],
            (1_500.0, 0.6),
            &[(RunEnd::Completed, 0.9), (RunEnd::Idle, 0.07), (BUDGET, 0.01), (LOOP, 0.02)],
        ),
        agent(
            "research",
            12.0,
            (12.0, 0.7),
            &[(2, 4.0), (3, 4.0), (4, 5.0), (5, 1.0)],
            (4_000.0, 0.9),
            &[(RunEnd::Completed, 0.8), (RunEnd::Idle, 0.1), (BUDGET, 0.08), (LOOP, 0.02)],
        ),
        agent(
            "batch",
            150.0,
            (2.3, 0.2),
            &[(0, 3.0), (5, 2.0), (7, 0.3)],
            (0.0, 0.0),
            &[(RunEnd::Completed, 0.05), (RunEnd::Idle, 0.95)],
        ),
        agent(
            "coder",
            6.0,
            (25.0, 0.8),
            &[(3, 6.0), (4, 5.0), (2, 1.0), (5, 2.0)],
            (9_000.0, 0.8),
            &[(RunEnd::Completed, 0.7), (RunEnd::Idle, 0.2), (BUDGET, 0.05), (LOOP, 0.05)],
        ),
    ]
}

enum Event {
    Arrival(usize),
    Call { run: RunId, tool: usize, upstream: Duration, error: Option<ErrorClass>, shape: u64 },
    End { agent: usize, run: RunId, end: RunEnd, calls: u64, tokens: u64 },
}

/// Something that came about while traffic was played.
pub struct Told {
    pub at: f64,
    pub moved: Moved,
}

/// Traffic, its baselines, and what they told.
pub struct World {
    pub tools: Vec<ToolSpec>,
    pub agents: Vec<AgentSpec>,
    pub baselines: Baselines,
    pub told: Vec<Told>,
    /// Calls by tool, and runs by agent.
    pub values: (Vec<u64>, Vec<u64>),
    pub calls: u64,
    /// What is different, and since when, in seconds.
    pub anomaly: Option<(f64, Anomaly)>,
    volume: f64,
    dice: Dice,
    /// The time that 95 of 100 calls to each tool take at most, in milliseconds.
    slow: Vec<f64>,
    load: Vec<f64>,
    load_at: f64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: std::collections::HashMap<u64, Event>,
    made: u64,
}

impl World {
    /// `volume`: how many times the usual runs arrive.
    pub fn new(seed: u64, volume: f64) -> Self {
        let (tools, agents) = (tools(), agents());
        let mut dice = Dice::new(seed);
        let mut slow = Vec::new();
        for tool in &tools {
            let mut times: Vec<f64> = (0..2_000).map(|_| dice.latency(tool.latency)).collect();
            times.sort_by(f64::total_cmp);
            slow.push(times[1_900]);
        }
        let mut world = Self {
            slow,
            load: vec![0.0; tools.len()],
            values: (vec![0; tools.len()], vec![0; agents.len()]),
            baselines: Baselines::default(),
            told: Vec::new(),
            calls: 0,
            anomaly: None,
            volume,
            dice,
            load_at: 0.0,
            queue: BinaryHeap::new(),
            events: std::collections::HashMap::new(),
            made: 0,
            tools,
            agents,
        };
        for agent in 0..world.agents.len() {
            let first = world.dice.wait(60.0);
            world.push(first, Event::Arrival(agent));
        }
        world
    }

    fn push(&mut self, at: f64, event: Event) {
        self.made += 1;
        self.events.insert(self.made, event);
        self.queue.push(Reverse(((at * 1e6) as u64, self.made)));
    }

    fn anomaly(&self, at: f64) -> Option<Anomaly> {
        self.anomaly.filter(|(from, _)| at >= *from).map(|(_, anomaly)| anomaly)
    }

    /// Plays until then, in seconds from the start, or until `over`.
    pub fn play(&mut self, until: f64, over: impl Fn(&Self, f64) -> bool) {
        while let Some(Reverse((micros, id))) = self.queue.pop() {
            let at = micros as f64 / 1e6;
            if at >= until {
                self.queue.push(Reverse((micros, id)));
                return;
            }
            let event = self.events.remove(&id).expect("made");
            self.happen(at, event);
            if over(self, at) {
                return;
            }
        }
    }

    fn happen(&mut self, at: f64, event: Event) {
        let now = Now { mono: Duration::from_secs_f64(at), wall_ms: (at * 1e3) as i64 };
        let moves = match event {
            Event::Arrival(agent) => return self.arrive(at, agent),
            Event::Call { run, tool, upstream, error, shape } => {
                self.calls += 1;
                self.values.0[tool] += 1;
                let name = &self.tools[tool].name;
                let shape = Some(shape);
                let call = Call { run: Some(&run), tool: name, upstream, error, form: shape };
                self.baselines.call(&call, now)
            }
            Event::End { agent, run, end, calls, tokens } => {
                self.values.1[agent] += 1;
                let agent = &self.agents[agent].name;
                let run = Run { id: &run, agent, end, calls, tokens };
                self.baselines.run_ended(&run, now)
            }
        };
        self.told.extend(moves.into_iter().map(|moved| Told { at, moved }));
    }

    /// Runs arrive three times as often at noon as at midnight, and some of them in bursts.
    fn arrive(&mut self, at: f64, agent: usize) {
        let rate = self.agents[agent].runs_per_hour * self.volume * daily(at) / HOUR / 1.75;
        let next = at + self.dice.wait(1.0 / rate);
        self.push(next, Event::Arrival(agent));
        let burst = if self.dice.chance(0.15) { 2 + self.dice.pick(8) } else { 1 };
        for _ in 0..burst {
            let start = at + self.dice.wait(1.0);
            self.run(start, agent);
        }
    }

    fn run(&mut self, start: f64, agent: usize) {
        self.made += 1;
        let run = RunId(Arc::from(format!("run-{}", self.made)));
        let AgentSpec { calls: (median, sigma), tools, tokens, ends, .. } = self.agents[agent];
        let (mut wanted, mut token_factor) = (self.dice.log_normal(median, sigma), 1.0);
        let mut ends = ends.to_vec();
        match self.anomaly(start) {
            Some(Anomaly::CallsTimes(which, factor)) if which == agent => wanted *= factor,
            Some(Anomaly::TokensTimes(which, factor)) if which == agent => token_factor = factor,
            Some(Anomaly::EndShare(which, end, share)) if which == agent => {
                ends.retain(|(other, _)| *other != end);
                let rest: f64 = ends.iter().map(|(_, share)| share).sum();
                ends.push((end, rest * share / (1.0 - share)));
            }
            _ => {}
        }
        let size = self.dice.log_normal(1.0, 0.2);
        let (mut at, mut made, mut used) = (start, 0, 0.0);
        for _ in 0..wanted.round().clamp(1.0, 400.0) as u64 {
            let tool = self.dice.of(tools);
            let mut failed_before = false;
            for _ in 0..4 {
                at += self.dice.wait(2.0);
                let failed = self.one_call(&mut at, &run, tool, size, failed_before);
                made += 1;
                used += self.dice.log_normal(tokens.0, tokens.1) * token_factor;
                failed_before = failed;
                if !failed || !self.dice.chance(0.4) {
                    break;
                }
            }
        }
        let end = self.dice.of(&ends);
        let after = if end == RunEnd::Idle { 1_800.0 } else { 60.0 };
        self.push(at + after, Event::End { agent, run, end, calls: made, tokens: used as u64 });
    }

    /// One call; what failed before fails again more often than not.
    fn one_call(
        &mut self,
        at: &mut f64,
        run: &RunId,
        tool: usize,
        size: f64,
        failed_before: bool,
    ) -> bool {
        self.wander(*at);
        let anomaly = self.anomaly(*at);
        let ToolSpec { latency, mut errors, classes, optional, unlike, .. } = self.tools[tool];
        let mut ms = self.dice.latency(latency) * size * (self.load[tool]).exp();
        ms *= 1.0 + 0.2 * (daily(*at) / 1.75 - 1.0);
        let mut renamed = 0;
        let mut fresh = None;
        match anomaly {
            Some(Anomaly::LatencyTimes(which, factor)) if which == tool => ms *= factor,
            Some(Anomaly::TailTimes(which, share, factor)) if which == tool => {
                let slow = self.slow[tool] * factor * self.dice.log_normal(1.0, 0.3);
                ms = if self.dice.chance(share) { slow } else { ms };
            }
            Some(Anomaly::ErrorShare(which, share)) if which == tool => errors = share,
            Some(Anomaly::NewError(which, class, share)) if which == tool => {
                fresh = self.dice.chance(share).then_some(class);
            }
            Some(Anomaly::ShapeChanged(which)) if which == tool => renamed = 1 << 40,
            _ => {}
        }
        let fails = self.dice.chance(if failed_before { errors.max(0.6) } else { errors });
        let error = fresh.or_else(|| fails.then(|| self.dice.of(classes)));
        let mut shape = 1 + renamed;
        for (bit, chance) in optional.iter().enumerate() {
            shape |= u64::from(self.dice.chance(*chance)) << (bit + 1);
        }
        if self.dice.chance(unlike) {
            shape |= (self.dice.pick(1 << 20) as u64) << 10;
        }
        if error.is_some() {
            shape = 1 << 50;
        }
        *at += ms / 1e3;
        let upstream = Duration::from_secs_f64(ms / 1e3);
        let run = run.clone();
        self.push(*at, Event::Call { run, tool, upstream, error, shape });
        error.is_some()
    }

    /// The load of each tool wanders, by an eighth or so, over a quarter of an hour.
    fn wander(&mut self, at: f64) {
        if at < self.load_at {
            return;
        }
        self.load_at = at + 60.0;
        let keep: f64 = (-1.0_f64 / 15.0).exp();
        for load in 0..self.load.len() {
            let noise = self.dice.normal() * 0.12 * (1.0 - keep * keep).sqrt();
            self.load[load] = self.load[load] * keep + noise;
        }
    }

    /// Baselines that are kept of this traffic.
    pub fn baselines_kept(&self) -> usize {
        let pairs: usize = self.agents.iter().map(|agent| agent.tools.len()).sum();
        let with_model = self.agents.iter().filter(|agent| agent.tokens.0 > 0.0).count();
        self.tools.len() * 3 + self.agents.len() * 2 + with_model + pairs
    }
}

/// Three times as much at its height as at its lowest; 1.75 in the mean.
fn daily(at: f64) -> f64 {
    1.75 - 0.875 * (std::f64::consts::TAU * at / (24.0 * HOUR)).cos()
}
