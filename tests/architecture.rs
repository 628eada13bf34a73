//! The rules of the house, read off the source: which way imports point, how large files are,
//! that each says what it is for, and who may name what.

#![expect(clippy::expect_used, reason = "a test that cannot read the source must fail loudly")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules in the order in which they may know each other: each may import those before it and
/// those on its own line.
const ORDER: [&[&str]; 15] = [
    &["clock", "weaken"],
    &["json", "yaml"],
    &["contract", "policy"],
    &["call"],
    &["baseline"],
    &["ledger", "protocol", "identify", "stdio"],
    &["guard"],
    &["forward"],
    &["review"],
    &["classify", "evaluate"],
    &["respond", "record"],
    &["config", "snapshot"],
    &["pipeline"],
    &["server", "admin", "rehearse", "reload"],
    &["cli", "main"],
];

/// What `guard/*` must not know: it is pure.
const NOT_IN_GUARD: [&str; 6] =
    ["http::", "hyper", "tokio", "crate::record", "crate::config", "std::fs"];

/// Crates that only one module may name.
const OWNED: [(&str, &[&str]); 9] = [
    ("rustls", &["forward", "server", "main"]),
    ("opentelemetry", &["record"]),
    ("opentelemetry_otlp", &["record"]),
    ("opentelemetry_proto", &["record"]),
    ("opentelemetry_sdk", &["record"]),
    ("prometheus_client", &["record"]),
    ("cel", &["policy"]),
    ("notify", &["config"]),
    ("sqlparser", &["policy"]),
];

const FILE_LIMIT_LINES: usize = 600;
const USUAL_LIMIT_LINES: usize = 350;
/// At least so many of a hundred files are within the usual limit.
const USUAL_PERCENT: usize = 90;
const FUNCTION_LIMIT_LINES: usize = 70;

/// Imports against the order that are accepted, with the reason. An entry that no longer stands
/// in the source fails the test.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

struct File {
    path: PathBuf,
    /// The top-level module it belongs to.
    module: String,
    text: String,
    is_test: bool,
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src is readable") {
            let path = entry.expect("entries are readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let relative = path.strip_prefix(&root).expect("below src").to_path_buf();
            let first = relative.components().next().expect("not empty");
            let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let is_test = relative
                .components()
                .any(|part| matches!(part.as_os_str().to_str(), Some("tests.rs" | "tests")));
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            found.push(File { path: relative, module, text, is_test });
        }
    }
    assert!(found.len() > 40, "only {} files found below src", found.len());
    found
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|line| line.contains(&module))
}

/// Top-level modules a file imports: `use crate::a::…`, `crate::a::…` in paths.
fn imported(file: &File) -> Vec<String> {
    let mut modules = Vec::new();
    for line in code_lines(&file.text) {
        let mut rest = line;
        while let Some(at) = rest.find("crate::") {
            let before = rest[..at].chars().next_back();
            rest = &rest[at + "crate::".len()..];
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_') {
                continue;
            }
            let name: String = rest
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            modules.push(name);
        }
    }
    modules
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn imports_point_one_way() {
    let mut faults = Vec::new();
    let mut used = vec![false; EXCEPTIONS.len()];
    for file in sources().iter().filter(|file| !file.is_test && file.module != "lib") {
        let Some(own) = rank(&file.module) else {
            faults.push(format!(
                "{}: `{}` has no place in the order",
                file.path.display(),
                file.module
            ));
            continue;
        };
        for module in imported(file) {
            let Some(other) = rank(&module) else { continue };
            if other <= own {
                continue;
            }
            let path = file.path.display().to_string();
            let excused =
                EXCEPTIONS.iter().position(|(from, to, _)| *from == path && *to == module);
            match excused {
                Some(at) => used[at] = true,
                None => faults.push(format!("{path} imports `{module}`, which comes later")),
            }
        }
    }
    for (at, (from, to, _)) in EXCEPTIONS.iter().enumerate() {
        if !used[at] {
            faults.push(format!("the exception for {from} -> {to} is stale"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn guards_are_pure_and_do_not_know_each_other() {
    let mut faults = Vec::new();
    let guards = sources();
    let guards = guards.iter().filter(|file| file.module == "guard" && !file.is_test);
    for file in guards {
        for word in NOT_IN_GUARD {
            if code_lines(&file.text).any(|line| line.contains(word)) {
                faults.push(format!("{} names `{word}`", file.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn some_crates_have_one_owner() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test) {
        for (name, owners) in OWNED {
            let named = code_lines(&file.text).any(|line| {
                line.contains(&format!("use {name}::")) || line.contains(&format!(" {name}::"))
            });
            if named && !owners.contains(&file.module.as_str()) {
                faults.push(format!("{} names `{name}`", file.path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_say_what_they_are_for_and_stay_small() {
    let mut faults = Vec::new();
    let files = sources();
    let mut usual = 0;
    for file in &files {
        let lines = file.text.lines().count();
        if !file.text.starts_with("//! ") {
            faults.push(format!("{} does not open with //!", file.path.display()));
        }
        if lines > FILE_LIMIT_LINES {
            faults.push(format!("{} has {lines} lines", file.path.display()));
        }
        if lines <= USUAL_LIMIT_LINES {
            usual += 1;
        }
    }
    if usual * 100 < files.len() * USUAL_PERCENT {
        faults.push(format!(
            "only {usual} of {} files have {USUAL_LIMIT_LINES} lines or fewer",
            files.len()
        ));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn functions_fit_on_a_screen() {
    let mut faults = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test) {
        let mut open: Vec<(String, usize, usize)> = Vec::new();
        for (number, line) in file.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let text = line.trim_start();
            let starts = [
                "fn ",
                "pub fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "async fn ",
                "pub async fn ",
            ];
            if starts.iter().any(|start| text.starts_with(start)) {
                open.push((text.to_owned(), indent, number));
            }
            if text == "}" && open.last().is_some_and(|(_, depth, _)| *depth == indent) {
                let (name, _, start) = open.pop().expect("just seen");
                let lines = number - start + 1;
                if lines > FUNCTION_LIMIT_LINES {
                    faults.push(format!(
                        "{}:{}: {lines} lines: {name}",
                        file.path.display(),
                        start + 1
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn architecture_md_names_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let mut missing = Vec::new();
    let mut named = BTreeMap::new();
    for piece in text.split('`').skip(1).step_by(2) {
        let looks_like_a_path = piece.starts_with("src/") || piece.starts_with("tests/");
        if looks_like_a_path && !piece.contains(['*', '{', ' ']) {
            named.insert(piece.to_owned(), ());
            if !root.join(piece).exists() {
                missing.push(piece.to_owned());
            }
        }
    }
    assert!(named.len() > 15, "ARCHITECTURE.md names only {} places", named.len());
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

#[test]
fn serde_json_reads_numbers_and_orders_keys_in_its_usual_way() {
    let number: serde_json::Value = serde_json::from_str("18446744073709551616").expect("a number");
    assert!(number.is_f64(), "the feature arbitrary_precision is on: it changes every reader");
    let object: serde_json::Value = serde_json::from_str(r#"{"b":1,"a":2}"#).expect("an object");
    assert_eq!(object.to_string(), r#"{"a":2,"b":1}"#, "the feature preserve_order is on");
}
