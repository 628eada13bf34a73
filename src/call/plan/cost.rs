//! What a call to a tool costs: a price, or what its result says, up to a maximum.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::json;
use crate::policy::amount::Usd;
use crate::policy::expr::Program;
use crate::policy::history::History;
use crate::policy::view::{CallView, Caller, Effect, Env, NO_LABELS, RunView, ToolFacts};

/// The cost of calls to one tool.
#[derive(Clone, Debug, Default)]
pub struct CostPlan {
    /// The most that a call costs: reserved before it is forwarded, and charged when it is not known
    /// what it cost.
    max: Usd,
    /// Reads the cost from the result, in US dollars; absent, every call costs `max`.
    from_result: Option<Arc<Program>>,
}

/// A cost as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nothing says what calls to the tool cost.
    Free,
    Known(Usd),
    /// It cannot be read from the result: the maximum is charged.
    Unknown(Usd),
}

impl CostPlan {
    /// Every call costs the same.
    pub fn fixed(price: Usd) -> Self {
        Self { max: price, from_result: None }
    }

    /// The result says what a call cost; `program` is of `Site::Cost`.
    pub fn read(program: Program, max: Usd) -> Self {
        Self { max, from_result: Some(Arc::new(program)) }
    }

    /// The most that a call costs.
    pub fn max(&self) -> Usd {
        self.max
    }

    /// Whether the config says what a call costs, and that it costs something.
    pub fn is_said(&self) -> bool {
        self.max > Usd::ZERO || self.from_result.is_some()
    }

    /// Whether the result must be kept to know the cost.
    pub fn reads_result(&self) -> bool {
        self.from_result.is_some()
    }

    /// What a call cost that was sent and gave `result`, if that is known as a whole.
    pub fn of(&self, result: Option<json::Value<'_>>) -> Cost {
        let Some(program) = &self.from_result else {
            return if self.max == Usd::ZERO { Cost::Free } else { Cost::Known(self.max) };
        };
        let nanos = result.and_then(|result| evaluate(program, result));
        nanos.map_or(Cost::Unknown(self.max), Cost::Known)
    }
}

impl Cost {
    /// What is charged; `None` when nothing says.
    pub fn charged(self) -> Option<Usd> {
        match self {
            Self::Free => None,
            Self::Known(usd) | Self::Unknown(usd) => Some(usd),
        }
    }
}

/// The program sees `result` alone, which stands where the arguments of a call do elsewhere.
fn evaluate(program: &Program, result: json::Value<'_>) -> Option<Usd> {
    let tool = ToolFacts {
        name: "".into(),
        server: "".into(),
        operation: "".into(),
        tags: Vec::new().into(),
        effect: Effect::Read,
        version: "".into(),
    };
    let (caller, history) = (Caller::default(), History::default());
    let env = Env {
        call: CallView {
            args: result,
            args_bytes: 0,
            protocol: "",
            method: "",
            path: "",
            step: 0,
            intended: None,
            model: None,
            tool: &tool,
            caller: &caller,
        },
        run: RunView {
            id: "",
            age: Duration::ZERO,
            calls: 0,
            errors: 0,
            denials: 0,
            tokens: 0,
            cost_usd: Usd::ZERO,
            labels: &NO_LABELS,
            history: &history,
        },
        prior: None,
        answer: None,
        now: Now { mono: Duration::ZERO, wall_ms: 0 },
    };
    program.eval_amount(&env).ok().map(Usd::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::{Cost, CostPlan};
    use crate::json::Document;
    use crate::policy::amount::Usd;
    use crate::policy::expr::{Site, compile};

    fn usd(text: &str) -> Usd {
        Usd::parse(text).expect(text)
    }

    #[test]
    fn a_price_is_a_price_and_nothing_is_nothing() {
        assert_eq!(CostPlan::default().of(None), Cost::Free);
        assert_eq!(CostPlan::fixed(usd("0.001")).of(None), Cost::Known(usd("0.001")));
    }

    #[test]
    fn a_cost_is_read_from_the_result_or_is_the_maximum() {
        let program = compile("double(result.usage.cost) * 2.0", Site::Cost).expect("it compiles");
        let plan = CostPlan::read(program, usd("0.05"));
        let of = |text: &str| plan.of(Some(Document::from_text(text).expect(text).root()));
        assert_eq!(of(r#"{"usage":{"cost":0.002}}"#), Cost::Known(usd("0.004")));
        assert_eq!(of(r#"{"usage":{"cost":"1.5"}}"#), Cost::Known(usd("3")));
        for unknown in [r#"{"usage":{}}"#, r#"{"usage":{"cost":-1}}"#, "[]", "1"] {
            assert_eq!(of(unknown), Cost::Unknown(usd("0.05")), "{unknown}");
        }
        assert_eq!(plan.of(None), Cost::Unknown(usd("0.05")));
    }

    #[test]
    fn a_cost_sees_the_result_and_nothing_else() {
        for source in ["args.cost", "run.calls", "now", "prior.result", "run.count(\"a.b\")"] {
            assert!(compile(source, Site::Cost).is_err(), "{source}");
        }
        assert!(compile("has(result.cost) ? result.cost : 0", Site::Cost).is_ok());
        assert!(compile("\"free\"", Site::Cost).is_err());
    }
}
