//! An upstream that the command line adds to a config: a command that is wrapped.

use std::sync::Arc;

use super::raw;
use super::settings::Settings;
use crate::stdio::Inherit;
use crate::yaml::{self, Source};

/// A command under the name of an upstream.
#[derive(Clone, Copy, Debug)]
pub struct Wrapped<'a> {
    pub name: &'a str,
    /// The program and its arguments.
    pub command: &'a [String],
}

impl Wrapped<'_> {
    /// A config of no upstream yet.
    pub(super) fn nothing() -> Arc<Source> {
        let text = "apiVersion: toolgate/v1\nkind: Config\nupstreams: {}\n".to_owned();
        Arc::new(Source { name: "the command line".to_owned(), text })
    }

    /// A config of this upstream alone.
    fn source(&self) -> Arc<Source> {
        // What is JSON is YAML, too.
        let (name, command) = (serde_json::json!(self.name), serde_json::json!(self.command));
        let text = format!(
            "apiVersion: toolgate/v1\nkind: Config\nupstreams: {{ {name}: {{ mcp: {{ command: {command} }} }} }}\n"
        );
        Arc::new(Source { name: "the command line".to_owned(), text })
    }

    /// Adds the upstream, unless there is one of its name or there is no command. Whether it is there
    /// on the command line's account.
    pub(super) fn add_to(&self, raw: &mut raw::Config) -> bool {
        if self.command.is_empty() {
            return false;
        }
        let own: Option<raw::Config> =
            yaml::read_partial(&self.source(), raw::SHAPE, &mut Vec::new());
        let Some(own) = own.and_then(|own| own.upstreams) else { return false };
        let Some(upstreams) = &mut raw.upstreams else {
            raw.upstreams = Some(own);
            return true;
        };
        if upstreams.value.iter().any(|(name, _)| name.value == self.name) {
            return false;
        }
        upstreams.value.0.extend(own.value);
        true
    }

    /// What no config says of a command: it is the user's own, and has all of our environment.
    pub(super) fn complete(&self, settings: &mut Settings) {
        let named = settings.upstreams.iter_mut().find(|upstream| &*upstream.name == self.name);
        if let Some(command) = named.and_then(|upstream| upstream.command.as_mut()) {
            command.inherit = Inherit::All;
        }
    }
}
