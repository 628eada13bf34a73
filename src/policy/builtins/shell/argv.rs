//! From fields to a listed command, and on to what it would itself run.

use super::redirect::{Input, Redirects};
use super::scan::Reader;
use super::word::Field;
use super::wrappers::{Inner, inner};
use super::{Command, UNKNOWN, deeper, read_guess, read_script};
use crate::policy::builtins::BuiltinError;

/// Long flags that programs accept abbreviated (GNU `getopt_long`, git) and that rules ask for.
const LONG_FLAGS: &[(&[&str], &[&str])] = &[
    (
        &["rm"],
        &[
            "recursive",
            "force",
            "no-preserve-root",
            "preserve-root",
            "one-file-system",
            "interactive",
            "dir",
            "verbose",
        ],
    ),
    (
        &["chmod", "chown", "chgrp"],
        &[
            "recursive",
            "reference",
            "no-preserve-root",
            "preserve-root",
            "no-dereference",
            "dereference",
            "silent",
            "quiet",
            "verbose",
            "changes",
            "from",
        ],
    ),
    (
        &["cp", "mv", "ln", "install"],
        &[
            "recursive",
            "force",
            "remove-destination",
            "target-directory",
            "no-target-directory",
            "archive",
            "backup",
        ],
    ),
    (&["git"], &["force", "force-with-lease", "force-if-includes", "delete", "mirror", "hard"]),
];

impl Reader<'_, '_> {
    /// Lists a command and, as further ones, what it runs. `guessed`: its words are guesses.
    pub(super) fn run(
        &mut self,
        fields: &[Field],
        redirects: &Redirects,
        guessed: bool,
    ) -> Result<(), BuiltinError> {
        let Some((first, rest)) = fields.split_first() else {
            if redirects.files.is_empty() {
                return Ok(());
            }
            let (paths, writes) = (redirects.files.clone(), redirects.written.clone());
            let name = ":".to_owned();
            return self.sink.push(Command { name, paths, writes, ..Command::default() });
        };
        let mut command = command(first, rest);
        let name = command.name.clone();
        command.paths.extend_from_slice(&redirects.files);
        command.writes.extend_from_slice(&redirects.written);
        self.sink.push(command)?;
        self.depth = deeper(self.depth)?;
        for inner in inner(&name, rest) {
            self.run_inner(inner, &redirects.input, guessed)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn run_inner(
        &mut self,
        inner: Inner,
        input: &Input,
        guessed: bool,
    ) -> Result<(), BuiltinError> {
        let depth = deeper(self.depth)?;
        match inner {
            Inner::Argv(fields) => {
                let redirects = Redirects { input: input.clone(), ..Redirects::default() };
                self.run(&fields, &redirects, guessed)
            }
            Inner::Script { text, expanded } => {
                if expanded {
                    self.sink.push_unknown()?;
                }
                if guessed || expanded {
                    read_guess(&text, depth, self.sink)
                } else {
                    read_script(&text, depth, self.sink)
                }
            }
            Inner::Unknown => self.sink.push_unknown(),
            Inner::Positional(values) => {
                self.sink.assign("@", Some(values.get(1..).unwrap_or_default().join(" ")));
                self.sink.assign("*", Some(values.get(1..).unwrap_or_default().join(" ")));
                for (index, value) in values.iter().enumerate().take(10) {
                    self.sink.assign(&index.to_string(), Some(value.clone()));
                }
                Ok(())
            }
            Inner::Input => match input {
                Input::Text(text, open) => {
                    if *open {
                        self.sink.push_unknown()?;
                        return read_guess(text, depth, self.sink);
                    }
                    read_script(text, depth, self.sink)
                }
                Input::Heredoc(index) => {
                    if let Some(heredoc) = self.heredocs.get_mut(*index) {
                        heredoc.script = true;
                    }
                    Ok(())
                }
                Input::Unknown => {
                    self.sink.push_unknown()?;
                    match self.sink.feed.clone() {
                        Some(feed) => read_guess(&feed, depth, self.sink),
                        None => Ok(()),
                    }
                }
            },
        }
    }
}

/// The name a field gives to a command.
pub(super) fn name_of(field: &Field) -> String {
    if field.open {
        return UNKNOWN.to_owned();
    }
    field.text.rsplit('/').next().unwrap_or_default().to_owned()
}

fn command(first: &Field, rest: &[Field]) -> Command {
    let mut command = Command { name: name_of(first), ..Command::default() };
    let mut operands_only = false;
    for field in rest {
        command.args.push(field.text.clone());
        if !operands_only && field.may_be_flag {
            add_flag(&mut command.flags, UNKNOWN);
        }
        if operands_only || field.text == "-" || !field.text.starts_with('-') {
            command.paths.push(field.text.clone());
        } else if field.text == "--" {
            operands_only = true;
        } else {
            add_flags(&mut command, &field.text);
        }
    }
    command
}

/// Adds the flags of one argument that begins with a dash.
fn add_flags(command: &mut Command, argument: &str) {
    let long = argument.strip_prefix("--");
    let flag = argument.trim_start_matches('-');
    let flag = flag.split('=').next().unwrap_or_default();
    if long.is_some() {
        add_flag(&mut command.flags, flag);
        let known = LONG_FLAGS.iter().filter(|(names, _)| names.contains(&command.name.as_str()));
        for full in known.flat_map(|(_, flags)| flags.iter()) {
            if !flag.is_empty() && full.starts_with(flag) {
                add_flag(&mut command.flags, full);
            }
        }
        return;
    }
    let mut utf8 = [0_u8; 4];
    for c in flag.chars() {
        add_flag(&mut command.flags, c.encode_utf8(&mut utf8));
    }
    add_flag(&mut command.flags, flag);
}

fn add_flag(flags: &mut Vec<String>, flag: &str) {
    // A cluster of thousands of letters must not make this quadratic.
    const FLAGS_LIMIT: usize = 256;
    if flags.len() < FLAGS_LIMIT && !flags.iter().any(|known| known == flag) {
        flags.push(flag.to_owned());
    }
}
