//! What waits to be exported: bounded in bytes, filled from calls, emptied by one task.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Parcel;
use super::tally::{DropReason, Tally};

/// Spans that are sent in one request. Making them ready takes a millisecond or two of a thread that
/// calls share.
const BATCH_LIMIT_SPANS: u64 = 128;

/// What they may weigh together, unless one alone weighs more.
const BATCH_LIMIT_BYTES: usize = 256 * 1024;

/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(200);

/// How full a queue is, for those who only look.
#[derive(Debug)]
pub(super) struct Level {
    limit_bytes: usize,
    /// Of what waits and of what is being sent. Written under the queue's lock.
    taken_bytes: AtomicUsize,
    closed: AtomicBool,
    /// Told when it is closed.
    closing: Notify,
}

pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    level: Arc<Level>,
    tally: Tally,
    /// Told when something waits where nothing did, and when the queue is closed.
    arrived: Notify,
    /// Told when there is enough for a batch, and when the queue is closed.
    enough: Notify,
}

struct Waiting<T> {
    parcels: VecDeque<T>,
    spans: u64,
    bytes: usize,
}

/// Parcels on their way out. What is not settled when it is dropped counts as lost with the gate.
pub(super) struct Batch<T> {
    queue: Arc<Queue<T>>,
    parcels: Vec<T>,
    spans: u64,
    bytes: usize,
    settled: bool,
}

/// What a look at the queue found.
enum Look {
    Nothing,
    /// Less than a batch.
    Some,
    /// A batch, or all that will ever come.
    Enough,
    /// Nothing, and nothing will come.
    Over,
}

impl Level {
    /// Bytes that wait or are being sent.
    pub fn taken_bytes(&self) -> usize {
        self.taken_bytes.load(Ordering::Relaxed)
    }

    /// Whether there is time to try a request again: half of the room is left, and the gate does not
    /// end.
    pub fn is_calm(&self) -> bool {
        !self.closed.load(Ordering::Relaxed) && self.taken_bytes() < self.limit_bytes / 2
    }

    /// Comes once the gate ends.
    pub async fn closed(&self) {
        // Made before the look: what is told in between is not missed.
        let closing = self.closing.notified();
        if !self.closed.load(Ordering::Relaxed) {
            closing.await;
        }
    }

    /// Called under the queue's lock.
    fn give_back(&self, bytes: usize) {
        let taken = self.taken_bytes().saturating_sub(bytes);
        self.taken_bytes.store(taken, Ordering::Relaxed);
    }
}

impl<T: Parcel> Queue<T> {
    pub fn new(limit_bytes: usize, tally: Tally) -> Arc<Self> {
        let level = Level {
            limit_bytes,
            taken_bytes: AtomicUsize::new(0),
            closing: Notify::new(),
            closed: AtomicBool::new(false),
        };
        Arc::new(Self {
            waiting: Mutex::new(Waiting { parcels: VecDeque::new(), spans: 0, bytes: 0 }),
            level: Arc::new(level),
            tally,
            arrived: Notify::new(),
            enough: Notify::new(),
        })
    }

