//! `${env:NAME}` and `${file:PATH}`: how secrets come in. They are never printed.

use std::ops::Range;
use std::path::Path;

use secrecy::SecretString;

use super::codes;
use super::reads::Reads;
use crate::yaml::ScalarFault;

/// Largest file a secret is read from.
const SECRET_LIMIT_BYTES: u64 = 64 * 1024;

/// Where secrets come from.
pub(super) struct Secrets<'a> {
    /// What file paths are relative to.
    pub folder: &'a Path,
    /// The process's environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Reads files.
    pub reads: &'a Reads,
}

/// Why a secret cannot be brought in.
#[derive(Debug)]
pub(super) struct SecretFault {
    pub code: &'static str,
    pub text: ScalarFault,
    /// Bytes of the text that was to be expanded.
    pub range: Range<usize>,
}

impl Secrets<'_> {
    /// Replaces each reference in `text`; a text without one is refused, as a secret that is
    /// written into a file ends up where the file goes.
    ///
    /// # Errors
    /// The first reference that cannot be replaced. No fault repeats any part of a secret.
    pub fn expand(&self, text: &str) -> Result<SecretString, SecretFault> {
        let mut value = String::new();
        let mut at = 0;
        let mut references = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find("${")) {
            let start = at + found;
            value.push_str(text.get(at..start).unwrap_or_default());
            let rest = text.get(start..).unwrap_or_default();
            let Some(length) = rest.find('}') else {
                let fault = ScalarFault::new("`${` is not closed").help("add `}`");
                return Err(secret_fault(fault, start..text.len()));
            };
            let inside = rest.get(2..length).unwrap_or_default();
            at = start + length + 1;
            value.push_str(&self.look_up(inside).map_err(|fault| secret_fault(fault, start..at))?);
            references += 1;
        }
        value.push_str(text.get(at..).unwrap_or_default());
        if references == 0 {
            let text_fault = ScalarFault::new("a secret is written into the file")
                .help("write `${env:NAME}` or `${file:PATH}`");
            let range = 0..text.len();
            return Err(SecretFault { code: codes::PLAIN_SECRET, text: text_fault, range });
        }
        Ok(SecretString::from(value))
    }

    fn look_up(&self, reference: &str) -> Result<String, ScalarFault> {
        match reference.split_once(':') {
            Some(("env", name)) => match (self.environment)(name) {
                Some(value) if !value.is_empty() => Ok(value),
                Some(_) => Err(ScalarFault::new(format!("`{name}` is empty in the environment"))),
                None => Err(ScalarFault::new(format!("`{name}` is not set in the environment"))),
            },
            Some(("file", path)) => self.read(path),
            Some((other, rest)) => {
                let fault = ScalarFault::new(format!("`{other}` is not a source of secrets"));
                let lower = other.to_ascii_lowercase();
                Err(match lower.as_str() {
                    "env" | "environment" => fault.help(format!("did you mean `${{env:{rest}}}`?")),
                    _ => fault.help("`${env:NAME}` or `${file:PATH}`"),
                })
            }
            None => Err(ScalarFault::new("expected `${env:NAME}` or `${file:PATH}`")
                .help(format!("did you mean `${{env:{reference}}}`?"))),
        }
    }

    /// The file's text without the line break at its end.
    fn read(&self, path: &str) -> Result<String, ScalarFault> {
        let failed = |error: std::io::Error| {
            ScalarFault::new(format!("the secret's file `{path}` cannot be read: {error}"))
        };
        let bytes = self.reads.file(&self.folder.join(path), SECRET_LIMIT_BYTES).map_err(failed)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ScalarFault::new(format!("the secret's file `{path}` is not UTF-8")))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        if text.len() as u64 > SECRET_LIMIT_BYTES {
            return Err(ScalarFault::new(format!("`{path}` is too large for a secret")));
        }
        if secret.is_empty() {
            return Err(ScalarFault::new(format!("the secret's file `{path}` is empty")));
        }
        Ok(secret.to_owned())
    }
}

fn secret_fault(text: ScalarFault, range: Range<usize>) -> SecretFault {
    SecretFault { code: codes::SECRET, text, range }
}
