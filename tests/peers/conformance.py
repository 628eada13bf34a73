"""The MCP conformance suite, direct and through the gate: every check of every scenario comes out the
same, for servers over HTTP and for servers that only speak stdio.

    conformance.py [--direct] [SERVER ..|clients]    --direct: only print what they come to without a gate

What a server lacks is its own affair: a scenario that fails direct has to fail the same way gated.
For a server without HTTP, "direct" is the SDK's own transport in front of it (servers/bridge.mjs).
The suite's client scenarios are played by clients/conformance.mjs, with a gate between it and the
suite's server. Its `auth/` scenarios are left out: they are about a server's own sign-in, whose
addresses an OAuth client has to reach itself.
"""

import collections
import concurrent.futures
import json
import re
import shlex
import sys

import peers

OLD, NEW = "2025-11-25", "2026-07-28"
RUN_LIMIT_SECONDS = 240
JOBS = 3
# What the suite notes of the traffic it sees; how many such notes there are is a matter of timing.
SUITE_LOG = {"outgoing-request", "incoming-request", "incoming-response", "incoming-sse-event", "outgoing-response",
             "outgoing-sse-event", "stream-closed"}
# (server, revision) -> checks that the gate passes where the server by itself fails.
BY_DESIGN = {
    # It does not speak this revision. The gate compares headers with the body and refuses methods that
    # are not the protocol's, whatever the server does.
    ("everything", NEW): {"sep-2575-http-server-header-mismatch-400", "tasks-headers-reject-mismatched-method",
                          "sep-2575-http-server-method-not-found-404", "tasks-removed-tasks-list",
                          "sep-2663-tasks-result-removed-method-not-found"},
}
CLIENT_SCENARIOS = {
    OLD: ("initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry",
          "json-schema-2020-12-preservation"),
    NEW: ("tools_call", "request-metadata", "sep-2322-client-request-state", "http-standard-headers",
          "http-custom-headers", "http-invalid-tool-headers", "json-schema-ref-no-deref",
          "json-schema-2020-12-preservation"),
}
MARK = {"SUCCESS": "ok", "FAILURE": "FAIL", "WARNING": "warn", "SKIPPED": "skip", "INFO": "info"}


def servers(stage):
    """name -> (direct URL, what toolgate.yaml says, revisions)."""
    node, package = peers.NODE, peers.package
    made = {name: (url, {"mcp": url}, (OLD, NEW) if name == "sse" else (OLD,)) for name, url in stage.suite().items()}
    port, *bridges = peers.free_ports(4)
    everything = package("@modelcontextprotocol/server-everything")
    stage.start("everything", [node, everything, "streamableHttp"], port, {"PORT": str(port)})
    url = f"http://127.0.0.1:{port}/mcp"
    made["everything"] = (url, {"mcp": url}, (OLD, NEW))
    shared = stage.folder / "shared"
    shared.mkdir()
    (shared / "a.txt").write_text("hello")
    commands = {
        "filesystem": [node, package("@modelcontextprotocol/server-filesystem"), shared],
        "memory": [node, package("@modelcontextprotocol/server-memory")],
        "sequential-thinking": [node, package("@modelcontextprotocol/server-sequential-thinking")],
    }
    for (name, command), port in zip(commands.items(), bridges):
        words = [str(word) for word in command]
        stage.start(name, [node, peers.HERE / "servers" / "bridge.mjs", port, *words], port)
        made[name] = (f"http://127.0.0.1:{port}/mcp", {"mcp": {"command": words}}, (OLD,))
    return made


