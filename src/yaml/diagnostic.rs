//! A fault in a file: what, where, and what to do about it.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::render;
use super::source::{Source, Span};

/// Whether a fault stops the file from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// One fault. Serialises flat for `--output json`: `code`, `severity`, `message`, `file`, `line`,
/// `column`, `end_line`, `end_column`, `help`, `notes`; the place is null when there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable, as listed in [`super::codes`].
    pub code: &'static str,
    pub severity: Severity,
    pub message: String,
    pub source: Option<Arc<Source>>,
    /// Meaningless without `source`.
    pub span: Span,
    /// What to write instead.
    pub help: Option<String>,
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// A fault that stops the file from being used.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    /// A fault that does not.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, source: &Arc<Source>, span: Span) -> Self {
        self.source = Some(Arc::clone(source));
        self.span = span;
        self
    }

    /// What to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Line and column of the start, both from 1, the column in characters.
    pub fn line_column(&self) -> Option<(usize, usize)> {
        self.source.as_ref().map(|source| source.line_column(self.span.start))
    }

    /// The fault for a person: the line itself, underlined, with help and notes.
    pub fn render(&self, color: bool) -> String {
        render::render(self, color)
    }

    fn new(code: &'static str, severity: Severity, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            source: None,
            span: Span::default(),
            help: None,
            notes: Vec::new(),
        }
    }
}

impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let start = self.line_column();
        let end = self.source.as_ref().map(|source| source.line_column(self.span.end));
        let mut fields = serializer.serialize_struct("Diagnostic", 10)?;
        fields.serialize_field("code", self.code)?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("file", &self.source.as_ref().map(|source| &source.name))?;
        fields.serialize_field("line", &start.map(|(line, _)| line))?;
        fields.serialize_field("column", &start.map(|(_, column)| column))?;
        fields.serialize_field("end_line", &end.map(|(line, _)| line))?;
        fields.serialize_field("end_column", &end.map(|(_, column)| column))?;
        fields.serialize_field("help", &self.help)?;
        fields.serialize_field("notes", &self.notes)?;
        fields.end()
    }
}
