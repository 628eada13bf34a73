//! Compiled expressions: what evaluating one rule's condition costs.
#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot be set up stops")]

#[expect(dead_code, reason = "what other benches measure with")]
#[path = "support/workload.rs"]
mod workload;
#[expect(dead_code, reason = "what other benches measure with")]
#[path = "support/world.rs"]
mod world;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use toolgate::json::Document;
use toolgate::policy::expr::{Program, Site, compile};
use toolgate::policy::history::{Captured, History, Step};
use toolgate::policy::view::{Env, NO_LABELS, RunView};
use world::World;

/// Conditions beyond those of the shared workload, with what they show.
const MORE: [(&str, &str); 7] = [
    ("a list", "args.items.exists(i, i.quantity > 100)"),
    ("a prior call among 100", r#"run.prior("api.verify").exists(p, p.args.payment_id == "none")"#),
    ("a count over 5 minutes", r#"run.count("api.*", duration("5m")) > 1000"#),
    ("the time in a zone", r#"now.getHours("Europe/Berlin") in [25, 26]"#),
    (
        "shell",
        r#"shell("cd /tmp && tar xf a.tgz | head -3; rm -rf ./build").exists(c, c.name == "dd")"#,
    ),
    (
        "sql",
        r#"!sql("select o.id, sum(i.price) from orders o join items i on i.order_id = o.id where o.day > '2026-01-01' group by o.id").all(s, s.kind == "select")"#,
    ),
    ("a host", r#"host("https://api.corp.example/v1/x?y=z") != "api.corp.example""#),
];

fn program(source: &str) -> Program {
    compile(source, Site::Rule).unwrap_or_else(|faults| panic!("{source}: {faults:?}"))
}

/// A hundred verified payments.
fn history() -> History {
    let mut history = History::default();
    for number in 0..100 {
        let id = Document::from_text(&format!("\"pay_{number:08}\"")).expect("it is JSON");
        history.push(Step {
            tool: "api.verify".into(),
            ended: Duration::from_secs(number),
            succeeded: true,
            call_key: number,
            result_key: number,
            captured: vec![Captured { path: "args.payment_id".into(), value: Some(id) }],
        });
    }
    history
}

fn evaluate(criterion: &mut Criterion) {
    let world = World::new(&workload::rules(0, 1));
    let history = history();
    let env = Env {
        call: world.view(101),
        run: RunView {
            id: "run-1",
            age: Duration::from_secs(100),
            calls: 100,
            errors: 0,
            denials: 0,
            tokens: 0,
            cost_usd: toolgate::policy::amount::Usd::ZERO,
            labels: &NO_LABELS,
            history: &history,
        },
        prior: None,
        answer: None,
        now: world.clock.now(),
    };
    let mut group = criterion.benchmark_group("expressions");
    let mut measure = |name: &str, source: &str| {
        let program = program(source);
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| black_box(program.eval_bool(black_box(&env)).is_ok()));
        });
    };
    for (number, condition) in workload::CONDITIONS.iter().enumerate() {
        measure(&format!("rule {number}"), condition);
    }
    for (name, condition) in MORE {
        measure(name, condition);
    }
    group.finish();
}

fn load(criterion: &mut Criterion) {
    let four_terms = workload::CONDITIONS.first().copied().unwrap_or_default();
    criterion.bench_function("expressions/compile a rule of four terms", |bencher| {
        bencher.iter(|| program(black_box(four_terms)));
    });
}

criterion_group!(benches, evaluate, load);
criterion_main!(benches);
