#!/usr/bin/env python3
"""Reports that are narrowed to one row, and beside the period before: what is not known is not shown as 0."""

import csv
import io
import sys
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import mmdb  # noqa: E402
from luot import GOOGLEBOT, SITES, SystemTest, eventually, hour_lasts, main, patience  # noqa: E402

DIMENSIONS = ("path", "section", "referrer", "source", "medium", "campaign", "term", "content", "country", "language",
              "browser", "os", "device", "screen", "entry", "exit", "event", "bot")
PERIODS = ("today", "yesterday", "this_week", "this_month", "last_month", "this_year")


class Narrowed(SystemTest):
    def setUp(self):
        super().setUp()
        countries = self.world.folder / "country.mmdb"
        mmdb.write(countries, {"203.0.113.0/24": "VN", "2001:db8::/32": "DE"})
        self.luot = self.world.luot(sites=[{**SITES[0], "public": ["counts", "stats"]}, *SITES[1:]],
                                    config={"collector": {"country_db": str(countries)}})

    def answer(self, report, **parameters):
        return self.luot.http.request("GET", f"/api/v1/{report}?" + urlencode({"site": "skhcn", **parameters}))

    def ask(self, report, **parameters):
        answer = self.answer(report, **parameters)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def today(self):
        return datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()

    def key_of(self, day, breakdown):
        totals, = self.luot.redis().scan_iter("luot:*:skhcn:totals")
        return totals.decode().replace("totals", f"day:{day}:{breakdown}")

    def read_some(self):
        """Two days, so that the day of the hits may end meanwhile; asked for beside the two days before."""
        day = self.today()
        for path, client in (("/a", "203.0.113.1"), ("/a", "2001:db8::1"), ("/b", "203.0.113.2"), ("/b", "198.51.100.1")):
            token = self.luot.take_hit("skhcn", path, c="Tin", client=client)
        for name in ("in", "in", "chia sẻ"):
            token = self.luot.take_hit("skhcn", "/a", n=name, client="203.0.113.1")
        token = self.luot.take_hit("skhcn", "/a", agent=GOOGLEBOT)
        self.luot.wait_for("skhcn", token)
        self.days = {"from": day, "to": day + timedelta(days=1)}
        self.next_days = {"from": day + timedelta(days=2), "to": day + timedelta(days=3)}

    def test_a_series_and_a_summary_tell_of_one_row(self):
        self.read_some()
        for name, row, metric, value in (("country", "VN", "views", 2), ("country", "(none)", "views", 1), ("country", "LA", "views", 0),
                                         ("section", "Tin", "views", 4), ("device", "desktop", "views", 4), ("path", "/a/", "views", 2),
                                         ("entry", "/b", "visits", 2), ("exit", "/c", "visits", 0), ("event", "in", "events", 2),
                                         ("bot", "search", "bots", 1), ("bot", "none", "bots", 0)):
            with self.subTest(f"{name}={row}"):
                answer = self.ask("series", **{name: row}, **self.days)
                self.assertEqual((answer["metric"], sum(p["value"] for p in answer["points"])), (metric, value))
                self.assertFalse([p for p in answer["points"] if "in_other_at_most" in p])
                self.assertEqual(sum(p["value"] for p in self.ask("series", **{name: row}, step="month", **self.days)["points"]), value)
                self.assertEqual(self.ask("series", **{name: row}, metric=metric, **self.days), answer)
                summary = self.ask("summary", **{name: row})
                self.assertEqual(summary["this_year"], {metric: value})
                self.assertEqual("total" in summary, name == "path")
                self.assertLessEqual({*PERIODS, "site", "as_of"}, set(summary))
        self.assertEqual(self.ask("summary", path="/a")["total"], {"views": 2})

    def test_top_tells_of_one_of_its_rows(self):
        self.read_some()
        for by in DIMENSIONS:
            if by == "event":  # by=event&event=NAME are the properties of that event
                continue
            rows = {row["key"]: row["views"] for row in self.ask("top", by=by, limit=1000, **self.days)["rows"]}
            self.assertTrue(rows, by)
            for key, views in rows.items():
                answer = self.ask("top", by=by, **{by: key}, **self.days)
                self.assertEqual((answer["rows"], answer["total"], answer["other"]), ([{"key": key, "views": views}], views, 0), by)
            self.assertEqual(self.ask("top", by=by, **{by: "/nothing"}, **self.days)["rows"][0]["views"], 0, by)

    def test_what_may_be_among_others_is_said(self):
        self.read_some()
        day = self.days["from"]
        self.luot.redis().zincrby(self.key_of(day, "countries"), 7, "(other)")
        asked = self.ask("series", country="LA", **self.days)
        self.assertEqual([(p["value"], p.get("in_other_at_most")) for p in asked["points"] if str(day) == p["at"]], [(0, 7)])
        self.assertEqual(self.ask("top", by="country", country="LA", **self.days)["in_other_at_most"], 7)
        summary = self.ask("summary", country="LA")
        self.assertEqual([summary[period].get("in_other_at_most", 0) for period in ("today", "yesterday")].count(7), 1)
        # One that has a row there is in the row.
        self.assertNotIn("in_other_at_most", self.ask("top", by="country", country="VN", **self.days))

    def test_the_period_before_stands_beside(self):
        self.read_some()
        now = self.ask("top", by="path", compare="previous", **self.days)
        before = self.days["from"] - timedelta(days=2), self.days["from"] - timedelta(days=1)
        self.assertEqual(now["previous"], {"from": str(before[0]), "to": str(before[1]), "total": 0})
        self.assertEqual(now["rows"], [{"key": "/a", "views": 2, "views_previous": 0}, {"key": "/b", "views": 2, "views_previous": 0}])
        # What was read is, two days later, what was before.
        later = self.ask("top", by="path", compare="previous", **self.next_days)
        self.assertEqual((later["rows"], later["total"], later["previous"]["total"]), ([], 0, 4))
        later = self.ask("top", by="path", path="/a", compare="previous", **self.next_days)
        self.assertEqual(later["rows"], [{"key": "/a", "views": 0, "views_previous": 2}])
        self.assertEqual(later["previous"]["total"], 2)
        self.assertEqual(self.ask("top", by="event", event="in", compare="previous", **self.next_days)["previous"]["total"], 0)
        for narrowed, value in (({}, 4), ({"country": "VN"}, 2)):
            later = self.ask("series", compare="previous", **narrowed, **self.next_days)
            self.assertEqual([p["value"] for p in later["points"]], [0, 0])
            self.assertEqual([p["at"] for p in later["previous"]["points"]], [str(self.days["from"]), str(self.days["to"])])
            self.assertEqual(sum(p["value"] for p in later["previous"]["points"]), value)
        months = self.ask("series", compare="previous", step="month", **{"from": "2021-07-03", "to": "2021-08-02"})
        self.assertEqual([p["at"] for p in months["previous"]["points"]], ["2021-05", "2021-06"])
        hours = self.ask("series", compare="previous", step="hour", **self.next_days)
        self.assertEqual(sum(p["value"] for p in hours["previous"]["points"]), 4)

    def test_a_row_that_grew_stands_beside_what_it_was(self):
        self.read_some()
        client, yesterday = self.luot.redis(), self.days["from"] - timedelta(days=1)
        key = self.key_of(yesterday, "pages")
        client.zadd(key, {"/a": 9, "/gone": 3})

        def rows():
            return {r["key"]: r["views_previous"] for r in self.ask("top", by="path", compare="previous", **self.days)["rows"]}
        self.assertEqual(rows(), {"/a": 9, "/b": 0})
        client.zadd(key, {"(other)": 1})
        self.assertEqual(rows(), {"/a": 9, "/b": None}, "it may have been among others")

    def test_a_summary_stands_beside_the_periods_before(self):
        self.read_some()
        plain, compared = self.ask("summary"), self.ask("summary", compare="previous")
        for period in PERIODS:
            previous = compared[period].pop("previous")
            self.assertEqual(compared[period], plain[period])
            self.assertEqual(set(previous) - {"from", "to"}, set(plain[period]))
        self.assertEqual(compared["total"], plain["total"])
        narrowed = self.ask("summary", compare="previous", country="VN")
        self.assertEqual(narrowed["today"]["previous"]["views"] + narrowed["today"]["views"], 2)

    def test_days_that_are_forgotten_are_not_0(self):
        since = str(self.today() - timedelta(days=400))
        old = {"from": "2021-07-02", "to": "2021-07-03"}
        answer = self.ask("top", by="country", compare="previous", **old)
        self.assertIn(answer["kept_from"], (since, str(self.today() - timedelta(days=400))))
        self.assertEqual((answer["previous"]["total"], answer["previous"]["kept_from"]), (None, answer["kept_from"]))
        answer = self.ask("top", by="country", country="VN", compare="previous", **old)
        self.assertIsNone(answer["rows"][0]["views_previous"])
        self.assertIn("kept_from", answer)
        answer = self.ask("series", country="VN", compare="previous", **old)
        self.assertEqual([p["value"] for p in answer["previous"]["points"]], [None, None])
        # The site's own numbers, its bots, and whole months are kept.
        for report, parameters in (("series", {}), ("series", {"bot": "search"}), ("top", {"by": "bot"}),
                                   ("series", {"step": "month", "country": "VN"})):
            answer = self.ask(report, compare="previous", **parameters, **old)
            self.assertNotIn("kept_from", answer, report)
            self.assertNotIn("kept_from", answer["previous"], report)
        whole = self.ask("top", by="country", **{"from": "2021-07-01", "to": "2021-07-31"})
        self.assertNotIn("kept_from", whole)

    def test_what_counts_cannot_tell_is_refused(self):
        two = {"country": "VN", "device": "mobile"}
        for report, parameters, word in (
                ("series", two, "one filter"), ("summary", two, "one filter"), ("top", {"by": "country", **two}, "one filter"),
                ("top", {"by": "path", "country": "VN"}, "same `by`"), ("top", {"by": "bot", "device": "mobile"}, "same `by`"),
                ("report.csv", {"country": "VN"}, "section"), ("most_read", {"country": "VN"}, "`series`"),
                ("series", {"country": "VN", "step": "hour"}, "days and months"), ("series", {"country": "VN", "metric": "visits"}, "views"),
                ("series", {"entry": "/a", "metric": "views"}, "visits"), ("series", {"bot": "search", "metric": "views"}, "bots"),
                ("series", {"metric": "events", "step": "hour"}, "hours"), ("series", {"country": ""}, "(none)"),
                ("series", {"path": "https://other.example/a"}, "path"), ("series", {"compare": "year"}, "previous"),
                ("top", {"by": "path", "compare": ""}, "previous"), ("summary", {"compare": "1"}, "previous"),
                ("summary", {"title": "Tin"}, "not known"), ("summary", {"contry": "VN"}, "not known"),
                ("report.csv", {"compare": "previous"}, "not known")):
            with self.subTest(f"{report} {parameters}"):
                answer = self.answer(report, **parameters)
                self.assertEqual(answer.status, 400, answer)
                self.assertIn(word, answer.json()["error"]["message"])

    def test_what_is_asked_for_twice_is_refused(self):
        """Else a report would answer for the last, and look as one of both."""
        for target in ("top?by=path&path=/a&path=/b", "series?path=/a&path=/b", "summary?path=/a&path=/b", "summary?country=VN&country=VN",
                       "top?by=path&by=country", "series?from=2021-07-01&from=2021-07-02", "most_read?limit=1&limit=2",
                       "related?path=/a&path=/b", "report.csv?section=a&section=b", "summary?site=skhcn"):
            answer = self.luot.http.get(f"/api/v1/{target}&site=skhcn")
            self.assertEqual(answer.status, 400, target)
            self.assertIn("twice", answer.json()["error"]["message"])
        for target in ("count.txt?path=/a&path=/b", "count.svg?site=skhcn", "badge.svg?path=/a&path=/b"):
            self.assertEqual(self.luot.http.get(f"/{target}&site=skhcn").status, 400, target)

    def test_a_summary_that_is_open_to_all_is_not_narrowed(self):
        self.luot.config["site"][0]["public"] = ["summary"]
        self.luot.write_config()
        self.luot.hang_up()
        eventually(lambda: self.answer("series").status == 401, patience(5), "it is closed")
        self.assertEqual(self.answer("summary", compare="previous").status, 200)
        self.assertEqual(self.answer("summary", country="VN").status, 401)


