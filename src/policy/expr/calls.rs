//! Calls of functions and methods: which one is meant, and whether its arguments fit.

use std::ops::Range;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use regex::RegexBuilder;

use super::json_path::{JsonPath, PathFault};
use super::lower::{Lowering, Typed};
use super::program::{Constant, Function, Node, ZoneOf};
use super::signatures::{LATER_FUNCTIONS, MACROS, SIGNATURES, Signature};
use super::time::{TIME_PARTS, TimePart, Zone};
use super::types::Type;
use crate::yaml::closest;

/// Memory a compiled pattern of `matches` may take, in bytes.
const PATTERN_LIMIT_BYTES: usize = 256 * 1024;

/// Names whose functions are written with a dot but belong to no value.
const NAMESPACES: [&str; 2] = ["math", "optional"];

impl Lowering {
    pub(super) fn call(&mut self, call: &CallExpr, expr: &IdedExpr) -> Typed {
        if call.target.is_none()
            && let Some(typed) = self.operator(call, expr)
        {
            return typed;
        }
        let span = self.places.function(expr.id);
        let name = call.func_name.trim_start_matches('.');
        let Some(target) = call.target.as_deref() else {
            let args: Vec<_> = call.args.iter().collect();
            match name {
                "matches" => return self.matches(&args, span),
                "jsonpath" => return self.json_path(&args, span),
                _ => {}
            }
            return self.function(name, false, &args, span);
        };
        if let Expr::Ident(owner) = &target.expr
            && self.variable(owner).is_none()
        {
            if owner == "run" {
                return self.run_function(name, &call.args, span);
            }
            if NAMESPACES.contains(&owner.as_str()) {
                let name = format!("{owner}.{name}");
                let start = self.places.token(target.id).start;
                let args: Vec<_> = call.args.iter().collect();
                return self.function(&name, false, &args, start..span.end);
            }
        }
        let args: Vec<_> = std::iter::once(target).chain(&call.args).collect();
        if name == "matches" {
            return self.matches(&args, span);
        }
        if let Some((_, part)) = TIME_PARTS.iter().find(|(known, _)| *known == name) {
            return self.time_part(*part, &args, span);
        }
        self.function(name, true, &args, span)
    }

    fn function(
        &mut self,
        name: &str,
        method: bool,
        args: &[&IdedExpr],
        span: Range<usize>,
    ) -> Typed {
        let named = || SIGNATURES.iter().filter(|one| one.name == name && one.method == method);
        if named().next().is_none() {
            return self.unknown_function(name, method, span);
        }
        let (nodes, types): (Vec<Node>, Vec<Type>) = args.iter().map(|arg| self.lower(arg)).unzip();
        let counted: Vec<&Signature> = named().filter(|one| one.takes_count(args.len())).collect();
        let Some(nearest) = counted.first() else {
            return self.wrong_count(name, &named().collect::<Vec<_>>(), args.len(), span);
        };
        let fits = |one: &&&Signature| one.mismatch(&types).is_none();
        let Some(chosen) = counted.iter().find(fits) else {
            let at = nearest.mismatch(&types).unwrap_or(0);
            let expected = nearest.class(at).map_or("another type", |class| class.name());
            let given = types.get(at).cloned().unwrap_or(Type::Dyn);
            let place = args.get(at).map_or(span, |arg| self.places.extent(arg));
            let message = format!("`{name}` takes {expected}, this is {given}");
            return self.fail("TG204", message, place);
        };
        let of = (chosen.gives)(&types);
        (Node::Call(chosen.function, nodes.into()), of)
    }

    fn wrong_count(
        &mut self,
        name: &str,
        known: &[&Signature],
        given: usize,
        span: Range<usize>,
    ) -> Typed {
        let receiver = usize::from(known.first().is_some_and(|one| one.method));
        let mut counts: Vec<usize> = known.iter().map(|one| one.takes.len()).collect();
        counts.dedup();
        let counts: Vec<String> =
            counts.iter().map(|count| count.saturating_sub(receiver).to_string()).collect();
        let message = format!(
            "`{name}` takes {} argument(s), not {}",
            counts.join(" or "),
            given.saturating_sub(receiver)
        );
        self.fail("TG204", message, span)
    }

    fn unknown_function(&mut self, name: &str, method: bool, span: Range<usize>) -> Typed {
        if LATER_FUNCTIONS.contains(&name) {
            let message = format!("`{name}` is not available in this version");
            return self.fail("TG206", message, span);
        }
        if let Some((_, usage)) = MACROS.iter().find(|(known, _)| *known == name) {
            let message = format!("`{name}` is not used this way");
            return self.fail_with("TG204", message, span, Some(format!("write {usage}")));
        }
        let other = SIGNATURES.iter().find(|one| one.name == name && one.method != method);
        let timed = TIME_PARTS.iter().any(|(known, _)| *known == name);
        let help = if let Some(other) = other {
            let usage =
                if other.method { format!("value.{name}(…)") } else { format!("{name}(…)") };
            Some(format!("write {usage}"))
        } else if name == "jsonpath" {
            Some("write jsonpath(value, \"$.name\")".to_owned())
        } else if timed {
            Some(format!("write now.{name}()"))
        } else {
            let known = SIGNATURES.iter().map(|one| one.name);
            let macros = MACROS.iter().map(|(known, _)| *known);
            let parts = TIME_PARTS.iter().map(|(known, _)| *known);
            let known = known.chain(macros).chain(parts).chain(["matches", "jsonpath"]);
            closest(name, known).map(|near| format!("did you mean `{near}`?"))
        };
        self.fail_with("TG203", format!("`{name}` is not a function"), span, help)
    }

