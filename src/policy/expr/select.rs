//! Chains of selections: `args.a.b`, `tool.name`, `prior.result["status"]`, `c.name`.
//!
//! A chain is read as a whole, because what it starts with decides what its names mean: a path into
//! the arguments, a fact, or a value of an earlier call that must be remembered under that path.

use std::ops::Range;
use std::sync::Arc;

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::Site;
use super::facts::{FACTS, Fact, GROUPS, LATER_FIELDS, RESPONSE};
use super::lower::{Lowering, Typed, list_of};
use super::program::{Capture, Function, Node};
use super::run_calls::RUN_FUNCTIONS;
use super::types::Type;
use crate::policy::glob::Glob;
use crate::yaml::closest;

/// Names in one path of an earlier call; what follows is read from the value remembered.
const CAPTURE_LIMIT_NAMES: usize = 8;

/// One `.name`, `.?name` or `["name"]`.
struct Segment {
    name: String,
    span: Range<usize>,
    optional: bool,
}

/// What is selected from, the names in order, and whether the chain stands in `has(…)`.
struct Chain<'e> {
    base: &'e IdedExpr,
    segments: Vec<Segment>,
    test: bool,
}

impl Lowering {
    /// Compiles a selection together with those it stands on.
    pub(super) fn chain(&mut self, expr: &IdedExpr) -> Typed {
        let Chain { base, segments, test } = self.unwind(expr);
        if let Expr::Ident(name) = &base.expr
            && self.variable(name).is_none()
        {
            if name == self.root_name() {
                return self.argument(&segments, test);
            }
            if name == RESPONSE && !self.site.sees_response() && self.site != Site::Cost {
                let span = self.places.token(base.id);
                return self.no_answer(name, span);
            }
            if self.site != Site::Cost && GROUPS.contains(&name.as_str()) {
                return self.fact(name, &segments, test);
            }
        }
        let (node, of) = self.lower(base);
        self.follow(node, of, &segments, test)
    }

