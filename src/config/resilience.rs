//! What happens when a tool fails: the upstream's keys, and a tool's own in their place.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::codes;
use super::raw::{self, resilience};
use super::settings::{Operation, Upstream};
use super::upstream::TIMEOUT_RANGE;
use super::validate::Check;
use crate::call::plan::{BreakerPlan, FallbackPlan, Resilience, RetryOn, RetryPlan};
use crate::policy::expr::{self, Program, Site};
use crate::policy::view::Effect;
use crate::yaml::{Entries, Field, ScalarFault, Span, Text, closest};

const ATTEMPTS_RANGE: (u64, u64) = (1, 10);
const FAILURES_RANGE: (u64, u64) = (1, 10_000);
const PROBES_RANGE: (u64, u64) = (1, 100);
const IN_FLIGHT_RANGE: (u64, u64) = (1, 1_000_000);
const KEPT_RANGE_BYTES: (u64, u64) = (1, 8 * 1024 * 1024);
const BACKOFF_RANGE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(60));
const BREAKER_RANGE: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(3_600));
const STALE_RANGE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(24 * 3_600));

/// After which failures a call is made again when the config does not say.
const USUAL: [RetryOn; 5] = [
    RetryOn::Connect,
    RetryOn::Status(429),
    RetryOn::Status(502),
    RetryOn::Status(503),
    RetryOn::Status(504),
];

/// What stands at the upstream, for all its tools.
#[derive(Default)]
pub(super) struct Shared {
    retry: Option<RetryPlan>,
    breaker: Option<BreakerPlan>,
    in_flight: Option<u32>,
    fallback: Option<FallbackPlan>,
    idempotency: Option<http::HeaderName>,
}

/// Reads the upstream's keys.
pub(super) fn shared(raw: &raw::Upstream, check: &mut Check<'_>) -> Shared {
    let in_flight = raw.in_flight.map(|field| number(check, Some(field), 1, IN_FLIGHT_RANGE));
    Shared {
        retry: raw.retry.as_ref().map(|raw| retry(raw, check)),
        breaker: raw.breaker.as_ref().map(|raw| breaker(raw, check)),
        in_flight,
        fallback: raw.fallback.as_ref().and_then(|raw| fallback(raw, check)),
        idempotency: raw.idempotency.as_ref().and_then(|raw| idempotency(raw, check)),
    }
}

/// What holds for one tool.
pub(super) fn of_tool(
    raw: &raw::Tool,
    effect: Effect,
    shared: &Shared,
    check: &mut Check<'_>,
) -> Resilience {
    let own_key = raw.idempotency.as_ref().and_then(|raw| idempotency(raw, check));
    let idempotency = own_key.or_else(|| shared.idempotency.clone()).filter(|_| effect.changes());
    let own_retry = raw.retry.as_ref().map(|raw| retry(raw, check));
    if let (Some(field), Some(plan)) = (&raw.retry, &own_retry) {
        refuse_repeated_write(field.span, plan, effect, idempotency.is_some(), check);
    }
    if let (Some(field), Effect::Read) = (&raw.idempotency, effect) {
        let text = ScalarFault::new("`idempotency` of a tool that only reads")
            .help("a read can be repeated as it is; remove the key");
        check.fault(codes::CONFLICT, field.span, text);
    }
    let own_fallback = raw.fallback.as_ref().map(|raw| fallback(raw, check));
    if let (Some(field), Effect::Write) = (&raw.fallback, effect) {
        let text = ScalarFault::new("`fallback` of a tool that writes")
            .help("an earlier answer would say that something was done; keep it to reads");
        check.fault(codes::CONFLICT, field.span, text);
    }
    for (what, at) in [
        ("read_back", raw.read_back.first().map(|field| field.span)),
        ("at_most_once", raw.at_most_once.map(|field| field.span)),
    ] {
        if let (Some(span), Effect::Read) = (at, effect) {
            let text = ScalarFault::new(format!("`{what}` of a tool that only reads"))
                .help("it is for writes whose outcome is not known");
            check.fault(codes::CONFLICT, span, text);
        }
    }
    let fallback = match own_fallback {
        Some(own) => own,
        None => shared.fallback,
    };
    let timeout = raw.timeout.as_ref();
    // Whoever says how to be sure of a write minds that it happens twice.
    let minded = idempotency.is_some() || !raw.read_back.is_empty();
    Resilience {
        retry: own_retry.or_else(|| shared.retry.clone()).filter(|plan| plan.attempts > 1),
        breaker: raw.breaker.as_ref().map(|raw| breaker(raw, check)).or(shared.breaker),
        in_flight: shared.in_flight,
        fallback: fallback.filter(|_| !effect.changes()),
        idempotency,
        read_back: raw.read_back.iter().map(|field| Arc::from(field.value.as_str())).collect(),
        at_most_once: effect.changes() && raw.at_most_once.map_or(minded, |field| field.value),
        tool_error: raw.tool_error.as_ref().and_then(|text| tool_error(text, check)),
        timeout: timeout.map(|field| check.time(Some(field), field.value.0, TIMEOUT_RANGE)),
    }
}

