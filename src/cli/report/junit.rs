//! A report as JUnit XML: a suite a file, a test case a case, a failure a finding.
//!
//! Source of the format: the schema that the Jenkins xUnit plugin publishes (`junit-10.xsd`).

use std::io::{self, Write};

use crate::cli::report::{Case, Report, full_message};
use crate::yaml::{Diagnostic, Severity};

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let failures = report.cases.iter().filter(|case| case.failed()).count();
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(
        out,
        r#"<testsuites name="toolgate {}" tests="{}" failures="{failures}">"#,
        report.command,
        report.cases.len(),
    )?;
    for suite in report.cases.chunk_by(|a, b| a.file == b.file) {
        write_suite(suite, out)?;
    }
    writeln!(out, "</testsuites>")
}

fn write_suite(cases: &[Case], out: &mut dyn Write) -> io::Result<()> {
    let file = escape(cases.first().map_or("", |case| &case.file));
    let failures = cases.iter().filter(|case| case.failed()).count();
    writeln!(out, r#"  <testsuite name="{file}" tests="{}" failures="{failures}">"#, cases.len(),)?;
    for case in cases {
        let name = escape(&case.name);
        if case.findings.is_empty() {
            writeln!(out, r#"    <testcase classname="{file}" name="{name}"/>"#)?;
            continue;
        }
        writeln!(out, r#"    <testcase classname="{file}" name="{name}">"#)?;
        for finding in &case.findings {
            write_finding(finding, out)?;
        }
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>")
}

fn write_finding(finding: &Diagnostic, out: &mut dyn Write) -> io::Result<()> {
    let text = match (&finding.source, finding.line_column()) {
        (Some(source), Some((line, column))) => {
            format!("{}:{line}:{column}: {}", source.name, full_message(finding))
        }
        (Some(source), None) => format!("{}: {}", source.name, full_message(finding)),
        (None, _) => full_message(finding),
    };
    match finding.severity {
        Severity::Error => writeln!(
            out,
            r#"      <failure type="{}" message="{}">{}</failure>"#,
            escape(finding.code),
            escape(&finding.message),
            escape(&text),
        ),
        Severity::Warning => writeln!(out, "      <system-out>{}</system-out>", escape(&text)),
    }
}

/// Text for an attribute or an element (XML 1.0, sections 2.2 and 2.4): characters that XML cannot
/// carry at all become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(char),
        }
    }
    escaped
}
