//! Exact amounts: money in nano-dollars, sums in billionths. No budget is kept in floating point.

use crate::yaml::ScalarFault;

/// So much of what a limit measures: calls, tokens, nano-dollars, or billionths of a sum.
pub type Amount = u128;

/// Digits behind the decimal point that are kept.
const DECIMALS: usize = 9;

/// Billionths in a whole.
pub const BILLION: Amount = 1_000_000_000;

/// An amount of money in nano-dollars: 0 to about 18 billion US dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many nano-dollars; beyond the range it stays at its end.
    pub fn from_nanos(nanos: Amount) -> Self {
        Self(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Nano-dollars.
    pub fn nanos(self) -> Amount {
        Amount::from(self.0)
    }

    /// US dollars, for records and expressions; budgets never use it.
    #[expect(clippy::cast_precision_loss, reason = "a figure to show, not one to count with")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Both together; beyond the range it stays at its end.
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Parses US dollars as decimal text: `2`, `0.05`.
    ///
    /// # Errors
    /// What is wrong and how it is written: anything but digits with one point, more than nine
    /// digits behind it, or more than about 18 billion dollars.
    pub fn parse(text: &str) -> Result<Self, ScalarFault> {
        let fault = |message: String| ScalarFault::new(message).help("for example `0.05`");
        match decimal(text) {
            Some((nanos, true)) => u64::try_from(nanos)
                .map(Self)
                .map_err(|_| fault(format!("{text} US dollars are too many"))),
            Some((_, false)) => {
                Err(fault(format!("`{text}` is finer than a billionth of a dollar")))
            }
            None => Err(fault(format!("expected US dollars, found `{text}`"))),
        }
    }
}

/// Reads decimal text such as `12.5` as billionths.
///
/// # Errors
/// What is wrong: anything but digits with one point, or more than nine digits behind it.
pub fn billionths(text: &str) -> Result<Amount, ScalarFault> {
    match decimal(text) {
        Some((value, true)) => Ok(value),
        Some((_, false)) => {
            Err(ScalarFault::new(format!("`{text}` has more than {DECIMALS} decimals")))
        }
        None => Err(ScalarFault::new(format!("expected a number from 0, found `{text}`"))),
    }
}

/// A number from 0 as billionths, rounded up; `None` when it is negative or not finite. Its shortest
/// decimal form is what counts, so that 0.1 is a tenth.
pub fn billionths_of(value: f64) -> Option<Amount> {
    if !value.is_finite() || value < 0.0 {
        return None;
    }
    let (floor, exact) = decimal(&format!("{}", value.abs()))?;
    Some(if exact { floor } else { floor.saturating_add(1) })
}

/// Billionths rounded down, and whether nothing was lost by it.
fn decimal(text: &str) -> Option<(Amount, bool)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let empty = whole.is_empty() || (fraction.is_empty() && text.contains('.'));
    if empty || !digits(whole) || !digits(fraction) {
        return None;
    }
    // Whatever is too large for the type is too large for every budget as well.
    let whole: Amount = whole.parse().unwrap_or(Amount::MAX);
    let mut parts: Amount = 0;
    for place in 0..DECIMALS {
        let digit = fraction.as_bytes().get(place).map_or(0, |digit| digit.wrapping_sub(b'0'));
        parts = parts * 10 + Amount::from(digit);
    }
    let exact = fraction.bytes().skip(DECIMALS).all(|digit| digit == b'0');
    Some((whole.saturating_mul(BILLION).saturating_add(parts), exact))
}

/// Billionths as decimal text, without needless zeros: `12.5`.
pub fn shown(billionths: Amount) -> String {
    let (whole, parts) = (billionths / BILLION, billionths % BILLION);
    if parts == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{parts:0DECIMALS$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Usd, billionths, billionths_of, shown};

    #[test]
    fn money_is_read_exactly_or_not_at_all() {
        assert_eq!(Usd::parse("0.001").map(Usd::nanos), Ok(1_000_000));
        assert_eq!(Usd::parse("2").map(Usd::nanos), Ok(2_000_000_000));
        assert_eq!(Usd::parse("18446744073.709551615").map(Usd::nanos), Ok(u128::from(u64::MAX)));
        for wrong in ["", ".", "1.", ".5", "-1", "1e-3", "0.0000000001", "20000000000", "1_0", "$2"]
        {
            assert!(Usd::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_taken_by_their_shortest_decimal_form_and_rounded_up() {
        assert_eq!(billionths_of(0.1), Some(100_000_000));
        assert_eq!(billionths_of(12.34), Some(12_340_000_000));
        assert_eq!(billionths_of(1e-10), Some(1));
        assert_eq!(billionths_of(-0.0), Some(0));
        assert_eq!(billionths_of(1e300), Some(u128::MAX));
        assert_eq!((billionths_of(-1.0), billionths_of(f64::NAN)), (None, None));
    }

    #[test]
    fn amounts_are_shown_as_they_are_read() {
        for text in ["0", "12.5", "0.000000001", "5000"] {
            assert_eq!(shown(billionths(text).expect(text)), text);
        }
    }
}
