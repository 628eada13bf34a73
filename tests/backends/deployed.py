"""What operators are given for Prometheus and Grafana, against a gate that has seen calls."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def check(findings, prometheus, admin):
    """Runs rules.py and dashboards.py against the Prometheus at `prometheus` and the gate whose admin
    side is at `admin` (host:port)."""
    scrape = ["--scrape", f"http://{admin}/metrics"]
    for script, more in (("rules.py", scrape), ("dashboards.py", [*scrape, "--prometheus", prometheus])):
        done = subprocess.run([sys.executable, HERE / script, *more], capture_output=True, text=True)
        findings.hold(f"{script} holds", done.returncode == 0, f"\n{done.stdout}{done.stderr}")
