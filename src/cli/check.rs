//! `toolgate check`: reads the config and the policies as the gate would, and says all that is wrong.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::cli::report::{Case, Exit, Format, Report, plural};
use crate::config::{self, Loaded};
use crate::policy::compile::{Catalogue, compile};
use crate::policy::set::PolicySet;
use crate::rehearse::files::{self, Wanted};
use crate::yaml::{Diagnostic, Severity, Source, codes};

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
    /// The config; without one, `paths`. Faults of no policy are its own.
    origin: String,
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
    let set = match compile(&matter.policies, matter.catalogue.as_ref()) {
        Ok((set, warnings)) => {
            matter.faults.extend(warnings);
            Some(set)
        }
        Err(faults) => {
            matter.faults.extend(faults);
            None
        }
    };
    if options.strict {
        matter.faults.iter_mut().for_each(|fault| fault.severity = Severity::Error);
    }
    let unusable = matter.unusable;
    let report = report(matter, set.as_ref());
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
    Matter { origin: "paths".to_owned(), policies, catalogue: None, faults, unusable }
}

fn from_config(options: &CheckOptions) -> Matter {
    let origin = options.config.display().to_string();
    match config::load(&options.config) {
        Ok(Loaded { settings, warnings, sources, .. }) => Matter {
            origin,
            policies: sources,
            catalogue: Some(settings.catalogue()),
            faults: warnings,
            unusable: false,
        },
        Err(faults) => {
            let unusable = faults.iter().any(|fault| fault.code == codes::UNREADABLE);
            // Without a config that holds, nobody knows the tools; the rest can be checked.
            let policies = config::policy_sources(&options.config);
            Matter { origin, policies, catalogue: None, faults, unusable }
        }
    }
}

/// Sorts what was found by the files it was found in.
fn report(matter: Matter, set: Option<&PolicySet>) -> Report {
    let Matter { origin, policies, faults, catalogue, .. } = matter;
    let from_config = catalogue.is_some();
    let case =
        |file: &str| Case { file: file.to_owned(), name: file.to_owned(), findings: Vec::new() };
    let mut first = case(&origin);
    let mut cases: Vec<Case> = policies.iter().map(|source| case(&source.name)).collect();
    for fault in faults {
        let file = fault.source.as_ref().map_or("", |source| &source.name);
        let case = cases.iter_mut().find(|case| case.file == file);
        case.unwrap_or(&mut first).findings.push(fault);
    }
    if from_config || first.failed() {
        cases.insert(0, first);
    }
    let mut report = Report { command: "check", cases, summary: String::new(), facts: Vec::new() };
    report.summary = summary(&report, set);
    // A set that lacks what could not be read is no set to speak of.
    if let Some(set) = set.filter(|_| report.exit() == Exit::Ok) {
        report.facts = vec![
            ("policy_version", json!(set.version)),
            ("policies", json!(policies.len())),
            ("rules", json!(set.rule_count())),
            ("limits", json!(set.limits().len())),
        ];
    }
    report
}

fn summary(report: &Report, set: Option<&PolicySet>) -> String {
    let errors = plural(report.count(Severity::Error), "error");
    let warnings = plural(report.count(Severity::Warning), "warning");
    match set {
        Some(set) if report.exit() == Exit::Ok => format!(
            "{}, {}, {warnings}: policy set {}",
            plural(set.rule_count(), "rule"),
            plural(set.limits().len(), "limit"),
            set.version,
        ),
        Some(_) | None => format!("{errors}, {warnings}"),
    }
}

#[cfg(test)]
mod tests;
