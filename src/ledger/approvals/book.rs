//! The approvals themselves: what may become of each, under one lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ulid::Ulid;

use super::{
    APPROVALS_LIMIT, APPROVALS_LIMIT_A_RUN, Answer, ApprovalChange, ApprovalKey, ApprovalRecord,
    ApprovalStatus, DENIALS_LIMIT, Decided, Decision, OVER_LIMIT, Undecidable, Wanted,
};
use crate::clock::Now;
use crate::weaken::Hole;

/// Every approval that is shown, and which one a call has.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// Ids sort by time.
    records: BTreeMap<Arc<str>, ApprovalRecord>,
    /// The approval that an identical call meets.
    by_call: HashMap<ApprovalKey, Arc<str>>,
    /// INVARIANT: how many records are pending or approved.
    live: usize,
    /// INVARIANT: how many records are denied. They are counted apart, so that denying what a flood
    /// left makes room.
    denied: usize,
    /// Requests so far: those of one millisecond sort as they came.
    requests: u32,
}

type Changes = Vec<ApprovalChange>;

impl Book {
    pub fn ask(&mut self, wanted: Wanted, now: Now, changes: &mut Changes) -> Answer {
        if let Some(id) = self.by_call.get(&wanted.key).cloned() {
            self.expire_one(&id, now, changes);
        }
        let Some(id) = self.by_call.get(&wanted.key).cloned() else {
            return self.request(wanted, false, now, changes);
        };
        let Some(record) = self.records.get_mut(&id) else {
            return self.request(wanted, false, now, changes);
        };
        let covered = wanted.rules.iter().all(|rule| record.rules.contains(rule));
        let same_policies = record.policy_version == wanted.policy_version;
        match record.status {
            ApprovalStatus::Expired => {
                self.by_call.remove(&wanted.key);
                Answer::Expired(id)
            }
            ApprovalStatus::Used | ApprovalStatus::Superseded => {
                self.request(wanted, false, now, changes)
            }
            ApprovalStatus::Pending | ApprovalStatus::Approved | ApprovalStatus::Denied
                if !same_policies =>
            {
                self.finish(&id, ApprovalStatus::Superseded, None, changes);
                self.request(wanted, true, now, changes)
            }
            ApprovalStatus::Pending if covered => Answer::Pending { id, anew: false },
            ApprovalStatus::Denied => {
                let note = record.decided.as_ref().map(|decided| Arc::clone(&decided.note));
                Answer::Denied { id, note: note.unwrap_or_default() }
            }
            ApprovalStatus::Approved if covered => {
                if !Hole::ReuseApproval.is_open() {
                    self.finish(&id, ApprovalStatus::Used, None, changes);
                }
                Answer::Passes(id)
            }
            // Who looked at this one was not shown what is wanted now.
            ApprovalStatus::Pending | ApprovalStatus::Approved => {
                self.finish(&id, ApprovalStatus::Superseded, None, changes);
                self.request(wanted, true, now, changes)
            }
        }
    }

    fn request(&mut self, wanted: Wanted, anew: bool, now: Now, changes: &mut Changes) -> Answer {
        if self.live >= APPROVALS_LIMIT {
            self.expire(now, changes);
        }
        let of_run = |record: &&ApprovalRecord| {
            is_live(record.status) && record.subject.run == wanted.subject.run
        };
        if self.live >= APPROVALS_LIMIT
            || self.records.values().filter(of_run).count() >= APPROVALS_LIMIT_A_RUN
        {
            return Answer::Full;
        }
        let millis = u64::try_from(now.wall_ms).unwrap_or_default();
        self.requests = self.requests.wrapping_add(1);
        let rest = u128::from(self.requests) << 48 | u128::from(fastrand::u64(..1 << 48));
        let id: Arc<str> = Arc::from(format!("apr_{}", Ulid::from_parts(millis, rest)));
        let Wanted { key, subject, rules, message, approvers, expires, policy_version } = wanted;
        let record = ApprovalRecord {
            id: Arc::clone(&id),
            status: ApprovalStatus::Pending,
            subject,
            rules,
            message,
            approvers,
            policy_version,
            asked_ms: now.wall_ms,
            deadline: now.mono.saturating_add(expires),
            expires,
            decided: None,
            key,
        };
        changes.push(change("requested", &record, None));
        self.records.insert(Arc::clone(&id), record);
        self.by_call.insert(key, Arc::clone(&id));
        self.live = self.live.saturating_add(1);
        Answer::Pending { id, anew }
    }

    pub fn decide(
        &mut self,
        id: &str,
        (decision, by): (Decision, Decided),
        policy_version: &str,
        now: Now,
        changes: &mut Changes,
    ) -> Result<ApprovalRecord, Undecidable> {
        self.expire_one(id, now, changes);
        let record = self.records.get_mut(id).ok_or(Undecidable::Unknown)?;
        let (status, what) = match (decision, record.status) {
            (Decision::Approve, ApprovalStatus::Approved | ApprovalStatus::Used)
            | (Decision::Deny, ApprovalStatus::Denied) => return Ok(record.clone()),
            (Decision::Approve, ApprovalStatus::Denied) => return Err(Undecidable::Denied),
            (Decision::Deny, ApprovalStatus::Used) => return Err(Undecidable::Used),
            (_, ApprovalStatus::Expired) => return Err(Undecidable::Expired),
            (_, ApprovalStatus::Superseded) => return Err(Undecidable::Superseded),
            (Decision::Approve, ApprovalStatus::Pending) => (ApprovalStatus::Approved, "approved"),
            (Decision::Deny, ApprovalStatus::Pending | ApprovalStatus::Approved) => {
                (ApprovalStatus::Denied, "denied")
            }
        };
        if &*record.policy_version != policy_version {
            let id = Arc::clone(&record.id);
            self.finish(&id, ApprovalStatus::Superseded, None, changes);
            return Err(Undecidable::Superseded);
        }
        self.live = self.live.saturating_sub(usize::from(status == ApprovalStatus::Denied));
        record.status = status;
        // The time to use it begins with the decision, however long that took.
        record.deadline = now.mono.saturating_add(record.expires);
        let actor = Arc::clone(&by.actor);
        record.decided = Some(by);
        changes.push(change(what, record, Some(actor)));
        let record = record.clone();
        if status == ApprovalStatus::Denied {
            self.denied = self.denied.saturating_add(1);
            self.forget_oldest_denial(changes);
        }
        Ok(record)
    }

