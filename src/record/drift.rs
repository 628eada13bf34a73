//! What has moved away from what is usual: one event and one count each time it begins.

use crate::baseline::{Baselines, Call, Moved, Moves, Run};
use crate::clock::Now;
use crate::ledger::EndedRun;
use crate::record::event::{self, Event, Kind};
use crate::record::told::{Interest, Told};
use crate::record::{Recorder, Why};

impl Recorder {
    /// Learns from now on what is usual, and tells of what moves away from it.
    pub fn watch_drift(&self) {
        self.baselines.get_or_init(Baselines::default);
    }

    /// Whether anything is learned of the form of answers.
    pub fn learns_forms(&self) -> bool {
        self.baselines.get().is_some()
    }

    /// Takes a closed call in. What it makes of its run.
    pub(super) fn learn_call(&self, told: &Told) -> Interest {
        let interest = told.interest();
        let (Some(baselines), Some(tool)) = (self.baselines.get(), told.known.tool.as_deref())
        else {
            return interest;
        };
        if !told.was_forwarded() || tool.is_protocol() {
            return interest;
        }
        let upstream = told.close.upstream;
        let is_far = baselines.is_outlier_call(&tool.name, upstream).is_one();
        let call = Call {
            run: told.known.run.as_ref().map(|(id, _)| id),
            tool: &tool.name,
            upstream,
            error: told.close.outcome.error_class,
            form: told.known.form,
        };
        let moves = baselines.call(&call, told.ended);
        self.tell_moves(&moves, told.ended);
        if interest == Interest::Ordinary && is_far { Interest::Outlier } else { interest }
    }

    /// Takes the end of a run in. Why it is worth keeping whatever its calls were, if it is.
    pub(super) fn learn_run(&self, ended: &EndedRun, now: Now) -> Option<Why> {
        let baselines = self.baselines.get()?;
        let EndedRun { id, caller, end, .. } = ended;
        let news = ended.unreported();
        let outlier = baselines.is_outlier_run(&caller.agent, id, news.calls);
        let run =
            Run { id, agent: &caller.agent, end: *end, calls: news.calls, tokens: news.tokens };
        let moves = baselines.run_ended(&run, now);
        self.tell_moves(&moves, now);
        outlier.is_one().then_some(Why::Outlier)
    }

    fn tell_moves(&self, moves: &Moves, now: Now) {
        for moved in moves {
            self.tell_move(moved, now);
        }
    }

    fn tell_move(&self, moved: &Moved, now: Now) {
        self.metrics.moved(moved);
        self.note(&Event {
            ts_ms: now.wall_ms,
            kind: Kind::Drift,
            agent: moved.agent.as_deref().and_then(event::given),
            tool: moved.tool.as_deref(),
            signal: Some(moved.signal.name()),
            detail: Some(&moved.to_string()),
            ..Event::default()
        });
    }
}
