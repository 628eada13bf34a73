//! Reading and digesting arguments: the strict parse, the canonical form, SHA-256, the loop key.
#![expect(clippy::expect_used, reason = "a bench that cannot be set up stops")]

#[expect(dead_code, reason = "what other benches measure with")]
#[path = "support/workload.rs"]
mod workload;

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use toolgate::json::{Document, Hasher, JSON_DEPTH_LIMIT, digest, loop_key_of_canonical};

fn arguments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("digest");
    for bytes in [1_024_usize, 65_536] {
        let text = Bytes::from(workload::arguments(1, bytes));
        let document = Document::parse(text.clone(), JSON_DEPTH_LIMIT).expect("it is JSON");
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("strict parse", bytes), |bencher| {
            bencher.iter(|| Document::parse(black_box(text.clone()), JSON_DEPTH_LIMIT).is_ok());
        });
        let mut canonical = Vec::with_capacity(bytes);
        group.bench_function(BenchmarkId::new("canonical form", bytes), |bencher| {
            bencher.iter(|| {
                canonical.clear();
                document.root().write_canonical(black_box(&mut canonical));
            });
        });
        group.bench_function(BenchmarkId::new("SHA-256", bytes), |bencher| {
            bencher.iter(|| {
                let mut hasher = Hasher::new(None);
                hasher.update(black_box(&text));
                hasher.finish()
            });
        });
        group.bench_function(BenchmarkId::new("canonical form and SHA-256", bytes), |bencher| {
            bencher.iter(|| digest(black_box(document.root()), None));
        });
        group.bench_function(BenchmarkId::new("loop key", bytes), |bencher| {
            let args = document.root();
            bencher.iter(|| {
                loop_key_of_canonical::<&str>(workload::TOOL, black_box(args), &[], &canonical)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, arguments);
criterion_main!(benches);