    pub fn level(&self) -> &Arc<Level> {
        &self.level
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes a parcel in, or counts it as dropped: never waits.
    pub fn push(&self, parcel: T) {
        let (bytes, spans) = (parcel.weight_bytes(), parcel.spans());
        let mut waiting = self.waiting.lock();
        let taken = self.level.taken_bytes().saturating_add(bytes);
        if self.level.closed.load(Ordering::Relaxed) || taken > self.level.limit_bytes {
            let closed = self.level.closed.load(Ordering::Relaxed);
            drop(waiting);
            let reason = if closed { DropReason::Shutdown } else { DropReason::QueueFull };
            self.tally.dropped(reason, spans);
            return;
        }
        self.level.taken_bytes.store(taken, Ordering::Relaxed);
        let had_enough = waiting.is_enough();
        waiting.parcels.push_back(parcel);
        waiting.spans = waiting.spans.saturating_add(spans);
        waiting.bytes = waiting.bytes.saturating_add(bytes);
        let (first, enough) = (waiting.parcels.len() == 1, waiting.is_enough() && !had_enough);
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
        if enough {
            self.enough.notify_one();
        }
    }

    /// The next batch, once there is enough for one or nothing more comes for a while. `None` when
    /// the queue is closed and empty.
    pub async fn batch(self: &Arc<Self>) -> Option<Batch<T>> {
        loop {
            match self.look() {
                Look::Over => return None,
                Look::Nothing => self.arrived.notified().await,
                Look::Some => {
                    // Either way, what is there now is taken.
                    let _ = tokio::time::timeout(GATHER, self.enough.notified()).await;
                    return Some(self.take());
                }
                Look::Enough => return Some(self.take()),
            }
        }
    }

    /// Lets nothing more in.
    pub fn close(&self) {
        let waiting = self.waiting.lock();
        self.level.closed.store(true, Ordering::Relaxed);
        drop(waiting);
        self.level.closing.notify_waiters();
        self.arrived.notify_one();
        self.enough.notify_one();
    }

    /// Counts everything that waits as dropped.
    pub fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        let spans = std::mem::take(&mut waiting.spans);
        let bytes = std::mem::take(&mut waiting.bytes);
        let parcels = std::mem::take(&mut waiting.parcels);
        self.level.give_back(bytes);
        drop(waiting);
        drop(parcels);
        self.tally.dropped(DropReason::Shutdown, spans);
    }

    fn look(&self) -> Look {
        let waiting = self.waiting.lock();
        let closed = self.level.closed.load(Ordering::Relaxed);
        match (waiting.parcels.is_empty(), closed) {
            (true, true) => Look::Over,
            (true, false) => Look::Nothing,
            (false, false) if !waiting.is_enough() => Look::Some,
            (false, true | false) => Look::Enough,
        }
    }

    fn take(self: &Arc<Self>) -> Batch<T> {
        let mut batch = Batch {
            queue: Arc::clone(self),
            parcels: Vec::new(),
            spans: 0,
            bytes: 0,
            settled: false,
        };
        let mut waiting = self.waiting.lock();
        while let Some(parcel) = waiting.parcels.pop_front() {
            let spans = batch.spans.saturating_add(parcel.spans());
            let bytes = batch.bytes.saturating_add(parcel.weight_bytes());
            let fits = spans <= BATCH_LIMIT_SPANS && bytes <= BATCH_LIMIT_BYTES;
            if !fits && !batch.parcels.is_empty() {
                waiting.parcels.push_front(parcel);
                break;
            }
            waiting.spans = waiting.spans.saturating_sub(parcel.spans());
            waiting.bytes = waiting.bytes.saturating_sub(parcel.weight_bytes());
            (batch.spans, batch.bytes) = (spans, bytes);
            batch.parcels.push(parcel);
        }
        batch
    }
}

impl<T> Waiting<T> {
    fn is_enough(&self) -> bool {
        self.spans >= BATCH_LIMIT_SPANS || self.bytes >= BATCH_LIMIT_BYTES
    }
}

impl<T: Parcel> Batch<T> {
    /// Takes the parcels out; their bytes stay taken until the batch is settled.
    pub fn parcels(&mut self) -> Vec<T> {
        std::mem::take(&mut self.parcels)
    }

    /// Counts the batch as accepted, except for so many spans.
    pub fn accepted(mut self, rejected: u64) {
        self.settled = true;
        let rejected = rejected.min(self.spans);
        self.queue.tally.exported(self.spans.saturating_sub(rejected));
        self.queue.tally.dropped(DropReason::Rejected, rejected);
    }

    /// Counts the batch as dropped.
    pub fn failed(mut self) {
        self.settled = true;
        self.queue.tally.dropped(DropReason::ExportFailed, self.spans);
    }
}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        if !self.settled {
            self.queue.tally.dropped(DropReason::Shutdown, self.spans);
        }
        let _waiting = self.queue.waiting.lock();
        self.queue.level.give_back(self.bytes);
    }
}
