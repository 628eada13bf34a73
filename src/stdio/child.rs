//! The process of a server: its start, its lines, its end. It leads a process group of its own, so
//! that whatever it started ends with it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::stdio::MESSAGE_LIMIT_BYTES;
use crate::stdio::lines::{Line, Lines};

/// Bytes of messages that wait for a child to read them.
const UNREAD_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Longest part of a line on standard error that is logged.
const LOGGED_LIMIT_BYTES: usize = 1_024;

/// How long a child may take to end by itself, and after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// How long what a child has said is still read when it has ended. Something that it started and that
/// left its group may hold the output open for ever.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How often, and after which pause, it is looked whether a group that was killed is gone.
const LAST_LOOKS: u32 = 25;
const LAST_LOOK: Duration = Duration::from_millis(10);

/// Of our own environment, what a child gets beside what the config gives it.
const USUAL: [&str; 12] = [
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LOGNAME",
    "PATH",
    "SHELL",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
];

/// What begins so is for this gate and for nobody it starts.
const OURS_PREFIX: &str = "TOOLGATE_";

/// How much of our environment a child gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inherit {
    /// What nearly every program needs, and no credentials: `PATH`, `HOME` and their kind.
    #[default]
    Usual,
    /// All but what is meant for the gate.
    All,
}

/// A server that is a command.
#[derive(Clone)]
pub struct Spec {
    /// The upstream, for logs.
    pub name: Arc<str>,
    /// The program and its arguments; no shell sees them.
    pub command: Vec<String>,
    pub env: Vec<(String, SecretString)>,
    /// Where it runs; where the gate does, if not given.
    pub cwd: Option<PathBuf>,
    pub inherit: Inherit,
}

impl PartialEq for Spec {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, command, env, cwd, inherit } = self;
        let shown = |env: &[(String, SecretString)]| {
            let pairs =
                env.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
            pairs.collect::<Vec<_>>()
        };
        (name, command, cwd, inherit) == (&other.name, &other.command, &other.cwd, &other.inherit)
            && shown(env) == shown(&other.env)
    }
}

impl Eq for Spec {}

impl fmt::Debug for Spec {
    /// Neither arguments nor the environment: credentials stand in both.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec")
            .field("name", &self.name)
            .field("program", &self.command.first())
            .finish_non_exhaustive()
    }
}

/// A process that runs. Dropped, it is ended.
pub(super) struct Child {
    lines: mpsc::UnboundedSender<String>,
    /// INVARIANT: the bytes of lines that were sent and not yet written.
    unread: Arc<AtomicUsize>,
    /// True once the process and its group are gone.
    ended: watch::Receiver<bool>,
    /// Also when it is dropped.
    stop: watch::Sender<bool>,
}

/// A child that does not read what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unread;

