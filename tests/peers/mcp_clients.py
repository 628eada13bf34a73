"""Official MCP SDKs, direct and through the gate: their transcripts are the same, but for what a
policy refuses.

    mcp_clients.py [--direct]    --direct: only see that every client gets through without a gate

Two rules stand in the gate: refunds over 500 are refused, `secret` is concealed.
"""

import concurrent.futures
import json
import subprocess
import sys

import peers

RULES = [
    {"id": "refund-over-500", "tools": ["*.refund"], "when": "args.amount > 500", "then": "deny",
     "message": "Refunds over 500 are for a person."},
    {"id": "no-secrets", "tools": ["*.secret"], "then": "deny", "conceal": True,
     "message": "Never shown: the tool is unknown to the client."},
]
CLIENTS = peers.HERE / "clients"
JOBS = 4
FAULTS_SHOWN = 5
# The steps that a rule changes.
REFUSED, CONCEALED, LISTED = "refund of 900", "secret", "tools"


SUITE_STDIO = [str(peers.SDK2), str(peers.HERE / "servers" / "suite.py"), "--stdio"]
# The steps that fail because of what is asked for, and those that need a way back to the client.
ALWAYS_RAISE = {"no_such_tool", "read test://missing"}
WAYS_BACK = {"sampling", "elicitation"}


def python(sdk, script, *arguments):
    return lambda url: [sdk, CLIENTS / script, url, *arguments]


def node(sdk, *arguments):
    return lambda url: [peers.NODE, CLIENTS / "client.mjs", sdk, url, *arguments]


# client -> (flavour of the server, command for a URL)
HTTP = {
    "python 1.x, sessions": ("sse", python(peers.SDK1, "mcp1.py", "resume")),
    "python 1.x, JSON answers": ("json", python(peers.SDK1, "mcp1.py")),
    "python 1.x, no sessions": ("stateless", python(peers.SDK1, "mcp1.py")),
    "python 2.x, sessions": ("sse", python(peers.SDK2, "mcp2.py", "legacy", "resume")),
    "python 2.x, 2026-07-28": ("sse", python(peers.SDK2, "mcp2.py", "2026-07-28")),
    "python 2.x, negotiated": ("json", python(peers.SDK2, "mcp2.py", "auto")),
    "typescript 1.x, sessions": ("sse", node("sdk1", "legacy", "resume")),
    "typescript 1.x, JSON answers": ("json", node("sdk1", "legacy")),
    "typescript 2.x, sessions": ("sse", node("client2", "legacy", "resume")),
    "typescript 2.x, 2026-07-28": ("sse", node("client2", "2026-07-28")),
    "typescript 2.x, negotiated": ("stateless", node("client2", "auto")),
}
# client -> (command for a server's command, command for a URL)
STDIO = {
    "python 1.x": (lambda server: [peers.SDK1, CLIENTS / "mcp1.py", "--stdio", *server],
                   python(peers.SDK1, "mcp1.py")),
    "python 2.x": (lambda server: [peers.SDK2, CLIENTS / "mcp2.py", "--stdio", "legacy", *server],
                   python(peers.SDK2, "mcp2.py", "legacy")),
}


def plays(urls, stage, gate):
    """(name, direct command, gated command) of every client; without a gate, nothing gated."""
    for name, (flavour, command) in HTTP.items():
        yield name, command(urls[flavour]), gate and command(f"{gate}/{flavour}/mcp")
    config = stage.config({"program": {"mcp": {"command": SUITE_STDIO}}}, RULES)[0]
    wrapper = [gate and peers.gate_binary(), "exec", "--config", str(config), "--mcp", "program"]
    for name, (piped, dialled) in STDIO.items():
        direct = piped(SUITE_STDIO)
        yield f"{name}, stdio server at an HTTP endpoint", direct, gate and dialled(f"{gate}/program/mcp")
        yield f"{name}, stdio server behind toolgate exec --mcp", direct, gate and piped(wrapper)


