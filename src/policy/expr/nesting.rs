//! The bound on nesting: the parser recurses as deep as brackets, operands and selections nest.

use super::ExprError;
use super::scan::Token;

/// Deepest nesting of brackets, operands and selections the parser is given.
const NESTING_LIMIT_LEVELS: usize = 40;

/// What is open at one level of brackets. The parser recurses once for each of these.
#[derive(Default)]
struct Level {
    close: Option<(&'static str, usize)>,
    conditions: usize,
    operands: usize,
    selections: usize,
}

impl Level {
    fn depth(&self) -> usize {
        1 + self.conditions + self.operands + self.selections
    }

    fn see(&mut self, token: &Token<'_>) {
        match token.text {
            "," => (self.conditions, self.operands, self.selections) = (0, 0, 0),
            "?" | ":" => {
                self.conditions += 1;
                (self.operands, self.selections) = (0, 0);
            }
            "&&" | "||" => (self.operands, self.selections) = (0, 0),
            "." | "[" | "(" => self.selections += 1,
            "!" | "-" => self.operands += 1,
            "in" | "+" | "*" | "/" | "%" | "<" | ">" | "<=" | ">=" | "==" | "!=" => {
                self.operands += 1;
                self.selections = 0;
            }
            _ => {}
        }
    }
}

/// Checks that brackets match and do not nest too deeply.
///
/// # Errors
/// `TG201` for a bracket without its other half; `TG205` beyond the bound.
pub fn bound_nesting(tokens: &[Token<'_>], source_len: usize) -> Result<(), ExprError> {
    let mut levels = vec![Level::default()];
    let fail = |code, message: String, span| Err(ExprError { code, message, span, help: None });
    for token in tokens {
        let close = match token.text {
            "(" => Some(")"),
            "[" => Some("]"),
            "{" => Some("}"),
            _ => None,
        };
        if let Some(level) = levels.last_mut() {
            level.see(token);
        }
        if let Some(close) = close {
            levels.push(Level { close: Some((close, token.start)), ..Level::default() });
        } else if matches!(token.text, ")" | "]" | "}") {
            match levels.pop().and_then(|level| level.close) {
                Some((expected, _)) if expected == token.text => {}
                Some((expected, _)) => {
                    let message = format!("`{}` closes nothing: expected `{expected}`", token.text);
                    return fail("TG201", message, token.span());
                }
                None => {
                    let message = format!("`{}` closes nothing", token.text);
                    return fail("TG201", message, token.span());
                }
            }
        }
        let depth: usize = levels.iter().map(Level::depth).sum();
        if depth > NESTING_LIMIT_LEVELS {
            return fail("TG205", "this is nested too deeply".to_owned(), token.span());
        }
    }
    if let Some((close, start)) = levels.last().and_then(|level| level.close) {
        return fail("TG201", format!("`{close}` is missing"), start..source_len.min(start + 1));
    }
    Ok(())
}
