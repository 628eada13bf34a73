//! Sending an admitted call: attempts, waits between them, and what stands in when all failed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;

use crate::call::plan::RetryOn;
use crate::call::{ErrorClass, Known, Outcome, Refusal, Status, UnderWay};
use crate::clock::{Clock, Now};
use crate::forward::attempt::{self, Prepared};
use crate::forward::content::{Content, Gathered, Held, Keeper};
use crate::forward::remembered::{self, Question, Remembered};
use crate::forward::retry::{self, Repeat, Tried};
use crate::forward::{Forwarded, Trip, Upstream};
use crate::guard::Admitted;
use crate::weaken::Hole;

/// What sending goes by.
pub struct Errand<'a> {
    pub upstream: &'a Upstream,
    pub clock: &'a Clock,
    /// The last good answers.
    pub remembered: &'a Arc<Remembered>,
    pub policy_version: &'a str,
}

/// The attempts made so far.
#[derive(Default)]
struct Journey {
    trip: Trip,
    /// Attempts as retries count them: a request that a closed connection gave back is none.
    made: u32,
    /// An attempt may have reached the tool.
    reached: bool,
}

/// Sends an admitted call to its upstream. Redirects are answers like any other.
///
/// # Errors
/// The refusal of a call that waited and was called off, or whose tool has its rest and left no
/// good answer to be given instead. What the call held is given back or settled.
pub async fn send(
    mut admitted: Admitted,
    errand: &Errand<'_>,
    known: &mut Known,
) -> Result<Forwarded, Refusal> {
    let Errand { upstream, clock, .. } = *errand;
    let Ok(prepared) = Prepared::new(&mut admitted, upstream) else {
        let answer = Err(failure(Status::Error, ErrorClass::Connect));
        return Ok(Forwarded { admitted, answer, trip: Trip::default() });
    };
    let question = question(&admitted, &prepared, errand);
    let mut journey = Journey::default();
    if let Some(refusal) = admitted.leave.resting.take() {
        let Some(answer) = stale(&admitted, question, errand, &mut journey) else {
            admitted.take_back(&refusal, clock.now());
            return Err(refusal);
        };
        return Ok(Forwarded { admitted, answer: Ok(answer), trip: journey.trip });
    }
    known.sent = true;
    loop {
        admitted.mark_sent(true);
        let begun = UnderWay { span: attempt::span(admitted.call()), begun: clock.now() };
        known.under_way = Some(begun);
        let attempted = prepared.attempt(&admitted, upstream, begun.span).await;
        known.under_way = None;
        let now = clock.now();
        let (tried, handovers) = match attempted {
            Ok(attempted) => attempted,
            Err(refusal) => {
                if !journey.reached {
                    admitted.mark_sent(false);
                    known.sent = !known.attempts.is_empty();
                }
                return Err(journey.called_off(admitted, refusal, now));
            }
        };
        journey.note(&tried, handovers, &admitted);
        known.attempts.push(begun.ended(tried.came(), now));
        if let Some(ticket) = &mut admitted.leave.ticket {
            ticket.report(tried.health(now), now);
        }
        let wait = journey.next(&tried, &admitted, now);
        let again = match wait {
            None => false,
            Some(wait) => {
                let waited = pause(wait, &admitted).await;
                if let Err(refusal) = waited {
                    return Err(journey.called_off(admitted, refusal, clock.now()));
                }
                enter_again(&mut admitted, clock.now())
            }
        };
        if again && tried.may_be_charged() {
            journey.trip.charged = journey.trip.charged.saturating_add(1);
        }
        if !again {
            let answer = journey.end(tried, &admitted, question, errand);
            return Ok(Forwarded { admitted, answer, trip: journey.trip });
        }
    }
}

impl Journey {
    /// Notes what came of an attempt.
    fn note<B>(&mut self, tried: &Tried<B>, handovers: u32, admitted: &Admitted) {
        self.made = self.made.saturating_add(1);
        self.trip.attempts = self.trip.attempts.saturating_add(handovers);
        match tried {
            Tried::Unsent if !self.reached => admitted.mark_sent(false),
            Tried::Unsent => {}
            Tried::Answered(_) => self.reached = true,
            Tried::Lost(_) => {
                self.reached = true;
                self.trip.in_doubt |= admitted.call().tool.effect.changes();
            }
        }
    }

    /// The wait before the next attempt, when there is to be one.
    fn next<B>(&self, tried: &Tried<B>, admitted: &Admitted, now: Now) -> Option<Duration> {
        let call = admitted.call();
        let plan = call.plan.resilience.retry.as_ref()?;
        // An attempt that reached the tool may have been charged, and one charge is reserved.
        if self.reached && admitted.reservation().draws_on_budget() {
            return None;
        }
        let ledger = admitted.reservation().ledger();
        if self.made == 1 {
            ledger.upstreams.load(&call.upstream).note_first_attempt(now);
        }
        let keyed = admitted.begun.key.is_some();
        let repeat = if !call.tool.effect.changes() || keyed || Hole::RetryWrites.is_open() {
            Repeat::Harmless
        } else {
            Repeat::Harmful
        };
        let wait = retry::wait(plan, tried, repeat, self.made, fastrand::f64(), now)?;
        let load = ledger.upstreams.load(&call.upstream);
        let taken = load.take_retry(plan.budget_percent, now);
        (taken || Hole::UnboundedRetries.is_open()).then_some(wait)
    }

