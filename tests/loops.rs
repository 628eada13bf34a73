//! Loop guards on what agents really did: no run that came to a good end is stopped by the shipped
//! guards, and what goes in circles is stopped at the configured repetition.
//!
//! The recorded runs of tests/data are always played. `TOOLGATE_CORPORA` names a folder of more, in
//! the same format: `TOOLGATE_CORPORA=… cargo test --test loops -- --ignored --nocapture`.

#![expect(clippy::expect_used, reason = "what is not as expected fails the test")]

#[path = "support/gate.rs"]
mod gate;

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::{env, fs};

use gate::{End, Gate, run};
use serde_json::Value;
use toolgate::call::StopReason;
use toolgate::json::Document;
use toolgate::ledger::Sizes;

/// What the shipped guards said to one run.
#[derive(Default)]
struct Seen {
    calls: usize,
    /// Calls whose result was recorded.
    results: usize,
    advised: usize,
    refused: usize,
}

/// The limits of the shipped policy that are about repetition.
fn guards() -> Gate {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/run-budget.yaml");
    let text = fs::read_to_string(path).expect("the shipped policy is readable");
    let (head, limits) = text.split_once("limits:\n").expect("it has limits");
    let wanted =
        |block: &&str| block.contains("identical_calls") || block.contains("cycle_repeats");
    let blocks: Vec<&str> = limits.split("- id: ").filter(wanted).collect();
    assert_eq!(blocks.len(), 2, "a loop guard and a cycle guard are shipped");
    let limits: String = blocks.iter().map(|block| format!("- id: {block}")).collect();
    Gate::new(&[("run-budget.yaml", &format!("{head}limits:\n{limits}"))])
}

/// Plays one recorded run. Of a step without a recorded result nothing is known but that there was
/// one: it is taken to be the same each time, which is the case that guards are hardest on.
fn play(recorded: &Value) -> Seen {
    let gate = guards();
    let mut seen = Seen::default();
    let no_steps = Vec::new();
    for step in recorded["steps"].as_array().unwrap_or(&no_steps) {
        let tool = step["tool"].as_str().unwrap_or("unnamed");
        let args = match &step["args"] {
            Value::Object(args) => Value::Object(args.clone()).to_string(),
            other => serde_json::json!({ "value": other }).to_string(),
        };
        let Ok(args) = Document::from_text(&args) else { continue };
        let mut result = DefaultHasher::new();
        (step["result"].to_string(), step["result_sha"].to_string()).hash(&mut result);
        (step["error"].to_string()).hash(&mut result);
        seen.calls += 1;
        seen.results += usize::from(!step["result"].is_null());
        match gate.admit(&run("r"), &gate.call(tool, &args)) {
            Ok((granted, reservation)) => {
                seen.advised += usize::from(!granted.warnings.is_empty());
                gate.settle(reservation, End::ok(result.finish()));
            }
            Err(refusal) => {
                assert_eq!(refusal.reason, StopReason::LoopDetected);
                seen.refused += 1;
            }
        }
    }
    seen
}

/// Figures of one set of runs.
#[derive(Default)]
struct Figures {
    runs: usize,
    calls: usize,
    results: usize,
    advised: usize,
    refused: usize,
}

impl Figures {
    fn add(&mut self, seen: &Seen) {
        self.runs += 1;
        self.calls += seen.calls;
        self.results += seen.results;
        self.advised += usize::from(seen.advised > 0);
        self.refused += usize::from(seen.refused > 0);
    }
}

fn runs_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the runs are readable");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is a run")).collect()
}

#[test]
fn no_recorded_run_is_stopped_by_the_shipped_guards() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/runs.jsonl");
    let mut figures = Figures::default();
    for recorded in runs_of(&path) {
        let seen = play(&recorded);
        assert_eq!(seen.refused, 0, "{}", recorded["id"]);
        figures.add(&seen);
    }
    assert!(figures.runs > 10 && figures.calls > 50, "something was played");
}

/// Whether a run is one that came to a good end, by its own labels: it must not be stopped.
fn is_good(set: &str, recorded: &Value) -> bool {
    let labels = &recorded["labels"];
    match set {
        "bfcl_multi_turn" | "tau_oracle" | "agentdojo_oracle_benign" => true,
        "agentdojo_oracle_attacked" => labels["attack_success"] != Value::Bool(true),
        _ => labels["reward"].as_f64() == Some(1.0),
    }
}

