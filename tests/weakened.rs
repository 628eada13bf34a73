//! The suites must see: each hole that a weakened build opens on purpose is noticed by the test
//! that stands against it, and without the hole the same test passes.
//!
//! The binaries are built once and run directly, a test at a time.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what is not as expected fails the test; a test that hangs is ended by the real clock"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use toolgate::weaken::Hole;

/// Longest time for one test.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// Where a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Suite {
    /// Beside what it tests.
    Unit,
    /// `tests/proxy`, against the binary.
    Proxy,
}

use Suite::{Proxy, Unit};

/// Which test notices which hole.
const WATCHES: &[(Hole, Suite, &str)] = &[
    (
        Hole::CheckThenSpend,
        Unit,
        "ledger::tests::ten_thousand_calls_against_a_budget_pass_exactly_it",
    ),
    (Hole::LetGo, Unit, "ledger::tests::ten_thousand_calls_against_a_budget_pass_exactly_it"),
    (
        Hole::LeakReservation,
        Unit,
        "ledger::tests::calls_that_were_never_sent_are_given_back_on_every_way_out",
    ),
    (
        Hole::FreeChildren,
        Proxy,
        "minted_runs::a_family_of_runs_uses_no_more_than_its_eldest_was_given",
    ),
    (Hole::ForgedTokens, Proxy, "minted_runs::where_tokens_are_required_only_a_true_one_passes"),
    (Hole::DuplicateKeys, Proxy, "input::json_that_two_parsers_could_read_differently"),
    (
        Hole::LookalikesPass,
        Unit,
        "guard::tests::another_spelling_of_a_ruled_tool_does_not_pass_as_a_tool_without_rules",
    ),
    (Hole::PassUnevaluable, Proxy, "rules::a_rule_that_cannot_be_evaluated_refuses"),
    (Hole::DefaultAllow, Proxy, "rules::what_is_not_allowed_is_denied_by_default"),
    (
        Hole::CountFailures,
        Unit,
        "policy::decide::tests::requirements_see_only_what_came_to_a_good_end",
    ),
    (
        Hole::FirstDecides,
        Unit,
        "guard::tests::a_stop_outranks_a_denial_and_observed_limits_never_act",
    ),
    (
        Hole::NoSpiral,
        Unit,
        "guard::tests::refusals_of_one_rule_grow_into_a_stop_but_a_repaired_call_passes",
    ),
    (
        Hole::ForgetStop,
        Unit,
        "ledger::tests::a_run_ends_once_and_its_end_waits_for_calls_in_the_gate",
    ),
    (Hole::ForgetStop, Proxy, "rules::a_stop_ends_the_run_and_no_other"),
    (
        Hole::BlindToOpenCalls,
        Unit,
        "ledger::tests::history_has_a_call_from_its_admission_on_and_keeps_it_when_the_agent_goes_away",
    ),
    (Hole::BlindToResults, Unit, "guard::tests::a_poll_whose_answer_changes_is_no_loop"),
    (Hole::RetryWrites, Proxy, "resilience::a_write_without_a_key_is_sent_once"),
    (Hole::UnboundedRetries, Proxy, "resilience::retries_stay_within_their_budget"),
    (
        Hole::ForgetUnknown,
        Proxy,
        "resilience::a_write_that_was_not_answered_is_not_repeated_until_somebody_has_looked",
    ),
    (Hole::FreshKeys, Proxy, "resilience::the_same_key_makes_a_repetition_the_same_request"),
    (Hole::NoBreaker, Proxy, "resilience::an_answer_may_say_that_it_failed"),
    (
        Hole::UnboundedProbes,
        Unit,
        "ledger::breakers::tests::thousands_at_the_moment_of_half_open_let_exactly_the_probes_through",
    ),
    (Hole::NoInFlight, Proxy, "resilience::an_upstream_has_so_many_calls_at_a_time"),
    (Hole::SharedFallback, Proxy, "resilience::the_last_good_answer_stands_in"),
    (Hole::ReuseApproval, Unit, "ledger::approvals::tests::a_thousand_at_once_pass_once"),
    (Hole::LooseApproval, Proxy, "approvals::nothing_but_the_very_same_call_passes"),
    (
        Hole::LeakyKill,
        Unit,
        "ledger::kills::tests::each_target_stops_what_it_is_about_and_nothing_else",
    ),
    (Hole::DeafRetries, Proxy, "resilience::a_call_that_waits_hears_of_the_kill_switch"),
    (Hole::NoSchema, Proxy, "contracts::arguments_are_what_the_document_declares"),
    (Hole::UncheckedRewrites, Proxy, "contracts::what_rules_set_is_checked_as_well"),
    (Hole::NoResultRules, Proxy, "results::a_withheld_result_says_that_the_tool_was_called"),
    (Hole::NoRedaction, Proxy, "results::a_result_is_redacted_and_all_else_stays_byte_for_byte"),
    (
        Hole::AnyHost,
        Proxy,
        "admin::pages_of_other_origins_and_rebound_names_cannot_ride_on_the_operator",
    ),
    (
        Hole::AnyOrigin,
        Proxy,
        "admin::pages_of_other_origins_and_rebound_names_cannot_ride_on_the_operator",
    ),
    (
        Hole::AnyScope,
        Proxy,
        "admin::reading_and_writing_are_two_scopes_and_a_configured_token_is_never_said",
    ),
    (
        Hole::TwoSnapshots,
        Proxy,
        "reload::a_call_that_is_still_read_is_judged_by_what_it_began_with",
    ),
    (
        Hole::HalfReload,
        Unit,
        "reload::tests::what_cannot_change_is_refused_by_name_and_nothing_of_the_rest_is_taken",
    ),
    (
        Hole::LenientReload,
        Unit,
        "reload::tests::new_policies_take_the_place_of_the_old_and_faults_do_not",
    ),
    (Hole::LoseAborted, Unit, "record::tests::a_page_that_is_dropped_says_what_is_known"),
    (Hole::UnrecordedWrites, Proxy, "record::a_closed_pipe_refuses_writes_and_nothing_panics"),
];

