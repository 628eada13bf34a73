//! The queue alone: bounded whatever happens, and no span lost uncounted.

use std::sync::Arc;

use opentelemetry_sdk::trace::SpanData;

use super::queue::Queue;
use super::{DropReason, Parcel, Tally};

struct Parcels {
    bytes: usize,
    spans: u64,
}

impl Parcel for Parcels {
    fn weight_bytes(&self) -> usize {
        self.bytes
    }

    fn spans(&self) -> u64 {
        self.spans
    }

    fn unpack(self, _: &mut Vec<SpanData>) {}
}

const LIMIT_BYTES: usize = 64 * 1024;

fn queue() -> (Arc<Queue<Parcels>>, Tally) {
    let tally = Tally::default();
    (Queue::new(LIMIT_BYTES, tally.clone()), tally)
}

fn counted(tally: &Tally) -> [u64; 5] {
    let [full, failed, rejected, _, shutdown] =
        DropReason::ALL.map(|reason| tally.count_dropped(reason));
    [tally.count_exported(), full, failed, rejected, shutdown]
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let (queue, tally) = queue();
    for _ in 0..50_000 {
        queue.push(Parcels { bytes: 1_000, spans: 3 });
        assert!(queue.level().taken_bytes() <= LIMIT_BYTES);
    }
    let fit = (LIMIT_BYTES / 1_000) as u64;
    assert_eq!(queue.level().taken_bytes(), LIMIT_BYTES / 1_000 * 1_000);
    assert_eq!(counted(&tally), [0, 3 * (50_000 - fit), 0, 0, 0]);
    // A smaller one still fits.
    queue.push(Parcels { bytes: 100, spans: 1 });
    assert_eq!(counted(&tally)[1], 3 * (50_000 - fit));
    queue.close();
    queue.push(Parcels { bytes: 1, spans: 7 });
    queue.abandon();
    assert_eq!(counted(&tally), [0, 3 * (50_000 - fit), 0, 0, 3 * fit + 1 + 7]);
    assert_eq!(queue.level().taken_bytes(), 0);
}

/// What is being sent still takes its room, and what is dropped on the way is counted.
#[tokio::test(start_paused = true)]
async fn a_batch_takes_its_room_until_it_is_settled() {
    let (queue, tally) = queue();
    for _ in 0..10 {
        queue.push(Parcels { bytes: 6_000, spans: 2 });
    }
    for (settle, expected) in
        [(0, [20, 0, 0, 0, 0]), (1, [15, 0, 0, 5, 0]), (2, [0, 0, 20, 0, 0]), (3, [0, 0, 0, 0, 20])]
    {
        let before = counted(&tally);
        let mut batch = queue.batch().await.unwrap();
        assert_eq!(batch.parcels().len(), 10);
        assert_eq!(queue.level().taken_bytes(), 60_000);
        queue.push(Parcels { bytes: 6_000, spans: 1 });
        match settle {
            0 => batch.accepted(0),
            1 => batch.accepted(5),
            2 => batch.failed(),
            _ => drop(batch),
        }
        assert_eq!(queue.level().taken_bytes(), 0);
        let mut after = counted(&tally);
        after[1] -= 1;
        let change: Vec<u64> =
            after.iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(change, expected);
        for _ in 0..10 {
            queue.push(Parcels { bytes: 6_000, spans: 2 });
        }
    }
}

/// A batch is bounded in spans and bytes, keeps the order, and one that is too large goes alone.
#[tokio::test(start_paused = true)]
async fn batches_are_bounded() {
    let queue = Queue::new(1 << 30, Tally::default());
    let weights = [
        (100_000, 1),
        (100_000, 1),
        (100_000, 1),
        (900_000, 1),
        (10, 500),
        (10, 100),
        (10, 28),
        (10, 1),
    ];
    for (bytes, spans) in weights {
        queue.push(Parcels { bytes, spans });
    }
    let mut seen = Vec::new();
    while queue.level().taken_bytes() > 0 {
        let mut batch = queue.batch().await.unwrap();
        seen.push(
            batch.parcels().iter().map(|parcel| (parcel.bytes, parcel.spans)).collect::<Vec<_>>(),
        );
        batch.accepted(0);
    }
    let lengths: Vec<usize> = seen.iter().map(Vec::len).collect();
    assert_eq!(lengths, [2, 1, 1, 1, 2, 1]);
    assert_eq!(seen.concat(), weights);
    queue.close();
    assert!(queue.batch().await.is_none());
}

#[test]
fn threads_that_push_at_once_lose_nothing_uncounted() {
    let (queue, tally) = queue();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    queue.push(Parcels { bytes: 10, spans: 1 });
                    assert!(queue.level().taken_bytes() <= LIMIT_BYTES);
                }
            });
        }
    });
    queue.close();
    queue.abandon();
    assert_eq!(counted(&tally).iter().sum::<u64>(), 40_000);
    assert_eq!(queue.level().taken_bytes(), 0);
}
