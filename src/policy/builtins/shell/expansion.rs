//! Expansions: what follows `$`, a backquote, `((` or `<(` (POSIX.1-2024, XCU 2.6).
//!
//! Scripts inside substitutions are read in place by the grammar, so that quotes, comments and
//! `case` patterns in them end where a shell ends them.

use super::grammar::Until;
use super::printed::printed;
use super::scan::{Reader, Stop, name_length};
use super::word::{Open, Piece, Word};
use super::{deeper, read_script};
use crate::policy::builtins::BuiltinError;

impl<'t> Reader<'t, '_> {
    /// After `$`.
    pub(super) fn dollar(&mut self, word: &mut Word, quoted: bool) -> Result<(), BuiltinError> {
        let start = self.at - 1;
        let guess = if self.eat("((") {
            self.depth = deeper(self.depth)?;
            self.arithmetic()?;
            self.depth -= 1;
            None
        } else if self.eat("(") {
            let known = self.sink.commands.len();
            self.substitution()?;
            printed(self.sink.commands.get(known..).unwrap_or_default())
        } else if self.eat("{") {
            self.depth = deeper(self.depth)?;
            let guess = self.parameter(quoted)?;
            self.depth -= 1;
            guess
        } else if !quoted && self.eat("'") {
            let text = self.ansi_quoted()?;
            word.pieces.push(Piece::Quoted(text));
            return Ok(());
        } else if !quoted && self.eat("\"") {
            return self.double_quoted(word);
        } else if self.rest().starts_with('[') || self.rest().starts_with("\\\n") {
            return Err(self.fault("a `$` that shells read differently"));
        } else {
            let name = self.name_or_special();
            if name.is_empty() {
                if quoted {
                    word.push_quoted('$');
                } else {
                    word.push_plain('$');
                }
                return Ok(());
            }
            self.value_of(name)
        };
        let raw = self.since(start);
        // `"$@"` is as many fields as there are arguments, quoted or not.
        let quoted = quoted && !matches!(raw.as_str(), "$@" | "${@}");
        word.pieces.push(Piece::Open(Open { raw, guess, quoted }));
        Ok(())
    }

    /// The likely value of a variable.
    fn value_of(&self, name: &str) -> Option<String> {
        let known = self.sink.variables.get(name).cloned();
        known.or_else(|| (name == "IFS").then(|| " ".to_owned()))
    }

    /// A variable's name, a digit, or a special parameter; empty when there is none.
    fn name_or_special(&mut self) -> &'t str {
        let rest = self.rest();
        let length = name_length(rest);
        let length = match rest.chars().next() {
            Some('0'..='9' | '@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => length,
        };
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// After `${`: reads past the `}` and guesses the value.
    fn parameter(&mut self, quoted: bool) -> Result<Option<String>, BuiltinError> {
        if matches!(self.peek(), None | Some(' ' | '\t' | '\n' | '|' | '\\')) {
            return Err(self.fault("a `${` that shells read differently"));
        }
        // `${#X}` is a length and `${!X}` another variable's value; `${#}` is the parameter `#`.
        let derived = self.rest().starts_with(['!', '#']) && !self.rest().starts_with("#}");
        if derived {
            self.at += 1;
        }
        let name = self.name_or_special();
        let known = self.value_of(name).filter(|_| !derived);
        let operator = self.rest().chars().take(2).collect::<String>();
        let rest = if quoted { self.quoted_default()? } else { self.word(Stop::Brace)? };
        if !self.eat("}") {
            return Err(self.fault("a `${` that never closes"));
        }
        if operator.starts_with('}') {
            return Ok(known);
        }
        if operator.starts_with('@') {
            // `${X@P}` runs the substitutions within a value.
            self.sink.push_unknown()?;
            return Ok(None);
        }
        let skipped = match operator.as_str() {
            ":-" | ":=" => 2,
            _ if operator.starts_with(['-', '=']) => 1,
            _ => return Ok(None),
        };
        let default = rest.without_start(skipped).value();
        if operator.contains('=') {
            self.sink.assign(name, default.clone());
        }
        Ok(known.or(default))
    }

    /// The rest of `"${name…}"`, where a single quote quotes after some operators only.
    fn quoted_default(&mut self) -> Result<Word, BuiltinError> {
        let literal = self.rest().trim_start_matches(':').starts_with(['-', '=', '+', '?']);
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            if c == '}' {
                break;
            }
            self.at += c.len_utf8();
            match c {
                '\'' if !literal => return Err(self.fault("a quote that shells read differently")),
                '"' => self.double_quoted(&mut word)?,
                '\\' if self.eat("}") => word.push_quoted('}'),
                '$' | '`' | '\\' => self.quoted(c, &mut word)?,
                // The operator is looked for in plain text.
                c => word.push_plain(c),
            }
        }
        Ok(word)
    }

    /// After `$(`, `<(` or `>(`: reads past the `)`.
    pub(super) fn substitution(&mut self) -> Result<(), BuiltinError> {
        let outer = std::mem::take(&mut self.heredocs);
        let feed = self.sink.feed.take();
        self.depth = deeper(self.depth)?;
        self.list(Until::Parenthesis)?;
        self.depth -= 1;
        if !self.eat(")") {
            return Err(self.fault("a substitution that never closes"));
        }
        if !self.heredocs.is_empty() {
            return Err(self.fault("a here-document without its text"));
        }
        self.heredocs = outer;
        self.sink.feed = feed;
        Ok(())
    }

    /// After `((`: reads past the `))`.
    pub(super) fn arithmetic(&mut self) -> Result<(), BuiltinError> {
        let mut open = 0_usize;
        let mut ignored = Word::default();
        loop {
            match self.next() {
                None => return Err(self.fault("arithmetic that never closes")),
                Some('(') => open += 1,
                Some(')') if open > 0 => open -= 1,
                Some(')') if self.eat(")") => return Ok(()),
                Some(')') => return Err(self.fault("a `((` that shells read differently")),
                Some('\'') => {
                    self.single_quoted()?;
                }
                Some('"') => self.double_quoted(&mut ignored)?,
                Some(c) => self.quoted(c, &mut ignored)?,
            }
        }
    }

    /// After a backquote: reads past the closing one.
    pub(super) fn backquote(&mut self, word: &mut Word, quoted: bool) -> Result<(), BuiltinError> {
        let start = self.at - 1;
        let mut script = String::new();
        loop {
            match self.next() {
                None => return Err(self.fault("a backquote that never closes")),
                Some('`') => break,
                Some('\\') => match self.next() {
                    Some(c @ ('`' | '\\' | '$')) => script.push(c),
                    Some('"') if quoted => script.push('"'),
                    Some(c) => script.extend(['\\', c]),
                    None => {}
                },
                Some(c) => script.push(c),
            }
        }
        let known = self.sink.commands.len();
        let feed = self.sink.feed.take();
        read_script(&script, deeper(self.depth)?, self.sink)?;
        self.sink.feed = feed;
        let guess = printed(self.sink.commands.get(known..).unwrap_or_default());
        word.pieces.push(Piece::Open(Open { raw: self.since(start), guess, quoted }));
        Ok(())
    }
}
