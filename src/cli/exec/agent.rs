//! An agent behind a gate of its own: the gate listens on a free port, and the agent's environment
//! says where.

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::call::Provider;
use crate::cli::exec::{ExecArgs, Shelter, USUAL_CONFIG, failed, taken, trace};
use crate::cli::report::Exit;
use crate::cli::serving::server_bounds;
use crate::config::reads::Reads;
use crate::config::settings::{Kind, Settings};
use crate::ledger::RunBudget;
use crate::reload::Candidate;
use crate::server;

/// What a shell adds to a signal's number to make an exit code of it.
const BY_SIGNAL: i32 = 128;

/// Runs the agent and passes its exit code on.
pub(super) async fn run(args: &ExecArgs, budget: RunBudget) -> Exit {
    let path = args.config.as_deref().unwrap_or(Path::new(USUAL_CONFIG));
    let candidate = match taken(Candidate::read(path, &Reads::default())) {
        Ok(candidate) => candidate,
        Err(exit) => return exit,
    };
    let (shelter, settings) = match Shelter::open(candidate, budget).await {
        Ok(opened) => opened,
        Err(why) => return failed(&why),
    };
    let at = args.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listening = TcpListener::bind(at).await.and_then(|it| Ok((it.local_addr()?, it)));
    let (at, listener) = match listening {
        Ok(listening) => listening,
        Err(error) => return failed(&format!("cannot listen on {at}: {error}")),
    };
    let (stop, stopped) = watch::channel(false);
    let bounds = server_bounds(&settings);
    let serving = tokio::spawn(server::serve(listener, Arc::clone(&shelter.gate), bounds, stopped));
    // Before there is a program that they could be meant for.
    let signals = signals();
    let exit = match start(args, &settings, &shelter, at) {
        Ok(child) => follow(child, signals).await,
        Err(error) => {
            let program = args.command.first().map_or("", String::as_str);
            failed(&format!("cannot run `{program}`: {error}"))
        }
    };
    // What it left in the gate is nobody's any more.
    let _ = stop.send(true);
    let closed = shelter.close().await;
    serving.abort();
    if closed { exit } else { Exit::Io }
}

fn start(
    args: &ExecArgs,
    settings: &Settings,
    shelter: &Shelter,
    at: SocketAddr,
) -> io::Result<Child> {
    let (program, arguments) =
        args.command.split_first().ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
    let base = format!("http://{at}{}", shelter.prefix());
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    command.env("TOOLGATE_URL", &base);
    command.env("TOOLGATE_RUN_ID", &*shelter.run.0);
    command.env("TOOLGATE_RUN_TOKEN", &shelter.token);
    if let Some(span) = shelter.gate.ledger.hand_on(&shelter.run) {
        command.envs(trace::told(&span));
    }
    command.envs(places(settings, &base));
    command.envs(not_by_proxy());
    command.spawn()
}

/// A program that goes to the world by a proxy does not look for us there.
fn not_by_proxy() -> impl Iterator<Item = (&'static str, String)> {
    let own = Ipv4Addr::LOCALHOST.to_string();
    let names = ["NO_PROXY", "no_proxy"].into_iter();
    names.map(move |name| match std::env::var(name) {
        Ok(others) if !others.is_empty() => (name, format!("{others},{own}")),
        Ok(_) | Err(_) => (name, own.clone()),
    })
}

/// Where each upstream is, in the names under which programs look.
fn places(settings: &Settings, base: &str) -> Vec<(String, String)> {
    let mut places = Vec::new();
    for upstream in &settings.upstreams {
        let url = format!("{base}/{}", upstream.name);
        let own = format!("TOOLGATE_{}_URL", upstream.name.to_ascii_uppercase().replace('-', "_"));
        let url = match upstream.kind {
            Kind::Http | Kind::Llm(_) => url,
            Kind::Mcp => format!("{url}/mcp"),
        };
        for name in known_names(upstream.kind) {
            // Of two of a kind, the first is the one that a program finds.
            if !places.iter().any(|(taken, _)| taken == name) {
                places.push(((*name).to_owned(), url.clone()));
            }
        }
        places.push((own, url));
    }
    places
}

/// Where the providers' own SDKs look for a base URL.
fn known_names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Http | Kind::Mcp => &[],
        Kind::Llm(Provider::OpenAi) => &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
        Kind::Llm(Provider::Anthropic) => &["ANTHROPIC_BASE_URL"],
        Kind::Llm(Provider::Gemini) => &["GOOGLE_GEMINI_BASE_URL", "GEMINI_BASE_URL"],
    }
}

/// Waits for the program to end, and passes on to it what it is told by signals.
async fn follow(mut child: Child, mut signals: mpsc::Receiver<Signal>) -> Exit {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        tokio::select! {
            ended = child.wait() => return ended.map_or_else(|error| failed(&error.to_string()), exit_of),
            Some(signal) = signals.recv() => {
                if let Some(pid) = pid {
                    // One that has just ended is told nothing.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    let by_signal = || status.signal().map(|signal| BY_SIGNAL.saturating_add(signal));
    let code = status.code().or_else(by_signal).and_then(|code| u8::try_from(code).ok());
    Exit::Of(code.unwrap_or(u8::MAX))
}

/// Signals that are passed on. A terminal sends its own to the whole group, the program included.
fn signals() -> mpsc::Receiver<Signal> {
    let (sender, receiver) = mpsc::channel(16);
    let mut kinds = vec![
        (SignalKind::terminate(), Some(Signal::TERM)),
        (SignalKind::hangup(), Some(Signal::HUP)),
        (SignalKind::user_defined1(), Some(Signal::USR1)),
        (SignalKind::user_defined2(), Some(Signal::USR2)),
    ];
    let from_terminal = io::stdin().is_terminal();
    let unless = |signal| (!from_terminal).then_some(signal);
    kinds.push((SignalKind::interrupt(), unless(Signal::INT)));
    kinds.push((SignalKind::quit(), unless(Signal::QUIT)));
    for (kind, passed) in kinds {
        // Heard in any case, so that the gate does not end before the program.
        let Ok(mut heard) = signal(kind) else { continue };
        let sender = sender.clone();
        tokio::spawn(async move {
            while heard.recv().await.is_some() {
                if let Some(signal) = passed
                    && sender.send(signal).await.is_err()
                {
                    return;
                }
            }
        });
    }
    receiver
}
