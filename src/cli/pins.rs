//! `toolgate pins`: what tool servers have said their tools are, and an operator's word that a
//! changed definition was looked at.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::cli::operate::{self, Reach, Trouble, segment, text};
use crate::cli::report::Exit;
use crate::cli::terminal::{Output, fit};

/// Look at what MCP servers say their tools are, and take changed definitions over
#[derive(Debug, Args)]
pub struct PinsArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the tools, those whose definitions have changed with both
    List,
    /// Take over what the server says of a tool now: somebody has looked at it
    Approve {
        /// The tool, as the list has it
        #[arg(value_name = "TOOL")]
        tool: String,
        /// The version that was looked at; another one is refused
        #[arg(long, value_name = "DIGEST")]
        version: Option<String>,
        /// Who decides, for the record [default: the user]
        #[arg(long, value_name = "NAME")]
        actor: Option<String>,
    },
}

/// Runs the command.
///
/// Exits with 1 when the gate refuses, with 2 when the token or the arguments do not do, with 3 when
/// the gate cannot be reached.
pub fn run(args: &PinsArgs, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    operate::conclude(pins(args, out), err)
}

fn pins(args: &PinsArgs, out: &mut dyn Write) -> Result<(), Trouble> {
    let client = args.reach.client()?;
    let answer = match &args.what {
        None | Some(What::List) => client.ask(Method::GET, "/v1/pins", None)?,
        Some(What::Approve { tool, version, actor }) => {
            let mut said = json!({ "actor": operate::actor(actor.as_deref()) });
            if let (Some(version), Some(said)) = (version, said.as_object_mut()) {
                said.insert("version".to_owned(), json!(version));
            }
            let path = format!("/v1/pins/{}/approve", segment(tool));
            client.ask(Method::POST, &path, Some(&said))?
        }
    };
    match args.reach.output {
        Output::Json => writeln!(out, "{answer:#}")?,
        Output::Text => match answer.get("pins").and_then(Value::as_array) {
            Some(list) if list.is_empty() => writeln!(out, "no tool has been listed")?,
            Some(list) => {
                for pin in list {
                    write(pin, out)?;
                }
            }
            None => {
                writeln!(out, "{} is {}", fit(text(&answer, "tool"), 160), text(&answer, "status"))?
            }
        },
    }
    Ok(out.flush()?)
}

/// What servers wrote is cut and stripped of control characters: it must not rewrite the terminal.
fn write(pin: &Value, out: &mut dyn Write) -> io::Result<()> {
    let of = |name: &str, part: &str| {
        let definition = pin.get(name);
        definition.map(|definition| fit(text(definition, part), 400)).unwrap_or_default()
    };
    let (tool, status) = (fit(text(pin, "tool"), 160), text(pin, "status"));
    writeln!(out, "{tool}  {status}  {}  {}", of("agreed", "effect"), of("agreed", "digest"))?;
    if pin.get("changed").is_none() {
        return Ok(());
    }
    writeln!(out, "  was: {}", of("agreed", "description"))?;
    writeln!(out, "  now: {}", of("changed", "description"))?;
    if of("agreed", "beside") != of("changed", "beside") {
        writeln!(out, "  beside it was: {}", of("agreed", "beside"))?;
        writeln!(out, "  beside it now: {}", of("changed", "beside"))?;
    }
    writeln!(out, "  toolgate pins approve {tool} --version {}", of("changed", "digest"))
}
