//! When to look at the files: at a notice, at a signal, and now and then in any case.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;

use super::{Cause, Outcome, Reloader};
use crate::config::codes;
use crate::config::settings::Reload;
use crate::config::watch::{Places, Watch};
use crate::yaml::Diagnostic;

/// Files are looked at when nothing was noticed for so long.
const QUIET_TIME: Duration = Duration::from_millis(100);

/// Notices waited for before the files are looked at although they do not stop.
const NOTICES_LIMIT: usize = 20;

/// Follows the files for as long as the gate lives; `tell` hears what came of every look.
pub async fn follow(reloader: Reloader, mut hangup: Signal, tell: impl Fn(Cause, &Outcome)) {
    let noticed = Arc::new(Notify::new());
    let reloader = Arc::new(Mutex::new(reloader));
    let mut watch = None;
    loop {
        let reload = look_where(&reloader, &mut watch, &noticed).await;
        let cause = next(&noticed, &mut hangup, reload).await;
        let blocking = Arc::clone(&reloader);
        let attempt = spawn_blocking(move || blocking.lock().attempt(cause));
        let outcome = attempt.await.unwrap_or_else(|_| broke(&reloader));
        if matches!(outcome, Outcome::Moving) {
            noticed.notify_one();
        }
        tell(cause, &outcome);
    }
}

/// Watches the places where what was read last would change.
async fn look_where(
    reloader: &Arc<Mutex<Reloader>>,
    watch: &mut Option<Watch>,
    noticed: &Arc<Notify>,
) -> Reload {
    let (reload, footprint) = {
        let reloader = reloader.lock();
        (reloader.reload, reloader.seen.clone())
    };
    if !reload.watch {
        *watch = None;
        return reload;
    }
    let mut taken = watch.take();
    if taken.is_none() {
        let noticed = Arc::clone(noticed);
        // Without notices the files are still polled.
        taken = Watch::new(move || noticed.notify_one()).ok();
    }
    let looked = spawn_blocking(move || {
        let mut watch = taken?;
        let before_watching = footprint.clone();
        watch.look_at(Places::of(&footprint));
        Some((watch, before_watching.is_current()))
    });
    if let Ok(Some((looking, unchanged))) = looked.await {
        *watch = Some(looking);
        // What changed before the watch stood gave no notice.
        if !unchanged {
            noticed.notify_one();
        }
    }
    reload
}

async fn next(noticed: &Notify, hangup: &mut Signal, reload: Reload) -> Cause {
    let poll = async {
        match reload.poll {
            Duration::ZERO => std::future::pending().await,
            pause => tokio::time::sleep(pause).await,
        }
    };
    tokio::select! {
        biased;
        _ = hangup.recv() => Cause::Signal,
        () = noticed.notified() => tokio::select! {
            biased;
            _ = hangup.recv() => Cause::Signal,
            () = quiet(noticed) => Cause::Notice,
        },
        () = poll => Cause::Poll,
    }
}

/// Waits until those who write are done, but not for ever.
async fn quiet(noticed: &Notify) {
    for _ in 0..NOTICES_LIMIT {
        if tokio::time::timeout(QUIET_TIME, noticed.notified()).await.is_err() {
            return;
        }
    }
}

/// A look that panicked: the gate goes on by what it has.
fn broke(reloader: &Mutex<Reloader>) -> Outcome {
    let kept = Arc::clone(&reloader.lock().gate.snapshot().policies.version);
    let fault = Diagnostic::error(codes::UNUSABLE, "the files could not be checked")
        .note(format!("the policy set {kept} stays active"));
    Outcome::Refused { kept, faults: vec![fault] }
}
