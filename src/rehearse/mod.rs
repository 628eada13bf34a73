//! Policy tests: calls with scripted answers, played through the real guards and ledger in virtual
//! time, and what the policies must say to them.

mod expect;
pub mod files;
mod play;
pub mod raw;
mod suite;

use std::path::Path;
use std::sync::Arc;

use crate::policy::compile::Catalogue;
use crate::yaml::{Diagnostic, Source};

pub use raw::RawPolicyTest;
use suite::Suite;

/// The codes of faults in policy tests.
pub mod codes {
    /// A file, a test or a list with nothing in it.
    pub const EMPTY: &str = "TG320";
    /// A rule, limit or stop reason that does not exist.
    pub const UNKNOWN: &str = "TG321";
    /// Keys that contradict each other.
    pub const CONTRADICTION: &str = "TG322";
    /// A name twice.
    pub const DUPLICATE: &str = "TG323";
    /// The policies said something else than the test expects.
    pub const FAILED: &str = "TG330";
}

/// One test, or the loading of a file that could not be played.
#[derive(Debug)]
pub struct Rehearsal {
    /// The test's name; of a file that could not be loaded, `load`.
    pub name: String,
    /// Empty when it passed.
    pub faults: Vec<Diagnostic>,
}

/// Plays all tests of one file. Tools that the file does not describe are looked up in `catalogue`.
pub fn rehearse(source: &Arc<Source>, catalogue: Option<&Catalogue>) -> Vec<Rehearsal> {
    match Suite::load(source, catalogue) {
        Ok(suite) => suite
            .tests
            .iter()
            .map(|test| Rehearsal { name: test.name.clone(), faults: play::play(&suite, test) })
            .collect(),
        Err(faults) => vec![Rehearsal { name: "load".to_owned(), faults }],
    }
}

/// The folder that a test file's paths start from.
fn folder(source: &Source) -> &Path {
    Path::new(&source.name).parent().unwrap_or(Path::new(""))
}

#[cfg(test)]
mod tests;
