//! Where an upstream is, as its spans say.

/// Where an upstream is: nothing of it is a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// `https://api.example:8443/base`: no user, no query, no trailing slash. Empty of a command.
    pub base: Box<str>,
    /// The host's name or address; empty of a command.
    pub host: Box<str>,
    pub port: Option<u16>,
    pub transport: Transport,
}

/// How an upstream is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    #[default]
    Tcp,
    /// Standard input and output of a process.
    Pipe,
}

impl Transport {
    /// `network.transport` of the OpenTelemetry semantic conventions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Pipe => "pipe",
        }
    }
}
