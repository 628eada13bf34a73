//! A word of shell and the fields it becomes.

use super::expand::{Unit, alternatives};
use super::{GUESS_LIMIT_BYTES, UNKNOWN};

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Unquoted characters: patterns, braces and reserved words are live.
    Plain(String),
    /// Quoted or escaped characters: nothing in them is live.
    Quoted(String),
    /// What only the run time knows.
    Open(Open),
}

/// An expansion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// As written, `$X` or `$(date)`.
    pub(super) raw: String,
    /// Its likely value.
    pub(super) guess: Option<String>,
    /// Within double quotes: its value is one field, whatever blanks it holds.
    pub(super) quoted: bool,
}

/// A word: pieces without blanks between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) pieces: Vec<Piece>,
}

/// One argument as a program would see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Quotes removed; expansions as written.
    pub(super) text: String,
    /// An expansion or a live pattern is in it.
    pub(super) open: bool,
    /// It may turn out to be a flag, or another one than it looks.
    pub(super) may_be_flag: bool,
    /// An expansion is in it, so that as a script it may be any script.
    pub(super) expanded: bool,
}

impl Word {
    /// The unquoted text of a word in which nothing is quoted or expanded.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Plain(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn push_plain(&mut self, c: char) {
        if let Some(Piece::Plain(text)) = self.pieces.last_mut() {
            text.push(c);
        } else {
            self.pieces.push(Piece::Plain(c.to_string()));
        }
    }

    pub(super) fn push_quoted(&mut self, c: char) {
        if let Some(Piece::Quoted(text)) = self.pieces.last_mut() {
            text.push(c);
        } else {
            self.pieces.push(Piece::Quoted(c.to_string()));
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Open(_)))
    }

    pub(super) fn is_quoted(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Quoted(_)))
    }

    pub(super) fn has_guess(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Open(Open { guess: Some(_), .. })))
    }

    /// Bytes of the likely values in it.
    pub(super) fn guess_bytes(&self) -> usize {
        let bytes = |piece: &Piece| match piece {
            Piece::Open(Open { guess: Some(guess), .. }) => guess.len(),
            _ => 0,
        };
        self.pieces.iter().map(bytes).sum()
    }

    /// Quotes removed, expansions as written.
    pub(super) fn text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Plain(text) | Piece::Quoted(text) => text.as_str(),
                Piece::Open(open) => open.raw.as_str(),
            })
            .collect()
    }

    /// The likely value as one string, as in an assignment.
    pub(super) fn value(&self) -> Option<String> {
        let mut value = String::new();
        for piece in &self.pieces {
            value.push_str(match piece {
                Piece::Plain(text) | Piece::Quoted(text) => text,
                Piece::Open(open) => open.guess.as_deref()?,
            });
            if value.len() > GUESS_LIMIT_BYTES {
                return None;
            }
        }
        Some(value)
    }

    /// Removes the first `count` bytes of the first piece.
    pub(super) fn without_start(mut self, count: usize) -> Self {
        if let Some(Piece::Plain(text)) = self.pieces.first_mut() {
            *text = text.get(count..).unwrap_or_default().to_owned();
        }
        self
    }

    /// The arguments this word becomes. With `guessing`, expansions are replaced by their likely
    /// values, split at blanks where they are not quoted.
    pub(super) fn fields(&self, guessing: bool, fields: &mut Vec<Field>) {
        let mut units = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Plain(text) => units.extend(text.chars().map(Unit::Live)),
                Piece::Quoted(text) => units.extend(text.chars().map(Unit::Fixed)),
                Piece::Open(open) => units.push(Unit::Open(open)),
            }
        }
        let Some(words) = alternatives(&units) else {
            // Marked as an expansion, so that it is not taken for a path under some folder.
            let text = format!("{UNKNOWN}{}", self.text());
            fields.push(Field { text, open: true, may_be_flag: true, expanded: false });
            return;
        };
        for word in &words {
            push_fields(word, guessing, fields);
        }
    }
}

fn push_fields(units: &[Unit<'_>], guessing: bool, fields: &mut Vec<Field>) {
    let blank = Field { text: String::new(), open: false, may_be_flag: false, expanded: false };
    let mut field = blank.clone();
    // A pattern is live only as a whole: `[` alone is the command of that name.
    let patterned = has_pattern(units);
    for unit in units {
        match unit {
            Unit::Fixed(c) => field.text.push(*c),
            Unit::Live(c) => {
                let live = patterned && matches!(c, '*' | '?' | '[' | ']');
                if live {
                    field.may_be_flag |= field.text.is_empty() || field.text.starts_with('-');
                    field.open = true;
                }
                field.text.push(*c);
            }
            Unit::Open(open) => match open.guess.as_deref().filter(|_| guessing) {
                Some(value) if open.quoted => field.text.push_str(value),
                Some(value) => {
                    let mut parts = value.split([' ', '\t', '\n']);
                    field.text.push_str(parts.next().unwrap_or_default());
                    for part in parts {
                        if !field.text.is_empty() {
                            fields.push(std::mem::replace(&mut field, blank.clone()));
                        }
                        field.text.push_str(part);
                    }
                }
                None => {
                    field.may_be_flag |= field.text.is_empty() || field.text.starts_with('-');
                    field.open = true;
                    field.expanded = true;
                    field.text.push_str(&open.raw);
                }
            },
        }
    }
    let vanishes = |unit: &Unit<'_>| matches!(unit, Unit::Open(open) if !open.quoted);
    if field.text.is_empty() && !units.is_empty() && units.iter().all(vanishes) {
        return;
    }
    fields.push(field);
}

fn has_pattern(units: &[Unit<'_>]) -> bool {
    let mut bracket = false;
    for unit in units {
        match unit {
            Unit::Live('*' | '?') => return true,
            Unit::Live('[') => bracket = true,
            Unit::Live(']') if bracket => return true,
            _ => {}
        }
    }
    false
}
