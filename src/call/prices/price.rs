//! The prices of one model, and what a call to it costs by them.

use super::money::{Rate, Sum};
use crate::call::usage::{Surcharged, Tier, Usage};
use crate::policy::amount::Usd;

/// What a price is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Input,
    Output,
    CacheRead,
    CacheWrite,
    CacheWrite1h,
    Reasoning,
    AudioInput,
    AudioOutput,
    /// One search of the web.
    Search,
}

/// One line of a model's prices.
#[derive(Clone, Copy, Debug)]
struct Line {
    kind: Kind,
    tier: Tier,
    /// For prompts of more than so many tokens; 0 for all.
    above: u64,
    rate: Rate,
}

/// The prices of a model, and how much it takes and gives.
#[derive(Clone, Debug, Default)]
pub struct Price {
    lines: Vec<Line>,
    /// Longest prompt, in tokens.
    pub max_input: Option<u64>,
    /// Longest answer, in tokens.
    pub max_output: Option<u64>,
    /// It may think without showing it.
    pub reasons: bool,
    pub surcharges: Surcharges,
}

/// What some calls cost in thousandths of the usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surcharges {
    /// Those that are kept within the United States.
    pub in_us: u32,
    /// Those that are given more of the machine.
    pub fast: u32,
}

impl Default for Surcharges {
    fn default() -> Self {
        Self { in_us: 1_000, fast: 1_000 }
    }
}

impl Surcharges {
    fn of(self, surcharged: Surcharged, sum: Sum) -> Sum {
        let in_us = if surcharged.in_us { self.in_us } else { 1_000 };
        let fast = if surcharged.fast { self.fast } else { 1_000 };
        sum.thousandths(in_us).thousandths(fast)
    }
}

/// What a call may use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    pub input: u64,
    pub output: u64,
    pub searches: u64,
    /// The prompt may be written to a cache.
    pub caches: bool,
    pub audio_input: bool,
    pub audio_output: bool,
    /// For what it may be dearer.
    pub surcharged: Surcharged,
    /// The tier asked for; `None` when the provider chooses.
    pub tier: Option<Tier>,
}

impl Price {
    /// Adds a line; `above` is in tokens of the prompt.
    pub fn add(&mut self, kind: Kind, tier: Tier, above: u64, rate: Rate) {
        self.lines.push(Line { kind, tier, above, rate });
    }

    /// Whether tokens have a price at all.
    pub fn is_of_tokens(&self) -> bool {
        self.lines.iter().any(|line| matches!(line.kind, Kind::Input | Kind::Output))
    }

    /// What a call has cost, to a nano-dollar, rounded up.
    pub fn cost(&self, usage: &Usage, tier: Tier) -> Usd {
        self.surcharges.of(usage.surcharged, self.sum(usage, tier)).rounded_up()
    }

    fn sum(&self, usage: &Usage, tier: Tier) -> Sum {
        let rates = Rates { price: self, tier, input: usage.input };
        let mut left = usage.input;
        let mut take = |count: u64| {
            let taken = count.min(left);
            left = left.saturating_sub(taken);
            taken
        };
        let read = rates.cache_read().times(take(usage.cache_read));
        let written = rates.cache_write().times(take(usage.cache_write));
        let written_1h = rates.cache_write_1h().times(take(usage.cache_write_1h));
        let heard = rates.audio_input().times(take(usage.audio_input));
        let text = rates.input().times(left);
        let mut left = usage.output;
        let mut take = |count: u64| {
            let taken = count.min(left);
            left = left.saturating_sub(taken);
            taken
        };
        let thought = rates.reasoning().times(take(usage.reasoning));
        let spoken = rates.audio_output().times(take(usage.audio_output));
        let said = rates.output().times(left);
        let searched = rates.search().times(usage.searches);
        [read, written, written_1h, heard, text, thought, spoken, said, searched]
            .into_iter()
            .fold(Sum::default(), Sum::plus)
    }

    /// The most that a call can cost whose prompt is known, as `seen` has it, and whose answer is no
    /// longer than that of `spend`.
    pub fn most_after(&self, seen: &Usage, spend: &Spend) -> Usd {
        let prompt = Usage {
            output: 0,
            reasoning: 0,
            audio_output: 0,
            searches: seen.searches.max(spend.searches),
            ..*seen
        };
        let tiers = [Tier::Standard, Tier::Flex, Tier::Priority, Tier::Batch, Tier::Ultrafast];
        let sums = tiers.into_iter().filter(|tier| spend.may_be(*tier)).map(|tier| {
            let rates = Rates { price: self, tier, input: seen.input };
            let spoken = if spend.audio_output { rates.audio_output() } else { Rate::default() };
            let dearest = rates.output().max(rates.reasoning()).max(spoken);
            self.sum(&prompt, tier).plus(dearest.times(spend.output.max(seen.output)))
        });
        self.surcharges.of(spend.surcharged, sums.max().unwrap_or_default()).rounded_up()
    }

