//! Is the function that a model named the tool that was called?
//!
//! Models name functions with letters, digits, `_` and `-`; clients make such names of a server and
//! an operation, each in its own way. The rule:
//!
//! - Runs of the characters `.`, `_`, `-`, `/` and `:` are one separator, and those at the ends are
//!   none. All else counts to the letter.
//! - A name is a tool's **full** name when it is the tool's server, a separator and its operation,
//!   or the same behind `mcp` and a separator. In the server's name the case of ASCII letters does
//!   not count; in the operation's it does.
//! - It is a tool's **bare** name when it is the operation alone.
//!
//! So `payments.refund`, `payments_refund`, `payments__refund`, `payments-refund`,
//! `mcp__payments__refund` and `Payments_refund` are full names of `payments.refund`; `refund` is its
//! bare name; `paymentsrefund`, `payments_Refund` and `mcp__billing__refund` are no names of it.

/// Longest name of a function that is remembered, in bytes. A longer one names no tool.
const NAME_LIMIT_BYTES: usize = 256;

/// What Claude's clients put in front of the server.
const MCP_PREFIX: &str = "mcp.";

/// The name of a function, as a model said it, with every separator as one dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SaidName(Box<str>);

/// The two halves of a tool's name, to be compared with what models say.
#[derive(Clone, Debug)]
pub(super) struct KnownName {
    server: String,
    operation: String,
}

/// How well a name fits a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Server and operation.
    Full,
    /// The operation alone: tools of other servers may have it too.
    Bare,
}

impl SaidName {
    pub fn of(name: &str) -> Self {
        let fits = name.len() <= NAME_LIMIT_BYTES;
        Self(if fits { folded(name).into_boxed_str() } else { Box::default() })
    }

    /// Whether it names the tool, and how well.
    pub fn fits(&self, tool: &KnownName) -> Option<Fit> {
        let Self(said) = self;
        if tool.operation.is_empty() {
            return None;
        }
        let before = said.strip_suffix(&*tool.operation)?;
        if before.is_empty() {
            return Some(Fit::Bare);
        }
        let server = before.strip_suffix('.')?;
        let is_server = |text: &str| text.eq_ignore_ascii_case(&tool.server);
        let named = is_server(server) || server.strip_prefix(MCP_PREFIX).is_some_and(is_server);
        named.then_some(Fit::Full)
    }
}

impl KnownName {
    pub fn of(server: &str, operation: &str) -> Self {
        Self { server: folded(server), operation: folded(operation) }
    }
}

fn folded(name: &str) -> String {
    let separates = |letter: char| matches!(letter, '.' | '_' | '-' | '/' | ':');
    let mut folded = String::with_capacity(name.len());
    for part in name.split(separates).filter(|part| !part.is_empty()) {
        if !folded.is_empty() {
            folded.push('.');
        }
        folded.push_str(part);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::{Fit, KnownName, SaidName};

    fn fit(said: &str, server: &str, operation: &str) -> Option<Fit> {
        SaidName::of(said).fits(&KnownName::of(server, operation))
    }

    #[test]
    fn the_ways_in_which_clients_name_a_tool() {
        for said in [
            "payments.refund",
            "payments_refund",
            "payments__refund",
            "payments-refund",
            "payments/refund",
            "payments:refund",
            "mcp__payments__refund",
            "mcp_payments_refund",
            "Payments_refund",
        ] {
            assert_eq!(fit(said, "payments", "refund"), Some(Fit::Full), "{said}");
        }
        assert_eq!(fit("refund", "payments", "refund"), Some(Fit::Bare));
        assert_eq!(fit("mcp__my-crm__get_customer", "my-crm", "get_customer"), Some(Fit::Full));
        assert_eq!(fit("my_crm_get-customer", "my-crm", "get_customer"), Some(Fit::Full));
        assert_eq!(fit("v1_refund", "payments", "v1.refund"), Some(Fit::Bare));
        assert_eq!(fit("mcp_refund", "mcp", "refund"), Some(Fit::Full));
    }

    #[test]
    fn other_tools_are_not_named() {
        for said in [
            "",
            "_",
            "paymentsrefund",
            "payments_Refund",
            "Refund",
            "payments.refunds",
            "xrefund",
            "mcp__billing__refund",
            "billing_refund",
            "mcp__mcp__payments__refund",
            "payments_refund_payments",
        ] {
            assert_eq!(fit(said, "payments", "refund"), None, "{said}");
        }
        assert_eq!(fit("a_bc", "ab", "c"), None);
        assert_eq!(fit("", "payments", "_"), None);
        let long = format!("payments_{}", "r".repeat(300));
        assert_eq!(fit(&long, "payments", &"r".repeat(300)), None);
    }
}
