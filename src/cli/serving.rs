//! What commands that serve have in common: a gate in this process, and its care.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::net::TcpListener;

use crate::admin::{self, Admin, Opened, StateError, StateFolder};
use crate::cli::terminal::wants_color;
use crate::clock::Clock;
use crate::config::settings::{Export, Settings};
use crate::evaluate::{Evaluations, Evaluator};
use crate::ledger::{Bounds, Ledger, RunEnds};
use crate::pipeline::Gate;
use crate::policy::set::{Modes, PolicySet};
use crate::record::{
    Destination, Exporter, Keeping, Outgoing, Recorder, SHUTDOWN_TIME, Spans, Tally,
};
use crate::reload::{Cause, Outcome};
use crate::server::ServerBounds;
use crate::snapshot::Snapshot;
use crate::yaml::Diagnostic;

/// Longest and shortest pause between two looks for idle runs.
const SWEEP_MAX: Duration = Duration::from_secs(5);
const SWEEP_MIN: Duration = Duration::from_millis(50);

/// How long the last events may take to be written at the end.
pub(super) const FLUSH_TIME: Duration = Duration::from_secs(5);

/// A gate, and its way to the collector of spans, if there is one.
pub(super) struct Assembled {
    pub gate: Arc<Gate>,
    pub exporter: Option<Arc<Exporter<Outgoing>>>,
}

impl Assembled {
    /// Ends all runs, and sends what is told of them for at most two seconds.
    pub async fn end_runs(&self) {
        let begun = self.gate.clock.now();
        self.gate.ledger.end_all();
        if let Some(exporter) = &self.exporter {
            let taken = self.gate.clock.now().since(begun.mono);
            exporter.shutdown(SHUTDOWN_TIME.saturating_sub(taken)).await;
        }
    }
}

/// A gate that goes by these settings and serves nobody yet. `ends` says who is told of the end of
/// runs.
pub(super) fn assemble(
    settings: &Settings,
    policies: PolicySet,
    clock: Clock,
    destination: &Destination,
    ends: impl FnOnce(Arc<Recorder>) -> Arc<dyn RunEnds>,
) -> Result<Assembled, String> {
    let exporter = settings.export.as_ref().map(exporter).transpose()?;
    let spans = settings.export.as_ref().zip(exporter.clone());
    let spans = spans.map(|(export, exporter)| Spans {
        keeping: Keeping {
            share: f64::from(export.sample_percent) / 100.0,
            hold: export.hold,
            held_limit_bytes: export.held_limit_bytes,
            runs_limit: settings.bounds.live_runs_limit.saturating_mul(2),
        },
        tally: exporter.tally().clone(),
        sink: exporter,
    });
    let recorder = Recorder::with_spans(clock.clone(), destination, spans)
        .map_err(|error| error.to_string())?;
    if settings.drift {
        recorder.watch_drift();
    }
    evaluate(settings, &clock, &recorder)?;
    let snapshot = Snapshot::build(settings, policies, None).map_err(|error| error.to_string())?;
    recorder.declare(&snapshot.tools, &settings.caller);
    let bounds =
        Bounds { live_runs: settings.bounds.live_runs_limit, idle_end: settings.runs.idle_end };
    let ledger = Ledger::new(clock.clone(), bounds, ends(Arc::clone(&recorder)));
    // Before anything is served: what was switched off stays so.
    restore_kills(&ledger, settings).map_err(|error| error.to_string())?;
    let folder = StateFolder::new(&settings.state);
    admin::restore_pins(&ledger, &folder).map_err(|error| error.to_string())?;
    tokio::spawn(admin::keep_pins(Arc::clone(&ledger), folder));
    let gate = Arc::new(Gate::new(clock, ledger, recorder, Arc::new(snapshot)));
    Ok(Assembled { gate, exporter })
}

/// The way to the collector; where it leads is said.
fn exporter(export: &Export) -> Result<Arc<Exporter<Outgoing>>, String> {
    let exporter = Exporter::start(&export.collector, Tally::default());
    let exporter = exporter.map_err(|error| error.to_string())?;
    // Nobody may be reading standard error; the gate serves all the same.
    let _ = writeln!(io::stderr(), "toolgate: {}", export.describe());
    Ok(Arc::new(exporter))
}

