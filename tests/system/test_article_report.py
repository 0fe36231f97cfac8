#!/usr/bin/env python3
"""The report article by article: a table for people whose numbers are those of everywhere else."""

import csv
import io
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import SITES, SystemTest, eventually, hour_lasts, main, patience, urlencode, wait_for_rows  # noqa: E402

TOKEN = "reader-of-reports"


class ArticleReport(SystemTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=[{**SITES[0], "public": ["counts", "stats"]}, *SITES[1:]])

    def ask(self, headers=None, **parameters):
        return self.luot.http.request("GET", "/api/v1/report.csv?" + urlencode({"site": "skhcn", **parameters}), headers=headers)

    def today(self):
        return datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()

    def test_it_has_all_that_was_read(self):
        day = self.today()  # hits may come into the next one
        two_days = {"from": day, "to": day + timedelta(days=1)}
        for path, count in (("/tin/a", 3), ("/tin/tức,b", 1)):
            for i in range(count):
                token = self.luot.take_hit("skhcn", path, client=f"198.51.100.{i + 1}")
        self.luot.wait_for("skhcn", token)
        answer = self.ask(**two_days)
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/csv; charset=utf-8"))
        self.assertEqual(answer.headers["Content-Disposition"],
                         f'attachment; filename="skhcn-{day}-{day + timedelta(days=1)}.csv"')
        text = answer.body.decode()
        self.assertTrue(text.startswith("\ufeff"))
        rows = list(csv.DictReader(io.StringIO(text[1:])))
        self.assertEqual([(r["path"], r["views"], r["views_previous_period"], r["share"]) for r in rows],
                         [("/tin/a", "3", "0", "0.7500"), ("/tin/tức,b", "1", "0", "0.2500"), ("(sum)", "4", "0", "1.0000")])
        again = self.ask(**two_days, headers={"If-None-Match": answer.headers["ETag"]})
        self.assertEqual((again.status, again.body), (304, b""))
        # In two days these will be the period before.
        later = self.ask(**{"from": day + timedelta(days=2), "to": day + timedelta(days=3)})
        later = list(csv.DictReader(io.StringIO(later.body.decode()[1:])))
        self.assertEqual([(r["path"], r["views"], r["views_previous_period"]) for r in later], [("(sum)", "0", "4")])

    def test_what_cannot_be_answered_says_so(self):
        for parameters, status in (({"site": "none"}, 404), ({"from": "2021-02-30"}, 400), ({"limit": 5}, 400),
                                   ({"from": "2021-07-02", "to": "2021-07-01"}, 400), ({"site": "bao"}, 401)):
            answer = self.ask(**parameters)
            self.assertEqual(answer.status, status, parameters)
            self.assertTrue(answer.json()["error"]["message"])

    def test_it_needs_the_site_s_token(self):
        token = self.world.folder / "token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        self.luot.config["site"][0].update(public=["counts"], token_file=str(token))
        self.luot.write_config()
        self.luot.hang_up()
        eventually(lambda: self.ask().status == 401, patience(5), "it is closed")
        for given, status in (("Bearer wrong", 403), (f"Bearer {TOKEN}", 200)):
            self.assertEqual(self.ask(headers={"Authorization": given}).status, status)


class Forgotten(SystemTest):
    """Of days whose rows are forgotten there are the days' own views yet."""

    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=[{**SITES[0], "public": ["counts", "stats"]}, *SITES[1:]],
                                    config={"aggregator": {"keep_days": 30}})
        hour_lasts()
        self.today = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
        log = self.world.folder / "access.log"
        log.write_text("".join(
            f"203.0.113.{i + 1} - - [{self.today - timedelta(ago):%d/%b/%Y}:08:{i:02}:00 +0700] \"GET /p/{i} HTTP/1.1\" 200 99 \"-\" "
            "\"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\"\n" for ago in range(70, 0, -1) for i in range(4)))
        done, output, errors = self.world.run("import", "log", log, "--site", "skhcn", "--config", self.luot.config_file)
        self.assertEqual(done, 0, output + errors)
        wait_for_rows(self.luot.redis())

    def read(self, first, last, **parameters):
        """(views, views before) of each row, of days so long ago; and the views that the series has."""
        asked = urlencode({"site": "skhcn", "from": self.today - timedelta(first), "to": self.today - timedelta(last), **parameters})
        text = self.luot.http.get("/api/v1/report.csv?" + asked).body.decode("utf-8-sig")
        rows = {r["path"]: (r["views"], r["views_previous_period"]) for r in csv.DictReader(io.StringIO(text))}
        if parameters:
            return rows
        return rows, sum(p["value"] for p in self.luot.http.get("/api/v1/series?" + asked).json()["points"])

    def test_their_views_are_among_the_others_and_nothing_is_compared_with_them(self):
        rows, views = self.read(45, 35)
        self.assertEqual((rows, views), ({"(other)": ("44", ""), "(sum)": ("44", "")}, 44))
        rows, views = self.read(40, 10)
        self.assertEqual(views, 124)
        self.assertEqual(rows["(sum)"], ("124", ""))
        self.assertEqual(sum(int(views) for path, (views, _) in rows.items() if path != "(sum)"), 124)
        self.assertIn("/p/0", rows)
        # The days are there, those before them in part.
        rows, views = self.read(25, 1)
        self.assertEqual((rows, views), ({**{f"/p/{i}": ("25", "") for i in range(4)}, "(sum)": ("100", "")}, 100))
        rows, views = self.read(13, 1)
        self.assertEqual((rows, views), ({**{f"/p/{i}": ("13", "13") for i in range(4)}, "(sum)": ("52", "52")}, 52))

    def test_pages_in_no_section_are_those_of_none(self):
        self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/p/0", c="Tin", client="198.51.100.1"))
        rows = self.read(13, 1, section="(none)")
        self.assertEqual(rows, {**{f"/p/{i}": ("13", "13") for i in (1, 2, 3)}, "(sum)": ("39", "39")})
        self.assertEqual(self.read(13, 1, section="Tin"), {"/p/0": ("13", "13"), "(sum)": ("13", "13")})


if __name__ == "__main__":
    main()
