//! The macros over lists. The parser expands each into a general fold; its shape says which it was.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

use super::lower::{Lowering, Typed};
use super::program::{Comprehension, ComprehensionKind, Constant, Node};
use super::types::Type;

/// Comprehensions within one another; each level multiplies the steps an evaluation may take.
const NESTED_LIMIT_COMPREHENSIONS: usize = 6;

/// What the author wrote in a macro.
struct Written<'e> {
    kind: ComprehensionKind,
    test: Option<&'e IdedExpr>,
    collect: Option<&'e IdedExpr>,
}

impl Lowering {
    pub(super) fn comprehension(&mut self, fold: &ComprehensionExpr, expr: &IdedExpr) -> Typed {
        let span = self.places.function(expr.id);
        let Some(written) = recognise(fold) else {
            return self.fail("TG206", "this macro is not available", span);
        };
        if self.scope.len() >= NESTED_LIMIT_COMPREHENSIONS {
            let message = format!(
                "at most {NESTED_LIMIT_COMPREHENSIONS} lists may be walked within one another"
            );
            return self.fail("TG205", message, span);
        }
        let (range, range_type) = self.lower(&fold.iter_range);
        let element = match range_type {
            Type::List(of) => *of,
            Type::Map(_) => Type::Text,
            Type::Dyn => Type::Dyn,
            other => {
                let span = self.places.extent(&fold.iter_range);
                return self.fail("TG204", format!("expected a list, this is {other}"), span);
            }
        };
        self.scope.push((fold.iter_var.clone(), element.clone()));
        let test = match written.test {
            Some(test) => self.condition(test),
            None => Node::Constant(Constant::Bool(true)),
        };
        let collect = written.collect.map(|collect| self.lower(collect));
        self.scope.pop();
        let (collect, collected) = collect.unzip();
        let of = match written.kind {
            ComprehensionKind::All | ComprehensionKind::Exists | ComprehensionKind::ExistsOne => {
                Type::Bool
            }
            ComprehensionKind::Filter => Type::list(element),
            ComprehensionKind::Map => Type::list(collected.unwrap_or(Type::Dyn)),
        };
        let comprehension = Comprehension { kind: written.kind, range, test, collect };
        (Node::Comprehension(Box::new(comprehension)), of)
    }
}

/// Tells the macros apart by what they start from and how they step.
fn recognise(fold: &ComprehensionExpr) -> Option<Written<'_>> {
    let Expr::Call(step) = &fold.loop_step.expr else {
        return None;
    };
    let written = |kind, test, collect| Some(Written { kind, test, collect });
    match (&fold.accu_init.expr, step.func_name.as_str(), step.args.as_slice()) {
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_AND, [_, test]) => {
            written(ComprehensionKind::All, Some(test), None)
        }
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [_, test]) => {
            written(ComprehensionKind::Exists, Some(test), None)
        }
        (Expr::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [test, ..]) => {
            written(ComprehensionKind::ExistsOne, Some(test), None)
        }
        (Expr::List(_), operators::ADD, _) => written(ComprehensionKind::Map, None, appended(step)),
        (
            Expr::List(_),
            operators::CONDITIONAL,
            [test, IdedExpr { expr: Expr::Call(add), .. }, _],
        ) => {
            let collect = appended(add)?;
            if matches!(&collect.expr, Expr::Ident(name) if *name == fold.iter_var) {
                return written(ComprehensionKind::Filter, Some(test), None);
            }
            written(ComprehensionKind::Map, Some(test), Some(collect))
        }
        _ => None,
    }
}

/// What `@result + [x]` appends.
fn appended(add: &CallExpr) -> Option<&IdedExpr> {
    match add.args.as_slice() {
        [_, IdedExpr { expr: Expr::List(list), .. }] => list.elements.first(),
        _ => None,
    }
}
