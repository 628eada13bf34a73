//! `toolgate kill`: switches things off, lists what is off, and lifts it.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use crate::cli::operate::{self, Client, Reach, Trouble, segment, text};
use crate::cli::report::Exit;
use crate::cli::terminal::{Output, count, fit};

/// Widest reason in a list, in characters.
const REASON_WIDTH: usize = 60;

/// Widest list of tools, in characters.
const TOOLS_WIDTH: usize = 400;

/// Switch off everything, all writes, a tool, a run or a tenant, at once and until it is lifted
#[derive(Debug, Args)]
pub struct KillArgs {
    /// What to switch off
    #[arg(value_enum, required_unless_present_any = ["list", "lift"])]
    scope: Option<KillScope>,
    /// Its name: a tool, a glob or tag:NAME; a run; a tenant
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Why; agents are told
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Who does it, for the record [default: the user]
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// List what is switched off
    #[arg(long, conflicts_with_all = ["scope", "lift"])]
    list: bool,
    /// Lift the kill switch with this id
    #[arg(long, value_name = "ID", conflicts_with = "scope")]
    lift: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

/// What a kill switch is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KillScope {
    All,
    Writes,
    Tool,
    Run,
    Tenant,
}

/// Runs the command.
///
/// Exits with 1 when the gate refuses, with 2 when the token or the arguments do not do, with 3 when
/// the gate cannot be reached.
pub fn run(args: &KillArgs, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    operate::conclude(kill(args, out), err)
}

fn kill(args: &KillArgs, out: &mut dyn Write) -> Result<(), Trouble> {
    let client = args.reach.client()?;
    let answer = match (&args.lift, args.scope) {
        (Some(id), _) => client.ask(Method::DELETE, &format!("/v1/kills/{}", segment(id)), None)?,
        (None, Some(scope)) => engage(&client, args, scope)?,
        (None, None) => client.ask(Method::GET, "/v1/kills", None)?,
    };
    match args.reach.output {
        Output::Json => writeln!(out, "{answer:#}")?,
        Output::Text => match answer.get("kills").and_then(Value::as_array) {
            Some(kills) if kills.is_empty() => writeln!(out, "nothing is switched off")?,
            Some(kills) => {
                for kill in kills {
                    writeln!(out, "{}", line(kill))?;
                }
            }
            None if args.lift.is_some() => writeln!(out, "lifted {}", line(&answer))?,
            None => {
                writeln!(out, "switched off {}", line(&answer))?;
                told(&answer, out)?;
            }
        },
    }
    Ok(out.flush()?)
}

fn engage(client: &Client, args: &KillArgs, scope: KillScope) -> Result<Value, Trouble> {
    let (word, member) = match scope {
        KillScope::All => ("all", None),
        KillScope::Writes => ("writes", None),
        KillScope::Tool => ("tool", Some("tool")),
        KillScope::Run => ("run", Some("run")),
        KillScope::Tenant => ("tenant", Some("tenant")),
    };
    let actor = operate::actor(args.actor.as_deref());
    let mut asked = json!({ "scope": word, "reason": args.reason, "actor": actor });
    match (member, &args.name, asked.as_object_mut()) {
        (Some(member), Some(name), Some(members)) => {
            members.insert(member.to_owned(), Value::from(name.as_str()));
        }
        (Some(member), None, _) => {
            return Err(Trouble::Usage(format!("`kill {member}` needs a name")));
        }
        (None, Some(_), _) => {
            return Err(Trouble::Usage(format!("`kill {word}` takes no name")));
        }
        (_, _, _) => {}
    }
    client.ask(Method::POST, "/v1/kills", Some(&asked))
}

/// The tools that it is about, or that there seem to be none.
fn told(engaged: &Value, out: &mut dyn Write) -> io::Result<()> {
    let tools = engaged.get("matches").and_then(Value::as_array);
    let names: Vec<&str> = tools.into_iter().flatten().filter_map(Value::as_str).collect();
    if !names.is_empty() {
        let number = u64::try_from(names.len()).unwrap_or(u64::MAX);
        let names = fit(&names.join(", "), TOOLS_WIDTH);
        writeln!(out, "  {} of the config: {names}", count(number, "tool"))?;
    }
    match text(engaged, "warning") {
        "" => Ok(()),
        warning => writeln!(out, "  warning: {}", fit(warning, 200)),
    }
}

fn line(kill: &Value) -> String {
    let scope = text(kill, "scope");
    let name = text(kill, scope);
    let what = if name.is_empty() { scope.to_owned() } else { format!("{scope} {name}") };
    let reason = fit(text(kill, "reason"), REASON_WIDTH);
    let (id, what) = (fit(text(kill, "id"), 40), fit(&what, 60));
    let line = format!("{id}  {what}  by {}  {reason}", fit(text(kill, "actor"), 40));
    line.trim_end().to_owned()
}
