//! Redirections and here-documents (POSIX.1-2024, XCU 2.7).

use super::scan::{Reader, Stop};
use super::word::{Open, Piece, Word};
use crate::policy::builtins::BuiltinError;

/// Where redirecting to harms nothing.
const HARMLESS: &[&str] = &["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// A here-document whose body is still to come.
#[derive(Clone, Debug)]
pub(super) struct Heredoc {
    delimiter: String,
    /// Leading tabs are not part of it (`<<-`).
    tabs_removed: bool,
    /// Its delimiter is not quoted, so that expansions in it happen.
    expanded: bool,
    /// A shell reads it as its script.
    pub(super) script: bool,
}

/// What a command's standard input is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Input {
    /// A pipe, a file, or what the shell itself has.
    #[default]
    Unknown,
    /// `<<< word`; whether an expansion is in it.
    Text(String, bool),
    /// Index in `Reader::heredocs`.
    Heredoc(usize),
}

/// The redirections of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Redirects {
    /// Files read and written, in order.
    pub(super) files: Vec<String>,
    /// Those of them that are written.
    pub(super) written: Vec<String>,
    pub(super) input: Input,
}

/// Operators, longest first.
const OPERATORS: &[&str] =
    &["&>>", "<<<", "<<-", "<<", "<>", "<&", ">>", ">|", ">&", "&>", "<", ">"];

impl Reader<'_, '_> {
    /// Reads a redirection when one comes next.
    pub(super) fn redirect(&mut self, redirects: &mut Redirects) -> Result<bool, BuiltinError> {
        let number = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
        let rest = self.rest().get(number..).unwrap_or_default();
        let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) else {
            return Ok(false);
        };
        if matches!(*operator, "<" | ">") && rest.get(1..).is_some_and(|rest| rest.starts_with('('))
        {
            return Ok(false);
        }
        if number > 0 && operator.starts_with('&') {
            return Ok(false);
        }
        self.at += number + operator.len();
        self.blanks();
        let word = self.word(Stop::Operator)?;
        if word.pieces.is_empty() {
            return Err(self.fault("a redirection to nothing"));
        }
        match *operator {
            "<<" | "<<-" => {
                if word.is_open() {
                    return Err(self.fault("a here-document that shells read differently"));
                }
                redirects.input = Input::Heredoc(self.heredocs.len());
                self.heredocs.push(Heredoc {
                    delimiter: word.text(),
                    tabs_removed: *operator == "<<-",
                    expanded: !word.is_quoted(),
                    script: false,
                });
            }
            "<<<" => {
                let text = word.value().unwrap_or_else(|| word.text());
                redirects.input = Input::Text(text, word.is_open());
            }
            "<&" | ">&" if is_descriptor(&word) => {}
            _ => {
                if operator.starts_with('<') {
                    redirects.input = Input::Unknown;
                }
                let mut fields = Vec::new();
                word.fields(false, &mut fields);
                let files = fields.into_iter().map(|field| field.text);
                let files: Vec<String> =
                    files.filter(|file| !HARMLESS.contains(&file.as_str())).collect();
                if operator.contains('>') {
                    redirects.written.extend_from_slice(&files);
                }
                redirects.files.extend(files);
            }
        }
        Ok(true)
    }

    /// After the end of a line: reads the here-documents that were announced in it.
    pub(super) fn heredoc_bodies(&mut self) -> Result<(), BuiltinError> {
        for heredoc in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut body_end = start;
            loop {
                let rest = self.rest();
                if rest.is_empty() {
                    return Err(self.fault("a here-document that never closes"));
                }
                let line = rest.split('\n').next().unwrap_or_default();
                self.at = (self.at + line.len() + 1).min(self.text.len());
                let shown = if heredoc.tabs_removed { line.trim_start_matches('\t') } else { line };
                if shown == heredoc.delimiter {
                    break;
                }
                body_end = self.at;
            }
            let body = self.text.get(start..body_end).unwrap_or_default();
            let known = self.sink.commands.len();
            let mut word = Word::default();
            if heredoc.expanded {
                let mut inner = Reader::new(body, super::deeper(self.depth)?, self.sink);
                while let Some(c) = inner.next() {
                    inner.quoted(c, &mut word)?;
                }
            } else {
                word.pieces.push(Piece::Quoted(body.to_owned()));
            }
            if heredoc.script {
                let opened = |piece: &Piece| matches!(piece, Piece::Open(Open { .. }));
                if word.pieces.iter().any(opened) && known <= self.sink.commands.len() {
                    self.sink.push_unknown()?;
                }
                super::read_script(&word.text(), super::deeper(self.depth)?, self.sink)?;
            }
        }
        Ok(())
    }
}

/// Whether a word names an open file: `1`, `2`, `-`.
fn is_descriptor(word: &Word) -> bool {
    word.plain().is_some_and(|text| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '-')
    })
}
