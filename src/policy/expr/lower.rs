//! From syntax tree to program: names resolved, types checked, everything wrong reported at once.
//!
//! Checking and compiling are one walk. After an error the walk goes on with a value of unknown
//! type, so that one mistake is reported once and the rest is still checked.

use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr};

use super::facts::{FACTS, GROUPS, RESPONSE};
use super::parse::Places;
use super::program::{Constant, Node};
use super::types::Type;
use super::{ExprError, Site};
use crate::policy::glob::Glob;
use crate::yaml::closest;

/// Deepest tree that is compiled, in nodes: evaluation recurses as deep.
const DEPTH_LIMIT_NODES: usize = 96;

/// A compiled expression and what is known of its value.
pub type Typed = (Node, Type);

/// One walk over a syntax tree.
pub struct Lowering {
    pub(super) site: Site,
    pub(super) places: Places,
    pub(super) errors: Vec<ExprError>,
    /// Variables of the comprehensions around the current node, outermost first.
    pub(super) scope: Vec<(String, Type)>,
    pub(super) captures: Vec<(Option<Glob>, Arc<str>)>,
    pub(super) argument_paths: Vec<(Arc<str>, Range<usize>)>,
    pub(super) tool_patterns: Vec<(Glob, Range<usize>)>,
    pub(super) reads_arguments: bool,
    pub(super) reads_now: bool,
    depth: usize,
}

impl Lowering {
    pub fn new(site: Site, places: Places) -> Self {
        Self {
            site,
            places,
            errors: Vec::new(),
            scope: Vec::new(),
            captures: Vec::new(),
            argument_paths: Vec::new(),
            tool_patterns: Vec::new(),
            reads_arguments: false,
            reads_now: false,
            depth: 0,
        }
    }

    /// Compiles a node and everything below it.
    pub fn lower(&mut self, expr: &IdedExpr) -> Typed {
        if self.depth >= DEPTH_LIMIT_NODES {
            let span = self.places.token(expr.id);
            return self.fail("TG205", "this is nested too deeply", span);
        }
        self.depth += 1;
        let (node, of) = self.lower_kind(expr);
        self.depth -= 1;
        (self.fold(node, expr), of)
    }

    fn lower_kind(&mut self, expr: &IdedExpr) -> Typed {
        match &expr.expr {
            Expr::Literal(literal) => self.literal(literal, expr),
            Expr::Ident(name) => self.name(name, expr),
            Expr::Select(_) => self.chain(expr),
            Expr::Call(call) => self.call(call, expr),
            Expr::Comprehension(fold) => self.comprehension(fold, expr),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Struct(_) => {
                let span = self.places.extent(expr);
                self.fail("TG206", "messages cannot be made here", span)
            }
            Expr::Unspecified => {
                let span = self.places.token(expr.id);
                self.fail("TG201", "this cannot be parsed", span)
            }
        }
    }

    fn literal(&mut self, literal: &LiteralValue, expr: &IdedExpr) -> Typed {
        let (constant, of) = match literal {
            LiteralValue::Boolean(value) => (Constant::Bool(*value.inner()), Type::Bool),
            LiteralValue::Double(value) => (Constant::Double(*value.inner()), Type::Double),
            LiteralValue::Int(value) => (Constant::Int(*value.inner()), Type::Int),
            LiteralValue::Null => (Constant::Null, Type::Null),
            LiteralValue::String(value) => (Constant::Text(value.inner().into()), Type::Text),
            LiteralValue::UInt(value) => (Constant::UInt(*value.inner()), Type::UInt),
            LiteralValue::Bytes(_) => {
                let span = self.places.token(expr.id);
                return self.fail("TG206", "bytes are not available: write text", span);
            }
        };
        (Node::Constant(constant), of)
    }

    fn name(&mut self, name: &str, expr: &IdedExpr) -> Typed {
        if let Some(found) = self.variable(name) {
            return found;
        }
        let span = self.places.token(expr.id);
        match name {
            _ if name == self.root_name() => {
                self.reads_arguments = true;
                let whole = Type::Map(Box::new(Type::Dyn));
                return (Node::Argument(Box::default()), whole);
            }
            "now" if self.site != Site::Cost => {
                self.reads_now = true;
                return (Node::Fact(super::facts::Fact::Now), Type::Timestamp);
            }
            "result" if self.site.sees_result() => return (Node::Result, Type::Dyn),
            "prior" if self.site == Site::Where => return (Node::Prior, Type::Step(vec![None])),
            _ => {}
        }
        if let Some(kind) = KINDS.iter().find(|kind| **kind == name) {
            return (Node::Constant(Constant::Kind(kind)), Type::Kind);
        }
        if name == RESPONSE && !self.site.sees_response() {
            return self.unknown_name(name, span);
        }
        if let Some(group) = GROUPS.iter().find(|group| **group == name)
            && self.site != Site::Cost
        {
            let fields = FACTS.iter().filter(|(of, ..)| of == group).map(|(_, field, _)| *field);
            let help = format!("name one of its fields: {}", list_of(fields));
            let message = format!("`{name}` has no value of its own");
            return self.fail_with("TG204", message, span, Some(help));
        }
        self.unknown_name(name, span)
    }

