//! What a recording says of its own steps: which calls break a written policy or serve an attacker.

use serde_json::Value;

/// The label of calls that only serve an attacker's goal.
pub(super) const INJECTED: &str = "injected";

/// The labels of one step, from its own member `policy_violation` (a name or several), or from the
/// run's `injected_steps` and `attack_step` (positions from 0).
pub(super) fn of_step(
    violation: Option<&Value>,
    run_labels: &Value,
    position: usize,
) -> Vec<String> {
    let mut labels = violation.map(names).unwrap_or_default();
    if is_injected(run_labels, position) {
        labels.push(INJECTED.to_owned());
    }
    labels
}

/// Whether the run as a whole is labelled as one in which something should be refused.
pub(super) fn is_run_labelled(run_labels: &Value) -> bool {
    !run_labels.get("violations").map(names).unwrap_or_default().is_empty()
}

fn is_injected(run_labels: &Value, position: usize) -> bool {
    let is_here = |value: &Value| value.as_u64() == u64::try_from(position).ok();
    match run_labels.get("injected_steps") {
        Some(Value::Array(steps)) => steps.iter().any(is_here),
        Some(_) | None => run_labels.get("attack_step").is_some_and(is_here),
    }
}

fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(name) if !name.is_empty() => vec![name.clone()],
        Value::Array(several) => {
            several.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Value::Bool(true) => vec!["violation".to_owned()],
        Value::Null
        | Value::Bool(false)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_) => Vec::new(),
    }
}