/// A test, and the hole that it is run with.
type Case = (Suite, &'static str, Option<(Hole, &'static str)>);

/// What a test did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Passed,
    Failed,
    /// Within [`TIME_LIMIT`] it did neither.
    Nothing,
}

/// The test binaries of the weakened build.
struct Binaries {
    unit: PathBuf,
    proxy: PathBuf,
}

impl Binaries {
    fn build() -> Self {
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["test", "--quiet", "--locked", "--features", "weakened", "--no-run"])
            .args(["--lib", "--test", "proxy", "--message-format", "json"])
            .env_remove("TOOLGATE_WEAKEN")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo can be run");
        assert!(output.status.success(), "the weakened build fails");
        let said = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let built: Vec<Value> = lines
            .filter(|line| line["profile"]["test"] == true && line["executable"].is_string())
            .collect();
        let binary = |kind: &str, name: &str| {
            let is =
                |line: &&Value| line["target"]["kind"][0] == kind && line["target"]["name"] == name;
            let path = built.iter().find(is).and_then(|line| line["executable"].as_str());
            PathBuf::from(path.unwrap_or_else(|| panic!("cargo names no binary of {name}")))
        };
        Self { unit: binary("lib", "toolgate"), proxy: binary("test", "proxy") }
    }

    /// Runs one test, with or without a hole.
    fn run(&self, (suite, test, hole): Case) -> Seen {
        let mut command = Command::new(match suite {
            Unit => &self.unit,
            Proxy => &self.proxy,
        });
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["--exact", test])
            .env_remove("TOOLGATE_WEAKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some((_, name)) = hole {
            command.env("TOOLGATE_WEAKEN", name);
        }
        let (passed, said) = end(command.spawn().expect("it can be run"));
        assert!(said.contains("running 1 test"), "{test} is not one test:\n{said}");
        match (passed, said.contains("test result: FAILED")) {
            (Some(true), false) => Seen::Passed,
            (Some(false), true) => Seen::Failed,
            (None, _) => Seen::Nothing,
            (Some(_), _) => panic!("{test} ended in no result:\n{said}"),
        }
    }
}

/// Whether a process ended well, if it ended in time, and what it said.
fn end(mut child: Child) -> (Option<bool>, String) {
    let mut output = child.stdout.take().expect("it is piped");
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        output.read_to_end(&mut said).expect("it can be read");
        String::from_utf8_lossy(&said).into_owned()
    });
    let begun = Instant::now();
    let passed = loop {
        match child.try_wait().expect("it can be waited for") {
            Some(status) => break Some(status.success()),
            None if begun.elapsed() < TIME_LIMIT => thread::sleep(Duration::from_millis(10)),
            None => {
                child.kill().expect("it can be killed");
                child.wait().expect("it has ended");
                break None;
            }
        }
    };
    (passed, reader.join().expect("it was read"))
}

#[test]
fn every_hole_is_seen() {
    let unwatched = Hole::ALL
        .into_iter()
        .filter(|(hole, _)| WATCHES.iter().all(|(watched, _, _)| watched != hole));
    let mut unseen: String = unwatched
        .map(|(_, name)| format!("{name}: no test is named that would notice\n"))
        .collect();
    let controls: BTreeSet<(Suite, &str)> =
        WATCHES.iter().map(|(_, suite, test)| (*suite, *test)).collect();
    let mut cases: Vec<Case> =
        controls.into_iter().map(|(suite, test)| (suite, test, None)).collect();
    for (hole, suite, test) in WATCHES {
        let named = Hole::ALL.into_iter().find(|(known, _)| known == hole);
        cases.push((*suite, test, Some(named.expect("every hole has a name"))));
    }
    let binaries = Binaries::build();
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(String::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let seen = binaries.run(*case);
            let (_, test, hole) = case;
            let name = hole.map_or("no hole", |(_, name)| name);
            println!("{name}: {test} {seen:?} ({:.1} s)", begun.elapsed().as_secs_f64());
            let expected = if hole.is_some() { Seen::Failed } else { Seen::Passed };
            if seen != expected {
                let mut faults = faults.lock().expect("nobody panicked");
                writeln!(faults, "{name}: {test} {seen:?}").expect("there is memory");
            }
        }
    };
    let workers = thread::available_parallelism().map_or(1, |count| count.get().min(2));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    unseen.push_str(&faults.into_inner().expect("nobody panicked"));
    assert!(unseen.is_empty(), "\n{unseen}");
}
