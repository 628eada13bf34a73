//! Each form of a report, on one of each kind of finding.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Case, Exit, Format, Report};
use crate::yaml::{Diagnostic, Source, Span};

fn report() -> Report {
    let source =
        Arc::new(Source { name: "a b/<p>.yaml".to_owned(), text: "x: 1\né: \"2\"\n".to_owned() });
    let error = Diagnostic::error("TG001", "50% of `\"<&>\"` is\u{7} wrong")
        .at(&source, Span { start: 9, end: 12 })
        .help("mend it")
        .note("first\nsecond");
    let warning = Diagnostic::warning("TG002", "hm");
    let case =
        |name: &str, findings| Case { file: source.name.clone(), name: name.to_owned(), findings };
    Report {
        command: "check",
        cases: vec![
            case("bad", vec![error]),
            case("good", Vec::new()),
            Case { file: "other".to_owned(), name: "other".to_owned(), findings: vec![warning] },
        ],
        summary: "summary".to_owned(),
        facts: vec![("rules", json!(7))],
    }
}

fn written(format: Format) -> (String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    report().write(format, false, &mut out, &mut err).unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn errors_decide_the_exit() {
    let mut report = report();
    assert_eq!(report.exit(), Exit::Findings);
    report.cases.remove(0);
    assert_eq!(report.exit(), Exit::Ok);
    assert_eq!([Exit::Ok, Exit::Findings, Exit::Usage, Exit::Io].map(Exit::code), [0, 1, 2, 3]);
}

#[test]
fn text_is_for_people() {
    let (out, err) = written(Format::Text);
    assert_eq!(out, "summary\n");
    assert!(err.starts_with("error[TG001]"), "{err}");
    assert!(err.contains("a b/<p>.yaml:2:4") && err.contains("warning[TG002]"), "{err}");
}

#[test]
fn json_is_one_object() {
    let value: Value = serde_json::from_str(&written(Format::Json).0).unwrap();
    assert_eq!(value["errors"], 1);
    assert_eq!(value["warnings"], 1);
    assert_eq!(value["rules"], 7);
    assert_eq!(value["cases"][0]["ok"], false);
    assert_eq!(value["cases"][1]["ok"], true);
    let finding = &value["cases"][0]["findings"][0];
    assert_eq!((&finding["line"], &finding["column"]), (&json!(2), &json!(4)));
    assert_eq!(finding["severity"], "error");
    assert_eq!(value["cases"][2]["findings"][0]["file"], Value::Null);
}

#[test]
fn github_commands_are_escaped() {
    let (out, _) = written(Format::Github);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(
        lines[0],
        "::error file=a b/<p>.yaml,line=2,col=4,title=TG001::50%25 of `\"<&>\"` is\u{7} wrong\
         %0Anote: first%0Asecond%0Ahelp: mend it"
    );
    assert_eq!(lines[1], "::warning title=TG002::hm");
}

#[test]
fn sarif_has_what_code_scanning_reads() {
    let value: Value = serde_json::from_str(&written(Format::Sarif).0).unwrap();
    assert_eq!(value["version"], "2.1.0");
    let run = &value["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"], json!([{ "id": "TG001" }, { "id": "TG002" }]));
    let result = &run["results"][0];
    assert_eq!((&result["ruleIndex"], &result["level"]), (&json!(0), &json!("error")));
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/%3Cp%3E.yaml");
    let region = json!({ "startLine": 2, "startColumn": 4, "endLine": 2, "endColumn": 7 });
    assert_eq!(place["region"], region);
    assert!(run["results"][1].get("locations").is_none());
}

#[test]
fn junit_is_well_formed() {
    let (out, _) = written(Format::Junit);
    let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="toolgate check" tests="3" failures="1">
  <testsuite name="a b/&lt;p&gt;.yaml" tests="2" failures="1">
    <testcase classname="a b/&lt;p&gt;.yaml" name="bad">
      <failure type="TG001" message="50% of `&quot;&lt;&amp;&gt;&quot;` is� wrong">a b/&lt;p&gt;.yaml:2:4: 50% of `&quot;&lt;&amp;&gt;&quot;` is� wrong&#10;note: first&#10;second&#10;help: mend it</failure>
    </testcase>
    <testcase classname="a b/&lt;p&gt;.yaml" name="good"/>
  </testsuite>
  <testsuite name="other" tests="1" failures="0">
    <testcase classname="other" name="other">
      <system-out>hm</system-out>
    </testcase>
  </testsuite>
</testsuites>
"#;
    assert_eq!(out, expected);
}
