"""The agents of the README, run as they stand there, against a model API and an MCP server behind the
gate: they call their tool and finish; a refused call is something they read, not something they die of.

    frameworks.py [--direct] [NAME ..]    --direct: without a gate

One of them is run by `toolgate exec`, which starts its own gate and tells it where that is.
The upstream `calculator` is the suite's server; `closed` is the same one, of which a rule refuses `add`.
"""

import concurrent.futures
import json
import os
import subprocess
import sys

import peers

AGENTS = {"openai_agents": peers.SDK1, "claude_agent": peers.SDK1, "langgraph_agent": peers.SDK1,
          "strands_agent": peers.SDK1, "vercel_ai": peers.NODE}
RUN_LIMIT_SECONDS = 120
RULES = [{"id": "closed", "tools": ["closed.add"], "then": "deny", "message": "The calculator is closed."}]


def command(name):
    script = f"{name}.mjs" if AGENTS[name] == peers.NODE else f"{name}.py"
    return [AGENTS[name], peers.HERE / "agents" / script]


def environment(folder, openai, anthropic, tools):
    """Keys that are none, and nothing that calls home."""
    return {"OPENAI_BASE_URL": openai, "ANTHROPIC_BASE_URL": anthropic, "TOOLGATE_CALCULATOR_URL": tools,
            "OPENAI_API_KEY": "a key of a test", "ANTHROPIC_API_KEY": "a key of a test",
            "OPENAI_AGENTS_DISABLE_TRACING": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "LANGSMITH_TRACING": "false", "HOME": str(folder)}


def faults(name, env, wanted):
    try:
        said = peers.run(command(name), env=env)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return [str(error)[-2000:]]
    return [] if wanted in said.replace('": ', '":') else [f"said {said!r}, which lacks {wanted!r}"]


def executed(stage, upstreams):
    """An agent under `toolgate exec`: it finds its places by itself, and the gate counts its calls."""
    config = stage.config(upstreams)[0]
    env = environment(stage.folder, *["http://127.0.0.1:9/nowhere"] * 3)
    told = subprocess.run([peers.gate_binary(), "exec", "--config", str(config), "--", *map(str, command("openai_agents"))],
                          capture_output=True, text=True, timeout=RUN_LIMIT_SECONDS, env={**os.environ, **env})
    seen = recorded(config.parent / "events.jsonl")
    wanted = ('"sum": 42', ("calculator.add", "ok"))
    if told.returncode or wanted[0] not in told.stdout or wanted[1] not in seen:
        return [f"exited with {told.returncode}, said {told.stdout!r} {told.stderr[-1000:]!r}, recorded {seen}"]
    return []


def recorded(events):
    """(tool, status) of every call the gate has recorded."""
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    return [(line.get("tool"), line.get("status")) for line in lines if line.get("kind") == "call"]


def main(arguments):
    direct_only = "--direct" in arguments
    names = [name for name in arguments if not name.startswith("--")] or list(AGENTS)
    failed = False
    with peers.Stage() as stage, concurrent.futures.ThreadPoolExecutor(2) as pool:
        tools = stage.suite()["sse"]
        port = peers.free_ports(1)[0]
        stage.start("models", [peers.SDK1, peers.HERE / "servers" / "models.py", port], port)
        url = f"http://127.0.0.1:{port}"
        plays = []
        if direct_only:
            env = environment(stage.folder, f"{url}/v1", url, tools)
            plays = [(name, "direct", env, '"sum":42') for name in names]
        else:
            gate = stage.gate({"openai": {"llm": "openai", "url": f"{url}/v1"},
                               "anthropic": {"llm": "anthropic", "url": url},
                               "calculator": {"mcp": tools}, "closed": {"mcp": tools}}, RULES)
            for kind, wanted in (("calculator", '"sum":42'), ("closed", "The calculator is closed.")):
                env = environment(stage.folder, f"{gate}/openai", f"{gate}/anthropic", f"{gate}/{kind}/mcp")
                plays += [(name, kind, env, wanted) for name in names]
        running = [(name, kind, pool.submit(faults, name, env, wanted)) for name, kind, env, wanted in plays]
        for name, kind, one in running:
            wrong = one.result()
            failed |= bool(wrong)
            print(f"{'FAIL' if wrong else 'ok':5} {name}, {kind}", *wrong, sep="\n      " if wrong else "")
        if not direct_only:
            wrong = executed(stage, {"openai": {"llm": "openai", "url": f"{url}/v1"}, "calculator": {"mcp": tools}})
            failed |= bool(wrong)
            print(f"{'FAIL' if wrong else 'ok':5} openai_agents, by toolgate exec", *wrong)
            seen = recorded(stage.events)
            for call in (("calculator.add", "ok"), ("closed.add", "denied")):
                if seen.count(call) < len(names):
                    failed = True
                    print(f"FAIL  {seen.count(call)} events {call} of {len(names)}; seen: {sorted(set(seen))}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
