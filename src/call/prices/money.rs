//! Prices of one token, in 10^-18 dollars: fine enough for every published price to be exact.

use crate::policy::amount::{Amount, Usd};

/// Digits behind the point of a dollar that are kept.
const DECIMALS: i32 = 18;

/// A nano-dollar, which is what budgets count.
const NANO: Amount = 1_000_000_000;

/// The price of one token, or of one search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u128);

/// A sum of prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sum(u128);

impl Rate {
    /// A price in dollars, as decimal text with or without an exponent: `3`, `0.15`, `1.5e-07`.
    /// What is finer than 10^-18 dollars is rounded up. `None` for anything else and from a million
    /// dollars on.
    pub fn parse(text: &str) -> Option<Self> {
        Self::scaled(text, 0)
    }

    /// A price in dollars per million tokens, as decimal text.
    pub fn parse_per_million(text: &str) -> Option<Self> {
        Self::scaled(text, -6)
    }

    /// A price in dollars that was read as a double: the decimal number of 15 digits that is meant
    /// by it. `None` when it is negative, not finite, or too large.
    pub fn of_double(value: f64) -> Option<Self> {
        if !value.is_finite() || value < 0.0 {
            return None;
        }
        Self::scaled(&format!("{value:.14e}"), 0)
    }

    fn scaled(text: &str, shift: i32) -> Option<Self> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_number(whole) || !is_number(fraction) || text.ends_with('.') {
            return None;
        }
        let value: u128 = format!("{whole}{fraction}").parse().ok()?;
        let places = i32::try_from(fraction.len()).ok()?;
        let power = exponent.checked_add(shift)?.checked_sub(places)?.checked_add(DECIMALS)?;
        let unit = 10u128.checked_pow(power.unsigned_abs().min(38))?;
        let scaled = if power >= 0 { value.checked_mul(unit)? } else { value.div_ceil(unit) };
        let limit = 10u128.checked_pow(24)?;
        (scaled < limit || value == 0).then_some(Self(scaled))
    }

    /// Dollars, to show.
    #[expect(clippy::cast_precision_loss, reason = "a figure to show, not one to count with")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e18
    }

    /// The price of so many.
    pub(super) fn times(self, count: u64) -> Sum {
        Sum(self.0.saturating_mul(u128::from(count)))
    }
}

impl Sum {
    /// So many thousandths of it, rounded up.
    pub(super) fn thousandths(self, factor: u32) -> Self {
        Self(self.0.saturating_mul(u128::from(factor)).div_ceil(1_000))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// As budgets count it, rounded up to a nano-dollar.
    pub(super) fn rounded_up(self) -> Usd {
        Usd::from_nanos(self.0.div_ceil(NANO))
    }
}
