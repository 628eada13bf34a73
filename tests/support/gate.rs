//! Ledger and guards without sockets, for tests that make very many calls.

use std::sync::Arc;
use std::time::Duration;

use toolgate::call::{Caller, Effect, Refusal, RunId, Status, ToolFacts};
use toolgate::clock::{Clock, ManualClock};
use toolgate::guard::{self, Granted, Refused};
use toolgate::json::{Document, loop_key};
use toolgate::ledger::{Asked, Bounds, EndedRun, Ledger, Reservation, RunEnds, Settlement, Sizes};
use toolgate::policy::amount::Usd;
use toolgate::policy::compile::compile;
use toolgate::policy::set::PolicySet;
use toolgate::policy::view::CallView;
use toolgate::yaml::Source;

/// Policies, a ledger, and a clock that moves when told to.
pub struct Gate {
    pub clock: ManualClock,
    pub ledger: Arc<Ledger>,
    policies: PolicySet,
}

struct Unheard;

impl RunEnds for Unheard {
    fn run_ended(&self, _: EndedRun) {}
}

/// One call that is asked for.
pub struct Call<'a> {
    pub run: &'a str,
    pub tool: &'a str,
    pub args: &'a Document,
    pub caller: &'a Caller,
    pub sizes: Sizes,
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

    /// Judges a call and takes what it may use.
    pub fn admit(&self, call: &Call<'_>) -> Result<(Granted, Reservation), Refusal> {
        let (server, operation) = call.tool.split_once('.').unwrap_or(("tools", call.tool));
        let tool = ToolFacts {
            name: format!("{server}.{operation}").into(),
            server: server.into(),
            operation: operation.into(),
            tags: Arc::from([]),
            effect: Effect::Write,
            version: "".into(),
        };
        let now = self.clock.now();
        let visit = self.ledger.enter(RunId(call.run.into()), "test", call.caller, now);
        let applicable = self.policies.applicable(&tool);
        let key = loop_key::<&str>(&tool.name, call.args.root(), &[]);
        let view = CallView {
            args: call.args.root(),
            args_bytes: 2,
            protocol: "http",
            method: "POST",
            path: "/",
            step: visit.step(),
            intended: None,
            tool: &tool,
            caller: call.caller,
        };
        let asked = Asked { tool: tool.name.clone(), call_key: key, sizes: call.sizes };
        let decided = visit.decide(asked, view, &applicable.limits, now, |look| {
            guard::judge(view, key, &applicable, look, now)
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
