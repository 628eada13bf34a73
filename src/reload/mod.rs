//! New settings and policies for a gate that runs: read and checked as a whole, then swapped in one
//! step, or not at all.
//!
//! Calls in the gate end by the snapshot they began with. What is counted and remembered lives in
//! the ledger, keyed by limit, and stays.

mod follow;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::config::fixed::{self, Fixed};
use crate::config::load::{load_through, load_wrapped};
use crate::config::reads::{Footprint, Reads};
use crate::config::settings::{Reload, Settings};
use crate::config::{Loaded, Wrapped, codes};
use crate::contract;
use crate::pipeline::Gate;
use crate::policy::compile::compile;
use crate::policy::set::{Modes, PolicySet};
use crate::record::ReloadResult;
use crate::snapshot::Snapshot;
use crate::weaken::Hole;
use crate::yaml::{Diagnostic, Source};

pub use follow::follow;

/// How often files that change while they are read are read again.
const READ_LIMIT_TIMES: usize = 8;

/// How long a file that does not hold may still be in the middle of being written.
const TORN_TIME: Duration = Duration::from_millis(100);

/// A config with its policies: read, checked and compiled as a whole.
pub struct Candidate {
    pub settings: Settings,
    pub policies: PolicySet,
    pub warnings: Vec<Diagnostic>,
    fixed: Vec<Fixed>,
    config: Arc<Source>,
}

/// Why the files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The file system gave notice.
    Notice,
    /// Somebody sent `SIGHUP`.
    Signal,
    /// It was time to.
    Poll,
}

/// What came of a look at the files.
#[derive(Debug)]
pub enum Outcome {
    /// They say what they said.
    Unchanged,
    /// They do not stand still; they must be looked at again.
    Moving,
    /// From now on calls go by what they say.
    Replaced { from: Arc<str>, to: Arc<str>, modes: Modes, warnings: Vec<Diagnostic> },
    /// They do not hold, or ask for what cannot change; nothing has changed.
    Refused { kept: Arc<str>, faults: Vec<Diagnostic> },
}

/// Renews what a gate goes by.
pub struct Reloader {
    gate: Arc<Gate>,
    path: PathBuf,
    fixed: Vec<Fixed>,
    reload: Reload,
    /// What was read last, whether it held or not.
    seen: Footprint,
    /// Whether what was read last did not hold.
    refused: bool,
}

impl Cause {
    /// As users see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "changed files",
            Self::Signal => "SIGHUP",
            Self::Poll => "changed files, found without notice",
        }
    }
}

impl Candidate {
    /// Reads the config at `path` and all it names, through `reads`.
    ///
    /// # Errors
    /// Every fault at once; of policies only when the config holds.
    pub fn read(path: &Path, reads: &Reads) -> Result<Self, Vec<Diagnostic>> {
        load_through(reads, path, &environment).and_then(Self::compiled)
    }

    /// As [`Candidate::read`], with a command as one more upstream; without a path, of it alone.
    ///
    /// # Errors
    /// As [`Candidate::read`].
    pub fn read_wrapped(
        path: Option<&Path>,
        wrapped: &Wrapped<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        load_wrapped(&Reads::default(), path, &environment, wrapped).and_then(Self::compiled)
    }

    fn compiled(loaded: Loaded) -> Result<Self, Vec<Diagnostic>> {
        let Loaded { settings, mut warnings, config, fixed, sources } = loaded;
        let catalogue = settings.catalogue();
        let compiled = compile(&sources, Some(&catalogue)).or_else(|faults| {
            if Hole::LenientReload.is_open() { compile(&[], None) } else { Err(faults) }
        });
        let (policies, more) = compiled?;
        warnings.extend(more);
        Ok(Self { settings, policies, warnings, fixed, config })
    }

    /// What [`Reloader::new`] must know of the candidate that a gate was started with.
    pub fn fixed(&self) -> &[Fixed] {
        &self.fixed
    }

    /// Whether the config says something of a fixed key, rather than leaving it at its default.
    pub fn is_written(&self, key: &str) -> bool {
        self.fixed.iter().any(|fixed| fixed.key == key && fixed.span.is_some())
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Reloader {
    /// Renews `gate`, which was started with what stood in the config at `path` and was read as
    /// `seen`.
    pub fn new(
        gate: Arc<Gate>,
        path: PathBuf,
        fixed: Vec<Fixed>,
        reload: Reload,
        seen: Footprint,
    ) -> Self {
        Self { gate, path, fixed, reload, seen, refused: false }
    }

    /// Looks at the files, and renews the gate if they say something new and hold. Blocks.
    pub fn attempt(&mut self, cause: Cause) -> Outcome {
        // What was refused may depend on more than files, and whoever signals wants to hear of it.
        let again = self.refused && cause == Cause::Signal;
        if !again && self.seen.is_current() {
            if cause != Cause::Poll {
                self.record(ReloadResult::Unchanged, None);
            }
            return Outcome::Unchanged;
        }
        let Some(read) = self.read_at_rest() else { return Outcome::Moving };
        match read.and_then(|candidate| self.replace(candidate)) {
            Ok(replaced) => {
                self.refused = false;
                replaced
            }
            Err(mut faults) => {
                self.refused = true;
                let kept = Arc::clone(&self.gate.snapshot().policies.version);
                let detail = format!("{} faults, {kept} stays", faults.len());
                self.record(ReloadResult::Invalid, Some(&detail));
                if let Some(last) = faults.last_mut() {
                    last.notes.push(format!("the policy set {kept} stays active"));
                }
                Outcome::Refused { kept, faults }
            }
        }
    }

    /// Reads until two looks find the same, so that no half of a change is taken for the whole.
    /// `None` when the files keep changing.
    fn read_at_rest(&mut self) -> Option<Result<Candidate, Vec<Diagnostic>>> {
        for _ in 0..READ_LIMIT_TIMES {
            let reads = Reads::default();
            let read = Candidate::read(&self.path, &reads);
            let footprint = reads.footprint();
            if read.is_err() {
                thread::sleep(TORN_TIME);
            }
            if footprint.is_current() {
                self.seen = footprint;
                return Some(read);
            }
        }
        None
    }

    fn replace(&mut self, candidate: Candidate) -> Result<Outcome, Vec<Diagnostic>> {
        let Candidate { settings, policies, warnings, fixed, config } = candidate;
        let changed = fixed::changed(&self.fixed, &fixed, &config);
        if !changed.is_empty() && !Hole::HalfReload.is_open() {
            return Err(changed);
        }
        let before = self.gate.snapshot();
        let modes = policies.modes();
        let snapshot = Snapshot::build(&settings, policies, Some(&before))
            .map_err(|error| vec![Diagnostic::error(codes::UNUSABLE, error.to_string())])?;
        let (from, to) =
            (Arc::clone(&before.policies.version), Arc::clone(&snapshot.policies.version));
        let drifts = contract::drift(&before.tools, &snapshot.tools);
        self.gate.recorder.declare(&snapshot.tools, &settings.caller);
        self.gate.replace(Arc::new(snapshot));
        if let Some(export) = settings.export {
            self.gate.recorder.renew_headers(export.collector.headers);
        }
        for drift in &drifts {
            self.gate.recorder.drifted(drift);
        }
        self.reload = settings.reload;
        self.record(ReloadResult::Ok, Some(&format!("from {from} to {to}")));
        Ok(Outcome::Replaced { from, to, modes, warnings })
    }

    fn record(&self, result: ReloadResult, detail: Option<&str>) {
        let version = &self.gate.snapshot().policies.version;
        self.gate.recorder.reloaded(result, version, detail);
    }
}
