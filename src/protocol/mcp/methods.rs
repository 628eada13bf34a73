//! The protocol's own methods: a closed table. What is not in it is somebody's own, and passes only
//! where a rule allows it by name.
//!
//! Sources: the schemas of the revisions 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28 of the
//! Model Context Protocol. Its experimental tasks are left out: their results come by another way
//! than the calls that were judged.

use crate::call::Effect;

/// The one method that runs a tool.
pub const TOOLS_CALL: &str = "tools/call";

/// The method that names the tools.
pub const TOOLS_LIST: &str = "tools/list";

/// What the protocol says of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    pub name: &'static str,
    pub sender: Sender,
    pub kind: Kind,
    /// Whether asking twice may be more than asking once.
    pub effect: Effect,
}

/// Who sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
    Either,
}

/// Whether it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Request,
    Notification,
}

const fn request(name: &'static str, sender: Sender, effect: Effect) -> Method {
    Method { name, sender, kind: Kind::Request, effect }
}

const fn notification(name: &'static str, sender: Sender) -> Method {
    Method { name, sender, kind: Kind::Notification, effect: Effect::Write }
}

/// All of them.
pub const METHODS: [Method; 29] = [
    request("completion/complete", Sender::Client, Effect::Read),
    request("elicitation/create", Sender::Server, Effect::Write),
    request("initialize", Sender::Client, Effect::Write),
    request("logging/setLevel", Sender::Client, Effect::Write),
    request("ping", Sender::Either, Effect::Read),
    request("prompts/get", Sender::Client, Effect::Read),
    request("prompts/list", Sender::Client, Effect::Read),
    request("resources/list", Sender::Client, Effect::Read),
    request("resources/read", Sender::Client, Effect::Read),
    request("resources/subscribe", Sender::Client, Effect::Write),
    request("resources/templates/list", Sender::Client, Effect::Read),
    request("resources/unsubscribe", Sender::Client, Effect::Write),
    request("roots/list", Sender::Server, Effect::Read),
    request("sampling/createMessage", Sender::Server, Effect::Write),
    request("server/discover", Sender::Client, Effect::Read),
    request("subscriptions/listen", Sender::Client, Effect::Read),
    request(TOOLS_CALL, Sender::Client, Effect::Write),
    request(TOOLS_LIST, Sender::Client, Effect::Read),
    notification("notifications/cancelled", Sender::Either),
    notification("notifications/elicitation/complete", Sender::Server),
    notification("notifications/initialized", Sender::Client),
    notification("notifications/message", Sender::Server),
    notification("notifications/progress", Sender::Either),
    notification("notifications/prompts/list_changed", Sender::Server),
    notification("notifications/resources/list_changed", Sender::Server),
    notification("notifications/resources/updated", Sender::Server),
    notification("notifications/roots/list_changed", Sender::Client),
    notification("notifications/subscriptions/acknowledged", Sender::Server),
    notification("notifications/tools/list_changed", Sender::Server),
];

/// Names an answer of the client's to a request of the server's.
pub const RESPONSE: &str = "response";

/// Names a GET: the stream of what the server has to say unasked.
pub const STREAM: &str = "stream";

/// Names a DELETE: the end of a session.
pub const END_SESSION: &str = "end_session";

/// Whether its answer stands open for whatever the server may say, until one of the two ends it.
pub fn stands_open(name: &str) -> bool {
    matches!(name, STREAM | "subscriptions/listen")
}

/// A method of the protocol's own that a client may send, as a message of this kind.
pub fn from_client(name: &str, kind: Kind) -> Option<&'static Method> {
    METHODS.iter().find(|method| {
        method.name == name
            && method.kind == kind
            && matches!(method.sender, Sender::Client | Sender::Either)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_client_sends_is_the_protocols_own() {
        let known = |name, kind| from_client(name, kind).is_some();
        assert!(known("initialize", Kind::Request));
        assert!(known("server/discover", Kind::Request));
        assert!(known("notifications/cancelled", Kind::Notification));
        assert!(!known("notifications/cancelled", Kind::Request));
        assert!(!known("tools/call", Kind::Notification));
        assert!(!known("sampling/createMessage", Kind::Request));
        assert!(!known("tasks/result", Kind::Request));
        assert!(!known("Tools/call", Kind::Request));
    }

    #[test]
    fn no_method_stands_twice() {
        let mut names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METHODS.len());
    }
}
