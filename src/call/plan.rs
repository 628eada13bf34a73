//! What the config says of calls to one tool, beyond where it is: the same for every call to it.

pub mod resilience;

pub use self::resilience::{BreakerPlan, FallbackPlan, Resilience, RetryOn, RetryPlan};

/// How calls to a tool are carried out. Made when the config is loaded; a call holds it.
#[derive(Debug, Default)]
pub struct Plan {
    /// What happens when the tool fails.
    pub resilience: Resilience,
}
