//! Meters against naive models: lists of everything that happened, summed up anew each time.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;

use super::{Bucket, Occurrences, Tally, Values, digest};
use crate::clock::Now;
use crate::policy::amount::Amount;
use crate::policy::model::Rate;

fn at(seconds: u64) -> Now {
    Now { mono: Duration::from_secs(seconds), wall_ms: 0 }
}

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

/// What happens to a tally.
#[derive(Clone, Debug)]
enum Turn {
    Wait(u64),
    Reserve(Amount),
    /// Settles the oldest reservation that is open, at another figure.
    Settle(Amount),
    Release,
}

/// When a call was admitted, what it counts, and under which time and figure it is open.
type Seen = (u64, Amount, Option<(Duration, Amount)>);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        3 => (0..40_u64).prop_map(Turn::Wait),
        4 => (0..1_000_u128).prop_map(Turn::Reserve),
        2 => (0..2_000_u128).prop_map(Turn::Settle),
        1 => Just(Turn::Release),
    ];
    proptest::collection::vec(turn, 1..120)
}

proptest! {
    #[test]
    fn a_tally_is_the_sum_of_what_happened(turns in turns(), window in prop::bool::ANY) {
        let within = window.then_some(Duration::from_secs(60));
        let (mut tally, mut now) = (Tally::default(), 0);
        // Of every call: when it was admitted, what it counts, and whether it is open.
        let mut calls: Vec<Seen> = Vec::new();
        for turn in turns {
            let open = calls.iter_mut().find(|call| call.2.is_some());
            match (turn, open) {
                (Turn::Wait(seconds), _) => now += seconds,
                (Turn::Reserve(amount), _) => {
                    let taken = tally.reserve(amount, within, at(now));
                    calls.push((now, amount, Some((taken, amount))));
                }
                (Turn::Settle(real), Some(call)) => {
                    let (taken, amount) = call.2.take().expect("it is open");
                    tally.settle(taken, amount, real);
                    call.1 = real;
                }
                (Turn::Release, Some(call)) => {
                    let (taken, amount) = call.2.take().expect("it is open");
                    tally.release(taken, amount);
                    call.1 = 0;
                }
                (Turn::Settle(_) | Turn::Release, None) => {}
            }
            let counts = |call: &&Seen| !window || now - call.0 < 60;
            let used: Amount = calls.iter().filter(counts).map(|call| call.1).sum();
            prop_assert_eq!(tally.used(within, at(now)), used);
            let reserved: Amount = calls.iter().filter_map(|call| call.2).map(|open| open.1).sum();
            prop_assert_eq!(tally.reserved(), reserved);
            if let Some(wait) = tally.wait(1, used.max(1), Duration::from_secs(60), at(now))
                && window && used > 0
            {
                let then = Now { mono: at(now).mono + wait, wall_ms: 0 };
                prop_assert!(tally.used(within, then) < used, "waiting frees something");
            }
        }
    }

    #[test]
    fn no_stretch_of_time_sees_more_calls_than_rate_and_burst_allow(
        gaps in proptest::collection::vec(0..900_u64, 1..200),
        calls in 1..20_u32,
        burst in 1..10_u32,
    ) {
        let nanos = 1_000_000_000_u64.div_ceil(u64::from(calls));
        let rate = Rate { interval: Duration::from_nanos(nanos), burst };
        let (mut bucket, mut now) = (Bucket::default(), Duration::ZERO);
        let mut passed: Vec<Duration> = Vec::new();
        for gap in gaps {
            now += Duration::from_millis(gap);
            let at = Now { mono: now, wall_ms: 0 };
            let fits = bucket.used(rate, at) < Amount::from(burst);
            prop_assert_eq!(fits, bucket.wait(rate, at).is_zero());
            if fits {
                bucket.take(rate, at);
                passed.push(now);
            } else {
                let then = Now { mono: now + bucket.wait(rate, at), wall_ms: 0 };
                prop_assert!(bucket.used(rate, then) < Amount::from(burst), "it lets go in time");
            }
        }
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let stretch = (*to - *from).as_nanos();
                let allowed = Amount::from(burst) + stretch / Amount::from(nanos);
                prop_assert!((last - first + 1) as u128 <= allowed);
            }
        }
    }

    #[test]
    fn values_are_counted_once_however_often_they_come(
        turns in proptest::collection::vec((0..3_u8, 0..6_u8, 0..30_u64), 1..100),
    ) {
        let (mut values, mut now) = (Values::default(), 0);
        let mut open: Vec<(u8, u64)> = Vec::new();
        let mut used: Vec<(u8, u64)> = Vec::new();
        for (turn, value, gap) in turns {
            now += gap;
            match turn {
                0 => {
                    prop_assert!(values.reserve(digest(&value.to_string()), MINUTE, at(now)));
                    open.push((value, now));
                }
                1 => if let Some((value, taken)) = open.pop() {
                    values.settle(&digest(&value.to_string()), at(taken).mono);
                    used.push((value, taken));
                },
                _ => if let Some((value, _)) = open.pop() {
                    values.release(&digest(&value.to_string()));
                },
            }
            let recent = used.iter().filter(|(_, taken)| now - taken < 60).map(|(value, _)| value);
            let distinct: HashSet<_> = recent.chain(open.iter().map(|(value, _)| value)).collect();
            prop_assert_eq!(values.used(MINUTE, at(now)), distinct.len() as u128);
            prop_assert_eq!(values.reserved(), open.len() as u128);
            for value in 0..6_u8 {
                let has = values.has(&digest(&value.to_string()), MINUTE, at(now));
                prop_assert_eq!(has, distinct.contains(&value));
            }
        }
    }
}

