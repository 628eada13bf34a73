//! Which commands a line of shell would run.

use super::BuiltinError;

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The program, without its folder; `$` when it is only known at run time.
    pub name: String,
    /// Every argument after the name.
    pub args: Vec<String>,
    /// Flags without dashes or values; a cluster such as `-rf` counts as `r` and `f`.
    pub flags: Vec<String>,
    /// Operands: arguments that are not flags, and targets of redirections.
    pub paths: Vec<String>,
}

impl Command {
    /// Whether a flag was given, named without dashes: `r`, `recursive`.
    #[must_use]
    pub fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|given| given == flag)
    }
}

/// The commands that `text` would run, wrappers such as `sudo` and what they wrap alike.
///
/// # Errors
/// Text that is not shell, or beyond the bounds.
pub fn shell(_text: &str) -> Result<Vec<Command>, BuiltinError> {
    Err(BuiltinError::new("not shell"))
}
