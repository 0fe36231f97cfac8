#!/usr/bin/env python3
"""The dashboards as files: written from their source, as Grafana's own types want them, on metrics that exist, and each
panel says what it shows. Their figures: test_panels.py.
"""

import re
import subprocess
import sys
import unittest
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import ROOT, main  # noqa: E402
from prometheus import ALERTS, DASHBOARDS, RULES, english, load_dashboards, panels_of  # noqa: E402

METRIC = re.compile(r"\b(?:luot|process)_[a-z0-9_]+")
RECORDED = re.compile(r"\b[a-z_]+:luot_[a-z0-9_]+:[a-z0-9_]+")


def documented():
    """Names of docs/metrics.md; of a histogram its parts, too."""
    names = set()
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        if line.startswith("| `"):
            names.update(re.findall(r"`([a-z_]+)`", line.split("|")[1]))
    return names | {f"{name}_{part}" for name in names for part in ("bucket", "sum", "count")}


def expressions():
    return [(f"{name}: {english(panel)} {target['refId']}", target["expr"])
            for name, dashboard in load_dashboards().items() for panel in panels_of(dashboard)
            for target in panel["targets"]]


class Files(unittest.TestCase):
    def test_they_are_as_their_source_has_them(self):
        done = subprocess.run([sys.executable, DASHBOARDS / "grafana" / "build.py", "--check"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_grafanas_types_hold(self):
        files = [DASHBOARDS / "grafana" / f"{name}.json" for name in load_dashboards()]
        done = subprocess.run(["node", Path(__file__).parent / "check_types.mjs", *files], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_no_panel_and_no_rule_is_on_a_metric_that_does_not_exist(self):
        known = documented()
        self.assertGreater(len(known), 80)
        recorded = {rule["record"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
        for where, expression in expressions():
            names = RECORDED.findall(expression)
            self.assertFalse(set(names) - recorded, where)
            rest = RECORDED.sub("", expression)
            self.assertFalse(set(METRIC.findall(rest)) - known, where)
        for rule in (rule for file in (RULES, ALERTS) for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]):
            self.assertFalse(set(RECORDED.findall(rule["expr"])) - recorded, rule)
            self.assertFalse(set(METRIC.findall(RECORDED.sub("", rule["expr"]))) - known, rule)

    def test_nothing_is_made_up_where_there_is_no_data(self):
        for where, expression in expressions():
            self.assertNotRegex(expression, r"\b(vector|scalar)\s*\(", where)

    def test_each_panel_says_what_it_shows_in_both_languages_with_a_unit_and_thresholds(self):
        for name, dashboard in load_dashboards().items():
            self.assertEqual([v["name"] for v in dashboard["templating"]["list"]], ["datasource", "site", "instance"])
            self.assertTrue(any(link["type"] == "dashboards" and link["includeVars"] for link in dashboard["links"]))
            self.assertIn(" · ", dashboard["title"])
            for panel in dashboard["panels"]:
                with self.subTest(f"{name}: {panel['title']}"):
                    self.assertIn(" · ", panel["title"])
                    if panel["type"] != "row":
                        defaults = panel["fieldConfig"]["defaults"]
                        self.assertGreater(len(panel["description"]), 20)
                        self.assertTrue(defaults["unit"] and defaults["thresholds"]["steps"])

    def test_panels_lie_beside_each_other(self):
        for name, dashboard in load_dashboards().items():
            taken, numbers = set(), set()
            for panel in dashboard["panels"]:
                place = panel["gridPos"]
                cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                         for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(cells & taken, f"{name}: {panel['title']}")
                self.assertLessEqual(place["x"] + place["w"], 24)
                taken |= cells
                numbers.add(panel["id"])
            self.assertEqual(len(numbers), len(dashboard["panels"]))

    def test_it_is_provisioned(self):
        """The dashboards ask for the data source by its kind: whatever it is called, they find it."""
        folder = DASHBOARDS / "grafana" / "provisioning"
        sources = yaml.safe_load((folder / "datasources" / "luot.yml").read_text())
        providers = yaml.safe_load((folder / "dashboards" / "luot.yml").read_text())
        self.assertEqual((sources["apiVersion"], providers["apiVersion"]), (1, 1))
        self.assertEqual([s["type"] for s in sources["datasources"]], ["prometheus"])
        self.assertEqual([p["type"] for p in providers["providers"]], ["file"])
        self.assertTrue(providers["providers"][0]["options"]["path"].startswith("/"))


if __name__ == "__main__":
    main()
