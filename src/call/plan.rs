//! What the config says of calls to one tool, beyond where it is: the same for every call to it.

mod cost;

pub use self::cost::{Cost, CostPlan};

/// How calls to a tool are carried out. Made when the config is loaded; a call holds it.
#[derive(Debug, Default)]
pub struct Plan {
    pub cost: CostPlan,
}
