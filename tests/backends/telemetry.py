"""The demo, told by a real Phoenix and a real Prometheus: the tree of its runs, what it cost, its
metrics, and exemplars whose traces Phoenix has.

    telemetry.py [--look]    --look: afterwards Phoenix stays until standard input ends
"""

import subprocess
import sys
import time
import urllib.parse
import urllib.request

import backends
import deployed
import peers
import runs
from backends import PROJECT, Findings, ask

# Metrics of the demo, of which a series must be there.
METRICS = (
    "gen_ai_execute_tool_duration_seconds_count", "gen_ai_invoke_agent_tool_calls_count",
    "gen_ai_invoke_agent_inference_calls_count", "gen_ai_invoke_agent_duration_seconds_count",
    "gen_ai_client_operation_duration_seconds_count", "gen_ai_client_token_usage_count",
    "mcp_client_operation_duration_seconds_count", "toolgate_decisions_total", "toolgate_runs_ended_total",
    "toolgate_run_cost_usd_count", "toolgate_cost_usd_total", "toolgate_budget_remaining_ratio",
    "toolgate_breaker_state", "toolgate_in_flight", "toolgate_policy_reloads_total",
    "toolgate_gate_duration_seconds_count",
)
EXEMPLARS = ("gen_ai_execute_tool_duration_seconds_bucket", "gen_ai_client_operation_duration_seconds_bucket",
             "mcp_client_operation_duration_seconds_bucket")


class Prometheus:
    def __init__(self, url):
        self.url = url

    def series(self, query):
        answer = ask(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        return answer["data"]["result"]

    def value(self, query):
        """The value of a query with one series; 0 where there is none."""
        found = self.series(query)
        return float(found[0]["value"][1]) if found else 0.0

    def exemplars(self, metric, since):
        query = {"query": metric, "start": since, "end": time.time() + 1}
        answer = ask(f"{self.url}/api/v1/query_exemplars?{urllib.parse.urlencode(query)}")
        return [one for series in answer["data"] for one in series["exemplars"]]


def check_metrics(findings, prometheus, calls, ends, spans):
    for metric in METRICS:
        findings.hold(f"{metric} has a series", prometheus.series(metric))
    steps = [call for call in calls if call.get("step_id")]
    models = [call for call in calls if call["protocol"] == "llm"]
    tools = [call for call in steps if call["protocol"] != "llm"]
    cost = sum(call.get("cost_usd", 0) for call in calls)

    def same(query, expected):
        seen = prometheus.value(query)
        findings.hold(f"{query} is {expected}", abs(seen - expected) <= 1e-9 + 1e-6 * abs(expected), seen)
    findings.hold("the demo has refusals", sum(call["status"] == "denied" for call in steps) > 5)
    for verdict in ("allow", "warn", "approve", "deny", "stop"):
        same(f'sum(toolgate_decisions_total{{verdict="{verdict}"}})', sum(call["verdict"] == verdict for call in calls))
    for rule in sorted({call["rule"] for call in calls if call.get("rule")}):
        same(f'sum(toolgate_decisions_total{{rule="{rule}"}})', sum(call.get("rule") == rule for call in calls))
    sent = [call for call in tools if call.get("attempt")]
    for tool in sorted({call["tool"] for call in tools}):
        same(f'sum(gen_ai_execute_tool_duration_seconds_count{{tool="{tool}",agent="{runs.AGENT}"}})',
             sum(call["tool"] == tool for call in sent))
    same('sum(gen_ai_execute_tool_duration_seconds_count{error_type!=""})', sum(call["status"] == "error" for call in sent))
    same("sum(mcp_client_operation_duration_seconds_count)", sum(call["protocol"] == "mcp" for call in calls))
    same('sum(mcp_client_operation_duration_seconds_count{error_type="tool_error"})', 1)
    same('sum(gen_ai_client_operation_duration_seconds_count{provider="openai",model="gpt-4o",operation="chat"})', len(models))
    for kind in ("input", "output"):
        same(f'sum(gen_ai_client_token_usage_sum{{token_type="{kind}"}})', sum(call[f"tokens_{kind}"] for call in models))
    same("sum(gen_ai_invoke_agent_inference_calls_sum)", len(models))
    for reason in sorted({end["stop_reason"] for end in ends.values()}):
        same(f'sum(toolgate_runs_ended_total{{stop_reason="{reason}"}})',
             sum(end["stop_reason"] == reason for end in ends.values()))
    same("sum(toolgate_cost_usd_total)", cost)
    same('sum(toolgate_cost_usd_total{model="gpt-4o"})', sum(call["cost_usd"] for call in models))
    same("sum(toolgate_run_cost_usd_sum)", cost)
    same("sum(toolgate_in_flight)", 0)
    same('toolgate_breaker_state{tool="rates.get"} > bool 0', 1)
    same("count(toolgate_budget_remaining_ratio < 0 or toolgate_budget_remaining_ratio > 1)", 0)
    same("sum(toolgate_telemetry_dropped_total)", 0)
    same("sum(toolgate_telemetry_exported_total)", len(spans))


def check_text(findings, admin):
    """Prometheus' own linter has nothing to say about the classic text."""
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=backends.ANSWER_LIMIT_SECONDS) as answer:
        text = answer.read()
    linted = subprocess.run([backends.BACKENDS / "bin" / "promtool", "check", "metrics"], input=text, capture_output=True)
    said = (linted.stdout + linted.stderr).decode()
    findings.hold("promtool check metrics is content", linted.returncode == 0 and not said.strip(), said)


