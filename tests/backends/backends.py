"""What the runners of this folder share: the backends, started on free ports and ended with the
runner; the demo, whose gate sends its spans to them; and a span as any backend tells it.
"""

import dataclasses
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "peers"))
import peers  # noqa: E402  (processes that end with the runner, and free ports)

BACKENDS = pathlib.Path(os.environ.get("TOOLGATE_BACKENDS", ROOT / "target" / "backends"))
PROJECT = "toolgate-demo"
# Phoenix and MLflow import a great deal before they listen; a busy machine takes its time for it.
peers.START_LIMIT_SECONDS = 400
ANSWER_LIMIT_SECONDS = 10
# From the last call of a run to its end, in the demo whose runs are looked at.
IDLE_END_SECONDS = 5
# Longest wait for what was sent to be shown.
SHOWN_LIMIT_SECONDS = 60
# Time without an event after which there is none to come.
SETTLED_SECONDS = 2


@dataclasses.dataclass(frozen=True)
class Span:
    """A span as a backend tells it: ids in hex, times in seconds, `kind` in OpenInference's words."""

    name: str
    trace: str
    id: str
    parent: str | None
    kind: str
    status: str
    start: float
    end: float
    attributes: dict


def ask(url, body=None, headers=None):
    """What a JSON API answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})})
    with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_SECONDS) as answer:
        return json.load(answer)


def wait_until(what, look, limit_seconds=SHOWN_LIMIT_SECONDS):
    """The first answer of `look` that is something; what it raised or gave last, if none came."""
    until = time.monotonic() + limit_seconds
    while True:
        seen = None
        try:
            if found := look():
                return found
        except (OSError, KeyError) as error:
            seen = error
        if time.monotonic() > until:
            raise SystemExit(f"{what}: not within {limit_seconds} s ({seen!r})")
        time.sleep(0.25)


class Phoenix:
    """A running Phoenix: `url` for browsers, questions and OTLP over HTTP, `grpc` for OTLP over gRPC."""

    def __init__(self, stage):
        port, grpc = peers.free_ports(2)
        self.url, self.grpc = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{grpc}"
        environment = {"PHOENIX_WORKING_DIR": str(stage.folder / "phoenix"), "PHOENIX_HOST": "127.0.0.1",
                       "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(grpc), "PHOENIX_TELEMETRY_ENABLED": "false"}
        python = BACKENDS / "phoenix" / "bin" / "python"
        process = stage.start("phoenix", [python, "-m", "phoenix.server.main", "serve"], env=environment)
        stage.wait_for("phoenix", process, lambda: urllib.request.urlopen(f"{self.url}/healthz", timeout=1).close())


def phoenix_spans(url, project=PROJECT):
    """Every span of a project, as Phoenix tells it, by start."""
    spans, cursor = [], None
    while True:
        query = {"limit": 1000, **({"cursor": cursor} if cursor else {})}
        page = ask(f"{url}/v1/projects/{project}/spans?{urllib.parse.urlencode(query)}")
        spans += [Span(one["name"], one["context"]["trace_id"], one["context"]["span_id"], one["parent_id"],
                       one["span_kind"], one["status_code"], seconds(one["start_time"]), seconds(one["end_time"]),
                       {**one["attributes"], "status_message": one["status_message"]}) for one in page["data"]]
        cursor = page["next_cursor"]
        if not cursor:
            return sorted(spans, key=lambda span: span.start)


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def prometheus(stage, target):
    """Starts a Prometheus that scrapes `target` (host:port) every second, with exemplars; its base URL."""
    [port] = peers.free_ports(1)
    config = stage.folder / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                                  "storage": {"exemplars": {"max_exemplars": 100000}},
                                  "scrape_configs": [{"job_name": "toolgate", "static_configs": [{"targets": [target]}]}]}))
    process = stage.start("prometheus", [
        BACKENDS / "bin" / "prometheus", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}",
        f"--storage.tsdb.path={stage.folder / 'tsdb'}", "--enable-feature=exemplar-storage"])
    url = f"http://127.0.0.1:{port}"
    stage.wait_for("prometheus", process, lambda: urllib.request.urlopen(f"{url}/-/ready", timeout=1).close())
    return url


def mlflow(stage):
    """Starts MLflow with an experiment for the demo; its base URL, the experiment's id."""
    [port] = peers.free_ports(1)
    folder = stage.folder / "mlflow"
    folder.mkdir()
    process = stage.start("mlflow", [
        BACKENDS / "mlflow" / "bin" / "python", "-m", "mlflow", "server", "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db", "--default-artifact-root", folder / "artifacts", "--host", "127.0.0.1",
        "--port", port, "--workers", "1"], env={"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    stage.wait_for("mlflow", process, lambda: urllib.request.urlopen(f"{url}/health", timeout=1).close())
    made = ask(f"{url}/api/2.0/mlflow/experiments/create", {"name": PROJECT})
    return url, made["experiment_id"]


class Demo:
    """The demo, played through a gate that exports its spans, and kept until it is told to end."""

    def __init__(self, stage, export, idle_end_seconds=IDLE_END_SECONDS, bodies="none"):
        built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug" / "examples" / "demo"
        more = stage.folder / f"more-{len(stage.running)}.yaml"
        # JSON is YAML, in one line each.
        more.write_text(f"export: {json.dumps(export)}\nruns: {{ idle_end: {idle_end_seconds}s }}\n"
                        f"record: {{ events: ./events.jsonl, bodies: {bodies} }}\n")
        self.process = subprocess.Popen([built, "--more", more, "--keep"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                        start_new_session=True)
        stage.running.append(self.process)
        self.said = []
        for line in self.process.stdout:
            self.said.append(line)
            if told := re.search(r"/metrics is at http://(\S+), events in (\S+);", line):
                self.admin, events = told.groups()
                break
        else:
            raise SystemExit(f"the demo did not get through:\n{''.join(self.said)}")
        self.events_file = pathlib.Path(events)

    def events(self, kind="call"):
        """What the gate recorded so far, of one kind."""
        lines = self.events_file.read_text().splitlines()
        return [event for event in map(json.loads, lines) if event["kind"] == kind]

    def settled_events(self):
        """The calls, once none has been recorded for a while: a call may be after its answer."""
        seen = []
        while len(found := self.events()) > len(seen):
            seen = found
            time.sleep(SETTLED_SECONDS)
        return seen

    def runs_ended(self):
        """The ends of the demo's runs, once all that had a call have ended."""
        def look():
            ends = {end["run_id"]: end for end in self.events("stop")}
            return ends if set(ends) >= {call["run_id"] for call in self.events()} else None
        return wait_until("the runs' ends", look)

    def end(self):
        """Lets the gate end, and the demo say its last words."""
        self.process.stdin.close()
        self.said += self.process.stdout
        if self.process.wait(peers.STOP_LIMIT_SECONDS):
            raise SystemExit(f"the demo failed:\n{''.join(self.said)}")


class Findings:
    """What was expected and is not so."""

    def __init__(self):
        self.held, self.missed = 0, []

    def hold(self, what, is_so, seen=None):
        if is_so:
            self.held += 1
        else:
            self.missed.append(f"{what}" + ("" if seen is None else f" (seen: {seen})"))

    def same(self, what, seen, expected):
        self.hold(what, seen == expected, f"{seen!r}, expected {expected!r}")

    def tell(self, title):
        print(f"{title}: {self.held} checks hold, {len(self.missed)} do not", flush=True)
        for one in self.missed:
            print(f"  - {one}", flush=True)

    def end(self):
        if self.missed:
            raise SystemExit(1)
