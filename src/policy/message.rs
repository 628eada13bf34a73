//! What a rule tells the model: text in which `{…}` stands for an expression's value.

use crate::policy::compile::codes;
use crate::policy::expr::{self, ExprError, Program, Site};
use crate::policy::view::Env;

/// The longest message shown, in bytes; longer ones are cut.
pub const MESSAGE_LIMIT_BYTES: usize = 1_024;

/// Stands for a value that could not be evaluated: a message never blocks a ruling.
const UNKNOWN_VALUE: &str = "{?}";

const CUT_MARK: &str = "…";

/// A message template, compiled.
#[derive(Debug, Default)]
pub struct Message {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Text(String),
    Value(Program),
}

impl Message {
    /// A message that says exactly `text`.
    pub fn literal(text: impl Into<String>) -> Self {
        Self { pieces: vec![Piece::Text(text.into())] }
    }

    /// Compiles a template: `{expression}` is interpolated, `{{` and `}}` are braces.
    ///
    /// # Errors
    /// Every fault at once, with its place in `template`: braces without their partner, expressions
    /// that do not compile, more fixed text than [`MESSAGE_LIMIT_BYTES`].
    pub fn parse(template: &str) -> Result<Self, Vec<ExprError>> {
        Self::parse_at(template, Site::Message)
    }

    /// The same where expressions stand at another site: [`Site::AnswerMessage`].
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse_at(template: &str, site: Site) -> Result<Self, Vec<ExprError>> {
        let mut reader = Reader { site, template, at: 0, pieces: Vec::new(), faults: Vec::new() };
        reader.read();
        let fixed: usize = reader.pieces.iter().map(Piece::fixed_bytes).sum();
        if fixed > MESSAGE_LIMIT_BYTES {
            reader.faults.push(ExprError {
                code: codes::LONG_MESSAGE,
                message: format!("a message of {fixed} bytes is too long"),
                span: 0..template.len(),
                help: Some(format!("at most {MESSAGE_LIMIT_BYTES} bytes are shown to the model")),
            });
        }
        if reader.faults.is_empty() {
            Ok(Self { pieces: reader.pieces })
        } else {
            Err(reader.faults)
        }
    }

    /// Is there nothing to say?
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The expressions in it.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Value(program) => Some(program),
            Piece::Text(_) => None,
        })
    }

    /// The text for one call, at most [`MESSAGE_LIMIT_BYTES`] long.
    pub fn render(&self, env: &Env<'_>) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(fixed) => text.push_str(fixed),
                Piece::Value(program) => match program.eval_text(env) {
                    Ok(value) => text.push_str(&value),
                    Err(_) => text.push_str(UNKNOWN_VALUE),
                },
            }
            if text.len() > MESSAGE_LIMIT_BYTES {
                cut(&mut text);
                break;
            }
        }
        text
    }
}

impl Piece {
    fn fixed_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Value(_) => 0,
        }
    }
}

fn cut(text: &mut String) {
    let limit = MESSAGE_LIMIT_BYTES.saturating_sub(CUT_MARK.len());
    text.truncate(text.floor_char_boundary(limit));
    text.push_str(CUT_MARK);
}

/// Walks a template from brace to brace.
struct Reader<'t> {
    site: Site,
    template: &'t str,
    at: usize,
    pieces: Vec<Piece>,
    faults: Vec<ExprError>,
}

impl<'t> Reader<'t> {
    fn read(&mut self) {
        while let Some(brace) = self.rest().find(['{', '}']) {
            self.text(self.rest().get(..brace).unwrap_or_default());
            self.at += brace;
            let rest = self.rest();
            if rest.starts_with("{{") || rest.starts_with("}}") {
                self.text(rest.get(..1).unwrap_or_default());
                self.at += 2;
            } else if rest.starts_with('}') {
                self.fault(self.at..self.at + 1, "`}` without `{`", "write `}}` for a brace");
                self.at += 1;
            } else if let Some(length) = expression_length(rest.get(1..).unwrap_or_default()) {
                self.expression(self.at + 1, length);
                self.at += length + 2;
            } else {
                self.fault(self.at..self.at + 1, "`{` without `}`", "write `{{` for a brace");
                self.at = self.template.len();
            }
        }
        self.text(self.rest());
    }

    fn rest(&self) -> &'t str {
        self.template.get(self.at..).unwrap_or_default()
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.pieces.last_mut() {
            Some(Piece::Text(before)) => before.push_str(text),
            Some(Piece::Value(_)) | None => self.pieces.push(Piece::Text(text.to_owned())),
        }
    }

    fn expression(&mut self, start: usize, length: usize) {
        let source = self.template.get(start..start + length).unwrap_or_default();
        if source.trim().is_empty() {
            let braces = start - 1..start + length + 1;
            return self.fault(
                braces,
                "there is no expression in the braces",
                "write `{{}}` for braces",
            );
        }
        match expr::compile(source, self.site) {
            Ok(program) => self.pieces.push(Piece::Value(program)),
            Err(errors) => self.faults.extend(errors.into_iter().map(|error| ExprError {
                span: error.span.start + start..error.span.end + start,
                ..error
            })),
        }
    }

    fn fault(&mut self, span: std::ops::Range<usize>, message: &str, help: &str) {
        self.faults.push(ExprError {
            code: codes::TEMPLATE,
            message: message.to_owned(),
            span,
            help: Some(help.to_owned()),
        });
    }
}

/// How long the expression at the start of `text` is, up to the `}` that closes it: braces of map
/// literals and whatever stands in quotes belong to it.
fn expression_length(text: &str) -> Option<usize> {
    let mut open = 0usize;
    let mut quote: Option<char> = None;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match (quote, char) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(closing), _) if char == closing => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(char),
            (None, '{') => open += 1,
            (None, '}') if open == 0 => return Some(at),
            (None, '}') => open -= 1,
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
