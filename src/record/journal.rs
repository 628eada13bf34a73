//! The events file: lines gathered under a lock and written by one thread, in batches.
//!
//! Room for a call's line is reserved before the call is judged, so that no line is ever lost
//! for want of room. A file that cannot be written is tried again and again; meanwhile
//! [`Journal::is_writing`] is false and calls that change something are refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde::Serialize;

/// Lines that may wait or be reserved at once.
const QUEUE_LIMIT_LINES: usize = 65_536;

/// What an event of a call takes, so that its line is not moved while it is made.
const USUAL_LINE_BYTES: usize = 1_024;

/// How long the writer gathers lines before it writes them.
const GATHER: Duration = Duration::from_millis(2);

/// How long the writer waits before it tries a failed write again.
const RETRY: Duration = Duration::from_millis(200);

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    Stdout,
    File(PathBuf),
    /// They are counted and not kept.
    Nowhere,
}

/// The events file could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot append to the events file {path}: {source}")]
pub struct JournalError {
    pub path: String,
    pub source: io::Error,
}

/// The events of one gate on their way to disk.
pub(super) struct Journal {
    shared: Arc<Shared>,
}

/// Room for one line, given back when it is dropped unused.
pub struct Slot {
    shared: Arc<Shared>,
    used: bool,
}

struct Shared {
    batch: Mutex<Batch>,
    /// Signalled when the batch stops being empty, and when it has been written.
    changed: Condvar,
    /// Lines reserved, waiting or being written.
    taken: AtomicUsize,
    writing: AtomicBool,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: usize,
    /// Lines handed to the writer and not yet on their way to the disk.
    in_hand: usize,
    closed: bool,
}

impl Journal {
    pub fn start(destination: &Destination) -> Result<Self, JournalError> {
        let output: Box<dyn Write + Send> = match destination {
            Destination::Stdout => Box::new(io::stdout()),
            Destination::File(path) => Box::new(open(path)?),
            Destination::Nowhere => Box::new(io::sink()),
        };
        let shared = Arc::new(Shared {
            batch: Mutex::new(Batch::default()),
            changed: Condvar::new(),
            taken: AtomicUsize::new(0),
            writing: AtomicBool::new(true),
        });
        let writer = Arc::clone(&shared);
        let started = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || write_batches(&writer, output));
        match started {
            Ok(_) => Ok(Self { shared }),
            Err(source) => Err(JournalError { path: format!("{destination:?}"), source }),
        }
    }

    /// Room for one line, or `None` when all is taken.
    pub fn reserve(&self) -> Option<Slot> {
        let took = self.shared.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            (taken < QUEUE_LIMIT_LINES).then(|| taken.saturating_add(1))
        });
        took.ok().map(|_| Slot { shared: Arc::clone(&self.shared), used: false })
    }

    /// Appends a line that needs no reservation because runs, which end once each, bound it.
    pub fn append(&self, event: &impl Serialize) {
        self.shared.taken.fetch_add(1, Ordering::Relaxed);
        self.shared.push(event);
    }

    pub fn is_writing(&self) -> bool {
        self.shared.writing.load(Ordering::Relaxed)
    }

    pub fn flush(&self, patience: Duration) -> bool {
        let mut batch = self.shared.batch.lock();
        while batch.lines > 0 || batch.in_hand > 0 {
            if self.shared.changed.wait_for(&mut batch, patience).timed_out() {
                return batch.lines == 0 && batch.in_hand == 0;
            }
        }
        true
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.batch.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Slot {
    /// Appends the line this room was reserved for.
    pub(super) fn fill(mut self, event: &impl Serialize) {
        self.used = true;
        self.shared.push(event);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.used {
            self.shared.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Shared {
    fn push(&self, event: &impl Serialize) {
        // Made before the lock is taken, which all calls share.
        let mut line = Vec::with_capacity(USUAL_LINE_BYTES);
        if serde_json::to_writer(&mut line, event).is_err() {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        line.push(b'\n');
        let mut batch = self.batch.lock();
        batch.bytes.extend_from_slice(&line);
        batch.lines = batch.lines.saturating_add(1);
        let first = batch.lines == 1;
        drop(batch);
        if first {
            self.changed.notify_all();
        }
    }
}

fn open(path: &PathBuf) -> Result<File, JournalError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| JournalError { path: path.display().to_string(), source })
}

fn write_batches(shared: &Shared, mut output: Box<dyn Write + Send>) {
    let mut bytes = Vec::new();
    loop {
        let mut batch = shared.batch.lock();
        while batch.lines == 0 {
            if batch.closed {
                return;
            }
            shared.changed.wait(&mut batch);
        }
        if !batch.closed {
            drop(batch);
            thread::sleep(GATHER);
            batch = shared.batch.lock();
        }
        bytes.clear();
        std::mem::swap(&mut bytes, &mut batch.bytes);
        let lines = std::mem::take(&mut batch.lines);
        batch.in_hand = lines;
        drop(batch);
        write_all(shared, output.as_mut(), &bytes);
        shared.taken.fetch_sub(lines, Ordering::Relaxed);
        shared.batch.lock().in_hand = 0;
        shared.changed.notify_all();
    }
}

/// Writes all of it, however long that takes: a partly written line is continued, never begun
/// again. Gives up only when the gate is closing and the file still cannot be written.
fn write_all(shared: &Shared, output: &mut dyn Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(written) if written > 0 => {
                bytes = bytes.get(written..).unwrap_or_default();
                shared.writing.store(true, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => {
                if shared.writing.swap(false, Ordering::Relaxed) {
                    tracing::error!("events cannot be written; refusing calls that change things");
                }
                if shared.batch.lock().closed {
                    return;
                }
                thread::sleep(RETRY);
            }
        }
    }
    // Stdout is line-buffered: without this a last line without a newline partner would linger.
    let _ = output.flush();
}
