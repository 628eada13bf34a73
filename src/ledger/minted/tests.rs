//! Budgets of runs and the runs below them: reserved, settled with what was used, and returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::{BudgetKind, Exhausted, MintError, MintSpec, Purse, RunBudget};
use crate::call::{Caller, Effect, RunId, Status, StopReason, ToolFacts};
use crate::clock::{Clock, ManualClock, Now};
use crate::json::Document;
use crate::ledger::{
    Asked, Bounds, EndedRun, Judgement, Ledger, Reservation, RunEnds, Settlement, Sizes, Work,
};
use crate::policy::amount::Usd;
use crate::policy::view::CallView;

const NOW: Now = Now { mono: Duration::from_secs(9), wall_ms: 1_700_000_000_000 };
const TOKEN_TIME: Duration = Duration::from_secs(60);

struct Unheard;

impl RunEnds for Unheard {
    fn run_ended(&self, _: EndedRun) {}
}

fn ledger() -> Arc<Ledger> {
    let bounds = Bounds { live_runs: 100_000, idle_end: Duration::from_secs(600) };
    Ledger::new(Clock::Manual(ManualClock::new(NOW.wall_ms)), bounds, Arc::new(Unheard))
}

fn run(name: &str) -> RunId {
    RunId(Arc::from(name))
}

fn usd(nanos: u64) -> Usd {
    Usd::from_nanos(nanos.into())
}

fn sizes(nanos: u64, tokens: u64) -> Sizes {
    Sizes { cost: usd(nanos), tokens }
}

fn of(calls: u64, nanos: u64, tokens: u64) -> RunBudget {
    let (calls, cost_usd, tokens) = (Some(calls), Some(usd(nanos)), Some(tokens));
    RunBudget { calls, cost_usd, tokens, wall_time: None }
}

fn mint(
    ledger: &Ledger,
    name: &str,
    parent: Option<&str>,
    budget: RunBudget,
) -> Result<(), MintError> {
    let spec = MintSpec { parent: parent.map(run), budget, ..MintSpec::default() };
    ledger.mint(run(name), &Caller::default(), spec, TOKEN_TIME, NOW).map(|_| ())
}

/// A call that is admitted and has taken its sizes of the budget.
fn take(ledger: &Arc<Ledger>, name: &str, sizes: Sizes) -> Result<Reservation, Exhausted> {
    let caller = Caller::default();
    let tool = ToolFacts {
        name: "s.t".into(),
        server: "s".into(),
        operation: "t".into(),
        tags: Arc::from([]),
        effect: Effect::Read,
        version: "".into(),
    };
    let args = Document::from_text("{}").expect("it is JSON");
    let view = CallView {
        args: args.root(),
        args_bytes: 2,
        protocol: "http",
        method: "GET",
        path: "/",
        step: 1,
        intended: None,
        model: None,
        tool: &tool,
        caller: &caller,
    };
    let asked = Asked { tool: "s.t".into(), call_key: 1, sizes, work: Work::Tool };
    let visit = ledger.enter(run(name), "token", &caller, NOW);
    let decided = visit.decide(asked, view, &[], NOW, |_| Judgement::Admit::<(), ()>(()));
    let ((), mut reservation) = decided.expect("nothing refuses");
    reservation.take_budget(NOW).map(|()| reservation)
}

fn settle(reservation: Reservation, cost: Option<u64>, tokens: Option<u64>) {
    reservation.mark_sent();
    let settlement = Settlement {
        status: Status::Ok,
        succeeded: true,
        result_key: 1,
        captured: Vec::new(),
        upstream: Duration::ZERO,
        cost: cost.map(usd),
        tokens,
    };
    reservation.settle(settlement, NOW);
}

fn purse(ledger: &Ledger, name: &str, kind: BudgetKind) -> Purse {
    ledger.minted.get(&run(name)).expect("it was made").purses.of(kind)
}

/// What is taken of calls, money and tokens.
fn taken(ledger: &Ledger, name: &str) -> [u128; 3] {
    BudgetKind::ALL.map(|kind| purse(ledger, name, kind).taken)
}

fn end(ledger: &Ledger, name: &str) {
    ledger.stop_run(&run(name), StopReason::RunStopped);
}

#[test]
fn what_was_reserved_gives_way_to_what_was_used() {
    let ledger = ledger();
    mint(&ledger, "r", None, of(9, 100, 50)).expect("it is the eldest");
    let held = take(&ledger, "r", sizes(60, 30)).expect("it fits");
    assert_eq!(taken(&ledger, "r"), [1, 60, 30], "taken before it is sent");
    assert!(held.draws_on_budget(), "one charge is held: nothing is tried again");
    let free = take(&ledger, "r", sizes(0, 0)).expect("it fits");
    assert!(!free.draws_on_budget());
    drop(free);
    let refused = take(&ledger, "r", sizes(60, 1)).err();
    assert_eq!(
        refused,
        Some(Exhausted::Budget { kind: BudgetKind::CostUsd, limit: 100, left: 40 })
    );
    let refused = take(&ledger, "r", sizes(1, 21)).err();
    assert_eq!(refused, Some(Exhausted::Budget { kind: BudgetKind::Tokens, limit: 50, left: 20 }));
    assert_eq!(taken(&ledger, "r"), [1, 60, 30], "a refusal takes nothing of any kind");
    settle(held, Some(5), Some(7));
    assert_eq!(taken(&ledger, "r"), [1, 5, 7]);
    settle(take(&ledger, "r", sizes(60, 30)).expect("it fits now"), None, None);
    assert_eq!(taken(&ledger, "r"), [2, 65, 37], "what is not known is charged as reserved");
    drop(take(&ledger, "r", sizes(35, 13)).expect("it fits exactly"));
    assert_eq!(taken(&ledger, "r"), [2, 65, 37], "it was never sent");
    settle(take(&ledger, "r", sizes(35, 0)).expect("it fits exactly"), Some(36), None);
    assert!(take(&ledger, "r", sizes(0, 0)).is_err(), "overdrawn");
}

