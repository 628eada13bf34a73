//! The command line: reads the arguments, runs the command, gives its exit code.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::cli::approvals::{self, ApprovalsArgs};
use crate::cli::check::{self, CheckOptions};
use crate::cli::drive::{self, DriveArgs};
use crate::cli::exec::{self, ExecArgs};
use crate::cli::explain::{self, ExplainArgs, RunsArgs};
use crate::cli::init;
use crate::cli::kill::{self, KillArgs};
use crate::cli::pins::{self, PinsArgs};
use crate::cli::report::{Exit, Format};
use crate::cli::run::{self, RunArgs};
use crate::cli::schema::{self, SchemaKind};
use crate::cli::terminal::wants_color;
use crate::cli::test::{self, TestOptions};
use crate::cli::unknown::{self, UnknownArgs};

/// A gate between an AI agent and its tools.
#[derive(Debug, Parser)]
#[command(name = "toolgate", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 ok, 1 findings, 2 usage or config, 3 I/O or unreachable.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(RunArgs),
    Exec(ExecArgs),
    Check(CheckArgs),
    Test(TestArgs),
    Explain(ExplainArgs),
    Runs(RunsArgs),
    Drive(DriveArgs),
    Approvals(ApprovalsArgs),
    Kill(KillArgs),
    Unknown(UnknownArgs),
    Pins(PinsArgs),
    /// Write a first config, policy and policy test
    Init {
        /// Where to write them.
        #[arg(value_name = "FOLDER", default_value = ".")]
        folder: PathBuf,
    },
    /// Print the JSON Schema of a file, for editors
    Schema {
        /// Which file.
        #[arg(long, value_enum, default_value_t)]
        kind: SchemaKind,
    },
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Check the config and the policies, and say all that is wrong
#[derive(Debug, Args)]
struct CheckArgs {
    /// The config file.
    #[arg(long, short, value_name = "PATH", default_value = "./toolgate.yaml")]
    config: PathBuf,
    /// Check these policy files and folders instead, without a config.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    policies: Vec<PathBuf>,
    /// Take warnings for errors.
    #[arg(long)]
    strict: bool,
    /// How to write the findings.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Play policy tests
#[derive(Debug, Args)]
struct TestArgs {
    /// Test files, and folders that are searched for `*.test.yaml`.
    #[arg(value_name = "PATH", default_value = "./policies")]
    paths: Vec<PathBuf>,
    /// The config that says which tags tools have and what they change; `./toolgate.yaml`, if there is
    /// one. What a test file says of a tool comes first.
    #[arg(long, short, value_name = "PATH")]
    config: Option<PathBuf>,
    /// How to write the results.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
    Github,
    Junit,
    Sarif,
}

impl From<Output> for Format {
    fn from(output: Output) -> Self {
        match output {
            Output::Text => Self::Text,
            Output::Json => Self::Json,
            Output::Github => Self::Github,
            Output::Junit => Self::Junit,
            Output::Sarif => Self::Sarif,
        }
    }
}

/// Reads the arguments and runs the command.
pub fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let exit = match command {
        Command::Run(args) => run::run(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Check(args) => run_check(args),
        Command::Test(args) => run_test(args),
        Command::Explain(args) => {
            let color = wants_color(&io::stdout());
            explain::run(&args, color, &mut io::stdout(), &mut io::stderr())
        }
        Command::Runs(args) => {
            let color = wants_color(&io::stdout());
            explain::runs(&args, color, &mut io::stdout(), &mut io::stderr())
        }
        Command::Drive(args) => run_drive(&args),
        Command::Approvals(args) => approvals::run(&args, &mut io::stdout(), &mut io::stderr()),
        Command::Kill(args) => kill::run(&args, &mut io::stdout(), &mut io::stderr()),
        Command::Pins(args) => pins::run(&args, &mut io::stdout(), &mut io::stderr()),
        Command::Unknown(args) => unknown::run(&args, &mut io::stdout(), &mut io::stderr()),
        Command::Init { folder } => match init::run(&folder) {
            Ok(said) => say(said.as_bytes()),
            Err(error) => {
                eprintln!("toolgate: {error}");
                Exit::Io
            }
        },
        Command::Schema { kind } => say(schema::run(kind).as_bytes()),
        Command::Version => say(concat!("toolgate ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "toolgate", &mut script);
            say(&script)
        }
    };
    ExitCode::from(exit.code())
}

fn run_check(args: CheckArgs) -> Exit {
    let options = CheckOptions {
        config: args.config,
        policies: args.policies,
        strict: args.strict,
        format: args.output.into(),
        color: wants_color(&io::stderr()),
    };
    check::run(&options, &mut io::stdout(), &mut io::stderr())
}

fn run_test(args: TestArgs) -> Exit {
    let options = TestOptions {
        paths: args.paths,
        format: args.output.into(),
        color: wants_color(&io::stderr()),
    };
    match test::catalogue(args.config.as_deref(), &mut io::stderr()) {
        Ok(known) => test::run(&options, known.as_ref(), &mut io::stdout(), &mut io::stderr()),
        Err(exit) => exit,
    }
}

fn run_drive(args: &DriveArgs) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(drive::run(args, &mut io::stdout(), &mut io::stderr())),
        Err(error) => {
            eprintln!("toolgate: {error}");
            Exit::Io
        }
    }
}

/// Writes to standard output. A reader that had enough (`| head`) is no error.
fn say(text: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("toolgate: cannot write the result: {error}");
            Exit::Io
        }
        Ok(()) | Err(_) => Exit::Ok,
    }
}
