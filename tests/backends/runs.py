"""What must be so of the demo's spans, whichever backend tells of them. Two independent sources say
what is right: the gate's own event log, which is written before and without any span, and the list
below, which somebody wrote who read the demo.
"""

import json

AGENT = "booking-desk"
# Words of the demo's arguments, results, prompts and completions that are in nothing else.
CONTENTS = ("Casa Azul", "Lissabon", "Twelve of us", "groups desk", "free_rooms", "sunny")
PLANNING_RUN = "run_meeting_in_lisbon"
# Of the run that a model plans, in order: name, kind, status.
PLANNED = [
    (f"invoke_agent {AGENT}", "AGENT", "UNSET"),
    ("initialize", "CHAIN", "UNSET"),
    ("tools/list", "CHAIN", "UNSET"),
    ("chat gpt-4o", "LLM", "UNSET"),
    ("execute_tool search.hotels", "TOOL", "UNSET"),
    ("tools/call weather.forecast", "TOOL", "ERROR"),
    ("chat gpt-4o", "LLM", "UNSET"),
    ("tools/call weather.forecast", "TOOL", "UNSET"),
    ("execute_tool booking.create", "TOOL", "ERROR"),
    ("chat gpt-4o", "LLM", "UNSET"),
]
# How a run of the demo ended, where not by falling silent or by its model's last word.
STOPPED = {"run_endless_search": "loop_detected"}
ATTEMPTS = ("GET", "POST")
# A run was last seen when its last call was settled; that call has ended when the agent had all of the
# answer, which a busy machine delays.
LAST_WORD_SECONDS = 0.25


def is_attempt(span):
    return span.name in ATTEMPTS


def check(findings, spans, calls, ends):
    """Holds the spans against the events: one span a call, below its run's, with what the event says."""
    by_id = {span.id: span for span in spans}
    findings.same("spans have ids of their own", len(by_id), len(spans))
    roots = {}
    for span in spans:
        if span.kind == "AGENT":
            run = span.attributes.get("toolgate.run.id")
            findings.hold(f"one AGENT span of {run}", run not in roots)
            roots[run] = span
    findings.same("each run has its span", sorted(roots), sorted(ends))
    for run, root in roots.items():
        check_run(findings, root, [span for span in spans if span.trace == root.trace], ends.get(run, {}))
    for call in calls:
        what = f"{call['run_id']} step {call.get('step_id', '-')} ({call['tool']})"
        span = by_id.get(call["span_id"])
        findings.hold(f"{what} has a span", span is not None)
        if span is not None:
            check_call(findings, what, span, call, roots.get(call["run_id"]))
    called = {call["span_id"] for call in calls}
    for span in spans:
        if is_attempt(span):
            findings.hold(f"the attempt {span.name} is below a call", span.parent in called)
            findings.hold("an attempt names its URL's host", span.attributes.get("server.address") == "127.0.0.1")
        elif span.kind != "AGENT":
            findings.hold(f"{span.name} is a call of the event log", span.id in called)
    executed = sum(call.get("attempt", 0) for call in calls if call["protocol"] == "http")
    findings.same("an attempt's span for each that was made", sum(map(is_attempt, spans)), executed)


def check_run(findings, root, trace, end):
    run = root.attributes.get("toolgate.run.id")
    findings.same(f"{run}: its span is the root", root.parent, None)
    findings.same(f"{run}: its name", root.name, f"invoke_agent {AGENT}")
    # A run ends with the decision to stop it: the call that is refused then is answered later, and
    # those after it come later.
    ended = [span for span in trace if span.attributes.get("toolgate.verdict") == "stop"
             or span.attributes.get("toolgate.stop_reason") == "run_stopped"]
    findings.hold(f"{run}: it begins first and ends last",
                  all(root.start <= span.start and (span in ended or span.end <= root.end + LAST_WORD_SECONDS) for span in trace),
                  [(span.name, span.start - root.start, span.end - root.end) for span in trace])
    if reason := STOPPED.get(run, end.get("stop_reason")):
        findings.same(f"{run}: why it ended", root.attributes.get("toolgate.stop_reason"), reason)
    findings.same(f"{run}: a run that was stopped is an error", root.status, "ERROR" if run in STOPPED else "UNSET")


