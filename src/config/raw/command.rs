//! An MCP server that is a command, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::yaml::{Entries, Field, Text};

/// A command that speaks MCP on its standard input and output.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, one an entry: no shell reads them.
    #[schemars(required)]
    pub command: Option<Field<Vec<Field<String>>>>,
    /// Environment variables beside `PATH`, `HOME` and their kind, which it has in any case. Of the
    /// gate's others it sees none. `${env:NAME}` and `${file:PATH}` bring secrets in.
    #[serde(default)]
    #[schemars(with = "Entries<String>")]
    pub env: Entries<Text>,
    /// The folder it runs in, relative to this file. Default: where the gate runs.
    pub cwd: Option<Field<String>>,
}