def check_exemplars(findings, prometheus, since, traces):
    """Every exemplar names a trace that Phoenix has."""
    for metric in EXEMPLARS:
        found = [one["labels"].get("trace_id") for one in prometheus.exemplars(metric, since)]
        findings.hold(f"{metric} has exemplars", found)
        for trace in found:
            findings.hold(f"Phoenix has the exemplar's trace {trace}", trace in traces)


def check_money(findings, url, spans):
    """Phoenix prices models by itself: for gpt-4o it comes to what the gate counted."""
    query = "query($name: String!){ getProjectByName(name: $name) { costSummary { total { cost } } tokenCountTotal } }"
    told = ask(f"{url}/graphql", {"query": query, "variables": {"name": PROJECT}})["data"]["getProjectByName"]
    models = [span.attributes for span in spans if span.kind == "LLM"]
    counted = sum(told.get("toolgate.cost_usd", 0) for told in models)
    seen = told["costSummary"]["total"]["cost"] or 0
    findings.hold("Phoenix's own price of the model calls is what the gate counted", abs(seen - counted) < 1e-9,
                  f"{seen} and {counted}")
    tokens = sum(one.get("llm.token_count.total", 0) for one in models)
    findings.hold("Phoenix counts their tokens", told["tokenCountTotal"] == tokens > 0, told["tokenCountTotal"])
    return seen


def wait_for_spans(url, project, calls, ends):
    """The project's spans, once there is one for every call and run."""
    wanted = len(calls) + len(ends)

    def look():
        found = backends.phoenix_spans(url, project)
        return found if sum(not runs.is_attempt(span) for span in found) >= wanted else None
    return backends.wait_until(f"{wanted} spans of {project} in Phoenix", look)


def play(stage, phoenix, findings):
    """The demo over HTTP: everything is looked at while its gate serves."""
    since = time.time() - 1
    demo = backends.Demo(stage, {"otlp": phoenix.url, "sample": "100%", "resource": {"openinference.project.name": PROJECT}})
    prometheus = Prometheus(backends.prometheus(stage, demo.admin))
    ends, calls = demo.runs_ended(), demo.events()
    # A run's end is counted when it is recorded: the next scrape tells of it.
    backends.wait_until("the metrics of all runs", lambda: prometheus.value("sum(toolgate_runs_ended_total)") >= len(ends))
    spans = wait_for_spans(phoenix.url, PROJECT, calls, ends)
    backends.wait_until("the count of what was exported",
                        lambda: prometheus.value("sum(toolgate_telemetry_exported_total)") >= len(spans))
    runs.check(findings, spans, calls, ends)
    runs.check_planned(findings, spans)
    runs.check_contents(findings, spans, are_captured=False)
    cost = check_money(findings, phoenix.url, spans)
    check_metrics(findings, prometheus, calls, ends, spans)
    check_text(findings, demo.admin)
    check_exemplars(findings, prometheus, since, {span.trace for span in spans})
    deployed.check(findings, prometheus.url, demo.admin)
    demo.end()
    print(runs.tree(spans))
    print(f"{len(spans)} spans of {len(ends)} runs, model calls for {cost:.6f} USD by Phoenix's own prices")


def play_and_end(stage, phoenix, findings):
    """The demo over gRPC, with contents: its gate ends while its runs are open, and what it holds still
    arrives.
    """
    project = f"{PROJECT}-grpc"
    demo = backends.Demo(stage, {"otlp": phoenix.grpc, "protocol": "grpc", "sample": "100%",
                                 "resource": {"openinference.project.name": project}},
                         idle_end_seconds=600, bodies="redacted")
    calls = demo.settled_events()
    demo.end()
    ends = {call["run_id"]: {} for call in calls}
    spans = wait_for_spans(phoenix.url, project, calls, ends)
    runs.check(findings, spans, calls, ends)
    runs.check_planned(findings, spans)
    runs.check_contents(findings, spans, are_captured=True)
    print(f"{len(spans)} spans of {len(ends)} runs over gRPC, most of them sent when the gate ended")


def main():
    began = time.monotonic()
    findings = Findings()
    with peers.Stage() as stage:
        phoenix = backends.Phoenix(stage)
        print(f"Phoenix is up after {time.monotonic() - began:.0f} s", flush=True)
        play(stage, phoenix, findings)
        play_and_end(stage, phoenix, findings)
        findings.tell(f"Phoenix and Prometheus, in {time.monotonic() - began:.0f} s")
        if "--look" in sys.argv[1:]:
            print(f"Phoenix stays at {phoenix.url}", flush=True)
            sys.stdin.read()
    findings.end()


if __name__ == "__main__":
    main()