def refusal_faults(outcome):
    """What is wrong with a refused call's outcome, as a client of an SDK sees it."""
    if "raised" in outcome:
        return [f"the SDK raised: {outcome}"]
    faults = []
    if outcome.get("isError") is not True:
        faults.append("isError is not true")
    if outcome.get("structuredContent") is not None:
        faults.append("structuredContent is there, which clients check against the output schema")
    text = " ".join(block.get("text", "") for block in outcome.get("content", []))
    for part in ("NOT executed", "Refunds over 500 are for a person."):
        if part not in text:
            faults.append(f"the text lacks {part!r}: {text!r}")
    decision = outcome.get("_meta", {}).get("dev.toolgate/decision")
    if not decision:
        return [*faults, f"_meta lacks dev.toolgate/decision: {outcome.get('_meta')}"]
    wanted = {"rule": "peers/refund-over-500", "executed": False}
    wrong = {key: decision.get(key) for key, value in wanted.items() if decision.get(key) != value}
    return [*faults, f"the decision says {wrong}"] if wrong else faults


def concealment_faults(outcome):
    if "raised" not in outcome or outcome.get("code") != -32602 or "Unknown tool" not in outcome["message"]:
        return [f"not an unknown tool: {outcome}"]
    return []


def unlike(had, got, path=""):
    """Where two pieces of JSON differ."""
    if isinstance(had, dict) and isinstance(got, dict):
        for key in {**had, **got}:
            yield from unlike(had.get(key), got.get(key), f"{path}/{key}")
    elif isinstance(had, list) and isinstance(got, list) and len(had) == len(got):
        for number, pair in enumerate(zip(had, got)):
            yield from unlike(*pair, f"{path}/{number}")
    elif had != got:
        yield f"{path}: direct {json.dumps(had)[:300]}, gated {json.dumps(got)[:300]}"


def differences(direct, gated):
    """step -> fault; empty when the gate changed nothing but what its rules say."""
    faults = {}
    for step in {**direct, **gated}:
        had, got = direct.get(step), gated.get(step)
        if step == REFUSED:
            wrong = refusal_faults(got)
        elif step == CONCEALED:
            wrong = concealment_faults(got)
        else:
            if step == LISTED and "names" in had:
                had = {**had, "names": [name for name in had["names"] if name != "secret"]}
            wrong = list(unlike(had, got))[:FAULTS_SHOWN]
        if wrong:
            faults[step] = wrong
    return faults


def direct_faults(name, transcript):
    """Steps that already fail without a gate, where nothing is learned."""
    expected = ALWAYS_RAISE | (WAYS_BACK if "JSON" in name or "no sessions" in name else set())
    raised = {step for step, outcome in transcript.items() if "raised" in outcome}
    return {step: [json.dumps(transcript[step])] for step in raised ^ expected if step in transcript}


def transcript(command):
    return json.loads(peers.run(command))


def report(name, faults):
    print(f"{'FAIL' if faults else 'ok':5} {name}")
    for step, wrong in faults.items():
        print(f"      {step}:", *wrong, sep="\n         ")


def main():
    direct_only = "--direct" in sys.argv
    failed = False
    with peers.Stage() as stage, concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        urls = stage.suite()
        upstreams = {name: {"mcp": url} for name, url in urls.items()}
        gate = None if direct_only else stage.gate({**upstreams, "program": {"mcp": {"command": SUITE_STDIO}}}, RULES)
        waiting = [(name, pool.submit(transcript, direct), gate and pool.submit(transcript, gated))
                   for name, direct, gated in plays(urls, stage, gate)]
        for name, direct, gated in waiting:
            try:
                had = direct.result()
                faults = direct_faults(name, had)
                if gated:
                    faults |= differences(had, gated.result())
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                faults = {"the client died": [str(error)[-2000:]]}
            failed |= bool(faults)
            report(name, faults)
        if failed and gate:
            print("\n".join(stage.log(f"gate-{gate.rsplit(':', 1)[1]}").splitlines()[-20:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
