//! The same policies over every transport: each step of every test in `policies/` is a call to a real
//! gate over plain HTTP, to an MCP server over HTTP and to one on standard input and output, in
//! virtual time. All three must say what the test expects, and the same.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what is not as expected fails the test"
)]

mod client;
mod script;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use toolgate::call::Verdict;
use toolgate::rehearse::RawPolicyTest;
use toolgate::rehearse::raw::{RawExpect, RawStep, RawTest, SHAPE};
use toolgate::yaml::{Source, read_shaped};

use crate::client::Heard;
use crate::script::Answer;
use crate::stage::{Stage, Transport};

/// A file of policy tests.
struct File {
    path: PathBuf,
    raw: RawPolicyTest,
}

fn files(folder: &str) -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".test.yaml"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a file");
        let source = Arc::new(Source { name: path.display().to_string(), text });
        let mut faults = Vec::new();
        let raw = read_shaped::<RawPolicyTest>(&source, SHAPE, &mut faults);
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        File { path, raw: raw.expect("a test file") }
    };
    paths.into_iter().map(read).collect()
}

/// What was heard of every step, and what was not as the test expects.
async fn play(file: &File, test: &RawTest, transport: Transport) -> (Vec<Heard>, Vec<String>) {
    let mut stage = Stage::set(&file.path, &file.raw, test, transport).await;
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for (position, step) in test.steps.value.iter().map(|step| &step.value).enumerate() {
        for round in 1..=step.repeat.map_or(1, |repeat| repeat.value) {
            stage.advance(step.advance.map(|time| time.0).unwrap_or_default());
            let heard = stage.call(&step.call.value, &step.args, &answer(step)).await;
            if let Some(fault) = mismatch(step, &heard) {
                let place = format!("{}: {}", file.path.display(), test.name.value);
                let step = position + 1;
                faults.push(format!(
                    "{transport:?} {place}, step {step}.{round}: {fault}\n{heard:#?}"
                ));
            }
            all.push(heard);
        }
    }
    (all, faults)
}

fn answer(step: &RawStep) -> Answer {
    assert!(step.error.is_none(), "a tool that does not answer is played elsewhere");
    assert!(step.cost_usd.is_none() && step.tokens.is_none(), "costs are played elsewhere");
    let result = step.result.as_ref().map(|result| result.value.clone());
    Answer {
        status: step.status.map_or(200, |status| status.value),
        result: result.unwrap_or_else(|| Value::Object(serde_json::Map::new())),
    }
}

/// How what was heard differs from what the step expects.
fn mismatch(step: &RawStep, heard: &Heard) -> Option<String> {
    let expected = step.expect.map(|expect| match expect.value {
        RawExpect::Allow => Verdict::Allow,
        RawExpect::Warn => Verdict::Warn,
        RawExpect::Approve => Verdict::Approve,
        RawExpect::Deny => Verdict::Deny,
        RawExpect::Stop => Verdict::Stop,
    });
    let verdict = heard.verdict.as_str();
    match expected {
        Some(expected) if expected.name() != verdict => {
            return Some(format!("expected {}, got {verdict}", expected.name()));
        }
        None if matches!(verdict, "deny" | "stop") => return Some(format!("got {verdict}")),
        Some(_) | None => {}
    }
    let named = |rule: &str| {
        heard.rules.iter().any(|known| known == rule || known.ends_with(&format!("/{rule}")))
    };
    if let Some(rule) = step.rule.as_ref().filter(|rule| !named(&rule.value)) {
        return Some(format!("expected the rule {}", rule.value));
    }
    if let Some(reason) = &step.reason
        && heard.reason.as_ref() != Some(&reason.value)
    {
        return Some(format!("expected the reason {}", reason.value));
    }
    let told = |part: &str| {
        heard.message.contains(part) || heard.warnings.iter().any(|line| line.contains(part))
    };
    if let Some(message) = step.message.as_ref().filter(|part| !told(&part.value)) {
        return Some(format!("expected a message with {}", message.value));
    }
    let differs = |expected: &Value, got: &Option<Value>| got.as_ref() != Some(expected);
    if let Some(args) = step.expect_args.as_ref().filter(|args| differs(&args.value, &heard.args)) {
        return Some(format!("expected the arguments {}", args.value));
    }
    let result = step.expect_result.as_ref();
    if let Some(result) = result.filter(|result| differs(&result.value, &heard.result)) {
        return Some(format!("expected the result {}", result.value));
    }
    // What the gate refused did not reach the tool, unless it says that it did.
    let reached = heard.args.is_some();
    let refused = matches!(verdict, "deny" | "stop" | "approve");
    (refused && reached != heard.executed).then(|| "the tool was reached".to_owned())
}

/// Whether two transports say the same. What warns of an answer that is judged while it passes
/// cannot stand in its head.
fn alike(plain: &Heard, other: &Heard) -> bool {
    let bare = |heard: &Heard| Heard { warnings: Vec::new(), ..heard.clone() };
    let known = |warning: &String| plain.warnings.contains(warning);
    bare(plain) == bare(other) && other.warnings.iter().all(known)
}

/// Plays all tests of a folder over all transports. How many steps there were.
async fn play_all(folder: &str) -> usize {
    let (mut steps, mut faults) = (0, Vec::new());
    for file in files(folder) {
        for test in &file.raw.tests {
            let ((plain, found), mcp, stdio) = tokio::join!(
                play(&file, test, Transport::Http),
                play(&file, test, Transport::Mcp),
                play(&file, test, Transport::Stdio),
            );
            faults.extend(found);
            steps += plain.len();
            for (transport, (heard, found)) in [(Transport::Mcp, mcp), (Transport::Stdio, stdio)] {
                faults.extend(found);
                for (number, (one, other)) in plain.iter().zip(&heard).enumerate() {
                    if !alike(one, other) {
                        let place = format!("{}: {}", file.path.display(), test.name.value);
                        faults.push(format!(
                            "{place}: call {} differs\nHttp {one:#?}\n{transport:?} {other:#?}",
                            number + 1
                        ));
                    }
                }
                assert_eq!(plain.len(), heard.len());
            }
        }
    }
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
    steps
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shipped_policy_says_the_same_over_every_transport() {
    let steps = play_all("policies").await;
    assert!(steps > 250, "only {steps} steps were played");
}
