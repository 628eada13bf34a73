//! What `toolgate check` and `toolgate test` found, and the forms in which tools want to read it.

mod github;
mod json;
mod junit;
mod sarif;

use std::io::{self, Write};

use serde_json::Value;

use crate::yaml::{Diagnostic, Severity};

/// How a command ended, as its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok,
    /// It ran, and there is something to mend.
    Findings,
    /// The command line or the config could not be used.
    Usage,
    /// Something could not be read, written or reached.
    Io,
    /// That of a process that was run.
    Of(u8),
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Io => 3,
            Self::Of(code) => code,
        }
    }
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: faults with the lines they stand in.
    Text,
    /// One JSON object.
    Json,
    /// Workflow commands, which GitHub shows beside the lines of a change.
    Github,
    /// SARIF 2.1.0 (OASIS Standard, 2020), for code scanning.
    Sarif,
    /// JUnit XML, for test reports.
    Junit,
}

/// One file that was checked, or one test that ran.
#[derive(Debug)]
pub struct Case {
    /// The file, as the user wrote it.
    pub file: String,
    /// The test's name; of a checked file its path.
    pub name: String,
    pub findings: Vec<Diagnostic>,
}

impl Case {
    /// Is there anything to mend?
    pub fn failed(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Everything one command found.
#[derive(Debug)]
pub struct Report {
    /// `check` or `test`.
    pub command: &'static str,
    pub cases: Vec<Case>,
    /// The last line for people.
    pub summary: String,
    /// Further facts for `--output json`.
    pub facts: Vec<(&'static str, Value)>,
}

impl Report {
    /// Everything found, in the order of the cases.
    pub fn findings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.cases.iter().flat_map(|case| &case.findings)
    }

    /// How many findings have this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings().filter(|finding| finding.severity == severity).count()
    }

    /// Writes the report: results to `out`; for people, what was found to `err`.
    ///
    /// # Errors
    /// Those of the writers.
    pub fn write(
        &self,
        format: Format,
        color: bool,
        out: &mut dyn Write,
        err: &mut dyn Write,
    ) -> io::Result<()> {
        match format {
            Format::Text => {
                for finding in self.findings() {
                    writeln!(err, "{}", finding.render(color).trim_end())?;
                }
                writeln!(out, "{}", self.summary)
            }
            Format::Json => json::write(self, out),
            Format::Github => github::write(self, out),
            Format::Sarif => sarif::write(self, out),
            Format::Junit => junit::write(self, out),
        }
    }

    /// Ok, unless there is an error.
    pub fn exit(&self) -> Exit {
        if self.count(Severity::Error) == 0 { Exit::Ok } else { Exit::Findings }
    }
}

/// `1 rule`, `2 rules`.
pub(super) fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// The name of a severity, as people read it.
fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Message, notes and help in one text.
fn full_message(finding: &Diagnostic) -> String {
    let mut text = finding.message.clone();
    for note in &finding.notes {
        text.push_str("\nnote: ");
        text.push_str(note);
    }
    if let Some(help) = &finding.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    text
}

#[cfg(test)]
mod tests;
