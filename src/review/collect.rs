//! Holding an answer back until all of it is there, within bounds of size and time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::forward::{Measure, Tail};
use crate::json::Hasher;
use crate::review::How;

/// Longest time an answer may take from its head to its end while it is held back: an endless
/// stream of events must not hold its call for ever.
const COLLECT_LIMIT: Duration = Duration::from_secs(300);

/// Memory for all answers that are held back at a time.
pub struct Store {
    bytes: Arc<Semaphore>,
}

impl Store {
    /// Room for `limit_bytes`.
    pub fn new(limit_bytes: usize) -> Self {
        Self { bytes: Arc::new(Semaphore::new(limit_bytes.min(Semaphore::MAX_PERMITS))) }
    }

    /// Takes room for one piece, if there is any. Nobody waits for it: slow answers would make all
    /// others wait for them.
    fn take(&self, held: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> bool {
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX);
        match (Arc::clone(&self.bytes).try_acquire_many_owned(wanted), held) {
            (Err(_), _) => false,
            (Ok(more), Some(held)) => {
                held.merge(more);
                true
            }
            (Ok(more), held @ None) => {
                *held = Some(more);
                true
            }
        }
    }
}

/// The whole body, and the room it takes. It is not kept when it is longer than `limit` bytes, and then not read to its
/// end either; and neither when there is no room for it.
pub(super) async fn collect<B>(
    mut body: B,
    mut hasher: Hasher,
    limit: usize,
    how: &How<'_>,
) -> (Measure, Option<OwnedSemaphorePermit>)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut gathered = Gathered::default();
    let tail = if body.size_hint().lower() > limit as u64 {
        gathered.bytes = body.size_hint().lower();
        gathered.over = true;
        Tail::Whole
    } else {
        let gathering = gathered.all(&mut body, &mut hasher, limit, how);
        let in_time = tokio::time::timeout(COLLECT_LIMIT, gathering).await;
        in_time.unwrap_or(Tail::Broken { timed_out: true })
    };
    let Gathered { only, joined, bytes, over, room } = gathered;
    let kept = if joined.is_empty() { only } else { joined.freeze() };
    let kept = (!over).then_some(kept);
    let digest = hasher.finish();
    (Measure { tail, digest, bytes, kept, heard: None, first: None, shape: None }, room)
}

#[derive(Default)]
struct Gathered {
    /// The first piece, which is often the only one and then not copied.
    only: Bytes,
    joined: BytesMut,
    bytes: u64,
    over: bool,
    room: Option<OwnedSemaphorePermit>,
}

impl Gathered {
    async fn all<B>(
        &mut self,
        body: &mut B,
        hasher: &mut Hasher,
        limit: usize,
        how: &How<'_>,
    ) -> Tail
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            let frame = match tokio::time::timeout(how.idle, body.frame()).await {
                Err(_) => return Tail::Broken { timed_out: true },
                Ok(None) => return Tail::Whole,
                Ok(Some(Err(_))) => return Tail::Broken { timed_out: false },
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers are left behind: nothing has judged them.
            let Ok(data) = frame.into_data() else { continue };
            hasher.update(&data);
            self.bytes = self.bytes.saturating_add(data.len() as u64);
            if self.bytes > limit as u64 || !how.store.take(&mut self.room, data.len()) {
                self.over = true;
                return Tail::Whole;
            }
            if self.only.is_empty() && self.joined.is_empty() {
                self.only = data;
            } else {
                self.joined.extend_from_slice(&std::mem::take(&mut self.only));
                self.joined.extend_from_slice(&data);
            }
        }
    }
}
