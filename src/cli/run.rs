//! `toolgate run`: starts the gate and serves until it is told to stop.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, Admin};
use crate::cli::report::Exit;
use crate::cli::serving::{
    self, FLUSH_TIME, bind, calls_closed, describe, open_admin, plural, report, server_bounds,
    sweep, tell,
};
use crate::clock::Clock;
use crate::config::codes;
use crate::config::reads::Reads;
use crate::config::settings::{Events, Settings};
use crate::ledger::RunEnds;
use crate::pipeline::Gate;
use crate::record::{Destination, Recorder};
use crate::reload::{self, Candidate, Reloader};
use crate::server;

/// How long calls that were cut off may take to be recorded.
const CUT_OFF_TIME: Duration = Duration::from_secs(1);

/// Start the gate.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The config file.
    #[arg(long, short, value_name = "PATH", default_value = "./toolgate.yaml")]
    pub config: PathBuf,
    /// Start the wall clock at this time (RFC 3339), to replay recorded traffic against rules that
    /// read `now`.
    #[arg(long, value_name = "TIME")]
    pub clock_at: Option<String>,
}

/// Runs the command.
pub fn run(args: &RunArgs) -> Exit {
    let clock = match &args.clock_at {
        None => Clock::system(),
        Some(text) => match chrono::DateTime::parse_from_rfc3339(text) {
            Ok(time) => Clock::system_starting_at(time.timestamp_millis()),
            Err(_) => {
                eprintln!("toolgate: --clock-at takes a time like 2026-03-02T10:00:00Z");
                return Exit::Usage;
            }
        },
    };
    let reads = Reads::default();
    let candidate = match Candidate::read(&args.config, &reads) {
        Ok(candidate) => candidate,
        Err(faults) => {
            report(&faults);
            let count = faults.len();
            eprintln!("toolgate: {count} {} found; not started", plural(count, "fault", "faults"));
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("toolgate: {error}");
            return Exit::Io;
        }
    };
    report(&candidate.warnings);
    let said = candidate.warnings.iter().any(|warning| warning.code == codes::NO_POLICIES);
    if candidate.policies.is_empty() && !said {
        eprintln!("toolgate: warning: no policies are loaded, so every call passes");
    }
    runtime.block_on(serve(args, candidate, &reads, clock))
}

async fn serve(args: &RunArgs, candidate: Candidate, reads: &Reads, clock: Clock) -> Exit {
    let fixed = candidate.fixed().to_vec();
    let Candidate { settings, policies, .. } = candidate;
    let settings = &settings;
    let modes = policies.modes();
    let failed = |what: &dyn std::fmt::Display| {
        eprintln!("toolgate: {what}");
        Exit::Io
    };
    let destination = match &settings.events {
        Events::Stdout => Destination::Stdout,
        Events::File(path) => Destination::File(path.clone()),
    };
    let as_it_is = |recorder: Arc<Recorder>| -> Arc<dyn RunEnds> { recorder };
    let assembled = match serving::assemble(settings, policies, clock, &destination, as_it_is) {
        Ok(assembled) => assembled,
        Err(error) => return failed(&error),
    };
    let gate = Arc::clone(&assembled.gate);
    let version = Arc::clone(&gate.snapshot().policies.version);
    let bound =
        (bind("listen", settings.listen).await, bind("admin", settings.admin).await, signals());
    let (listener, admin_listener, (signals, hangup)) = match bound {
        (Ok(listener), Ok(admin_listener), Ok(signals)) => (listener, admin_listener, signals),
        (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => return failed(&error),
    };
    let admin = match open_admin(&gate, settings, &admin_listener) {
        Ok(admin) => admin,
        Err(error) => return failed(&error),
    };
    if let (Ok(at), Ok(admin_at)) = (listener.local_addr(), admin_listener.local_addr()) {
        let mut err = io::stderr();
        let _ = writeln!(err, "toolgate: {}", describe(modes));
        // Nobody may be reading standard error; the gate serves all the same.
        let _ = writeln!(
            err,
            "toolgate: serving http://{at} admin http://{admin_at} policies {version}"
        );
    }
    let listeners = (listener, admin_listener);
    let reloader = Reloader::new(
        Arc::clone(&gate),
        args.config.clone(),
        fixed,
        settings.reload,
        reads.footprint(),
    );
    let reloading = tokio::spawn(reload::follow(reloader, hangup, tell));
    let drained = serve_until(signals, (&gate, &admin), listeners, settings).await;
    reloading.abort();
    gate.snapshot().shutdown().await;
    assembled.end_runs().await;
    if !drained {
        eprintln!("toolgate: calls were still in the gate when the drain time was over");
    }
    if !gate.recorder.flush(FLUSH_TIME) {
        return failed(&"the last events could not be written");
    }
    Exit::Ok
}

/// Serves until a signal, and on until the calls in the gate have ended or were cut off. `false`
/// when some were.
async fn serve_until(
    signals: Signals,
    (gate, admin): (&Arc<Gate>, &Arc<Admin>),
    (listener, admin_listener): (TcpListener, TcpListener),
    settings: &Settings,
) -> bool {
    // `/readyz` says that the gate drains until its calls have ended: the admin side goes last.
    let (_admin_stop, admin_stopped) = watch::channel(false);
    let admin_side = tokio::spawn(admin::serve(admin_listener, Arc::clone(admin), admin_stopped));
    let sweeper = tokio::spawn(sweep(Arc::clone(gate), settings.runs.idle_end));
    let (stop, stopped) = watch::channel(false);
    let serving =
        tokio::spawn(server::serve(listener, Arc::clone(gate), server_bounds(settings), stopped));
    signals.received().await;
    admin.draining();
    let _ = stop.send(true);
    gate.snapshot().hush();
    let drained = serving.await.unwrap_or(false);
    let _ = tokio::time::timeout(CUT_OFF_TIME, calls_closed(&gate.recorder)).await;
    sweeper.abort();
    admin_side.abort();
    drained
}

/// The signals that ask the gate to end. Made before it says that it serves, so that whoever reads
/// that may send one at once.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Those signals, and the one that asks for a look at the files.
fn signals() -> Result<(Signals, Signal), String> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be heard: {error}"));
    let signals = Signals {
        terminate: listen(SignalKind::terminate())?,
        interrupt: listen(SignalKind::interrupt())?,
    };
    Ok((signals, listen(SignalKind::hangup())?))
}

impl Signals {
    async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
