//! Closed calls to make spans of.

use std::sync::Arc;
use std::time::Duration;

use crate::call::trace::{TraceContext, TraceParent, TraceState};
use crate::call::{
    Attempt, Caller, Came, Content, ContentPlace, Contents, Effect, ErrorClass, Known, Language,
    Llm, Mcp, Observed, Outcome, Particulars, Provider, RetryScope, RunEnd, RunId, Status,
    StopReason, Tokens, ToolFacts, Transport, Verdict, Wire,
};
use crate::clock::Now;
use crate::evaluate::{About, Chosen, Evaluation, Failure, Outcome as Judged};
use crate::json::{DIGEST_BYTES, Digest};
use crate::ledger::{EndedRun, RunSpan, Usage};
use crate::policy::amount::Usd;
use crate::record::outgoing::{Kept, RunTold, Why};
use crate::record::told::{Close, Told};

pub const OPENED_WALL_MS: i64 = 1_700_000_000_123;
pub const KEPT: Kept = Kept { why: Why::Share, ratio: 0.1 };

const OPENED: Now = Now { mono: Duration::from_secs(100), wall_ms: OPENED_WALL_MS };

/// Microseconds after a call's arrival. The wall clock jumped meanwhile; spans do not.
fn after(micros: u64) -> Now {
    Now { mono: OPENED.mono + Duration::from_micros(micros), wall_ms: OPENED_WALL_MS - 5_000 }
}

pub struct Case(Told);

fn facts(operation: &str) -> Arc<ToolFacts> {
    Arc::new(ToolFacts {
        name: format!("shop.{operation}").into(),
        server: "shop".into(),
        operation: operation.into(),
        tags: Arc::from([]),
        effect: Effect::Write,
        version: "".into(),
    })
}

fn trace() -> TraceContext {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let parent = TraceParent::parse(parent).unwrap();
    let state = TraceState::parse(["vendor=1,other=2"]).unwrap();
    TraceContext::child_of(Some(&(parent, state)))
}

fn known(language: Language, operation: &str) -> Known {
    Known {
        language,
        method: "POST".to_owned(),
        run: Some((RunId("run-1".into()), "header")),
        parent_run: Some(RunId("run-0".into())),
        step: Some(3),
        trace: Some(trace()),
        tool: Some(facts(operation)),
        args: Some((Digest::from_bytes([0xaa; DIGEST_BYTES]), 120)),
        policy_version: "v1".into(),
        sent: true,
        breaker: Some("closed"),
        tool_call_id: Some("call_9".into()),
        particulars: Particulars {
            wire: Some(Arc::new(Wire {
                base: "https://shop.example:8443/api".into(),
                host: "shop.example".into(),
                port: Some(8443),
                transport: Transport::Tcp,
            })),
            verb: Some("POST"),
            ..Particulars::default()
        },
        ..Known::default()
    }
}

fn case(known: Known) -> Case {
    let close = Close {
        outcome: Outcome { status: Status::Ok, error_class: None, http_status: Some(200) },
        verdict: Some(Verdict::Allow),
        rule: None,
        stop_reason: None,
        retry_scope: None,
        result: Some((Digest::from_bytes([0xbb; DIGEST_BYTES]), 2_048)),
        upstream: Duration::from_micros(4_000),
        attempts: Some(1),
        cost_usd: Some(0.25),
        tokens: None,
    };
    let caller = Caller {
        tenant: "acme".into(),
        project: "support".into(),
        user: "u-7".into(),
        agent: "helper".into(),
    };
    let call_id = "dec_01HZZZZZZZZZZZZZZZZZZZZZZZ".to_owned();
    Case(Told { call_id, caller, opened: OPENED, ended: after(6_500), known, close })
}

/// A call to a plain HTTP tool.
pub fn tool() -> Case {
    let mut known = known(Language::Http, "refund");
    known.particulars.template = Some("/orders/{id}/refund".into());
    case(known).attempts(&[Came::Status(200)])
}

/// A message of MCP.
pub fn mcp(method: &str) -> Case {
    let message = Mcp { id: Some("\"req-1\"".into()), ..Mcp::unread(method) };
    let mut known = known(Language::Mcp(message), "refund");
    known.particulars.session = Some(Digest::from_bytes([0xcc; DIGEST_BYTES]));
    known.particulars.revision = Some("2025-11-25");
    case(known)
}

/// A call to a model.
pub fn model(operation: &str) -> Case {
    let mut known = known(Language::Llm(Llm { provider: Provider::OpenAi }), operation);
    known.tool_call_id = None;
    known.finish = Some("stop,length".into());
    known.particulars.request_model = Some("gpt-x".into());
    known.particulars.response_model = Some("gpt-x-2026-01-01".into());
    known.particulars.first_chunk = Some(Duration::from_micros(1_500));
    let mut case = case(known);
    case.0.close.tokens = Some(Tokens {
        input: 1_000,
        output: 50,
        cached: 600,
        cache_written: 100,
        reasoning: 20,
        ..Tokens::default()
    });
    case
}

