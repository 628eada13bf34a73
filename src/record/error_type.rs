//! Why a call failed, in one word: the same on its span and on its metrics.

use std::fmt;

use crate::call::{ErrorClass, Outcome, Status};

/// Codes that JSON-RPC 2.0 keeps for itself and for servers (section 5.1, "Error object"). Of others
/// nobody knows how many there are.
const RESERVED_CODES: [std::ops::RangeInclusive<i64>; 3] =
    [-32_700..=-32_700, -32_603..=-32_600, -32_099..=-32_000];

/// A value of `error.type` (OpenTelemetry semantic conventions, general attributes): one of few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    Class(ErrorClass),
    /// It has no class: the status it ended with.
    Status(Status),
    /// The code of a JSON-RPC error.
    Rpc(i64),
}

impl ErrorType {
    /// Why a call failed that ended so; `None` where it ended well, whatever else is to be said of
    /// its answer. `rpc_code`: of the JSON-RPC error that answered it.
    pub fn of(outcome: &Outcome, rpc_code: Option<i64>) -> Option<Self> {
        match outcome.status {
            Status::Ok => None,
            Status::Error
            | Status::Timeout
            | Status::Denied
            | Status::Cancelled
            | Status::Unknown => Some(Self::of_failure(outcome, rpc_code)),
        }
    }

    fn of_failure(outcome: &Outcome, rpc_code: Option<i64>) -> Self {
        let by_class = outcome.error_class.map_or(Self::Status(outcome.status), Self::Class);
        let said = match outcome.status {
            // What the server said is why; what the gate did about it comes after.
            Status::Error => rpc_code,
            Status::Ok | Status::Timeout | Status::Denied | Status::Cancelled | Status::Unknown => {
                None
            }
        };
        let known = said.filter(|code| RESERVED_CODES.iter().any(|range| range.contains(code)));
        known.map_or(by_class, Self::Rpc)
    }
}

impl fmt::Display for ErrorType {
    /// The name users see.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Class(class) => out.write_str(class.name()),
            Self::Status(status) => out.write_str(status.name()),
            Self::Rpc(code) => write!(out, "{code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: Status, class: Option<ErrorClass>, code: Option<i64>) -> Option<String> {
        let outcome = Outcome { status, error_class: class, http_status: None };
        ErrorType::of(&outcome, code).map(|error| error.to_string())
    }

    #[test]
    fn an_error_has_one_of_few_names() {
        let broken = Some(ErrorClass::ToolError);
        assert_eq!(shown(Status::Ok, Some(ErrorClass::StaleData), None), None);
        assert_eq!(shown(Status::Error, broken, None).as_deref(), Some("tool_error"));
        assert_eq!(shown(Status::Error, broken, Some(-32_602)).as_deref(), Some("-32602"));
        assert_eq!(shown(Status::Error, broken, Some(4_711)).as_deref(), Some("tool_error"));
        assert_eq!(shown(Status::Unknown, None, None).as_deref(), Some("unknown"));
        let denied = Some(ErrorClass::Policy);
        assert_eq!(shown(Status::Denied, denied, Some(-32_602)).as_deref(), Some("policy"));
    }
}
