//! Runs that real agents made, played as a day's traffic: `TOOLGATE_CORPORA` names the folder that
//! has them, one run a line.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::traffic::Dice;
use crate::baseline::{Baselines, Call, Moved, Run, Signal};
use crate::call::{ErrorClass, RunEnd, RunId};
use crate::clock::Now;
use crate::json::shape;

const SETS: [&str; 4] =
    ["tau_airline_gpt4o", "tau_retail_agentrx", "tau_oracle", "agentdojo_oracle_benign"];

/// Runs of each set in a day.
const RUNS: usize = 1_500;

/// A call that was made: its tool, its answer's structure, and whether it failed.
type Step = (Arc<str>, Option<u64>, bool);

fn recorded(set: &str) -> Vec<Vec<Step>> {
    let folder = PathBuf::from(std::env::var("TOOLGATE_CORPORA").unwrap());
    let text = std::fs::read_to_string(folder.join(format!("{set}.jsonl"))).unwrap();
    let step = |step: &Value| {
        let tool = Arc::from(format!("{set}.{}", step["tool"].as_str().unwrap()));
        (
            tool,
            step["result"].as_str().and_then(|result| shape(result.as_bytes())),
            !step["error"].is_null(),
        )
    };
    let run = |line: &str| {
        let run: Value = serde_json::from_str(line).unwrap();
        run["steps"].as_array().unwrap().iter().map(step).collect()
    };
    let runs: Vec<Vec<Step>> = text.lines().map(run).collect();
    runs.into_iter().filter(|run| !run.is_empty()).collect()
}

/// A day of one agent, whose runs are drawn from those that were recorded. In its second half each
/// call is made `times` over.
fn day(set: &str, seed: u64, times: u64) -> Vec<(f64, Moved)> {
    let (runs, baselines) = (recorded(set), Baselines::default());
    let (mut dice, mut told) = (Dice::new(seed), Vec::new());
    let agent: Arc<str> = Arc::from(set);
    let mut at = 0.0;
    for number in 0..RUNS {
        at += dice.wait(86_400.0 / RUNS as f64);
        let id = RunId(Arc::from(format!("{set}-{number}")));
        let now = |at: f64| Now { mono: Duration::from_secs_f64(at), wall_ms: 0 };
        let (mut calls, run) = (0, &runs[dice.pick(runs.len())]);
        for (tool, form, failed) in run {
            for _ in 0..if at > 43_200.0 { times } else { 1 } {
                calls += 1;
                let upstream = Duration::from_secs_f64(dice.log_normal(0.06, 0.7));
                let error = failed.then_some(ErrorClass::ToolError);
                let call = Call { run: Some(&id), tool, upstream, error, form: *form };
                told.extend(baselines.call(&call, now(at)).into_iter().map(|moved| (at, moved)));
            }
        }
        let run = Run { id: &id, agent: &agent, end: RunEnd::Idle, calls, tokens: 0 };
        told.extend(baselines.run_ended(&run, now(at)).into_iter().map(|moved| (at, moved)));
    }
    told
}

#[test]
#[ignore = "needs TOOLGATE_CORPORA, the folder of the recorded runs"]
fn recorded_runs_drift_when_they_change_and_not_before() {
    let (mut kept, mut false_ones) = (0, 0);
    for set in SETS {
        let tools: std::collections::BTreeSet<_> =
            recorded(set).iter().flatten().map(|(tool, ..)| Arc::clone(tool)).collect();
        for seed in 0..8 {
            kept += tools.len() * 4 + 2;
            for (at, moved) in day(set, seed, 1) {
                false_ones += 1;
                println!("  {set} {seed}, hour {:.1}: {moved}", at / 3_600.0);
            }
        }
        let doubled = day(set, 100, 2);
        let caught = doubled
            .iter()
            .find(|(_, moved)| moved.signal == Signal::CallsPerRun && moved.tool.is_none());
        let (at, moved) = caught.expect("twice as many calls per run are told");
        println!("{set}: told after {:.0} min: {moved}", (at - 43_200.0) / 60.0);
        assert!((43_200.0..43_200.0 + 4.0 * 3_600.0).contains(at));
    }
    println!("{false_ones} of {kept} baselines told of a change on a day without one");
    assert!(false_ones * 100 <= kept, "{false_ones} of {kept}");
}
