//! What a call to a model may use, and what it is charged: reserved by what its request says,
//! settled by what its answer says, and never less than what nobody knows.

use std::sync::Arc;

use http::StatusCode;

use super::operation::{Kind, Operation};
use super::request::{Facts, facts};
use super::said::{Counted, Said};
use super::{Hints, hints, shown_model};
use crate::call::prices::{Price, Prices, Spend};
use crate::call::usage::{Tier, Usage};
use crate::call::{self, Provider, Tokens};
use crate::json::Value;
use crate::policy::amount::Usd;

/// What a call to a model without a price counts as where money is limited: more than any budget has,
/// and little enough for sums of many.
const UNPRICED_NANOS: u128 = 1_000_000_000_000_000;

/// Tokens that stand around what a model generates, for each call that it asks for.
const FRAME_TOKENS: u64 = 16;

/// Statuses behind which the model may have run all the same: somebody between stopped waiting.
const DOUBTFUL: [u16; 6] = [408, 499, 502, 504, 520, 524];

/// How many times what a model takes or gives a provider may say that it did. Tools of its own may
/// make it read the prompt again; beyond that, it is no count.
const CREDIBLE_TIMES: u64 = 4;

/// One call to a model.
#[derive(Debug)]
pub struct Order {
    provider: Provider,
    /// By whose names models are priced.
    vendor: &'static str,
    operation: Operation,
    facts: Facts,
    hints: Hints,
    prices: Arc<Prices>,
    /// The most that it can use.
    spend: Spend,
    /// The most that it can cost; absent when no price is known.
    most: Option<Usd>,
}

/// What a call is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    pub tokens: Tokens,
    /// Absent when no price is known.
    pub cost: Option<Usd>,
}

impl Charge {
    /// The same together with attempts that were sent and not answered.
    pub fn plus_unanswered(self, order: &Order, attempts: u32) -> Self {
        if attempts == 0 || !order.is_billed() {
            return self;
        }
        let (one, times) = (order.unanswered(), u64::from(attempts));
        let tokens = Tokens {
            input: self.tokens.input.saturating_add(one.tokens.input.saturating_mul(times)),
            output: self.tokens.output.saturating_add(one.tokens.output.saturating_mul(times)),
            known: call::Counted::Estimated,
            ..self.tokens
        };
        let more = one.cost.map(|cost| cost.nanos().saturating_mul(u128::from(times)));
        let cost = self.cost.zip(more);
        let cost = cost.map(|(cost, more)| Usd::from_nanos(cost.nanos().saturating_add(more)));
        Self { tokens, cost }
    }
}

impl Order {
    /// Reads a request. `path_model` is the model that its path names; `is_deployment`, that the path
    /// is a cloud's own.
    pub fn new(
        provider: Provider,
        operation: Operation,
        (path_model, is_deployment): (Option<&str>, bool),
        args: Value<'_>,
        prices: Arc<Prices>,
    ) -> Self {
        let vendor = if is_deployment { "azure" } else { provider.name() };
        let mut order = Self {
            provider,
            vendor,
            operation,
            facts: facts(provider, operation, path_model, args),
            hints: hints(provider, args),
            prices,
            spend: Spend::default(),
            most: None,
        };
        order.estimate();
        order
    }

    /// The same with other arguments.
    pub fn with(&self, args: Value<'_>) -> Self {
        let path_model = self.facts.path_model.clone();
        let from = (path_model.as_deref(), self.vendor == "azure");
        Self::new(self.provider, self.operation, from, args, Arc::clone(&self.prices))
    }

    fn estimate(&mut self) {
        if !self.is_billed() {
            self.most = Some(Usd::ZERO);
            return;
        }
        let mut spend = Spend::default();
        let mut most = Some(Usd::ZERO);
        let others = self.facts.others.iter().map(|other| Some(&**other));
        for model in std::iter::once(self.model()).chain(others) {
            let price = self.prices.of_call(self.vendor, None, model);
            let one = self.facts.most(price);
            let cost = price.map(|price| price.most(&one));
            // Without a price of each nobody knows the most of all.
            most = most.zip(cost).map(|(before, cost)| before.max(cost));
            let (input, output) = (spend.input.max(one.input), spend.output.max(one.output));
            spend = Spend { input, output, ..one };
        }
        (self.spend, self.most) = (spend, most);
    }

    /// Whether tokens are paid for.
    pub fn is_billed(&self) -> bool {
        match self.operation.kind {
            Kind::Generate | Kind::Embed => true,
            Kind::Look | Kind::Manage => false,
        }
    }

    /// The model that is asked for.
    pub fn model(&self) -> Option<&str> {
        self.facts.model.as_deref()
    }

    /// Notes that its model has no price. Whether that is news for operators.
    pub fn is_first_miss(&self) -> bool {
        self.prices.is_first_miss(shown_model(self.model().unwrap_or_default()))
    }

