//! What may be asked of the demo: to send its spans somewhere, and to keep its gate for a while.

use std::path::PathBuf;

/// How to call it.
const USAGE: &str = "usage: demo [--otlp URL] [--more FILE] [--keep]
  --otlp URL   send the spans of all runs to a collector: http://127.0.0.1:6006
  --more FILE  keys that are added to the gate's config
  --keep       after the last scene keep the gate until standard input ends";

/// What was asked.
#[derive(Debug, Default)]
pub struct Options {
    /// Where spans go.
    pub otlp: Option<String>,
    /// A file of keys for the gate's config.
    pub more: Option<PathBuf>,
    /// Whether the gate stays after the last scene.
    pub keeps: bool,
}

impl Options {
    /// Reads the words of a command line.
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} what?\n{USAGE}"));
            match word.as_str() {
                "--otlp" => options.otlp = Some(value()?),
                "--more" => options.more = Some(value()?.into()),
                "--keep" => options.keeps = true,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Ok(options)
    }

    /// What is added to the gate's config.
    pub fn config(&self) -> Result<String, String> {
        let mut text = String::new();
        if let Some(url) = &self.otlp {
            text.push_str(&format!("export: {{ otlp: {url:?}, sample: 100% }}\n"));
        }
        if let Some(file) = &self.more {
            let more = std::fs::read_to_string(file)
                .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            text.push_str(&more);
        }
        Ok(text)
    }
}