def suite(into, *arguments):
    """Runs the suite; scenario -> its checks as (id, status, message), in order."""
    command = [peers.NODE, peers.package("@modelcontextprotocol/conformance"), *arguments, "--output-dir", into]
    try:
        peers.run(command, RUN_LIMIT_SECONDS)
    except RuntimeError as error:
        # The suite's exit code says that a scenario failed, which is no news here.
        if not into.is_dir():
            raise error
    found = {}
    for folder in sorted(into.iterdir()):
        scenario = re.sub(r"^(?:server-)?(.*)-\d{4}-\d\d-\d\dT.*$", r"\1", folder.name)
        written = folder / "checks.json"
        if not written.exists():
            found[scenario] = [("the scenario gave up", "FAILURE", "")]
            continue
        told = json.loads(written.read_text())
        found[scenario] = [(one["id"], one["status"], one.get("errorMessage", "")) for one in told]
    return found


def server_checks(stage, label, url, revision):
    into = stage.folder / f"results-{label}-{revision}"
    return suite(into, "server", "--url", url, "--requirements", revision)


def client_checks(stage, label, revision, wrapper):
    into = stage.folder / f"results-{label}-{revision}"
    command = shlex.join(map(str, [*wrapper, peers.NODE, peers.HERE / "clients" / "conformance.mjs"]))
    found = {}
    for scenario in CLIENT_SCENARIOS[revision]:
        told = suite(into / scenario, "client", "--command", command, "--scenario", scenario, "--spec-version", revision)
        found.update(told)
    return found


def short(results):
    counted = collections.Counter(MARK[status] for _, status, _ in results)
    return " ".join(f"{count} {mark}" for mark, count in sorted(counted.items())) or "nothing"


def statuses(checks, left_out):
    return [(identity, status) for identity, status, _ in checks
            if identity not in left_out and not (status == "INFO" and identity in SUITE_LOG)]


def compare(name, revision, direct, gated):
    """Prints a line a scenario; the number of scenarios that differ."""
    print(f"\n{name}, {revision}\n  {'scenario':50} {'direct':24} gated")
    better = BY_DESIGN.get((name, revision), set())
    differing = 0
    for scenario in sorted({*direct, *gated}):
        had, got = direct.get(scenario, []), gated.get(scenario, [])
        same = statuses(had, better) == statuses(got, better)
        same &= all(status == "SUCCESS" for identity, status, _ in got if identity in better)
        print(f"  {scenario:50} {short(had):24} {short(got):24} {'' if same else '<-- DIFFERS'}")
        if not same:
            differing += 1
            for label, ones, others in (("gated", got, had), ("direct", had, got)):
                known = statuses(others, ())
                for identity, status, message in ones:
                    if (identity, status) not in known:
                        print(f"      {label}: {identity} {status} {message}"[:500])
    return differing


def main(arguments):
    direct_only = "--direct" in arguments
    wanted = [name for name in arguments if not name.startswith("--")]
    differing = compared = 0
    with peers.Stage() as stage, concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        known = {name: one for name, one in servers(stage).items() if not wanted or name in wanted}
        gate = None
        if known and not direct_only:
            gate = stage.gate({name: upstream for name, (_, upstream, _) in known.items()})
        waiting = []
        for name, (url, _, revisions) in known.items():
            for revision in revisions:
                through = f"{gate}/{name}/mcp"
                direct = pool.submit(server_checks, stage, f"direct-{name}", url, revision)
                gated = direct if direct_only else pool.submit(
                    server_checks, stage, f"gated-{name}", through, revision)
                waiting.append((name, revision, direct, gated))
        for revision in CLIENT_SCENARIOS if not wanted or "clients" in wanted else ():
            direct = pool.submit(client_checks, stage, "direct-clients", revision, [])
            wrapper = [sys.executable, peers.HERE / "through_gate.py"]
            gated = direct if direct_only else pool.submit(client_checks, stage, "gated-clients", revision, wrapper)
            waiting.append(("clients", revision, direct, gated))
        for name, revision, direct, gated in waiting:
            had = direct.result()
            compared += len(had)
            differing += compare(name, revision, had, gated.result())
        if differing and gate:
            print("\n".join(stage.log(f"gate-{gate.rsplit(':', 1)[1]}").splitlines()[-20:]))
    print(f"\n{compared} scenarios, {differing} differ")
    return 1 if differing or not compared else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
