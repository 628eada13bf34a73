//! `toolgate explain`: what one run did, where its time went and why it stopped; and
//! `toolgate runs`: the runs there were. Both read the events file.

mod find;
mod json;
mod list;
mod sentence;
mod story;
mod table;
mod waterfall;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::events::EventsError;
use crate::cli::report::Exit;
use crate::cli::terminal::{Output, Paint};
use crate::config;
use crate::config::settings::Events;

use find::{Found, Wanted};
use story::Story;

pub use list::{RunsArgs, run as runs};

/// Explain a run: what it did, where its time went, why it stopped
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The run's id, or the beginning of it if no other run's id begins so
    #[arg(value_name = "RUN", required_unless_present = "last", conflicts_with = "last")]
    pub run: Option<String>,
    /// Explain the run that called last
    #[arg(long)]
    pub last: bool,
    #[command(flatten)]
    pub from: EventsFrom,
    /// Most calls shown in the waterfall; of more the middle is left out
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub rows: usize,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Where events are read from.
#[derive(Debug, Args)]
pub struct EventsFrom {
    /// Events file; several, such as rotated ones, from the oldest on [default: the config's]
    #[arg(long, value_name = "FILE")]
    pub events: Vec<PathBuf>,
    /// The gate's config, which says where its events are
    #[arg(long, short, value_name = "PATH", default_value = "./toolgate.yaml")]
    pub config: PathBuf,
}

/// Why nothing could be explained.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Missing(String),
    #[error(transparent)]
    Events(#[from] EventsError),
    #[error("cannot write the result: {0}")]
    Write(#[from] io::Error),
}

impl Trouble {
    fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Missing(_) => Exit::Findings,
            Self::Events(_) | Self::Write(_) => Exit::Io,
        }
    }
}

impl EventsFrom {
    fn paths(&self) -> Result<Vec<PathBuf>, Trouble> {
        if !self.events.is_empty() {
            return Ok(self.events.clone());
        }
        // Secrets are not needed to find the events, nor should whoever reads them have them.
        let config = config::load::load_without_secrets(&self.config);
        let config = config.map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(|fault| fault.render(false)).collect();
            let faults = faults.join("\n");
            Trouble::Usage(format!("{faults}\nname the events file with --events, or the config"))
        })?;
        match config.settings.events {
            Events::File(path) => Ok(vec![path]),
            Events::Stdout => Err(Trouble::Usage(format!(
                "{} sends events to standard output: name the file they are in with --events",
                self.config.display()
            ))),
        }
    }
}

/// Explains a run.
///
/// Exits with 1 when there is no such run, with 2 when the beginning of an id fits several or the
/// events' place is not known, with 3 when events cannot be read or the result not be written.
pub fn run(args: &ExplainArgs, color: bool, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    conclude(explain(args, Paint { color }, out, err), err)
}

fn explain(
    args: &ExplainArgs,
    paint: Paint,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Trouble> {
    let paths = args.from.paths()?;
    let wanted = args.run.as_deref().map_or(Wanted::Last, Wanted::Named);
    let run_id = match find::find(&paths, wanted)? {
        Found::Run(id) => id,
        Found::Nothing => {
            return Err(Trouble::Missing(match &args.run {
                Some(id) => format!("no events of run `{id}`; `toolgate runs` lists the runs"),
                None => "no run is recorded yet".to_owned(),
            }));
        }
        Found::Several(ids) => {
            let ids = ids.join(", ");
            return Err(Trouble::Usage(format!("several runs begin so: {ids}")));
        }
    };
    let story = Story::read(&paths, &run_id)?;
    match args.output {
        Output::Json => json::write(&story, out)?,
        Output::Text => {
            writeln!(out, "{}\n", sentence::sentence(&story))?;
            waterfall::write(&story, args.rows, paint, out)?;
            table::time(&story, paint, out)?;
            table::money(&story, paint, out)?;
            table::refusals(&story, paint, out)?;
        }
    }
    out.flush()?;
    for note in story.notes() {
        writeln!(err, "note: {note}")?;
    }
    Ok(())
}

/// Says what went wrong, if anything, and turns it into an exit code. A reader that had enough
/// (`| head`) is no error.
fn conclude(result: Result<(), Trouble>, err: &mut dyn Write) -> Exit {
    match result {
        Ok(()) => Exit::Ok,
        Err(Trouble::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(trouble) => {
            // Where not even this can be written, the exit code has to do.
            let _ = writeln!(err, "error: {trouble}");
            trouble.exit()
        }
    }
}
