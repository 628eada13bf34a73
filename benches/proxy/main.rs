//! The gate beside a bare hyper pass-through, in processor time a call and calls a second.
//!
//! `cargo bench --bench proxy` measures; `cargo bench --bench proxy -- instructions` counts
//! instructions a call under callgrind, which repeats where time does not. Ratios between rounds
//! that were run side by side say something on shared cores, absolute figures do not.
//! `cargo bench --bench proxy -- telemetry` prints the share of a call that goes into spans.
#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a bench that cannot set itself up stops; figures need no 52 bits"
)]

mod bare;
mod collector;
mod gate;
mod instructions;
mod load;
mod peers;
mod process;
mod report;
mod telemetry;
mod upstream;
#[path = "../support/workload.rs"]
mod workload;

use std::net::SocketAddr;

use gate::Gate;
use load::Round;
use process::{Endpoint, Load};
use report::{Row, Spread};

/// How the rounds are run; each can be set in the environment.
struct Options {
    rounds: usize,
    millis: u64,
    connections: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    match words.as_slice() {
        ["upstream"] => upstream::serve(),
        ["collector"] => collector::serve(),
        ["silent"] => telemetry::silent(),
        ["bare", upstream] => bare::serve(address(upstream)),
        ["load"] => load::serve(),
        words if !words.contains(&"--bench") => println!("run me with `cargo bench`"),
        words if words.contains(&"instructions") => instructions::print(),
        words if words.contains(&"telemetry") => telemetry::print(&Options::from_environment()),
        _ => {
            let options = Options::from_environment();
            measure(&options);
            telemetry::print(&options);
        }
    }
}

impl Options {
    fn from_environment() -> Self {
        let number = |name: &str, default: u64| {
            std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        let size = |name, default| usize::try_from(number(name, default)).expect("it fits");
        Self {
            rounds: size("BENCH_ROUNDS", 15),
            millis: number("BENCH_MILLIS", 1_000),
            connections: size("BENCH_CONNECTIONS", 32),
        }
    }
}

fn measure(options: &Options) {
    let (tool, upstream) = process::server(process::role(&["upstream"]));
    let mut load = Load::start();
    let (rounds, connections) = (options.rounds, options.connections);
    println!("{rounds} rounds of {} ms, medians, (smallest–largest)", options.millis);
    for body_bytes in [1_024, 65_536] {
        let bare = bare(upstream);
        let full = Gate::start("toolgate, everything on", upstream, Some(&gate::policy()));
        let without = Gate::start("toolgate without policies", upstream, None);
        let peers = peers::installed(upstream);
        let mut endpoints = vec![&bare, &full.endpoint, &without.endpoint];
        endpoints.extend(peers.iter().map(|peer| &peer.endpoint));
        let rows = side_by_side(options, &mut load, &endpoints, body_bytes, connections);
        let title = format!("{} KiB, {connections} connections", body_bytes / 1_024);
        report::table(&title, &rows);
        let events = full.take_events() + without.take_events();
        println!("\n{events} events were written.");
        if body_bytes == 1_024 {
            latency(options, &mut load, upstream, &tool, [&bare, &full.endpoint]);
        }
    }
    let ready = (0..7).map(|_| {
        let gate = Gate::start("toolgate", upstream, Some(&gate::large_policy()));
        gate.ready.as_secs_f64() * 1e3
    });
    println!("\nStart to ready with 1,000 rules: {} ms", Spread::of(ready));
}

fn bare(upstream: SocketAddr) -> Endpoint {
    let (process, address) = process::server(process::role(&["bare", &upstream.to_string()]));
    Endpoint { name: "bare hyper", address, through_gate: false, process }
}

/// Runs rounds in turn, A B C A B C, so that what else the machine does meets all of them.
fn side_by_side(
    options: &Options,
    load: &mut Load,
    endpoints: &[&Endpoint],
    body_bytes: usize,
    connections: usize,
) -> Vec<Row> {
    let mut rows: Vec<Row> = endpoints
        .iter()
        .map(|endpoint| Row { name: endpoint.name, costs: Vec::new(), peak_mib: 0.0 })
        .collect();
    // The first turn warms caches, pools and histories up, and does not count.
    for turn in 0..=options.rounds {
        for (endpoint, row) in endpoints.iter().zip(&mut rows) {
            let round = Round {
                target: endpoint.address,
                through_gate: endpoint.through_gate,
                connections,
                body_bytes,
                millis: options.millis,
                calls: u64::MAX,
            };
            let cost = load.round(round, endpoint.process.pid());
            if turn > 0 {
                row.costs.push(cost);
            }
        }
    }
    for (endpoint, row) in endpoints.iter().zip(&mut rows) {
        row.peak_mib = process::peak_mib(endpoint.process.pid());
    }
    rows
}

/// What a proxy adds to the median time of a call when there is only one at a time.
fn latency(
    options: &Options,
    load: &mut Load,
    upstream: SocketAddr,
    tool: &process::Process,
    [bare, full]: [&Endpoint; 2],
) {
    let mut added: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds {
        let mut p50 = |target, through_gate, pid| {
            let round = Round {
                target,
                through_gate,
                connections: 1,
                body_bytes: 1_024,
                millis: options.millis / 2,
                calls: u64::MAX,
            };
            load.round(round, pid).measured.p50_micros
        };
        let direct = p50(upstream, false, tool.pid());
        let bare = p50(bare.address, false, bare.process.pid());
        let full = p50(full.address, true, full.process.pid());
        added[0].push(bare - direct);
        added[1].push(full - bare);
    }
    let [bare, full] = added.map(Spread::of);
    println!(
        "\nMedian time of a call at one connection, µs: bare adds {bare} to the direct call, "
    );
    println!("toolgate adds {full} to bare.");
}