    /// What the request says of itself.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What the request says of its run.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// The operation that is asked for.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The most tokens that it can use.
    pub fn most_tokens(&self) -> u64 {
        self.spend.input.saturating_add(self.spend.output)
    }

    /// The most that it can cost, as far as tokens have a price.
    pub fn most_cost(&self) -> Option<Usd> {
        self.most
    }

    /// What stands for the cost where money is limited and no price is known.
    pub fn unpriced() -> Usd {
        Usd::from_nanos(UNPRICED_NANOS)
    }

    /// What a call is charged that was sent and answered with `status`. `is_whole` says that all of
    /// the answer came, `said` what was read of it.
    pub fn charge(&self, status: StatusCode, is_whole: bool, said: Option<&Said>) -> Charge {
        if !self.is_billed() {
            return Charge { tokens: Tokens::default(), cost: self.most };
        }
        let unheard = Said::default();
        let said = said.unwrap_or(&unheard);
        let is_refused = !status.is_success() && !DOUBTFUL.contains(&status.as_u16());
        if is_refused && said.counted == Counted::Not {
            return Charge { tokens: Tokens::default(), cost: self.most.map(|_| Usd::ZERO) };
        }
        let answered = said.model.as_deref();
        let price = self.prices.of_call(self.vendor, answered, self.model());
        if said.counted == Counted::Finally && !self.is_credible(&said.usage, price) {
            let (input, output) = (said.usage.input, said.usage.output);
            tracing::warn!(input, output, "no model uses so many tokens: charged as reserved");
            return self.estimated(false, &unheard, price);
        }
        if said.counted == Counted::Finally {
            let searches = said.usage.searches.max(self.facts.sure_searches);
            let usage = Usage { searches, ..said.usage };
            let cost = price.map(|price| price.cost(&usage, self.tier_of(said)));
            return Charge { tokens: counted(&said.usage, call::Counted::Reported), cost };
        }
        self.estimated(is_whole, said, price)
    }

    /// Whether a model can have used so much.
    fn is_credible(&self, usage: &Usage, price: Option<&Price>) -> bool {
        let (takes, gives) = Facts::bounds(price);
        let answers = gives.saturating_mul(self.facts.answers).max(self.spend.output);
        usage.input <= takes.max(self.spend.input).saturating_mul(CREDIBLE_TIMES)
            && usage.output <= answers.saturating_mul(CREDIBLE_TIMES)
    }

    /// Whether an answer with this status may have been charged by its provider, though it is none.
    pub fn is_doubtful(status: StatusCode) -> bool {
        DOUBTFUL.contains(&status.as_u16())
    }

    /// What a call is charged that was sent and not answered.
    pub fn unanswered(&self) -> Charge {
        self.charge(StatusCode::OK, false, None)
    }

    /// What is not known is charged as it was reserved; what is known takes the place of that.
    fn estimated(&self, is_whole: bool, said: &Said, price: Option<&Price>) -> Charge {
        let spend = self.spend;
        let knows_input = said.counted == Counted::SoFar
            && said.usage.input > 0
            && !said.has_unknown_input
            && !self.facts.input.has_unknown;
        let seen = if knows_input {
            said.usage
        } else {
            Usage { input: spend.input.max(said.usage.input), ..Usage::default() }
        };
        // All that a model generates without showing it stays unknown.
        let hides = price.is_none_or(|price| price.reasons) || self.facts.may_speak;
        let output = if is_whole && !said.is_unread && !hides && said.generated_bytes > 0 {
            let frames = u64::try_from(said.asked.len().saturating_add(1)).unwrap_or(u64::MAX);
            let shown = said.generated_bytes.saturating_add(frames.saturating_mul(FRAME_TOKENS));
            shown.min(spend.output)
        } else {
            spend.output
        };
        let output = output.max(said.usage.output);
        let tokens = Tokens {
            input: seen.input,
            output,
            cached: seen.cache_read,
            cache_written: seen.cache_write.saturating_add(seen.cache_write_1h),
            reasoning: 0,
            known: call::Counted::Estimated,
        };
        let cost = price.map(|price| {
            let left = Spend { input: seen.input, output, ..spend };
            let left = match said.tier {
                Some(tier) => Spend { tier: Some(tier), ..left },
                None => left,
            };
            if knows_input { price.most_after(&seen, &left) } else { price.most(&left) }
        });
        Charge { tokens, cost }
    }

    /// The tier that the answer names, or else that was asked for.
    fn tier_of(&self, said: &Said) -> Tier {
        said.tier.or(self.facts.tier).unwrap_or_default()
    }
}

fn counted(usage: &Usage, known: call::Counted) -> Tokens {
    Tokens {
        input: usage.input,
        output: usage.output,
        cached: usage.cache_read,
        cache_written: usage.cache_write.saturating_add(usage.cache_write_1h),
        reasoning: usage.reasoning,
        known,
    }
}

#[cfg(test)]
mod tests;
