//! Instructions a call, counted by callgrind: they repeat to a percent on a busy machine, so
//! commits can be compared by them. They say nothing of SHA instructions, cache misses or the
//! kernel.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::gate::{self, Gate};
use crate::load::Round;
use crate::process::{self, Load};

/// The counts of calls whose difference is what calls alone cost.
const FEW: u64 = 1_000;
const MANY: u64 = 5_000;

/// Counts for the bare pass-through and the gate, and prints the ratio.
pub fn print() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed");
        return;
    }
    let (_tool, upstream) = process::server(process::role(&["upstream"]));
    let mut load = Load::start();
    let (_collector, collector) = process::server(process::role(&["collector"]));
    println!(
        "| body | bare | toolgate without policies | everything on | × bare | all spans exported \
         | share of export |"
    );
    println!("|---|---|---|---|---|---|---|");
    for body_bytes in [1_024, 65_536] {
        let mut counted = |start: &dyn Fn(Command) -> process::Endpoint| {
            let counts = [FEW, MANY].map(|calls| count(&mut load, start, body_bytes, calls));
            (counts[1] - counts[0]) as f64 / (MANY - FEW) as f64
        };
        let bare = counted(&|mut command| {
            command.arg(std::env::current_exe().expect("this program has a path"));
            command.args(["bare", &upstream.to_string()]);
            let (process, address) = process::server(command);
            process::Endpoint { name: "bare", address, through_gate: false, process }
        });
        let gate = |policy: Option<String>, export: String| {
            move |mut command: Command| {
                command.arg(gate::binary());
                let policy = policy.as_deref();
                Gate::start_under(command, "gate", upstream, policy, &export).endpoint
            }
        };
        let without = counted(&gate(None, String::new()));
        let full = counted(&gate(Some(gate::policy()), String::new()));
        let export = gate::export(collector, 100);
        let exporting = counted(&gate(Some(gate::policy()), export));
        let (ratio, share) = (full / bare, (exporting - full) / exporting * 100.0);
        println!(
            "| {body_bytes} | {bare:.0} | {without:.0} | {full:.0} | {ratio:.2} | {exporting:.0} \
             | {share:.1}% |"
        );
    }
}

fn count(
    load: &mut Load,
    start: &dyn Fn(Command) -> process::Endpoint,
    body_bytes: usize,
    calls: u64,
) -> u64 {
    let folder = tempfile::TempDir::new().expect("a folder");
    let counts = folder.path().join("counts");
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", counts.display()));
    let mut endpoint = start(command);
    let round = Round {
        target: endpoint.address,
        through_gate: endpoint.through_gate,
        connections: 8,
        body_bytes,
        millis: u64::from(u32::MAX),
        calls,
    };
    load.round(round, endpoint.process.pid());
    endpoint.process.terminate();
    total(&counts)
}

/// The `totals:` line of a callgrind file.
fn total(counts: &Path) -> u64 {
    let text = fs::read_to_string(counts).expect("callgrind has written its counts");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).expect("callgrind has counted")
}
