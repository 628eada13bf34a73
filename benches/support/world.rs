//! A gate's memory without its sockets: policies, ledger and a clock that stands still.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot be set up stops")]

use std::sync::Arc;
use std::time::Duration;

use toolgate::call::{Caller, Effect, RunId, Status, ToolFacts};
use toolgate::clock::{Clock, ManualClock};
use toolgate::guard::{self, Granted, Refused};
use toolgate::json::{Document, loop_key};
use toolgate::ledger::{
    Asked, Bounds, EndedRun, Ledger, Reservation, RunEnds, Settlement, Sizes, Work,
};
use toolgate::policy::compile::compile;
use toolgate::policy::set::{Applicable, PolicySet};
use toolgate::policy::view::CallView;
use toolgate::yaml::Source;

use crate::workload;

/// Policies, ledger and one call that is made again and again.
pub struct World {
    pub clock: ManualClock,
    pub ledger: Arc<Ledger>,
    pub policies: PolicySet,
    pub args: Document,
    pub tool: ToolFacts,
    pub caller: Caller,
    key: u64,
}

struct Unheard;

impl RunEnds for Unheard {
    fn run_ended(&self, _: EndedRun) {}
}

impl World {
    /// A world with the policy of this text.
    pub fn new(policy: &str) -> Self {
        let source = Arc::new(Source { name: "bench.yaml".to_owned(), text: policy.to_owned() });
        let (policies, _) = compile(&[source], None).expect("the policy compiles");
        let clock = ManualClock::new(1_772_600_767_089);
        let bounds = Bounds { live_runs: 1_000_000, idle_end: Duration::from_secs(600) };
        let args = Document::from_text(&workload::arguments(1, 1_024)).expect("it is JSON");
        Self {
            ledger: Ledger::new(Clock::Manual(clock.clone()), bounds, Arc::new(Unheard)),
            clock,
            policies,
            key: loop_key::<&str>(workload::TOOL, args.root(), &[]),
            args,
            tool: tool(workload::TOOL),
            caller: Caller {
                tenant: "acme".into(),
                project: "".into(),
                user: "".into(),
                agent: "bench".into(),
            },
        }
    }

    /// What expressions see of the call.
    pub fn view(&self, step: u64) -> CallView<'_> {
        CallView {
            args: self.args.root(),
            args_bytes: 1_024,
            protocol: "http",
            method: "POST",
            path: "/refunds",
            step,
            intended: None,
            model: None,
            tool: &self.tool,
            caller: &self.caller,
        }
    }

    /// Enters the run, judges the call and takes what it may use.
    pub fn admit(&self, run: &RunId) -> Result<(Granted, Reservation), Box<Refused>> {
        let applicable = self.policies.applicable(&self.tool);
        self.admit_under(run, &applicable)
    }

    fn admit_under(
        &self,
        run: &RunId,
        applicable: &Applicable,
    ) -> Result<(Granted, Reservation), Box<Refused>> {
        let now = self.clock.now();
        let visit = self.ledger.enter(run.clone(), "header", &self.caller, now);
        let view = self.view(visit.step());
        let asked = Asked {
            tool: self.tool.name.clone(),
            call_key: self.key,
            sizes: Sizes::default(),
            work: Work::Tool,
        };
        visit
            .decide(asked, view, &applicable.limits, now, |look| {
                guard::judge(view, self.key, applicable, look, now)
            })
            .map_err(Box::new)
    }

    /// Ends an admitted call well, with a result that `result_key` tells from others.
    pub fn settle(&self, reservation: Reservation, result_key: u64) {
        reservation.mark_sent();
        let settlement = Settlement {
            status: Status::Ok,
            succeeded: true,
            result_key,
            captured: Vec::new(),
            upstream: Duration::ZERO,
            cost: None,
            tokens: None,
        };
        reservation.settle(settlement, self.clock.now());
    }

    /// One whole call that passes.
    pub fn call(&self, run: &RunId, result_key: u64) {
        match self.admit(run) {
            Ok((_, reservation)) => self.settle(reservation, result_key),
            Err(refused) => panic!("refused: {}", refused.refusal.message),
        }
    }
}

/// Facts of a tool that writes.
pub fn tool(name: &str) -> ToolFacts {
    let (server, operation) = name.split_once('.').expect("server.operation");
    ToolFacts {
        name: name.into(),
        server: server.into(),
        operation: operation.into(),
        tags: Arc::from([]),
        effect: Effect::Write,
        version: "".into(),
    }
}

/// A run's id.
pub fn run(name: &str) -> RunId {
    RunId(name.into())
}
