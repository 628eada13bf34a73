//! Why a rule fired: the comparisons that made its expression true, and what would have passed.
//!
//! The walk follows only what decided: of a true `&&` the term that is easiest to change, of a true
//! `||` every true term, the branch a condition took. All that is listed must change together.

use super::Violation;
use super::convert::write_json;
use super::eval::Machine;
use super::facts::Fact;
use super::program::{Comparison, Constant, Function, Node};
use super::value::{List, Value};
use crate::policy::view::Env;

/// Violations listed for one expression.
const VIOLATIONS_LIMIT: usize = 16;

/// Longest limit that is written out, in bytes.
const LIMIT_BYTES: usize = 512;

/// Elements of a list that are named in what would pass.
const NAMED_LIMIT_ELEMENTS: usize = 16;

/// Deepest nesting of `&&`, `||`, `!` and conditions that is followed.
const DEPTH_LIMIT_NODES: usize = 32;

/// The comparisons that gave `root` its value `true`.
pub fn violations(root: &Node, env: &Env<'_>) -> Vec<Violation> {
    let mut explanation = Explanation { machine: Machine::new(env), found: Vec::new() };
    explanation.blame(root, true, 0);
    explanation.found
}

struct Explanation<'a> {
    machine: Machine<'a>,
    found: Vec<Violation>,
}

/// How hard it is to make these changes: more of them is harder; a bound is kept more easily than
/// a value is replaced, and an argument is changed more easily than left out.
fn effort(violations: &[Violation]) -> (usize, u8) {
    let hardest = violations.iter().map(|violation| {
        let passes = violation.passes.as_str();
        let bound = passes.contains('<') || passes.contains('>');
        match (violation.path.starts_with("/args"), passes) {
            (false, _) => 4,
            (true, "absent" | "present") => 3,
            (true, _) if bound => 1,
            (true, _) => 2,
        }
    });
    (violations.len(), hardest.max().unwrap_or_default())
}

/// What a comparison is about.
struct Subject {
    path: String,
    /// What stands before the limit in what would pass: `size `.
    measure: &'static str,
}

impl<'a> Explanation<'a> {
    /// Looks for what gave a node its value.
    fn blame(&mut self, node: &'a Node, outcome: bool, depth: usize) {
        if depth >= DEPTH_LIMIT_NODES || self.found.len() >= VIOLATIONS_LIMIT {
            return;
        }
        // A term that failed, or had the other value, decided nothing.
        if !matches!(self.machine.test(node), Ok(value) if value == outcome) {
            return;
        }
        match node {
            Node::And(terms) if outcome => self.blame_one(terms, outcome, depth),
            Node::Or(terms) if !outcome => self.blame_one(terms, outcome, depth),
            Node::And(terms) | Node::Or(terms) => {
                for term in terms {
                    self.blame(term, outcome, depth + 1);
                }
            }
            Node::Not(of) => self.blame(of, !outcome, depth + 1),
            Node::Conditional(parts) => {
                let [test, yes, no] = &**parts;
                match self.machine.test(test) {
                    Ok(true) => self.blame(yes, outcome, depth + 1),
                    Ok(false) => self.blame(no, outcome, depth + 1),
                    Err(_) => {}
                }
            }
            leaf => self.blame_leaf(leaf, outcome),
        }
    }

    /// Where changing one of several terms is enough, the one that is easiest to change, so that
    /// all that is found must be changed and no more.
    fn blame_one(&mut self, terms: &'a [Node], outcome: bool, depth: usize) {
        let before = std::mem::take(&mut self.found);
        let mut easiest: Option<Vec<Violation>> = None;
        for term in terms {
            self.blame(term, outcome, depth + 1);
            let found = std::mem::take(&mut self.found);
            let easier = match &easiest {
                None => !found.is_empty(),
                Some(easiest) => !found.is_empty() && effort(&found) < effort(easiest),
            };
            if easier {
                easiest = Some(found);
            }
        }
        self.found = before;
        self.found.extend(easiest.unwrap_or_default());
        self.found.truncate(VIOLATIONS_LIMIT);
    }

    /// The same for a node that is not made of other conditions.
    fn blame_leaf(&mut self, node: &'a Node, outcome: bool) {
        match node {
            Node::Compare(comparison, pair) => {
                let holds = if outcome { *comparison } else { comparison.negated() };
                let [left, right] = &**pair;
                if let Some(subject) = subject(left) {
                    self.compared(subject, left, holds, right);
                } else if let Some(subject) = subject(right) {
                    self.compared(subject, right, holds.mirrored(), left);
                }
            }
            Node::In(pair) => {
                let [wanted, range] = &**pair;
                if let Some(subject) = subject(wanted) {
                    self.listed(subject, wanted, outcome, range);
                }
            }
            Node::Call(function, args) => self.tested(*function, args, outcome),
            Node::Argument(path) => {
                let passes = format!("== {}", !outcome);
                let limit = outcome.to_string();
                self.note(pointer(path), limit, Some(outcome.to_string()), passes);
            }
            Node::HasArgument(path) => {
                let passes = if outcome { "absent" } else { "present" };
                self.note(pointer(path), "null".to_owned(), None, passes.to_owned());
            }
            Node::And(_)
            | Node::Or(_)
            | Node::Not(_)
            | Node::Conditional(_)
            | Node::Constant(_)
            | Node::Slot(_)
            | Node::Fact(_)
            | Node::HasFact(_)
            | Node::Select(..)
            | Node::Has(..)
            | Node::OptionalSelect(..)
            | Node::Index(_)
            | Node::OptionalIndex(_)
            | Node::Result
            | Node::Captured(_)
            | Node::HasCaptured(_)
            | Node::OptionalCaptured(_)
            | Node::Prior
            | Node::LastStep(_)
            | Node::PriorSteps(_)
            | Node::Tally(_)
            | Node::Negate(_)
            | Node::Arithmetic(..)
            | Node::List(_)
            | Node::Map(_)
            | Node::Comprehension(_)
            | Node::Matches(..)
            | Node::JsonPath(..)
            | Node::TimePart(..) => {}
        }
    }

