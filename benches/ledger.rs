//! The ledger: entering a run, deciding and settling, with few and with many live runs.

#[path = "support/workload.rs"]
mod workload;
#[path = "support/world.rs"]
mod world;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use world::{World, run};

fn whole_calls(criterion: &mut Criterion) {
    let policy = workload::rules(0, 1) + workload::LIMITS;
    let mut group = criterion.benchmark_group("ledger");
    for live in [1_usize, 10_000, 100_000] {
        let world = World::new(&policy);
        let ids: Vec<_> = (0..live).map(|number| run(&format!("run-{number}"))).collect();
        for id in &ids {
            world.call(id, 0);
        }
        // A stride that visits all runs in an order that caches do not foresee.
        let (mut at, mut result) = (0, 1);
        group.bench_function(
            BenchmarkId::new("enter, decide, settle; live runs", live),
            |bencher| {
                bencher.iter(|| {
                    at = (at + 7_919) % live;
                    result += 1;
                    if let Some(id) = ids.get(at) {
                        world.call(id, result);
                    }
                });
            },
        );
    }
    group.finish();
}

fn new_runs(criterion: &mut Criterion) {
    let world = World::new(&(workload::rules(0, 1) + workload::LIMITS));
    let mut number = 0_u64;
    criterion.bench_function("ledger/first call of a run", |bencher| {
        bencher.iter(|| {
            number += 1;
            world.call(&run(&format!("run-{number}")), 0);
        });
    });
}

criterion_group!(benches, whole_calls, new_runs);
criterion_main!(benches);
