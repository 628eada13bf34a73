//! Processes under measurement: started, asked for their address, read from `/proc`, stopped.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::load::{Measured, Round};

/// Clock ticks a second in `/proc/PID/stat`: USER_HZ, 100 on every Linux.
const TICKS_A_SECOND: u64 = 100;

/// A child that is killed when it is dropped.
pub struct Process(pub Child);

/// Something that forwards calls.
pub struct Endpoint {
    pub name: &'static str,
    pub address: SocketAddr,
    pub through_gate: bool,
    pub process: Process,
}

/// The load generator, which takes one round after the other.
pub struct Load {
    _process: Process,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a round cost the proxy and brought the agents.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub measured: Measured,
    pub cpu: Duration,
}

/// This program once more, in another role.
pub fn role(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args(words);
    command
}

/// Starts a server that prints its address first.
pub fn server(mut command: Command) -> (Process, SocketAddr) {
    let mut process = Process(command.stdout(Stdio::piped()).spawn().expect("it starts"));
    let mut line = String::new();
    let stdout = process.0.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
    let address = line.trim().parse().expect("an address");
    (process, address)
}

impl Load {
    /// Starts the generator.
    pub fn start() -> Self {
        let mut command = role(&["load"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = Process(child.expect("it starts"));
        let orders = process.0.stdin.take().expect("it is piped");
        let answers = BufReader::new(process.0.stdout.take().expect("it is piped"));
        Self { _process: process, orders, answers }
    }

    /// Runs one round, and reads before and after it what `pid` and its children have used.
    pub fn round(&mut self, round: Round, pid: u32) -> Cost {
        self.order(&round.to_line());
        assert_eq!(self.answer().trim(), "ready", "the load generator failed");
        let before = cpu(pid);
        self.order("go");
        let measured = Measured::parse(self.answer().trim()).expect("the load generator failed");
        Cost { measured, cpu: cpu(pid).saturating_sub(before) }
    }

    fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").expect("the load generator reads");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the load generator answers");
        line
    }
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, and waits until it has.
    pub fn terminate(&mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status();
        asked.expect("kill is there");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Processor time that a process and its children have used, user and system.
fn cpu(pid: u32) -> Duration {
    let ticks: u64 = tree(pid).into_iter().filter_map(ticks).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_A_SECOND)
}

/// Fields 14 and 15 of `/proc/PID/stat` (proc_pid_stat(5)); the name before them may hold spaces.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The most memory that a process and its children ever had resident, in MiB.
pub fn peak_mib(pid: u32) -> f64 {
    let peak = |pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_ascii_whitespace().next()?.parse::<f64>().ok()
    };
    tree(pid).into_iter().filter_map(peak).sum::<f64>() / 1_024.0
}

/// A process and its children; nginx has workers.
fn tree(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let mut found = vec![pid];
    let children = children.unwrap_or_default();
    found.extend(children.split_ascii_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    found
}