    /// `matches` compiles its pattern now, so that no text of a call ever becomes a pattern.
    fn matches(&mut self, args: &[&IdedExpr], span: Range<usize>) -> Typed {
        let [text, pattern] = args else {
            return self.fail("TG204", "`matches` takes text and a pattern", span);
        };
        let (node, of) = self.lower(text);
        if !matches!(of, Type::Text | Type::Dyn) {
            let place = self.places.extent(text);
            self.fail("TG204", format!("`matches` takes text, this is {of}"), place);
        }
        let place = self.places.extent(pattern);
        let Some(pattern) = literal_text(pattern) else {
            return self.fail("TG204", "the pattern of `matches` must be text in quotes", place);
        };
        let built = RegexBuilder::new(pattern)
            .size_limit(PATTERN_LIMIT_BYTES)
            .dfa_size_limit(PATTERN_LIMIT_BYTES)
            .build();
        match built {
            Ok(regex) => (Node::Matches(Box::new(node), Box::new(regex)), Type::Bool),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.fail("TG205", "this pattern is too large", place)
            }
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default();
                let reason = reason.strip_prefix("error: ").unwrap_or(reason);
                self.fail("TG204", format!("this is not a pattern: {reason}"), place)
            }
        }
    }

    /// `jsonpath` reads its path now, as `matches` does its pattern.
    fn json_path(&mut self, args: &[&IdedExpr], span: Range<usize>) -> Typed {
        let [of, path] = args else {
            return self.fail("TG204", "`jsonpath` takes a value and a path", span);
        };
        let (node, of) = self.lower(of);
        let place = self.places.extent(path);
        if !matches!(of, Type::Dyn | Type::List(_) | Type::Map(_)) {
            return self.fail("TG204", format!("`jsonpath` takes JSON, this is {of}"), span);
        }
        let Some(text) = literal_text(path) else {
            return self.fail("TG204", "the path of `jsonpath` must be text in quotes", place);
        };
        match JsonPath::parse(text) {
            Ok(path) => (Node::JsonPath(Box::new(node), Box::new(path)), Type::list(Type::Dyn)),
            Err(PathFault { message, help }) => {
                let message = format!("this is not a path: {message}");
                self.fail_with("TG204", message, place, Some(help.to_owned()))
            }
        }
    }

    fn time_part(&mut self, part: TimePart, args: &[&IdedExpr], span: Range<usize>) -> Typed {
        let [of, zone @ ..] = args else {
            return self.fail("TG204", "a timestamp is missing", span);
        };
        let (node, of_type) = self.lower(of);
        let durable = part.of_duration(0).is_some();
        let fits = match of_type {
            Type::Timestamp | Type::Dyn => true,
            Type::Duration => durable && zone.is_empty(),
            _ => false,
        };
        if !fits {
            let place = self.places.extent(of);
            return self.fail("TG204", format!("expected a timestamp, this is {of_type}"), place);
        }
        let zone = match zone {
            [] => ZoneOf::Known(Zone::Utc),
            [zone] => match self.zone(zone) {
                Some(zone) => zone,
                None => return (Node::Slot(usize::MAX), Type::Int),
            },
            _ => return self.fail("TG204", "there is one time zone at most", span),
        };
        (Node::TimePart(part, Box::new(node), zone), Type::Int)
    }

    fn zone(&mut self, expr: &IdedExpr) -> Option<ZoneOf> {
        let place = self.places.extent(expr);
        let Some(name) = literal_text(expr) else {
            let (node, of) = self.lower(expr);
            if !matches!(of, Type::Text | Type::Dyn) {
                self.fail("TG204", format!("expected a time zone, this is {of}"), place);
                return None;
            }
            return Some(ZoneOf::Computed(Box::new(node)));
        };
        let Some(zone) = Zone::read(name) else {
            let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let help = match closest(name, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "write an IANA name such as \"Europe/Berlin\", or \"+02:00\"".to_owned(),
            };
            self.fail_with("TG204", "there is no such time zone", place, Some(help));
            return None;
        };
        Some(ZoneOf::Known(zone))
    }

    /// Notes that a function cannot read the text it was given in the rule itself.
    pub(super) fn unreadable(&mut self, reason: String, expr: &IdedExpr) {
        let place = self.places.extent(expr);
        self.fail("TG204", reason, place);
    }
}

impl Signature {
    fn takes_count(&self, given: usize) -> bool {
        given == self.takes.len() || (self.repeats && given >= self.takes.len())
    }

    fn class(&self, at: usize) -> Option<super::signatures::Class> {
        let last = self.takes.last().copied().filter(|_| self.repeats);
        self.takes.get(at).copied().or(last)
    }

    /// The first argument that does not fit.
    fn mismatch(&self, given: &[Type]) -> Option<usize> {
        let misfit =
            |(at, of): (usize, &Type)| !self.class(at).is_some_and(|class| class.accepts(of));
        given.iter().enumerate().position(misfit)
    }
}

/// The text of a literal.
pub fn literal_text(expr: &IdedExpr) -> Option<&str> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// Whether a function reads text in a notation of its own, so that a literal it cannot read is a
/// mistake in the rule.
pub fn reads_notation(node: &Node) -> bool {
    let Node::Call(function, args) = node else {
        return false;
    };
    let read = matches!(
        function,
        Function::ToTimestamp
            | Function::ToDuration
            | Function::Cidr
            | Function::Ip
            | Function::Url
            | Function::Host
            | Function::Email
    );
    read && args.iter().all(|arg| matches!(arg, Node::Constant(Constant::Text(_))))
}
