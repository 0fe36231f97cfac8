#!/usr/bin/env python3
"""Every expression of every dashboard, asked of a real Prometheus that scrapes a live luot, and held to the hits that were
sent to it: a collector and an aggregator on one Redis, known traffic, and a past that is written into Prometheus.
"""

import math
import os
import sys
import time
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import Clock  # noqa: E402
from luot import GOOGLEBOT, SystemTest, eventually, main, patience  # noqa: E402
from prometheus import (ALERTS, RULES, Prometheus, english, load_dashboards, panels_of, substitute,  # noqa: E402
                        variables_of)

DAY, HOUR, NOON = 86_400, 3_600, 5 * 3_600  # 05:00 in UTC is noon in Vietnam
BASELINE = 1_000, 200  # imported views and visits of skhcn

# What is sent while it is measured: views of (site, path), each by so many readers in turn.
VIEWS = {("skhcn", "/a"): 40, ("skhcn", "/b"): 25, ("skhcn", "/c"): 10, ("bao", "/x"): 30, ("thu-vien", "/y"): 12}
READERS = {"skhcn": 9, "bao": 5, "thu-vien": 3}
BOTS, UNKNOWN, WRONG_HOST, LATER_PATHS = 20, 15, 6, 4
# Of the past: views of an hour a day and a week ago, and half an hour's hits of the last seven days.
DAY_AGO, WEEK_AGO, QUIETEST = {"skhcn": 50, "bao": 20, "thu-vien": 10}, {"skhcn": 200, "bao": 0, "thu-vien": 0}, 36


class exactly:
    def __init__(self, wanted, label=None):
        """One number, or one for each value of a label."""
        self.wanted, self.labels = wanted, [label] if isinstance(label, str) else list(label or [])

    def fault(self, found):
        shown = {tuple(labels.get(l, "") for l in self.labels): value for labels, value in found}
        if len(shown) != len(found):
            return f"several for one: {found}"
        wanted = {(k if isinstance(k, tuple) else (k,)): v for k, v in self.wanted.items()} if self.labels else {(): self.wanted}
        wrong = {k: (shown.get(k), wanted.get(k)) for k in wanted.keys() | shown.keys()
                 if not self.agree(shown.get(k), wanted.get(k))}
        return f"(shown, wanted): {wrong}" if wrong else None

    def agree(self, shown, wanted):
        return shown is not None and wanted is not None and math.isclose(shown, wanted, rel_tol=1e-9)


class nearly(exactly):
    """Of rates: Prometheus extrapolates to the ends of its window, by one scrape of some twenty."""

    def agree(self, shown, wanted):
        return shown is not None and wanted is not None and math.isclose(shown, wanted, rel_tol=0.1, abs_tol=1e-9)


