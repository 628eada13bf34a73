//! What expressions ask of the run's earlier calls.

use std::rc::Rc;

use super::cost::{Evaluated, fault, mismatch};
use super::eval::Machine;
use super::program::{Capture, Node, Tally, TallyQuestion, ToolPattern};
use super::value::{List, Text, Value};
use super::{EvalError, EvalErrorKind};
use crate::json;
use crate::policy::glob::Glob;
use crate::policy::history::{Captured, Step};

/// Names looked at for one unit.
const NAMES_A_UNIT: usize = 4;

/// Which tool names count.
enum Wanted<'a> {
    Glob(&'a Glob),
    Name(Text<'a>),
}

impl Wanted<'_> {
    /// Whether they are one tool, whose calls are either all tallied under its name or none.
    fn is_one_tool(&self) -> bool {
        match self {
            Self::Glob(glob) => glob.exact().is_some(),
            Self::Name(_) => true,
        }
    }

    fn matches(&self, tool: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(tool),
            Self::Name(name) => **name == *tool,
        }
    }
}

impl<'a> Machine<'a> {
    pub(super) fn tally(&mut self, tally: &'a Tally) -> Evaluated<Value<'a>> {
        let wanted = match &tally.tool {
            ToolPattern::Glob(glob) => Wanted::Glob(glob),
            ToolPattern::Name(node) => match self.eval(node)? {
                Value::Text(name) => Wanted::Name(name),
                other => return Err(mismatch("the name of a tool", other.kind())),
            },
        };
        let succeeded_only = tally.question == TallyQuestion::Succeeded;
        let count = match &tally.within {
            Some(within) => match self.eval(within)? {
                Value::Duration(ns) => self.count_since(&wanted, succeeded_only, ns)?,
                other => return Err(mismatch("a duration", other.kind())),
            },
            None => self.count_ever(&wanted, succeeded_only)?,
        };
        Ok(match tally.question {
            TallyQuestion::Called | TallyQuestion::Succeeded => Value::Bool(count > 0),
            TallyQuestion::Count => Value::Int(i64::try_from(count).unwrap_or(i64::MAX)),
        })
    }

    fn count_ever(&mut self, wanted: &Wanted<'a>, succeeded_only: bool) -> Evaluated<u64> {
        let mut count = 0u64;
        let mut looked = 0usize;
        let mut unnamed = false;
        for (tool, tally) in self.env.run.history.tallies() {
            looked += 1;
            unnamed |= tool.is_empty();
            if wanted.matches(tool) {
                let more = if succeeded_only { tally.succeeded } else { tally.called };
                count = count.saturating_add(more);
            }
        }
        self.budget.take(looked / NAMES_A_UNIT)?;
        if !unnamed || (count > 0 && wanted.is_one_tool()) {
            return Ok(count);
        }
        // A run of very many tools tallies the later ones together, without their names. What is
        // remembered of them is all there was only while nothing was forgotten.
        if self.env.run.history.forgotten().is_some() {
            return Err(forgotten());
        }
        self.count_steps(wanted, succeeded_only, |_| true)
    }

    fn count_since(
        &mut self,
        wanted: &Wanted<'a>,
        succeeded_only: bool,
        ns: i64,
    ) -> Evaluated<u64> {
        let now = self.env.now;
        let limit = u128::try_from(ns).unwrap_or(0);
        let recent = |ended| now.since(ended).as_nanos() <= limit;
        if self.env.run.history.forgotten().is_some_and(recent) {
            self.all_remembered(wanted, succeeded_only)?;
        }
        self.count_steps(wanted, succeeded_only, |step| recent(step.ended))
    }

    /// Fails unless all calls of these tools are among the remembered steps.
    fn all_remembered(&mut self, wanted: &Wanted<'a>, succeeded_only: bool) -> Evaluated<()> {
        if self.env.run.history.forgotten().is_none() {
            return Ok(());
        }
        let ever = self.count_ever(wanted, succeeded_only)?;
        let remembered = self.count_steps(wanted, succeeded_only, |_| true)?;
        if ever > remembered { Err(forgotten()) } else { Ok(()) }
    }

    fn count_steps(
        &mut self,
        wanted: &Wanted<'a>,
        succeeded_only: bool,
        recent: impl Fn(&Step) -> bool,
    ) -> Evaluated<u64> {
        let steps = self.env.run.history.steps();
        self.budget.take(steps.len() / NAMES_A_UNIT)?;
        let fits = |step: &&Step| {
            (step.succeeded || !succeeded_only) && recent(step) && wanted.matches(&step.tool)
        };
        let ended = steps.filter(fits).count();
        let open = self.env.run.history.open_calls();
        self.budget.take(open.len() / NAMES_A_UNIT)?;
        let open = open.filter(|tool| !succeeded_only && wanted.matches(tool)).count();
        Ok(u64::try_from(ended.saturating_add(open)).unwrap_or(u64::MAX))
    }

    /// The successful calls of some tools, oldest first.
    pub(super) fn prior_steps(&mut self, glob: &'a Glob) -> Evaluated<Value<'a>> {
        self.all_remembered(&Wanted::Glob(glob), true)?;
        let steps = self.env.run.history.steps();
        self.budget.take(steps.len() / NAMES_A_UNIT)?;
        let fits = |step: &&Step| step.succeeded && glob.matches(&step.tool);
        let found: Rc<[Value<'a>]> = steps.filter(fits).map(Value::Step).collect();
        Ok(Value::List(List::Shared(found)))
    }

    /// The earlier call a node stands for; `None` when there is none.
    pub(super) fn step(&mut self, node: &'a Node) -> Evaluated<Option<&'a Step>> {
        match node {
            Node::Prior => Ok(self.env.prior),
            Node::LastStep(glob) => {
                let steps = self.env.run.history.steps();
                self.budget.take(steps.len() / NAMES_A_UNIT)?;
                let mut latest = steps.rev();
                let found = latest.find(|step| step.succeeded && glob.matches(&step.tool));
                if found.is_none() {
                    self.all_remembered(&Wanted::Glob(glob), true)?;
                }
                Ok(found)
            }
            other => match self.eval(other)? {
                Value::Step(step) => Ok(Some(step)),
                Value::Optional(None) => Ok(None),
                Value::Optional(Some(value)) => match &*value {
                    Value::Step(step) => Ok(Some(step)),
                    other => Err(mismatch("an earlier call", other.kind())),
                },
                other => Err(mismatch("an earlier call", other.kind())),
            },
        }
    }

    /// How long ago a call ended.
    pub(super) fn age(&self, step: &Step) -> Value<'a> {
        Value::duration(self.env.now.since(step.ended))
    }

    pub(super) fn captured(&mut self, capture: &'a Capture) -> Evaluated<Value<'a>> {
        let Some(step) = self.step(&capture.step)? else {
            return Err(fault(EvalErrorKind::Missing, "there is no such earlier call"));
        };
        self.read(step, &capture.path)?.ok_or_else(|| {
            let message = format!("the earlier call has no `{}`", capture.path);
            fault(EvalErrorKind::Missing, message)
        })
    }

    /// The same, absent when the call or the value is.
    pub(super) fn find_captured(&mut self, capture: &'a Capture) -> Evaluated<Option<Value<'a>>> {
        match self.step(&capture.step)? {
            Some(step) => self.read(step, &capture.path),
            None => Ok(None),
        }
    }

    pub(super) fn has_captured(&mut self, capture: &'a Capture) -> Evaluated<bool> {
        let Some(step) = self.step(&capture.step)? else {
            return Ok(false);
        };
        if !capture.path.contains('.') {
            return Ok(true);
        }
        match self.read(step, &capture.path) {
            Ok(found) => Ok(found.is_some()),
            // It is there, only too large to remember.
            Err(error) if error.kind == EvalErrorKind::Forgotten => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, step: &'a Step, path: &str) -> Evaluated<Option<Value<'a>>> {
        match path {
            "tool" => return Ok(Some(Value::Text(Text::Borrowed(&step.tool)))),
            "age" => return Ok(Some(self.age(step))),
            _ => {}
        }
        self.budget.take(step.captured.len() / NAMES_A_UNIT)?;
        let Some((entry, rest)) = remembered(step, path) else {
            return Ok(None);
        };
        let Some(document) = &entry.value else {
            let message = format!("`{}` of the earlier call was too large to remember", entry.path);
            return Err(fault(EvalErrorKind::Forgotten, message));
        };
        let mut value = document.root();
        if rest.is_empty() {
            return Ok(Some(value.into()));
        }
        for name in rest.split('.').filter(|name| !name.is_empty()) {
            let json::Value::Object(object) = value else {
                return Ok(None);
            };
            match object.get(name) {
                Some(found) => value = found,
                None => return Ok(None),
            }
        }
        Ok(Some(value.into()))
    }
}

#[cold]
fn forgotten() -> EvalError {
    fault(EvalErrorKind::Forgotten, "the run made more calls than are remembered")
}

/// The entry under a path, or under the longest beginning of it, and what is left of the path.
fn remembered<'s, 'p>(step: &'s Step, path: &'p str) -> Option<(&'s Captured, &'p str)> {
    let beginnings = step.captured.iter().filter_map(|entry| {
        let rest = path.strip_prefix(&*entry.path)?;
        (rest.is_empty() || rest.starts_with('.')).then_some((entry, rest))
    });
    beginnings.min_by_key(|(_, rest)| rest.len())
}
