//! Holding an answer back until all of it is there, within bounds of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;

use crate::forward::{Measure, Tail};
use crate::json::Hasher;

/// Longest time an answer may take from its head to its end while it is held back: an endless
/// stream of events must not hold its call for ever.
const COLLECT_LIMIT: Duration = Duration::from_secs(300);

/// The whole body. It is not kept when it is longer than `limit` bytes, and then not read to its
/// end either; `idle` is the longest silence within it.
pub(super) async fn collect<B>(
    mut body: B,
    mut hasher: Hasher,
    limit: usize,
    idle: Duration,
) -> Measure
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut gathered = Gathered::default();
    let tail = if body.size_hint().lower() > limit as u64 {
        gathered.bytes = body.size_hint().lower();
        gathered.over = true;
        Tail::Whole
    } else {
        let gathering = gathered.all(&mut body, &mut hasher, limit, idle);
        let in_time = tokio::time::timeout(COLLECT_LIMIT, gathering).await;
        in_time.unwrap_or(Tail::Broken { timed_out: true })
    };
    let Gathered { only, joined, bytes, over } = gathered;
    let kept = if joined.is_empty() { only } else { joined.freeze() };
    Measure { tail, digest: hasher.finish(), bytes, kept: (!over).then_some(kept) }
}

#[derive(Default)]
struct Gathered {
    /// The first piece, which is often the only one and then not copied.
    only: Bytes,
    joined: BytesMut,
    bytes: u64,
    over: bool,
}

impl Gathered {
    async fn all<B>(
        &mut self,
        body: &mut B,
        hasher: &mut Hasher,
        limit: usize,
        idle: Duration,
    ) -> Tail
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            let frame = match tokio::time::timeout(idle, body.frame()).await {
                Err(_) => return Tail::Broken { timed_out: true },
                Ok(None) => return Tail::Whole,
                Ok(Some(Err(_))) => return Tail::Broken { timed_out: false },
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers are left behind: nothing has judged them.
            let Ok(data) = frame.into_data() else { continue };
            hasher.update(&data);
            self.bytes = self.bytes.saturating_add(data.len() as u64);
            if self.bytes > limit as u64 {
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