    /// `subject holds limit`: the negation passes.
    fn compared(&mut self, subject: Subject, node: &'a Node, holds: Comparison, limit: &'a Node) {
        let Some(limit) = self.limit(limit) else {
            return;
        };
        let actual = self.actual(node);
        let passes = format!("{}{} {limit}", subject.measure, holds.negated().symbol());
        self.note(subject.path, limit, actual, passes);
    }

    fn listed(&mut self, subject: Subject, node: &'a Node, inside: bool, range: &'a Node) {
        let Some(limit) = self.limit(range) else {
            return;
        };
        let actual = self.actual(node);
        let relation = if inside { "none" } else { "one" };
        let passes = format!("{}{relation} of {limit}", subject.measure);
        self.note(subject.path, limit, actual, passes);
    }

    fn tested(&mut self, function: Function, args: &'a [Node], outcome: bool) {
        let verb = match function {
            Function::StartsWith => "starts with",
            Function::EndsWith => "ends with",
            Function::Contains => "contains",
            _ => return,
        };
        let [of, part] = args else {
            return;
        };
        let (Some(subject), Some(limit)) = (subject(of), self.limit(part)) else {
            return;
        };
        let negation = if outcome { "not: " } else { "" };
        let passes = format!("{}{negation}{verb} {limit}", subject.measure);
        self.note(subject.path, limit, None, passes);
    }

    fn note(&mut self, path: String, limit: String, actual: Option<String>, passes: String) {
        let violation = Violation { path, limit, actual, passes };
        if self.found.len() < VIOLATIONS_LIMIT && !self.found.contains(&violation) {
            self.found.push(violation);
        }
    }

    /// The other side as JSON. Text is shown only when it stands in the rule itself.
    fn limit(&mut self, node: &'a Node) -> Option<String> {
        let value = self.machine.eval(node).ok()?;
        let written = matches!(node, Node::Constant(_));
        let plain = matches!(
            value,
            Value::Int(_) | Value::UInt(_) | Value::Double(_) | Value::Bool(_) | Value::Null
        );
        let timed = matches!(value, Value::Timestamp(_) | Value::Duration(_));
        if !(written || plain || timed) {
            return None;
        }
        let value = match value {
            Value::List(List::Constants(items)) => {
                let shown = items.get(..NAMED_LIMIT_ELEMENTS).unwrap_or(items);
                Value::List(List::Constants(shown))
            }
            value => value,
        };
        let mut json = String::new();
        let complete = write_json(&value, &mut json, LIMIT_BYTES);
        (complete && json.len() <= LIMIT_BYTES * 2).then_some(json)
    }

    /// The value itself as JSON, when it is a number or a boolean.
    fn actual(&mut self, node: &'a Node) -> Option<String> {
        let value = self.machine.eval(node).ok()?;
        let open = matches!(
            value,
            Value::Int(_) | Value::UInt(_) | Value::Double(_) | Value::Bool(_) | Value::Null
        );
        let mut json = String::new();
        (open && write_json(&value, &mut json, LIMIT_BYTES)).then_some(json)
    }
}

/// The argument or counter a side of a comparison reads.
fn subject(node: &Node) -> Option<Subject> {
    let plain = |path| Some(Subject { path, measure: "" });
    match node {
        Node::Argument(path) if !path.is_empty() => plain(pointer(path)),
        Node::Fact(
            fact @ (Fact::RunCalls
            | Fact::RunErrors
            | Fact::RunDenials
            | Fact::RunAge
            | Fact::CallArgsBytes
            | Fact::CallStep),
        ) => {
            let (group, name) = fact.name();
            plain(format!("/{group}/{name}"))
        }
        Node::Call(Function::Size, args) => {
            let inner = args.first().and_then(subject)?;
            inner.measure.is_empty().then_some(Subject { path: inner.path, measure: "size " })
        }
        Node::Call(Function::ToInt | Function::ToDouble | Function::ToUInt, args) => {
            args.first().and_then(subject)
        }
        Node::Call(Function::OptionalOrValue, args) => optional_path(args.first()?).and_then(plain),
        _ => None,
    }
}

/// The argument that `args.?x` or `args.a.?x.?y` reads.
fn optional_path(node: &Node) -> Option<String> {
    let mut names = Vec::new();
    let mut node = node;
    while let Node::OptionalSelect(of, name) = node {
        names.push(&**name);
        node = of;
    }
    let Node::Argument(path) = node else {
        return None;
    };
    let names = path.iter().map(|name| &**name).chain(names.into_iter().rev());
    Some(pointer_of(names))
}

fn pointer(path: &[Box<str>]) -> String {
    pointer_of(path.iter().map(|name| &**name))
}

/// A JSON pointer (RFC 6901) under `/args`.
fn pointer_of<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut pointer = String::from("/args");
    for name in names {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

/// The value a program always has.
pub fn constant(root: &Node) -> Option<bool> {
    match root {
        Node::Constant(Constant::Bool(value)) => Some(*value),
        _ => None,
    }
}