    /// The most that a call can cost which uses no more than `spend`, at whatever length of prompt
    /// up to that is the dearest.
    pub fn most(&self, spend: &Spend) -> Usd {
        let of_input = |kind: Kind| match kind {
            Kind::Input | Kind::CacheRead => true,
            Kind::CacheWrite | Kind::CacheWrite1h => spend.caches,
            Kind::AudioInput => spend.audio_input,
            Kind::Output | Kind::Reasoning | Kind::AudioOutput | Kind::Search => false,
        };
        let of_output = |kind: Kind| match kind {
            Kind::Output | Kind::Reasoning => true,
            Kind::AudioOutput => spend.audio_output,
            Kind::Input
            | Kind::CacheRead
            | Kind::CacheWrite
            | Kind::CacheWrite1h
            | Kind::AudioInput
            | Kind::Search => false,
        };
        let dearest = |wanted: &dyn Fn(Kind) -> bool| {
            let lines = self.lines.iter().filter(|line| {
                let reached = line.above < spend.input || line.above == 0;
                reached && spend.may_be(line.tier) && wanted(line.kind)
            });
            lines.map(|line| line.rate).max().unwrap_or_default()
        };
        let searches = dearest(&|kind| kind == Kind::Search).times(spend.searches);
        let sum = dearest(&of_input)
            .times(spend.input)
            .plus(dearest(&of_output).times(spend.output))
            .plus(searches);
        self.surcharges.of(spend.surcharged, sum).rounded_up()
    }
}

impl Spend {
    /// Whether the call may be carried out in a tier. Every tier may fall back to the standard one;
    /// where the provider chooses, an account may be set to any that needs no asking for.
    fn may_be(&self, tier: Tier) -> bool {
        match self.tier {
            Some(asked) => tier == asked || tier == Tier::Standard,
            None => matches!(tier, Tier::Standard | Tier::Flex | Tier::Priority),
        }
    }
}

/// The prices that hold for one call.
struct Rates<'p> {
    price: &'p Price,
    tier: Tier,
    input: u64,
}

impl Rates<'_> {
    /// The line of the highest step that the prompt is above, in the tier or else in the standard one.
    fn find(&self, kind: Kind) -> Option<Rate> {
        let reached = |line: &&Line| {
            line.kind == kind
                && (line.above == 0 || line.above < self.input)
                && (line.tier == self.tier || line.tier == Tier::Standard)
        };
        let lines = self.price.lines.iter().filter(reached);
        lines.max_by_key(|line| (line.above, line.tier == self.tier)).map(|line| line.rate)
    }

    fn input(&self) -> Rate {
        self.find(Kind::Input).unwrap_or_default()
    }

    fn output(&self) -> Rate {
        self.find(Kind::Output).unwrap_or_default()
    }

    fn cache_read(&self) -> Rate {
        self.find(Kind::CacheRead).unwrap_or_else(|| self.input())
    }

    fn cache_write(&self) -> Rate {
        self.find(Kind::CacheWrite).unwrap_or_else(|| self.input())
    }

    fn cache_write_1h(&self) -> Rate {
        self.find(Kind::CacheWrite1h).unwrap_or_else(|| self.cache_write())
    }

    fn audio_input(&self) -> Rate {
        self.find(Kind::AudioInput).unwrap_or_else(|| self.input())
    }

    fn audio_output(&self) -> Rate {
        self.find(Kind::AudioOutput).unwrap_or_else(|| self.output())
    }

    /// A tier with a price for answers has that for thoughts too, unless it has one for these.
    fn reasoning(&self) -> Rate {
        let own = |kind: Kind| {
            let mut lines = self.price.lines.iter();
            self.tier != Tier::Standard
                && lines.any(|line| line.kind == kind && line.tier == self.tier)
        };
        if own(Kind::Output) && !own(Kind::Reasoning) {
            return self.output();
        }
        self.find(Kind::Reasoning).unwrap_or_else(|| self.output())
    }

    fn search(&self) -> Rate {
        self.find(Kind::Search).unwrap_or_default()
    }
}