    /// What the agent is given when no further attempt is made.
    fn end(
        &mut self,
        tried: Tried<Incoming>,
        admitted: &Admitted,
        question: Option<Question>,
        errand: &Errand<'_>,
    ) -> Result<Response<Content>, Outcome> {
        let down = match tried.failure() {
            None => false,
            Some(RetryOn::Status(status)) => status >= 500,
            Some(RetryOn::Connect | RetryOn::Timeout | RetryOn::Reset) => true,
        };
        if down && let Some(answer) = stale(admitted, question, errand, self) {
            return Ok(answer);
        }
        let changes = admitted.call().tool.effect.changes();
        match tried {
            Tried::Answered(response) => Ok(content(response, admitted, question, errand)),
            Tried::Unsent if self.trip.in_doubt => {
                Err(failure(Status::Unknown, ErrorClass::Connect))
            }
            Tried::Unsent => Err(failure(Status::Error, ErrorClass::Connect)),
            Tried::Lost(class) if changes => Err(failure(Status::Unknown, class)),
            Tried::Lost(ErrorClass::Timeout) => Err(failure(Status::Timeout, ErrorClass::Timeout)),
            Tried::Lost(class) => Err(failure(Status::Error, class)),
        }
    }

    /// Ends a call that must not be tried again.
    fn called_off(&self, admitted: Admitted, mut refusal: Refusal, now: Now) -> Refusal {
        if self.trip.in_doubt {
            refusal.executed = true;
            refusal.message.push_str(
                " An attempt before may have been executed: look before you ask for it again.",
            );
        }
        if self.reached {
            admitted.call_off(self.trip.in_doubt, now);
        } else {
            admitted.take_back(&refusal, now);
        }
        refusal
    }
}

/// Waits, unless the call is called off meanwhile.
async fn pause(wait: Duration, admitted: &Admitted) -> Result<(), Refusal> {
    let mut waited = std::pin::pin!(tokio::time::sleep(wait));
    // Before the first look, so that no change falls between the two.
    let mut changed = admitted.reservation().kills().changed();
    loop {
        if !Hole::DeafRetries.is_open() {
            admitted.still_on()?;
        }
        if waited.is_elapsed() {
            return Ok(());
        }
        tokio::select! {
            () = &mut waited => {}
            // The ledger, which tells of changes, outlives every call.
            _ = changed.changed() => {}
        }
    }
}

/// Whether the tool's breaker gives leave for one more attempt.
fn enter_again(admitted: &mut Admitted, now: Now) -> bool {
    let call = admitted.call();
    let Some(plan) = call.plan.resilience.breaker else { return true };
    let breakers = &admitted.reservation().ledger().breakers;
    match breakers.enter(&call.tool.name, &call.upstream, plan, now) {
        Ok(ticket) => {
            admitted.leave.ticket = Some(ticket);
            true
        }
        Err(_) => false,
    }
}

/// What is asked, of a tool whose good answers are remembered.
fn question(admitted: &Admitted, prepared: &Prepared, errand: &Errand<'_>) -> Option<Question> {
    let call = admitted.call();
    call.plan.resilience.fallback?;
    Some(Question::of(call, errand.policy_version, errand.upstream, &prepared.headers))
}

/// The last good answer, if there is one.
fn stale(
    admitted: &Admitted,
    question: Option<Question>,
    errand: &Errand<'_>,
    journey: &mut Journey,
) -> Option<Response<Content>> {
    let plan = admitted.call().plan.resilience.fallback?;
    let now = errand.clock.now();
    let (response, age) = errand.remembered.recall(&question?, plan.stale_for, now)?;
    journey.trip.stale = Some(age);
    Some(response.map(|body: Bytes| Content::Stale(Full::new(body))))
}

/// The tool's answer, remembered as it passes by where the config says so.
fn content(
    response: Response<Incoming>,
    admitted: &Admitted,
    question: Option<Question>,
    errand: &Errand<'_>,
) -> Response<Content> {
    let plan = admitted.call().plan.resilience.fallback;
    let (Some(plan), Some(question)) = (plan, question) else { return response.map(Content::Live) };
    if !remembered::may_be_kept(&response) {
        return response.map(Content::Live);
    }
    let held = Held::new(question, Arc::clone(errand.remembered));
    let mut keeper = Keeper {
        headers: response.headers().clone(),
        limit_bytes: plan.limit_bytes,
        held,
        gathered: Gathered::Some(BytesMut::new()),
    };
    if response.body().is_end_stream() {
        keeper.whole();
    }
    response.map(|body| Content::Kept(body, Box::new(keeper)))
}

fn failure(status: Status, class: ErrorClass) -> Outcome {
    Outcome { status, error_class: Some(class), http_status: None }
}
