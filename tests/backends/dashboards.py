"""The dashboards and rules against what they are read by: Grafana's format, Prometheus's parser, and
the metrics that a gate shows.

    dashboards.py [--scrape FILE_OR_URL] [--prometheus URL]

--scrape       the metrics of a gate, in the classic format: every metric that is named must be there
--prometheus   the base URL of a Prometheus: every expression is also evaluated by it; without it
               `promtool` parses them

Needs promtool (of the Debian package prometheus) unless --prometheus is given.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "deploy" / "grafana"
RULES = ROOT / "deploy" / "prometheus" / "toolgate.rules.yaml"
EXPECTED = ("guard.json", "money.json", "runs.json", "tools.json")
DRAWN = ("timeseries", "stat", "bargauge", "state-timeline")
COLUMNS = 24

# What Grafana puts in the place of its own variables.
BUILT_IN = {"__rate_interval": "5m", "__interval": "1m", "__range": "6h"}

# A name of a metric of the gate's, or of one that the rules record.
METRIC = re.compile(r"(?<![A-Za-z0-9_:])(?:(?:gen_ai|mcp|toolgate)_[a-z0-9_]+|[a-z]+:[a-z0-9_:]+)")


class Findings:
    def __init__(self):
        self.held = 0
        self.broken = []

    def hold(self, what, holds):
        if holds:
            self.held += 1
        else:
            self.broken.append(what)

    def close(self):
        for broken in self.broken:
            print(f"FAILED {broken}", file=sys.stderr)
        print(f"dashboards: {self.held} checks hold, {len(self.broken)} do not")
        sys.exit(1 if self.broken or not self.held else 0)


def substituted(expression, variables):
    """The expression with every variable in the place of which Grafana puts something."""
    def value(match):
        name = match.group(1) or match.group(2)
        if name in BUILT_IN:
            return BUILT_IN[name]
        return ".*" if name in variables else match.group(0)
    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))", value, expression)


def check_layout(findings, name, panels):
    ids = [panel["id"] for panel in panels]
    findings.hold(f"{name}: panel ids are unique", len(ids) == len(set(ids)))
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        findings.hold(f"{name}: {panel['title']} lies on no other panel", not cells & taken)
        findings.hold(f"{name}: {panel['title']} is within the page", place["x"] + place["w"] <= COLUMNS)
        taken |= cells


def check_panel(findings, name, panel):
    where = f"{name}: {panel['title']}"
    findings.hold(f"{where} is drawn in a way that is known", panel["type"] in DRAWN)
    findings.hold(f"{where} has a description", len(panel.get("description", "")) > 10)
    findings.hold(f"{where} has a unit", panel["fieldConfig"]["defaults"].get("unit"))
    findings.hold(f"{where} has queries", panel["targets"])
    refs = [target["refId"] for target in panel["targets"]]
    findings.hold(f"{where} names each query once", len(refs) == len(set(refs)))
    for part in [panel, *panel["targets"]]:
        findings.hold(f"{where} uses the data source that is chosen", part["datasource"]["uid"] == "${datasource}")


def dashboard(findings, path):
    """Checks one dashboard: its expressions, each with where it stands."""
    name = path.name
    try:
        board = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        findings.hold(f"{name} is JSON: {error}", False)
        return None, []
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    findings.hold(f"{name} lets its reader choose the data source",
                  variables.get("datasource", {}).get("type") == "datasource")
    check_layout(findings, name, board["panels"])
    found = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            continue
        check_panel(findings, name, panel)
        found += [(f"{name}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    found += [(f"{name}: annotation {one['name']}", one["expr"]) for one in board["annotations"]["list"]]
    for variable in variables.values():
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((\S+), (\w+)\)", variable["query"]["query"])
            findings.hold(f"{name}: variable {variable['name']} asks for values of a label", asked)
            found.append((f"{name}: variable {variable['name']}", asked.group(1)))
    expressions = []
    for where, expression in found:
        plain = substituted(expression, variables)
        findings.hold(f"{where}: every variable is known: {expression}", "$" not in plain)
        findings.hold(f"{where}: names a metric: {expression}", METRIC.search(plain))
        expressions.append((where, plain))
    return board["uid"], expressions


def parse_with_promtool(findings, expressions):
    """Each expression as a rule of its own, so that each is found at fault by itself."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (where, expression) in enumerate(expressions):
            path = pathlib.Path(folder) / f"{number}.json"
            rule = {"record": f"checked:expression:{number}", "expr": expression}
            path.write_text(json.dumps({"groups": [{"name": "checked", "rules": [rule]}]}))
            done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True)
            findings.hold(f"{where}: {expression}\n{done.stdout}{done.stderr}", done.returncode == 0)


def ask_prometheus(findings, url, expressions):
    for where, expression in expressions:
        query = urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/api/v1/query?{query}", timeout=30) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            said = json.load(error)
        findings.hold(f"{where}: {expression}: {said.get('error')}", said["status"] == "success")


def recorded():
    """The names that the rules record, and the expressions of all of them."""
    text = RULES.read_text(encoding="utf-8")
    names = set(re.findall(r"^\s*- record: (\S+)$", text, re.MULTILINE))
    expressions = re.findall(r"^ +expr: (?:\|\n((?: {6}.*\n)+)|(.*)$)", text, re.MULTILINE)
    return names, [block or line for block, line in expressions], text.count(" expr: ")


def metrics_of(source):
    """The names of the samples of a scrape."""
    if source.startswith(("http://", "https://")):
        with urllib.request.urlopen(source, timeout=30) as answer:
            text = answer.read().decode()
    else:
        text = pathlib.Path(source).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {re.match(r"[A-Za-z_:][A-Za-z0-9_:]*", line).group(0) for line in lines}


def named(expression):
    """The metrics that an expression names: what stands in quotes or between braces are labels."""
    plain = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    return set(METRIC.findall(re.sub(r"\{[^}]*\}", "", plain)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scrape")
    parser.add_argument("--prometheus")
    given = parser.parse_args()
    findings = Findings()
    paths = sorted(DASHBOARDS.glob("*.json"))
    findings.hold(f"the dashboards are {EXPECTED}", tuple(path.name for path in paths) == EXPECTED)
    boards = [dashboard(findings, path) for path in paths]
    uids = [uid for uid, _ in boards]
    findings.hold("dashboards are told apart", len(uids) == len(set(uids)))
    expressions = [one for _, found in boards for one in found]
    findings.hold(f"there are expressions: {len(expressions)}", len(expressions) > 50)
    names, of_rules, rules = recorded()
    findings.hold("every expression of the rules was found", len(of_rules) == rules > 20)
    if given.prometheus:
        ask_prometheus(findings, given.prometheus, expressions)
    else:
        parse_with_promtool(findings, expressions)
    if given.scrape:
        shown = metrics_of(given.scrape) | names
        wanted = expressions + [(f"rule {expression.strip()}", expression) for expression in of_rules]
        for where, expression in wanted:
            missing = named(expression) - shown
            findings.hold(f"{where}: no gate shows {', '.join(sorted(missing))}", not missing)
    findings.close()


if __name__ == "__main__":
    main()
