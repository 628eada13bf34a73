//! Ended run -> what a judge says of it: the way back from traces to evaluation.
//!
//! While a run lives, a bounded [`Transcript`] of its calls is kept. When it has ended, it is chosen:
//! every failed run (see [`Ending::is_failed`]), and a share of all others. What is chosen waits in a
//! bounded queue for one task, which asks an endpoint of the chat completions kind about each
//! [`Rubric`], and reads the answers strictly. Nothing here is waited for by a call: what finds no
//! room is counted as skipped, and what the judge fails to answer as an error.
//!
//! A judge reads what agents and tools have written, some of which would like to be judged well. It
//! gets data as JSON, may answer with one of the rubric's labels and nothing else, and the score is
//! the rubric's.

mod answer;
mod choice;
mod question;
mod queue;
mod rubric;
mod spend;
mod transcript;
mod watched;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

pub use self::choice::{Chosen, Share};
pub use self::rubric::{Grade, RESERVED_LABELS, Rubric, SCALE_LIMIT_GRADES};
pub use self::transcript::{CONTENT_LIMIT_BYTES, Ending, Shown, Step, Transcript, shown};

use self::queue::Worker;
use self::watched::Watched;
use crate::call::trace::TraceParent;
use crate::call::{Caller, RunEnd, RunId};
use crate::clock::{Clock, Now};
use crate::forward::{ConnectError, Upstream, UpstreamSpec};

/// Runs that wait to be judged.
const QUEUE_LIMIT_RUNS: usize = 256;

/// What is evaluated, by whom, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the judge is: an endpoint that is compatible with OpenAI's, up to `/v1`. Its timeouts
    /// bound each evaluation as a whole.
    pub judge: UpstreamSpec,
    /// The model that judges.
    pub model: Arc<str>,
    /// Of the runs that did not fail.
    pub share: Share,
    /// Not empty.
    pub rubrics: Arc<[Rubric]>,
    /// Longest wait for one answer, from connecting to its last byte.
    pub timeout: Duration,
    /// Most questions in any hour.
    pub per_hour: u32,
}

/// What somebody or something said of a run or of a call.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The rubric's, or `check/` and a rule's.
    pub name: Arc<str>,
    pub outcome: Outcome,
    pub about: Arc<About>,
    pub begun: Now,
    /// How long the judge took.
    pub took: Duration,
}

/// What came of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// One of the rubric's grades.
    Graded {
        label: Arc<str>,
        score: f64,
        /// Empty unless contents are recorded: it may repeat them.
        explanation: String,
    },
    /// It needs contents, and none are recorded: nobody was asked.
    Undecidable,
    /// The judge did not answer, or not as it was asked.
    Failed(Failure),
}

impl Outcome {
    /// The same without an explanation, which may repeat what it explains.
    fn unexplained(self) -> Self {
        match self {
            Self::Graded { label, score, .. } => {
                Self::Graded { label, score, explanation: String::new() }
            }
            Self::Undecidable | Self::Failed(_) => self,
        }
    }
}

/// Why there is no answer of the judge's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the judge cannot be reached")]
    Unreachable,
    #[error("the judge took too long")]
    Timeout,
    #[error("the judge answered with status {0}")]
    Status(u16),
    #[error("the judge's answer is too large")]
    TooLarge,
    #[error("the judge's answer is not a completed chat completion")]
    NotACompletion,
    #[error("the judge's answer is not one of the rubric's labels in JSON")]
    NotAGrade,
}

impl Failure {
    /// The name users see as `error.type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "connect",
            Self::Timeout => "timeout",
            Self::Status(_) => "http_status",
            Self::TooLarge => "too_large",
            Self::NotACompletion => "malformed_response",
            Self::NotAGrade => "validation_failed",
        }
    }
}