#[test]
fn a_full_window_is_remembered_in_parts_and_lets_go_late_but_never_early() {
    let window = Duration::from_secs(3_600);
    let mut tally = Tally::default();
    for second in 0..3_600 {
        tally.reserve(1, Some(window), at(second));
    }
    assert_eq!(tally.used(Some(window), at(3_599)), 3_600, "nothing is lost");
    for second in 3_600..7_200 {
        let exact = 3_600 - u128::from(second - 3_600 + 1);
        let used = tally.used(Some(window), at(second));
        assert!(used >= exact && used <= exact + 8, "{used} of {exact} at {second}");
    }
    assert_eq!(tally.used(Some(window), at(7_200)), 0);
    let taken = at(10).mono;
    tally.settle(taken, 1, 1_000);
    assert_eq!(tally.used(Some(window), at(7_200)), 0, "what has left the window stays out");
}

#[test]
fn a_window_that_comes_later_counts_what_was_spent_before_it() {
    let hour = Some(Duration::from_secs(3_600));
    let mut tally = Tally::default();
    for second in 0..10 {
        let taken = tally.reserve(1, None, at(second));
        tally.settle(taken, 1, 1);
    }
    assert_eq!(tally.used(hour, at(20)), 10);
    assert_eq!(
        tally.wait(1, 10, Duration::from_secs(3_600), at(20)).map(|wait| wait.as_secs()),
        Some(3_589)
    );
    assert_eq!((tally.used(hour, at(3_608)), tally.used(hour, at(3_609))), (10, 0));
    assert_eq!(tally.used(None, at(3_609)), 10, "and for life all of it counts");
}

#[test]
fn calls_in_flight_when_a_window_comes_credit_what_they_took_alone() {
    let hour = Some(Duration::from_secs(3_600));
    let mut tally = Tally::default();
    let open: Vec<_> = (0..10).map(|second| tally.reserve(1, None, at(second))).collect();
    assert_eq!(tally.used(hour, at(20)), 10);
    let beside = tally.reserve(4, hour, at(20));
    for taken in open {
        tally.settle(taken, 1, 0);
    }
    assert_eq!(tally.used(hour, at(20)), 4, "each gave back its own");
    tally.settle(beside, 4, 4);
    assert_eq!((tally.used(hour, at(3_619)), tally.used(hour, at(3_620))), (4, 0));
    let late = tally.reserve(1, None, at(4_000));
    tally.reserve(7, hour, at(8_000));
    tally.settle(late, 1, 0);
    assert_eq!(tally.used(hour, at(8_000)), 7, "what has left the window credits nothing");
}

#[test]
fn a_rate_gives_back_the_latest_call_alone() {
    let rate = Rate { interval: Duration::from_secs(1), burst: 2 };
    let mut bucket = Bucket::default();
    let first = bucket.take(rate, at(0));
    let second = bucket.take(rate, at(0));
    assert_eq!((bucket.used(rate, at(0)), bucket.wait(rate, at(0)).as_secs()), (2, 1));
    bucket.give_back(first);
    assert_eq!(bucket.used(rate, at(0)), 2);
    bucket.give_back(second);
    assert_eq!(bucket.used(rate, at(0)), 1);
    assert_eq!(bucket.used(rate, at(1)), 0);
}

#[test]
fn occurrences_say_when_they_are_few_again() {
    let mut errors = Occurrences::default();
    for second in [1, 2, 30] {
        errors.note(at(second).mono);
    }
    let window = Duration::from_secs(60);
    assert_eq!(errors.wait(2, window, at(40)), Some(Duration::from_secs(22)));
    assert_eq!(errors.wait(3, window, at(40)), Some(Duration::from_secs(21)));
    assert_eq!(errors.wait(4, window, at(40)), None, "there are fewer");
    assert_eq!((errors.count(MINUTE, at(62)), errors.count(None, at(999))), (1, 3));
}
