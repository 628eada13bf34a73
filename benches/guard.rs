//! The guard chain in process: what judging one call costs, by rules loaded, rules applying,
//! limits and history.

#[path = "support/workload.rs"]
mod workload;
#[path = "support/world.rs"]
mod world;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use world::{World, run};

/// Judges the same call of the same run and gives back what it took: nothing is sent, so the run's
/// history stays as it is.
fn judge(criterion: &mut Criterion, group: &str, name: &str, world: &World) {
    let id = run("run-1");
    criterion.benchmark_group(group).bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter(|| assert!(black_box(world.admit(&id)).is_ok(), "nothing is refused here"));
    });
}

fn rules(criterion: &mut Criterion) {
    judge(criterion, "guard", "no rules", &World::new(&workload::rules(0, 1)));
    for (applying, loaded) in [(1, 1), (10, 10), (10, 100), (10, 1_000), (1_000, 1_000)] {
        let world = World::new(&workload::rules(applying, loaded));
        judge(criterion, "guard", &format!("{applying} of {loaded} rules apply"), &world);
    }
}

fn limits(criterion: &mut Criterion) {
    let limits = workload::rules(0, 1) + workload::LIMITS;
    judge(criterion, "guard", "limits", &World::new(&limits));
    let window = workload::rules(0, 1)
        + "limits:\n- { id: w, per: agent, max: { calls: 1000000 }, within: 1h, then: deny, \
           message: m }\n";
    let world = World::new(&window);
    for call in 0..100_000 {
        world.call(&run("run-1"), call);
    }
    judge(criterion, "guard", "a window with 100,000 calls in it", &world);
}

fn history(criterion: &mut Criterion) {
    let everything = workload::rules(10, 10) + workload::LIMITS;
    let world = World::new(&everything);
    judge(criterion, "guard", "10 rules and limits, no history", &world);
    for call in 0..300 {
        world.call(&run("run-1"), call);
    }
    judge(criterion, "guard", "10 rules and limits, history of 256 steps", &world);
    let prior = "apiVersion: toolgate/v1\nkind: Policy\nmetadata: { name: p }\nmode: enforce\n\
                 rules:\n- id: once\n  tools: [api.refund]\n  then: deny\n  message: m\n  \
                 when: run.count(\"api.verify\", duration(\"5m\")) > 0\n";
    let world = World::new(prior);
    for call in 0..300 {
        world.call(&run("run-1"), call);
    }
    judge(criterion, "guard", "a rule that walks 256 steps", &world);
}

criterion_group!(benches, rules, limits, history);
criterion_main!(benches);