/// Which run an evaluation is of.
#[derive(Clone, Debug)]
pub struct About {
    pub run: RunId,
    pub id_source: &'static str,
    pub caller: Caller,
    pub chosen: Chosen,
    /// The last call that was seen of it; absent when it was stopped at its first.
    pub call_id: Option<Arc<str>>,
    /// The run's own span or, where it has none, that of its last call.
    pub trace: Option<TraceParent>,
}

/// A run that has ended, as whoever tells of it knows it.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    pub run: &'a RunId,
    pub id_source: &'static str,
    pub caller: &'a Caller,
    /// The run's own span, where it has one.
    pub root: Option<TraceParent>,
}

impl Evaluation {
    /// What it takes of memory, in bytes; what is shared with others is not counted.
    pub fn weight_bytes(&self) -> usize {
        let text = match &self.outcome {
            Outcome::Graded { explanation, .. } => explanation.len(),
            Outcome::Undecidable | Outcome::Failed(_) => 0,
        };
        size_of::<Self>().saturating_add(size_of::<About>()).saturating_add(text)
    }
}

/// Told of every evaluation. Called off the path of calls.
pub trait Evaluations: Send + Sync {
    /// Something was said of a run.
    fn evaluated(&self, evaluation: Evaluation);

    /// By that rubric a run that was chosen is not evaluated, for want of room or of budget.
    fn skipped(&self, name: &Arc<str>);
}

/// A run on its way to the judge.
#[derive(Debug)]
struct Case {
    about: Arc<About>,
    transcript: Transcript,
    ending: Ending,
}

/// Watches runs, and has some judged.
pub struct Evaluator {
    watched: Watched,
    share: Share,
    rubrics: Arc<[Rubric]>,
    queue: mpsc::Sender<Case>,
    told: std::sync::Weak<dyn Evaluations>,
}

impl Evaluator {
    /// Starts the task that asks the judge; it ends with what is returned. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// When the judge's URL or certificates cannot be used.
    pub fn start(
        plan: Plan,
        clock: Clock,
        told: std::sync::Weak<dyn Evaluations>,
    ) -> Result<Self, ConnectError> {
        let upstream = Upstream::new(&plan.judge)?;
        let (queue, cases) = mpsc::channel(QUEUE_LIMIT_RUNS);
        let (share, rubrics) = (plan.share, Arc::clone(&plan.rubrics));
        let worker = Worker::new(plan, upstream, clock, std::sync::Weak::clone(&told));
        tokio::spawn(worker.work(cases));
        Ok(Self { watched: Watched::default(), share, rubrics, queue, told })
    }

    /// Notes a closed call.
    pub fn step(&self, run: &RunId, step: Step) {
        let forgotten = self.watched.step(run, step);
        for _ in 0..forgotten {
            self.skip();
        }
    }

    /// A run has come to its end: it is judged, or forgotten. Never waits.
    pub fn run_ended(&self, ending: Ending, whose: Whose<'_>) {
        let Whose { run, id_source, caller, root } = whose;
        // The call that stops a run is closed after the run: of a short one nothing is known yet.
        let transcript = self.watched.take(run).unwrap_or_default();
        let is_failed = ending.is_failed(&transcript);
        let last = transcript.last();
        if last.is_none() && !is_failed {
            return;
        }
        let Some(chosen) = self.share.choose(run, is_failed) else { return };
        if ending.end == RunEnd::Shutdown {
            // There is nobody left to wait for an answer.
            return self.skip();
        }
        let about = Arc::new(About {
            run: run.clone(),
            id_source,
            caller: caller.clone(),
            chosen,
            call_id: last.map(|last| Arc::from(last.call_id.as_str())),
            trace: root.or_else(|| last.and_then(|last| last.trace)),
        });
        let case = Case { about, transcript, ending };
        if self.queue.try_send(case).is_err() {
            self.skip();
        }
    }

    /// Counts a run that nobody judges.
    fn skip(&self) {
        if let Some(told) = self.told.upgrade() {
            self.rubrics.iter().for_each(|rubric| told.skipped(&rubric.name));
        }
    }
}
