//! A report as one JSON object.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::cli::report::{Case, Report, severity_name};
use crate::yaml::{Diagnostic, Severity};

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut object = Map::new();
    object.insert("command".to_owned(), json!(report.command));
    object.insert("errors".to_owned(), json!(report.count(Severity::Error)));
    object.insert("warnings".to_owned(), json!(report.count(Severity::Warning)));
    for (name, value) in &report.facts {
        object.insert((*name).to_owned(), value.clone());
    }
    let cases: Vec<Value> = report.cases.iter().map(case).collect();
    object.insert("cases".to_owned(), Value::Array(cases));
    serde_json::to_writer_pretty(&mut *out, &Value::Object(object))?;
    writeln!(out)
}

fn case(case: &Case) -> Value {
    let findings: Vec<Value> = case.findings.iter().map(finding).collect();
    json!({ "file": case.file, "name": case.name, "ok": !case.failed(), "findings": findings })
}

fn finding(finding: &Diagnostic) -> Value {
    let place = finding.line_column();
    json!({
        "severity": severity_name(finding.severity),
        "code": finding.code,
        "message": finding.message,
        "file": finding.source.as_ref().map(|source| &source.name),
        "line": place.map(|(line, _)| line),
        "column": place.map(|(_, column)| column),
        "help": finding.help,
        "notes": finding.notes,
    })
}
