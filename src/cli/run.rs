//! `toolgate run`: starts the gate and serves until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, Admin};
use crate::cli::report::Exit;
use crate::cli::terminal::wants_color;
use crate::clock::Clock;
use crate::config::settings::{Events, Settings};
use crate::config::{self, Loaded};
use crate::ledger::{Bounds, Ledger, RunEnds};
use crate::pipeline::Gate;
use crate::policy::compile::{Catalogue, compile};
use crate::policy::set::PolicySet;
use crate::record::{Destination, Recorder};
use crate::server::{self, ServerBounds};
use crate::snapshot::Snapshot;
use crate::yaml::Diagnostic;

/// Longest and shortest pause between two looks for idle runs.
const SWEEP_MAX: Duration = Duration::from_secs(5);
const SWEEP_MIN: Duration = Duration::from_millis(50);

/// How long the last events may take to be written at the end.
const FLUSH_TIME: Duration = Duration::from_secs(5);

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
    let (settings, policies) = match load(args) {
        Ok(loaded) => loaded,
        Err(faults) => {
            report(&faults);
            let count = faults.len();
            eprintln!("toolgate: {count} {} found; not started", plural(count, "fault"));
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
    runtime.block_on(serve(&settings, policies, clock))
}

/// Loads and checks everything, printing warnings.
fn load(args: &RunArgs) -> Result<(Settings, PolicySet), Vec<Diagnostic>> {
    let Loaded { settings, warnings, sources } = config::load(&args.config)?;
    let catalogue =
        Catalogue { tools: settings.tool_facts(), open_servers: settings.open_servers() };
    let (policies, more) = compile(&sources, Some(&catalogue))?;
    report(&warnings);
    report(&more);
    if policies.is_empty() {
        eprintln!("toolgate: warning: no policies are loaded, so every call passes");
    }
    Ok((settings, policies))
}

fn report(diagnostics: &[Diagnostic]) {
    let color = wants_color(&io::stderr());
    for diagnostic in diagnostics {
        eprintln!("{}", diagnostic.render(color));
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

async fn serve(settings: &Settings, policies: PolicySet, clock: Clock) -> Exit {
    let failed = |what: &dyn std::fmt::Display| {
        eprintln!("toolgate: {what}");
        Exit::Io
    };
    let destination = match &settings.events {
        Events::Stdout => Destination::Stdout,
        Events::File(path) => Destination::File(path.clone()),
    };
    let recorder = match Recorder::start(clock.clone(), &destination) {
        Ok(recorder) => recorder,
        Err(error) => return failed(&error),
    };
    let snapshot = match Snapshot::build(settings, policies) {
        Ok(snapshot) => Arc::new(snapshot),
        Err(error) => return failed(&error),
    };
    let version = Arc::clone(&snapshot.policies.version);
    let bounds =
        Bounds { live_runs: settings.bounds.live_runs_limit, idle_end: settings.runs.idle_end };
    let ends: Arc<dyn RunEnds> = Arc::<Recorder>::clone(&recorder);
    let ledger = Ledger::new(clock.clone(), bounds, ends);
    let gate = Arc::new(Gate::new(clock, Arc::clone(&ledger), Arc::clone(&recorder), snapshot));
    let bound = async {
        let listener = listen(settings.listen, "listen").await?;
        Ok::<_, String>((listener, listen(settings.admin, "admin").await?))
    };
    let (listener, admin_listener) = match bound.await {
        Ok(listeners) => listeners,
        Err(error) => return failed(&error),
    };
    let (stop, stopped) = watch::channel(false);
    let admin = Admin::new(Arc::clone(&gate));
    if let (Ok(at), Ok(admin_at)) = (listener.local_addr(), admin_listener.local_addr()) {
        let mut err = io::stderr();
        // Nobody may be reading standard error; the gate serves all the same.
        let _ = writeln!(
            err,
            "toolgate: serving http://{at} admin http://{admin_at} policies {version}"
        );
    }
    let (admin_stop, admin_stopped) = watch::channel(false);
    let admin_side = tokio::spawn(admin::serve(admin_listener, Arc::clone(&admin), admin_stopped));
    let sweeper = tokio::spawn(sweep(Arc::clone(&gate), settings.runs.idle_end));
    let serving =
        tokio::spawn(server::serve(listener, Arc::clone(&gate), server_bounds(settings), stopped));
    if let Err(error) = asked_to_stop().await {
        return failed(&error);
    }
    admin.draining();
    // `/readyz` goes on saying so while calls end, hence the admin side is stopped last.
    let _ = stop.send(true);
    let drained = serving.await.unwrap_or(false);
    sweeper.abort();
    let _ = tokio::time::timeout(CUT_OFF_TIME, calls_closed(&recorder)).await;
    ledger.end_all();
    let flushed = recorder.flush(FLUSH_TIME);
    let _ = admin_stop.send(true);
    admin_side.abort();
    if !drained {
        eprintln!("toolgate: calls were still in the gate when the drain time was over");
    }
    if !flushed {
        return failed(&"the last events could not be written");
    }
    Exit::Ok
}

/// Listens at an address, or says which setting names it.
async fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error} (the config's `{setting}`)"))
}

fn server_bounds(settings: &Settings) -> ServerBounds {
    let bounds = settings.bounds;
    ServerBounds {
        connections: bounds.connections_limit,
        head_bytes: bounds.head_limit_bytes,
        headers: bounds.headers_limit,
        head_time: bounds.header_time,
        stall: bounds.body_time,
        streams: 100,
        drain: bounds.drain_time,
    }
}

async fn sweep(gate: Arc<Gate>, idle_end: Duration) {
    let pause = (idle_end / 4).clamp(SWEEP_MIN, SWEEP_MAX);
    let mut ticks = tokio::time::interval(pause);
    loop {
        ticks.tick().await;
        gate.ledger.sweep(gate.clock.now());
    }
}

async fn calls_closed(recorder: &Recorder) {
    while recorder.open_calls() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn asked_to_stop() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
