//! Constants are computed when the expression is loaded.
//!
//! What fails then is left to fail when evaluated, as CEL asks, except text that a function could
//! never read: `duration("5 minutes")` is a mistake of the author.

use std::sync::Arc;
use std::time::Duration;

use cel::common::ast::IdedExpr;

use super::calls::reads_notation;
use super::eval::Machine;
use super::lower::Lowering;
use super::program::{Constant, Node, ZoneOf};
use super::value::Value;
use crate::clock::Now;
use crate::json;
use crate::policy::history::History;
use crate::policy::view::{CallView, Caller, Effect, Env, NO_LABELS, RunView, ToolFacts};

impl Lowering {
    /// The same node, or the constant it always is.
    pub(super) fn fold(&mut self, node: Node, expr: &IdedExpr) -> Node {
        let node = match node {
            Node::And(terms) => return decided(terms, false),
            Node::Or(terms) => return decided(terms, true),
            Node::Conditional(parts) => match *parts {
                [Node::Constant(Constant::Bool(true)), yes, _] => return yes,
                [Node::Constant(Constant::Bool(false)), _, no] => return no,
                parts => return Node::Conditional(Box::new(parts)),
            },
            node => node,
        };
        if !is_constant(&node) {
            return node;
        }
        let outcome = evaluate(&node);
        match outcome {
            Ok(Some(constant)) => Node::Constant(constant),
            Ok(None) => node,
            Err(reason) => {
                if reads_notation(&node) {
                    self.unreadable(reason, expr);
                }
                node
            }
        }
    }
}

/// `&&` (deciding `false`) or `||` (deciding `true`): a constant that decides is the result, others
/// are left out.
fn decided(terms: Box<[Node]>, deciding: bool) -> Node {
    let constant = |term: &Node| match term {
        Node::Constant(Constant::Bool(value)) => Some(*value),
        _ => None,
    };
    if terms.iter().any(|term| constant(term) == Some(deciding)) {
        return Node::Constant(Constant::Bool(deciding));
    }
    let left: Box<[Node]> =
        terms.into_iter().filter(|term| constant(term) != Some(!deciding)).collect();
    if left.is_empty() {
        return Node::Constant(Constant::Bool(!deciding));
    }
    if deciding { Node::Or(left) } else { Node::And(left) }
}

/// Whether a node is an operation on constants alone.
fn is_constant(node: &Node) -> bool {
    let constants = |nodes: &[Node]| nodes.iter().all(|node| matches!(node, Node::Constant(_)));
    match node {
        Node::Not(of)
        | Node::Negate(of)
        | Node::Select(of, _)
        | Node::Has(of, _)
        | Node::Matches(of, _)
        | Node::TimePart(_, of, ZoneOf::Known(_)) => matches!(**of, Node::Constant(_)),
        Node::Compare(_, pair) | Node::In(pair) | Node::Arithmetic(_, pair) | Node::Index(pair) => {
            constants(&**pair)
        }
        Node::List(items) => constants(items),
        Node::Call(_, args) => constants(args),
        Node::Map(entries) => entries
            .iter()
            .all(|(key, value)| matches!((key, value), (Node::Constant(_), Node::Constant(_)))),
        Node::Constant(_)
        | Node::Slot(_)
        | Node::Fact(_)
        | Node::HasFact(_)
        | Node::Argument(_)
        | Node::HasArgument(_)
        | Node::OptionalSelect(..)
        | Node::OptionalIndex(_)
        | Node::Result
        | Node::Captured(_)
        | Node::HasCaptured(_)
        | Node::OptionalCaptured(_)
        | Node::Prior
        | Node::LastStep(_)
        | Node::PriorSteps(_)
        | Node::Tally(_)
        // Its values are borrowed from what it reads.
        | Node::JsonPath(..)
        | Node::And(_)
        | Node::Or(_)
        | Node::Conditional(_)
        | Node::Comprehension(_)
        | Node::TimePart(_, _, ZoneOf::Computed(_)) => false,
    }
}

/// Evaluates an operation on constants; `None` when its value is no constant.
fn evaluate(node: &Node) -> Result<Option<Constant>, String> {
    let empty: Arc<str> = Arc::from("");
    let tool = ToolFacts {
        name: empty.clone(),
        server: empty.clone(),
        operation: empty.clone(),
        tags: Arc::from([]),
        effect: Effect::Write,
        version: empty,
    };
    let (caller, history) = (Caller::default(), History::default());
    let env = Env {
        call: CallView {
            args: json::Value::Null,
            args_bytes: 0,
            protocol: "",
            method: "",
            path: "",
            step: 0,
            intended: None,
            model: None,
            tool: &tool,
            caller: &caller,
        },
        run: RunView {
            id: "",
            age: Duration::ZERO,
            calls: 0,
            errors: 0,
            denials: 0,
            tokens: 0,
            cost_usd: crate::policy::amount::Usd::ZERO,
            labels: &NO_LABELS,
            history: &history,
        },
        prior: None,
        answer: None,
        now: Now { mono: Duration::ZERO, wall_ms: 0 },
    };
    let value = Machine::new(&env).eval(node);
    value.map(|value| to_constant(&value)).map_err(|error| error.message)
}

fn to_constant(value: &Value<'_>) -> Option<Constant> {
    Some(match value {
        Value::Null => Constant::Null,
        Value::Bool(value) => Constant::Bool(*value),
        Value::Int(value) => Constant::Int(*value),
        Value::UInt(value) => Constant::UInt(*value),
        Value::Double(value) => Constant::Double(*value),
        Value::Text(text) => Constant::Text((&**text).into()),
        Value::Timestamp(at) => Constant::Timestamp(*at),
        Value::Duration(ns) => Constant::Duration(*ns),
        Value::Kind(name) => Constant::Kind(name),
        Value::Ip(address) => Constant::Ip(*address),
        Value::Cidr(range) => Constant::Cidr(*range),
        Value::List(list) => {
            let items: Option<Box<[Constant]>> = list.to_vec().iter().map(to_constant).collect();
            Constant::List(items?)
        }
        Value::Map(map) => {
            let entries: Option<Box<[_]>> = map
                .entries()
                .iter()
                .map(|(key, value)| Some((to_constant(key)?, to_constant(value)?)))
                .collect();
            Constant::Map(entries?)
        }
        Value::Optional(_)
        | Value::Step(_)
        | Value::Command(_)
        | Value::Statement(_)
        | Value::Url(_)
        | Value::Email(_) => return None,
    })
}