class VisitorsOfPages(SystemTest):
    def read(self, **site):
        hour_lasts()
        self.luot = self.world.luot(sites=[{**SITES[0], "public": ["counts", "stats"], **site}, *SITES[1:]])
        for path, client in (("/a", 1), ("/a", 2), ("/a", 1), ("/b", 1), ("/a", 3)):
            token = self.luot.take_hit("skhcn", path, client=f"203.0.113.{client}")
        self.luot.wait_for("skhcn", token)
        day = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
        self.days = {"from": day - timedelta(days=1), "to": day}  # the day may end meanwhile

    def ask(self, report, **parameters):
        return self.luot.http.request("GET", f"/api/v1/{report}?" + urlencode({"site": "skhcn", **self.days, **parameters}))

    def visitors(self, path):
        return sum(point["value"] for point in self.ask("series", metric="visitors", path=path).json()["points"])

    def test_a_site_may_have_them_told_apart_by_page(self):
        self.read(path_visitors=True)
        self.assertEqual([self.visitors("/a"), self.visitors("/b"), self.visitors("/none")], [3, 1, 0])
        rows = self.ask("top", by="path").json()["rows"]
        self.assertEqual([(row["key"], row["views"], row["visitor_days"]) for row in rows], [("/a", 4, 3), ("/b", 1, 1)])
        row, = self.ask("top", by="path", path="/a").json()["rows"]
        self.assertEqual(row["visitor_days"], 3)
        table = list(csv.reader(io.StringIO(self.ask("report.csv").body.decode("utf-8-sig"))))
        self.assertEqual([row[-1] for row in table], ["visitor_days", "3", "1", ""])
        for wrong in ({"step": "hour", "path": "/a"}, {"step": "month", "path": "/a"}, {"country": "VN"}):
            self.assertEqual(self.ask("series", metric="visitors", **wrong).status, 400, wrong)
        for command in (("merge", "--site", "skhcn", "/b", "/a"), ("verify",)):
            done, output, errors = self.world.run(*command, "--config", self.luot.config_file, deadline=patience(60))
            self.assertEqual(done, 0, output + errors)
        self.assertEqual([self.visitors("/a"), self.visitors("/b")], [4, 4])
        # A page that was deleted begins anew.
        for command in (("undo", "--site", "skhcn", "1"), ("delete", "--site", "skhcn", "--path", "/a"), ("verify",)):
            done, output, errors = self.world.run(*command, "--config", self.luot.config_file, deadline=patience(60))
            self.assertEqual(done, 0, output + errors)
        self.assertEqual(self.visitors("/a"), 0)
        for _ in range(3):
            token = self.luot.take_hit("skhcn", "/a", client="203.0.113.9")
        self.luot.wait_for("skhcn", token)
        self.assertEqual(self.visitors("/a"), 1)

    def test_without_the_setting_nothing_is_kept_and_reports_say_so(self):
        self.read()
        answer = self.ask("series", metric="visitors", path="/a")
        self.assertEqual(answer.status, 400)
        self.assertIn("path_visitors", answer.json()["error"]["message"])
        self.assertNotIn("visitor_days", self.ask("top", by="path").json()["rows"][0])
        self.assertFalse(list(self.luot.redis().scan_iter("luot:*path_visitors")))


if __name__ == "__main__":
    main()
