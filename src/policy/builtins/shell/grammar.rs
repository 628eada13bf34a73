//! The shell grammar (POSIX.1-2024, XCU 2.9 and 2.10): finds the simple commands.
//!
//! Every branch is read as if it ran. Where bash and POSIX shells read one text in two ways, both
//! readings are listed, or the text is refused.

use super::deeper;
use super::printed::printed;
use super::redirect::Redirects;
use super::scan::{Reader, Stop, is_blank, is_operator, name_length};
use super::word::{Field, Piece, Word};
use crate::policy::builtins::BuiltinError;

/// What ends a list of commands; what ends it is not read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// The end of the text.
    End,
    Parenthesis,
    /// One of these reserved words.
    Words(&'static [&'static str]),
    /// `;;` and its like, or `esac`.
    CaseArm,
}

/// Longest values that one command is guessed with: a short text may name a long value often.
const GUESSES_LIMIT_BYTES: usize = 16 * 1024;

const RESERVED: &[&str] = &[
    "{", "}", "!", "if", "then", "elif", "else", "fi", "for", "select", "while", "until", "do",
    "done", "case", "esac", "function", "[[", "coproc", "time",
];

impl Reader<'_, '_> {
    /// Reads commands up to where `until` says.
    pub(super) fn list(&mut self, until: Until) -> Result<(), BuiltinError> {
        loop {
            self.lines()?;
            if self.ends(until)? {
                return Ok(());
            }
            self.pipeline()?;
            self.blanks();
            if self.ends(until)? {
                return Ok(());
            }
            let joined = self.eat("&&") || self.eat("||");
            let parted = joined || self.peek() == Some('\n') || self.eat(";") || self.eat("&");
            if !parted || self.rest().starts_with([';', '&']) {
                return Err(self.fault("something unexpected"));
            }
        }
    }

    /// Whether the list ends here; an error when something else ends it.
    fn ends(&mut self, until: Until) -> Result<bool, BuiltinError> {
        let Some(c) = self.peek() else {
            if !self.heredocs.is_empty() {
                return Err(self.fault("a here-document without its text"));
            }
            return match until {
                Until::End => Ok(true),
                _ => Err(self.fault("something that never closes")),
            };
        };
        Ok(match until {
            Until::End => false,
            Until::Parenthesis => c == ')',
            Until::Words(words) => self.reserved().is_some_and(|word| words.contains(&word)),
            Until::CaseArm => {
                self.rest().starts_with(";;")
                    || self.rest().starts_with(";&")
                    || self.reserved() == Some("esac")
            }
        })
    }

    /// Steps over blanks, comments and ends of lines, and over here-documents after them.
    pub(super) fn lines(&mut self) -> Result<(), BuiltinError> {
        loop {
            self.blanks();
            if !self.eat("\n") {
                return Ok(());
            }
            self.heredoc_bodies()?;
        }
    }