    pub fn give_back(&mut self, id: &str, now: Now, changes: &mut Changes) {
        let Some(record) = self.records.get(id) else { return };
        if record.status != ApprovalStatus::Used || now.mono >= record.deadline {
            return;
        }
        let (id, key) = (Arc::clone(&record.id), record.key);
        // The same call may have asked anew while this one was on its way.
        if let Some(other) = self.by_call.get(&key).filter(|other| **other != id).cloned() {
            let status = self.records.get(&other).map(|record| record.status);
            if status != Some(ApprovalStatus::Pending) {
                return;
            }
            self.finish(&other, ApprovalStatus::Superseded, None, changes);
        }
        let Some(record) = self.records.get_mut(&id) else { return };
        record.status = ApprovalStatus::Approved;
        changes.push(change("returned", record, None));
        self.by_call.insert(key, id);
        self.live = self.live.saturating_add(1);
    }

    pub fn expire(&mut self, now: Now, changes: &mut Changes) {
        let due = |record: &&ApprovalRecord| !is_over(record.status) && now.mono >= record.deadline;
        let due: Vec<Arc<str>> =
            self.records.values().filter(due).map(|record| Arc::clone(&record.id)).collect();
        for id in due {
            self.expire_one(&id, now, changes);
        }
    }

    fn expire_one(&mut self, id: &str, now: Now, changes: &mut Changes) {
        let Some(record) = self.records.get(id) else { return };
        if is_over(record.status) || now.mono < record.deadline {
            return;
        }
        let (id, key) = (Arc::clone(&record.id), record.key);
        // That a denial is over is not told: the call may simply be asked for again.
        let told = record.status != ApprovalStatus::Denied;
        self.finish(&id, ApprovalStatus::Expired, None, changes);
        if !told {
            self.by_call.remove(&key);
        }
    }

    /// Ends a record: its contents are let go.
    fn finish(
        &mut self,
        id: &Arc<str>,
        status: ApprovalStatus,
        actor: Option<Arc<str>>,
        changes: &mut Changes,
    ) {
        let Some(record) = self.records.get_mut(id) else { return };
        if is_live(record.status) {
            self.live = self.live.saturating_sub(1);
        } else if record.status == ApprovalStatus::Denied {
            self.denied = self.denied.saturating_sub(1);
        }
        record.status = status;
        record.subject.body = None;
        changes.push(change(status.name(), record, actor));
        self.forget_oldest();
    }

    /// Keeps the number of records that are over within its bound.
    fn forget_oldest(&mut self) {
        let over = self.records.len().saturating_sub(self.live).saturating_sub(self.denied);
        if over <= OVER_LIMIT {
            return;
        }
        let oldest = self.records.values().find(|record| is_over(record.status));
        let Some((id, key)) = oldest.map(|record| (Arc::clone(&record.id), record.key)) else {
            return;
        };
        self.records.remove(&id);
        if self.by_call.get(&key) == Some(&id) {
            self.by_call.remove(&key);
        }
    }

    /// Keeps the number of denials within its bound. The call of one that goes may be asked anew.
    fn forget_oldest_denial(&mut self, changes: &mut Changes) {
        if self.denied <= DENIALS_LIMIT {
            return;
        }
        let denied = |record: &&ApprovalRecord| record.status == ApprovalStatus::Denied;
        let oldest = self.records.values().find(denied);
        let Some((id, key)) = oldest.map(|record| (Arc::clone(&record.id), record.key)) else {
            return;
        };
        self.finish(&id, ApprovalStatus::Expired, None, changes);
        if self.by_call.get(&key) == Some(&id) {
            self.by_call.remove(&key);
        }
    }

    pub fn list(&self) -> Vec<ApprovalRecord> {
        self.records.values().cloned().collect()
    }

    pub fn get(&self, id: &str) -> Option<ApprovalRecord> {
        self.records.get(id).cloned()
    }
}

/// Whether it takes one of the places there are.
fn is_live(status: ApprovalStatus) -> bool {
    match status {
        ApprovalStatus::Pending | ApprovalStatus::Approved => true,
        ApprovalStatus::Denied
        | ApprovalStatus::Used
        | ApprovalStatus::Expired
        | ApprovalStatus::Superseded => false,
    }
}

/// Whether nothing can become of it any more.
fn is_over(status: ApprovalStatus) -> bool {
    !is_live(status) && status != ApprovalStatus::Denied
}

/// A change as it is recorded: without the contents of the call.
fn change(what: &'static str, record: &ApprovalRecord, actor: Option<Arc<str>>) -> ApprovalChange {
    let mut record = record.clone();
    record.subject.body = None;
    ApprovalChange { what, record, actor }
}
