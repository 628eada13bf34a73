//! A client on standard input behind a gate of its own. Standard output carries its messages and
//! nothing else.

use std::path::Path;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::exec::{ExecArgs, Shelter, USUAL_CONFIG, failed, taken, usage};
use crate::cli::report::Exit;
use crate::cli::serving::server_bounds;
use crate::config::Wrapped;
use crate::config::settings::Kind;
use crate::ledger::RunBudget;
use crate::reload::Candidate;
use crate::server;
use crate::stdio::{Dial, Ended, Endpoint, Front};

/// Serves the client until it closes its end.
pub(super) async fn run(args: &ExecArgs, name: &str, budget: RunBudget) -> Exit {
    let usual = Path::new(USUAL_CONFIG);
    // Without a config there is still the command.
    let path = args.config.as_deref().or_else(|| usual.exists().then_some(usual));
    let wrapped = Wrapped { name, command: &args.command };
    if path.is_none() && args.command.is_empty() {
        return usage("name a config, or a command after `--`");
    }
    let candidate = match taken(Candidate::read_wrapped(path, &wrapped)) {
        Ok(candidate) => candidate,
        Err(exit) => return exit,
    };
    let found = candidate.settings.upstreams.iter().find(|upstream| &*upstream.name == name);
    match found.map(|upstream| upstream.kind) {
        Some(Kind::Mcp) => {}
        Some(Kind::Http | Kind::Llm(_)) => {
            return usage(&format!("the upstream `{name}` of the config does not speak MCP"));
        }
        None => {
            return usage(&format!(
                "the config has no upstream `{name}`; name a command after `--`"
            ));
        }
    }
    let (shelter, settings) = match Shelter::open(candidate, budget).await {
        Ok(opened) => opened,
        Err(why) => return failed(&why),
    };
    let bounds = server_bounds(&settings);
    let gate = Arc::clone(&shelter.gate);
    let dial: Dial = Arc::new(move || server::connect(&gate, bounds));
    let path = format!("{}/{name}/mcp", shelter.prefix());
    // Also where runs must be vouched for.
    let token = HeaderValue::from_str(&shelter.token).ok();
    let headers = token.map(|token| (HeaderName::from_static("toolgate-run-token"), token));
    let endpoint = Endpoint { dial, path: &path, headers: headers.into_iter().collect() };
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let ended = Front::serve(endpoint, input, output, told_to_stop()).await;
    let closed = shelter.close().await;
    match ended {
        Ended::Closed if closed => Exit::Ok,
        Ended::Closed => Exit::Io,
        Ended::SessionLost => failed("the server ended, and the session with it"),
    }
}

/// Turns true when a signal asks the gate to end.
fn told_to_stop() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let (terminate, interrupt) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
            // Without them the process ends as it always does.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = stop.send(true);
        // A receiver must not take the end of the sender for the signal.
        stop.closed().await;
    });
    stopped
}
