//! What a config was read from: every file and folder, with a digest of what was found there. So a
//! change can be told from a touch, and two states of the files that were read as one from one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Most names that are looked at in one folder.
const FOLDER_LIMIT_NAMES: usize = 65_536;

/// Reads files and folders of a config and remembers what it found. Everything that a config is
/// made of comes through here, except the environment, which cannot change.
#[derive(Debug, Default)]
pub struct Reads {
    seen: RefCell<BTreeMap<PathBuf, Seen>>,
}

/// What a config was read from, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    seen: BTreeMap<PathBuf, Seen>,
}

/// What was found at a path. Digests only: some of the files are secrets.
#[derive(Clone, Debug)]
enum Seen {
    /// A file, read up to so many bytes; nothing when it could not be read.
    File { limit_bytes: u64, digest: Option<[u8; 32]> },
    /// Neither.
    Nothing,
    /// The names in a folder that mattered; nothing when it could not be read.
    Folder { wanted: fn(&Path) -> bool, digest: Option<[u8; 32]> },
}

impl Reads {
    /// The bytes of a file: all of them, or `limit_bytes` and one when there are more.
    ///
    /// # Errors
    /// Those of reading.
    pub fn file(&self, path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let read = read_file(path, limit_bytes);
        let digest = read.as_ref().ok().map(|bytes| Sha256::digest(bytes).into());
        self.note(path, Seen::File { limit_bytes, digest });
        read
    }

    /// The paths in a folder that are `wanted`, sorted.
    ///
    /// # Errors
    /// Those of reading, and a folder with more than 65,536 entries.
    pub fn folder(&self, path: &Path, wanted: fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
        let read = read_folder(path, wanted);
        let digest = read.as_ref().ok().map(|paths| digest_of_paths(paths));
        self.note(path, Seen::Folder { wanted, digest });
        read
    }

    /// Notes that there was nothing at a path.
    pub fn nothing(&self, path: &Path) {
        self.note(path, Seen::Nothing);
    }

    /// What was read so far.
    pub fn footprint(&self) -> Footprint {
        Footprint { seen: self.seen.borrow().clone() }
    }

    fn note(&self, path: &Path, seen: Seen) {
        self.seen.borrow_mut().insert(path.to_owned(), seen);
    }
}

impl Footprint {
    /// Whether reading everything again would find the same.
    pub fn is_current(&self) -> bool {
        self.seen.iter().all(|(path, seen)| match seen {
            Seen::File { limit_bytes, digest } => {
                let now = read_file(path, *limit_bytes).ok();
                now.map(|bytes| Sha256::digest(bytes).into()) == *digest
            }
            Seen::Nothing => !path.exists(),
            Seen::Folder { wanted, digest } => {
                let now = read_folder(path, *wanted).ok();
                now.map(|paths| digest_of_paths(&paths)) == *digest
            }
        })
    }

    /// The files that were read, or that should have been.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let is_file = |seen: &Seen| matches!(seen, Seen::File { .. } | Seen::Nothing);
        self.seen.iter().filter(move |(_, seen)| is_file(seen)).map(|(path, _)| path.as_path())
    }

    /// The folders that were searched.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let is_folder = |seen: &Seen| matches!(seen, Seen::Folder { .. });
        self.seen.iter().filter(move |(_, seen)| is_folder(seen)).map(|(path, _)| path.as_path())
    }
}

fn read_file(path: &Path, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_folder(path: &Path, wanted: fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for (count, entry) in fs::read_dir(path)?.enumerate() {
        if count >= FOLDER_LIMIT_NAMES {
            let text = format!("more than {FOLDER_LIMIT_NAMES} entries");
            return Err(io::Error::other(text));
        }
        let path = entry?.path();
        if wanted(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn digest_of_paths(paths: &[PathBuf]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for path in paths {
        hasher.update(path.as_os_str().as_encoded_bytes());
        // No path contains it.
        hasher.update([0]);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touch_is_no_change_and_a_change_of_any_part_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.yaml"), "a").unwrap();
        let reads = Reads::default();
        reads.file(&at("a.yaml"), 10).unwrap();
        reads.file(&at("absent.pem"), 10).unwrap_err();
        let yaml = |path: &Path| path.extension().is_some_and(|extension| extension == "yaml");
        assert_eq!(reads.folder(folder.path(), yaml).unwrap(), [at("a.yaml")]);
        let footprint = reads.footprint();
        assert!(footprint.is_current());
        fs::write(at("a.yaml"), "a").unwrap();
        fs::write(at("events.jsonl"), "{}").unwrap();
        assert!(footprint.is_current(), "touched, and a file that is not wanted");
        for (name, text, back) in
            [("a.yaml", "b", Some("a")), ("absent.pem", "x", None), ("b.yaml", "", None)]
        {
            fs::write(at(name), text).unwrap();
            assert!(!footprint.is_current(), "{name}");
            match back {
                Some(text) => fs::write(at(name), text).unwrap(),
                None => fs::remove_file(at(name)).unwrap(),
            }
            assert!(footprint.is_current(), "{name} as before");
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        fs::write(&path, "0123456789").unwrap();
        assert_eq!(Reads::default().file(&path, 4).unwrap(), b"01234");
    }
}
