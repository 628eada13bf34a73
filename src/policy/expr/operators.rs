//! Operators: what they take, what they give.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::lower::{Lowering, Typed, list_of};
use super::program::{Arithmetic, Comparison, Constant, Node};
use super::types::Type;

impl Lowering {
    /// Compiles the call of an operator; `None` when it calls a function.
    pub(super) fn operator(&mut self, call: &CallExpr, expr: &IdedExpr) -> Option<Typed> {
        let name = call.func_name.as_str();
        let typed = match (name, call.args.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => self.logic(name, expr),
            (operators::LOGICAL_NOT, [operand]) => {
                let node = self.condition(operand);
                (Node::Not(Box::new(node)), Type::Bool)
            }
            (operators::CONDITIONAL, [test, yes, no]) => {
                let test = self.condition(test);
                let (yes, yes_type) = self.lower(yes);
                let (no, no_type) = self.lower(no);
                (Node::Conditional(Box::new([test, yes, no])), yes_type.join(no_type))
            }
            (operators::NEGATE, [operand]) => self.negation(operand),
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [of, index]) => {
                self.index(name, of, index, expr)
            }
            (operators::IN, [element, range]) => self.membership(element, range),
            (_, [left, right]) => {
                if let Some(comparison) = comparison(name) {
                    self.comparison(comparison, left, right, expr)
                } else {
                    self.arithmetic(arithmetic(name)?, left, right, expr)
                }
            }
            _ => return None,
        };
        Some(typed)
    }

    /// Compiles an operand that must be a boolean.
    pub(super) fn condition(&mut self, expr: &IdedExpr) -> Node {
        let (node, of) = self.lower(expr);
        if !matches!(of, Type::Bool | Type::Dyn) {
            let span = self.places.extent(expr);
            self.fail("TG204", format!("expected a boolean, this is {of}"), span);
        }
        node
    }

    /// `&&` or `||` with all its terms: the parser balances chains into trees.
    fn logic(&mut self, operator: &str, expr: &IdedExpr) -> Typed {
        let mut terms = Vec::new();
        let mut todo = vec![expr];
        while let Some(next) = todo.pop() {
            match &next.expr {
                Expr::Call(call) if call.func_name == operator && call.target.is_none() => {
                    todo.extend(call.args.iter().rev());
                }
                _ => terms.push(next),
            }
        }
        let nodes = terms.into_iter().map(|term| self.condition(term)).collect();
        let node =
            if operator == operators::LOGICAL_AND { Node::And(nodes) } else { Node::Or(nodes) };
        (node, Type::Bool)
    }

    fn negation(&mut self, operand: &IdedExpr) -> Typed {
        let (node, of) = self.lower(operand);
        if !matches!(of, Type::Int | Type::Double | Type::Duration | Type::Dyn) {
            let span = self.places.extent(operand);
            return self.fail("TG204", format!("{of} has no negative"), span);
        }
        (Node::Negate(Box::new(node)), of)
    }

    fn index(&mut self, name: &str, of: &IdedExpr, index: &IdedExpr, expr: &IdedExpr) -> Typed {
        if let Expr::Literal(LiteralValue::String(_)) = &index.expr {
            return self.chain(expr);
        }
        let (of_node, of_type) = self.lower(of);
        let (index_node, index_type) = self.lower(index);
        let (inner, is_optional) = match of_type {
            Type::Optional(inner) => (*inner, true),
            other => (other, false),
        };
        let number = index_type.is_number() || index_type == Type::Dyn;
        let element = match &inner {
            Type::Dyn => Type::Dyn,
            Type::List(element) if number => (**element).clone(),
            Type::List(_) => {
                let span = self.places.extent(index);
                return self.fail("TG204", format!("expected an int, this is {index_type}"), span);
            }
            Type::Map(value) => (**value).clone(),
            _ => {
                let span = self.places.extent(of);
                return self.fail("TG204", format!("{inner} has no elements"), span);
            }
        };
        let operands = Box::new([of_node, index_node]);
        if is_optional || name != operators::INDEX {
            return (Node::OptionalIndex(operands), Type::optional(element));
        }
        (Node::Index(operands), element)
    }

    fn membership(&mut self, element: &IdedExpr, range: &IdedExpr) -> Typed {
        let (element_node, element_type) = self.lower(element);
        let (range_node, range_type) = self.lower(range);
        let possible = match &range_type {
            Type::Dyn => true,
            Type::List(of) => of.comparable(&element_type),
            Type::Map(_) => !matches!(element_type, Type::List(_) | Type::Map(_)),
            _ => {
                let help = (range_type == Type::Text)
                    .then(|| "for a part of text write text.contains(part)".to_owned());
                let span = self.places.extent(range);
                let message = format!("expected a list or a map, this is {range_type}");
                return self.fail_with("TG204", message, span, help);
            }
        };
        if !possible {
            let span = self.places.extent(element);
            let message = format!("{element_type} is never in this list");
            return self.fail("TG204", message, span);
        }
        self.check_values(&element_node, &range_node, range);
        (Node::In(Box::new([element_node, range_node])), Type::Bool)
    }

    fn comparison(
        &mut self,
        comparison: Comparison,
        left: &IdedExpr,
        right: &IdedExpr,
        expr: &IdedExpr,
    ) -> Typed {
        let (left_node, left_type) = self.lower(left);
        let (right_node, right_type) = self.lower(right);
        let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        let possible = if equality {
            left_type.comparable(&right_type)
        } else {
            left_type.ordered(&right_type)
        };
        if !possible {
            let message = format!("{left_type} cannot be compared with {right_type}");
            let span = self.places.extent(expr);
            return self.fail_with("TG204", message, span, advice(&left_type, &right_type));
        }
        if equality {
            self.check_values(&left_node, &right_node, right);
            self.check_values(&right_node, &left_node, left);
        }
        (Node::Compare(comparison, Box::new([left_node, right_node])), Type::Bool)
    }

    /// A fact that has few values is compared with one it never has.
    fn check_values(&mut self, fact: &Node, against: &Node, place: &IdedExpr) {
        let Node::Fact(fact) = fact else {
            return;
        };
        let Some(values) = fact.values() else {
            return;
        };
        let given = match against {
            Node::Constant(Constant::List(items)) => &**items,
            Node::Constant(one) => std::slice::from_ref(one),
            _ => return,
        };
        let wrong = given.iter().find_map(|constant| match constant {
            Constant::Text(text) if !values.contains(&&**text) => Some(text.clone()),
            _ => None,
        });
        if let Some(wrong) = wrong {
            let (group, name) = fact.name();
            let span = self.places.extent(place);
            let help = format!("it is one of: {}", list_of(values.iter().copied()));
            let message = format!("`{group}.{name}` is never \"{wrong}\"");
            self.fail_with("TG204", message, span, Some(help));
        }
    }

    fn arithmetic(
        &mut self,
        operator: Arithmetic,
        left: &IdedExpr,
        right: &IdedExpr,
        expr: &IdedExpr,
    ) -> Typed {
        let (left_node, left_type) = self.lower(left);
        let (right_node, right_type) = self.lower(right);
        let Some(of) = result_type(operator, &left_type, &right_type) else {
            let verb = match operator {
                Arithmetic::Add => "add",
                Arithmetic::Subtract => "subtract",
                Arithmetic::Multiply => "multiply",
                Arithmetic::Divide => "divide",
                Arithmetic::Remainder => "take the remainder of",
            };
            let span = self.places.extent(expr);
            let message = format!("cannot {verb} {left_type} and {right_type}");
            return self.fail_with("TG204", message, span, advice(&left_type, &right_type));
        };
        (Node::Arithmetic(operator, Box::new([left_node, right_node])), of)
    }
}