    fn unwind<'e>(&self, expr: &'e IdedExpr) -> Chain<'e> {
        let mut segments = Vec::new();
        let mut test = false;
        let mut base = expr;
        loop {
            match &base.expr {
                Expr::Select(select) if !select.test || segments.is_empty() => {
                    test |= select.test;
                    let span = self.places.field(if select.test {
                        // `has()` replaces the selection; its own place is that of the call.
                        base.id.saturating_sub(1)
                    } else {
                        base.id
                    });
                    segments.push(Segment { name: select.field.clone(), span, optional: false });
                    base = &select.operand;
                }
                Expr::Call(call) if call.target.is_none() => {
                    let optional = match call.func_name.as_str() {
                        operators::INDEX => false,
                        operators::OPT_SELECT | operators::OPT_INDEX => true,
                        _ => break,
                    };
                    let [operand, index] = call.args.as_slice() else {
                        break;
                    };
                    let Expr::Literal(LiteralValue::String(name)) = &index.expr else {
                        break;
                    };
                    let span = if call.func_name == operators::OPT_SELECT {
                        self.places.field(base.id)
                    } else {
                        self.places.token(index.id)
                    };
                    segments.push(Segment { name: name.inner().to_owned(), span, optional });
                    base = operand;
                }
                _ => break,
            }
        }
        segments.reverse();
        Chain { base, segments, test }
    }

    fn argument(&mut self, segments: &[Segment], test: bool) -> Typed {
        self.reads_arguments = true;
        let mut path = String::from("args");
        for segment in segments.iter().take_while(|segment| !segment.name.contains('.')) {
            path.push('.');
            path.push_str(&segment.name);
            self.argument_paths.push((Arc::from(path.as_str()), segment.span.clone()));
        }
        let plain = segments.iter().take_while(|segment| !segment.optional).count();
        let (plain, rest) = segments.split_at_checked(plain).unwrap_or((segments, &[]));
        let names = plain.iter().map(|segment| segment.name.as_str().into()).collect();
        if rest.is_empty() && test {
            return (Node::HasArgument(names), Type::Bool);
        }
        self.follow(Node::Argument(names), Type::Dyn, rest, test)
    }

    fn fact(&mut self, group: &str, segments: &[Segment], test: bool) -> Typed {
        let Some((first, rest)) = segments.split_first() else {
            return self.fail("TG204", format!("`{group}` has no value of its own"), 0..0);
        };
        let Some(fact) = Fact::find(group, &first.name) else {
            return self.unknown_fact(group, first);
        };
        // The model is one of the arguments, wherever a provider has it: with another the call may pass.
        self.reads_arguments |= fact == Fact::CallModel;
        let (node, of) = (Node::Fact(fact), fact.type_of());
        if first.optional {
            let wrapped = Node::Call(Function::OptionalOf, Box::new([node]));
            return self.follow(wrapped, Type::optional(of), rest, test);
        }
        if rest.is_empty() && test {
            return (Node::HasFact(fact), Type::Bool);
        }
        self.follow(node, of, rest, test)
    }

    fn unknown_fact(&mut self, group: &str, segment: &Segment) -> Typed {
        let name = &segment.name;
        if LATER_FIELDS.contains(&(group, name)) {
            let message = format!("`{group}.{name}` is not available in this version");
            return self.fail("TG206", message, segment.span.clone());
        }
        if group == "run" && RUN_FUNCTIONS.contains(&name.as_str()) {
            let help = format!("write run.{name}(\"tool\")");
            let message = format!("`run.{name}` is a function");
            return self.fail_with("TG204", message, segment.span.clone(), Some(help));
        }
        let fields = FACTS.iter().filter(|(of, ..)| *of == group).map(|(_, field, _)| *field);
        self.unknown_field(&format!("`{group}`"), fields.collect(), segment)
    }

    fn unknown_field(&mut self, owner: &str, fields: Vec<&str>, segment: &Segment) -> Typed {
        let help = match closest(&segment.name, fields.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", list_of(fields.into_iter())),
        };
        let message = format!("{owner} has no field `{}`", segment.name);
        self.fail_with("TG202", message, segment.span.clone(), Some(help))
    }

    /// Applies names to a value one after the other.
    fn follow(&mut self, node: Node, of: Type, segments: &[Segment], test: bool) -> Typed {
        let Some((segment, rest)) = segments.split_first() else {
            return (node, of);
        };
        let (inner, is_optional) = match &of {
            Type::Optional(inner) => ((**inner).clone(), true),
            of => (of.clone(), false),
        };
        if let Type::Step(tools) = inner {
            return self.captured(node, &tools, is_optional, segments, test);
        }
        let Some(field) = inner.field(&segment.name) else {
            if inner.fields().is_empty() {
                let message = format!("{inner} has no fields");
                return self.fail("TG204", message, segment.span.clone());
            }
            return self.unknown_field(&inner.to_string(), inner.fields().to_vec(), segment);
        };
        let (of, name) = (Box::new(node), segment.name.as_str().into());
        let last = rest.is_empty();
        if is_optional || segment.optional {
            let found = Node::OptionalSelect(of, name);
            if test && last {
                return (Node::Call(Function::OptionalHasValue, Box::new([found])), Type::Bool);
            }
            return self.follow(found, Type::optional(field), rest, test);
        }
        if test && last {
            return (Node::Has(of, name), Type::Bool);
        }
        self.follow(Node::Select(of, name), field, rest, test)
    }

    /// Reads a value of an earlier call: the longest path of plain names is what is remembered.
    fn captured(
        &mut self,
        step: Node,
        tools: &[Option<Glob>],
        is_optional: bool,
        segments: &[Segment],
        test: bool,
    ) -> Typed {
        let Some((first, _)) = segments.split_first() else {
            return (step, Type::Dyn);
        };
        let of = Type::Step(tools.to_vec());
        let Some(field) = of.field(&first.name) else {
            return self.unknown_field("an earlier call", of.fields().to_vec(), first);
        };
        let remembered = matches!(first.name.as_str(), "args" | "result");
        let fits = |segment: &&Segment| !segment.name.is_empty() && !segment.name.contains('.');
        let limit = if remembered { CAPTURE_LIMIT_NAMES } else { 1 };
        let names = segments.iter().take(limit).take_while(fits).count().max(1);
        let (path, rest) = segments.split_at_checked(names).unwrap_or((segments, &[]));
        let joined: Vec<&str> = path.iter().map(|segment| segment.name.as_str()).collect();
        let joined: Arc<str> = Arc::from(joined.join("."));
        let exists_only = test && rest.is_empty();
        if remembered && !(exists_only && path.len() == 1) {
            self.remember(tools, &joined);
        }
        let capture = Capture { step: Box::new(step), path: joined };
        if exists_only {
            return (Node::HasCaptured(capture), Type::Bool);
        }
        let field = if path.len() == 1 { field } else { Type::Dyn };
        if is_optional || path.iter().any(|segment| segment.optional) {
            let found = Node::OptionalCaptured(capture);
            return self.follow(found, Type::optional(field), rest, test);
        }
        self.follow(Node::Captured(capture), field, rest, test)
    }

    fn remember(&mut self, tools: &[Option<Glob>], path: &Arc<str>) {
        for tool in tools {
            let capture = (tool.clone(), path.clone());
            if !self.captures.contains(&capture) {
                self.captures.push(capture);
            }
        }
    }
}
