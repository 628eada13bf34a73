//! A report as SARIF 2.1.0 (OASIS Standard, 27 March 2020): one run, one result a finding.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::report::{Report, full_message, severity_name};
use crate::yaml::Diagnostic;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let codes: BTreeSet<&str> = report.findings().map(|finding| finding.code).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> = report.findings().map(|found| result(found, &codes)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "toolgate",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn result(finding: &Diagnostic, codes: &BTreeSet<&str>) -> Value {
    let index = codes.iter().position(|code| *code == finding.code);
    let mut result = json!({
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": severity_name(finding.severity),
        "message": { "text": full_message(finding) },
    });
    if let (Some(source), Some(object)) = (&finding.source, result.as_object_mut()) {
        object.insert("locations".to_owned(), json!([location(finding, &source.name)]));
    }
    result
}

fn location(finding: &Diagnostic, file: &str) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(file) } });
    if let (Some(source), Some(object)) = (&finding.source, place.as_object_mut()) {
        let (line, column) = source.line_column(finding.span.start);
        let (end_line, end_column) = source.line_column(finding.span.end);
        let region = json!({
            "startLine": line,
            "startColumn": column,
            "endLine": end_line,
            "endColumn": end_column,
        });
        object.insert("region".to_owned(), region);
    }
    json!({ "physicalLocation": place })
}

/// A relative path as a URI reference (RFC 3986, section 4.2).
fn uri(file: &str) -> String {
    const UNESCAPED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'.')
        .remove(b'-')
        .remove(b'_')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(file.trim_start_matches("./"), UNESCAPED).to_string()
}
