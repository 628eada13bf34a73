//! Runs are found, told and listed, whatever else stands in the file.

use std::fs;
use std::path::PathBuf;

use super::*;

const CALLS: &str = r#"{"ts_ms":1000,"kind":"call","run_id":"run_a1","step_id":1,"tool":"search.find","status":"ok","verdict":"allow","duration_ms":40.0,"upstream_ms":39.0,"gate_us":1000}
{"ts_ms":1100,"kind":"call","run_id":"run_a1","step_id":2,"tool":"booking.create","status":"denied","verdict":"deny","rule":"desk/ten-guests","stop_reason":"args_denied","duration_ms":0.3,"gate_us":300,"news_of_tomorrow":{"x":1}}
{"ts_ms":1100,"kind":"call","run_id":"run_b2","step_id":1,"tool":"search.find","status":"ok","verdict":"allow","duration_ms":5.0}
{"ts_ms":1200,"kind":"weather","run_id":"run_a1"}
{"ts_ms":1300,"kind":"call","run_id":"run_a1","step_id":4,"tool":"booking.create","status":"error","error_class":"http_5xx","http_status":502,"verdict":"allow","duration_ms":700.0,"gate_us":100}
{"ts_ms":1250,"kind":"call","run_id":"run_a1","step_id":3,"tool":"booking.create","status":"denied","verdict":"deny","rule":"desk/ten-guests","stop_reason":"args_denied","rules_observed":["desk/soon"]}
"#;

const STOP: &str = r#"{"ts_ms":2100,"kind":"stop","run_id":"run_a1","verdict":"stop","rule":"safety/spiral","stop_reason":"args_denied","duration_ms":1100.0,"usage":{"steps":5,"calls":2}}
{"ts_ms":2099,"kind":"call","run_id":"run_a1","step_id":5,"tool":"booking.create","status":"denied","verdict":"stop","rule":"safety/spiral","stop_reason":"args_denied"}
{"ts_ms":2200,"kind":"call","run_id":"run_a1","step_id":6,"tool":"search.find","status":"denied","verdict":"deny","stop_reason":"run_stopped"}
"#;

struct Told {
    exit: Exit,
    out: String,
    err: String,
}

fn folder(files: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = files.iter().enumerate().map(|(number, text)| {
        let path = folder.path().join(format!("events.{number}.jsonl"));
        fs::write(&path, text).unwrap();
        path
    });
    let paths = paths.collect();
    (folder, paths)
}

