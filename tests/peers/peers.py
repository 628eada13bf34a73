"""What the runners of this folder share: where the installed peers are, processes that end with the
runner, and a gate in front of given upstreams.

The gate under test is $TOOLGATE_BIN, or the debug binary of this repository.
"""

import atexit
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = pathlib.Path(os.environ.get("TOOLGATE_PEERS", ROOT / "target" / "peers"))
SDK1 = PEERS / "sdk1" / "bin" / "python"
SDK2 = PEERS / "sdk2" / "bin" / "python"
MODULES = PEERS / "js" / "node_modules"
NODE = MODULES / "node" / "bin" / "node"
START_LIMIT_SECONDS = 60
STOP_LIMIT_SECONDS = 10


def gate_binary():
    built = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "debug" / "toolgate"
    found = pathlib.Path(os.environ.get("TOOLGATE_BIN") or built)
    if not found.exists():
        raise SystemExit(f"there is no gate to test at {found}: cargo build, or set TOOLGATE_BIN")
    return str(found)


def package(name):
    """The script that a package of npm runs as."""
    told = json.loads((MODULES / name / "package.json").read_text())["bin"]
    return str(MODULES / name / (told if isinstance(told, str) else next(iter(told.values()))))


def free_ports(count):
    """Ports that nobody listens on. All are held while the last is found, so they differ."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


class Stage:
    """A folder and the processes of one run; `with` ends them all."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="toolgate-peers-"))
        self.running = []
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for one in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGTERM)
        for one in self.running:
            try:
                one.wait(STOP_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(one.pid, signal.SIGKILL)
        self.running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, port=None, env=None, cwd=None):
        """Starts a process in a group of its own; with a port, waits until it listens there."""
        log = self.folder / f"{name}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command], stdout=output, stderr=subprocess.STDOUT, cwd=cwd,
                stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})}, start_new_session=True)
        self.running.append(process)
        if port:
            self.wait_for(name, process, lambda: socket.create_connection(("127.0.0.1", port), 1).close())
        return process

    def wait_for(self, name, process, probe):
        until = time.monotonic() + START_LIMIT_SECONDS
        while True:
            try:
                return probe()
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"{name} did not start:\n{self.log(name)}") from None
                time.sleep(0.05)

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def config(self, upstreams, rules=(), limits=()):
        """A config in a folder of its own, with one policy; its path, and the addresses it names."""
        listen, admin = free_ports(2)
        folder = self.folder / f"gate-{listen}"
        (folder / "policies").mkdir(parents=True)
        config = {"apiVersion": "toolgate/v1", "kind": "Config", "listen": f"127.0.0.1:{listen}",
                  "admin": f"127.0.0.1:{admin}", "policies": ["./policies"], "upstreams": upstreams,
                  "record": {"events": "./events.jsonl"}}
        policy = {"apiVersion": "toolgate/v1", "kind": "Policy", "metadata": {"name": "peers"}, "mode": "enforce",
                  "rules": list(rules), "limits": list(limits)}
        # JSON is YAML.
        (folder / "toolgate.yaml").write_text(json.dumps(config, indent=1))
        (folder / "policies" / "peers.yaml").write_text(json.dumps(policy, indent=1))
        return folder / "toolgate.yaml", listen, admin

    def gate(self, upstreams, rules=(), limits=()):
        """A gate in front of `upstreams` (name -> what toolgate.yaml says of it); its base URL."""
        config, listen, admin = self.config(upstreams, rules, limits)
        name = f"gate-{listen}"
        process = self.start(name, [gate_binary(), "run"], cwd=config.parent)
        ready = f"http://127.0.0.1:{admin}/readyz"
        self.wait_for(name, process, lambda: urllib.request.urlopen(ready, timeout=1).close())
        self.events = config.parent / "events.jsonl"
        return f"http://127.0.0.1:{listen}"

    def suite(self):
        """The server of servers/suite.py: flavour -> URL."""
        ports = free_ports(3)
        self.start("suite", [SDK2, HERE / "servers" / "suite.py", *ports], env={"PYTHONDONTWRITEBYTECODE": "1"})
        for port in ports:
            self.wait_for("suite", self.running[-1], lambda: socket.create_connection(("127.0.0.1", port), 1).close())
        return dict(zip(("sse", "json", "stateless"), (f"http://127.0.0.1:{port}/mcp" for port in ports)))


def run(command, limit_seconds=120, env=None):
    """What a command printed on stdout; its errors are the runner's."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=limit_seconds,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} exited with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
