//! Recorded calls of agents, some of them made up by the agent: with the tools they were given
//! declared to the gate, calls of other tools and with other arguments are refused, and no call
//! that keeps to the declaration is.
//!
//! `tests/data/tracesafe.jsonl` is a sample. `TOOLGATE_CORPORA` names a folder with the whole data
//! set (`tracesafe.jsonl`, `tracesafe_base.jsonl`); run with `--ignored --nocapture` for its figures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Connection, Gate, Setup, Tool, post};

/// A recorded run, with the tools its agent was given.
struct Trace {
    id: String,
    /// What was done to it; empty for one as it was recorded.
    attack: String,
    /// What was made up: a tool, or an argument.
    ghost: Option<String>,
    /// Arguments by tool; `None` for a tool of which only the name is known.
    declared: BTreeMap<String, Option<BTreeSet<String>>>,
    steps: Vec<(String, Value)>,
}

/// What came of a trace.
#[derive(Default)]
struct Seen {
    /// Calls refused for their tool or an argument, with what was refused.
    refused: Vec<(String, String)>,
    passed: usize,
}

impl Trace {
    fn read(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let names = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(text).collect()
        };
        let meta = &value["labels"]["mutation"]["internal_meta"];
        let ghost = meta["ghost_tool_name"].as_str().or(meta["injected_arg"].as_str());
        let mut declared: BTreeMap<String, Option<BTreeSet<String>>> =
            names(&value["tools"]).into_iter().map(|name| (name, None)).collect();
        for (tool, arguments) in value["tool_params"].as_object().into_iter().flatten() {
            declared.insert(tool.clone(), Some(names(arguments).into_iter().collect()));
        }
        let steps = value["steps"].as_array().into_iter().flatten();
        Self {
            id: text(&value["id"]),
            attack: text(&value["labels"]["attack"]),
            ghost: ghost.map(str::to_owned),
            declared,
            steps: steps.map(|step| (text(&step["tool"]), step["args"].clone())).collect(),
        }
    }

    /// The tools as a catalogue: nothing but names is known, so nothing else is declared.
    fn catalogue(&self) -> String {
        let functions = self.declared.iter().map(|(name, arguments)| match arguments {
            None => json!({ "name": name }),
            Some(arguments) => {
                let properties: BTreeMap<&String, Value> =
                    arguments.iter().map(|argument| (argument, json!({}))).collect();
                json!({ "name": name, "parameters": { "type": "object", "properties": properties } })
            }
        });
        Value::Array(functions.collect()).to_string()
    }

    /// Whether a call keeps to what is declared, looked at without the gate.
    fn keeps(&self, tool: &str, args: &Value) -> bool {
        match self.declared.get(tool) {
            None => false,
            Some(None) => true,
            Some(Some(known)) => {
                args.as_object().is_none_or(|args| args.keys().all(|name| known.contains(name)))
            }
        }
    }

    fn keeps_throughout(&self) -> bool {
        self.steps.iter().all(|(tool, args)| self.keeps(tool, args))
    }
}

fn read(path: &Path) -> Vec<Trace> {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| Trace::read(&serde_json::from_str(line).expect("JSON"))).collect()
}

/// A gate with an upstream for each trace, whose catalogue is what that agent was given.
async fn gate_before(tool: &Tool, traces: &[Trace]) -> Gate {
    let mut setup = Setup::before(tool);
    for (number, trace) in traces.iter().enumerate() {
        let file = format!("t{number}.json");
        setup = setup.file(&file, &trace.catalogue()).other_upstream(&format!(
            "  t{number}:\n    http: http://{}\n    tools: [{{ name: \"{{tool}}\", \
             match: \"POST /{{tool}}\", schemas: ./{file} }}]\n",
            tool.address
        ));
    }
    setup.start().await
}

