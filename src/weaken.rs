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
    /// The lock is let go between the look at a budget and its taking.
    LetGo,
    /// A reservation that is dropped is neither settled nor released.
    LeakReservation,
    /// What a child run is given is not taken from its parent.
    FreeChildren,
    /// A run token is believed without its signature.
    ForgedTokens,
    /// Duplicate keys of a JSON object are let pass.
    DuplicateKeys,
    /// Another spelling of a ruled tool is a tool without rules.
    LookalikesPass,
    /// A rule that cannot be evaluated says nothing.
    PassUnevaluable,
    /// `default: deny` denies nothing.
    DefaultAllow,
    /// A precondition is met by calls that failed.
    CountFailures,
    /// The first finding decides, and not the strongest.
    FirstDecides,
    /// Repeated refusals stay refusals.
    NoSpiral,
    /// That a run was stopped is not remembered.
    ForgetStop,
    /// Calls in flight are not part of the run's history.
    BlindToOpenCalls,
    /// Loops are judged by arguments alone.
    BlindToResults,
    /// Writes are retried like reads.
    RetryWrites,
    /// Retries know no budget.
    UnboundedRetries,
    /// A write whose outcome is unknown may be repeated.
    ForgetUnknown,
    /// The same write again goes under a new idempotency key.
    FreshKeys,
    /// A tool that fails is given no rest.
    NoBreaker,
    /// A half-open breaker lets everything through.
    UnboundedProbes,
    /// An upstream has any number of calls at a time.
    NoInFlight,
    /// An earlier answer stands in whatever the credential.
    SharedFallback,
    /// An approval is not used up.
    ReuseApproval,
    /// An approval is good for other bodies.
    LooseApproval,
    /// Calls are not held against the kill switches.
    LeakyKill,
    /// Calls that wait for a retry do not hear of a kill switch.
    DeafRetries,
    /// Arguments are not held against their schema.
    NoSchema,
    /// What rules made of arguments is not held against their schema.
    UncheckedRewrites,
    /// Rules over results are not asked.
    NoResultRules,
    /// Redaction finds nothing.
    NoRedaction,
    /// The admin side answers under any host's name.
    AnyHost,
    /// The admin side takes requests of pages of any origin.
    AnyOrigin,
    /// Every admin token may do everything.
    AnyScope,
    /// A call takes its rules and its settings from two snapshots.
    TwoSnapshots,
    /// A reload takes what may change from files that ask for what cannot.
    HalfReload,
    /// Policies that do not hold are replaced by none.
    LenientReload,
    /// A call whose client went away leaves no record.
    LoseAborted,
    /// Writes go on while nothing can be recorded.
    UnrecordedWrites,
}

impl Hole {
    /// Every hole, with the name that `TOOLGATE_WEAKEN` takes.
    pub const ALL: [(Self, &'static str); 39] = [
        (Self::CheckThenSpend, "check-then-spend"),
        (Self::LetGo, "let-go"),
        (Self::LeakReservation, "leak-reservation"),
        (Self::FreeChildren, "free-children"),
        (Self::ForgedTokens, "forged-tokens"),
        (Self::DuplicateKeys, "duplicate-keys"),
        (Self::LookalikesPass, "lookalikes-pass"),
        (Self::PassUnevaluable, "pass-unevaluable"),
        (Self::DefaultAllow, "default-allow"),
        (Self::CountFailures, "count-failures"),
        (Self::FirstDecides, "first-decides"),
        (Self::NoSpiral, "no-spiral"),
        (Self::ForgetStop, "forget-stop"),
        (Self::BlindToOpenCalls, "blind-to-open-calls"),
        (Self::BlindToResults, "blind-to-results"),
        (Self::RetryWrites, "retry-writes"),
        (Self::UnboundedRetries, "unbounded-retries"),
        (Self::ForgetUnknown, "forget-unknown"),
        (Self::FreshKeys, "fresh-keys"),
        (Self::NoBreaker, "no-breaker"),
        (Self::UnboundedProbes, "unbounded-probes"),
        (Self::NoInFlight, "no-in-flight"),
        (Self::SharedFallback, "shared-fallback"),
        (Self::ReuseApproval, "reuse-approval"),
        (Self::LooseApproval, "loose-approval"),
        (Self::LeakyKill, "leaky-kill"),
        (Self::DeafRetries, "deaf-retries"),
        (Self::NoSchema, "no-schema"),
        (Self::UncheckedRewrites, "unchecked-rewrites"),
        (Self::NoResultRules, "no-result-rules"),
        (Self::NoRedaction, "no-redaction"),
        (Self::AnyHost, "any-host"),
        (Self::AnyOrigin, "any-origin"),
        (Self::AnyScope, "any-scope"),
        (Self::TwoSnapshots, "two-snapshots"),
        (Self::HalfReload, "half-reload"),
        (Self::LenientReload, "lenient-reload"),
        (Self::LoseAborted, "lose-aborted"),
        (Self::UnrecordedWrites, "unrecorded-writes"),
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
