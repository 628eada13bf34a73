//! Requests of sessions that wait for their answers: of two with one id a server may give either
//! the answer to the other.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

/// Most requests that are kept apart at once.
const REQUESTS_LIMIT: usize = 65_536;

/// Upstream, session and id.
type Key = (Arc<str>, Box<str>, Box<str>);

/// The requests that wait.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    waiting: Arc<Mutex<HashSet<Key>>>,
}

/// A request's place among them, given up when dropped.
#[derive(Debug)]
pub struct Turn {
    key: Key,
    waiting: Arc<Mutex<HashSet<Key>>>,
}

impl InFlight {
    /// Takes the place of a request. `None` when another with the same id waits in its session, or
    /// when too many wait.
    pub fn take(&self, upstream: &Arc<str>, session: &str, id: &str) -> Option<Turn> {
        let key: Key = (Arc::clone(upstream), session.into(), id.into());
        let mut waiting = self.waiting.lock();
        let is_first = waiting.len() < REQUESTS_LIMIT && waiting.insert(key.clone());
        drop(waiting);
        is_first.then(|| Turn { key, waiting: Arc::clone(&self.waiting) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_until_it_is_answered() {
        let in_flight = InFlight::default();
        let upstream: Arc<str> = Arc::from("s");
        let first = in_flight.take(&upstream, "a", "1").unwrap();
        assert!(in_flight.take(&upstream, "a", "1").is_none());
        assert!(in_flight.take(&upstream, "b", "1").is_some());
        drop(first);
        assert!(in_flight.take(&upstream, "a", "1").is_some());
    }
}
