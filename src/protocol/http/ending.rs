//! How did an HTTP call end?

use http::StatusCode;

use crate::call::{ErrorClass, Outcome, Status};

/// The outcome of a call whose answer began with `status` and ended whole, or not.
pub fn ending(status: StatusCode, whole: bool) -> Outcome {
    let error_class = if status.is_server_error() {
        Some(ErrorClass::Http5xx)
    } else if status.is_client_error() {
        Some(ErrorClass::Http4xx)
    } else if !whole {
        Some(ErrorClass::MalformedResponse)
    } else {
        None
    };
    let ended = if error_class.is_some() { Status::Error } else { Status::Ok };
    Outcome { status: ended, error_class, http_status: Some(status.as_u16()) }
}
