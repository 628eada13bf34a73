//! The state folder: what outlives the gate. Files are replaced as a whole or not at all, and only
//! the gate's own user may read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

/// Largest file that is read from the folder.
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;

/// What is random in a token or key.
const RANDOM_BYTES: usize = 32;

/// The kill switches that are on.
const KILLS_FILE: &str = "kill.json";
/// What tools were said to be.
const PINS_FILE: &str = "pins.json";
/// Largest such file: it has schemas in it.
const PINS_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
/// The admin token of the gate that runs, when the config names none.
const TOKEN_FILE: &str = "admin.token";

/// A file of the folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the state file {} cannot be {what}: {source}", path.display())]
pub struct StateError {
    path: PathBuf,
    what: &'static str,
    source: io::Error,
}

/// The folder that `state` in the config names.
#[derive(Clone, Debug)]
pub struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    /// The folder at `path`; it is made when something is first written.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The text of the file with the kill switches; `None` when none was ever written.
    pub(super) fn read_kills(&self) -> Result<Option<String>, StateError> {
        self.read(KILLS_FILE, FILE_LIMIT_BYTES)
    }

    /// The text of the file with the definitions of tools; `None` when none was ever written.
    pub(super) fn read_pins(&self) -> Result<Option<String>, StateError> {
        self.read(PINS_FILE, PINS_LIMIT_BYTES)
    }

    pub(super) fn write_pins(&self, text: &[u8]) -> Result<(), StateError> {
        self.write(PINS_FILE, text)
    }

    /// An error about the content of the file with the definitions of tools.
    pub(super) fn pins_unreadable(&self, why: impl std::fmt::Display) -> StateError {
        let source = io::Error::new(io::ErrorKind::InvalidData, why.to_string());
        StateError { path: self.path.join(PINS_FILE), what: "read", source }
    }

    pub(super) fn write_kills(&self, text: &[u8]) -> Result<(), StateError> {
        self.write(KILLS_FILE, text)
    }

    /// An error about the content of the file with the kill switches.
    pub(super) fn kills_unreadable(&self, why: impl std::fmt::Display) -> StateError {
        let source = io::Error::new(io::ErrorKind::InvalidData, why.to_string());
        StateError { path: self.path.join(KILLS_FILE), what: "read", source }
    }

    /// The token of the gate that keeps this folder, for commands; `None` when there is none.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read_token(&self) -> Result<Option<String>, StateError> {
        Ok(self.read(TOKEN_FILE, FILE_LIMIT_BYTES)?.map(|text| text.trim_end().to_owned()))
    }

    pub(super) fn write_token(&self, token: &str) -> Result<(), StateError> {
        self.write(TOKEN_FILE, format!("{token}\n").as_bytes())
    }

    fn read(&self, name: &'static str, limit_bytes: u64) -> Result<Option<String>, StateError> {
        let failed = |source| self.fault(name, "read", source);
        let file = match File::open(self.path.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        file.take(limit_bytes).read_to_string(&mut text).map_err(failed)?;
        Ok(Some(text))
    }

    /// Replaces a file so that after a crash it holds the old text or the new one. When this
    /// returns, the new one is on disk.
    fn write(&self, name: &'static str, bytes: &[u8]) -> Result<(), StateError> {
        self.replace(name, bytes).map_err(|source| self.fault(name, "written", source))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        let partial = self.path.join(format!("{name}.new"));
        // One that a crash left behind may have other rights than a new one is given.
        if let Err(error) = fs::remove_file(&partial)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, self.path.join(name))?;
        sync_folder(&self.path)
    }

    fn fault(&self, name: &str, what: &'static str, source: io::Error) -> StateError {
        StateError { path: self.path.join(name), what, source }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// 256 random bits as 64 hex digits.
///
/// # Errors
/// When the system has no randomness to give.
pub(super) fn random_hex() -> io::Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| io::Error::other("the system gave no random bytes"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_replaced_whole_and_private() {
        let place = tempfile::tempdir().unwrap();
        let folder = StateFolder::new(place.path().join("a/b"));
        assert!(folder.read_kills().unwrap().is_none());
        folder.write_kills(b"one").unwrap();
        folder.write_kills(b"two").unwrap();
        assert_eq!(folder.read_kills().unwrap().as_deref(), Some("two"));
        let path = place.path().join("a/b/kill.json");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let names = fs::read_dir(place.path().join("a/b")).unwrap().count();
        assert_eq!(names, 1, "nothing is left lying about");
    }
}
