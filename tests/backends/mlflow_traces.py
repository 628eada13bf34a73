"""The demo, told by a real MLflow: the same tree, through a collector that demands a header of its own
and reads the conventions in another way.
"""

import base64
import time

import backends
import peers
import runs
from backends import Findings, Span, ask

# MLflow's words for kinds of spans, in OpenInference's; the protocol's own messages have none.
KINDS = {"CHAT_MODEL": "LLM", "": "UNKNOWN"}
STATUSES = {"STATUS_CODE_OK": "OK", "STATUS_CODE_ERROR": "ERROR"}


def plain(value):
    """A value of OTLP's JSON."""
    [(kind, inside)] = value.items()
    if kind == "array_value":
        return [plain(one) for one in inside.get("values", [])]
    if kind == "kvlist_value":
        return {one["key"]: plain(one["value"]) for one in inside.get("values", [])}
    return inside


def identifier(text):
    return base64.b64decode(text).hex() if text else None


def spans_of(url, trace):
    told = ask(f"{url}/api/3.0/mlflow/traces/get?trace_id=tr-{trace}")["trace"]
    spans = []
    for one in told.get("spans", []):
        attributes = {pair["key"]: plain(pair["value"]) for pair in one.get("attributes", [])}
        kind = attributes.get("mlflow.spanType", "")
        status = one.get("status", {})
        spans.append(Span(one["name"], identifier(one["trace_id"]), identifier(one["span_id"]),
                          identifier(one.get("parent_span_id")), KINDS.get(kind, kind),
                          STATUSES.get(status.get("code"), "UNSET"), int(one["start_time_unix_nano"]) / 1e9,
                          int(one["end_time_unix_nano"]) / 1e9, attributes))
    return sorted(spans, key=lambda span: span.start), told["trace_info"]


def settled(state):
    return None if state == "IN_PROGRESS" else state


def main():
    began = time.monotonic()
    findings = Findings()
    with peers.Stage() as stage:
        url, experiment = backends.mlflow(stage)
        started = time.monotonic() - began
        demo = backends.Demo(stage, {"otlp": url, "sample": "100%", "headers": {"x-mlflow-experiment-id": experiment}})
        ends, calls = demo.runs_ended(), demo.events()
        traces = {call["trace_id"] for call in calls}
        wanted = len(calls) + len(ends)

        def look():
            found = {trace: spans_of(url, trace) for trace in traces}
            spans = [span for spans, _ in found.values() for span in spans]
            return found if sum(not runs.is_attempt(span) for span in spans) >= wanted else None
        found = backends.wait_until(f"{wanted} spans in MLflow", look)
        spans = sorted((span for spans, _ in found.values() for span in spans), key=lambda span: span.start)
        runs.check(findings, spans, calls, ends)
        runs.check_planned(findings, spans)
        for run, end in ends.items():
            [root] = [span for span in spans if span.kind == "AGENT" and span.attributes.get("toolgate.run.id") == run]
            # It is in progress until MLflow has put the root to the spans that came before.
            state = backends.wait_until(f"MLflow's state of {run}", lambda: settled(spans_of(url, root.trace)[1]["state"]))
            findings.same(f"MLflow's state of {run}", state, "ERROR" if run in runs.STOPPED else "OK")
        demo.end()
        print(f"MLflow: {len(spans)} spans of {len(ends)} runs; up after {started:.0f} s")
    findings.tell(f"MLflow, in {time.monotonic() - began:.0f} s")
    findings.end()


if __name__ == "__main__":
    main()
