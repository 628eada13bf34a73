//! Budgets of every kind under ten thousand concurrent calls, twenty times over: never overspent,
//! exactly spent when all is well, and nothing reserved afterwards, whatever ways out calls take.

#![expect(clippy::expect_used, reason = "what is not as expected fails the test")]

#[path = "support/gate.rs"]
mod gate;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use gate::{End, Gate, run};
use toolgate::call::{Refusal, StopReason};
use toolgate::json::Document;
use toolgate::ledger::{Reservation, Sizes};
use toolgate::policy::amount::Usd;

const CALLS: u64 = 10_000;
const ROUNDS: u64 = 20;
const THREADS: u64 = 8;

/// How a call that was admitted comes to its end.
#[derive(Clone, Copy, PartialEq)]
enum Exit {
    /// Sent and settled: it is used.
    Settled,
    /// Sent and given up: it is used, at what was reserved.
    GivenUp,
    /// Sent, and the task panics.
    SentPanic,
    /// Given up before it was sent: it is given back.
    Unsent,
    /// The task panics before it was sent.
    UnsentPanic,
}

/// One kind of budget.
struct Kind {
    limits: &'static str,
    /// Calls that fit, when each is used.
    fit: u64,
    reason: StopReason,
    sizes: Sizes,
}

fn kind(limits: &'static str, fit: u64, reason: StopReason) -> Kind {
    Kind { limits, fit, reason, sizes: Sizes::default() }
}

/// Makes all calls of a round, spread over threads that begin together.
fn all(gate: &Gate, kind: &Kind, exit: impl Fn(u64) -> Exit + Sync) -> u64 {
    let args = Document::from_text(r#"{"amount":2.5,"account":"a-7"}"#).expect("it is JSON");
    let call = gate.call("s.t", &args).sized(kind.sizes);
    let (used, start) = (AtomicU64::new(0), Barrier::new(THREADS as usize));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (used, start, exit, call) = (&used, &start, &exit, &call);
            scope.spawn(move || {
                start.wait();
                let run = run(&format!("run {}", thread % 3));
                for number in (thread..CALLS).step_by(THREADS as usize) {
                    match gate.admit(&run, call) {
                        Ok((_, reservation)) => {
                            let exit = exit(number);
                            if leave(gate, reservation, exit) {
                                used.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        Err(refusal) => assert_eq!(refusal.reason, kind.reason, "{}", kind.limits),
                    }
                }
            });
        }
    });
    used.into_inner()
}

/// Brings a call to its end, and says whether it is used.
fn leave(gate: &Gate, reservation: Reservation, exit: Exit) -> bool {
    match exit {
        Exit::Settled => gate.settle(reservation, End::ok(1)),
        Exit::GivenUp => reservation.mark_sent(),
        Exit::Unsent => drop(reservation),
        Exit::SentPanic | Exit::UnsentPanic => {
            let panicked = catch_unwind(AssertUnwindSafe(move || {
                if exit == Exit::SentPanic {
                    reservation.mark_sent();
                }
                resume_unwind(Box::new("on the way"));
            }));
            assert!(panicked.is_err());
        }
    }
    match exit {
        Exit::Settled | Exit::GivenUp | Exit::SentPanic => true,
        Exit::Unsent | Exit::UnsentPanic => false,
    }
}

fn mixed(number: u64) -> Exit {
    match number % 16 {
        0 => Exit::GivenUp,
        1 => Exit::SentPanic,
        2 | 3 => Exit::Unsent,
        4 => Exit::UnsentPanic,
        _ => Exit::Settled,
    }
}

/// Twenty rounds, of which the first half goes well throughout and the second has every exit.
fn check(kind: &Kind) {
    for round in 0..ROUNDS {
        let gate = Gate::limited(kind.limits);
        let used = if round < ROUNDS / 2 {
            all(&gate, kind, |_| Exit::Settled)
        } else {
            all(&gate, kind, mixed)
        };
        assert_eq!(used, kind.fit, "round {round} of {}", kind.limits);
        assert_eq!(gate.ledger.reserved_amounts(), 0, "round {round} of {}", kind.limits);
    }
}

#[test]
fn calls() {
    check(&kind(
        "- { id: a, per: agent, max: { calls: 777 }, then: deny }\n",
        777,
        StopReason::BudgetCalls,
    ));
}

