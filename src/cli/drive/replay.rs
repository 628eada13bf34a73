//! Sends the recorded runs through a gate: several at once, the steps of each in order.

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::cli::drive::gate::{Fate, Gate, Unreachable};
use crate::cli::drive::recording::{Recording, Run};
use crate::cli::drive::tally::Tally;
use crate::clock::Clock;

/// How runs are driven.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub concurrency: usize,
    pub stop_at_refusal: bool,
    pub clock: Clock,
}

/// Drives all runs. Ends early only when the gate cannot be reached.
pub(super) async fn replay(
    recording: &Recording,
    gate: Gate,
    plan: &Plan,
) -> Result<Tally, Unreachable> {
    let started = plan.clock.now();
    let runs = recording.runs.iter().enumerate();
    let fates = stream::iter(runs)
        .map(|(position, run)| drive(position, run, gate.clone(), plan.stop_at_refusal))
        .buffered(plan.concurrency.max(1))
        .try_collect()
        .await?;
    Ok(Tally { fates, elapsed: plan.clock.now().since(started.mono) })
}

async fn drive(
    position: usize,
    run: &Run,
    gate: Gate,
    stop_at_refusal: bool,
) -> Result<Vec<Fate>, Unreachable> {
    let mut fates = Vec::with_capacity(run.steps.len());
    for (number, step) in run.steps.iter().enumerate() {
        let fate = gate.call(&run.id, (position, number), step).await?;
        let ends = stop_at_refusal && matches!(fate, Fate::Refused { .. });
        fates.push(fate);
        if ends {
            break;
        }
    }
    Ok(fates)
}