    /// The reserved word that comes next.
    pub(super) fn reserved(&self) -> Option<&'static str> {
        let rest = self.rest();
        let end = rest.find(|c| is_blank(c) || is_operator(c)).unwrap_or(rest.len());
        let word = rest.get(..end)?;
        RESERVED.iter().find(|reserved| **reserved == word).copied()
    }

    pub(super) fn eat_reserved(&mut self, word: &str) -> bool {
        self.reserved() == Some(word) && self.eat(word)
    }

    pub(super) fn require(&mut self, word: &str) -> Result<(), BuiltinError> {
        self.lines()?;
        if self.eat_reserved(word) {
            return Ok(());
        }
        Err(self.fault(&format!("`{word}` is missing")))
    }

    fn pipeline(&mut self) -> Result<(), BuiltinError> {
        let feed = self.sink.feed.clone();
        loop {
            self.blanks();
            if self.eat_reserved("!") || self.eat_time() {
                continue;
            }
            break;
        }
        loop {
            let known = self.sink.commands.len();
            self.command()?;
            self.blanks();
            if self.rest().starts_with("||") || !(self.eat("|&") || self.eat("|")) {
                break;
            }
            let stage = self.sink.commands.get(known..).unwrap_or_default();
            self.sink.feed = printed(stage);
            self.lines()?;
        }
        self.sink.feed = feed;
        Ok(())
    }

    /// The reserved word `time`, and not the program of that name, which has more flags.
    fn eat_time(&mut self) -> bool {
        if self.reserved() != Some("time") {
            return false;
        }
        let after = self.rest().trim_start_matches("time").trim_start_matches([' ', '\t']);
        if after.starts_with('-') && !after.starts_with("-p ") {
            return false;
        }
        let _ = self.eat("time");
        self.blanks();
        let _ = self.eat("-p ");
        true
    }

    pub(super) fn command(&mut self) -> Result<(), BuiltinError> {
        self.blanks();
        self.depth = deeper(self.depth)?;
        let compound = self.compound()?;
        if compound {
            let mut redirects = Redirects::default();
            loop {
                self.blanks();
                if !self.redirect(&mut redirects)? {
                    break;
                }
            }
            self.record(&[], &redirects)?;
        } else {
            self.simple()?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn simple(&mut self) -> Result<(), BuiltinError> {
        let mut words: Vec<Word> = Vec::new();
        let mut redirects = Redirects::default();
        let start = self.at;
        loop {
            self.blanks();
            if self.redirect(&mut redirects)? {
                continue;
            }
            let process = self.rest().starts_with("<(") || self.rest().starts_with(">(");
            match self.peek() {
                None | Some('\n') => break,
                Some('(') if words.len() == 1 => {
                    self.at += 1;
                    self.blanks();
                    if !self.eat(")") {
                        return Err(self.fault("a parenthesis that shells read differently"));
                    }
                    self.lines()?;
                    return self.command();
                }
                Some(c) if is_operator(c) && !process => break,
                Some(_) => {}
            }
            let word = self.word(Stop::Operator)?;
            match assignment(&word) {
                Some((name, length)) => {
                    let array = self.eat("(");
                    if array {
                        self.array()?;
                    }
                    if words.is_empty() {
                        let value = word.without_start(length).value();
                        self.sink.assign(&name, value.filter(|_| !array));
                        continue;
                    }
                    words.push(word);
                }
                None => words.push(word),
            }
        }
        if self.at == start {
            return Err(self.fault("a command is missing"));
        }
        self.record(&words, &redirects)
    }

    /// After `NAME=(`: reads past the `)`.
    pub(super) fn array(&mut self) -> Result<(), BuiltinError> {
        loop {
            self.blanks();
            if self.eat("\n") {
                continue;
            }
            if self.eat(")") {
                return Ok(());
            }
            if self.word(Stop::Operator)?.pieces.is_empty() {
                return Err(self.fault("something unexpected"));
            }
        }
    }

    /// Lists a simple command, and the guess at it where one is possible.
    pub(super) fn record(
        &mut self,
        words: &[Word],
        redirects: &Redirects,
    ) -> Result<(), BuiltinError> {
        let argv = |guessing| {
            let mut fields: Vec<Field> = Vec::new();
            for word in words {
                word.fields(guessing, &mut fields);
            }
            fields
        };
        let fields = argv(false);
        self.run(&fields, redirects, false)?;
        let guessed_bytes: usize = words.iter().map(Word::guess_bytes).sum();
        if words.iter().any(Word::has_guess) && guessed_bytes <= GUESSES_LIMIT_BYTES {
            let guess = argv(true);
            if guess != fields && !guess.is_empty() {
                self.run(&guess, redirects, true)?;
            }
        }
        Ok(())
    }
}

/// The variable that a word assigns, and the bytes up to its value.
fn assignment(word: &Word) -> Option<(String, usize)> {
    let Some(Piece::Plain(text)) = word.pieces.first() else {
        return None;
    };
    let name = text.get(..name_length(text)).filter(|name| !name.is_empty())?;
    let mut rest = text.get(name.len()..)?;
    if rest.starts_with('[') {
        rest = rest.split_once(']')?.1;
    }
    let rest = rest.strip_prefix('+').unwrap_or(rest).strip_prefix('=')?;
    Some((name.to_owned(), text.len() - rest.len()))
}
