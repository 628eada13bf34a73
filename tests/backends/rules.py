"""The rules for Prometheus, by its own tool: they parse, each alert fires on what it is for and on
nothing else, and the metrics that they read are well-formed.

    rules.py [--scrape FILE_OR_URL]

--scrape   the metrics of a gate, in the classic format, to be linted

Needs promtool (of the Debian package prometheus).
"""

import argparse
import pathlib
import re
import subprocess
import sys
import urllib.request

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "prometheus"
RULES = "toolgate.rules.yaml"
TESTS = ("toolgate.baseline.test.yaml", "toolgate.rules.test.yaml")


def promtool(*words, text=None):
    done = subprocess.run(["promtool", *words], cwd=FOLDER, input=text, capture_output=True, text=True)
    said = (done.stdout + done.stderr).strip()
    print(f"promtool {' '.join(words)}: {said or 'nothing to say'}")
    return done.returncode == 0, said


def every_alert_is_tested():
    """Each alert has a test in which it fires, and one in which it does not."""
    alerts = re.findall(r"^  - alert: (\S+)$", (FOLDER / RULES).read_text(encoding="utf-8"), re.MULTILINE)
    text = "".join((FOLDER / name).read_text(encoding="utf-8") for name in TESTS)
    tests = re.findall(r"alertname: (\S+)\n    exp_alerts:( \[\])?", text)
    held = True
    for alert in alerts:
        fires = [not silent for name, silent in tests if name == alert]
        if set(fires) != {True, False}:
            print(f"{alert} is tested {len(fires)} times, and has to fire in one test and stay silent in another")
            held = False
    print(f"{len(alerts)} alerts, {len(tests)} tests of them")
    return held and len(alerts) > 0 and set(alerts) == {name for name, _ in tests}


def scraped(source):
    if source.startswith(("http://", "https://")):
        with urllib.request.urlopen(source, timeout=30) as answer:
            return answer.read().decode()
    return pathlib.Path(source).read_text(encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scrape")
    given = parser.parse_args()
    held = [promtool("check", "rules", RULES)[0], promtool("test", "rules", *TESTS)[0], every_alert_is_tested()]
    if given.scrape:
        text = scraped(given.scrape)
        passed, said = promtool("check", "metrics", text=text)
        # It ends well with nothing to read as well, and with warnings.
        held.append(passed and not said and "toolgate_build_info" in text)
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
