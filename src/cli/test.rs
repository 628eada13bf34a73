//! `toolgate test`: plays policy tests.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::cli::report::{Case, Exit, Format, Report, plural};
use crate::config::load::load_without_secrets;
use crate::policy::compile::Catalogue;
use crate::rehearse::files::{self, Wanted};
use crate::rehearse::rehearse;
use crate::yaml::Diagnostic;

/// What `toolgate test` was asked for.
#[derive(Debug)]
pub struct TestOptions {
    /// Test files, and folders that are searched for `*.test.yaml`.
    pub paths: Vec<PathBuf>,
    pub format: Format,
    /// Colour what is written for people.
    pub color: bool,
}

/// What is looked at when no config is named.
const USUAL_CONFIG: &str = "./toolgate.yaml";

/// The tools of the config; none when none is named and none is there.
///
/// # Errors
/// With 2 when the config that was named does not hold; its faults are written. The usual one only
/// leads to a warning.
pub fn catalogue(config: Option<&Path>, err: &mut dyn Write) -> Result<Option<Catalogue>, Exit> {
    let path = config.unwrap_or(Path::new(USUAL_CONFIG));
    if config.is_none() && !path.exists() {
        return Ok(None);
    }
    let shown = path.display();
    match (load_without_secrets(path), config) {
        (Ok(loaded), _) => Ok(Some(loaded.settings.catalogue())),
        (Err(_), None) => {
            // Nobody may be reading standard error; the tests are played all the same.
            let _ = writeln!(
                err,
                "toolgate: warning: {shown} does not hold, so its tools are not known here; \
                 `toolgate check` says why"
            );
            Ok(None)
        }
        (Err(faults), Some(_)) => {
            for fault in faults {
                let _ = writeln!(err, "{}", fault.render(false));
            }
            Err(Exit::Usage)
        }
    }
}

/// Plays all tests below the given paths. Tools that a test file does not describe are looked up in
/// `catalogue`.
///
/// Exits with 1 when a test fails or a file cannot be played, with 2 when there is nothing to play,
/// with 3 when the report cannot be written.
pub fn run(
    options: &TestOptions,
    catalogue: Option<&Catalogue>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let mut faults = Vec::new();
    let sources = files::read_all(&options.paths, Wanted::Tests, &mut faults);
    let mut cases = Vec::new();
    for source in &sources {
        cases.extend(rehearse(source, catalogue).into_iter().map(|rehearsal| Case {
            file: source.name.clone(),
            name: rehearsal.name,
            findings: rehearsal.faults,
        }));
    }
    let unusable = !faults.is_empty();
    let report = report(cases, faults, sources.len());
    match write(&report, options, out, err) {
        Err(_) => Exit::Io,
        Ok(()) if unusable || sources.is_empty() => Exit::Usage,
        Ok(()) => report.exit(),
    }
}

fn report(mut cases: Vec<Case>, faults: Vec<Diagnostic>, files: usize) -> Report {
    let failed = cases.iter().filter(|case| case.failed()).count();
    let passed = cases.len() - failed;
    if !faults.is_empty() {
        let file = String::new();
        cases.push(Case { file, name: "paths".to_owned(), findings: faults });
    }
    let summary = match (passed, failed) {
        (0, 0) => "no tests".to_owned(),
        (_, 0) => format!("{} passed in {}", plural(passed, "test"), plural(files, "file")),
        (_, _) => format!("{} failed, {passed} passed", plural(failed, "test")),
    };
    let facts = vec![("passed", passed.into()), ("failed", failed.into())];
    Report { command: "test", cases, summary, facts }
}

fn write(
    report: &Report,
    options: &TestOptions,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    if options.format == Format::Text {
        // Faults of no file are no test; they are written below.
        for case in report.cases.iter().filter(|case| !case.file.is_empty()) {
            let verdict = if case.failed() { "FAILED" } else { "ok" };
            writeln!(out, "{verdict:6} {} › {}", case.file, case.name)?;
        }
    }
    report.write(options.format, options.color, out, err)
}