class within:
    """At least one, all between. A part that had nothing to do in the window has no quantile, and no line."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def fault(self, found):
        values = [value for _, value in found if not math.isnan(value)]
        wrong = [value for value in values if not self.low <= value <= self.high]
        return f"not within {self.low} and {self.high}: {wrong}" if wrong or not values else None


class Panels(SystemTest):
    def setUp(self):
        super().setUp()
        self.clock = Clock(self.world)
        # No midnight while it is measured, whatever the time of day. Only luot and Redis see it.
        self.clock.set((NOON - time.time()) % DAY)
        self.server = self.world.redis()
        self.server.stop()
        self.server.environment = self.clock.environment
        self.server.options += ["--maxmemory", "200mb"]
        self.server.start()
        self.collector, self.aggregator = (self.world.luot(command, redis=self.server, start=False, config={
            "spool": {"sync": "disk", "max_bytes": "64MiB"}}) for command in ("collector", "aggregator"))
        for luot in (self.collector, self.aggregator):
            luot.environment = self.clock.environment
            luot.start()
        table = self.world.folder / "totals.csv"
        table.write_text(f"*,{BASELINE[0]},{BASELINE[1]}\n")
        status, _, errors = self.world.run("import", "totals", table, "--site", "skhcn", "--config", self.aggregator.config_file,
                                           env={**os.environ, **self.clock.environment})
        self.assertEqual(status, 0, errors)
        self.prometheus = Prometheus(self.world, {"luot": [self.collector.admin, self.aggregator.admin]}, [RULES, ALERTS])
        self.prometheus.write_past(self.past())
        self.prometheus.start()

    def past(self):
        now, around = time.time(), [20 * i for i in range(-3, 20)]
        for site, views in DAY_AGO.items():
            for at in around:
                yield "site:luot_site_views:increase1h", {"job": "luot", "site": site}, now - DAY + at, views
                yield "site:luot_site_views:increase1h", {"job": "luot", "site": site}, now - 7 * DAY + at, WEEK_AGO[site]
        for day in range(1, 8):
            for at in around:
                yield "job:luot_applied_views:increase30m", {"job": "luot"}, now - day * DAY + at, QUIETEST + (day - 3) ** 2
        for at in around:
            yield "site_path:luot_article_views:increase1h", {"job": "luot", "site": "skhcn", "path": "/a"}, now - HOUR + at, 7

    def send(self, views, bots=0):
        for (site, path), number in views.items():
            for i in range(number):
                self.collector.take_hit(site, path, client=f"100.64.{len(site)}.{1 + i % READERS[site]}")
        for _ in range(bots):
            self.collector.take_hit("skhcn", "/a", agent=GOOGLEBOT)

    def test_each_expression_shows_what_was_sent(self):
        ask, patient = self.prometheus, patience(90)
        eventually(lambda: ask.value("sum(luot_site_views)") == BASELINE[0] and len(ask.query("luot_site_views")) == 3, patient)
        # Series that come with their first hit are there before it is measured, as in any luot that runs for a while.
        first = {key: 1 for key in VIEWS}
        self.send(first, bots=1)
        counted = 'sum(luot_applied_hits_total) + 0 * sum(luot_applied_bots_total)'
        eventually(lambda: ask.value(counted) == len(first) + 1, patient)
        eventually(lambda: len(ask.query("site_path:luot_article_views:increase1h")) == len(first), patient)
        begun = time.time()
        time.sleep(3)  # the window begins with some scrapes in which nothing happens
        self.send(VIEWS, bots=BOTS)
        self.send({("skhcn", f"/later-{i}"): 1 for i in range(LATER_PATHS)})
        for _ in range(UNKNOWN):
            self.assertEqual(self.collector.hit("not-there", "/a").status, 403)
        for _ in range(WRONG_HOST):
            self.assertEqual(self.collector.hit("skhcn", "/a", headers={"Origin": "https://elsewhere.example"}).status, 403)

        views = {site: sum(n + 1 for (s, _), n in VIEWS.items() if s == site) for site in READERS}
        views["skhcn"] += LATER_PATHS
        eventually(lambda: ask.value("sum(luot_site_views)") == sum(views.values()) + BASELINE[0], patient)
        eventually(lambda: ask.value("sum(site:luot_site_views:increase1h)") == sum(views.values()), patient)
        eventually(lambda: ask.value("sum(luot_verify_last_run_timestamp_seconds)") > 0, patience(40), "luot has checked its counts")
        eventually(lambda: len(ask.query("luot_article_views_today")) == len(VIEWS) + LATER_PATHS, patient)
        eventually(lambda: ask.query("luot_redis_max_memory_bytes"), patient)
        eventually(lambda: time.time() > begun + 10, patient, "twenty scrapes lie in the window")
        # All is of one moment: a scrape may have come late, and what waits is read every five seconds.
        eventually(lambda: self.compare(begun, views), patient, "each expression shows what was sent")

    def compare(self, begun, views):
        at = time.time()
        window = round(at - begun - 1)
        self.assertGreater(window, 5)
        measured = {site: sum(n for (s, _), n in VIEWS.items() if s == site) for site in READERS}
        measured["skhcn"] += LATER_PATHS
        hits = sum(measured.values()) + BOTS
        received = hits + UNKNOWN + WRONG_HOST
        all_views, all_visits = sum(views.values()), sum(READERS.values())
        articles = {(site, path): n + 1 for (site, path), n in VIEWS.items()}
        articles.update({("skhcn", f"/later-{i}"): 1 for i in range(LATER_PATHS)})
        # From when an article was seen among the top.
        grown = {(site, path): VIEWS.get((site, path), 0) for site, path in articles}
        shown = {site: n + (BASELINE[0] if site == "skhcn" else 0) for site, n in views.items()}
        by_site, by_article = (lambda n: exactly(n, "site")), (lambda n: exactly(n, ("site", "path")))
        rate = lambda n: nearly(n / window)  # noqa: E731
        by_instance = lambda collector, aggregator: exactly(  # noqa: E731
            {k: v for k, v in ((self.collector.admin, collector), (self.aggregator.admin, aggregator)) if v is not None}, "instance")
        both, seconds, nothing = [self.collector.admin, self.aggregator.admin], within(0, 30), within(0, 0)
        memory = self.server.client().info("memory")

        wanted = {
            "traffic": {
                "Online": [exactly(all_visits)], "Views today": [exactly(all_views)], "Visits today": [exactly(all_visits)],
                "Visitors today": [exactly(all_visits)], "Bots today": [exactly(BOTS + 1)],
                "All views": [exactly(all_views + BASELINE[0])], "All visits": [exactly(all_visits + BASELINE[1])],
                "Views of the last hour": [exactly(all_views), exactly(sum(DAY_AGO.values())), exactly(sum(WEEK_AGO.values()))],
                "Hour beside a day ago": [exactly(all_views / sum(DAY_AGO.values()))],
                "Hour beside a week ago": [exactly(all_views / sum(WEEK_AGO.values()))],
                "Views a minute": [nearly({s: 60 * n / window for s, n in measured.items()}, "site")],
                "Online by site": [by_site(READERS)],
                "Sites today": [by_site(views), by_site(READERS), by_site(READERS), by_site(READERS), by_site(views),
                                by_site({"skhcn": BOTS + 1, "bao": 0, "thu-vien": 0}), by_site(shown)],
                "Bots a minute": [nearly({"search": 60 * BOTS / window}, "kind")],
                "New paths an hour": [nearly({"skhcn": 3600 * LATER_PATHS / window, "bao": 0, "thu-vien": 0}, "site")],
                "Views in (other) a minute": [exactly(dict.fromkeys(("only", "max_paths", "day", "client"), 0), "reason")],
            },
            "articles": {
                "Today": [by_article(articles), by_article(grown), by_article(articles)],
                "Rising": [by_article(grown), by_article({("skhcn", "/a"): 7})],
                "Views of the last hour": [within(0, 41)], "Views today": [by_article(articles)],
                "Share of the top articles": [by_site(dict.fromkeys(READERS, 1))],
            },
            "operations": {
                "Processes up": [exactly(1)], "Hits lost": [exactly(0)], "Hits damaged": [exactly(0)], "Unknown sites": [exactly(0)],
                "Verify differences": [exactly(0)], "Redis connections up": [exactly(1)], "From hit to count, 99 %": [seconds],
                "Hits a second": [rate(received), rate(hits)],
                "Refused a second": [nearly({**dict.fromkeys(("bad_request", "too_large", "rate_limited", "spool_full", "prefetch",
                                                             "opted_out", "bad_token"), 0), "unknown_site": UNKNOWN / window,
                                            "host_not_allowed": WRONG_HOST / window}, "reason")],
                "Refused share": [nearly((UNKNOWN + WRONG_HOST) / received)],
                "Answer times": [seconds, seconds],
                "Spool": [by_instance(self.collector.metrics().value("luot_spool_bytes"), None), by_instance(0, None),
                          by_instance(64 * 2**20, None)],
                "Unconfirmed hits": [by_instance(0, None)], "Oldest unconfirmed hit": [by_instance(0, None)],
                "Disk times, 99 %": [seconds, seconds],
                "Shipped a second": [rate(hits)], "Waiting in the queue": [by_instance(None, 0)],
                "Redis memory": [within(memory["used_memory"] / 2, memory["used_memory"] * 2), exactly(200 * 2**20)],
                "Redis round trips": [seconds],
                "Counted a second": [rate(hits), rate(hits - BOTS), nearly(QUIETEST / 1800)], "From hit to count": [seconds, seconds],
                "Lag": [exactly(0), seconds], "Partitions": [by_instance(None, 16), exactly(0)],
                "Errors a second": [nothing] * 9, "Clocks": [within(-1, 1)],
                "Alerts": [exactly({"LuotRefusedShare": 1}, "alertname")],
                "CPU": [within(0.0001, 2)], "CPU per hit": [within(1e-6, 1)], "Memory": [within(2**20, 2**30)],
                "Connections": [within(0, 100)], "Open files": [within(1e-5, 1)],
            },
        }
        faults = []
        for name, dashboard in load_dashboards().items():
            variables = variables_of(dashboard, self.prometheus)
            self.assertEqual(variables, {"site": sorted(READERS), "instance": sorted(both)})
            asked = set()
            for panel in panels_of(dashboard):
                title = english(panel)
                if title in asked:
                    title += " by site"
                asked.add(title)
                self.assertEqual(len(panel["targets"]), len(wanted[name].get(title, [])), f"{name}: {title}")
                for target, hold in zip(panel["targets"], wanted[name][title]):
                    if title == "Alerts":
                        continue
                    expression = substitute(target["expr"], variables, f"{window}s")
                    found = self.prometheus.query(expression, at)
                    fault = "no data" if not found else hold.fault(found)
                    if fault:
                        faults.append(f"{name}: {title} {target['refId']}: {fault}\n    {expression}")
            self.assertEqual(asked, set(wanted[name]))
        self.assertFalse(faults, "\n".join(["", *faults]))
        return self.assert_recorded(views, grown)

    def assert_recorded(self, views, grown):
        """Also what only alerts ask for. The quietest is the least of a day and a week ago: others are not known."""
        wanted = {
            "site:luot_site_views:increase1h": exactly(views, "site"),
            "site:luot_site_views:quietest1h": exactly({s: min(DAY_AGO[s], WEEK_AGO[s]) for s in READERS}, "site"),
            "site_path:luot_article_views:increase1h": exactly(grown, ("site", "path")),
            "job:luot_applied_views:increase30m": nearly({"luot": sum(views.values())}, "job"),
            "job:luot_hits_accepted:increase30m": nearly({"luot": sum(views.values()) + BOTS + 1}, "job"),
            "job:luot_applied_views:quietest30m": exactly({"luot": QUIETEST}, "job"),
        }
        rules = {rule["record"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
        self.assertEqual(rules, set(wanted))
        faults = {name: fault for name, hold in wanted.items() if (fault := hold.fault(self.prometheus.query(name)))}
        self.assertFalse(faults)
        return True


if __name__ == "__main__":
    main()
