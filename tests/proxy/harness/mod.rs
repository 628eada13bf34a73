//! What the tests stand on: a gate, tools, and clients of several degrees of politeness.

mod client;
pub mod collector;
pub mod faulty;
mod gate;
pub mod model;
mod tool;
mod wire;

use std::time::Duration;

pub use client::{Answer, Connection, get, post, request};
pub use gate::{Gate, Setup, of_kind};
pub use tool::{Act, Arrived, Reply, Tool};
pub use wire::Wire;

/// How long anything may take that is expected to happen. Far longer than it takes, because the
/// machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What `future` gives, or a panic that says what did not happen in time.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("did not happen in time: {what}"),
    }
}

/// Asks again and again until the answer is there.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
