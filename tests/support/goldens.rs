//! Golden files: what a tool says about each input stands beside it as `NAME.stderr`.
//!
//! `UPDATE_GOLDENS=1 cargo test` writes them anew; review the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toolgate::yaml::Source;

/// One input: a file, or the files of a folder.
pub struct Case {
    pub name: String,
    /// Named relative to the folder of all cases.
    pub sources: Vec<Arc<Source>>,
    golden: PathBuf,
}

/// The cases of a folder below `tests/goldens`, by name.
pub fn cases(folder: &str) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(folder);
    entries(&root)
        .into_iter()
        .filter(|path| path.is_dir() || path.extension().is_some_and(|kind| kind == "yaml"))
        .map(|path| Case {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            golden: path.with_extension("stderr"),
            sources: if path.is_dir() { entries(&path) } else { vec![path] }
                .iter()
                .map(|file| source(&root, file))
                .collect(),
        })
        .collect()
}

/// Compares what `render` says of every case with its golden file, and fails with all that differ.
pub fn check(folder: &str, render: impl Fn(&Case) -> String) {
    let mut differing = Vec::new();
    let cases = cases(folder);
    assert!(!cases.is_empty(), "no cases in {folder}");
    for case in &cases {
        let said = render(case);
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&case.golden, &said).unwrap();
        } else if fs::read_to_string(&case.golden).unwrap_or_default() != said {
            differing.push(format!("--- {folder}/{} now says\n{said}", case.name));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn source(root: &Path, file: &Path) -> Arc<Source> {
    let name = file.strip_prefix(root).unwrap().display().to_string();
    Arc::new(Source { name, text: fs::read_to_string(file).unwrap() })
}
