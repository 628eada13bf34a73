//! `toolgate exec`: a gate for one program. With a command, an agent is run behind the gate and as one
//! run; with `--mcp`, a client on standard input is.

mod agent;
mod tally;
mod trace;
mod wrap;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::sync::watch;
use ulid::Ulid;

use crate::admin;
use crate::call::RunId;
use crate::cli::report::Exit;
use crate::cli::serving::{
    self, Assembled, FLUSH_TIME, bind, calls_closed, open_admin, plural, report, sweep,
};
use crate::clock::Clock;
use crate::config::settings::{Events, Settings};
use crate::ledger::{MintSpec, RunBudget, RunEnds};
use crate::pipeline::Gate;
use crate::policy::amount::Usd;
use crate::record::{Destination, Recorder};
use crate::reload::Candidate;
use crate::yaml::Diagnostic;

use tally::Tally;

/// The config that is looked for when none is named.
const USUAL_CONFIG: &str = "./toolgate.yaml";

/// How long the run's token holds.
const TOKEN_TIME: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How long calls may go on after the program has ended.
const LAST_CALLS_TIME: Duration = Duration::from_secs(1);

/// Run a program behind a gate of its own, as one run.
///
/// Base URLs and the run's token are in the program's environment. With --mcp, speak MCP on standard
/// input and output for an upstream, or for the command as one: put this in front of a server's
/// command in the config of a desktop client.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The config file [default: ./toolgate.yaml]
    #[arg(long, short, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Speak MCP for this upstream; if the config has none of that name, for the command.
    #[arg(long, value_name = "NAME")]
    pub mcp: Option<String>,
    /// Where the gate listens for the program [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "mcp")]
    pub listen: Option<SocketAddr>,
    /// What the run's calls may cost, in US dollars.
    #[arg(long, value_name = "AMOUNT")]
    pub budget_usd: Option<String>,
    /// How many calls the run may make.
    #[arg(long, value_name = "COUNT")]
    pub calls: Option<u64>,
    /// The program and its arguments, after `--`.
    #[arg(last = true, value_name = "COMMAND", required_unless_present = "mcp")]
    pub command: Vec<String>,
}

/// Runs the command.
pub fn run(args: &ExecArgs) -> Exit {
    let budget = match budget(args) {
        Ok(budget) => budget,
        Err(why) => return usage(&why),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let exit = match &args.mcp {
        None => runtime.block_on(agent::run(args, budget)),
        Some(name) => runtime.block_on(wrap::run(args, name, budget)),
    };
    // Standard input may be waited for in a thread that nothing wakes.
    runtime.shutdown_background();
    exit
}

fn usage(why: &str) -> Exit {
    eprintln!("toolgate: {why}");
    Exit::Usage
}

fn failed(why: &str) -> Exit {
    eprintln!("toolgate: {why}");
    Exit::Io
}

fn budget(args: &ExecArgs) -> Result<RunBudget, String> {
    if args.calls == Some(0) {
        return Err("--calls is from 1".to_owned());
    }
    let cost_usd = args.budget_usd.as_deref().map(Usd::parse).transpose();
    let cost_usd = cost_usd.map_err(|fault| format!("--budget-usd: {}", fault.message))?;
    Ok(RunBudget { calls: args.calls, cost_usd, ..RunBudget::default() })
}

/// The admin side, where the config asks for it. Several programs may share a config: the first has
/// the address, and the others do without.
async fn admin_side(gate: &Arc<Gate>, settings: &Settings) -> Option<watch::Sender<bool>> {
    let opened = match bind("admin", settings.admin).await {
        Ok(listener) => open_admin(gate, settings, &listener).map(|admin| (listener, admin)),
        Err(why) => Err(why),
    };
    match opened {
        Ok((listener, admin)) => {
            let (stop, stopped) = watch::channel(false);
            tokio::spawn(admin::serve(listener, admin, stopped));
            Some(stop)
        }
        Err(why) => {
            eprintln!("toolgate: warning: there is no admin side: {why}");
            None
        }
    }
}

/// What was read of a config. What is wrong with it is said.
fn taken(read: Result<Candidate, Vec<Diagnostic>>) -> Result<Candidate, Exit> {
    match read {
        Ok(candidate) => {
            report(&candidate.warnings);
            Ok(candidate)
        }
        Err(faults) => {
            report(&faults);
            let count = faults.len();
            eprintln!("toolgate: {count} {} found; not started", plural(count, "fault", "faults"));
            Err(Exit::Usage)
        }
    }
}

/// A gate for one program, and the program's run.
struct Shelter {
    assembled: Assembled,
    gate: Arc<Gate>,
    tally: Arc<Tally>,
    run: RunId,
    token: String,
    /// The admin side goes on until this is dropped.
    _admin: Option<watch::Sender<bool>>,
}

impl Shelter {
    /// Makes the gate and the run.
    async fn open(candidate: Candidate, budget: RunBudget) -> Result<(Self, Settings), String> {
        let admin_asked = candidate.is_written("admin");
        let Candidate { settings, policies, .. } = candidate;
        // Standard output is the program's.
        let destination = match &settings.events {
            Events::Stdout => Destination::Nowhere,
            Events::File(path) => Destination::File(path.clone()),
        };
        let tally = Arc::new(Tally::default());
        let counted = Arc::clone(&tally);
        let counts = move |recorder: Arc<Recorder>| -> Arc<dyn RunEnds> {
            counted.tell(recorder);
            counted
        };
        let clock = Clock::system();
        let assembled = serving::assemble(&settings, policies, clock, &destination, counts)?;
        let gate = Arc::clone(&assembled.gate);
        let now = gate.clock.now();
        let millis = u64::try_from(now.wall_ms).unwrap_or_default();
        let random = u128::from(fastrand::u64(..)) << 16 | u128::from(fastrand::u16(..));
        let run = RunId(Arc::from(format!("run_{}", Ulid::from_parts(millis, random))));
        let spec = MintSpec { budget, ..MintSpec::default() };
        let minted = gate.ledger.mint(run.clone(), &settings.caller, spec, TOKEN_TIME, now);
        let (token, _) = minted.map_err(|error| error.to_string())?;
        gate.ledger.lead(&run, trace::started_in().as_ref());
        tokio::spawn(sweep(Arc::clone(&gate), settings.runs.idle_end));
        let admin = if admin_asked { admin_side(&gate, &settings).await } else { None };
        Ok((Self { assembled, gate, tally, run, token, _admin: admin }, settings))
    }

    /// What stands in front of the paths of calls that belong to the run.
    fn prefix(&self) -> String {
        format!("/_run/{}", self.run.0)
    }

    /// Ends the run and says in one line what it came to. `false` when events were lost.
    async fn close(&self) -> bool {
        let closed = calls_closed(&self.gate.recorder);
        let _ = tokio::time::timeout(LAST_CALLS_TIME, closed).await;
        self.gate.snapshot().shutdown().await;
        self.assembled.end_runs().await;
        let mut err = io::stderr();
        // Nobody may be reading standard error.
        let _ = self.tally.write(&self.run, &mut err);
        let flushed = self.gate.recorder.flush(FLUSH_TIME);
        if !flushed {
            eprintln!("toolgate: the last events could not be written");
        }
        flushed
    }
}
