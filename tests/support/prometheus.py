"""A real Prometheus of the test's own: its configuration, its rules, a past written into its database, its answers; and
the dashboards as Grafana would ask them."""

import itertools
import json
import re
import subprocess
import urllib.error
import urllib.request
from urllib.parse import urlencode

import yaml

from luot import ROOT, eventually, free_port, patience, spawn

DASHBOARDS = ROOT / "dashboards"
RULES = DASHBOARDS / "prometheus" / "rules.yml"
ALERTS = DASHBOARDS / "prometheus" / "alerts.yml"


class Prometheus:
    """`jobs`: name -> admin addresses, which may change while it runs (scrape())."""

    def __init__(self, world, jobs, rules=(), interval="500ms"):
        self.world, self.process, self.interval = world, None, interval
        self.folder = world.folder / "prometheus"
        self.folder.mkdir()
        self.log = world.folder / "prometheus.log"
        self.targets = self.folder / "targets"
        self.targets.mkdir()
        self.rules = [str(rule) for rule in rules]
        self.port = 0
        for job, addresses in jobs.items():
            self.scrape(job, addresses)
        world.parts.append(self)

    def scrape(self, job, addresses):
        """From now on, within a second."""
        new = self.targets / f".{job}"
        new.write_text(json.dumps([{"targets": list(addresses), "labels": {"job": job}}]))
        new.rename(self.targets / f"{job}.json")

    def start(self):
        config = {
            "global": {"scrape_interval": self.interval, "evaluation_interval": self.interval, "scrape_timeout": self.interval},
            "rule_files": self.rules,
            "scrape_configs": [{"job_name": "luot", "file_sd_configs": [{"files": [f"{self.targets}/*.json"],
                                                                         "refresh_interval": "1s"}]}],
        }
        file = self.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        self.port = free_port()
        self.process = spawn(["prometheus", f"--config.file={file}", f"--storage.tsdb.path={self.folder / 'data'}",
                              f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], self.log)
        eventually(lambda: self._ask("/-/ready"), patience(90), "Prometheus is ready")
        return self

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            if self.process.wait(patience(60)) != 0:
                raise AssertionError(f"prometheus ended with {self.process.returncode}, see {self.log}")

    def write_past(self, samples):
        """(name, labels, Unix time, value), in any order, before the start: as if it had scraped or recorded them."""
        def labels_of(labels):
            return "{" + ",".join(f"{k}={json.dumps(v)}" for k, v in labels.items()) + "}"

        lines, rows = [], sorted(samples, key=lambda s: (s[0], labels_of(s[1]), s[2]))
        for name, of_name in itertools.groupby(rows, key=lambda s: s[0]):
            lines.append(f"# TYPE {name} gauge")
            lines += [f"{name}{labels_of(labels)} {value} {time:.3f}" for _, labels, time, value in of_name]
        file = self.folder / "past.txt"
        file.write_text("\n".join([*lines, "# EOF"]) + "\n")
        done = subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", file, self.folder / "data"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(f"promtool: {done.stdout}{done.stderr}")

    def _ask(self, target, parameters=None):
        data = urlencode(parameters, doseq=True).encode() if parameters else None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{target}", data=data, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"Prometheus: {target} {parameters}: {error.read().decode(errors='replace')}") from None

    def api(self, path, **parameters):
        return json.loads(self._ask(f"/api/v1/{path}", parameters))["data"]

    def query(self, expression, time=None):
        """The samples at one moment: [(labels, value)]."""
        found = self.api("query", query=expression, **({"time": time} if time else {}))
        if found["resultType"] == "scalar":
            return [({}, float(found["result"][1]))]
        return [(row["metric"], float(row["value"][1])) for row in found["result"]]

    def value(self, expression, time=None):
        """That of the only sample; fails if there is none, or more."""
        (_, value), = self.query(expression, time) or [({}, None)]
        if value is None:
            raise AssertionError(f"no data: {expression}")
        return value

    def series(self, expression, start, end, step):
        """Over a time: [(labels, [(time, value)])]."""
        found = self.api("query_range", query=expression, start=start, end=end, step=step)
        return [(row["metric"], [(t, float(v)) for t, v in row["values"]]) for row in found["result"]]

    def label_values(self, metric, label):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/label/{label}/values?"
                                    + urlencode({"match[]": metric}), timeout=30) as answer:
            return json.load(answer)["data"]

    def alerts(self, state="firing"):
        """{(alert, job)}, of those in this state."""
        return {(a["labels"]["alertname"], a["labels"].get("job", "")) for a in self.all_alerts() if a["state"] == state}

    def all_alerts(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/alerts", timeout=30) as answer:
            return json.load(answer)["data"]["alerts"]


# ---- dashboards, as Grafana asks them -------------------------------------------------------------------


def load_dashboards():
    return {name: json.loads((DASHBOARDS / "grafana" / f"{name}.json").read_text())
            for name in ("traffic", "articles", "operations")}


def panels_of(dashboard):
    """Those that show something: not the rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def english(panel):
    return panel["title"].split(" · ")[0]


VARIABLE_QUERY = re.compile(r"label_values\((\w+), *(\w+)\)")


def variables_of(dashboard, prometheus):
    """Name -> values of each variable that is asked of Prometheus."""
    return {v["name"]: prometheus.label_values(*VARIABLE_QUERY.fullmatch(v["query"]["query"]).groups())
            for v in dashboard["templating"]["list"] if v["type"] == "query"}


def substitute(expression, variables, rate_interval):
    """As Grafana does when all values of each variable are chosen."""
    out = expression.replace("$__rate_interval", rate_interval)
    for name, values in variables.items():
        # In a string of PromQL each backslash of the regular expression stands twice.
        chosen = "|".join(re.sub(r"[\\^$.*+?()\[\]{}|]", lambda m: "\\\\" + m[0], v) for v in values)
        out = out.replace(f"${name}", f"({chosen})")
    if "$" in out:
        raise AssertionError(f"a variable that is not there: {out}")
    return out