fn advice(left: &Type, right: &Type) -> Option<String> {
    let pair = [left, right];
    let any = |class: fn(&Type) -> bool| pair.iter().any(|of| class(of));
    let advice = if left.is_number() && right.is_number() {
        "convert one of them: double(…), int(…)"
    } else if any(|of| *of == Type::Text) && any(Type::is_number) {
        "convert one of them: string(…), int(…)"
    } else if any(|of| *of == Type::Duration) {
        "write a duration as duration(\"5m\")"
    } else if any(|of| *of == Type::Timestamp) {
        "write a timestamp as timestamp(\"2030-01-31T00:00:00Z\")"
    } else if any(|of| *of == Type::Null) {
        "whether an argument is there is asked with has(args.name)"
    } else {
        return None;
    };
    Some(advice.to_owned())
}

fn result_type(operator: Arithmetic, left: &Type, right: &Type) -> Option<Type> {
    use Arithmetic::{Add, Remainder, Subtract};
    let timed = |of: &Type| matches!(of, Type::Timestamp | Type::Duration);
    match (operator, left, right) {
        (_, Type::Dyn, Type::Dyn) => Some(Type::Dyn),
        (Add, Type::Text | Type::Dyn, Type::Text) | (Add, Type::Text, Type::Dyn) => {
            Some(Type::Text)
        }
        (Add, Type::List(_), Type::Dyn) | (Add, Type::Dyn, Type::List(_)) => {
            Some(Type::list(Type::Dyn))
        }
        (Add, Type::List(_), Type::List(_)) => Some(left.clone().join(right.clone())),
        (Add, Type::Timestamp, Type::Duration | Type::Dyn) => Some(Type::Timestamp),
        (Add, Type::Duration | Type::Dyn, Type::Timestamp) => Some(Type::Timestamp),
        (Add | Subtract, Type::Duration, Type::Duration) => Some(Type::Duration),
        (Subtract, Type::Timestamp, Type::Duration) => Some(Type::Timestamp),
        (Subtract, Type::Timestamp, Type::Timestamp) => Some(Type::Duration),
        (Add | Subtract, Type::Dyn, of) | (Add | Subtract, of, Type::Dyn) if timed(of) => {
            Some(Type::Dyn)
        }
        (Remainder, Type::Double, _) | (Remainder, _, Type::Double) => None,
        (_, Type::Dyn, of) | (_, of, Type::Dyn) if of.is_number() => Some(Type::Dyn),
        (_, a, b) if a.is_number() && a == b => Some(a.clone()),
        _ => None,
    }
}

fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn arithmetic(operator: &str) -> Option<Arithmetic> {
    Some(match operator {
        operators::ADD => Arithmetic::Add,
        operators::SUBSTRACT => Arithmetic::Subtract,
        operators::MULTIPLY => Arithmetic::Multiply,
        operators::DIVIDE => Arithmetic::Divide,
        operators::MODULO => Arithmetic::Remainder,
        _ => return None,
    })
}