#[test]
#[ignore = "reads the folder that TOOLGATE_CORPORA names"]
fn figures_over_corpora() {
    let folder = env::var("TOOLGATE_CORPORA").expect("TOOLGATE_CORPORA names a folder of runs");
    let mut sets: BTreeMap<(String, bool), Figures> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("entries are readable").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        for recorded in runs_of(&path).iter().filter(|recorded| recorded["steps"].is_array()) {
            let good = is_good(&name, recorded);
            sets.entry((name.clone(), good)).or_default().add(&play(recorded));
        }
    }
    println!("| set | good end | runs | calls | with a result | advised | stopped |");
    println!("|---|---|---|---|---|---|---|");
    for ((name, good), of) in &sets {
        let Figures { runs, calls, results, advised, refused } = of;
        println!("| {name} | {good} | {runs} | {calls} | {results} | {advised} | {refused} |");
    }
    for ((name, _), of) in sets.iter().filter(|((_, good), _)| *good) {
        assert_eq!(of.refused, 0, "{name}: a run that came to a good end is stopped");
    }
}

/// What the loop guards say does not depend on what calls cost.
fn sizes() -> Sizes {
    Sizes { tokens: 1, ..Sizes::default() }
}

/// How many calls pass before one is refused; `round` gives the tool and the result of each.
fn passes(limits: &str, calls: usize, round: impl Fn(usize) -> (&'static str, u64)) -> usize {
    let gate = Gate::limited(limits);
    let args = Document::from_text(r#"{"q":1}"#).expect("it is JSON");
    for number in 0..calls {
        let (tool, result) = round(number);
        match gate.admit(&run("r"), &gate.call(tool, &args).sized(sizes())) {
            Ok((_, reservation)) => gate.settle(reservation, End::ok(result)),
            Err(refusal) => {
                assert_eq!(refusal.reason, StopReason::LoopDetected);
                return number;
            }
        }
    }
    calls
}

#[test]
fn circles_are_stopped_at_the_configured_repetition_and_polls_never() {
    const TOOLS: [&str; 6] = ["s.a", "s.b", "s.c", "s.d", "s.e", "s.f"];
    for repeats in 2..=4 {
        let limits =
            format!("- {{ id: c, per: run, max: {{ cycle_repeats: {repeats} }}, then: deny }}\n");
        for period in 1..=6 {
            let passed = passes(&limits, 100, |number| (TOOLS[number % period], 7));
            assert_eq!(passed, period * repeats, "period {period}, {repeats} repetitions");
        }
        // Longer circles are not looked for, and a circle that begins late is found all the same.
        let seven = ["s.a", "s.b", "s.c", "s.d", "s.e", "s.f", "s.g"];
        assert_eq!(passes(&limits, 100, |number| (seven[number % 7], 7)), 100);
        let late = |number: usize| match number {
            0..5 => (TOOLS[number], 100 + number as u64),
            _ => (TOOLS[number % 2], 7),
        };
        assert_eq!(passes(&limits, 100, late), 5 + 2 * repeats);
        // Polls: alone, and taking turns with a call whose answer stays the same.
        assert_eq!(passes(&limits, 100, |number| ("s.poll", number as u64)), 100);
        let turns = |number: usize| match number % 2 {
            0 => ("s.poll", number as u64),
            _ => ("s.sleep", 7),
        };
        assert_eq!(passes(&limits, 100, turns), 100);
    }
    let exact = "- { id: i, per: run, max: { identical_calls: 3 }, then: deny }\n";
    assert_eq!(passes(exact, 100, |_| ("s.find", 7)), 3);
    assert_eq!(passes(exact, 100, |number| ("s.poll", number as u64)), 100);
}

#[test]
fn first_advice_then_a_refusal_that_names_what_repeats_then_the_end() {
    let gate = Gate::limited(
        "- { id: cycle, per: run, max: { cycle_repeats: 3 }, warn_at: 0.6, then: deny }\n\
         - { id: spiral, per: run, max: { denials_same_rule: 2 }, then: stop }\n",
    );
    let args = Document::from_text("{}").expect("it is JSON");
    let mut said = Vec::new();
    for number in 0..10 {
        let tool = ["s.read", "s.write"][number % 2];
        match gate.admit(&run("r"), &gate.call(tool, &args)) {
            Ok((granted, reservation)) => {
                gate.settle(reservation, End::ok(1));
                said.push(granted.warnings.first().map(|warning| warning.message.clone()));
            }
            Err(_) => break,
        }
    }
    assert_eq!(said.iter().filter(|message| message.is_none()).count(), 4);
    let advice = said.last().cloned().flatten().expect("the last that passed was advised");
    assert!(advice.contains("2 times in a row"), "{advice}");
    let refuse = || gate.admit(&run("r"), &gate.call("s.read", &args)).err().expect("refused");
    let refusal = refuse();
    assert!(refusal.message.contains("s.read, s.write were made 3 times"), "{}", refusal.message);
    let last = refuse();
    assert!(last.ends_run || refuse().ends_run, "then the run ends");
}
