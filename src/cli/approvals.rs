//! `toolgate approvals`: the calls that wait for a human, and the human's word.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::cli::operate::{self, Reach, Trouble, segment, text};
use crate::cli::report::Exit;
use crate::cli::terminal::{Output, fit};

/// Longest argument text shown, in characters; `--output json` shows all of it.
const BODY_WIDTH: usize = 2_000;

/// Look at the calls that wait for a human, and decide over them
#[derive(Debug, Args)]
pub struct ApprovalsArgs {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List those that wait
    List {
        /// List those that are over, too
        #[arg(long)]
        all: bool,
    },
    /// Let exactly this call pass, once
    Approve(Which),
    /// Refuse this call
    Deny(Which),
}

#[derive(Debug, Args)]
struct Which {
    /// The request's id
    #[arg(value_name = "ID")]
    id: String,
    /// A word to it; with a denial the agent is told
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Who decides, for the record [default: the user]
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

/// Runs the command.
///
/// Exits with 1 when the gate refuses, with 2 when the token or the arguments do not do, with 3 when
/// the gate cannot be reached.
pub fn run(args: &ApprovalsArgs, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    operate::conclude(approvals(args, out), err)
}

fn approvals(args: &ApprovalsArgs, out: &mut dyn Write) -> Result<(), Trouble> {
    let client = args.reach.client()?;
    let decide = |which: &Which, word: &str| {
        let said = json!({ "actor": operate::actor(which.actor.as_deref()), "note": which.note });
        let path = format!("/v1/approvals/{}/{word}", segment(&which.id));
        client.ask(Method::POST, &path, Some(&said))
    };
    let answer = match &args.what {
        None | Some(What::List { all: false }) => {
            client.ask(Method::GET, "/v1/approvals?status=pending", None)?
        }
        Some(What::List { all: true }) => client.ask(Method::GET, "/v1/approvals", None)?,
        Some(What::Approve(which)) => decide(which, "approve")?,
        Some(What::Deny(which)) => decide(which, "deny")?,
    };
    match args.reach.output {
        Output::Json => writeln!(out, "{answer:#}")?,
        Output::Text => match answer.get("approvals").and_then(Value::as_array) {
            Some(list) if list.is_empty() => writeln!(out, "nothing waits for approval")?,
            Some(list) => {
                for approval in list {
                    write(approval, out)?;
                }
            }
            None => writeln!(out, "{} is {}", text(&answer, "id"), text(&answer, "status"))?,
        },
    }
    Ok(out.flush()?)
}

/// What agents wrote is cut and stripped of control characters: it must not rewrite the terminal.
fn write(approval: &Value, out: &mut dyn Write) -> io::Result<()> {
    let part = |name| fit(text(approval, name), 200);
    writeln!(out, "{}  {}  {}  run {}", part("id"), part("status"), part("tool"), part("run_id"))?;
    writeln!(out, "  {}: {}", part("rule"), fit(text(approval, "message"), 1_000))?;
    let approvers = approval.get("approvers").and_then(Value::as_array);
    let names: Vec<&str> = approvers.into_iter().flatten().filter_map(Value::as_str).collect();
    if !names.is_empty() {
        writeln!(out, "  approvers: {}", fit(&names.join(", "), 400))?;
    }
    let Some(call) = approval.get("call") else { return Ok(()) };
    let query = match text(call, "query") {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let target = format!("{} {}{query}", text(call, "method"), text(call, "path"));
    writeln!(out, "  {}", fit(&target, BODY_WIDTH))?;
    match text(call, "body") {
        "" => Ok(()),
        body => writeln!(out, "  {}", fit(body, BODY_WIDTH)),
    }
}
