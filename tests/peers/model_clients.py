"""The OpenAI and Anthropic SDKs, direct and through the gate: the same answers, byte for byte, and
refusals in the provider's own words, raised as the SDK's own errors and not retried.

    model_clients.py [--direct]    --direct: only see that every client gets through without a gate

Models whose name ends in `-forbidden` are refused by a rule; the upstreams called slow take one call
a minute in each run.
"""

import http.client
import json
import sys
import urllib.parse

import peers

RULES = [
    {"id": "no-such-model", "tools": [f"{provider}.*" for provider in ("openai", "anthropic")],
     "when": 'args.model.endsWith("-forbidden")', "then": "deny", "message": "Use a model of the list."},
]
LIMITS = [{"id": "slow-rate", "per": "run", "tools": ["openai_slow.*", "anthropic_slow.*"],
           "max": {"rate": "1/m", "burst": 1}, "then": "deny", "message": "One call a minute."}]
PATHS = {"chat.json": "/chat/completions", "chat-tool.json": "/chat/completions", "chat.sse": "/chat/completions",
         "responses.json": "/responses", "responses.sse": "/responses", "messages.json": "/v1/messages",
         "messages-tool.json": "/v1/messages", "messages.sse": "/v1/messages", "messages-tool.sse": "/v1/messages"}
# What each SDK raises for 403 and 429.
RAISED = {403: "PermissionDeniedError", 429: "RateLimitError"}
MESSAGES = {403: "Use a model of the list.", 429: "One call a minute."}


def asked(base, recording):
    """Status, content type and body of a recorded answer, as bytes."""
    url = urllib.parse.urlsplit(base + PATHS[recording])
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=30)
    body = {"model": "a-model", "messages": [{"role": "user", "content": "Say something."}], "max_tokens": 100,
            "stream": recording.endswith(".sse")}
    if "responses" in recording:
        body = {"model": "a-model", "input": "Say something.", "stream": body["stream"]}
    connection.request("POST", url.path, json.dumps(body),
                       {"content-type": "application/json", "x-recording": recording})
    answer = connection.getresponse()
    return answer.status, answer.headers["content-type"], answer.read()


def byte_faults(base):
    faults = []
    for recording in PATHS:
        status, kind, body = asked(base("anthropic" if "messages" in recording else "openai"), recording)
        wanted = (peers.HERE / "recordings" / recording).read_bytes()
        if (status, body) != (200, wanted):
            faults.append(f"{recording}: {status} {kind}, {len(body)} bytes instead of {len(wanted)}: {body[:300]!r}")
    return faults


def refusal_faults(step, had):
    """What is wrong with a refused step, as the SDK saw it."""
    outcome, status = had["outcome"], 429 if "rate" in step else 403
    if not isinstance(outcome, dict) or "raised" not in outcome:
        return [f"not refused: {json.dumps(outcome)[:200]}"]
    faults = []
    if (outcome["raised"], outcome["status"]) != (RAISED[status], status):
        faults.append(f"raised {outcome['raised']} {outcome['status']}")
    if MESSAGES[status] not in outcome["message"] or "NOT executed" not in outcome["message"]:
        faults.append(f"the message is {outcome['message']!r}")
    if had["requests"] != 1:
        faults.append(f"the SDK sent {had['requests']} requests")
    return faults


def differences(direct, gated):
    faults = {}
    for step in {**direct, **gated}:
        if "refused" in step or step == "over the rate":
            wrong = refusal_faults(step, gated[step])
        else:
            had, got = json.dumps(direct.get(step)), json.dumps(gated.get(step))
            wrong = [] if had == got else [f"direct {had[:400]}", f"gated  {got[:400]}"]
        if wrong:
            faults[step] = wrong
    return faults


def direct_faults(transcript):
    return {step: [json.dumps(had)] for step, had in transcript.items()
            if had["requests"] != 1 or "raised" in had["outcome"]}


def report(name, faults):
    print(f"{'FAIL' if faults else 'ok':5} {name}")
    for step, wrong in (faults.items() if isinstance(faults, dict) else enumerate(faults)):
        print(f"      {step}: {wrong}")
    return bool(faults)


def main():
    direct_only = "--direct" in sys.argv
    with peers.Stage() as stage:
        port = peers.free_ports(1)[0]
        stage.start("models", [peers.SDK1, peers.HERE / "servers" / "models.py", port], port)
        url = f"http://127.0.0.1:{port}"

        def direct(upstream):
            return f"{url}/v1" if upstream.startswith("openai") else url

        upstreams = {name: {"llm": name.split("_")[0], "url": direct(name)}
                     for name in ("openai", "openai_slow", "anthropic", "anthropic_slow")}
        failed = report("bytes, direct", byte_faults(direct))
        gate = None
        if not direct_only:
            gate = stage.gate(upstreams, RULES, limits=LIMITS)
            failed |= report("bytes, gated", byte_faults(lambda name: f"{gate}/{name}"))
        for label, python, script in (("openai 2.x", peers.SDK1, "openai"), ("openai 3.x", peers.SDK2, "openai"),
                                      ("anthropic 2.x", peers.SDK1, "anthropic")):
            command = [python, peers.HERE / "clients" / f"{script}_sdk.py"]
            names = (script, f"{script}_slow")
            run = f"peers-{label.replace(' ', '-')}"
            had = json.loads(peers.run([*command, *map(direct, names), run]))
            failed |= report(f"{label}, direct: {len(had)} steps", direct_faults(had))
            if gate:
                got = json.loads(peers.run([*command, *(f"{gate}/{name}" for name in names), run]))
                failed |= report(f"{label}, gated: {len(got)} steps", differences(had, got))
        if failed and gate:
            print("\n".join(stage.log(f"gate-{gate.rsplit(':', 1)[1]}").splitlines()[-20:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
