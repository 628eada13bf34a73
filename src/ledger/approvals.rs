//! Calls that wait for a human. An approval is bound to one exact call: who calls, in which run,
//! which tool, the method, path, query and body byte for byte, and the version of the policies. It
//! lets that call pass once. It is given back when the call provably never reached the tool.

mod book;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ring::digest::{Context, SHA256};

use crate::call::Caller;
use crate::clock::Now;
use crate::json::Digest;

use book::Book;

/// Approvals of one run that are pending, or approved and unused.
pub const APPROVALS_LIMIT_A_RUN: usize = 32;

/// The same over all runs.
pub const APPROVALS_LIMIT: usize = 1_000;

/// Denials that hold. More make the oldest expire before its time.
const DENIALS_LIMIT: usize = 1_000;

/// Approvals that are over and still shown.
const OVER_LIMIT: usize = 1_000;

/// Longest body that is kept for the operator to see; of longer ones only the digest is.
pub const SHOWN_BODY_LIMIT_BYTES: usize = 16 * 1024;

/// What has become of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalStatus {
    Pending,
    /// A human said yes, and the call has not come again yet.
    Approved,
    /// The call it was for has passed.
    Used,
    Denied,
    /// Nobody decided, or the call did not come again, in time.
    Expired,
    /// The policies changed, or the call came to need more approvals than were given.
    Superseded,
}

/// The call that an approval is for.
#[derive(Clone, Debug)]
pub struct Subject {
    pub caller: Caller,
    pub run: Arc<str>,
    pub tool: Arc<str>,
    pub method: Arc<str>,
    pub path: Arc<str>,
    pub query: Option<Arc<str>>,
    /// The arguments' digest, as in events, and their canonical size in bytes.
    pub args: Option<(Digest, u64)>,
    /// The exact body, unless it is longer than [`SHOWN_BODY_LIMIT_BYTES`]. Kept until the approval
    /// is over.
    pub body: Option<Arc<[u8]>>,
    pub body_bytes: u64,
}

/// What a call that needs approval asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub key: ApprovalKey,
    pub subject: Subject,
    /// The rules and limits that want it, `policy/id`.
    pub rules: Vec<Arc<str>>,
    pub message: Arc<str>,
    pub approvers: Vec<Arc<str>>,
    /// How long it may stay undecided and, once decided, unused.
    pub expires: Duration,
    pub policy_version: Arc<str>,
}

/// SHA-256 over everything of a call that an approval is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApprovalKey(pub [u8; 32]);

/// An approval and all that is known of it.
#[derive(Clone, Debug)]
pub struct ApprovalRecord {
    /// `apr_` and more.
    pub id: Arc<str>,
    pub status: ApprovalStatus,
    pub subject: Subject,
    pub rules: Vec<Arc<str>>,
    pub message: Arc<str>,
    pub approvers: Vec<Arc<str>>,
    pub policy_version: Arc<str>,
    /// Milliseconds since the Unix epoch.
    pub asked_ms: i64,
    /// When it expires, by the clock that never goes back.
    pub deadline: Duration,
    pub expires: Duration,
    pub decided: Option<Decided>,
    key: ApprovalKey,
}

/// Who decided, and what they said.
#[derive(Clone, Debug)]
pub struct Decided {
    pub actor: Arc<str>,
    pub note: Arc<str>,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// What a human says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Approve,
    /// Also takes back an approval that was not used yet.
    Deny,
}

/// What a call that needs approval is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It passes, and has used the approval up.
    Passes(Arc<str>),
    Pending {
        id: Arc<str>,
        /// An earlier approval of the same call no longer holds.
        anew: bool,
    },
    Denied {
        id: Arc<str>,
        note: Arc<str>,
    },
    /// Said once; the call after that asks anew.
    Expired(Arc<str>),
    /// As many wait as may: this one was not noted.
    Full,
}

/// Why a decision was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecidable {
    #[error("There is no such approval.")]
    Unknown,
    #[error("It was denied before.")]
    Denied,
    #[error("Its call has passed already.")]
    Used,
    #[error("It has expired; the call must be asked for again.")]
    Expired,
    #[error("The policies have changed since; the call must be asked for again.")]
    Superseded,
}

/// A change to an approval, as it is recorded.
#[derive(Clone, Debug)]
pub struct ApprovalChange {
    /// `requested`, `approved`, `denied`, `expired`, `used`, `returned` or `superseded`.
    pub what: &'static str,
    pub record: ApprovalRecord,
    /// Who brought it about, if a human did.
    pub actor: Option<Arc<str>>,
}

/// The approvals of one gate.
#[derive(Debug, Default)]
pub struct Approvals {
    book: Mutex<Book>,
}

impl ApprovalStatus {
    /// Every status, so that a name can be looked up.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Approved, Self::Used, Self::Denied, Self::Expired, Self::Superseded];

    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Used => "used",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Superseded => "superseded",
        }
    }
}

impl ApprovalKey {
    /// The key of a call whose parts are these, in this order. No two lists have the same.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            // The length keeps the end of one part apart from the beginning of the next.
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        key.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
        Self(key)
    }
}

impl Answer {
    /// The approval it is about.
    pub fn id(&self) -> Option<&Arc<str>> {
        match self {
            Self::Passes(id)
            | Self::Pending { id, .. }
            | Self::Denied { id, .. }
            | Self::Expired(id) => Some(id),
            Self::Full => None,
        }
    }
}

impl Approvals {
    /// Asks for a call that needs approval: the one atomic step that uses an approval up.
    pub fn ask(&self, wanted: Wanted, now: Now) -> (Answer, Vec<ApprovalChange>) {
        let mut changes = Vec::new();
        let answer = self.book.lock().ask(wanted, now, &mut changes);
        (answer, changes)
    }

    /// Gives back the approval of a call that never reached the tool.
    pub fn give_back(&self, id: &str, now: Now) -> Vec<ApprovalChange> {
        let mut changes = Vec::new();
        self.book.lock().give_back(id, now, &mut changes);
        changes
    }

    /// Takes a human's decision, if the approval still can be decided under the policies in force.
    /// Deciding the same again changes nothing.
    ///
    /// # Errors
    /// Why it cannot be decided so.
    pub fn decide(
        &self,
        id: &str,
        decision: Decision,
        by: Decided,
        policy_version: &str,
        now: Now,
    ) -> (Result<ApprovalRecord, Undecidable>, Vec<ApprovalChange>) {
        let mut changes = Vec::new();
        let mut book = self.book.lock();
        let decided = book.decide(id, (decision, by), policy_version, now, &mut changes);
        drop(book);
        (decided, changes)
    }

    /// Notes which approvals have expired.
    pub fn expire(&self, now: Now) -> Vec<ApprovalChange> {
        let mut changes = Vec::new();
        self.book.lock().expire(now, &mut changes);
        changes
    }

    /// All that are shown, the oldest first.
    pub fn list(&self) -> Vec<ApprovalRecord> {
        self.book.lock().list()
    }

    /// One of them.
    pub fn get(&self, id: &str) -> Option<ApprovalRecord> {
        self.book.lock().get(id)
    }
}
#[cfg(test)]
mod tests;
