//! Functions of the run's history: `run.called("tool")`, `run.last("tool")` …

use std::ops::Range;

use cel::common::ast::IdedExpr;

use super::calls::literal_text;
use super::lower::{Lowering, Typed};
use super::program::{Node, Tally, TallyQuestion, ToolPattern};
use super::types::Type;
use crate::policy::glob::Glob;
use crate::yaml::closest;

/// Functions of `run`.
pub const RUN_FUNCTIONS: [&str; 5] = ["called", "succeeded", "count", "last", "prior"];

impl Lowering {
    pub(super) fn run_function(
        &mut self,
        name: &str,
        args: &[IdedExpr],
        span: Range<usize>,
    ) -> Typed {
        let question = match name {
            "called" => Some(TallyQuestion::Called),
            "succeeded" => Some(TallyQuestion::Succeeded),
            "count" => Some(TallyQuestion::Count),
            "last" | "prior" => None,
            _ => {
                let help = closest(name, RUN_FUNCTIONS.into_iter())
                    .map(|near| format!("did you mean `run.{near}`?"));
                let message = format!("`run.{name}` is not a function");
                return self.fail_with("TG203", message, span, help);
            }
        };
        let (tool, within) = match args {
            [tool] => (tool, None),
            [tool, within] if question.is_some() => (tool, Some(within)),
            _ => {
                let message = format!("`run.{name}` takes the name of a tool");
                let help =
                    question.map(|_| format!("write run.{name}(\"db.*\", duration(\"5m\"))"));
                return self.fail_with("TG204", message, span, help);
            }
        };
        if let Some(pattern) = literal_text(tool) {
            self.tool_patterns.push((Glob::new(pattern), self.places.extent(tool)));
        }
        let Some(question) = question else {
            return self.earlier_calls(name, tool);
        };
        let tool = match literal_text(tool) {
            Some(pattern) => ToolPattern::Glob(Glob::new(pattern)),
            None => ToolPattern::Name(Box::new(self.typed(tool, &Type::Text))),
        };
        let within = within.map(|within| Box::new(self.typed(within, &Type::Duration)));
        let of = if question == TallyQuestion::Count { Type::Int } else { Type::Bool };
        (Node::Tally(Tally { question, tool, within }), of)
    }

    /// What is remembered of a tool's calls is decided when the policy is loaded, so its name
    /// cannot be computed.
    fn earlier_calls(&mut self, name: &str, tool: &IdedExpr) -> Typed {
        let Some(pattern) = literal_text(tool) else {
            let place = self.places.extent(tool);
            let message = format!("`run.{name}` takes the name of a tool in quotes");
            return self.fail("TG204", message, place);
        };
        let glob = Glob::new(pattern);
        let step = Type::Step(vec![Some(glob.clone())]);
        if name == "last" {
            return (Node::LastStep(glob), step);
        }
        (Node::PriorSteps(glob), Type::list(step))
    }

    fn typed(&mut self, expr: &IdedExpr, expected: &Type) -> Node {
        let (node, of) = self.lower(expr);
        if of != *expected && of != Type::Dyn {
            let place = self.places.extent(expr);
            let help = (*expected == Type::Duration).then(|| "write duration(\"5m\")".to_owned());
            self.fail_with("TG204", format!("expected {expected}, this is {of}"), place, help);
        }
        node
    }
}
