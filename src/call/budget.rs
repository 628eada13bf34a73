//! What is left of a budget, as the agent is told of it.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::policy::amount::{Amount, BILLION};
use crate::policy::model::{Maximum, Measure};

/// Budgets named in one header.
const SHOWN_LIMIT: usize = 8;

/// Largest integer, and largest whole part of a decimal, of a structured field (RFC 9651, sections
/// 3.3.1 and 3.3.2); more than that is shown as that.
const INTEGER_LIMIT: Amount = 999_999_999_999_999;
const WHOLE_LIMIT: Amount = 999_999_999_999;

/// One maximum of a limit, and what is used up of it.
#[derive(Clone, Debug)]
pub struct Budget {
    /// `policy/id`
    pub limit: Arc<str>,
    pub measure: Measure,
    pub used: Amount,
    pub max: Amount,
    /// Amounts are billionths.
    pub fine: bool,
    /// The sliding window, if it has one.
    pub window: Option<Duration>,
}

impl Budget {
    /// Whether amounts of a measure are counted in billionths.
    pub fn is_fine(maximum: &Maximum) -> bool {
        match maximum {
            Maximum::CostUsd(_) | Maximum::Sum(_) => true,
            Maximum::Calls(_)
            | Maximum::Tokens(_)
            | Maximum::WallTime(_)
            | Maximum::Rate(_)
            | Maximum::InFlight(_)
            | Maximum::Errors(_)
            | Maximum::Denials(_)
            | Maximum::DenialsSameRule(_)
            | Maximum::IdenticalCalls(_)
            | Maximum::CycleRepeats(_)
            | Maximum::Distinct(_) => false,
        }
    }

    /// What is left.
    pub fn left(&self) -> Amount {
        self.max.saturating_sub(self.used)
    }

    fn write(&self, out: &mut String) {
        // Names of limits and measures are ASCII without quotes, but an expression may have them.
        out.push('"');
        push_quoted(out, &self.limit);
        out.push_str("\";m=\"");
        push_quoted(out, &self.measure);
        out.push_str("\";r=");
        push_number(out, self.left(), self.fine);
        out.push_str(";q=");
        push_number(out, self.max, self.fine);
        if let Some(window) = self.window {
            // Writing to a String cannot fail.
            let _ = write!(out, ";w={}", window.as_secs());
        }
    }
}

/// The budgets as a list of structured fields (RFC 9651): of each the limit's name, with the measure
/// `m`, what remains `r`, the maximum `q`, and the window `w` in seconds. `None` without any.
pub fn field(budgets: &[Budget]) -> Option<String> {
    let mut text = String::new();
    for budget in budgets.iter().take(SHOWN_LIMIT) {
        if !text.is_empty() {
            text.push_str(", ");
        }
        budget.write(&mut text);
    }
    Some(text).filter(|text| !text.is_empty())
}

fn push_quoted(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            ' '..='~' => out.push(letter),
            _ => out.push('?'),
        }
    }
}

/// A whole number, or a decimal of three places, rounded down: never more than there is.
fn push_number(out: &mut String, amount: Amount, fine: bool) {
    let _ = if fine {
        let whole = (amount / BILLION).min(WHOLE_LIMIT);
        let thousandths = amount % BILLION / (BILLION / 1_000);
        write!(out, "{whole}.{thousandths:03}")
    } else {
        write!(out, "{}", amount.min(INTEGER_LIMIT))
    };
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Budget, field};
    use crate::policy::model::Measure;

    #[test]
    fn budgets_are_a_list_of_structured_fields() {
        let calls = Budget {
            limit: "p/run".into(),
            measure: Measure::Fixed("calls"),
            used: 17,
            max: 120,
            fine: false,
            window: None,
        };
        let sum = Budget {
            limit: "p/sum".into(),
            measure: Measure::Written(r#"sum(args["é"])"#.into()),
            used: 1_999_900_000,
            max: 2_000_000_000,
            fine: true,
            window: Some(Duration::from_secs(60)),
        };
        assert_eq!(field(&[]), None);
        assert_eq!(
            field(&[calls.clone(), sum]).as_deref(),
            Some(concat!(
                r#""p/run";m="calls";r=103;q=120, "#,
                r#""p/sum";m="sum(args[\"?\"])";r=0.000;q=2.000;w=60"#
            ))
        );
        let many = vec![calls; 50];
        assert!(field(&many).is_some_and(|text| text.len() < 512));
    }
}
