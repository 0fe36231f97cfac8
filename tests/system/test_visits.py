#!/usr/bin/env python3
"""What visits were like - bounces, durations, reloads - is told by each way out, and all say the same."""

import csv
import io
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import imports  # noqa: E402
from access_log import line  # noqa: E402
from luot import hour_lasts, main  # noqa: E402

NAMES = "bounces", "reloads", "visit_seconds"


class Visits(imports.ImportTest):
    """Three readers of yesterday: one view; two views five minutes apart; one page, again ten seconds later, and another
    after a minute and a half."""

    def setUp(self):
        super().setUp()
        hour_lasts()
        site, = self.sites("a")
        self.luot = self.world.luot(sites=[{**site, "public": ["counts", "summary", "stats"], "reload_window": "30s"}])
        zone = ZoneInfo(site["timezone"])
        self.day = datetime.now(zone).date() - timedelta(days=1)
        noon = int(datetime(self.day.year, self.day.month, self.day.day, 12, tzinfo=zone).timestamp())
        lines = sorted(((at, line(noon + at, client, target)) for at, client, target in (
            (0, "198.51.100.1", "/a"), (1, "198.51.100.2", "/a"), (301, "198.51.100.2", "/b"),
            (2, "198.51.100.3", "/a"), (12, "198.51.100.3", "/a"), (92, "198.51.100.3", "/b"))))
        self.import_log(self.luot, "a", self.write("access", [text for _, text in lines]))
        self.wanted = {"bounces": 1, "reloads": 1, "visit_seconds": 390}

    def answer(self, report, parameters=""):
        return self.luot.http.get(f"/api/v1/{report}?site=a{parameters}")

    def ask(self, *report):
        answer = self.answer(*report)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def of(self, period):
        return {name: period[name] for name in NAMES}

    def test_all_ways_out_say_the_same(self):
        month = self.day.replace(day=1)
        for name, value in self.wanted.items():
            points = self.ask("series", f"&metric={name}&from={self.day}&to={self.day}&compare=previous")
            self.assertEqual(points["points"], [{"at": str(self.day), "value": value}], name)
            self.assertEqual(points["previous"]["points"][0]["value"], 0)
            points = self.ask("series", f"&metric={name}&step=month&from={month}&to={self.day}")
            self.assertEqual(points["points"], [{"at": str(month)[:7], "value": value}], name)
        summary = self.ask("summary", "&compare=previous")
        for period in (summary["yesterday"], summary["total"], summary["today"]["previous"]):
            self.assertEqual(self.of(period), self.wanted)
            self.assertEqual((period["views"], period["visits"]), (5, 3))
        self.assertEqual(self.of(summary["today"]), dict.fromkeys(NAMES, 0))
        self.assertEqual(self.of(self.ask("counts", "&summary=1")["summary"]["yesterday"]), self.wanted)
        for kind in ("csv", "json"):
            status, text, errors = self.world.run("export", "--site", "a", "--from", self.day, "--to", self.day, "--format", kind,
                                                  "--config", self.luot.config_file)
            self.assertEqual(status, 0, errors)
            rows = json.loads(text)["rows"] if kind == "json" else list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
            whole = [row for row in rows if not row.get("path")]
            self.assertEqual([row["kind"] for row in whole], ["total", "month", "day"])
            for row in whole:
                self.assertEqual({name: int(row[name]) for name in NAMES}, self.wanted, row["kind"])
            for row in rows:
                if row.get("path"):
                    self.assertFalse([name for name in NAMES if row.get(name)], "pages have none")
        self.assert_verified(self.luot)
        held = self.luot.redis()
        totals = held.hgetall(next(held.scan_iter("luot:*:a:totals")))
        self.assertEqual([int(totals[field]) for field in (b"bounces", b"reloads", b"visit_ms")], [1, 1, 390_000])

    def test_hours_and_rows_have_none_and_say_so(self):
        for name in NAMES:
            for parameters, word in (("&step=hour", "by day or month"), ("&path=/a", "views by days and months"),
                                     ("&entry=/a", "visits by days and months")):
                answer = self.answer("series", f"&metric={name}{parameters}")
                self.assertEqual(answer.status, 400, (name, parameters))
                self.assertIn(word, answer.json()["error"]["message"])
        self.assertIn("visit_seconds", self.answer("series", "&metric=bounce").json()["error"]["message"])


if __name__ == "__main__":
    main()
