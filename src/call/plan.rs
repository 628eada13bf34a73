//! What the config says of calls to one tool, beyond where it is: the same for every call to it.

mod cost;
pub mod resilience;

pub use self::cost::{Cost, CostPlan};
pub use self::resilience::{BreakerPlan, FallbackPlan, Resilience, RetryOn, RetryPlan};

/// How calls to a tool are carried out. Made when the config is loaded; a call holds it.
#[derive(Debug, Default)]
pub struct Plan {
    /// What a call costs.
    pub cost: CostPlan,
    /// What happens when the tool fails.
    pub resilience: Resilience,
}