fn tool_error(text: &Text, check: &mut Check<'_>) -> Option<Arc<Program>> {
    match expr::compile(&text.value, Site::Answer) {
        Ok(program) => Some(Arc::new(program)),
        Err(errors) => {
            for error in errors {
                let fault = ScalarFault { message: error.message, help: error.help };
                check.fault(error.code, text.locate(error.span), fault);
            }
            None
        }
    }
}

/// A write without an idempotency key may be made again only when nothing of it was sent.
fn refuse_repeated_write(
    span: Span,
    plan: &RetryPlan,
    effect: Effect,
    keyed: bool,
    check: &mut Check<'_>,
) {
    let unsafe_on = plan.on.iter().any(|on| *on != RetryOn::Connect);
    if effect.changes() && !keyed && plan.attempts > 1 && unsafe_on {
        let text = ScalarFault::new(
            "a write without an idempotency key: made again, it could happen twice",
        )
        .help("add `idempotency: { header: Idempotency-Key }` if the tool honours one, or keep `on: [connect]`");
        check.fault(codes::CONFLICT, span, text);
    }
}

/// Read-back tools are tools of this config that only read.
pub(super) fn check_read_backs(
    raw: &Entries<raw::Upstream>,
    built: &[Upstream],
    check: &mut Check<'_>,
) {
    let named: Vec<(Arc<str>, Effect)> = built.iter().flat_map(named).collect();
    let open = |name: &str| {
        built.iter().any(|upstream| {
            let below = name.strip_prefix(&*upstream.name).and_then(|rest| rest.strip_prefix('.'));
            below.is_some() && upstream.is_open()
        })
    };
    let tools = raw.iter().filter_map(|(_, upstream)| upstream.tools.as_ref());
    let fields = tools.flat_map(|tools| &tools.value).flat_map(|tool| &tool.value.read_back);
    for field in fields {
        let text = match named.iter().find(|(name, _)| **name == *field.value) {
            Some((_, Effect::Read)) => continue,
            Some((_, Effect::Write)) => ScalarFault::new(format!("`{}` writes", field.value))
                .help("a tool that only reads shows what became of a write"),
            None if open(&field.value) => continue,
            None => {
                let fault = ScalarFault::new(format!("there is no tool `{}`", field.value));
                match closest(&field.value, named.iter().map(|(name, _)| &**name)) {
                    Some(near) => fault.help(format!("did you mean `{near}`?")),
                    None => fault.help("write `UPSTREAM.TOOL`"),
                }
            }
        };
        check.fault(codes::NAME, field.span, text);
    }
}

