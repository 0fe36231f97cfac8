#!/usr/bin/env python3
"""The report article by article: a table for people whose numbers are those of everywhere else."""

import csv
import io
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import SITES, SystemTest, eventually, main, patience, urlencode  # noqa: E402

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


if __name__ == "__main__":
    main()
