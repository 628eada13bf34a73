//! The suites must see: each hole that a weakened build opens on purpose is noticed by the tests
//! that stand against it, and without the hole the same tests pass.

#![expect(clippy::expect_used, clippy::panic, reason = "what is not as expected fails the test")]

use std::process::{Command, Stdio};

use toolgate::weaken::Hole;

/// Which test notices which hole: the hole, cargo's words for the binary, and a test in it.
const WATCHES: &[(Hole, &[&str], &str)] = &[
    (Hole::DuplicateKeys, PROXY, "input::json_that_two_parsers_could_read_differently"),
    (
        Hole::TwoSnapshots,
        PROXY,
        "reload::a_thousand_reloads_under_load_mix_no_versions_and_drop_no_calls",
    ),
    (Hole::RetryWrites, PROXY, "resilience::a_write_without_a_key_is_sent_once"),
    (
        Hole::ForgetUnknown,
        PROXY,
        "resilience::a_write_that_was_not_answered_is_not_repeated_until_somebody_has_looked",
    ),
    (
        Hole::UnboundedProbes,
        &["--lib"],
        "ledger::breakers::tests::thousands_at_the_moment_of_half_open_let_exactly_the_probes_through",
    ),
    (Hole::DeafRetries, PROXY, "resilience::a_call_that_waits_hears_of_the_kill_switch"),
    (Hole::CheckThenSpend, PROXY, "limits::ten_thousand_calls_against_a_budget_of_777"),
    (Hole::LeakReservation, PROXY, "limits::clients_that_vanish_leave_nothing_reserved"),
    (Hole::BlindToResults, &["--lib"], "guard::tests::a_poll_whose_answer_changes_is_no_loop"),
    (
        Hole::BlindToOpenCalls,
        &["--lib"],
        "ledger::tests::history_has_a_call_from_its_admission_on_and_keeps_it_when_the_agent_goes_away",
    ),
    (Hole::LoseAborted, PROXY, "record::a_client_that_goes_away_before_its_answer"),
];

const PROXY: &[&str] = &["--test", "proxy"];

/// What a test did.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Passed,
    Failed,
}

/// Runs one test, with or without a hole.
fn run(binary: &[&str], test: &str, hole: Option<&str>) -> Seen {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["test", "--quiet", "--locked", "--features", "weakened"])
        .args(binary)
        .args(["--", "--exact", test])
        .env_remove("TOOLGATE_WEAKEN")
        .stdin(Stdio::null());
    if let Some(hole) = hole {
        command.env("TOOLGATE_WEAKEN", hole);
    }
    let output = command.output().expect("cargo can be run");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("running 1 test"), "{test} is not one test:\n{said}\n{errors}");
    match (output.status.success(), said.contains("test result: FAILED")) {
        (true, false) => Seen::Passed,
        (false, true) => Seen::Failed,
        (_, _) => panic!("{test} ended in no result:\n{said}\n{errors}"),
    }
}

#[test]
fn every_hole_is_seen() {
    let mut unseen = Vec::new();
    for (hole, name) in Hole::ALL {
        let watches: Vec<_> = WATCHES.iter().filter(|(watched, _, _)| *watched == hole).collect();
        if watches.is_empty() {
            unseen.push(format!("{name}: no test is named that would notice"));
        }
        for (_, binary, test) in watches {
            if run(binary, test, None) != Seen::Passed {
                unseen.push(format!("{test} fails without a hole"));
            }
            let seen = run(binary, test, Some(name));
            println!("{name}: {test} {seen:?}");
            if seen != Seen::Failed {
                unseen.push(format!("{name}: {test} passes all the same"));
            }
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}