def check_call(findings, what, span, call, root):
    findings.same(f"{what}: trace", span.trace, call["trace_id"])
    findings.hold(f"{what}: it hangs below its run", root is not None and span.parent == root.id)
    wants = "LLM" if call["protocol"] == "llm" else "TOOL" if call.get("step_id") else "CHAIN"
    findings.same(f"{what}: kind", span.kind, wants)
    findings.same(f"{what}: status", span.status, "UNSET" if call["status"] in ("ok", "warned") else "ERROR")
    has_type = "error.type" in span.attributes
    findings.same(f"{what}: error.type is there exactly on errors", has_type, span.status == "ERROR")
    told = span.attributes
    for attribute, member in (("toolgate.verdict", "verdict"), ("toolgate.rule", "rule"), ("toolgate.args_sha", "args_sha"),
                              ("toolgate.result_sha", "result_sha"), ("toolgate.cost_usd", "cost_usd"),
                              ("toolgate.run.id", "run_id")):
        findings.same(f"{what}: {attribute}", told.get(attribute), call.get(member))
    if call["protocol"] == "llm":
        findings.same(f"{what}: model", told.get("gen_ai.request.model"), call["model"])
        findings.same(f"{what}: tokens", (told.get("gen_ai.usage.input_tokens"), told.get("gen_ai.usage.output_tokens")),
                      (call["tokens_input"], call["tokens_output"]))


def check_planned(findings, spans):
    """The run that a model plans, as somebody expects it who read the demo."""
    [trace] = {span.trace for span in spans if span.attributes.get("toolgate.run.id") == PLANNING_RUN}
    seen = [(span.name, span.kind, span.status) for span in spans if span.trace == trace and not is_attempt(span)]
    findings.same(f"the tree of {PLANNING_RUN}", seen, PLANNED)


def check_contents(findings, spans, are_captured):
    """Arguments, results, prompts and completions are nowhere, or, where they were asked for, in the
    panes that Phoenix has for them; those of refused calls are nowhere at all.
    """
    for span in spans:
        told = json.dumps(span.attributes)
        is_refused = span.attributes.get("toolgate.executed") is False
        if is_refused or not are_captured:
            findings.hold(f"{span.name}: nothing of its contents", not any(word in told for word in CONTENTS), told)
        elif span.name == "chat gpt-4o":
            # The conversation as messages, and its last word.
            asked = span.attributes.get("llm.input_messages.1.message.content", "")
            findings.hold("Phoenix shows what the model was asked", "Twelve of us" in asked, told)
            findings.hold("Phoenix shows what the model answered", "llm.output_messages.0.message.role" in span.attributes, told)
        elif span.name == "tools/call weather.forecast":
            findings.hold("Phoenix shows what the tool was called with", '"city"' in span.attributes.get("input.value", ""), told)
            findings.hold("Phoenix shows what it answered", "Lisbon" in span.attributes.get("output.value", ""), told)


def tree(spans, run=PLANNING_RUN):
    """A run's spans as an indented list, to look at."""
    [trace] = {span.trace for span in spans if span.attributes.get("toolgate.run.id") == run}
    members = [span for span in spans if span.trace == trace]

    def lines(parent, depth):
        for span in (one for one in members if one.parent == parent):
            cost = span.attributes.get("toolgate.cost_usd")
            took = f"{(span.end - span.start) * 1000:7.1f} ms"
            paid = "" if cost is None else f"  {cost:.6f} USD"
            yield f"{span.kind:<8}{'  ' * depth}{span.name:<{40 - 2 * depth}} {span.status:<6}{took}{paid}"
            yield from lines(span.id, depth + 1)
    return "\n".join(lines(None, 0))
