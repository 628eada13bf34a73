"""The demo, told by a real Phoenix and a real Prometheus: the tree of its runs, what it cost, its
metrics, and exemplars whose traces Phoenix has.

    telemetry.py [--look]    --look: afterwards Phoenix stays until standard input ends
"""

import sys
import time

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
        answer = ask(f"{self.url}/api/v1/query?{backends.urllib.parse.urlencode({'query': query})}")
        return answer["data"]["result"]

    def value(self, query):
        """The value of a query with one series; 0 where there is none."""
        found = self.series(query)
        return float(found[0]["value"][1]) if found else 0.0

    def exemplars(self, metric, since):
        query = {"query": metric, "start": since, "end": time.time() + 1}
        answer = ask(f"{self.url}/api/v1/query_exemplars?{backends.urllib.parse.urlencode(query)}")
        return [one for series in answer["data"] for one in series["exemplars"]]


def check_metrics(findings, prometheus, calls, ends):
    for metric in METRICS:
        findings.hold(f"{metric} has a series", prometheus.series(metric))
    steps = [call for call in calls if call.get("step_id")]
    models = [call for call in calls if call["protocol"] == "llm"]
    cost = sum(call.get("cost_usd", 0) for call in calls)

    def same(query, expected):
        seen = prometheus.value(query)
        findings.hold(f"{query} is {expected}", abs(seen - expected) <= 1e-9 + 1e-6 * abs(expected), seen)
    refused = [call for call in steps if call["status"] in ("denied", "stopped")]
    findings.hold("the demo has refusals", len(refused) > 5)
    same('sum(toolgate_decisions_total{verdict!="allow"})', sum(call["verdict"] != "allow" for call in calls))
    same('sum(toolgate_decisions_total{rule="booking-limits/booking-ten-guests"})',
         sum(call.get("rule") == "booking-limits/booking-ten-guests" for call in calls))
    same("sum(toolgate_runs_ended_total)", len(ends))
    same('sum(toolgate_runs_ended_total{stop_reason="loop_detected"})', 1)
    same('sum(gen_ai_client_token_usage_sum{gen_ai_token_type="input"} or gen_ai_client_token_usage_sum{token_type="input"})',
         sum(call["tokens_input"] for call in models))
    same("sum(gen_ai_client_operation_duration_seconds_count)", len(models))
    same("sum(mcp_client_operation_duration_seconds_count)", sum(call["protocol"] == "mcp" for call in calls))
    same("sum(toolgate_cost_usd_total)", cost)
    same("sum(toolgate_run_cost_usd_sum)", cost)
    same("sum(toolgate_in_flight)", 0)
    same("sum(toolgate_telemetry_dropped_total) or vector(0)", 0)
    same("sum(gen_ai_invoke_agent_inference_calls_sum)", len(models))


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


def main():
    began = time.monotonic()
    findings = Findings()
    with peers.Stage() as stage:
        phoenix, ready = backends.phoenix(stage)
        ready()
        started, since = time.monotonic() - began, time.time() - 1
        demo = backends.Demo(stage, {"otlp": phoenix, "sample": "100%",
                                     "resource": {"openinference.project.name": PROJECT}})
        prometheus = Prometheus(backends.prometheus(stage, demo.admin))
        ends, calls = demo.runs_ended(), demo.events()
        # A run's end is counted when it is recorded: the next scrape tells of it.
        backends.wait_until("the metrics of all runs", lambda: prometheus.value("sum(toolgate_runs_ended_total)") >= len(ends))
        wanted = len(calls) + len(ends)
        spans = backends.wait_until(
            f"{wanted} spans in Phoenix",
            lambda: (found := backends.phoenix_spans(phoenix)) and sum(not runs.is_attempt(one) for one in found) >= wanted and found)
        runs.check(findings, spans, calls, ends)
        runs.check_planned(findings, spans)
        cost = check_money(findings, phoenix, spans)
        check_metrics(findings, prometheus, calls, ends)
        check_exemplars(findings, prometheus, since, {span.trace for span in spans})
        deployed.check(findings, prometheus.url, demo.admin)
        took = demo.end()
        findings.hold("the gate ends within two seconds", took < 4, f"{took:.1f} s with the demo's explanations")
        print(runs.tree(spans))
        print(f"Phoenix: {len(spans)} spans of {len(ends)} runs, model calls for {cost:.6f} USD; up after {started:.0f} s")
        findings.tell(f"Phoenix and Prometheus, in {time.monotonic() - began:.0f} s")
        if "--look" in sys.argv[1:]:
            print(f"Phoenix stays at {phoenix}", flush=True)
            sys.stdin.read()
    findings.end()


if __name__ == "__main__":
    main()
