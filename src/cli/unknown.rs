//! `toolgate unknown`: the writes that were sent and not answered, and an operator's word that
//! somebody has looked what became of one.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::cli::operate::{self, Reach, Trouble, segment, text};
use crate::cli::report::Exit;
use crate::cli::terminal::{Output, fit};

/// Look at writes that were sent and not answered, and clear those that were looked after
#[derive(Debug, Args)]
pub struct UnknownArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them
    List,
    /// Let the same write be tried again: somebody has looked what became of it
    Clear {
        /// The id, as the list has it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// Runs the command.
///
/// Exits with 1 when the gate refuses, with 2 when the token or the arguments do not do, with 3 when
/// the gate cannot be reached.
pub fn run(args: &UnknownArgs, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    operate::conclude(unknown(args, out), err)
}

fn unknown(args: &UnknownArgs, out: &mut dyn Write) -> Result<(), Trouble> {
    let client = args.reach.client()?;
    let answer = match &args.what {
        None | Some(What::List) => client.ask(Method::GET, "/v1/unknown", None)?,
        Some(What::Clear { id }) => {
            client.ask(Method::DELETE, &format!("/v1/unknown/{}", segment(id)), None)?
        }
    };
    match args.reach.output {
        Output::Json => writeln!(out, "{answer:#}")?,
        Output::Text => match answer.get("unknown").and_then(Value::as_array) {
            Some(list) if list.is_empty() => writeln!(out, "no outcome is unknown")?,
            Some(list) => {
                for write in list {
                    line(write, out)?;
                }
            }
            None => writeln!(out, "cleared {}", fit(text(&answer, "id"), 40))?,
        },
    }
    Ok(out.flush()?)
}

fn line(write: &Value, out: &mut dyn Write) -> io::Result<()> {
    let part = |name| fit(text(write, name), 120);
    writeln!(out, "{}  {}  run {}", part("id"), part("tool"), part("run_id"))?;
    let read_back = write.get("read_back").and_then(Value::as_array);
    let names: Vec<&str> = read_back.into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    writeln!(out, "  also cleared by a success of {}", fit(&names.join(", "), 400))
}