    /// The name of the value that is read: the arguments of a call or, where its cost is read, what it
    /// gave.
    pub(super) fn root_name(&self) -> &'static str {
        match self.site {
            Site::Cost => "result",
            Site::Rule
            | Site::Where
            | Site::Key
            | Site::Amount
            | Site::Message
            | Site::Value
            | Site::Answer
            | Site::AnswerMessage => "args",
        }
    }

    /// A variable of a comprehension, the innermost of that name.
    pub(super) fn variable(&self, name: &str) -> Option<Typed> {
        let slot = self.scope.iter().rposition(|(known, _)| known == name)?;
        self.scope.get(slot).map(|(_, of)| (Node::Slot(slot), of.clone()))
    }

    fn unknown_name(&mut self, name: &str, span: Range<usize>) -> Typed {
        if self.site == Site::Cost {
            let message = format!("`{name}` is not known where a cost is read");
            let help = "a cost is read from `result`, the decoded answer: `result.usage.cost`";
            return self.fail_with("TG206", message, span, Some(help.to_owned()));
        }
        if name == "prior" {
            let message = "`prior` is only known in `where` of a precondition";
            let help =
                "for earlier calls of this run write run.last(\"tool\") or run.prior(\"tool\")";
            return self.fail_with("TG206", message, span, Some(help.to_owned()));
        }
        if name == "result" || name == RESPONSE {
            return self.no_answer(name, span);
        }
        let known = ["args", "now", "prior"];
        let variables = self.scope.iter().map(|(known, _)| known.as_str());
        let names = GROUPS.iter().chain(&known).copied().chain(variables);
        let argument = format!("args.{name}");
        let help = match closest(name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("an argument of the call is written `{argument}`, text in quotes"),
        };
        self.fail_with("TG202", format!("`{name}` is not a variable"), span, Some(help))
    }

    /// The tool's answer, where there is none yet or none to be shown.
    pub(super) fn no_answer(&mut self, name: &str, span: Range<usize>) -> Typed {
        let (message, help) = match self.site {
            Site::Where => (
                format!("`{name}` is the answer to this call, which is not there yet"),
                "the earlier call's result is `prior.result`",
            ),
            Site::AnswerMessage => (
                format!("`{name}` cannot be shown: the rule may withhold it"),
                "a message may show `response.status` and `response.bytes`",
            ),
            Site::Rule
            | Site::Key
            | Site::Amount
            | Site::Cost
            | Site::Message
            | Site::Value
            | Site::Answer => (
                format!("`{name}` is only known once the tool has answered"),
                "add `phase: result` to the rule, or read an earlier call: `prior.result`",
            ),
        };
        self.fail_with("TG206", message, span, Some(help.to_owned()))
    }

    fn list(&mut self, list: &ListExpr) -> Typed {
        if let Some(index) = list.optional_indices.first() {
            let span =
                list.elements.get(*index).map_or(0..0, |element| self.places.extent(element));
            return self.fail("TG206", "optional elements are not available", span);
        }
        let mut of: Option<Type> = None;
        let mut nodes = Vec::with_capacity(list.elements.len());
        for element in &list.elements {
            let (node, element_type) = self.lower(element);
            nodes.push(node);
            of = Some(match of {
                Some(of) => of.join(element_type),
                None => element_type,
            });
        }
        (Node::List(nodes.into()), Type::list(of.unwrap_or(Type::Dyn)))
    }

    fn map(&mut self, map: &MapExpr) -> Typed {
        let mut of: Option<Type> = None;
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                continue;
            };
            let (key, key_type) = self.lower(&entry.key);
            let keyed = matches!(key_type, Type::Int | Type::UInt | Type::Bool | Type::Text);
            if !keyed && key_type != Type::Dyn {
                let span = self.places.extent(&entry.key);
                self.fail("TG204", format!("{key_type} cannot be a key"), span);
            }
            let (value, value_type) = self.lower(&entry.value);
            if entry.optional {
                let span = self.places.extent(&entry.key);
                self.fail("TG206", "optional entries are not available", span);
            }
            entries.push((key, value));
            of = Some(match of {
                Some(of) => of.join(value_type),
                None => value_type,
            });
        }
        (Node::Map(entries.into()), Type::Map(Box::new(of.unwrap_or(Type::Dyn))))
    }

    /// Notes an error and goes on with a value of unknown type.
    pub(super) fn fail(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: Range<usize>,
    ) -> Typed {
        self.fail_with(code, message, span, None)
    }

    pub(super) fn fail_with(
        &mut self,
        code: &'static str,
        message: impl Into<String>,
        span: Range<usize>,
        help: Option<String>,
    ) -> Typed {
        self.errors.push(ExprError { code, message: message.into(), span, help });
        (Node::Slot(usize::MAX), Type::Dyn)
    }
}

/// Names of types that `type(x)` is compared with.
const KINDS: [&str; 8] = ["bool", "int", "uint", "double", "string", "list", "map", "null_type"];

/// `a, b, c`
pub fn list_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
