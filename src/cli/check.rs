//! `toolgate check`: reads the config and the policies as the gate would, and says all that is wrong.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::cli::report::{Case, Exit, Format, Report};
use crate::policy::compile::{Catalogue, compile};
use crate::policy::set::PolicySet;
use crate::rehearse::files::{self, Wanted};
use crate::yaml::{Diagnostic, Severity, Source};

/// What `toolgate check` was asked for.
#[derive(Debug)]
pub struct CheckOptions {
    /// The config, from which policies and tools are taken.
    pub config: PathBuf,
    /// Check these files and folders of policies instead, without a config.
    pub policies: Vec<PathBuf>,
    /// Take warnings for errors.
    pub strict: bool,
    pub format: Format,
    /// Colour what is written for people.
    pub color: bool,
}

/// What there is to check.
struct Matter {
    /// Every file looked at.
    sources: Vec<Arc<Source>>,
    policies: Vec<Arc<Source>>,
    catalogue: Option<Catalogue>,
    faults: Vec<Diagnostic>,
    /// Something could not even be read.
    unusable: bool,
}

/// Checks, and writes a report.
///
/// Exits with 1 when there is a fault, with 2 when the config or a path cannot be read, with 3 when
/// the report cannot be written.
pub fn run(options: &CheckOptions, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let mut matter =
        if options.policies.is_empty() { from_config(options) } else { from_paths(options) };
    let compiled = compile(&matter.policies, matter.catalogue.as_ref());
    let set = match compiled {
        Ok((set, warnings)) => {
            matter.faults.extend(warnings);
            Some(set)
        }
        Err(faults) => {
            matter.faults.extend(faults);
            None
        }
    };
    let unusable = matter.unusable;
    let mut report = report(matter, set.as_ref());
    if options.strict {
        report.be_strict();
    }
    match report.write(options.format, options.color, out, err) {
        Err(_) => Exit::Io,
        Ok(()) if unusable => Exit::Usage,
        Ok(()) => report.exit(),
    }
}

fn from_paths(options: &CheckOptions) -> Matter {
    let mut faults = Vec::new();
    let policies = files::read_all(&options.policies, Wanted::Policies, &mut faults);
    let unusable = !faults.is_empty();
    Matter { sources: policies.clone(), policies, catalogue: None, faults, unusable }
}

fn from_config(options: &CheckOptions) -> Matter {
    let _ = options;
    Matter {
        sources: Vec::new(),
        policies: Vec::new(),
        catalogue: None,
        faults: Vec::new(),
        unusable: false,
    }
}

/// Sorts what was found by the files it was found in.
fn report(matter: Matter, set: Option<&PolicySet>) -> Report {
    let Matter { sources, faults, .. } = matter;
    let mut cases: Vec<Case> = sources
        .iter()
        .map(|source| Case {
            file: source.name.clone(),
            name: source.name.clone(),
            findings: Vec::new(),
        })
        .collect();
    let mut elsewhere = Vec::new();
    for fault in faults {
        let file = fault.source.as_ref().map_or("", |source| &source.name);
        match cases.iter_mut().find(|case| case.file == file) {
            Some(case) => case.findings.push(fault),
            None => elsewhere.push(fault),
        }
    }
    if !elsewhere.is_empty() {
        let (file, name) = (String::new(), "paths".to_owned());
        cases.push(Case { file, name, findings: elsewhere });
    }
    let mut report = Report { command: "check", cases, summary: String::new(), facts: Vec::new() };
    report.summary = summary(&report, sources.len(), set);
    if let Some(set) = set {
        report.facts = vec![
            ("policy_version", json!(set.version)),
            ("rules", json!(set.rules().len())),
            ("limits", json!(set.limits().len())),
        ];
    }
    report
}

fn summary(report: &Report, files: usize, set: Option<&PolicySet>) -> String {
    let (errors, warnings) = (report.count(Severity::Error), report.count(Severity::Warning));
    match set {
        Some(set) if errors == 0 => format!(
            "{files} files, {} rules, {} limits, {warnings} warnings: policy set {}",
            set.rules().len(),
            set.limits().len(),
            set.version,
        ),
        Some(_) | None => format!("{files} files: {errors} errors, {warnings} warnings"),
    }
}
