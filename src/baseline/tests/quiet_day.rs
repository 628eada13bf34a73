//! A day on which nothing changes: what is told all the same.

use std::collections::BTreeSet;

use super::traffic::{HOUR, World};

/// Days that are played, each at its own volume.
const DAYS: u64 = 12;

#[test]
fn a_quiet_day_is_told_of_for_one_baseline_in_a_hundred_at_most() {
    quiet(0..DAYS);
}

#[test]
#[ignore = "takes minutes: ten times as many days"]
fn many_quiet_days_are_told_of_no_more() {
    quiet(1_000..1_000 + DAYS * 10);
}

fn quiet(seeds: std::ops::Range<u64>) {
    let (mut kept, mut false_ones, mut told, mut calls) = (0, 0, 0, 0);
    let days = seeds.end - seeds.start;
    for seed in seeds {
        let volume = [0.3, 1.0, 1.0, 4.0][seed as usize % 4];
        let mut world = World::new(seed, volume);
        world.play(24.0 * HOUR, |_, _| false);
        let names: BTreeSet<_> = world
            .told
            .iter()
            .map(|one| (one.moved.signal, one.moved.agent.clone(), one.moved.tool.clone()))
            .collect();
        kept += world.baselines_kept();
        false_ones += names.len();
        told += world.told.len();
        calls += world.calls;
        for one in &world.told {
            println!("  day {seed}, {volume} times, hour {:.1}: {}", one.at / HOUR, one.moved);
        }
    }
    let percent = 100.0 * false_ones as f64 / kept as f64;
    println!(
        "quiet days: {days}, calls {calls}, baselines {kept}, with a false drift {false_ones} \
         ({percent:.2} %), false drifts a day {:.2}",
        told as f64 / days as f64
    );
    assert!(calls > 500_000, "{calls} calls");
    assert!(percent <= 1.0, "{percent} % of baselines told of a change on a quiet day");
}
