//! `toolgate init`: writes a first config, policy and policy test.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What is written, by path below the folder.
const FILES: [(&str, &str); 3] = [
    ("toolgate.yaml", include_str!("init/toolgate.yaml")),
    ("policies/first.yaml", include_str!("init/first.yaml")),
    ("policies/first.test.yaml", include_str!("init/first.test.yaml")),
];

/// A file or folder that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be written: {source}", path.display())]
pub struct InitError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// Writes a commented config, a policy in `mode: observe` and its test below `folder`, leaving alone
/// what is there already. Returns what was done and what to do next, for the user.
///
/// # Errors
/// The first file or folder that cannot be written.
pub fn run(folder: &Path) -> Result<String, InitError> {
    let mut said = String::new();
    let mut written = 0;
    for (name, text) in FILES {
        let path = folder.join(name);
        if write_new(&path, text)? {
            written += 1;
            said.push_str(&format!("wrote {}\n", path.display()));
        } else {
            said.push_str(&format!("kept  {} (it was there)\n", path.display()));
        }
    }
    if written > 0 {
        said.push_str(NEXT);
    }
    Ok(said)
}

const NEXT: &str = "
Next:
  1. In toolgate.yaml, put the address of a service of yours and its operations.
  2. toolgate check            what is wrong, with file, line and column
  3. toolgate test policies/   plays the policy's tests
  4. toolgate run              then point the agent at http://127.0.0.1:4100/crm
  5. toolgate explain --last   what the last run did, and what would have been refused
The policy observes: nothing is refused until it says `mode: enforce`.
";

/// Whether the file was written; false when it was there.
fn write_new(path: &Path, text: &str) -> Result<bool, InitError> {
    let failed = |source: io::Error| InitError { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes()).map_err(failed)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests;
