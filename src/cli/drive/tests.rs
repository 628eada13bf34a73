//! Recordings are read exactly, fates judged strictly, events compared.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::check::{Expected, check};
use super::gate::{Answered, Fate, judge};
use super::recording::{JSON, Recording, Run, Step, TEXT};
use super::tally::{Split, Tally};
use crate::cli::drive::RecordingError;
use crate::respond::{DECISION_HEADER, RUN_ID_HEADER};

fn run(steps: &str, labels: &str) -> Run {
    let line = format!(r#"{{"id":"r1","steps":[{steps}],"labels":{labels}}}"#);
    Run::parse(line.as_bytes(), "").unwrap()
}

fn step(result_and_error: &str) -> Step {
    let step = format!(r#"{{"tool":"t","args":{{}},{result_and_error}}}"#);
    run(&step, "{}").steps.remove(0)
}

#[test]
fn arguments_are_sent_as_they_were_written() {
    let written =
        r#"{ "n" : [9007199254740993, 18446744073709551615, 1e2, 1.0, -0.0],  "s":"\u00e9" }"#;
    let run = run(&format!(r#"{{"tool":"t","args":{written}}}"#), "{}");
    assert_eq!(run.steps[0].args, written);
    // Python: {"n":[9007199254740993,18446744073709551615,100.0,1.0,-0.0],"s":"é"}
    assert_eq!(run.steps[0].digest.unwrap().to_string(), "3d05ceebcdec42564674d0f9");
}

#[test]
fn arguments_that_no_gate_accepts_have_no_digest() {
    for args in ["[]", "7", r#"{"n":99999999999999999999}"#, r#"{"a":1,"a":2}"#] {
        let run = run(&format!(r#"{{"tool":"t","args":{args}}}"#), "{}");
        assert_eq!(run.steps[0].digest, None, "{args}");
    }
}

#[test]
fn results_become_answers() {
    let cases = [
        (r#""result":"{\"a\": 1}","error":null"#, 200, JSON, r#"{"a": 1}"#),
        (r#""result":{"a": 1}"#, 200, JSON, r#"{"a": 1}"#),
        (r#""result":"Booked.","error":false"#, 200, TEXT, "Booked."),
        (r#""result":"{\"a\": [1, 2,","error":"""#, 200, TEXT, "{\"a\": [1, 2,"),
        (r#""result":"12","error":null"#, 200, JSON, "12"),
        (r#""result":"Error: none left","error":"none left""#, 422, TEXT, "Error: none left"),
        (r#""result":"","error":"none left""#, 422, TEXT, "none left"),
        (r#""error":{"code":7}"#, 422, JSON, r#"{"code":7}"#),
        (r#""error":null"#, 200, TEXT, ""),
    ];
    for (recorded, status, content_type, body) in cases {
        let answer = step(recorded).answer;
        assert_eq!(answer.status.as_u16(), status, "{recorded}");
        assert_eq!((answer.content_type, &*answer.body), (content_type, body.as_bytes()));
    }
}

#[test]
fn labels_are_read_from_steps_and_from_the_run() {
    let steps = r#"{"tool":"a","args":{}},{"tool":"b","args":{},"policy_violation":["x","y"]},
        {"tool":"c","args":{},"policy_violation":"z"}"#;
    let of = |labels: &str| {
        let run = run(steps, labels);
        (run.steps.iter().map(|step| step.labels.join(" ")).collect::<Vec<_>>(), run.labelled)
    };
    assert_eq!(of("{}"), (vec![String::new(), "x y".to_owned(), "z".to_owned()], true));
    assert_eq!(
        of(r#"{"injected_steps":[0,2],"attack_step":0}"#).0,
        ["injected", "x y", "z injected"]
    );
    assert_eq!(of(r#"{"attack_step":0}"#).0[0], "injected");
    let bare = Run::parse(br#"{"id":"r","steps":[],"labels":{"violations":["v"]}}"#, "p-").unwrap();
    assert!(bare.labelled && bare.id == "p-r");
}

#[test]
fn what_cannot_be_a_recording_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.jsonl");
    fs::write(&path, "{\"id\":\"a\",\"steps\":[]}\n\n{\"id\":\"a\",\"steps\":[]}\n").unwrap();
    let fault = Recording::load(&path, None, "").unwrap_err();
    assert!(matches!(fault, RecordingError::Line { line: 3, .. }), "{fault}");
    assert_eq!(Recording::load(&path, Some(1), "").unwrap().runs.len(), 1);
    fs::write(&path, "{\"id\":\"a\"}").unwrap();
    let fault = Recording::load(&path, None, "").unwrap_err().to_string();
    assert!(fault.contains("runs.jsonl:1: missing field `steps`"), "{fault}");
}

fn answered(status: u16, decision: &str, content_type: &str, body: &str) -> Answered {
    let mut headers = HeaderMap::new();
    let pairs =
        [(DECISION_HEADER, decision), (RUN_ID_HEADER, "r1"), ("content-type", content_type)];
    for (name, value) in pairs {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    Answered { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) }
}

#[test]
fn an_answer_passes_only_if_it_is_the_recorded_one() {
    let step = step(r#""result":"{\"a\": 1}""#);
    let fate =
        |status, decision, kind, body| judge(&answered(status, decision, kind, body), "r1", &step);
    assert_eq!(fate(200, "allow; id=1", JSON, r#"{"a": 1}"#), Fate::Forwarded);
    for (status, kind, body) in [
        (201, JSON, r#"{"a": 1}"#),
        (200, TEXT, r#"{"a": 1}"#),
        (200, JSON, r#"{"a":1}"#),
        (502, "application/problem+json", "{}"),
    ] {
        assert!(matches!(fate(status, "allow; id=1", kind, body), Fate::Mismatch(_)), "{body}");
    }
    let mut nameless = answered(200, "allow", JSON, r#"{"a": 1}"#);
    assert!(matches!(judge(&nameless, "r2", &step), Fate::Mismatch(_)));
    nameless.headers.remove(DECISION_HEADER);
    assert!(matches!(judge(&nameless, "r1", &step), Fate::Mismatch(_)));
}

#[test]
fn a_refusal_counts_only_if_it_says_so() {
    let step = step(r#""result":"""#);
    let fate = |status, kind, body| judge(&answered(status, "stop; id=1", kind, body), "r1", &step);
    let problem = "application/problem+json";
    let whole = r#"{"stop_reason":"args_denied","executed":false,"rule":"p/r"}"#;
    let refused = Fate::Refused { rule: "p/r".to_owned(), stop_reason: "args_denied".to_owned() };
    assert_eq!(fate(403, problem, whole), refused);
    for (status, kind, body) in [
        (200, problem, whole),
        (403, JSON, whole),
        (403, problem, r#"{"stop_reason":"args_denied","executed":true}"#),
        (403, problem, r#"{"executed":false}"#),
        (403, problem, "no"),
    ] {
        assert!(matches!(fate(status, kind, body), Fate::Mismatch(_)), "{status} {kind} {body}");
    }
}

fn recording() -> Recording {
    let steps =
        r#"{"tool":"a","args":{"x":1}},{"tool":"b","args":{"x":1.0},"policy_violation":"v"}"#;
    Recording { runs: vec![run(steps, "{}")] }
}

#[test]
fn refusals_are_counted_against_labels() {
    let recording = recording();
    let refused =
        || Fate::Refused { rule: "p/r".to_owned(), stop_reason: "args_denied".to_owned() };
    let tally = Tally { fates: vec![vec![refused(), refused()]], elapsed: Duration::ZERO };
    let labels = tally.labels(&recording);
    assert_eq!(labels.steps, Split { refused: 1, passed: 0 });
    assert_eq!((labels.unlabelled_refused, labels.runs.refused), (1, 1));
    assert_eq!(tally.by_rule(), [("p/r", "args_denied", 2)]);
    let tally = Tally { fates: vec![vec![Fate::Forwarded]], elapsed: Duration::ZERO };
    assert_eq!(tally.labels(&recording).steps, Split::default());
    assert_eq!(tally.counts().calls, 1);
}

#[test]
fn events_must_be_one_a_call_with_the_right_digest_and_one_stop_a_run() {
    let recording = recording();
    let digests: Vec<String> =
        recording.runs[0].steps.iter().map(|step| step.digest.unwrap().to_string()).collect();
    let call = |step: u64, tool: &str, digest: &str| {
        format!(
            r#"{{"ts_ms":1,"kind":"call","run_id":"r1","step_id":{step},"tool":"s.{tool}","args_sha":"{digest}","status":"ok"}}"#
        )
    };
    let stop = r#"{"ts_ms":2,"kind":"stop","run_id":"r1"}"#.to_owned();
    let other = r#"{"ts_ms":2,"kind":"stop","run_id":"r2"}"#.to_owned();
    let (first, second) = (call(1, "a", &digests[0]), call(2, "b", &digests[1]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let faults = |lines: &[&String], expected: &Expected<'_>| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&path, text).unwrap();
        let checked = check(&path, 0, &recording, expected).unwrap();
        assert_eq!(checked.faults, checked.examples.len() as u64);
        checked.faults
    };
    let whole = Expected::WholeRuns { stop_at_refusal: false };
    assert_eq!(faults(&[&second, &first, &stop, &other], &whole), 0);
    assert_eq!(faults(&[&first, &second], &whole), 1);
    assert_eq!(faults(&[&first, &second, &stop, &stop], &whole), 1);
    assert_eq!(faults(&[&first, &stop], &whole), 1);
    assert_eq!(faults(&[&first, &second, &second, &stop], &whole), 1);
    assert_eq!(faults(&[&first, &call(2, "b", &digests[0]), &stop], &whole), 1);
    assert_eq!(faults(&[&first, &call(2, "a", &digests[1]), &stop], &whole), 1);
    assert_eq!(faults(&[&first, &call(3, "b", &digests[1]), &stop], &whole), 1);
    let broken_off = Expected::WholeRuns { stop_at_refusal: true };
    let refused = first.replace("ok", "denied");
    assert_eq!(faults(&[&refused, &stop], &broken_off), 0);
    assert_eq!(faults(&[&first, &stop], &broken_off), 1);
    let tally = Tally { fates: vec![vec![Fate::Forwarded]], elapsed: Duration::ZERO };
    assert_eq!(faults(&[&first], &Expected::Calls(&tally)), 0);
    assert_eq!(faults(&[&first, &second], &Expected::Calls(&tally)), 1);
}
