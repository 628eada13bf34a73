//! What became of the telemetry itself, and what the gate is.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// What came of a look at the config's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// They hold, and are in force.
    Ok,
    /// They do not hold; nothing changed.
    Invalid,
    /// They say what they said.
    Unchanged,
}

impl ReloadResult {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Invalid => "invalid",
            Self::Unchanged => "unchanged",
        }
    }
}

pub(super) struct Reloads {
    looks: Family<ReloadLabels, Counter>,
    /// 1 while the files say what is in force.
    in_force: Gauge,
}

impl Reloads {
    pub fn registered(registry: &mut Registry) -> Self {
        let looks = Family::<ReloadLabels, Counter>::default();
        // There from the start, so that the first failure is an increase.
        for result in [ReloadResult::Ok, ReloadResult::Invalid, ReloadResult::Unchanged] {
            drop(looks.get_or_create(&ReloadLabels { result: result.name() }));
        }
        let in_force = Gauge::default();
        in_force.set(1);
        registry.register(
            "toolgate_policy_reloads",
            "Looks at changed files of config and policies, by what came of them",
            looks.clone(),
        );
        registry.register(
            "toolgate_policy_last_reload_successful",
            "Whether the files of config and policies, as last looked at, are in force: 1 or 0",
            in_force.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("toolgate_build_info", "The version of the gate; always 1", build);
        Self { looks, in_force }
    }

    pub fn looked(&self, result: ReloadResult) {
        self.looks.get_or_create(&ReloadLabels { result: result.name() }).inc();
        match result {
            ReloadResult::Ok => drop(self.in_force.set(1)),
            ReloadResult::Invalid => drop(self.in_force.set(0)),
            // They may say what was refused before.
            ReloadResult::Unchanged => {}
        }
    }
}
