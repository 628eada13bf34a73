//! The recorded upstream: answers each call as it was answered then, and minds that each call
//! arrives as it was made.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::cli::drive::gate::{Fate, PLACE_HEADER};
use crate::cli::drive::recording::{Recording, Step, digest_of};
use crate::cli::drive::report::{EXAMPLE_LIMIT, Report};
use crate::cli::drive::tally::Tally;

/// Connections at once.
const CONNECTION_LIMIT: usize = 1_024;

/// Largest body that is read, in bytes.
const BODY_LIMIT_BYTES: usize = 67_108_864;

/// Longest wait for a request's head.
const HEAD_TIME: Duration = Duration::from_secs(120);

/// How long to wait before accepting again when it failed (out of descriptors, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers recorded calls.
pub(super) struct RecordedUpstream {
    recording: Arc<Recording>,
    /// How often each step was served, by run and step.
    served: Vec<Vec<AtomicU32>>,
    faults: AtomicU64,
    examples: Mutex<Vec<String>>,
}

/// What a recorded upstream saw.
#[derive(Debug, Default)]
pub(super) struct Served {
    pub answers: u64,
    /// Calls that were not as recorded.
    pub faults: u64,
    /// Some of them.
    pub examples: Vec<String>,
}

impl RecordedUpstream {
    /// An upstream that has served nothing yet.
    pub fn new(recording: Arc<Recording>) -> Arc<Self> {
        let served = recording.runs.iter();
        let served = served.map(|run| run.steps.iter().map(|_| AtomicU32::new(0)).collect());
        Arc::new(Self {
            served: served.collect(),
            recording,
            faults: AtomicU64::new(0),
            examples: Mutex::new(Vec::new()),
        })
    }

    /// What was served so far.
    pub fn served(&self) -> Served {
        let answers = self.served.iter().flatten();
        Served {
            answers: answers.map(|times| u64::from(times.load(Ordering::Relaxed))).sum(),
            faults: self.faults.load(Ordering::Relaxed),
            examples: self.examples.lock().clone(),
        }
    }

    /// Holds what arrived against what the driver saw: a forwarded call arrived once, a refused
    /// one never.
    pub fn compare(&self, tally: &Tally, report: &mut Report) {
        for (told, served) in tally.told(&self.recording).zip(self.made(tally)) {
            let expected = match told.fate {
                Fate::Forwarded => 1,
                Fate::Refused { .. } => 0,
                // Already counted, whatever arrived of it.
                Fate::Mismatch(_) => continue,
            };
            if served != expected {
                let (run, step) = (told.run_id, told.step_id);
                report.arrival(format!(
                    "{run} step {step}: reached the tool {served} times, not {expected}"
                ));
            }
        }
    }

    /// How often each call that was made was served, in the order of [`Tally::told`].
    fn made<'a>(&'a self, tally: &'a Tally) -> impl Iterator<Item = u32> + 'a {
        let runs = self.served.iter().zip(&tally.fates);
        runs.flat_map(|(served, fates)| served.iter().take(fates.len()))
            .map(|times| times.load(Ordering::Relaxed))
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let found = match Limited::new(body, BODY_LIMIT_BYTES).collect().await {
            Ok(body) => self.find(&parts, &body.to_bytes()),
            Err(error) => Err(format!("the body of a call broke off: {error}")),
        };
        match found {
            Ok(step) => {
                let answer = &step.answer;
                respond(answer.status, answer.content_type, answer.body.clone())
            }
            Err(fault) => {
                self.faults.fetch_add(1, Ordering::Relaxed);
                let body = Bytes::from(format!("not as recorded: {fault}\n"));
                let mut examples = self.examples.lock();
                if examples.len() < EXAMPLE_LIMIT {
                    examples.push(fault);
                }
                respond(StatusCode::CONFLICT, "text/plain; charset=utf-8", body)
            }
        }
    }

    /// The step that a call is, if the call is the recorded one.
    fn find(&self, parts: &Parts, body: &Bytes) -> Result<&Step, String> {
        let mut places = parts.headers.get_all(PLACE_HEADER).iter();
        let place = places.next().and_then(|place| place.to_str().ok());
        let place = place.filter(|_| places.next().is_none());
        let place = place.ok_or_else(|| format!("a call without one {PLACE_HEADER} header"))?;
        let (run, number) = place
            .split_once('/')
            .and_then(|(run, step)| Some((run.parse().ok()?, step.parse().ok()?)))
            .ok_or_else(|| format!("no place in a recording: {PLACE_HEADER}: {place}"))?;
        let step = self.recording.step(run, number);
        let step = step.ok_or_else(|| format!("{place}: there is no such step"))?;
        let tool = parts.uri.path().strip_prefix("/tools/").unwrap_or_default();
        let tool = percent_decode_str(tool).decode_utf8_lossy();
        if parts.method != Method::POST || tool != *step.tool {
            let (method, path) = (&parts.method, parts.uri.path());
            return Err(format!(
                "{place}: {method} {path} where a call of {} is recorded",
                step.tool
            ));
        }
        let text = std::str::from_utf8(body).unwrap_or_default();
        match (digest_of(text), step.digest) {
            (Some(arrived), Some(recorded)) if arrived == recorded => {}
            (_, _) => return Err(format!("{place}: other arguments of {}", step.tool)),
        }
        let times = self.served.get(run).and_then(|steps| steps.get(number));
        times.map(|times| times.fetch_add(1, Ordering::Relaxed));
        Ok(step)
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Serves until `stop`.
pub(super) async fn serve(
    listener: TcpListener,
    upstream: Arc<RecordedUpstream>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let upstream = Arc::clone(&upstream);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let upstream = Arc::clone(&upstream);
                async move { Ok::<_, Infallible>(upstream.answer(request).await) }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
            // What a broken connection did not deliver, the driver misses.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}
