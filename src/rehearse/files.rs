//! Finding and reading policy files and test files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::yaml::{Diagnostic, Source, codes};

/// Largest file that is read.
const FILE_LIMIT_BYTES: u64 = 4 * 1024 * 1024;
/// Deepest folder that is searched.
const SEARCH_LIMIT_LEVELS: usize = 16;
/// Most files taken from the given paths.
const SEARCH_LIMIT_FILES: usize = 10_000;

/// Which files of a folder are meant. A path to a file is always taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `*.yaml` and `*.yml` that are no tests, in folders below it too, as the config takes them.
    Policies,
    /// `*.test.yaml` and `*.test.yml`, in folders below it too.
    Tests,
}

impl Wanted {
    fn takes(self, name: &str) -> bool {
        let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
        stem.is_some_and(|stem| stem.ends_with(".test") == (self == Self::Tests))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Policies => "policies",
            Self::Tests => "tests",
        }
    }
}

/// Reads the wanted files below the paths, in the order of paths and names. A path without any is
/// a fault, for it was given to be looked at.
pub fn read_all(
    paths: &[PathBuf],
    wanted: Wanted,
    faults: &mut Vec<Diagnostic>,
) -> Vec<Arc<Source>> {
    let mut sources: Vec<Arc<Source>> = Vec::new();
    for path in paths {
        let mut found = Vec::new();
        if let Err(error) = search(path, wanted, 0, &mut found) {
            faults.push(unreadable(path, &error));
            continue;
        }
        if found.is_empty() {
            let message = format!("there are no {} in {}", wanted.name(), path.display());
            faults.push(Diagnostic::error(codes::UNREADABLE, message));
        }
        for file in found {
            let name = file.display().to_string();
            if sources.iter().any(|source| source.name == name) {
                continue;
            }
            match read(&file) {
                Ok(source) => sources.push(source),
                Err(fault) => faults.push(fault),
            }
        }
    }
    sources
}

/// Reads one file.
///
/// # Errors
/// A fault that names the file: it cannot be read, is too large, or is not UTF-8.
pub fn read(path: &Path) -> Result<Arc<Source>, Diagnostic> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        // One byte more than is allowed tells a file that is too large from one that just fits.
        file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes)
    });
    match read {
        Err(error) => return Err(unreadable(path, &error)),
        Ok(size) if u64::try_from(size).unwrap_or(u64::MAX) > FILE_LIMIT_BYTES => {
            let message = format!("{} is larger than {FILE_LIMIT_BYTES} bytes", path.display());
            return Err(Diagnostic::error(codes::BOUNDS, message));
        }
        Ok(_) => {}
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Arc::new(Source { name: path.display().to_string(), text })),
        Err(_) => {
            let message = format!("{} is not UTF-8", path.display());
            Err(Diagnostic::error(codes::UNREADABLE, message))
        }
    }
}

/// Collects the wanted files at or below `path`. Recursion is bounded by the level.
fn search(path: &Path, wanted: Wanted, level: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    if level >= SEARCH_LIMIT_LEVELS {
        let message = format!("more than {SEARCH_LIMIT_LEVELS} folders deep");
        return Err(io::Error::other(message));
    }
    let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // Mounted ConfigMaps keep their generations in folders that begin with a dot.
        if name.starts_with('.') {
            continue;
        }
        if found.len() >= SEARCH_LIMIT_FILES {
            return Err(io::Error::other(format!("more than {SEARCH_LIMIT_FILES} files")));
        }
        let below = entry.path();
        if fs::metadata(&below)?.is_dir() || wanted.takes(&name) {
            search(&below, wanted, level + 1, found)?;
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let message = format!("{} cannot be read: {error}", path.display());
    Diagnostic::error(codes::UNREADABLE, message)
}

#[cfg(test)]
mod tests;
