//! A report as one JSON object.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::cli::report::{Case, Report};
use crate::yaml::Severity;

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
    let (file, name, findings) = (&case.file, &case.name, &case.findings);
    json!({ "file": file, "name": name, "ok": !case.failed(), "findings": findings })
}