#[test]
fn money() {
    check(&Kind {
        sizes: Sizes { cost: Usd::parse("0.003").expect("money"), tokens: 0 },
        ..kind(
            "- { id: a, per: tenant, max: { cost_usd: 2.0 }, then: deny }\n",
            666,
            StopReason::BudgetUsd,
        )
    });
}

#[test]
fn tokens() {
    check(&Kind {
        sizes: Sizes { cost: Usd::ZERO, tokens: 700 },
        ..kind(
            "- { id: a, per: project, max: { tokens: 400000 }, then: deny }\n",
            571,
            StopReason::BudgetTokens,
        )
    });
}

#[test]
fn sums_by_key() {
    check(&kind(
        "- { id: a, per: args.account, max: { \"sum(args.amount)\": 1000 }, then: deny }\n",
        400,
        StopReason::BudgetSum,
    ));
}

#[test]
fn windows_for_users() {
    check(&kind(
        "- { id: a, per: user, max: { calls: 1500 }, within: 1h, then: deny }\n",
        1_500,
        StopReason::BudgetCalls,
    ));
}

#[test]
fn several_at_once() {
    check(&Kind {
        sizes: Sizes { cost: Usd::parse("0.01").expect("money"), tokens: 1 },
        ..kind(
            "- { id: a, per: tool, max: { calls: 900, tokens: 900 }, then: deny }\n\
             - { id: b, per: global, max: { cost_usd: 5 }, within: 1h, then: deny }\n\
             - { id: c, per: 'caller.user + \"/\" + tool.name', max: { \"sum(args.amount)\": 9000 },\n  \
                 then: deny }\n",
            500,
            StopReason::BudgetUsd,
        )
    });
}

/// A rate gives back the latest call alone: with aborts, a few of the burst may stay taken.
#[test]
fn rates_in_virtual_time() {
    let kind = kind(
        "- { id: a, per: tool, max: { rate: 100/s, burst: 300 }, then: deny }\n",
        300,
        StopReason::RateLimited,
    );
    let mut gate = Gate::limited(kind.limits);
    for round in 0..ROUNDS {
        if round < ROUNDS / 2 {
            // The burst first, then what a second frees.
            let fit = if round == 0 { 300 } else { 100 };
            assert_eq!(all(&gate, &kind, |_| Exit::Settled), fit, "round {round}");
            gate.clock.advance(Duration::from_secs(1));
        } else {
            gate = Gate::limited(kind.limits);
            let used = all(&gate, &kind, mixed);
            assert!((1..=300).contains(&used), "round {round}: {used}");
        }
        assert_eq!(gate.ledger.reserved_amounts(), 0);
    }
}

#[test]
fn calls_in_flight() {
    let kind = kind(
        "- { id: a, per: global, max: { in_flight: 3 }, then: deny }\n",
        0,
        StopReason::TooManyInFlight,
    );
    for round in 0..ROUNDS {
        let gate = Gate::limited(kind.limits);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        let used = all(&gate, &kind, |number| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            mixed(number)
        });
        let most = most.into_inner();
        assert!((1..=3).contains(&most) && used > 0, "round {round}: {most} at once");
        assert_eq!(gate.ledger.reserved_amounts(), 0, "round {round}");
    }
}

/// Makes calls that hold their reservations until all are made, so that all are in flight at once.
fn held(gate: &Gate, values: &[Document]) -> Vec<Reservation> {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as usize)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    let mine = values.iter().skip(thread).step_by(THREADS as usize);
                    let admitted = mine.filter_map(|args| {
                        let call = gate.call("s.t", args);
                        gate.admit(&run("r"), &call).ok().map(|(_, reservation)| reservation)
                    });
                    admitted.collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

