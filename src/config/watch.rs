//! Watches the folders in which a change of a config's files shows.
//!
//! Files are replaced, not only written: by editors, by `rename`, and by Kubernetes, which swaps
//! the symbolic link `..data` of a mounted volume. So it is folders that are watched: of a file,
//! its own and those of all symbolic links on the way to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::reads::Footprint;

/// Symbolic links followed on the way to one file, as many as Linux follows.
const LINK_LIMIT_HOPS: usize = 40;

/// Folders watched at once. Changes elsewhere are found by the next look at all files.
const WATCH_LIMIT_FOLDERS: usize = 1_024;

/// Where a change of some files shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Files, and the symbolic links on the way to them.
    names: BTreeSet<PathBuf>,
    /// Folders in which every name matters.
    whole: BTreeSet<PathBuf>,
}

/// Watches places, and says when something happens there.
pub struct Watch {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    places: Arc<ArcSwap<Places>>,
}

impl Places {
    /// Where changes of what was read show.
    pub fn of(footprint: &Footprint) -> Self {
        let mut places = Self::default();
        for path in footprint.files() {
            places.trace(path);
        }
        for path in footprint.folders() {
            places.trace(path);
            places.whole.extend(path.canonicalize());
        }
        places
    }

    /// The folders to watch.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let parents = self.names.iter().filter_map(|name| name.parent());
        parents.chain(self.whole.iter().map(PathBuf::as_path)).map(Path::to_owned).collect()
    }

    /// Whether something at `path` matters.
    pub fn contain(&self, path: &Path) -> bool {
        self.names.contains(path) || path.parent().is_some_and(|parent| self.whole.contains(parent))
    }

    /// Adds a path and every symbolic link on the way to it.
    fn trace(&mut self, path: &Path) {
        let Ok(mut path) = std::path::absolute(path) else { return };
        for _ in 0..LINK_LIMIT_HOPS {
            let Some((link, target, rest)) = first_link(&path) else { break };
            self.add(&link);
            let folder = link.parent().unwrap_or(Path::new("/"));
            path = folder.join(target).join(rest);
        }
        self.add(&path);
    }

    fn add(&mut self, path: &Path) {
        // Only `..` is left to resolve; a folder that is not there cannot be watched.
        let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
        if let (Some(folder), Some(name)) = (folder, path.file_name()) {
            self.names.insert(folder.join(name));
        }
    }
}

/// The first symbolic link on the way along a path, where it points, and what follows it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let mut before = PathBuf::new();
    let mut parts = path.components();
    while let Some(part) = parts.next() {
        before.push(part);
        if let Ok(target) = fs::read_link(&before) {
            return Some((before, target, parts.as_path().to_owned()));
        }
    }
    None
}

impl Watch {
    /// Watches nothing yet. `noticed` is called on a thread of the watcher's own.
    ///
    /// # Errors
    /// When the system has no notices to give, or no more of them.
    pub fn new(noticed: impl Fn() + Send + 'static) -> Result<Self, notify::Error> {
        let places = Arc::new(ArcSwap::default());
        let shared: Arc<ArcSwap<Places>> = Arc::clone(&places);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let matters = match &event {
                Ok(event) => concerns(event, &shared.load()),
                // Notices were lost: whatever it was, the files are looked at.
                Err(_) => true,
            };
            if matters {
                noticed();
            }
        })?;
        Ok(Self { watcher, watched: BTreeSet::new(), places })
    }

    /// Watches these places and no others. The number of folders that cannot be watched.
    pub fn look_at(&mut self, places: Places) -> usize {
        let folders = places.folders();
        self.places.store(Arc::new(places));
        for folder in self.watched.difference(&folders) {
            // It may be gone, and its watch with it.
            let _ = self.watcher.unwatch(folder);
        }
        let before = folders.len();
        let mut watched = BTreeSet::new();
        for folder in folders.into_iter().take(WATCH_LIMIT_FOLDERS) {
            // Also those that are watched: one may have been replaced by another of its name.
            if self.watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                watched.insert(folder);
            }
        }
        self.watched = watched;
        before.saturating_sub(self.watched.len())
    }
}

/// Whether an event may have changed what is at one of the places. Reading changes nothing.
fn concerns(event: &Event, places: &Places) -> bool {
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    changes && (event.need_rescan() || event.paths.iter().any(|path| places.contain(path)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::config::reads::Reads;

    /// A volume as Kubernetes mounts it.
    #[test]
    fn the_way_over_symbolic_links_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("..2026_a")).unwrap();
        fs::write(root.join("..2026_a/toolgate.yaml"), "").unwrap();
        symlink("..2026_a", root.join("..data")).unwrap();
        symlink("..data/toolgate.yaml", root.join("toolgate.yaml")).unwrap();
        let reads = Reads::default();
        reads.file(&root.join("toolgate.yaml"), 10).unwrap();
        reads.file(&root.join("nowhere/absent.pem"), 10).unwrap_err();
        let places = Places::of(&reads.footprint());
        for name in ["toolgate.yaml", "..data", "..2026_a/toolgate.yaml"] {
            assert!(places.contain(&root.join(name)), "{name}: {places:?}");
        }
        assert!(!places.contain(&root.join("events.jsonl")));
        assert_eq!(places.folders(), BTreeSet::from([root.clone(), root.join("..2026_a")]));
    }

    #[test]
    fn every_name_in_a_searched_folder_matters() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let reads = Reads::default();
        reads.folder(&root, |_| true).unwrap();
        let places = Places::of(&reads.footprint());
        assert!(places.contain(&root.join("new.yaml")));
        assert!(places.contain(&root), "the folder itself may be replaced");
        assert!(!places.contain(&root.join("below/new.yaml")));
    }

    #[test]
    fn links_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        let reads = Reads::default();
        reads.file(&root.join("a"), 10).unwrap_err();
        let places = Places::of(&reads.footprint());
        assert!(places.contain(&root.join("a")) && places.contain(&root.join("b")));
    }
}
