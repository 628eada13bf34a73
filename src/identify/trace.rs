//! The caller's place in a trace, as its request says it.

use http::HeaderMap;

use crate::call::trace::{TraceParent, TraceState};

/// The caller's place in a trace, if the request has a valid one, and its state, which is empty
/// when that is missing or invalid. A second `traceparent` makes both invalid.
pub fn incoming(headers: &HeaderMap) -> Option<(TraceParent, TraceState)> {
    let mut parents = headers.get_all("traceparent").iter();
    let parent = TraceParent::parse(parents.next()?.to_str().ok()?)?;
    if parents.next().is_some() {
        return None;
    }
    let states = headers.get_all("tracestate").iter();
    let states: Option<Vec<&str>> = states.map(|state| state.to_str().ok()).collect();
    let state = states.and_then(TraceState::parse).unwrap_or_default();
    Some((parent, state))
}

#[cfg(test)]
mod tests;
