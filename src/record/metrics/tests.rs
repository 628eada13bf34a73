//! Names that callers make up do not make series without end, nothing is lost by that, and what is
//! seen leads to a trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::names::Open;
use super::{Held, Metrics, ReloadResult};
use crate::call::budget::Budget;
use crate::call::trace::{TraceContext, TraceParent, TraceState};
use crate::call::{
    Caller, Effect, ErrorClass, Known, Language, Llm, Mcp, Observed, Outcome, Provider, RunEnd,
    RunId, Status, StopReason, Tokens, ToolFacts, Verdict,
};
use crate::clock::Now;
use crate::ledger::{EndedRun, Models, Usage};
use crate::policy::amount::Usd;
use crate::policy::model::Measure;
use crate::record::export::Tally;
use crate::record::told::{Close, Told};

const INVENTED: usize = 10_000;

const NOW: Now = Now { mono: Duration::from_secs(7), wall_ms: 1_700_000_000_250 };

fn tool(operation: &str) -> Arc<ToolFacts> {
    Arc::new(ToolFacts {
        name: format!("s.{operation}").into(),
        server: "s".into(),
        operation: operation.into(),
        tags: Arc::from([]),
        effect: Effect::Read,
        version: "".into(),
    })
}

/// A call that was let pass and ended well.
fn told(language: Language, operation: &str) -> Told {
    let trace = TraceParent::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .map(|parent| TraceContext::child_of(Some(&(parent, TraceState::default()))));
    let known =
        Known { language, trace, tool: Some(tool(operation)), sent: true, ..Known::default() };
    let outcome = Outcome { status: Status::Ok, error_class: None, http_status: Some(200) };
    Told {
        call_id: "dec_1".to_owned(),
        caller: Caller { agent: "bot".into(), tenant: "acme".into(), ..Caller::default() },
        opened: Now { mono: Duration::from_secs(6), ..NOW },
        ended: NOW,
        known,
        close: Close {
            outcome,
            verdict: Some(Verdict::Allow),
            rule: None,
            stop_reason: None,
            retry_scope: None,
            result: None,
            upstream: Duration::from_millis(900),
            attempts: Some(1),
            cost_usd: None,
            tokens: None,
        },
    }
}

fn llm() -> Language {
    Language::Llm(Llm { provider: Provider::Gemini })
}

fn mcp(method: &str) -> Language {
    Language::Mcp(Mcp { id: Some("1".into()), ..Mcp::unread(method) })
}

fn close(metrics: &Metrics, told: &Told) {
    metrics.opened();
    metrics.closed(told);
}

fn ended(agent: &str, usage: Usage) -> EndedRun {
    EndedRun {
        id: RunId("r".into()),
        id_source: "header",
        caller: Caller { agent: agent.into(), ..Caller::default() },
        end: RunEnd::Stopped(StopReason::LoopDetected),
        rule: None,
        parent: None,
        duration: Duration::from_secs(3),
        usage,
        before: None,
        root: None,
    }
}

/// The samples of a family: labels and value.
fn samples(text: &str, name: &str) -> Vec<(String, f64)> {
    let of = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => rest.rsplit_once("} ")?,
            None => ("", rest.strip_prefix(' ')?),
        };
        Some((labels.to_owned(), value.parse().expect("a value")))
    };
    text.lines().filter_map(of).collect()
}

fn one(text: &str, name: &str, labels: &str) -> f64 {
    let found: Vec<f64> = samples(text, name)
        .into_iter()
        .filter(|(own, _)| own == labels)
        .map(|(_, value)| value)
        .collect();
    assert_eq!(found.len(), 1, "{name}{{{labels}}} in:\n{text}");
    found[0]
}

/// The values of one label.
fn values(text: &str, name: &str, label: &str) -> BTreeSet<String> {
    let start = format!("{label}=\"");
    let of = |(labels, _): (String, f64)| {
        let rest = labels.split(',').find_map(|one| one.strip_prefix(&start))?.to_owned();
        Some(rest.trim_end_matches('"').to_owned())
    };
    samples(text, name).into_iter().filter_map(of).collect()
}

