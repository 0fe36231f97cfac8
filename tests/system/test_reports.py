#!/usr/bin/env python3
"""Reports: what the views consist of, and how they went over time; each adds up to what the counts say."""

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import mmdb  # noqa: E402
from luot import FIREFOX, GOOGLEBOT, SITES, SystemTest, eventually, main, patience  # noqa: E402

VIEWS_OF = ("path", "section", "referrer", "source", "medium", "campaign", "term", "content", "country", "language",
            "browser", "os", "device", "screen")
ALL_BREAKDOWNS = (*VIEWS_OF, "entry", "exit", "event", "bot")
TOKEN = "reader-of-reports"


class Reports(SystemTest):
    def setUp(self):
        super().setUp()
        self.countries = self.world.folder / "country.mmdb"
        mmdb.write(self.countries, {"203.0.113.0/24": "VN", "2001:db8::/32": "DE"})
        self.luot = self.start()

    def start(self, **options):
        sites = [{**SITES[0], "public": ["counts", "stats"]}, *SITES[1:]]
        return self.world.luot(sites=sites, config={"collector": {"country_db": str(self.countries)}}, **options)

    def ask(self, report, headers=None, **parameters):
        return self.luot.http.request("GET", f"/api/v1/{report}?" + urlencode({"site": "skhcn", **parameters}),
                                      headers=headers)

    def top(self, by, **parameters):
        """rows as a dict, total, other; they add up."""
        answer = self.ask("top", by=by, **parameters)
        self.assertEqual(answer.status, 200, answer)
        answer = answer.json()
        rows = {row["key"]: row["views"] for row in answer["rows"]}
        self.assertEqual(len(rows), len(answer["rows"]))
        self.assertEqual(sum(rows.values()) + answer["other"], answer["total"])
        self.assertEqual([row["views"] for row in answer["rows"]], sorted(rows.values(), reverse=True))
        return rows, answer["total"], answer["other"]

    def wait_for_rows(self, by, total):
        """Rows of many hits at once are written after their counts."""
        eventually(lambda: self.top(by)[1] == total, patience(15), f"{total} are broken down by {by}")

    def points(self, **parameters):
        answer = self.ask("series", **parameters)
        self.assertEqual(answer.status, 200, answer)
        return {point["at"]: point["value"] for point in answer.json()["points"]}

    def today(self, zone="Asia/Ho_Chi_Minh"):
        return datetime.now(ZoneInfo(zone)).date()

    def read_some(self):
        luot = self.luot
        for path, section, client in (("/tin/a", "Tin tức", "203.0.113.1"), ("/tin/a", "Tin tức", "203.0.113.2"),
                                      ("/tin/b", "Tin tức", "2001:db8::1"), ("/lien-he", None, "198.51.100.1")):
            token = luot.take_hit("skhcn", path, c=section, client=client)
        for name in ("tải về", "tải về", "chia sẻ"):
            token = luot.take_hit("skhcn", "/tin/a", n=name, client="203.0.113.1")
        token = luot.take_hit("skhcn", "/tin/a", agent=GOOGLEBOT)
        luot.wait_for("skhcn", token)

    def test_each_view_is_in_one_row_of_each_breakdown(self):
        self.read_some()
        self.assertEqual(self.top("path"), ({"/tin/a": 2, "/tin/b": 1, "/lien-he": 1}, 4, 0))
        self.assertEqual(self.top("section"), ({"Tin tức": 3, "(none)": 1}, 4, 0))
        self.assertEqual(self.top("country"), ({"VN": 2, "DE": 1, "(none)": 1}, 4, 0))
        self.assertEqual(self.top("event"), ({"tải về": 2, "chia sẻ": 1}, 3, 0))
        self.assertEqual(self.top("bot"), ({"search": 1}, 1, 0))
        self.assertEqual(self.top("path", limit=1), ({"/tin/a": 2}, 4, 2))
        for by in VIEWS_OF:
            self.assertEqual(self.top(by)[1], self.luot.views("skhcn"), by)
        # By the whole month, too, which is kept apart.
        first = self.today().replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        self.assertEqual(self.top("section", **{"from": first, "to": last}), ({"Tin tức": 3, "(none)": 1}, 4, 0))
        self.assertEqual(self.top("section", **{"from": first - timedelta(days=3), "to": last})[1], 4)
        self.assertEqual(self.top("path", **{"from": "2021-07-01", "to": "2021-07-31"}), ({}, 0, 0))
        self.assert_verified(self.luot)

    def test_where_readers_come_from_and_what_they_read_with(self):
        luot = self.luot
        token = luot.take_hit("skhcn", "/a?utm_campaign=tet&utm_term=t&utm_content=c", client="203.0.113.1", l="vi-VN", w=390,
                              r="https://l.facebook.com/l.php?u=x")
        luot.wait_for("skhcn", token)
        token = luot.take_hit("skhcn", "/b", client="203.0.113.1", r=f"https://{SITES[0]['hosts'][0]}/a")
        luot.wait_for("skhcn", token)
        token = luot.take_hit("skhcn", "/a", client="203.0.113.2", agent=FIREFOX)
        luot.wait_for("skhcn", token)
        for by, rows in (("referrer", {"Facebook": 1, "(none)": 2}), ("source", {"Facebook": 2, "(direct)": 1}),
                         ("medium", {"social": 2, "(none)": 1}), ("campaign", {"tet": 2, "(none)": 1}),
                         ("term", {"t": 2, "(none)": 1}), ("content", {"c": 2, "(none)": 1}),
                         ("language", {"vi-VN": 1, "(none)": 2}), ("screen", {"phone": 1, "(none)": 2}),
                         ("browser", {"Chrome": 2, "Firefox": 1}), ("os", {"Windows": 2, "Linux": 1}),
                         ("device", {"desktop": 3}), ("path", {"/a": 2, "/b": 1})):
            self.assertEqual(self.top(by)[:2], (rows, 3), by)
        for by, rows in (("entry", {"/a": 2}), ("exit", {"/a": 1, "/b": 1})):
            self.assertEqual(self.top(by)[:2], (rows, 2), by)
        self.assert_verified(luot)

    def test_lists_of_pages_have_the_titles_that_most_readers_see(self):
        luot = self.luot
        for i, (path, title, section) in enumerate((("/a", "Tin hay", "Tin tức"), ("/a", "Tin hay", "Tin tức"),
                                                    ("/a", "Mua ngay", "Quảng cáo"), ("/b", "Bài b", "Tin tức"), ("/c", None, None))):
            token = luot.take_hit("skhcn", path, t=title, c=section, client=f"203.0.113.{i + 1}")
        luot.wait_for("skhcn", token)

        def rows(answer):
            self.assertEqual(answer.status, 200, answer)
            return [(row["path"], row["title"], row["views"]) for row in answer.json()["rows"]]

        self.assertEqual(rows(self.ask("most_read")), [("/a", "Tin hay", 3), ("/b", "Bài b", 1), ("/c", "", 1)])
        self.assertEqual(rows(self.ask("most_read", limit=1)), [("/a", "Tin hay", 3)])
        self.assertEqual(rows(self.ask("related", path="/b")), [("/a", "Tin hay", 3)])
        self.assertEqual(rows(self.ask("related", path="/c")), [], "what is in no section is related to nothing")
        for report, parameters in (("most_read", {"limit": 101}), ("most_read", {"from": "2021-01-01", "to": "2021-12-31"}),
                                   ("related", {}), ("related", {"path": "https://other.example/a"})):
            self.assertEqual(self.ask(report, **parameters).status, 400, (report, parameters))
        today = str(self.today())
        table = self.ask("report.csv", **{"from": today, "to": today}).body.decode("utf-8-sig").splitlines()
        self.assertEqual(table[1:4], [f"/a,Tin hay,Tin tức,{today},3,3,0,0.6000", f"/b,Bài b,Tin tức,{today},1,1,0,0.2000",
                                      f"/c,,,{today},1,1,0,0.2000"])
        self.assertEqual(self.top("title"), ({"Tin hay": 3, "Bài b": 1, "(none)": 1}, 5, 0))
        self.assertEqual(self.top("title", limit=1), ({"Tin hay": 3}, 5, 2))
        of_section = self.ask("report.csv", section="Tin tức", **{"from": today, "to": today}).body.decode("utf-8-sig")
        self.assertEqual(len(of_section.splitlines()), 4)
        self.assert_verified(luot)

    def test_lists_of_pages_are_open_where_the_site_says_so(self):
        self.luot.config["site"][0]["public"] = ["counts", "most_read"]
        self.luot.write_config()
        self.luot.hang_up()
        eventually(lambda: self.ask("related", path="/a").status == 401, patience(5), "it is closed")
        self.assertEqual(self.ask("most_read").status, 200)

    def test_views_with_a_made_up_referrer_are_bots(self):
        spam = self.world.folder / "spam.txt"
        spam.write_text("# made up\nspam.example\n")
        self.luot.config["aggregator"] = {"referrer_spam": str(spam)}
        self.luot.write_config()
        self.luot.hang_up()
        eventually(lambda: "configuration_read" in self.luot.log_text(), patience(5), "the list is read")
        token = self.luot.take_hit("skhcn", "/a", r="https://www.spam.example/")
        token = self.luot.take_hit("skhcn", "/a", r="https://spam.example.org/")
        self.luot.wait_for("skhcn", token)
        self.assertEqual(self.top("bot"), ({"other": 1}, 1, 0))
        self.assertEqual(self.top("referrer"), ({"spam.example.org": 1}, 1, 0))
        spam.write_text("com\n")
        self.luot.hang_up()
        eventually(lambda: "configuration_refused" in self.luot.log_text(), patience(5), "a bad list is refused")
        self.assertIn("spam.txt:1", self.luot.log_text())

    def test_a_site_of_others_is_in_no_report(self):
        self.read_some()
        token = self.luot.take_hit("bao", "/tin/a")
        self.luot.wait_for("bao", token)
        self.assertEqual(self.top("path")[1], 4)

    def test_rows_beyond_a_thousand_are_counted_together(self):
        """Names of events are the clients' own."""
        for i in range(1003):
            token = self.luot.take_hit("skhcn", "/a", n=f"e{i}", client=f"198.51.{i % 200}.{i // 200}")
            if i % 100 == 0:
                self.luot.wait_for("skhcn", token)
        self.luot.wait_for("skhcn", token)
        self.wait_for_rows("event", 1003)
        rows, total, other = self.top("event", limit=1000)
        self.assertEqual((len(rows), total, other), (1000, 1003, 3))
        token = self.luot.take_hit("skhcn", "/a", n="e0")  # one that is there still counts
        self.luot.wait_for("skhcn", token)
        self.assertEqual(self.top("event", limit=1)[0], {"e0": 2})
        self.assert_verified(self.luot)

    def properties(self, event, property=None, **parameters):
        more = {"property": property} if property else {}
        return self.top("event", event=event, **more, **parameters)

    def test_the_properties_of_events_are_counted_by_key_and_value(self):
        luot = self.luot
        for how, more in (("json", {"d": {"file": "báo cáo.pdf", "pages": 12, "paid": True, "none": None, "list": [1]}}),
                          ("json", {"d": {"file": "b.pdf", "half": "a\ud83d"}}),
                          ("form", {"d.file": "báo cáo.pdf", "d.pages": "12", "d.bad key": "x", "d.empty": ""}),
                          ("pixel", {"d.file": "báo cáo.pdf", "d.paid": "true"}),
                          ("json", {"d": "no object"}), ("json", {})):
            token = luot.take_hit("skhcn", "/tin/a", how=how, n="tải về", **more)
        luot.take_hit("skhcn", "/tin/a", n="in", d={"file": "b.pdf"})
        luot.take_hit("skhcn", "/tin/a", d={"file": "of a view"})
        luot.take_hit("skhcn", "/tin/a", how="pixel", **{"d.file": "of a view"})
        for kind in ({"agent": GOOGLEBOT}, {"b": 1}):
            token = luot.take_hit("skhcn", "/tin/a", n="tải về", d={"file": "b.pdf", "bot": "yes"}, **kind)
        luot.wait_for("skhcn", token)
        self.assertEqual(self.properties("tải về"), ({"file": 4, "pages": 2, "paid": 2, "half": 1}, 9, 0))
        self.assertEqual(self.properties("tải về", "file"), ({"báo cáo.pdf": 3, "b.pdf": 1}, 4, 0))
        self.assertEqual(self.properties("tải về", "file", limit=1), ({"báo cáo.pdf": 3}, 4, 1))
        self.assertEqual(self.properties("tải về", "pages"), ({"12": 2}, 2, 0))
        self.assertEqual(self.properties("tải về", "paid"), ({"true": 2}, 2, 0))
        self.assertEqual(self.properties("tải về", "half"), ({"a\ufffd": 1}, 1, 0))
        self.assertEqual(self.properties("in"), ({"file": 1}, 1, 0))
        for nothing in (("in", "pages"), ("tải", "file"), ("tải về", "fil"), ("none",), ("tải về", "bot")):
            self.assertEqual(self.properties(*nothing), ({}, 0, 0), nothing)
        first = self.today().replace(day=1)
        last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        self.assertEqual(self.properties("tải về", "file", **{"from": first, "to": last})[1], 4)
        self.assertEqual(self.top("event"), ({"tải về": 6, "in": 1}, 7, 0))
        self.assertEqual((self.top("bot")[1], luot.views("skhcn")), (2, 2))
        self.assert_verified(luot)

    def test_an_event_has_eight_properties_of_hundred_bytes(self):
        many = {f"k{i}": i for i in range(12)}
        for how, more in (("json", {"d": many}), ("form", {f"d.{k}": v for k, v in many.items()}),
                          ("pixel", {f"d.{k}": v for k, v in many.items()}),
                          ("json", {"d": {"k" * 32: "é" * 60, "k" * 33: "x", "a.b": "x", "": "x"}}),
                          ("pixel", {"d." + "k" * 32: "é" * 60, "d." + "k" * 33: "x"})):
            token = self.luot.take_hit("skhcn", "/a", how=how, n="e", **more)
        self.luot.wait_for("skhcn", token)
        self.assertEqual(self.properties("e")[0], {**{f"k{i}": 3 for i in range(8)}, "k" * 32: 2})
        self.assertEqual(self.properties("e", "k" * 32)[0], {"é" * 50: 2})
        self.assert_verified(self.luot)

    def test_properties_beyond_a_thousand_are_in_no_row(self):
        """Values are the clients' own. Whose they were is not kept: they are in no event's report."""
        for i in range(1003):
            token = self.luot.take_hit("skhcn", "/a", n="e", d={"v": i}, client=f"198.51.{i % 200}.{i // 200}")
            if i % 100 == 0:
                self.luot.wait_for("skhcn", token)
        self.luot.wait_for("skhcn", token)
        self.wait_for_rows("event", 1003)
        eventually(lambda: self.properties("e")[1] == 1000, patience(15), "and by their properties")
        self.assertEqual(self.properties("e")[0], {"v": 1000})
        rows, total, other = self.properties("e", "v", limit=1000)
        self.assertEqual((len(rows), total, other), (1000, 1000, 0))
        token = self.luot.take_hit("skhcn", "/a", n="e", d={"v": 0})  # one that is there still counts
        self.luot.wait_for("skhcn", token)
        self.assertEqual(self.properties("e", "v", limit=1), ({"0": 2}, 1001, 999))
        self.assert_verified(self.luot)

    def test_a_series_has_no_gaps(self):
        self.read_some()
        today = self.today()
        days = self.points(**{"from": today - timedelta(days=2), "to": today})
        self.assertEqual(days, {str(today - timedelta(days=2)): 0, str(today - timedelta(days=1)): 0, str(today): 4})
        self.assertEqual(len(self.points()), 30)
        for metric, value in (("visits", 4), ("visitors", 4)):
            self.assertEqual(self.points(metric=metric, **{"from": today, "to": today}), {str(today): value})
        self.assertEqual(self.points(metric="visitors", step="month")[str(today)[:7]], 4)
        self.assertEqual(self.points(path="/tin/a/", **{"from": today, "to": today}), {str(today): 2})
        self.assertEqual(self.points(path="/tin/a", step="month")[str(today)[:7]], 2)
        hours = self.points(step="hour", **{"from": today, "to": today})
        self.assertEqual((len(hours), sum(hours.values())), (24, 4))
        self.assertTrue(all(at.startswith(str(today)) and at.endswith("+07:00") for at in hours))
        at, = (at for at, n in hours.items() if n)
        self.assertLess(abs(datetime.now(timezone.utc) - datetime.fromisoformat(at)), timedelta(hours=1, minutes=1))

    def test_hours_add_up_to_their_days_also_where_a_site_has_moved_to_another_zone(self):
        at = datetime(2024, 3, 12, 17, 5, tzinfo=timezone.utc)
        log = self.world.folder / "access.log"
        log.write_text("".join(f'10.0.{i // 200}.{i % 200} - - [{at + timedelta(minutes=37 * i):%d/%b/%Y:%H:%M:%S} +0000] '
                               f'"GET /{i % 5} HTTP/1.1" 200 99 "-" "{FIREFOX}"\n' for i in range(100)))
        status, output, errors = self.world.run("import", "log", log, "--site", "skhcn", "--config", self.luot.config_file)
        self.assertEqual(status, 0, output + errors)
        period = {"from": "2024-03-11", "to": "2024-03-17"}
        days = self.points(**period)
        self.assertEqual(sum(days.values()), 100)
        for zone, offset in (("Asia/Kathmandu", "+05:45"), ("America/New_York", "-04:00"), ("Asia/Ho_Chi_Minh", "+07:00")):
            self.luot.config["site"][0]["timezone"] = zone
            self.luot.write_config()
            self.luot.hang_up()
            eventually(lambda: next(iter(self.points(step="hour", **period))).endswith(offset), patience(5), zone)
            for metric in ("views", "visits"):
                self.assertEqual(self.points(metric=metric, **period), days)
                found = self.points(step="hour", metric=metric, **period)
                self.assertEqual(sum(found.values()), 100, zone)
                self.assertEqual(list(found), sorted(found))
            one = {"from": "2024-03-14", "to": "2024-03-14"}
            self.assertEqual(sum(self.points(step="hour", **one).values()), days["2024-03-14"])

    def test_a_value_that_is_no_utf_8_is_refused(self):
        for report in ("top?by=country&country=%FF", "series?section=%C3", "summary?device=a%80", "top?by=event&event=%FF&property=a"):
            answer = self.luot.http.get(f"/api/v1/{report}&site=skhcn")
            self.assertEqual((answer.status, answer.json()["error"]["code"]), (400, "bad_request"), report)

    def test_nobody_writes_into_the_rows_that_are_luots_own(self):
        for i in range(3):
            token = self.luot.take_hit("skhcn", f"/bai-{i}?utm_source=(other)&utm_campaign=(none)&utm_term=(other)",
                                       c="(other)", client=f"203.0.113.{i + 1}")
            token = self.luot.take_hit("skhcn", f"/bai-{i}", n="(other)", client=f"203.0.113.{i + 1}")
        self.luot.wait_for("skhcn", token)
        self.assertEqual(self.top("section"), ({"(none)": 3}, 3, 0))
        self.assertEqual(self.top("campaign"), ({"(none)": 3}, 3, 0))
        self.assertEqual(self.top("term"), ({"(none)": 3}, 3, 0))
        self.assertEqual(self.top("source"), ({"(direct)": 3}, 3, 0))
        self.assertEqual(self.top("event"), ({"(none)": 3}, 3, 0))
        self.assertNotIn("in_other", self.ask("series", section="Tin tức").body.decode())

    def test_what_cannot_be_answered_says_so(self):
        for report, parameters in (
                ("top", {}), ("top", {"by": "shoe"}), ("top", {"by": "path", "limit": 0}), ("top", {"by": "path", "limit": 1001}),
                ("top", {"by": "path", "from": "2021-02-30"}), ("top", {"by": "path", "to": "yesterday"}),
                ("top", {"by": "path", "from": "2021-07-02", "to": "2021-07-01"}), ("top", {"by": "path", "cuontry": "VN"}),
                ("top", {"by": "path", "from": "1990-01-01"}), ("top", {"by": "event", "property": "a"}),
                ("top", {"by": "path", "event": "e"}), ("top", {"by": "bot", "event": "e"}), ("top", {"by": "event", "event": ""}),
                ("top", {"by": "event", "event": "e", "property": ""}), ("top", {"by": "path", "property": "a"}),
                ("top", {"by": "property"}), ("top", {"by": ""}), ("top", {"by": "event_properties"}),
                ("series", {"event": "e", "metric": "views"}), ("series", {"metric": "clicks"}), ("series", {"step": "minute"}),
                ("series", {"metric": "visitors", "step": "hour"}), ("series", {"path": "/a", "metric": "visits"}),
                ("series", {"path": "/a", "step": "hour"}), ("series", {"path": "https://other.example/a"}),
                ("series", {"step": "hour", "from": "2019-01-01"})):
            with self.subTest(f"{report} {parameters}"):
                answer = self.ask(report, **parameters)
                self.assertEqual(answer.status, 400, answer)
                self.assertTrue(answer.json()["error"]["message"])
        self.assertEqual(self.ask("top", by="path", site="none").status, 404)
        for by in ALL_BREAKDOWNS:
            self.assertEqual(self.ask("top", by=by).status, 200, by)

    def test_reports_need_the_site_s_token(self):
        token = self.world.folder / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        self.luot.config["site"][0].update(public=["counts"], token_file=str(token))
        self.luot.write_config()
        self.luot.hang_up()
        eventually(lambda: self.ask("top", by="path").status == 401, patience(5), "it is closed")
        for given, status in (("Bearer wrong", 403), (f"Bearer {TOKEN}", 200)):
            for report, parameters in (("top", {"by": "path"}), ("series", {})):
                self.assertEqual(self.ask(report, headers={"Authorization": given}, **parameters).status, status)

    def test_a_newer_database_of_countries_is_read(self):
        self.read_some()
        newer = self.world.folder / "newer.mmdb"
        mmdb.write(newer, {"203.0.113.0/24": "LA"}, is_flat=True)
        newer.rename(self.countries)
        self.luot.hang_up()

        def country_of_next():
            self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/tin/a", client="203.0.113.1"))
            return "LA" in self.top("country")[0]
        eventually(country_of_next, patience(5), "its countries are used")
        self.countries.write_text("no database")
        self.luot.hang_up()
        eventually(lambda: "configuration_refused" in self.luot.log_text(), patience(5), "a broken one is refused")
        self.assertIn("country.mmdb", self.luot.log_text())
        self.assertTrue(country_of_next(), "and the running one stays")

    def test_a_database_that_is_missing_is_named_at_the_start(self):
        self.luot.stop()
        self.countries.unlink()
        status, _, errors = self.world.run("serve", "--config", self.luot.config_file)
        self.assertNotEqual(status, 0)
        self.assertIn("collector.country_db", errors)


if __name__ == "__main__":
    main()