/// Ends a process group for good when the task that keeps it is given up.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.0 {
            // A group that is gone needs no signal.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Group {
    /// Waits until nothing of the group is left. Killed is not gone yet.
    async fn gone(&self) {
        let Some(pid) = self.0 else { return };
        for _ in 0..LAST_LOOKS {
            if test_kill_process_group(pid).is_err() {
                return;
            }
            tokio::time::sleep(LAST_LOOK).await;
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Child {
    /// Starts the command. What it says comes out of the second value.
    ///
    /// # Errors
    /// When there is no such program, or it cannot be started.
    pub fn start(spec: &Spec) -> io::Result<(Self, ChildStdout)> {
        let mut child = command(spec)?.spawn()?;
        let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let (lines, to_write) = mpsc::unbounded_channel();
        let unread = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = watch::channel(false);
        let writing = tokio::spawn(write(stdin, to_write, Arc::clone(&unread)));
        tokio::spawn(log(stderr, Arc::clone(&spec.name)));
        tokio::spawn(async move {
            keep(child, group, stopped, writing).await;
            let _ = ending.send(true);
        });
        Ok((Self { lines, unread, ended, stop }, stdout))
    }

    /// Asks the process to end: first by the end of its input, then by signals.
    pub fn stop(&self) {
        let _ = self.stop.send(true);
    }

    /// Sends one line.
    pub fn send(&self, line: String) -> Result<(), Unread> {
        let size = line.len();
        if self.unread.fetch_add(size, Ordering::AcqRel).saturating_add(size) > UNREAD_LIMIT_BYTES {
            self.unread.fetch_sub(size, Ordering::AcqRel);
            return Err(Unread);
        }
        // A child that is gone is noticed by its silence.
        let _ = self.lines.send(line);
        Ok(())
    }

    /// Turns true once the process and all it started are gone.
    pub fn ended(&self) -> watch::Receiver<bool> {
        self.ended.clone()
    }
}

fn command(spec: &Spec) -> io::Result<Command> {
    let (program, arguments) =
        spec.command.split_first().ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    let inherited = std::env::vars_os().filter(|(name, _)| {
        let Some(name) = name.to_str() else { return false };
        match spec.inherit {
            Inherit::Usual => USUAL.contains(&name),
            Inherit::All => !name.starts_with(OURS_PREFIX),
        }
    });
    command.envs(inherited);
    command.envs(spec.env.iter().map(|(name, value)| (name, value.expose_secret())));
    if let Some(cwd) = &spec.cwd {
        command.current_dir(cwd);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    Ok(command)
}

/// Waits for the process to end, or ends it when that is asked for, and with it its group.
async fn keep(
    mut child: tokio::process::Child,
    group: Group,
    mut stopped: watch::Receiver<bool>,
    writing: JoinHandle<()>,
) {
    let asked = tokio::select! {
        _ = child.wait() => false,
        _ = stopped.wait_for(|stop| *stop) => true,
    };
    // With this its input ends.
    writing.abort();
    if asked && tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        group.signal(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, child.wait()).await;
    }
    group.signal(Signal::KILL);
    let _ = child.wait().await;
    group.gone().await;
}

async fn write(
    mut stdin: ChildStdin,
    mut lines: mpsc::UnboundedReceiver<String>,
    unread: Arc<AtomicUsize>,
) {
    while let Some(mut line) = lines.recv().await {
        let size = line.len();
        line.push('\n');
        if stdin.write_all(line.as_bytes()).await.is_err() {
            break;
        }
        unread.fetch_sub(size, Ordering::AcqRel);
    }
}

/// Hands every line on, until the output or the child ends or nobody hears it any more.
pub(super) async fn listen<H: Hears>(
    output: impl AsyncRead + Unpin,
    hears: Weak<H>,
    mut ended: watch::Receiver<bool>,
) {
    let mut lines = Lines::new(output);
    let mut over = std::pin::pin!(async move {
        let _ = ended.wait_for(|ended| *ended).await;
        tokio::time::sleep(LAST_WORDS).await;
    });
    loop {
        let heard = tokio::select! {
            heard = lines.next(MESSAGE_LIMIT_BYTES) => heard,
            () = &mut over => None,
        };
        let Some(hears) = hears.upgrade() else { return };
        match heard {
            Some(Line::Whole(line)) => hears.line(line),
            Some(Line::TooLong(bytes)) => hears.too_long(bytes),
            None => return hears.gone(),
        }
    }
}

async fn log(errors: impl AsyncRead + Unpin, name: Arc<str>) {
    let mut lines = Lines::new(errors);
    while let Some(line) = lines.next(LOGGED_LIMIT_BYTES).await {
        match line {
            Line::Whole(line) => {
                let text = String::from_utf8_lossy(&line);
                tracing::debug!(upstream = %name, text = %text.escape_debug(), "standard error");
            }
            Line::TooLong(bytes) => tracing::debug!(upstream = %name, bytes, "standard error"),
        }
    }
}

/// What a child tells whoever started it.
pub(super) trait Hears: Send + Sync + 'static {
    /// One line, without its end.
    fn line(&self, line: Vec<u8>);
    /// A line that was longer than a message may be, of which only its size is known.
    fn too_long(&self, bytes: usize);
    /// There will be no more lines.
    fn gone(&self);
}
