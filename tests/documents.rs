//! What the documents show is what the binary accepts: configs, policies and policy tests in the
//! README and in the Kubernetes manifests.

#![expect(clippy::expect_used, reason = "a test that cannot read its files must fail loudly")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the document is there")
}

fn toolgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_toolgate"))
        .args(arguments)
        .current_dir(folder)
        .env("CRM_TOKEN", "a token of a test")
        .env("PAYMENTS_TOKEN", "a token of a test")
        .output()
        .expect("the binary runs")
}

fn accepts(folder: &Path, arguments: &[&str]) {
    let output = toolgate(folder, arguments);
    assert!(
        output.status.success(),
        "toolgate {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The block scalar `name: |` of a manifest, without its indentation.
fn block(manifest: &str, name: &str) -> Option<String> {
    let mut lines = manifest.lines();
    let key = lines.find(|line| line.trim() == format!("{name}: |"))?;
    let depth = key.len() - key.trim_start().len();
    let inside = lines
        .take_while(|line| line.trim().is_empty() || line.len() - line.trim_start().len() > depth);
    let inside: Vec<&str> = inside.collect();
    let indent = inside.iter().find(|line| !line.trim().is_empty())?;
    let indent = indent.len() - indent.trim_start().len();
    Some(inside.iter().map(|line| line.get(indent..).unwrap_or("").to_owned() + "\n").collect())
}

/// The fenced code blocks of one language in a Markdown text.
fn fenced<'a>(markdown: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    markdown
        .split(fence.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect()
}

#[test]
fn the_configs_in_the_manifests_are_accepted() {
    for (manifest, policy) in [
        ("deploy/kubernetes/sidecar.yaml", "booking.yaml"),
        ("deploy/kubernetes/gate-with-networkpolicy.yaml", "support.yaml"),
    ] {
        let text = read(manifest);
        let folder = TempDir::new().expect("a folder");
        let policies = folder.path().join("policies");
        fs::create_dir(&policies).expect("a folder");
        let config = block(&text, "toolgate.yaml").expect("the manifest has a config");
        // In the cluster both stand below one mount; here they stand side by side.
        fs::write(folder.path().join("toolgate.yaml"), config).expect("written");
        let policy_text = block(&text, policy).expect("the manifest has a policy");
        fs::write(policies.join(policy), policy_text).expect("written");
        accepts(folder.path(), &["check", "--strict"]);
    }
}

#[test]
fn the_examples_in_the_readme_are_accepted() {
    let text = read("README.md");
    let examples = fenced(&text, "yaml");
    let folder = TempDir::new().expect("a folder");
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).expect("a folder");
    for (kind, file) in [
        ("kind: Config", folder.path().join("toolgate.yaml")),
        ("kind: Policy\n", policies.join("booking.yaml")),
        ("kind: PolicyTest\n", policies.join("booking.test.yaml")),
    ] {
        let example = examples.iter().find(|example| example.contains(kind));
        fs::write(file, example.expect("the README shows one")).expect("written");
    }
    accepts(folder.path(), &["test", "policies"]);
    accepts(folder.path(), &["check", "--strict"]);
}

/// What `make test-peers` runs is what the README tells people to write.
#[test]
fn the_agents_in_the_readme_are_those_that_are_run() {
    let text = read("README.md");
    let shown: BTreeSet<&str> = ["python", "js"]
        .into_iter()
        .flat_map(|language| fenced(&text, language))
        .filter(|example| example.contains("/calculator/mcp"))
        .collect();
    let run: Vec<String> = fs::read_dir(root().join("tests/peers/agents"))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).expect("an agent"))
        .collect();
    assert_eq!(shown, run.iter().map(String::as_str).collect::<BTreeSet<&str>>());
    assert_eq!(shown.len(), 5, "one for each framework");
}

#[test]
fn the_config_for_agent_frameworks_is_accepted() {
    let text = read("README.md");
    let examples = fenced(&text, "yaml");
    let config = examples.iter().find(|example| example.contains("llm: openai"));
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("toolgate.yaml"), config.expect("the README shows one"))
        .expect("written");
    accepts(folder.path(), &["check"]);
}

#[test]
fn the_config_that_replays_recorded_runs_is_accepted() {
    let text = read("README.md");
    let script = fenced(&text, "sh");
    let script = script.iter().find(|script| script.contains("drive.yaml")).expect("one drives");
    let config = script.split("<<'YAML'\n").nth(1).and_then(|rest| rest.split("YAML\n").next());
    let folder = TempDir::new().expect("a folder");
    let policies = folder.path().join("policies");
    fs::create_dir(&policies).expect("a folder");
    fs::copy(root().join("policies/airline.yaml"), policies.join("airline.yaml")).expect("copied");
    fs::write(folder.path().join("drive.yaml"), config.expect("a here document")).expect("written");
    accepts(folder.path(), &["check", "--config", "drive.yaml"]);
    let sample = script
        .split_whitespace()
        .find(|word| word.ends_with(".jsonl") && word.starts_with("tests/"));
    assert!(root().join(sample.expect("a sample is named")).exists(), "the sample is not there");
}
