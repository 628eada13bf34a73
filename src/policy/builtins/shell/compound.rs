//! Compound commands: groups, conditions, loops, functions (POSIX.1-2024, XCU 2.9.4, and bash).

use super::grammar::Until;
use super::redirect::Redirects;
use super::scan::{Reader, Stop, is_blank, name_length};
use super::word::{Piece, Word};
use super::{deeper, read_guess};
use crate::policy::builtins::BuiltinError;

impl Reader<'_, '_> {
    /// Reads a compound command when one comes next.
    pub(super) fn compound(&mut self) -> Result<bool, BuiltinError> {
        if self.eat("((") {
            self.arithmetic_command()?;
            return Ok(true);
        }
        if self.eat("(") {
            self.list(Until::Parenthesis)?;
            let _ = self.eat(")");
            return Ok(true);
        }
        let Some(word) = self.reserved() else {
            return Ok(false);
        };
        if word == "time" {
            return Ok(false);
        }
        let start = self.at;
        let _ = self.eat(word);
        match word {
            "{" => {
                self.list(Until::Words(&["}"]))?;
                self.require("}")?;
            }
            "if" => self.conditional()?,
            "while" | "until" => {
                self.list(Until::Words(&["do"]))?;
                self.loop_body()?;
            }
            "for" | "select" => self.for_loop()?,
            "case" => self.case()?,
            "function" => {
                self.blanks();
                self.word(Stop::Operator)?;
                self.blanks();
                if self.eat("(") {
                    self.blanks();
                    if !self.eat(")") {
                        return Err(self.fault("a function that shells read differently"));
                    }
                }
                self.lines()?;
                self.command()?;
            }
            "[[" => self.test_command()?,
            "coproc" => self.command()?,
            _ => {
                self.at = start;
                return Err(self.fault("something unexpected"));
            }
        }
        Ok(true)
    }

    fn conditional(&mut self) -> Result<(), BuiltinError> {
        self.list(Until::Words(&["then"]))?;
        self.require("then")?;
        loop {
            self.list(Until::Words(&["elif", "else", "fi"]))?;
            if self.eat_reserved("fi") {
                return Ok(());
            }
            if self.eat_reserved("else") {
                self.list(Until::Words(&["fi"]))?;
                return self.require("fi");
            }
            self.require("elif")?;
            self.list(Until::Words(&["then"]))?;
            self.require("then")?;
        }
    }

    fn loop_body(&mut self) -> Result<(), BuiltinError> {
        self.require("do")?;
        self.list(Until::Words(&["done"]))?;
        self.require("done")
    }

    fn for_loop(&mut self) -> Result<(), BuiltinError> {
        self.blanks();
        if self.eat("((") {
            self.arithmetic()?;
            self.blanks();
            let _ = self.eat(";");
            return self.loop_body();
        }
        let name = self.word(Stop::Operator)?;
        let name = name.plain().unwrap_or_default().to_owned();
        if name.is_empty() || name_length(&name) != name.len() {
            return Err(self.fault("a loop without a variable"));
        }
        self.lines()?;
        self.sink.assign(&name, None);
        if self.eat("in") {
            loop {
                self.blanks();
                if self.peek().is_none_or(|c| c == '\n' || c == ';') {
                    break;
                }
                let word = self.word(Stop::Operator)?;
                if word.pieces.is_empty() {
                    return Err(self.fault("something unexpected"));
                }
                self.sink.assign(&name, word.value());
            }
        }
        let _ = self.eat(";");
        self.loop_body()
    }

    fn case(&mut self) -> Result<(), BuiltinError> {
        self.blanks();
        self.word(Stop::Operator)?;
        self.lines()?;
        if !self.eat("in") {
            return Err(self.fault("`in` is missing"));
        }
        loop {
            self.lines()?;
            if self.eat_reserved("esac") {
                return Ok(());
            }
            let _ = self.eat("(");
            loop {
                self.blanks();
                let pattern = self.word(Stop::Operator)?;
                self.blanks();
                if pattern.pieces.is_empty() {
                    return Err(self.fault("a pattern is missing"));
                }
                if !self.eat("|") {
                    break;
                }
            }
            if !self.eat(")") {
                return Err(self.fault("`)` is missing"));
            }
            self.list(Until::CaseArm)?;
            let _ = self.eat(";;&") || self.eat(";;") || self.eat(";&");
        }
    }

    /// After `((`. A POSIX shell without arithmetic commands reads nested subshells.
    fn arithmetic_command(&mut self) -> Result<(), BuiltinError> {
        let start = self.at;
        self.arithmetic()?;
        let inside = self.text.get(start..self.at - 2).unwrap_or_default();
        read_guess(inside, deeper(self.depth)?, self.sink)
    }

    /// After `[[`. A POSIX shell reads a command of that name, and `&&` within ends it.
    fn test_command(&mut self) -> Result<(), BuiltinError> {
        let mut words = Vec::new();
        loop {
            while self.peek().is_some_and(is_blank) || self.rest().starts_with("\\\n") {
                self.next();
            }
            let word = self.word(Stop::Blank)?;
            if word.plain() == Some("]]") {
                break;
            }
            if word.pieces.is_empty() {
                return Err(self.fault("a `[[` that never closes"));
            }
            words.push(word);
        }
        let mut test = vec![Word { pieces: vec![Piece::Plain("[[".to_owned())] }];
        test.extend_from_slice(&words);
        self.record(&test, &Redirects::default())?;
        for part in words.split(|word| matches!(word.plain(), Some("&&" | "||"))).skip(1) {
            if !is_condition(part) {
                self.record(part, &Redirects::default())?;
            }
        }
        Ok(())
    }
}

/// Whether words read as a condition of `[[ … ]]` rather than as a command.
fn is_condition(words: &[Word]) -> bool {
    let first = words.first().map(Word::text).unwrap_or_default();
    let second = words.get(1).map(Word::text).unwrap_or_default();
    const BINARY: &[&str] = &[
        "=", "==", "!=", "=~", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot",
        "-ef",
    ];
    let binary = BINARY.contains(&second.as_str());
    words.is_empty()
        || first.starts_with(['-', '!', '('])
        || binary
        || (words.len() == 1 && words.iter().any(Word::is_open))
}
