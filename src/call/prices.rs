//! What models cost: prices by token, found by a model's name, and sums without rounding.

pub mod litellm;
mod money;
mod name;
mod price;

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

pub use self::money::Rate;
use self::name::candidates;
pub use self::price::{Kind, Price, Spend, Surcharges};

/// The prices in force. Made when the config is loaded.
#[derive(Debug, Default)]
pub struct Prices {
    exact: HashMap<Box<str>, Price>,
    /// Names with `*`, the longest first.
    patterns: Vec<(Box<str>, Price)>,
    /// Models that were asked for and have none.
    missed: Mutex<HashSet<Box<str>>>,
}

/// Models without a price that are told of, each once: agents name them.
const MISSED_LIMIT: usize = 64;

impl Prices {
    /// Adds the price of a model; a name with `*` stands for all that fit it. A later price of the
    /// same name takes the place of an earlier one.
    pub fn add(&mut self, name: &str, price: Price) {
        if !name.contains('*') {
            self.exact.insert(name.to_ascii_lowercase().into(), price);
            return;
        }
        let name = name.to_ascii_lowercase();
        self.patterns.retain(|(other, _)| **other != *name);
        let at = self.patterns.partition_point(|(other, _)| other.len() >= name.len());
        self.patterns.insert(at, (name.into(), price));
    }

    /// Notes that a model has no price. Whether that is news: operators hear of each once, and of so
    /// many at most.
    pub fn is_first_miss(&self, model: &str) -> bool {
        let mut missed = self.missed.lock();
        missed.len() < MISSED_LIMIT && missed.insert(model.into())
    }

    /// How many names have a price.
    pub fn len(&self) -> usize {
        self.exact.len().saturating_add(self.patterns.len())
    }

    /// Whether nothing has a price.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The price of `model`, as `provider` (`openai`, `anthropic`, `gemini`, `azure`) serves it: by
    /// its name, by its name behind the provider's, and by both without a date.
    pub fn of(&self, provider: &str, model: &str) -> Option<&Price> {
        let names = candidates(provider, model);
        let exact = names.iter().find_map(|name| self.exact.get(name.as_str()));
        exact.or_else(|| {
            names.iter().find_map(|name| {
                let mut patterns = self.patterns.iter();
                patterns.find(|(pattern, _)| name::fits(pattern, name)).map(|(_, price)| price)
            })
        })
    }

    /// The price of a call: of the model that answered, or else of the one that was asked for.
    pub fn of_call(
        &self,
        provider: &str,
        answered: Option<&str>,
        requested: Option<&str>,
    ) -> Option<&Price> {
        let of = |model: Option<&str>| model.and_then(|model| self.of(provider, model));
        of(answered).or_else(|| of(requested))
    }
}

#[cfg(test)]
mod tests;