fn named(upstream: &Upstream) -> Vec<(Arc<str>, Effect)> {
    let tools = upstream.tools.iter().filter_map(|tool| match &tool.operation {
        Operation::Named(operation) => {
            Some((tool.facts(&upstream.name, operation).name, tool.effect))
        }
        Operation::FromPath(_) => None,
    });
    let named = upstream.named.tools.iter();
    let named = named.map(|tool| (tool.facts(&upstream.name).name, tool.effect));
    tools.chain(named).collect()
}

fn retry(raw: &Field<resilience::Retry>, check: &mut Check<'_>) -> RetryPlan {
    let resilience::Retry { attempts, on, budget, backoff, backoff_max } = &raw.value;
    let mut conditions: SmallVec<[RetryOn; 8]> = SmallVec::new();
    match on {
        None => conditions.extend(USUAL),
        Some(list) if list.value.is_empty() => {
            let text = ScalarFault::new("no failures: nothing is made again")
                .help("write `attempts: 1` to switch retries off");
            check.fault(codes::EMPTY, list.span, text);
        }
        Some(list) => {
            for field in &list.value {
                if !conditions.contains(&field.value.0) {
                    conditions.push(field.value.0);
                }
            }
        }
    }
    let backoff = check.time(backoff.as_ref(), Duration::from_millis(100), BACKOFF_RANGE);
    let backoff_limit = check.time(backoff_max.as_ref(), Duration::from_secs(5), BACKOFF_RANGE);
    RetryPlan {
        attempts: number(check, *attempts, 3, ATTEMPTS_RANGE),
        on: conditions,
        budget_percent: budget.map_or(20, |field| field.value.0),
        backoff,
        backoff_limit: backoff_limit.max(backoff),
    }
}

fn breaker(raw: &Field<resilience::Breaker>, check: &mut Check<'_>) -> BreakerPlan {
    let resilience::Breaker { failures, share, within, open_for, probes, tool_errors } = &raw.value;
    BreakerPlan {
        failures: number(check, *failures, 5, FAILURES_RANGE),
        share_percent: share.map_or(50, |field| field.value.0),
        within: check.time(within.as_ref(), Duration::from_secs(30), BREAKER_RANGE),
        open_for: check.time(open_for.as_ref(), Duration::from_secs(10), BREAKER_RANGE),
        probes: number(check, *probes, 1, PROBES_RANGE),
        tool_errors: tool_errors.is_some_and(|field| field.value),
    }
}

/// `None` when it is switched off, or at fault.
fn fallback(raw: &Field<resilience::Fallback>, check: &mut Check<'_>) -> Option<FallbackPlan> {
    let resilience::Fallback { stale_for, max_bytes } = &raw.value;
    let stale_for = check.time(Some(stale_for.as_ref()?), Duration::ZERO, STALE_RANGE);
    let limit = max_bytes.map_or(256 * 1024, |field| field.value.0);
    let (least, most) = KEPT_RANGE_BYTES;
    if let Some(field) = max_bytes.filter(|_| limit < least || limit > most) {
        let text = ScalarFault::new("expected from 1 byte to 8MiB");
        check.fault(codes::RANGE, field.span, text);
    }
    let limit_bytes = usize::try_from(limit).unwrap_or_default();
    (!stale_for.is_zero()).then_some(FallbackPlan { stale_for, limit_bytes })
}

fn idempotency(
    raw: &Field<resilience::Idempotency>,
    check: &mut Check<'_>,
) -> Option<http::HeaderName> {
    // What says who the caller is cannot say which request it is.
    let also_not = ["authorization", "cookie", "proxy-authorization", "traceparent", "tracestate"];
    check.header(raw.value.header.as_ref()?, &also_not)
}

fn number(
    check: &mut Check<'_>,
    field: Option<Field<u64>>,
    default: u32,
    (least, most): (u64, u64),
) -> u32 {
    let Some(field) = field else { return default };
    if field.value < least || field.value > most {
        let text = ScalarFault::new(format!("expected from {least} to {most}"));
        check.fault(codes::RANGE, field.span, text);
    }
    u32::try_from(field.value).unwrap_or(default)
}
