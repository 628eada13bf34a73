//! Changes that are put into traffic: how many are told, and how soon.

use super::traffic::{Anomaly, HOUR, World};
use crate::baseline::Signal;
use crate::call::{ErrorClass, RunEnd, StopReason};

/// When the change comes: when so much time has passed and so many values of the baseline were seen.
const ONSET_SECONDS: f64 = 8.0 * HOUR;
const ONSET_VALUES: u64 = 400;

/// What has to be told within this time, or within this many values of the baseline, whichever is
/// longer.
const BOUND_SECONDS: f64 = 0.5 * HOUR;
const BOUND_VALUES: u64 = 500;

/// What is told of an anomaly, and of whom.
fn expected(anomaly: Anomaly) -> (Signal, Whose) {
    match anomaly {
        Anomaly::LatencyTimes(tool, _) | Anomaly::TailTimes(tool, ..) => {
            (Signal::Latency, Whose::Tool(tool))
        }
        Anomaly::ErrorShare(tool, _) | Anomaly::NewError(tool, ..) => {
            (Signal::ErrorMix, Whose::Tool(tool))
        }
        Anomaly::ShapeChanged(tool) => (Signal::ResponseShape, Whose::Tool(tool)),
        Anomaly::CallsTimes(agent, _) => (Signal::CallsPerRun, Whose::Agent(agent)),
        Anomaly::TokensTimes(agent, _) => (Signal::TokensPerRun, Whose::Agent(agent)),
        Anomaly::EndShare(agent, ..) => (Signal::StopReasonMix, Whose::Agent(agent)),
    }
}

#[derive(Clone, Copy)]
enum Whose {
    Tool(usize),
    Agent(usize),
}

struct Trial {
    told_after: Option<(f64, u64)>,
    /// Times it was told.
    times: usize,
}

fn values(world: &World, whose: Whose) -> u64 {
    match whose {
        Whose::Tool(tool) => world.values.0[tool],
        Whose::Agent(agent) => world.values.1[agent],
    }
}

/// How often it was told, from then on, that this has moved, and when first.
fn told(world: &World, (signal, whose): (Signal, Whose), from: f64) -> (usize, Option<f64>) {
    let (agent, tool) = match whose {
        Whose::Tool(tool) => (None, Some(&world.tools[tool].name)),
        Whose::Agent(agent) => (Some(&world.agents[agent].name), None),
    };
    let mut found = world.told.iter().filter(|one| {
        let moved = &one.moved;
        let is_it = moved.agent.as_ref() == agent && moved.tool.as_ref() == tool;
        moved.signal == signal && is_it && one.at >= from
    });
    let first = found.next().map(|one| one.at);
    (usize::from(first.is_some()) + found.count(), first)
}

fn trial(anomaly: Anomaly, volume: f64, seed: u64) -> Trial {
    let wanted = expected(anomaly);
    let whose = wanted.1;
    let mut world = World::new(seed, volume);
    let mut onset = 0.0_f64;
    while onset < ONSET_SECONDS || values(&world, whose) < ONSET_VALUES {
        onset += 0.25 * HOUR;
        world.play(onset, |_, _| false);
    }
    world.anomaly = Some((onset, anomaly));
    // A run shows only when it has ended, and many end by being idle for half an hour.
    let shows = match whose {
        Whose::Tool(_) => onset,
        Whose::Agent(_) => onset + 0.5 * HOUR,
    };
    world.play(shows, |_, _| false);
    let before = values(&world, whose);
    world.play(onset * 100.0, |world, at| {
        let late = values(world, whose) > before + BOUND_VALUES;
        (late && at > shows + BOUND_SECONDS) || told(world, wanted, onset).0 > 0
    });
    let (_, first) = told(&world, wanted, onset);
    let told_after = first.map(|at| (at - shows, values(&world, whose) - before));
    if let Some(at) = first {
        // It goes on, and is not told again.
        world.play(at + 2.0 * HOUR, |_, _| false);
    }
    Trial { told_after, times: told(&world, wanted, onset).0 }
}

fn anomalies() -> Vec<(&'static str, Vec<Anomaly>)> {
    use Anomaly::*;
    let looped = RunEnd::Stopped(StopReason::LoopDetected);
    vec![
        ("latency x3", [0, 1, 2, 3, 4, 5, 7].map(|tool| LatencyTimes(tool, 3.0)).to_vec()),
        ("a tenth at p95 x3", [0, 1, 2, 3, 4, 5].map(|tool| TailTimes(tool, 0.1, 3.0)).to_vec()),
        ("errors to 10 %", [0, 1, 3, 4, 5].map(|tool| ErrorShare(tool, 0.1)).to_vec()),
        (
            "new error class 5 %",
            [0, 1, 3, 4, 5]
                .map(|tool| NewError(tool, ErrorClass::MalformedResponse, 0.05))
                .to_vec(),
        ),
        ("response shape", [0, 1, 2, 3, 4, 5].map(ShapeChanged).to_vec()),
        ("calls per run x2", [0, 1, 2, 3].map(|agent| CallsTimes(agent, 2.0)).to_vec()),
        ("tokens per run x2", [0, 1, 3].map(|agent| TokensTimes(agent, 2.0)).to_vec()),
        ("loops to 20 %", [0, 1, 2, 3].map(|agent| EndShare(agent, looped, 0.2)).to_vec()),
    ]
}

#[test]
fn nineteen_of_twenty_changes_are_told_soon_and_once() {
    inject(&[1.0, 4.0], 0..1);
}

#[test]
#[ignore = "takes minutes: twelve times as many changes"]
fn many_changes_are_told_as_well() {
    inject(&[0.5, 1.0, 4.0], 100..108);
}

fn inject(volumes: &[f64], seeds: std::ops::Range<u64>) {
    let (mut caught, mut all, mut again) = (0, 0, 0);
    println!("change                told       minutes p50 / max     values p50 / max");
    for (name, of_whom) in anomalies() {
        let mut found: Vec<(f64, u64)> = Vec::new();
        let mut tried = 0;
        for anomaly in of_whom {
            for volume in volumes.iter().copied() {
                for seed in seeds.clone() {
                    let trial = trial(anomaly, volume, seed * 1_000 + 7);
                    tried += 1;
                    again += usize::from(trial.times > 1);
                    match trial.told_after {
                        Some(after) => found.push(after),
                        None => println!("  missed: {anomaly:?} at volume {volume}, seed {seed}"),
                    }
                }
            }
        }
        all += tried;
        caught += found.len();
        print_row(name, tried, &mut found);
    }
    println!("all: {caught} of {all}, told again while it lasted: {again}");
    assert!(all >= 80, "{all} trials");
    assert!(caught * 100 >= all * 95, "{caught} of {all} changes were told");
    assert!(again * 100 <= all, "{again} of {all} changes were told more than once");
}

fn print_row(name: &str, tried: usize, found: &mut [(f64, u64)]) {
    let middle = found.len() / 2;
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let minutes = |at: usize| found.get(at).map_or(0.0, |one| one.0 / 60.0);
    let (half, most) = (minutes(middle), minutes(found.len().saturating_sub(1)));
    let mut values: Vec<u64> = found.iter().map(|one| one.1).collect();
    values.sort_unstable();
    let value = |at: usize| values.get(at).copied().unwrap_or_default();
    println!(
        "{name:<20} {:>3} of {tried:<3} {half:>12.0} / {most:<8.0} {:>10} / {}",
        found.len(),
        value(middle),
        value(values.len().saturating_sub(1)),
    );
}
