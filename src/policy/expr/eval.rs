//! Evaluation: one walk over the program, with values borrowed from the call.

use std::rc::Rc;

use smallvec::SmallVec;

use super::compare::{compare, contains, lookup};
use super::cost::{Budget, Evaluated, fault, mismatch};
use super::json_path::JsonPath;
use super::program::{Function, Node, ZoneOf};
use super::time::{TimePart, Zone};
use super::value::{Map, Value};
use super::{EvalErrorKind, arithmetic, functions};
use crate::policy::view::Env;

/// One evaluation. Recursion is bounded by the depth of the program, which is bounded when it is
/// compiled.
pub struct Machine<'a> {
    pub(super) env: &'a Env<'a>,
    pub(super) budget: Budget,
    /// Variables of the comprehensions being walked, outermost first.
    pub(super) slots: SmallVec<[Value<'a>; 4]>,
}

impl<'a> Machine<'a> {
    pub fn new(env: &'a Env<'a>) -> Self {
        Self { env, budget: Budget::new(), slots: SmallVec::new() }
    }

    /// The value of a node.
    ///
    /// # Errors
    /// See [`EvalErrorKind`].
    pub fn eval(&mut self, node: &'a Node) -> Evaluated<Value<'a>> {
        self.budget.take(1)?;
        match node {
            Node::Constant(constant) => Ok(Value::from(constant)),
            Node::Slot(slot) => self.slots.get(*slot).cloned().ok_or_else(unknown_variable),
            Node::Fact(fact) => fact.value(self.env).ok_or_else(|| {
                let (group, name) = fact.name();
                let message = format!("`{group}.{name}` is not known of this call");
                fault(EvalErrorKind::Unknown, message)
            }),
            Node::HasFact(fact) => Ok(Value::Bool(match fact.value(self.env) {
                Some(Value::Text(text)) => !text.is_empty(),
                Some(_) => true,
                None => false,
            })),
            Node::Argument(path) => self.argument(path),
            Node::Select(of, name) => {
                let of = self.eval(of)?;
                self.select(&of, name)
            }
            Node::Index(pair) => {
                let [of, index] = &**pair;
                let (of, index) = (self.eval(of)?, self.eval(index)?);
                self.element(&of, &index)?.ok_or_else(no_element)
            }
            Node::Result => self.env.answer.map(|answer| answer.result.into()).ok_or_else(|| {
                fault(EvalErrorKind::Unknown, "the tool has not answered this call")
            }),
            Node::Captured(capture) => self.captured(capture),
            Node::OptionalSelect(..) | Node::OptionalIndex(_) | Node::OptionalCaptured(_) => {
                Ok(Value::Optional(self.optional(node)?.map(Rc::new)))
            }
            Node::Prior | Node::LastStep(_) => self
                .step(node)?
                .map(Value::Step)
                .ok_or_else(|| fault(EvalErrorKind::Missing, "there is no such earlier call")),
            Node::PriorSteps(glob) => self.prior_steps(glob),
            Node::Tally(tally) => self.tally(tally),
            Node::Negate(of) => arithmetic::negate(&self.eval(of)?),
            Node::Conditional(parts) => {
                let [test, yes, no] = &**parts;
                let chosen = if self.test(test)? { yes } else { no };
                self.eval(chosen)
            }
            Node::Arithmetic(operator, pair) => {
                let [left, right] = &**pair;
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                arithmetic::apply(*operator, left, right, &mut self.budget)
            }
            Node::List(items) => {
                let items: Evaluated<Vec<_>> = items.iter().map(|item| self.eval(item)).collect();
                items.map(Value::list)
            }
            Node::Map(entries) => self.map(entries),
            Node::Comprehension(comprehension) => self.comprehension(comprehension),
            Node::TimePart(part, of, zone) => self.time_part(*part, of, zone),
            Node::JsonPath(of, path) => self.at_path(of, path),
            Node::Call(function, args) => self.call(*function, args),
            Node::HasArgument(_)
            | Node::Has(..)
            | Node::HasCaptured(_)
            | Node::Not(_)
            | Node::And(_)
            | Node::Or(_)
            | Node::Compare(..)
            | Node::In(_)
            | Node::Matches(..) => self.decide(node).map(Value::Bool),
        }
    }

    /// The value of a node that must be a boolean.
    ///
    /// # Errors
    /// As [`Self::eval`]; also any other value.
    pub fn test(&mut self, node: &'a Node) -> Evaluated<bool> {
        if is_decision(node) {
            self.budget.take(1)?;
            return self.decide(node);
        }
        match self.eval(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(mismatch("a boolean", other.kind())),
        }
    }

    /// The same as [`Self::eval`], quicker for what most operands are.
    #[inline]
    fn operand(&mut self, node: &'a Node) -> Evaluated<Value<'a>> {
        match node {
            Node::Constant(constant) => {
                self.budget.take(1)?;
                Ok(Value::from(constant))
            }
            Node::Argument(path) => {
                self.budget.take(1)?;
                self.argument(path)
            }
            other => self.eval(other),
        }
    }

    /// The nodes whose value is always a boolean: see [`is_decision`].
    fn decide(&mut self, node: &'a Node) -> Evaluated<bool> {
        match node {
            Node::Not(of) => self.test(of).map(|value| !value),
            Node::And(terms) => self.absorb(terms, false),
            Node::Or(terms) => self.absorb(terms, true),
            Node::Compare(comparison, pair) => {
                let [left, right] = &**pair;
                let (left, right) = (self.operand(left)?, self.operand(right)?);
                compare(*comparison, &left, &right, &mut self.budget)
            }
            Node::In(pair) => {
                let [wanted, range] = &**pair;
                let (wanted, range) = (self.operand(wanted)?, self.operand(range)?);
                match range {
                    Value::List(list) => contains(&list, &wanted, &mut self.budget),
                    Value::Map(map) => Ok(lookup(&map, &wanted, &mut self.budget)?.is_some()),
                    other => Err(mismatch("a list or a map", other.kind())),
                }
            }
            Node::Matches(of, regex) => match self.eval(of)? {
                Value::Text(text) => {
                    // A pattern looks at each byte a few times more often than a plain search.
                    self.budget.take_text(text.len().saturating_mul(4))?;
                    Ok(regex.is_match(&text))
                }
                other => Err(mismatch("text", other.kind())),
            },
            Node::HasArgument(path) => self.has_argument(path),
            Node::Has(of, name) => {
                let of = self.eval(of)?;
                Ok(self.member(&of, name)?.is_some())
            }
            Node::HasCaptured(capture) => self.has_captured(capture),
            other => match self.eval(other)? {
                Value::Bool(value) => Ok(value),
                other => Err(mismatch("a boolean", other.kind())),
            },
        }
    }

    /// `&&` and `||`: a term that decides wins over an error (CEL language definition, "Logical
    /// Operators").
    fn absorb(&mut self, terms: &'a [Node], deciding: bool) -> Evaluated<bool> {
        let mut error = None;
        for term in terms {
            match self.test(term) {
                Ok(value) if value == deciding => return Ok(deciding),
                Ok(_) => {}
                Err(fault) if fault.kind == EvalErrorKind::Cost => return Err(fault),
                Err(fault) => error = error.or(Some(fault)),
            }
        }
        error.map_or(Ok(!deciding), Err)
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Evaluated<Value<'a>> {
        let mut built: Vec<(Value<'a>, Value<'a>)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (key, value) = (self.eval(key)?, self.eval(value)?);
            if !matches!(key, Value::Text(_) | Value::Bool(_) | Value::Int(_) | Value::UInt(_)) {
                return Err(fault(EvalErrorKind::Type, format!("{} cannot be a key", key.kind())));
            }
            for (known, _) in &built {
                if super::compare::equal(known, &key, &mut self.budget)? {
                    return Err(fault(EvalErrorKind::Text, "a map has the same key twice"));
                }
            }
            built.push((key, value));
        }
        Ok(Value::Map(Map::Shared(Rc::from(built))))
    }

    fn time_part(
        &mut self,
        part: TimePart,
        of: &'a Node,
        zone: &'a ZoneOf,
    ) -> Evaluated<Value<'a>> {
        let of = self.eval(of)?;
        let zone = match zone {
            ZoneOf::Known(zone) => *zone,
            ZoneOf::Computed(name) => match self.eval(name)? {
                Value::Text(name) => Zone::read(&name)
                    .ok_or_else(|| fault(EvalErrorKind::Text, "there is no such time zone"))?,
                other => return Err(mismatch("a time zone", other.kind())),
            },
        };
        let value = match of {
            Value::Timestamp(at) => Some(part.of_timestamp(at, zone)),
            Value::Duration(ns) => part.of_duration(ns),
            _ => None,
        };
        value.map(Value::Int).ok_or_else(|| mismatch("a timestamp", of.kind()))
    }

