//! A report as GitHub workflow commands.
//!
//! Source of the format: "Workflow commands for GitHub Actions", sections on notices, warnings and
//! errors, and on escaping in the actions toolkit (`%`, CR, LF; in properties also `:` and `,`).

use std::io::{self, Write};

use crate::cli::report::{Report, full_message, severity_name};

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for finding in report.findings() {
        write!(out, "::{} ", severity_name(finding.severity))?;
        if let Some(source) = &finding.source {
            write!(out, "file={},", property(&source.name))?;
        }
        if let Some((line, column)) = finding.line_column() {
            write!(out, "line={line},col={column},")?;
        }
        writeln!(out, "title={}::{}", property(finding.code), data(&full_message(finding)))?;
    }
    writeln!(out, "{}", report.summary)
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
