//! Refuses text that two databases would cut into tokens, or statements, differently.
//!
//! The database behind a tool is not known here, and what one reads as a string or a comment
//! another runs. Sources of the differences: PostgreSQL 17 manual section 4.1, MySQL 8.4 manual
//! sections 11.1 and 11.7, SQLite "SQL Language Expressions", T-SQL "Database identifiers",
//! Oracle "Literals" (`q'[…]'`), Snowflake "Comments" (`//`).

use crate::policy::builtins::BuiltinError;

/// Most brackets open at once: not all of the parser's nested forms count against its own bound.
const BRACKETS_LIMIT: usize = 48;

/// Checks that every quote and comment ends in the same place for every reader.
///
/// # Errors
/// The first thing that is read in two ways; brackets nested too deeply.
pub(super) fn unambiguous(text: &str) -> Result<(), BuiltinError> {
    let mut scan = Scan { rest: text, last: ' ', bracket: false, open: 0 };
    while let Some(c) = scan.next() {
        scan.token(c)?;
    }
    Ok(())
}

struct Scan<'t> {
    rest: &'t str,
    /// The character before `c`.
    last: char,
    /// Since a `[`, which opens a name to some readers and an index to others.
    bracket: bool,
    /// Brackets of any kind that are open.
    open: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    fn token(&mut self, c: char) -> Result<(), BuiltinError> {
        match c {
            '\'' if matches!(self.last, 'q' | 'Q') => return ambiguous("a quote after `q`"),
            '\'' | '"' | '`' => self.quoted(c)?,
            '-' if self.rest.starts_with('-') => {
                if !self.rest.get(1..).is_some_and(|after| {
                    after.is_empty() || after.starts_with([' ', '\t', '\n', '\r'])
                }) {
                    return ambiguous("`--` without a blank after it");
                }
                self.line_comment()?;
            }
            '/' if self.rest.starts_with('/') => return ambiguous("`//`"),
            '/' if self.rest.starts_with('*') => self.block_comment()?,
            // A comment to MySQL, an operator to PostgreSQL: harmless when nothing follows the line.
            '#' if !self.rest.starts_with(['>', '-']) || self.rest.contains('\n') => {
                return ambiguous("`#`");
            }
            '$' if !self.rest.starts_with(|c: char| c.is_ascii_digit()) => {
                return ambiguous("`$`");
            }
            '\\' => return ambiguous("a backslash outside quotes"),
            '(' | '{' | '[' => {
                self.bracket |= c == '[';
                self.open += 1;
                if self.open > BRACKETS_LIMIT {
                    return Err(BuiltinError::new("the SQL is nested too deeply"));
                }
            }
            ')' | '}' | ']' => {
                self.bracket &= c != ']';
                self.open = self.open.saturating_sub(1);
            }
            ';' if self.bracket => return ambiguous("`;` within brackets"),
            c if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => {
                return ambiguous("a control character");
            }
            _ => {}
        }
        self.last = c;
        Ok(())
    }

    /// After an opening quote. A doubled quote closes and opens again, which comes to the same.
    fn quoted(&mut self, quote: char) -> Result<(), BuiltinError> {
        let mut escaped = false;
        while let Some(c) = self.next() {
            match c {
                '\0' => return ambiguous("a NUL character"),
                '\\' => escaped = !escaped,
                ']' if self.bracket => return ambiguous("a quoted `]` within brackets"),
                c if c == quote && escaped => return ambiguous("a backslash before a quote"),
                c if c == quote => return Ok(()),
                _ => escaped = false,
            }
        }
        ambiguous("a quote that never closes")
    }

    fn line_comment(&mut self) -> Result<(), BuiltinError> {
        while let Some(c) = self.next() {
            match c {
                '\n' => return Ok(()),
                // Some readers end a comment at a carriage return, others only at a line feed.
                '\r' if !self.rest.starts_with('\n') => return ambiguous("a carriage return"),
                ']' if self.bracket => return ambiguous("a comment within brackets"),
                _ => {}
            }
        }
        Ok(())
    }

    fn block_comment(&mut self) -> Result<(), BuiltinError> {
        self.next();
        if self.rest.starts_with('!') || self.rest.starts_with("M!") {
            return ambiguous("a comment that MySQL runs");
        }
        while let Some(c) = self.next() {
            match c {
                '*' if self.rest.starts_with('/') => {
                    self.next();
                    return Ok(());
                }
                '/' if self.rest.starts_with('*') => return ambiguous("a comment in a comment"),
                ']' if self.bracket => return ambiguous("a comment within brackets"),
                _ => {}
            }
        }
        ambiguous("a comment that never closes")
    }
}

fn ambiguous<T>(what: &str) -> Result<T, BuiltinError> {
    Err(BuiltinError::new(format!("databases read {what} differently")))
}