fn classic(metrics: &Metrics) -> String {
    metrics.render(&Held::default(), false)
}

#[test]
fn a_call_of_a_tool_is_none_of_a_model() {
    let metrics = Metrics::new(&Tally::default());
    close(&metrics, &told(Language::Http, "get"));
    close(&metrics, &told(mcp("tools/call"), "say"));
    close(&metrics, &told(mcp("tools/list"), "mcp:tools/list"));
    let mut chat = told(llm(), "generate_content");
    chat.known.model = Some("gemini-9".into());
    chat.close.tokens =
        Some(Tokens { input: 100, output: 7, cached: 60, cache_written: 30, ..Tokens::default() });
    chat.close.cost_usd = Some(0.25);
    close(&metrics, &chat);
    let text = classic(&metrics);
    let executed = "gen_ai_execute_tool_duration_seconds_count";
    for tool in ["s.get", "s.say"] {
        let labels = format!(r#"tool="{tool}",type="function",agent="bot",error_type="""#);
        assert_eq!(one(&text, executed, &labels), 1.0);
    }
    assert_eq!(samples(&text, executed).len(), 2);
    let model = r#"operation="generate_content",provider="gcp.gemini",model="gemini-9""#;
    let operation = "gen_ai_client_operation_duration_seconds";
    assert_eq!(one(&text, &format!("{operation}_sum"), &format!(r#"{model},error_type="""#)), 1.0);
    let messages = "mcp_client_operation_duration_seconds_count";
    let run = r#"method="tools/call",tool="s.say",error_type="""#;
    assert_eq!(one(&text, messages, run), 1.0);
    let list = r#"method="tools/list",tool="",error_type="""#;
    assert_eq!(one(&text, messages, list), 1.0);
    for (part, tokens) in
        [("input", 100.0), ("output", 7.0), ("cache_read", 60.0), ("cache_creation", 30.0)]
    {
        let labels = format!(r#"{model},error_type="",token_type="{part}""#);
        assert_eq!(one(&text, "gen_ai_client_token_usage_sum", &labels), tokens);
    }
    let cost = r#"tenant="acme",project="",user="",agent="bot",tool="s.generate_content",model="gemini-9""#;
    assert_eq!(one(&text, "toolgate_cost_usd_total", cost), 0.25);
    assert_eq!(one(&text, "toolgate_in_flight", ""), 0.0);
}

#[test]
fn errors_are_named_and_success_is_not() {
    let metrics = Metrics::new(&Tally::default());
    let mut late = told(Language::Http, "get");
    late.close.outcome.status = Status::Timeout;
    late.close.outcome.error_class = Some(ErrorClass::Timeout);
    close(&metrics, &late);
    let mut stale = told(Language::Http, "get");
    stale.close.outcome.error_class = Some(ErrorClass::StaleData);
    close(&metrics, &stale);
    let name = "gen_ai_execute_tool_duration_seconds_count";
    assert_eq!(
        values(&classic(&metrics), name, "error_type"),
        BTreeSet::from([String::new(), "timeout".to_owned()])
    );
}

#[test]
fn a_run_is_told_with_its_calls() {
    let metrics = Metrics::new(&Tally::default());
    let usage = Usage {
        calls: 7,
        tool_calls: 4,
        inferences: 3,
        models: Models::One("m".into()),
        cost_usd: Usd::from_nanos(2_000_000_000),
        ..Usage::default()
    };
    metrics.run_ended(&ended("bot", usage.clone()), NOW);
    let more = Usage { calls: 9, tool_calls: 6, ..usage.clone() };
    metrics.run_ended(&EndedRun { before: Some(usage), ..ended("bot", more) }, NOW);
    let text = classic(&metrics);
    let bot = r#"agent="bot""#;
    assert_eq!(one(&text, "gen_ai_invoke_agent_tool_calls_sum", bot), 6.0);
    assert_eq!(one(&text, "gen_ai_invoke_agent_inference_calls_sum", bot), 3.0);
    let stopped = r#"stop_reason="loop_detected",agent="bot""#;
    assert_eq!(one(&text, "toolgate_runs_ended_total", stopped), 2.0);
    let stopped = r#"agent="bot",error_type="loop_detected""#;
    assert_eq!(one(&text, "gen_ai_invoke_agent_duration_seconds_count", stopped), 2.0);
    let labels = r#"tenant="",project="",model="m""#;
    assert_eq!(one(&text, "toolgate_run_cost_usd_sum", labels), 2.0);
}

#[test]
fn what_alerts_look_at_is_there_from_the_start() {
    let metrics = Metrics::new(&Tally::default());
    let text = classic(&metrics);
    for (name, labels) in [
        (
            "toolgate_decisions_total",
            r#"verdict="deny",rule="",stop_reason="loop_detected",mode="enforce""#,
        ),
        ("toolgate_decisions_total", r#"verdict="allow",rule="",stop_reason="",mode="enforce""#),
        ("toolgate_policy_reloads_total", r#"result="invalid""#),
        ("toolgate_in_flight", ""),
    ] {
        assert_eq!(one(&text, name, labels), 0.0);
    }
    assert_eq!(one(&text, "toolgate_policy_last_reload_successful", ""), 1.0);
    let version = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
    assert_eq!(one(&text, "toolgate_build_info", version), 1.0);
    for (result, successful) in [
        (ReloadResult::Invalid, 0.0),
        (ReloadResult::Unchanged, 0.0),
        (ReloadResult::Ok, 1.0),
        (ReloadResult::Unchanged, 1.0),
    ] {
        metrics.reloaded(result);
        let text = classic(&metrics);
        assert_eq!(one(&text, "toolgate_policy_last_reload_successful", ""), successful);
    }
}

#[test]
fn exemplars_lead_to_the_trace_and_are_left_out_of_the_classic_text() {
    let metrics = Metrics::new(&Tally::default());
    let call = told(Language::Http, "get");
    let span = call.known.trace.as_ref().expect("a trace").span();
    close(&metrics, &call);
    let exemplar = format!(r#"# {{trace_id="{}",span_id="{}"}}"#, span.trace_id(), span.span_id());
    let open = metrics.render(&Held::default(), true);
    let with = |name: &str| {
        let of = |line: &&str| line.starts_with(name) && line.contains(&exemplar);
        open.lines().filter(of).count()
    };
    assert_eq!(with("gen_ai_execute_tool_duration_seconds_bucket"), 1, "{open}");
    assert_eq!(with("toolgate_gate_duration_seconds_bucket"), 1);
    assert_eq!(with("toolgate_decisions_total"), 1);
    assert!(open.contains(&format!("{exemplar} 1.0 1700000000.25")), "value and time: {open}");
    assert!(open.ends_with("# EOF\n"));
    let text = classic(&metrics);
    assert!(!text.contains("trace_id") && !text.contains("EOF"), "{text}");
    assert_eq!(text.lines().count() + 1, open.lines().count(), "and nothing else is left out");
}

/// All but the values of the labels that callers may make up is as it is for one call.
#[test]
fn ten_thousand_made_up_names_make_no_more_series_than_there_is_room_for() {
    let metrics = Metrics::new(&Tally::default());
    let own = told(Language::Http, "get");
    metrics.declare(&[ToolFacts::clone(own.known.tool.as_ref().expect("a tool"))], &own.caller);
    for number in 0..INVENTED {
        let name: Arc<str> = format!("n{number}").into();
        close(&metrics, &told(Language::Http, &name));
        close(&metrics, &told(mcp(&name), &name));
        let mut chat = told(llm(), "chat");
        chat.known.model = Some(Arc::clone(&name));
        chat.close.tokens = Some(Tokens { input: 1, output: 1, ..Tokens::default() });
        chat.close.cost_usd = Some(1.0);
        chat.close.rule = Some(Arc::clone(&name));
        chat.close.verdict = Some(Verdict::Warn);
        chat.known.redacted_by = vec![(Arc::clone(&name), 2)];
        chat.known.observed = vec![Observed::unevaluable(Arc::clone(&name))];
        chat.known.budgets = vec![Budget {
            limit: Arc::clone(&name),
            measure: Measure::Fixed("calls"),
            used: 1,
            max: 2,
            fine: false,
            window: None,
        }];
        let (tenant, project) = (Arc::clone(&name), Arc::clone(&name));
        chat.caller = Caller { tenant, project, user: Arc::clone(&name), agent: name.clone() };
        close(&metrics, &chat);
        let cost_usd = Usd::from_nanos(1_000_000_000);
        metrics.run_ended(&ended(&name, Usage { cost_usd, ..Usage::default() }), NOW);
    }
    let text = classic(&metrics);
    let whole = 10_000.0;
    let families: BTreeMap<&str, (usize, f64)> = BTreeMap::from([
        ("gen_ai_execute_tool_duration_seconds_count", (1_025, whole)),
        ("gen_ai_client_operation_duration_seconds_count", (257, whole)),
        ("gen_ai_client_token_usage_count", (514, 2.0 * whole)),
        ("mcp_client_operation_duration_seconds_count", (65, whole)),
        ("toolgate_decisions_total", (4_098, 4.0 * whole)),
        ("toolgate_redactions_total", (2_050, 2.0 * whole)),
        ("toolgate_cost_usd_total", (1_025, whole)),
        ("toolgate_run_cost_usd_count", (1, whole)),
        ("toolgate_runs_ended_total", (257, whole)),
        ("gen_ai_invoke_agent_tool_calls_count", (257, whole)),
        ("gen_ai_invoke_agent_inference_calls_count", (257, whole)),
        ("gen_ai_invoke_agent_duration_seconds_count", (257, whole)),
    ]);
    for (name, (series, total)) in families {
        let found = samples(&text, name);
        assert!(found.len() <= series, "{name}: {} series", found.len());
        assert_eq!(found.iter().map(|(_, value)| value).sum::<f64>(), total, "{name}");
    }
    assert!(samples(&text, "toolgate_budget_remaining_ratio").len() <= 1_025);
    for (name, label, kind) in [
        ("gen_ai_execute_tool_duration_seconds_count", "tool", Open::Tool),
        ("gen_ai_client_operation_duration_seconds_count", "model", Open::Model),
        ("mcp_client_operation_duration_seconds_count", "method", Open::Method),
        ("toolgate_cost_usd_total", "tenant", Open::Tenant),
        ("toolgate_cost_usd_total", "project", Open::Project),
        ("toolgate_cost_usd_total", "user", Open::User),
        ("toolgate_cost_usd_total", "agent", Open::Agent),
        ("toolgate_decisions_total", "rule", Open::Rule),
        ("toolgate_runs_ended_total", "agent", Open::Agent),
    ] {
        let mut found = values(&text, name, label);
        assert!(found.remove("other"), "{name} {label}");
        found.remove("");
        // One tool is counted elsewhere alone, and has a place as well. Of decisions
        // there are two series a rule, and two that are there from the start.
        let elsewhere = usize::from(matches!(kind, Open::Tool | Open::Rule));
        let room = kind.limit_names() - elsewhere;
        assert_eq!(found.len(), room, "{name} {label}");
    }
    // Nobody's names take the place of those that the config gives.
    close(&metrics, &own);
    let named = r#"tool="s.get",type="function",agent="bot",error_type="""#;
    assert_eq!(one(&classic(&metrics), "gen_ai_execute_tool_duration_seconds_count", named), 1.0);
}
