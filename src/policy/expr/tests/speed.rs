//! Figures for the notebook: `cargo test --release … policy::expr::tests::speed -- --ignored
//! --nocapture`.

use std::hint::black_box;
use std::time::Duration;

use super::{Site, World, program, step};
use crate::clock::Clock;
use crate::policy::expr::compile;

fn time(name: &str, mut work: impl FnMut()) {
    let clock = Clock::system();
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let start = clock.now();
        for _ in 0..1_000 {
            work();
        }
        best = best.min(clock.now().since(start.mono));
    }
    println!("{:>8} ns  {name}", best.as_nanos() / 1_000);
}

#[test]
#[ignore = "prints figures"]
fn evaluation() {
    let mut world = World::new(
        r#"{"amount": 900, "currency": "USD", "command": "rm -rf /", "limit": 20, "q": "hello"}"#,
    );
    for at in 0..100 {
        world.history.push(step("payments.verify", at, &[("args.payment_id", Some("\"p\""))]));
    }
    let env = world.env();
    for source in [
        "args.amount > 500 && args.currency == \"USD\" && tool.effect == \"write\" && run.calls < 10",
        "args.amount > 1000",
        "args.currency in [\"EUR\", \"GBP\", \"USD\"]",
        "args.?limit.orValue(0) > 100",
        "args.q.matches(\"^h.*z$\")",
        "run.count(\"payments.*\") > 5",
        "run.count(\"payments.*\", duration(\"5m\")) > 5",
        "run.prior(\"payments.*\").exists(p, p.args.payment_id == \"q\")",
        "now.getHours(\"Europe/Berlin\") in [9, 10, 11, 12, 13, 14, 15, 16]",
        "shell(args.command).exists(c, c.name == \"rm\" && c.has(\"r\", \"R\", \"recursive\"))",
    ] {
        let program = program(source, Site::Rule);
        time(source, || {
            let _ = black_box(program.eval_bool(black_box(&env)));
        });
    }
}

#[test]
#[ignore = "prints figures"]
fn loading() {
    for source in [
        "args.amount > 500",
        "args.amount > 500 && args.currency == \"USD\" && tool.effect == \"write\" && run.calls < 10",
    ] {
        time(source, || {
            let _ = black_box(compile(black_box(source), Site::Rule));
        });
    }
}