#[test]
fn a_child_has_its_money_and_tokens_of_its_parent() {
    let ledger = ledger();
    mint(&ledger, "p", None, of(10, 100, 1_000)).expect("it is the eldest");
    let without = RunBudget { cost_usd: None, ..of(1, 1, 1) };
    assert_eq!(mint(&ledger, "c", Some("p"), without), Err(MintError::Unbounded("cost_usd")));
    let much = MintError::TooMuch { what: "tokens", left: "1000".to_owned() };
    assert_eq!(mint(&ledger, "c", Some("p"), of(1, 1, 1_001)), Err(much));
    assert_eq!(taken(&ledger, "p"), [0, 0, 0], "nothing is carved by half");

    mint(&ledger, "c", Some("p"), of(4, 70, 300)).expect("it fits");
    assert_eq!(taken(&ledger, "p"), [4, 70, 300]);
    assert!(take(&ledger, "p", sizes(31, 0)).is_err(), "the child has the rest");
    settle(take(&ledger, "c", sizes(50, 100)).expect("it fits"), Some(20), Some(40));
    end(&ledger, "c");
    assert_eq!(taken(&ledger, "p"), [1, 20, 40], "what was used, and no more");
    assert!(take(&ledger, "c", sizes(0, 0)).is_err(), "an ended run has nothing left");
}

#[test]
fn what_a_child_uses_beyond_its_own_is_at_its_parents_cost() {
    let ledger = ledger();
    mint(&ledger, "g", None, of(10, 100, 10)).expect("it is the eldest");
    mint(&ledger, "p", Some("g"), of(9, 60, 9)).expect("it fits");
    mint(&ledger, "c", Some("p"), of(8, 50, 8)).expect("it fits");
    let (first, second) = (
        take(&ledger, "c", sizes(10, 0)).expect("it fits"),
        take(&ledger, "c", sizes(40, 0)).expect("it fits"),
    );
    settle(first, Some(35), None);
    assert_eq!(taken(&ledger, "c")[1], 75);
    assert_eq!(taken(&ledger, "p")[1], 75, "25 more than was given to the child");
    assert_eq!(taken(&ledger, "g")[1], 75, "15 more than was given to the parent");
    settle(second, Some(5), None);
    assert_eq!([taken(&ledger, "c")[1], taken(&ledger, "p")[1]], [40, 50], "within it again");
    assert_eq!(taken(&ledger, "g")[1], 60);
    // The parent is over first: what the child leaves goes on to the one above.
    end(&ledger, "p");
    assert_eq!(taken(&ledger, "g")[1], 50);
    end(&ledger, "c");
    assert_eq!(taken(&ledger, "g"), [2, 40, 0]);
}

#[test]
fn ten_thousand_calls_of_a_family_stay_within_what_its_eldest_was_given() {
    const LIMIT: u64 = 2_000_000;
    const CHILDREN: usize = 7;
    let ledger = ledger();
    mint(&ledger, "p", None, of(9_000, LIMIT, LIMIT)).expect("it is the eldest");
    for child in 0..CHILDREN {
        mint(&ledger, &format!("c{child}"), Some("p"), of(1_000, 150_000, 150_000)).expect("fits");
    }
    // Never more than the ledger has taken: added to after, and taken from before it.
    let (held, used, sent) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let call = |number: usize| {
        let name = match number % (CHILDREN + 1) {
            CHILDREN => "p".to_owned(),
            child => format!("c{child}"),
        };
        let most = 100 + (number as u64 * 7_919) % 900;
        let Ok(reservation) = take(&ledger, &name, sizes(most, most)) else { return };
        let all = held.fetch_add(most, Ordering::SeqCst) + most;
        assert!(all <= LIMIT, "{all} are held");
        if number.is_multiple_of(5) {
            held.fetch_sub(most, Ordering::SeqCst);
            return drop(reservation);
        }
        let real = if number.is_multiple_of(3) { most } else { most / 2 };
        held.fetch_sub(most - real, Ordering::SeqCst);
        used.fetch_add(real, Ordering::SeqCst);
        sent.fetch_add(1, Ordering::SeqCst);
        settle(reservation, Some(real), Some(real));
        if number.is_multiple_of(1_250) && name != "p" {
            // One ends while the others go on, and what it leaves is for the rest.
            end(&ledger, &name);
        }
    };
    thread::scope(|scope| {
        for thread in 0..8 {
            let call = &call;
            scope.spawn(move || (0..1_250).for_each(|turn| call(turn * 8 + thread)));
        }
    });
    for child in 0..CHILDREN {
        let (name, kind) = (format!("c{child}"), BudgetKind::CostUsd);
        assert!(purse(&ledger, &name, kind).overdraft() == 0, "{name}");
        end(&ledger, &name);
    }
    let [sent, used] = [sent, used].map(|count| u128::from(count.into_inner()));
    assert_eq!(taken(&ledger, "p"), [sent, used, used]);
    assert!(sent > 1_000 && used <= LIMIT.into(), "{sent} calls used {used}");
}
