//! What spans cost: the gate without an exporter beside the same gate with one, to a collector that
//! takes everything and to one that never answers.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::gate::{self, Gate};
use crate::process::{self, Load};
use crate::report::{Row, Spread};
use crate::{Options, report, side_by_side};

/// Prints the table, and the share of a call's processor time that goes into telemetry.
pub fn print(options: &Options) {
    let (_tool, upstream) = process::server(process::role(&["upstream"]));
    let (_collector, collector) = process::server(process::role(&["collector"]));
    let (_silent, silent) = process::server(process::role(&["silent"]));
    let mut load = Load::start();
    let policy = gate::policy();
    let gate = |name, export: (SocketAddr, u32)| {
        Gate::start_exporting(name, upstream, Some(&policy), export)
    };
    let gates = [
        Gate::start("no spans", upstream, Some(&policy)),
        gate("spans of 10% of runs", (collector, 10)),
        gate("spans of all runs", (collector, 100)),
        gate("spans of all runs, to a collector that never answers", (silent, 100)),
    ];
    let endpoints: Vec<_> = gates.iter().map(|gate| &gate.endpoint).collect();
    let rows = side_by_side(options, &mut load, &endpoints, 1_024, options.connections);
    report::table_against("1 KiB, the cost of spans", "no spans", &rows);
    let Some((without, others)) = rows.split_first() else { return };
    println!();
    for row in others {
        println!("Share of telemetry, {}: {} % of CPU a call", row.name, share(row, without));
    }
}

/// Of a call's processor time, in a hundred, what it takes more than without, round by round.
fn share(row: &Row, without: &Row) -> Spread {
    let pairs = row.costs.iter().zip(&without.costs);
    Spread::of(pairs.map(|(with, without)| {
        (with.cpu_micros() - without.cpu_micros()) / with.cpu_micros() * 100.0
    }))
}

/// A collector that takes connections and says nothing, on a port it prints.
pub fn silent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        println!("{}", listener.local_addr().expect("an address"));
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await.expect("a connection"));
        }
    });
}
