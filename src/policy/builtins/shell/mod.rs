//! Which commands a line of shell would run.
//!
//! A heuristic. It reads the shell command language (POSIX.1-2024, XCU chapter 2, and the bash
//! extensions that agents write) and lists every simple command in it, executed or not, so that a
//! rule judges the operation and not its spelling. What a program decides at run time is out of its
//! reach: scripts in files, `python -c`, `awk`'s `system`, aliases and functions of the machine,
//! variables that programs take commands from (`GIT_SSH_COMMAND`, `LD_PRELOAD`).
//!
//! Two conventions say "not known before it runs", and rules that deny should name them:
//! a command's name is `$`, and a flag is `$` when some argument may turn out to be a flag.
//! Where a guess is possible (`X=rm; $X -rf /`) the guessed command is listed as well.
//!
//! The parser is ours: the maintained ones recurse without a bound, and a nested text of 3 KiB ends
//! the process.

mod argv;
mod compound;
mod expand;
mod expansion;
mod grammar;
mod interpreters;
mod printed;
mod quote;
mod redirect;
mod scan;
mod table;
mod walkers;
mod word;
mod wrappers;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::BuiltinError;
use grammar::Until;
use scan::Reader;

/// Longest text that is read.
const TEXT_LIMIT_BYTES: usize = 16 * 1024;
/// Deepest nesting of groups, substitutions, quoted scripts and wrappers together.
const DEPTH_LIMIT: usize = 24;
/// Most commands listed, guesses included.
const COMMANDS_LIMIT: usize = 256;
/// Most bytes of scripts and arguments handled in all: scripts inside scripts are read again.
const WORK_LIMIT_BYTES: usize = 512 * 1024;
/// Variables whose values are remembered for guessing.
const VARIABLES_LIMIT: usize = 64;
/// Longest value worth remembering for guessing.
const GUESS_LIMIT_BYTES: usize = 4 * 1024;

/// The name of a command, and the flag, that only the run time knows.
pub const UNKNOWN: &str = "$";

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program, without its folder (`/bin/rm` is `rm`); [`UNKNOWN`] when an expansion or a
    /// pattern decides it; `:` for redirections without a command.
    pub name: String,
    /// Every argument after the name, unquoted; expansions stand as written.
    pub args: Vec<String>,
    /// Flags up to `--`, without dashes or values: `-rf` gives `r`, `f` and `rf`, `--color=never`
    /// gives `color`. Abbreviated long flags of common file tools are completed.
    pub flags: Vec<String>,
    /// Operands (arguments that are not flags), then the files of redirections, the bit buckets and
    /// standard streams under `/dev` excepted.
    pub paths: Vec<String>,
    /// Those files of redirections that are opened for writing (`>`, `>>`, `>|`, `<>`, `&>`), also
    /// among `paths`; expansions stand as written.
    pub writes: Vec<String>,
}

impl Command {
    /// Whether a flag was given, named without dashes: `r`, `recursive`.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }
}

/// The commands that `text` would run, wrappers such as `sudo` and what they wrap alike, in the
/// order in which they are met.
///
/// # Errors
/// Text that is not shell, that shells read differently, or beyond the bounds: 16 KiB, 24 levels of
/// nesting, 256 commands.
pub fn shell(text: &str) -> Result<Vec<Command>, BuiltinError> {
    if text.len() > TEXT_LIMIT_BYTES {
        return Err(BuiltinError::new(format!(
            "the command is longer than {TEXT_LIMIT_BYTES} bytes"
        )));
    }
    let mut sink = Sink::default();
    read_script(text, 0, &mut sink)?;
    Ok(sink.commands)
}

/// Reads a whole script and lists its commands.
fn read_script(text: &str, depth: usize, sink: &mut Sink) -> Result<(), BuiltinError> {
    sink.spend(text.len())?;
    if text.contains('\0') {
        return Err(BuiltinError::new("the command contains a NUL character"));
    }
    let mut reader = Reader::new(text, depth, sink);
    reader.list(Until::End)
}

/// Reads a script that is only a guess: when it is not shell, it adds nothing.
fn read_guess(text: &str, depth: usize, sink: &mut Sink) -> Result<(), BuiltinError> {
    let known = sink.commands.len();
    if read_script(text, depth, sink).is_err() {
        sink.commands.truncate(known);
        sink.spend(0)?;
    }
    Ok(())
}

/// What reading has gathered so far, across nested scripts.
#[derive(Debug, Default)]
struct Sink {
    commands: Vec<Command>,
    /// Last literal value of each variable, for guessing.
    variables: HashMap<String, String>,
    /// What an `echo` writes into the pipe that is being read from.
    feed: Option<String>,
    work_bytes: usize,
}

impl Sink {
    fn spend(&mut self, bytes: usize) -> Result<(), BuiltinError> {
        self.work_bytes = self.work_bytes.saturating_add(bytes);
        if self.work_bytes > WORK_LIMIT_BYTES {
            return Err(BuiltinError::new("the command holds too many scripts inside scripts"));
        }
        Ok(())
    }

    fn push(&mut self, command: Command) -> Result<(), BuiltinError> {
        self.spend(command.args.iter().map(String::len).sum())?;
        if self.commands.len() >= COMMANDS_LIMIT {
            return Err(BuiltinError::new(format!("more than {COMMANDS_LIMIT} commands")));
        }
        self.commands.push(command);
        Ok(())
    }

    /// Lists a command of which nothing is known.
    fn push_unknown(&mut self) -> Result<(), BuiltinError> {
        self.push(Command { name: UNKNOWN.to_owned(), ..Command::default() })
    }

    fn assign(&mut self, name: &str, value: Option<String>) {
        match value {
            Some(value) if value.len() <= GUESS_LIMIT_BYTES => {
                if self.variables.len() < VARIABLES_LIMIT || self.variables.contains_key(name) {
                    self.variables.insert(name.to_owned(), value);
                }
            }
            _ => {
                self.variables.remove(name);
            }
        }
    }
}

/// Refuses nesting that is too deep.
fn deeper(depth: usize) -> Result<usize, BuiltinError> {
    if depth >= DEPTH_LIMIT {
        return Err(BuiltinError::new(format!("nested deeper than {DEPTH_LIMIT} levels")));
    }
    Ok(depth + 1)
}
