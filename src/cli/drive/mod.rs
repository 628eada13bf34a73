//! `toolgate drive`: sends recorded runs through a running gate, and serves their recorded answers
//! as the tools behind it.
//!
//! A recording is a file with one run a line: `{"id", "steps": [{"tool", "args", "result",
//! "error"}], "labels"}`. The gate's upstream is the recorded one:
//!
//! ```yaml
//! upstreams:
//!   airline:
//!     http: http://127.0.0.1:9100
//!     tools: [{ name: "{tool}", match: "POST /tools/{tool}" }]
//! ```
//!
//! and `toolgate drive RUNS.jsonl --serve 127.0.0.1:9100 --through http://127.0.0.1:4100/airline`
//! does both ends. A refused call does not end its run: the next recorded step follows, because
//! what the agent would have done instead was not recorded.

mod check;
mod gate;
mod label;
mod recording;
mod replay;
mod report;
mod tally;
mod upstream;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgGroup, Args};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::cli::events::EventsError;
use crate::cli::report::Exit;
use crate::cli::terminal::{Output, count};
use crate::clock::Clock;

use check::Expected;
use gate::Unreachable;
use recording::{Recording, RecordingError};
use report::Report;
use upstream::RecordedUpstream;

/// Send recorded runs through a running gate, and serve their recorded answers
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("task").required(true).multiple(true)
    .args(["serve", "through", "check_events"])))]
pub struct DriveArgs {
    /// Recorded runs, one a line
    #[arg(value_name = "RUNS.jsonl")]
    pub recording: PathBuf,
    /// Send the calls here: the gate's address and the upstream's prefix, such as
    /// http://127.0.0.1:4100/airline
    #[arg(long, value_name = "URL")]
    pub through: Option<String>,
    /// Serve the recorded answers here; alone, until interrupted
    #[arg(long, value_name = "ADDRESS")]
    pub serve: Option<String>,
    /// Compare the gate's events file with the recording: one event a call, the same digests of
    /// arguments. Alone (after the gate has ended) also one stop a run. Not for a gate whose config
    /// has a `digest.key`
    #[arg(long, value_name = "FILE")]
    pub check_events: Option<PathBuf>,
    /// Take only the first runs
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Runs under way at once; the steps of a run always follow one another
    #[arg(long, value_name = "N", default_value_t = 8,
        value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1_024))]
    pub concurrency: usize,
    /// Put this in front of run ids, to drive the same recording again
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub run_prefix: String,
    /// End a run at its first refused call
    #[arg(long)]
    pub stop_at_refusal: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Why nothing could be driven.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("{0}")]
    Usage(String),
    #[error("cannot serve on {address}: {source}")]
    Listen { address: String, source: io::Error },
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error("cannot write the result: {0}")]
    Write(#[from] io::Error),
}

impl Trouble {
    fn exit(&self) -> Exit {
        match self {
            Self::Recording(RecordingError::Read { .. }) => Exit::Io,
            Self::Recording(_) | Self::Usage(_) => Exit::Usage,
            Self::Listen { .. } | Self::Unreachable(_) | Self::Events(_) | Self::Write(_) => {
                Exit::Io
            }
        }
    }
}

/// Drives, and writes a report.
///
/// Exits with 1 when anything differs from the recording, with 2 when the recording or the command
/// line cannot be used, with 3 when the gate cannot be reached, an address not be served or a file
/// not be read.
pub async fn run(args: &DriveArgs, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    match drive(args, out, err).await {
        Ok(exit) => exit,
        Err(trouble) => {
            // Where not even this can be written, the exit code has to do.
            let _ = writeln!(err, "error: {trouble}");
            trouble.exit()
        }
    }
}

async fn drive(
    args: &DriveArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Trouble> {
    let recording = Recording::load(&args.recording, args.limit, &args.run_prefix)?;
    let recording = Arc::new(recording);
    let upstream = match &args.serve {
        Some(address) => Some(Serving::start(address, &recording, err).await?),
        None => None,
    };
    let mut report = Report::new(&recording);
    if let Some(through) = &args.through {
        let gate = gate::Gate::new(through).map_err(Trouble::Usage)?;
        gate.reach().await?;
        // Whatever stands in the file already belongs to other drives.
        let events_start = args.check_events.as_ref().map_or(0, |path| check::size_of(path));
        let plan = replay::Plan {
            concurrency: args.concurrency,
            stop_at_refusal: args.stop_at_refusal,
            clock: Clock::system(),
        };
        let tally = replay::replay(&recording, gate, &plan).await?;
        if let Some(serving) = &upstream {
            serving.upstream.compare(&tally, &mut report);
        }
        if let Some(path) = &args.check_events {
            let expected = Expected::Calls(&tally);
            report.events =
                Some(check::patiently(path, events_start, &recording, &expected).await?);
        }
        report.tally = Some(tally);
    } else if let Some(path) = &args.check_events {
        let expected = Expected::WholeRuns { stop_at_refusal: args.stop_at_refusal };
        report.events = Some(check::check(path, 0, &recording, &expected)?);
    } else {
        interrupted().await;
    }
    if let Some(serving) = upstream {
        report.upstream = Some(serving.end().await);
    }
    report.write(args, out)?;
    out.flush()?;
    Ok(if report.mismatches() == 0 { Exit::Ok } else { Exit::Findings })
}

/// The recorded upstream while it serves.
struct Serving {
    upstream: Arc<RecordedUpstream>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    async fn start(
        address: &str,
        recording: &Arc<Recording>,
        err: &mut dyn Write,
    ) -> Result<Self, Trouble> {
        let failed = |source| Trouble::Listen { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let upstream = RecordedUpstream::new(Arc::clone(recording));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(upstream::serve(listener, Arc::clone(&upstream), stopped));
        let runs = count(recording.runs.len() as u64, "run");
        writeln!(err, "serving the answers of {runs} on http://{bound}")?;
        err.flush()?;
        Ok(Self { upstream, stop, task })
    }

    async fn end(self) -> upstream::Served {
        let _ = self.stop.send(true);
        // It only ends early by a panic, and then has nothing more to say.
        let _ = self.task.await;
        self.upstream.served()
    }
}

/// Until Ctrl-C or SIGTERM.
async fn interrupted() {
    let interrupt = tokio::signal::ctrl_c();
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt => {}
        _ = terminate => {}
    }
}
