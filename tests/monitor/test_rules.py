#!/usr/bin/env python3
"""Rules and alerts as files: Prometheus and Alertmanager take them, each alert has cases in which it fires and in which it
does not, and each leads to a section of the runbook. On a live luot: test_alerts.py.
"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import ROOT, main  # noqa: E402
from prometheus import ALERTS, RULES  # noqa: E402

FOLDER = Path(__file__).parent
RUNBOOK = ROOT / "docs" / "runbook.md"


def alerts():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=RULES.parent)
    return done.returncode, done.stdout + done.stderr


class Rules(unittest.TestCase):
    def test_prometheus_takes_them(self):
        for command in (("rules", RULES, ALERTS), ("config", RULES.parent / "prometheus.yml")):
            status, output = run("promtool", "check", *command)
            self.assertEqual(status, 0, output)

    def test_alertmanager_takes_the_example_and_sends_each_severity_its_way(self):
        example = RULES.parent / "alertmanager.yml"
        status, output = run("amtool", "check-config", example)
        self.assertEqual(status, 0, output)
        for severity, receiver in (("page", "pages"), ("ticket", "tickets")):
            status, output = run("amtool", "config", "routes", "test", f"--config.file={example}", f"severity={severity}")
            self.assertEqual((status, output.split()[0]), (0, receiver), output)

    def test_alerts_fire_when_they_should_and_else_do_not(self):
        for file in ("alerts.test.yml", "days.test.yml"):
            status, output = run("promtool", "test", "rules", FOLDER / file)
            self.assertEqual(status, 0, output)

    def test_no_alert_is_without_such_cases(self):
        fires, quiet = set(), set()
        for file in ("alerts.test.yml", "days.test.yml"):
            for test in yaml.safe_load((FOLDER / file).read_text())["tests"]:
                for case in test["promql_expr_test"]:
                    name = re.search(r'alertname=~?"([\w|]+)"', case["expr"])
                    if name:
                        (fires if case["exp_samples"] else quiet).update(name[1].split("|"))
        names = {alert["alert"] for alert in alerts()}
        self.assertEqual((fires, quiet), (names, names))

    def test_each_alert_says_what_happened_how_urgent_it_is_and_what_to_do(self):
        sections = re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.M)
        self.assertEqual(sections, [alert["alert"] for alert in alerts()], "a section for each, in their order")
        for alert in alerts():
            with self.subTest(alert["alert"]):
                self.assertIn(alert["labels"]["severity"], ("page", "ticket"))
                self.assertEqual(set(alert["annotations"]), {"summary", "description", "runbook_url"})
                self.assertEqual(alert["annotations"]["runbook_url"], f"docs/runbook.md#{alert['alert'].lower()}")
        self.assertEqual({a["alert"] for a in alerts() if a["labels"]["severity"] == "page"},
                         {"LuotHitsLost", "LuotSpoolFullSoon", "LuotNoHits"})

    def test_the_runbook_says_of_each_what_it_means_how_to_look_and_what_to_do(self):
        for section in RUNBOOK.read_text().split("\n## ")[1:]:
            name = section.split("\n")[0]
            for part in ("**Means**", "**Look**", "**Do**"):
                self.assertIn(part, section, name)


if __name__ == "__main__":
    main()
