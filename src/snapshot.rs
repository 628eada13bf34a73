//! Settings, policies and upstreams as one unit: a call takes one snapshot and sees no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::call::{Refusal, StopReason};
use crate::forward::{ConnectError, Upstream, UpstreamSpec};
use crate::identify::Terms;
use crate::policy::set::PolicySet;

/// What a gate goes by until the next reload.
pub struct Snapshot {
    pub terms: Terms,
    pub policies: PolicySet,
    upstreams: HashMap<Arc<str>, Upstream>,
}

impl Snapshot {
    /// Sets the upstreams up; connects nowhere yet.
    ///
    /// # Errors
    /// The first upstream that cannot be set up.
    pub fn new(
        terms: Terms,
        policies: PolicySet,
        upstreams: &[UpstreamSpec],
    ) -> Result<Self, ConnectError> {
        let upstreams = upstreams
            .iter()
            .map(|spec| Ok((spec.name.clone(), Upstream::new(spec)?)))
            .collect::<Result<_, ConnectError>>()?;
        Ok(Self { terms, policies, upstreams })
    }

    /// The upstream of that name.
    ///
    /// # Errors
    /// `gate_unavailable`; cannot happen while routes and upstreams come from one config.
    pub fn upstream(&self, name: &str) -> Result<&Upstream, Refusal> {
        self.upstreams.get(name).ok_or_else(|| {
            Refusal::without_rule(StopReason::GateUnavailable, "The tool's upstream is not set up.")
        })
    }

    /// Longest silence within an answer of that upstream.
    pub fn idle_timeout(&self, name: &str) -> Duration {
        self.upstreams.get(name).map_or(Duration::ZERO, Upstream::idle_timeout)
    }
}