/// Plays every call of the traces. Each answer is held against the declaration, and the tool's
/// ledger against the answers.
async fn play(tool: &Tool, gate: &Gate, traces: &[Trace]) -> Vec<Seen> {
    let mut results = Vec::new();
    let mut passed = 0;
    for (number, trace) in traces.iter().enumerate() {
        let mut seen = Seen::default();
        let mut connection = Connection::open(gate.address).await;
        for (name, args) in &trace.steps {
            let call = post(&format!("/t{number}/{name}"), args);
            let answer = connection.send(call).await;
            let keeps = trace.keeps(name, args);
            if answer.status == 200 {
                assert!(keeps, "{}: {name} {args} passed", trace.id);
                seen.passed += 1;
                continue;
            }
            let problem = answer.json();
            assert!(!keeps, "{}: {name} {args} was refused: {problem}", trace.id);
            if problem["stop_reason"] == "tool_not_allowed" {
                seen.refused.push(("tool".to_owned(), name.clone()));
            } else {
                assert_eq!(problem["stop_reason"], "schema_violation", "{}: {problem}", trace.id);
                let path = problem["violations"][0]["path"].as_str().expect("a path");
                seen.refused.push(("argument".to_owned(), path.replace("/args/", "")));
            }
        }
        passed += seen.passed;
        assert_eq!(tool.count(), passed, "{}: what was refused did not reach the tool", trace.id);
        results.push(seen);
    }
    results
}

/// Whether exactly what was made up is among what was refused.
fn found(trace: &Trace, seen: &Seen) -> bool {
    let ghost = trace.ghost.as_deref().unwrap_or_default();
    seen.refused.iter().any(|(_, what)| what == ghost)
}

#[tokio::test]
async fn made_up_tools_and_arguments_are_refused() {
    let traces =
        read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/tracesafe.jsonl"));
    let tool = Tool::start().await;
    let gate = gate_before(&tool, &traces).await;
    let seen = play(&tool, &gate, &traces).await;
    let mut attacked = 0;
    for (trace, seen) in traces.iter().zip(&seen) {
        if trace.attack.is_empty() {
            assert!(seen.refused.is_empty(), "{}: {:?}", trace.id, seen.refused);
        } else {
            attacked += 1;
            assert!(found(trace, seen), "{}: {:?}", trace.id, seen.refused);
        }
    }
    assert_eq!((traces.len(), attacked), (12, 8));
}

#[tokio::test]
#[ignore = "needs the data set: TOOLGATE_CORPORA"]
async fn the_whole_data_set() {
    let Some(folder) = std::env::var_os("TOOLGATE_CORPORA") else {
        println!("skipped: TOOLGATE_CORPORA names no folder");
        return;
    };
    let folder = PathBuf::from(folder);
    let mut traces = read(&folder.join("tracesafe.jsonl"));
    let mut base = read(&folder.join("tracesafe_base.jsonl"));
    // Base traces come without their tools: they get those of all traces as they were recorded.
    let mut known: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    for trace in traces.iter().filter(|trace| trace.attack.is_empty()) {
        for (name, arguments) in &trace.declared {
            let known = known.entry(name.clone()).or_default();
            if let Some(arguments) = arguments {
                known.get_or_insert_default().extend(arguments.iter().cloned());
            }
        }
    }
    for trace in &mut base {
        trace.declared = known.clone();
    }
    let own = traces.len();
    traces.append(&mut base);
    let tool = Tool::start().await;
    let gate = gate_before(&tool, &traces).await;
    let seen = play(&tool, &gate, &traces).await;
    let (mut table, mut missed) = (BTreeMap::<&str, [usize; 4]>::new(), Vec::new());
    for (number, (trace, seen)) in traces.iter().zip(&seen).enumerate() {
        let kind = match trace.attack.as_str() {
            "" if number >= own => "base, tools of all",
            "" => "original",
            attack => attack,
        };
        let row = table.entry(kind).or_default();
        row[0] += 1;
        row[1] += usize::from(!seen.refused.is_empty());
        row[2] += usize::from(found(trace, seen));
        row[3] += usize::from(trace.keeps_throughout() && !seen.refused.is_empty());
        if matches!(kind, "HallucinatedTool" | "RedundantArg") && !found(trace, seen) {
            missed.push(&trace.id);
        }
        if trace.attack.is_empty() && !seen.refused.is_empty() && number < own {
            println!("original {}: {:?}", trace.id, seen.refused);
        }
    }
    println!(
        "kind: traces / with a refusal / the made-up one refused / refused though all declared"
    );
    for (kind, row) in &table {
        println!("{kind}: {} / {} / {} / {}", row[0], row[1], row[2], row[3]);
    }
    let calls: usize = seen.iter().map(|seen| seen.passed + seen.refused.len()).sum();
    let refused: usize = seen.iter().map(|seen| seen.refused.len()).sum();
    println!("{calls} calls, {refused} refused");
    assert!(missed.is_empty(), "{missed:?}");
    assert!(table.values().all(|row| row[3] == 0));
}