    fn at_path(&mut self, of: &'a Node, path: &JsonPath) -> Evaluated<Value<'a>> {
        let of = self.eval(of)?;
        path.select(of, &mut self.budget).map(Value::list)
    }

    fn call(&mut self, function: Function, args: &'a [Node]) -> Evaluated<Value<'a>> {
        if let (Function::OptionalOrValue | Function::OptionalOr, [first, second]) =
            (function, args)
        {
            return match self.optional(first)? {
                Some(value) if function == Function::OptionalOr => Ok(Value::some(value)),
                Some(value) => Ok(value),
                None => self.eval(second),
            };
        }
        if let (Function::OptionalHasValue, [of]) = (function, args) {
            return Ok(Value::Bool(self.optional(of)?.is_some()));
        }
        if let (Function::OptionalValue, [of]) = (function, args) {
            return self.optional(of)?.ok_or_else(no_element);
        }
        let mut values: SmallVec<[Value<'a>; 4]> = SmallVec::new();
        for arg in args {
            values.push(self.eval(arg)?);
        }
        functions::call(function, &values, &mut self.budget)
    }
}

/// Whether a node's value is always a boolean, whatever it is made of.
#[inline]
fn is_decision(node: &Node) -> bool {
    matches!(
        node,
        Node::Compare(..)
            | Node::And(_)
            | Node::Or(_)
            | Node::Not(_)
            | Node::In(_)
            | Node::Matches(..)
            | Node::HasArgument(_)
            | Node::Has(..)
            | Node::HasCaptured(_)
    )
}

#[cold]
fn unknown_variable() -> super::EvalError {
    fault(EvalErrorKind::Unknown, "a variable has no value")
}

#[cold]
fn no_element() -> super::EvalError {
    fault(EvalErrorKind::Missing, "there is no such element")
}
