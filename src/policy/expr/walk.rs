//! Evaluation of the macros over lists and maps.

use super::EvalErrorKind;
use super::cost::{Evaluated, mismatch};
use super::eval::Machine;
use super::program::{Comprehension, ComprehensionKind};
use super::value::Value;

impl<'a> Machine<'a> {
    pub(super) fn comprehension(&mut self, of: &'a Comprehension) -> Evaluated<Value<'a>> {
        let range = self.eval(&of.range)?;
        match of.kind {
            ComprehensionKind::All => self.quantify(of, &range, false),
            ComprehensionKind::Exists => self.quantify(of, &range, true),
            ComprehensionKind::ExistsOne => {
                let mut found = 0usize;
                self.each(&range, &mut |machine| {
                    found += usize::from(machine.test(&of.test)?);
                    Ok(true)
                })?;
                Ok(Value::Bool(found == 1))
            }
            ComprehensionKind::Map => {
                let mut items = Vec::new();
                self.each(&range, &mut |machine| {
                    if machine.test(&of.test)? {
                        let item = match &of.collect {
                            Some(collect) => machine.eval(collect)?,
                            None => Value::Null,
                        };
                        items.push(item);
                    }
                    Ok(true)
                })?;
                Ok(Value::list(items))
            }
            ComprehensionKind::Filter => {
                let mut items = Vec::new();
                self.each(&range, &mut |machine| {
                    if machine.test(&of.test)? {
                        items.extend(machine.slots.last().cloned());
                    }
                    Ok(true)
                })?;
                Ok(Value::list(items))
            }
        }
    }

    /// `all` and `exists`: an element that decides wins over an error of another.
    fn quantify(
        &mut self,
        of: &'a Comprehension,
        range: &Value<'a>,
        deciding: bool,
    ) -> Evaluated<Value<'a>> {
        let mut error = None;
        let mut decided = false;
        self.each(range, &mut |machine| {
            match machine.test(&of.test) {
                Ok(value) => decided = value == deciding,
                Err(fault) if fault.kind == EvalErrorKind::Cost => return Err(fault),
                Err(fault) => {
                    error.get_or_insert(fault);
                }
            }
            Ok(!decided)
        })?;
        match error {
            Some(error) if !decided => Err(error),
            _ => Ok(Value::Bool(decided == deciding)),
        }
    }

    /// Binds each element in turn until `visit` fails or answers `false`.
    fn each(
        &mut self,
        range: &Value<'a>,
        visit: &mut dyn FnMut(&mut Self) -> Evaluated<bool>,
    ) -> Evaluated<()> {
        let mut bind = |item: Value<'a>| {
            self.budget.take(1)?;
            self.slots.push(item);
            let outcome = visit(self);
            self.slots.pop();
            outcome
        };
        match range {
            Value::List(list) => list.visit(&mut bind),
            Value::Map(map) => map.visit_keys(&mut bind),
            other => Err(mismatch("a list", other.kind())),
        }
    }
}