fn explain(files: &[&str], run: Option<&str>, output: Output) -> Told {
    let (_folder, events) = folder(files);
    let args = ExplainArgs {
        run: run.map(str::to_owned),
        last: run.is_none(),
        from: EventsFrom { events, config: PathBuf::from("none.yaml") },
        rows: 100,
        output,
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = super::run(&args, false, &mut out, &mut err);
    Told { exit, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

#[test]
fn the_sentence_says_what_happened_and_why_it_stopped() {
    let told = explain(&[CALLS, STOP], Some("run_a1"), Output::Text);
    assert_eq!(told.exit, Exit::Ok, "{}", told.err);
    assert_eq!(
        told.out.lines().next().unwrap(),
        "Run run_a1 made 6 calls in 1.20 s to 2 tools (mostly booking.create: 4); 1 succeeded, \
         1 failed and 4 were refused for 3 reasons; it was stopped by safety/spiral (args_denied) \
         when it called booking.create at step 5, after desk/ten-guests had refused it 2 times, \
         and took no more calls (1 came)."
    );
}

#[test]
fn the_waterfall_stands_in_order_and_fits_its_line() {
    let told = explain(&[CALLS, STOP], Some("run_a1"), Output::Text);
    let rows: Vec<&str> = told.out.lines().skip(2).take(7).collect();
    assert!(rows[0].contains("step") && rows[0].contains("outcome"));
    for (row, word) in
        rows[1..].iter().zip(["ok", "refused", "refused", "error", "stopped", "refused"])
    {
        assert!(row.contains(word), "{row}");
        assert!(row.chars().count() <= 100, "{row}");
    }
    assert!(rows[4].contains("HTTP 502") && rows[2].contains('×'), "{rows:?}");
    let whole = &told.out;
    assert!(whole.contains("2 × desk/ten-guests"), "{whole}");
    assert!(whole.contains("would have acted (observed only)\n    1 × desk/soon"), "{whole}");
}

#[test]
fn an_observed_rule_stands_at_the_call_it_would_have_refused() {
    let call = r#"{"ts_ms":1,"kind":"call","run_id":"r","step_id":1,"tool":"a.b","status":"ok",
        "verdict":"allow","rules_observed":["desk/soon"]}"#;
    let told = explain(&[&call.replace('\n', "")], Some("r"), Output::Text);
    let row = told.out.lines().find(|line| line.contains("a.b") && line.contains(" ok "));
    assert!(row.is_some_and(|row| row.ends_with("would: soon")), "{}", told.out);
}

#[test]
fn a_long_run_shows_its_ends() {
    let line = CALLS.lines().next().unwrap();
    let many: String = (1..=30)
        .map(|step| line.replace("\"step_id\":1", &format!("\"step_id\":{step}")) + "\n")
        .collect();
    let (_folder, events) = folder(&[&many]);
    let from = EventsFrom { events, config: PathBuf::new() };
    let args = ExplainArgs { run: None, last: true, from, rows: 5, output: Output::Text };
    let mut out = Vec::new();
    run(&args, false, &mut out, &mut Vec::new());
    let out = String::from_utf8(out).unwrap();
    let steps: Vec<&str> =
        out.lines().skip(3).take(6).map(|row| row.split_whitespace().next().unwrap()).collect();
    assert_eq!(steps, ["1", "2", "3", "…", "29", "30"], "{out}");
}

#[test]
fn json_has_the_figures() {
    let told = explain(&[CALLS, STOP], Some("run_a1"), Output::Json);
    let value: serde_json::Value = serde_json::from_str(&told.out).unwrap();
    for (pointer, expected) in [
        ("/calls", "6"),
        ("/failed", "1"),
        ("/refused", "4"),
        ("/refused_after_stop", "1"),
        ("/duration_ms", "1200.0"),
        // 60 before the second call, 150 before the third, 50 before the fourth, 99 and 101 at the end.
        ("/between_calls_ms", "459.7"),
        ("/gate_ms", "1.4"),
        ("/stop/stop_reason", "\"args_denied\""),
        ("/tools/1/tool", "\"search.find\""),
        ("/tools/1/p95_ms", "40.0"),
        ("/refusals/0/count", "2"),
        ("/steps/2/step_id", "3"),
    ] {
        assert_eq!(value.pointer(pointer).unwrap().to_string(), expected, "{pointer}");
    }
}

#[test]
fn runs_are_found_by_id_beginning_and_last_call() {
    let first_line = |told: Told| told.out.lines().next().unwrap_or_default().to_owned();
    assert!(first_line(explain(&[CALLS], Some("run_b"), Output::Text)).starts_with("Run run_b2"));
    assert!(first_line(explain(&[CALLS], None, Output::Text)).starts_with("Run run_a1"));
    let several = explain(&[CALLS], Some("run_"), Output::Text);
    assert_eq!((several.exit, several.err.contains("run_a1, run_b2")), (Exit::Usage, true));
    let none = explain(&[CALLS], Some("run_c"), Output::Text);
    assert_eq!((none.exit, none.out.as_str()), (Exit::Findings, ""));
    // A whole id is that run, although another one begins with it.
    let longer = CALLS.replace("run_b2", "run_a12");
    let exact = explain(&[&longer], Some("run_a1"), Output::Text);
    assert_eq!(exact.exit, Exit::Ok);
}

#[test]
fn rotated_and_partly_written_files_are_read_as_far_as_they_go() {
    let (half, rest) = CALLS.split_at(400);
    let told = explain(&[&half[50..], rest], Some("run_a1"), Output::Text);
    assert_eq!(told.exit, Exit::Ok);
    assert!(told.err.contains("3 lines could not be read"), "{}", told.err);
    let endless = format!("{{\"kind\":\"{}\n{CALLS}", "x".repeat(2_000_000));
    let told = explain(&[&endless], Some("run_b2"), Output::Text);
    assert!(told.err.contains("1 lines could not be read"), "{}", told.err);
}

#[test]
fn an_id_that_is_used_again_names_its_last_life() {
    let again = STOP.lines().last().unwrap();
    let again = again.replace("denied", "ok").replace(",\"stop_reason\":\"run_stopped\"", "");
    let told =
        explain(&[CALLS, STOP, &again.replace("2200", "9000")], Some("run_a1"), Output::Text);
    assert!(
        told.out.starts_with("Run run_a1 made 1 call in 0 ms to 1 tool; all succeeded; no end")
    );
    assert!(told.err.contains("used before"), "{}", told.err);
}

#[test]
fn runs_are_listed_with_their_ends() {
    let (_folder, events) = folder(&[CALLS, STOP]);
    let from = EventsFrom { events, config: PathBuf::new() };
    let mut args = RunsArgs { from, limit: 20, refused: false, output: Output::Text };
    let mut out = Vec::new();
    assert_eq!(runs(&args, false, &mut out, &mut Vec::new()), Exit::Ok);
    let text = String::from_utf8(out).unwrap();
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(rows.len(), 2, "{text}");
    assert!(
        rows[0].starts_with("run_a1") && rows[0].ends_with("stopped: safety/spiral (args_denied)")
    );
    assert!(rows[0].contains("1970-01-01 00:00:01      6      1       4    1.20 s"), "{text}");
    assert!(rows[1].starts_with("run_b2") && rows[1].ends_with("live"));
    (args.limit, args.refused, args.output) = (1, true, Output::Json);
    let mut out = Vec::new();
    runs(&args, false, &mut out, &mut Vec::new());
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(value.pointer("/0/run_id").unwrap(), "run_a1");
}

#[test]
fn names_cannot_control_the_terminal() {
    let evil = CALLS.replace("search.find", "a\\u001b]0;x\\u0007");
    let told = explain(&[&evil], Some("run_b2"), Output::Text);
    assert!(!told.out.contains('\u{1b}') && !told.out.contains('\u{7}'), "{:?}", told.out);
}

const MODELS: &str = r#"{"ts_ms":1000,"kind":"call","run_id":"m","tool":"pay.mcp:tools/list","status":"ok","duration_ms":5.0}
{"ts_ms":1010,"kind":"call","run_id":"m","step_id":1,"tool":"openai.chat","model":"gpt-5","status":"ok","tokens_input":900,"tokens_output":100,"cost_usd":0.02,"duration_ms":500.0}
{"ts_ms":1600,"kind":"call","run_id":"m","step_id":2,"tool":"pay.refund","status":"ok","cost_usd":0.01,"duration_ms":9.0}
{"ts_ms":1700,"kind":"call","run_id":"m","step_id":3,"tool":"openai.chat","model":"gpt-5","status":"ok","tokens_input":900,"tokens_output":100,"cost_usd":0.02,"duration_ms":500.0}
{"ts_ms":62200,"kind":"stop","run_id":"m","stop_reason":"completed","duration_ms":1200.0}
{"ts_ms":70000,"kind":"call","run_id":"m","tool":"pay.mcp:ping","status":"ok","duration_ms":1.0}
"#;

fn listed(files: &[&str]) -> String {
    let (_folder, events) = folder(files);
    let from = EventsFrom { events, config: PathBuf::new() };
    let args = RunsArgs { from, limit: 20, refused: false, output: Output::Text };
    let mut out = Vec::new();
    assert_eq!(runs(&args, false, &mut out, &mut Vec::new()), Exit::Ok);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_run_that_completed_is_told_with_its_money() {
    let told = explain(&[MODELS], Some("m"), Output::Text);
    let (sentence, rest) = told.out.split_once('\n').unwrap();
    assert_eq!(
        sentence,
        "Run m made 3 calls in 1m 09s to 2 tools, with 2 messages of the protocol around them, for \
         0.0500 USD; all succeeded; it completed: its model wanted no more tools."
    );
    let money: Vec<&str> = rest.lines().skip_while(|line| !line.contains("money")).collect();
    let words = |row: usize| money[row].split_whitespace().collect::<Vec<_>>();
    assert_eq!(words(1), ["openai.chat", "(gpt-5)", "2", "2000", "0.0400", "USD"]);
    assert_eq!(words(2), ["pay.refund", "1", "0.0100", "USD"]);
    let listed = listed(&[MODELS]);
    assert!(listed.lines().nth(1).unwrap().ends_with("ended: completed"), "{listed}");
}

#[test]
fn a_completed_run_that_goes_on_is_the_same_life() {
    let on = r#"{"ts_ms":80000,"kind":"call","run_id":"m","step_id":4,"tool":"pay.refund","status":"ok","duration_ms":9.0}"#;
    let told = explain(&[MODELS, on], Some("m"), Output::Text);
    assert!(told.out.starts_with("Run m made 4 calls"), "{}", told.out);
    assert!(!told.err.contains("used before") && told.out.contains("still be going on"));
    assert!(listed(&[MODELS, on]).lines().nth(1).unwrap().ends_with("live"));
    let anew = on.replace("\"step_id\":4", "\"step_id\":1");
    let told = explain(&[MODELS, &anew], Some("m"), Output::Text);
    assert!(told.out.starts_with("Run m made 1 call ") && told.err.contains("used before"));
}
