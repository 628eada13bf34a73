//! Holes for tests of the tests: a build with the feature `weakened` leaves one check out when
//! `TOOLGATE_WEAKEN` names it, and the suites must notice. No other build has them.

#[cfg(all(feature = "weakened", not(debug_assertions)))]
compile_error!(
    "the feature `weakened` opens holes on purpose: it is for debug builds of tests only"
);

/// A check that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// Budgets are looked at before they are taken: what is reserved is not seen.
    CheckThenSpend,
    /// A reservation that is dropped is neither settled nor released.
    LeakReservation,
    /// Duplicate keys of a JSON object are let pass.
    DuplicateKeys,
    /// Calls in flight are not part of the run's history.
    BlindToOpenCalls,
    /// Loops are judged by arguments alone.
    BlindToResults,
    /// Writes are retried like reads.
    RetryWrites,
    /// A write whose outcome is unknown may be repeated.
    ForgetUnknown,
    /// A half-open breaker lets everything through.
    UnboundedProbes,
    /// An approval is not used up.
    ReuseApproval,
    /// Calls that wait for a retry do not hear of a kill switch.
    DeafRetries,
    /// Arguments are not held against their schema.
    NoSchema,
    /// Redaction finds nothing.
    NoRedaction,
    /// A call takes its rules and its settings from two snapshots.
    TwoSnapshots,
    /// A call whose client went away leaves no record.
    LoseAborted,
}

impl Hole {
    /// Every hole, with the name that `TOOLGATE_WEAKEN` takes.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::CheckThenSpend, "check-then-spend"),
        (Self::LeakReservation, "leak-reservation"),
        (Self::DuplicateKeys, "duplicate-keys"),
        (Self::BlindToOpenCalls, "blind-to-open-calls"),
        (Self::BlindToResults, "blind-to-results"),
        (Self::RetryWrites, "retry-writes"),
        (Self::ForgetUnknown, "forget-unknown"),
        (Self::UnboundedProbes, "unbounded-probes"),
        (Self::ReuseApproval, "reuse-approval"),
        (Self::DeafRetries, "deaf-retries"),
        (Self::NoSchema, "no-schema"),
        (Self::NoRedaction, "no-redaction"),
        (Self::TwoSnapshots, "two-snapshots"),
        (Self::LoseAborted, "lose-aborted"),
    ];

    /// Whether this process runs with the hole. Always `false`, and known to be so when compiling,
    /// without the feature.
    #[cfg(not(feature = "weakened"))]
    #[inline(always)]
    pub const fn is_open(self) -> bool {
        false
    }

    /// Whether this process runs with the hole.
    #[cfg(feature = "weakened")]
    pub fn is_open(self) -> bool {
        static OPEN: std::sync::OnceLock<Option<Hole>> = std::sync::OnceLock::new();
        let open = OPEN.get_or_init(|| {
            let wanted = std::env::var("TOOLGATE_WEAKEN").ok()?;
            Self::ALL.into_iter().find(|(_, name)| *name == wanted).map(|(hole, _)| hole)
        });
        *open == Some(self)
    }
}
