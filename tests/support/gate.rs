//! Ledger and guards without sockets, for tests that make very many calls.

use std::sync::Arc;
use std::time::Duration;

use toolgate::call::{Caller, Effect, Refusal, RunId, Status, ToolFacts};
use toolgate::clock::{Clock, ManualClock};
use toolgate::guard::{self, Granted, Refused};
use toolgate::json::{Document, loop_key};
use toolgate::ledger::{
    Asked, Bounds, EndedRun, Ledger, Reservation, RunEnds, Settlement, Sizes, Work,
};
use toolgate::policy::amount::Usd;
use toolgate::policy::compile::compile;
use toolgate::policy::set::{Applicable, PolicySet};
use toolgate::policy::view::CallView;
use toolgate::yaml::Source;

/// Policies, a ledger, and a clock that moves when told to.
pub struct Gate {
    pub clock: ManualClock,
    pub ledger: Arc<Ledger>,
    pub policies: PolicySet,
}

struct Unheard;

impl RunEnds for Unheard {
    fn run_ended(&self, _: EndedRun) {}
}

/// One call, ready to be asked for again and again.
pub struct Call<'a> {
    tool: ToolFacts,
    args: &'a Document,
    key: u64,
    applicable: Arc<Applicable>,
    caller: Caller,
    sizes: Sizes,
}

impl Gate {
    /// A gate with these policies.
    pub fn new(policies: &[(&str, &str)]) -> Self {
        let source = |(name, text): &(&str, &str)| {
            Arc::new(Source { name: (*name).to_owned(), text: (*text).to_owned() })
        };
        let sources: Vec<_> = policies.iter().map(source).collect();
        let (policies, _) = compile(&sources, None).expect("the policies compile");
        let clock = ManualClock::new(1_700_000_000_000);
        let bounds = Bounds { live_runs: 1_000_000, idle_end: Duration::from_secs(600) };
        let ledger = Ledger::new(Clock::Manual(clock.clone()), bounds, Arc::new(Unheard));
        Self { clock, ledger, policies }
    }

    /// A gate with one policy of these limits.
    pub fn limited(limits: &str) -> Self {
        let head = "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: t }\nlimits:\n";
        Self::new(&[("t.yaml", &format!("{head}{limits}"))])
    }

    /// A call to a tool.
    pub fn call<'a>(&self, tool: &str, args: &'a Document) -> Call<'a> {
        let (server, operation) = tool.split_once('.').unwrap_or(("tools", tool));
        let tool = ToolFacts {
            name: format!("{server}.{operation}").into(),
            server: server.into(),
            operation: operation.into(),
            tags: Arc::from([]),
            effect: Effect::Write,
            version: "".into(),
        };
        Call {
            applicable: self.policies.applicable(&tool),
            key: loop_key::<&str>(&tool.name, args.root(), &[]),
            args,
            tool,
            caller: Caller {
                tenant: "acme".into(),
                project: "desk".into(),
                user: "ada".into(),
                agent: "bot".into(),
            },
            sizes: Sizes::default(),
        }
    }

    /// Judges a call and takes what it may use.
    pub fn admit(&self, run: &RunId, call: &Call<'_>) -> Result<(Granted, Reservation), Refusal> {
        let now = self.clock.now();
        let visit = self.ledger.enter(run.clone(), "test", &call.caller, now);
        let view = CallView {
            args: call.args.root(),
            args_bytes: 2,
            protocol: "http",
            method: "POST",
            path: "/",
            step: visit.step(),
            intended: None,
            model: None,
            tool: &call.tool,
            caller: &call.caller,
        };
        let asked = Asked {
            tool: call.tool.name.clone(),
            call_key: call.key,
            sizes: call.sizes,
            work: Work::Tool,
        };
        let decided = visit.decide(asked, view, &call.applicable.limits, now, |look| {
            guard::judge(view, call.key, &call.applicable, look, now)
        });
        decided.map_err(|Refused { refusal, .. }| refusal)
    }

    /// Ends a call that was sent.
    pub fn settle(&self, reservation: Reservation, end: End) {
        reservation.mark_sent();
        let settlement = Settlement {
            status: if end.ok { Status::Ok } else { Status::Error },
            succeeded: end.ok,
            result_key: end.result,
            captured: Vec::new(),
            upstream: Duration::ZERO,
            cost: end.cost,
            tokens: end.tokens,
        };
        reservation.settle(settlement, self.clock.now());
    }
}

impl Call<'_> {
    /// The same call, for which so much is reserved.
    pub fn sized(self, sizes: Sizes) -> Self {
        Self { sizes, ..self }
    }
}

/// A run's id.
pub fn run(name: &str) -> RunId {
    RunId(name.into())
}

/// How a call ended.
#[derive(Clone, Copy)]
pub struct End {
    pub ok: bool,
    pub result: u64,
    pub cost: Option<Usd>,
    pub tokens: Option<u64>,
}

impl End {
    /// Well, with a result that `result` tells from others.
    pub fn ok(result: u64) -> Self {
        Self { ok: true, result, cost: None, tokens: None }
    }
}
