//! The trace that a program is started in, and the one it is told to go on with: environment
//! variables as carriers (OpenTelemetry, "Environment Variables as Context Propagation Carriers").

use std::env;

use crate::call::trace::{TraceContext, TraceParent, TraceState};

const TRACEPARENT: &str = "TRACEPARENT";
const TRACESTATE: &str = "TRACESTATE";

/// The place in a trace of whoever started this program, if there is a valid one.
pub(super) fn started_in() -> Option<(TraceParent, TraceState)> {
    read(|name| env::var(name).ok())
}

/// The same, from any variables.
fn read(of: impl Fn(&str) -> Option<String>) -> Option<(TraceParent, TraceState)> {
    let parent = TraceParent::parse(&of(TRACEPARENT)?)?;
    let state = of(TRACESTATE).and_then(|state| TraceState::parse([state.as_str()]));
    Some((parent, state.unwrap_or_default()))
}

/// What a program is told that is to go on below a span.
pub(super) fn told(trace: &TraceContext) -> [(&'static str, String); 2] {
    let span = trace.span();
    [(TRACEPARENT, span.to_string()), (TRACESTATE, trace.tracestate(span))]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn placed(parent: Option<&str>, state: Option<&str>) -> Option<[String; 2]> {
        let of = |name: &str| match name {
            "TRACEPARENT" => parent.map(str::to_owned),
            "TRACESTATE" => state.map(str::to_owned),
            _ => None,
        };
        let trace = TraceContext::child_of(Some(&read(of)?));
        let [(_, parent), (_, state)] = told(&trace);
        assert!(parent.contains(&trace.span_id()));
        Some([parent.replace(&trace.span_id(), "SPAN"), state.replace(&trace.span_id(), "SPAN")])
    }

    #[test]
    fn a_program_goes_on_where_this_one_was_started() {
        let told = ["00-0af7651916cd43dd8448eb211c80319c-SPAN-00", "toolgate=SPAN"];
        assert_eq!(placed(Some(PARENT), None).unwrap(), told);
        assert_eq!(placed(Some(PARENT), Some("a=b=c")).unwrap(), told, "a bad state is dropped");
        let [_, state] = placed(Some(PARENT), Some("a=1,toolgate=00,b=2")).unwrap();
        assert_eq!(state, "toolgate=SPAN,a=1,b=2");
        for parent in [None, Some(""), Some("nonsense"), Some(&PARENT.to_uppercase())] {
            assert_eq!(placed(parent, Some("a=1")), None, "{parent:?}");
        }
    }
}