/// Has ended runs judged, where that is configured.
fn evaluate(settings: &Settings, clock: &Clock, recorder: &Arc<Recorder>) -> Result<(), String> {
    let Some(plan) = settings.evaluate.clone() else { return Ok(()) };
    let recorded: Arc<dyn Evaluations> = Arc::<Recorder>::clone(recorder);
    let evaluator = Evaluator::start(plan, clock.clone(), Arc::downgrade(&recorded));
    recorder.evaluate_with(evaluator.map_err(|error| error.to_string())?);
    Ok(())
}

fn restore_kills(ledger: &Ledger, settings: &Settings) -> Result<(), StateError> {
    let count = admin::restore(&ledger.kills, &StateFolder::new(&settings.state))?;
    if count > 0 {
        let switches = plural(count, "switch is", "switches are");
        eprintln!("toolgate: {count} kill {switches} still on; `toolgate kill --list` names them");
    }
    Ok(())
}

/// The admin side, and the one word that is ever said of a token that was made for it.
pub(super) fn open_admin(
    gate: &Arc<Gate>,
    settings: &Settings,
    listener: &TcpListener,
) -> Result<Arc<Admin>, String> {
    let at = listener.local_addr().map_err(|error| error.to_string())?;
    let opened = Admin::open(Arc::clone(gate), settings, at).map_err(|error| error.to_string())?;
    let Opened { admin, token, token_unkept } = opened;
    let mut err = io::stderr();
    if let Some(token) = token {
        let _ = writeln!(err, "toolgate: admin http://{at}/#token={}", token.expose_secret());
    }
    if let Some(error) = token_unkept {
        let _ = writeln!(err, "toolgate: warning: {error}; commands need TOOLGATE_ADMIN_TOKEN");
    }
    Ok(admin)
}

/// Writes faults and warnings to standard error.
pub(super) fn report(diagnostics: &[Diagnostic]) {
    let color = wants_color(&io::stderr());
    for diagnostic in diagnostics {
        eprintln!("{}", diagnostic.render(color));
    }
}

/// Says what came of a look at the files.
pub(super) fn tell(cause: Cause, outcome: &Outcome) {
    let mut err = io::stderr();
    // Nobody may be reading standard error; the gate serves all the same.
    let _ = match outcome {
        Outcome::Unchanged if cause == Cause::Signal => {
            writeln!(err, "toolgate: nothing has changed (SIGHUP)")
        }
        Outcome::Unchanged | Outcome::Moving => Ok(()),
        Outcome::Replaced { from, to, modes, warnings } => {
            report(warnings);
            let (why, modes) = (cause.name(), describe(*modes));
            writeln!(err, "toolgate: reloaded ({why}): policies {from} -> {to}; {modes}")
        }
        Outcome::Refused { kept, faults } => {
            report(faults);
            let count = faults.len();
            let (why, faults) = (cause.name(), plural(count, "fault", "faults"));
            writeln!(err, "toolgate: not reloaded ({why}): {count} {faults} found; {kept} stays")
        }
    };
}

/// How much of the policies acts.
pub(super) fn describe(modes: Modes) -> String {
    let Modes { enforced, observed } = modes;
    format!("rules and limits: {enforced} enforce, {observed} only observe")
}

pub(super) fn plural<'a>(count: usize, one: &'a str, more: &'a str) -> &'a str {
    if count == 1 { one } else { more }
}

pub(super) async fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        format!(
            "cannot listen on {address}: {error}; another gate? `{key}` in the config says where"
        )
    })
}

pub(super) fn server_bounds(settings: &Settings) -> ServerBounds {
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

pub(super) async fn sweep(gate: Arc<Gate>, idle_end: Duration) {
    let pause = (idle_end / 4).clamp(SWEEP_MIN, SWEEP_MAX);
    let mut ticks = tokio::time::interval(pause);
    loop {
        ticks.tick().await;
        gate.ledger.sweep(gate.clock.now());
        gate.recorder.tend();
    }
}

pub(super) async fn calls_closed(recorder: &Recorder) {
    while recorder.open_calls() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
