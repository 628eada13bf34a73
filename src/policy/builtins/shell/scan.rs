//! From characters to words: quoting and expansions (POSIX.1-2024, XCU 2.2 and 2.6).
//!
//! Scripts inside substitutions are read in place by the grammar, so that quotes, comments and
//! `case` patterns in them end where a shell ends them.

use super::Sink;
use super::quote::{OCTAL_QUOTE_DIGITS, decode_escapes};
use super::redirect::Heredoc;
use super::word::{Open, Piece, Word};
use crate::policy::builtins::BuiltinError;

/// Where a word ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At a blank or an operator.
    Operator,
    /// At a blank: the words of `[[ … ]]`.
    Blank,
    /// At the `}` of `${…}`.
    Brace,
}

/// Reads one script.
pub(super) struct Reader<'t, 's> {
    pub(super) text: &'t str,
    /// Byte offset of the next character.
    pub(super) at: usize,
    pub(super) depth: usize,
    /// Here-documents whose bodies begin at the next line.
    pub(super) heredocs: Vec<Heredoc>,
    pub(super) sink: &'s mut Sink,
}

impl<'t, 's> Reader<'t, 's> {
    pub(super) fn new(text: &'t str, depth: usize, sink: &'s mut Sink) -> Self {
        Self { text, at: 0, depth, heredocs: Vec::new(), sink }
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Steps over `token` when it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    /// Steps over blanks, joined lines and a comment; not over the end of the line.
    pub(super) fn blanks(&mut self) {
        loop {
            if self.eat(" ") || self.eat("\t") || self.eat("\\\n") {
                continue;
            }
            if self.peek() == Some('#') {
                let end = self.rest().find('\n').unwrap_or(self.rest().len());
                self.at += end;
            }
            return;
        }
    }

    pub(super) fn fault(&self, what: &str) -> BuiltinError {
        let near: String = self.rest().chars().take(12).collect();
        if near.is_empty() {
            BuiltinError::new(format!("{what} at the end of the command"))
        } else {
            BuiltinError::new(format!("{what} before {near:?}"))
        }
    }

    /// The text since byte `start`.
    pub(super) fn since(&self, start: usize) -> String {
        self.text.get(start..self.at).unwrap_or_default().to_owned()
    }

    /// Reads up to where `stop` says.
    pub(super) fn word(&mut self, stop: Stop) -> Result<Word, BuiltinError> {
        let mut word = Word::default();
        while let Some(c) = self.peek() {
            if stop == Stop::Operator && (self.eat("<(") || self.eat(">(")) {
                let start = self.at - 2;
                self.substitution()?;
                let raw = self.since(start);
                word.pieces.push(Piece::Open(Open { raw, guess: None, quoted: true }));
                continue;
            }
            let end = match stop {
                Stop::Operator => is_operator(c) || is_blank(c),
                Stop::Blank => is_blank(c),
                Stop::Brace => c == '}',
            };
            if end {
                break;
            }
            self.at += c.len_utf8();
            match c {
                '\'' => {
                    word.pieces.push(Piece::Quoted(self.single_quoted()?.to_owned()));
                }
                '"' => self.double_quoted(&mut word)?,
                '\\' => match self.next() {
                    Some('\n') => {}
                    Some(c) => word.push_quoted(c),
                    None => return Err(self.fault("a lone backslash")),
                },
                '$' => self.dollar(&mut word, false)?,
                '`' => self.backquote(&mut word, false)?,
                c => word.push_plain(c),
            }
        }
        Ok(word)
    }

    pub(super) fn single_quoted(&mut self) -> Result<&'t str, BuiltinError> {
        let rest = self.rest();
        let Some((inside, _)) = rest.split_once('\'') else {
            return Err(self.fault("a quote that never closes"));
        };
        self.at += inside.len() + 1;
        Ok(inside)
    }

    /// After `"`: reads to the closing one.
    pub(super) fn double_quoted(&mut self, word: &mut Word) -> Result<(), BuiltinError> {
        word.pieces.push(Piece::Quoted(String::new()));
        loop {
            match self.next() {
                None => return Err(self.fault("a double quote that never closes")),
                Some('"') => return Ok(()),
                Some(c) => self.quoted(c, word)?,
            }
        }
    }

    /// A character within double quotes or a here-document.
    pub(super) fn quoted(&mut self, c: char, word: &mut Word) -> Result<(), BuiltinError> {
        match c {
            '\\' => match self.peek() {
                Some('\n') => self.at += 1,
                Some(c @ ('$' | '`' | '"' | '\\')) => {
                    self.at += 1;
                    word.push_quoted(c);
                }
                _ => word.push_quoted('\\'),
            },
            '$' => self.dollar(word, true)?,
            '`' => self.backquote(word, true)?,
            c => word.push_quoted(c),
        }
        Ok(())
    }

    pub(super) fn ansi_quoted(&mut self) -> Result<String, BuiltinError> {
        let start = self.at;
        loop {
            match self.next() {
                None => return Err(self.fault("a quote that never closes")),
                Some('\\') => {
                    self.next();
                }
                Some('\'') => break,
                Some(_) => {}
            }
        }
        let inside = self.text.get(start..self.at - 1).unwrap_or_default();
        decode_escapes(inside, OCTAL_QUOTE_DIGITS)
            .ok_or_else(|| self.fault("an escape that shells read differently"))
    }
}

/// Bytes of the variable name that `text` begins with.
pub(super) fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len())
}

pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n')
}

pub(super) fn is_operator(c: char) -> bool {
    matches!(c, ';' | '&' | '|' | '<' | '>' | '(' | ')')
}