#[test]
fn different_values() {
    let values: Vec<Document> = (0..CALLS)
        .map(|number| format!(r#"{{"to":"person {}"}}"#, number % 500))
        .map(|text| Document::from_text(&text).expect("it is JSON"))
        .collect();
    for round in 0..ROUNDS {
        let gate =
            Gate::limited("- { id: a, per: run, max: { 'distinct(args.to)': 40 }, then: deny }\n");
        let admitted = held(&gate, &values);
        // Each of 40 values passes each of the 20 times that it comes.
        assert!(admitted.len() as u64 <= 40 * CALLS / 500, "round {round}");
        assert!(admitted.len() as u64 >= 40, "round {round}");
        for (number, reservation) in admitted.into_iter().enumerate() {
            leave(
                &gate,
                reservation,
                if round < 10 { Exit::Settled } else { mixed(number as u64) },
            );
        }
        assert_eq!(gate.ledger.reserved_amounts(), 0, "round {round}");
        if round < 10 {
            let again = held(&gate, &values);
            assert_eq!(again.len() as u64, 40 * CALLS / 500, "round {round}: the 40 values, all");
        }
    }
}

/// What fails or is refused is known only then: once the maximum is known to be reached nothing
/// passes, and what was under way before is all that comes on top.
#[test]
fn failures_and_refusals() {
    let args = Document::from_text("{}").expect("it is JSON");
    let ask = |gate: &Gate| -> Result<Reservation, Refusal> {
        gate.admit(&run("r"), &gate.call("s.t", &args)).map(|(_, reservation)| reservation)
    };
    for round in 0..ROUNDS {
        let gate = Gate::limited(
            "- { id: e, per: run, max: { errors: 50 }, then: deny }\n\
             - { id: d, per: run, max: { denials: 5000 }, then: stop }\n",
        );
        let (failed, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (gate, ask, failed, refused) = (&gate, &ask, &failed, &refused);
                scope.spawn(move || {
                    for number in (thread..CALLS).step_by(THREADS as usize) {
                        match ask(gate) {
                            Ok(reservation) => {
                                // What is given up has failed as well.
                                if number % 3 > 0 {
                                    gate.settle(reservation, End { ok: false, ..End::ok(1) });
                                }
                                failed.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(refusal) => {
                                if refusal.reason == StopReason::BudgetErrors {
                                    refused.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                        }
                    }
                });
            }
        });
        let (failed, refused) = (failed.into_inner(), refused.into_inner());
        assert!((50 - THREADS..50 + THREADS).contains(&failed), "round {round}: {failed} failed");
        assert_eq!(refused, 5_000, "round {round}: then the run is stopped");
        assert_eq!(ask(&gate).err().map(|refusal| refusal.reason), Some(StopReason::RunStopped));
        assert_eq!(gate.ledger.reserved_amounts(), 0, "round {round}");
    }
}

/// Keys may come from callers: as many as may be are remembered, and none of them is had anew.
#[test]
fn keys_beyond_the_cap_are_refused_and_buy_nothing() {
    let gate = Gate::limited(
        "- { id: a, per: args.id, max: { calls: 1 }, then: deny }\n\
         - { id: b, per: args.id, tools: [s.brief], max: { calls: 1 }, within: 10s, then: deny }\n",
    );
    let ask = |number: usize| {
        let args = Document::from_text(&format!(r#"{{"id":{number}}}"#)).expect("it is JSON");
        let (_, reservation) = gate.admit(&run("r"), &gate.call("s.t", &args))?;
        reservation.mark_sent();
        Ok::<_, Refusal>(())
    };
    let cap = toolgate::ledger::SCOPE_LIMIT_KEYS;
    for number in 0..cap {
        assert!(ask(number).is_ok(), "{number}");
    }
    gate.clock.advance(Duration::from_secs(3_600));
    assert_eq!(ask(cap).err().map(|refusal| refusal.reason), Some(StopReason::GateUnavailable));
    assert_eq!(ask(7).err().map(|refusal| refusal.reason), Some(StopReason::BudgetCalls));
    gate.ledger.sweep(gate.clock.now());
    assert_eq!(gate.ledger.wider_scopes(), cap, "a budget for life is never forgotten");
}

#[test]
fn keys_whose_windows_are_empty_make_room() {
    let gate = Gate::limited(
        "- { id: a, per: args.id, max: { calls: 1, cost_usd: 1 }, within: 10s, then: deny }\n\
         - { id: b, per: args.id, max: { rate: 1/s, in_flight: 5 }, then: deny }\n",
    );
    let ask = |number: usize| {
        let args = Document::from_text(&format!(r#"{{"id":{number}}}"#)).expect("it is JSON");
        gate.admit(&run("r"), &gate.call("s.t", &args))
            .map(|(_, reservation)| reservation.mark_sent())
            .is_ok()
    };
    assert!(ask(1) && !ask(1) && ask(2));
    gate.clock.advance(Duration::from_secs(9));
    gate.ledger.sweep(gate.clock.now());
    assert_eq!(gate.ledger.wider_scopes(), 2, "what was forgotten could be had anew");
    assert!(!ask(1));
    gate.clock.advance(Duration::from_secs(10));
    gate.ledger.sweep(gate.clock.now());
    assert_eq!(gate.ledger.wider_scopes(), 0);
    assert!(ask(1));
}
