//! What the config says of calls to one tool, beyond where it is: the same for every call to it.

mod cost;
mod output;
pub mod resilience;

use std::sync::Arc;

pub use self::cost::{Cost, CostPlan};
pub use self::output::OutputPlan;
pub use self::resilience::{BreakerPlan, FallbackPlan, Resilience, RetryOn, RetryPlan};
use crate::contract::Contract;

/// How calls to a tool are carried out. Made when the config is loaded; a call holds it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What a call costs.
    pub cost: CostPlan,
    /// What the tool takes and answers, where that is declared.
    pub contract: Option<Arc<Contract>>,
    pub output: OutputPlan,
    /// What happens when the tool fails.
    pub resilience: Resilience,
}