/// A run that has ended.
pub fn run(stopped: Option<StopReason>) -> RunTold {
    let ended = EndedRun {
        id: RunId("run-1".into()),
        id_source: "header",
        caller: Caller { agent: "helper".into(), ..Caller::default() },
        end: stopped.map_or(RunEnd::Completed, RunEnd::Stopped),
        rule: stopped.map(|_| "loops".into()),
        parent: None,
        duration: Duration::from_secs(2),
        usage: Usage {
            steps: 5,
            calls: 4,
            ok: 3,
            errors: 1,
            denials: 1,
            cost_usd: Usd::from_nanos(1_250_000_000),
            tokens: 1_050,
            ..Usage::default()
        },
        before: None,
        root: Some(RunSpan { context: trace(), began: OPENED, ended: after(2_000_000) }),
    };
    RunTold { ended, at: after(60_000_000) }
}

/// What a judge said of a run, and a judge that said nothing.
pub fn evaluations() -> [(&'static str, Evaluation); 2] {
    let about = Arc::new(About {
        run: RunId("run-1".into()),
        id_source: "header",
        caller: Caller { agent: "helper".into(), ..Caller::default() },
        chosen: Chosen::Failed,
        call_id: Some("dec_01".into()),
        trace: trace().parent(),
    });
    let of = |outcome| Evaluation {
        name: "grounded".into(),
        outcome,
        about: Arc::clone(&about),
        begun: OPENED,
        took: Duration::from_micros(700),
    };
    let graded =
        Judged::Graded { label: "yes".into(), score: 0.5, explanation: "Because.".to_owned() };
    [("evaluation", of(graded)), ("evaluation_failed", of(Judged::Failed(Failure::Timeout)))]
}

impl Case {
    pub fn told(self) -> Told {
        self.0
    }

    /// Attempts of a millisecond each, with a millisecond between them.
    pub fn attempts(mut self, came: &[Came]) -> Self {
        let attempts = (0_u64..).zip(came).map(|(turn, came)| Attempt {
            span: Some(0xa0 + turn),
            begun: after(500 + turn * 2_000),
            ended: after(1_500 + turn * 2_000),
            came: *came,
        });
        self.0.known.attempts = attempts.collect();
        self.0.close.attempts = u32::try_from(came.len()).ok();
        self
    }

    pub fn ended(mut self, status: Status, class: ErrorClass, http_status: Option<u16>) -> Self {
        self.0.close.outcome = Outcome { status, error_class: Some(class), http_status };
        self
    }

    pub fn refused(mut self, verdict: Verdict, reason: StopReason, executed: bool) -> Self {
        self.0.close.outcome = Outcome {
            status: Status::Denied,
            error_class: Some(ErrorClass::of_refusal(reason)),
            http_status: executed.then_some(200),
        };
        self.0.close.verdict = Some(verdict);
        self.0.close.rule = Some("money/cap".into());
        self.0.close.stop_reason = Some(reason);
        self.0.close.retry_scope = Some(RetryScope::DifferentArgs);
        if !executed {
            self.0.known.sent = false;
            self.0.known.particulars.wire = None;
            self.0.known.attempts.clear();
            self.0.close.attempts = None;
            self.0.close.result = None;
            self.0.close.cost_usd = None;
        }
        self
    }

    pub fn warned(mut self) -> Self {
        self.0.close.verdict = Some(Verdict::Warn);
        self.0.close.rule = Some("money/careful".into());
        self
    }

    pub fn observed(mut self, count: usize) -> Self {
        let observed = (0..count).map(|turn| Observed {
            rule: format!("trial/{turn}").into(),
            verdict: if turn == 0 { Verdict::Deny } else { Verdict::Warn },
            reason: StopReason::ArgsDenied,
        });
        self.0.known.observed = observed.collect();
        self
    }

    /// Nobody knows which tool was asked for.
    pub fn unknown(mut self, verb: Option<&'static str>) -> Self {
        self.0.known.tool = None;
        self.0.known.method = verb.unwrap_or("HUNTER2").to_owned();
        self.0.known.particulars.verb = verb;
        self.0.known.particulars.request_model = None;
        self.refused(Verdict::Deny, StopReason::Malformed, false)
    }

    /// As a message is before anything of it was read.
    pub fn unread(mut self) -> Self {
        self.0.known.language = Language::Mcp(Mcp::unread(&self.0.known.method));
        self
    }

    pub fn protocol(mut self) -> Self {
        self.0.known.tool = Some(facts("mcp:tools/list"));
        self
    }

    pub fn through_pipe(mut self) -> Self {
        let wire = Wire { transport: Transport::Pipe, ..Wire::default() };
        self.0.known.particulars.wire = Some(Arc::new(wire));
        self
    }

    pub fn rpc(mut self, code: i64) -> Self {
        self.0.known.particulars.rpc_code = Some(code);
        self
    }

    pub fn foreign(mut self) -> Self {
        if let Language::Mcp(message) = &mut self.0.known.language {
            message.is_foreign = true;
        }
        self
    }

    pub fn contents(mut self, place: ContentPlace) -> Self {
        let json = |text: &str| Some(Content { text: text.to_owned(), is_json: true });
        self.0.known.particulars.contents = Some(Box::new(Contents {
            place,
            input: json(r#"{"order":7}"#),
            output: Some(Content { text: "done".to_owned(), is_json: false }),
            input_messages: Some(r#"[{"role":"user"}]"#.to_owned()),
            output_messages: Some(r#"[{"role":"assistant"}]"#.to_owned()),
            redacted_before: 0,
        }));
        self
    }
}
