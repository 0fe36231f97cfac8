#!/usr/bin/env python3
"""One page, one path: every spelling of an address counts on the same page and is answered under the
spelling that was asked for."""

import json
import sys
import unicodedata
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import BROWSER, SystemTest, eventually, main, patience  # noqa: E402

HOSTS = ["portal.example.vn", "www.portal.example.vn", "*.chi-nhanh.example.vn", "báo.example.vn"]
NFC = unicodedata.normalize("NFC", "/tin-tức/đại-hội-đảng-bộ")
NFD = unicodedata.normalize("NFD", NFC)


def lower_hex(text):
    return quote(text, safe="/").replace("%E", "%e").replace("%C", "%c").lower()


class Paths(SystemTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=[
            {"id": "portal", "hosts": HOSTS, "timezone": "Asia/Ho_Chi_Minh"},
            {"id": "by-host", "hosts": HOSTS, "path_host": True},
        ])

    def assert_one_page(self, spellings, site="portal"):
        """Each spelling is hit once in each form; each is then read, alone and with all others."""
        token, hits = None, 0
        for spelling in spellings:
            for how in ("json", "form", "pixel"):
                token = self.luot.take_hit(site, spelling, how=how)
                hits += 1
        self.luot.wait_for(site, token)
        for spelling in spellings:
            with self.subTest(read=spelling):
                self.assertEqual(self.luot.counts(site, spelling)["pages"], {spelling: {"views": hits}})
        body = json.dumps({"site": site, "paths": spellings})
        answer = self.luot.http.request("POST", "/api/v1/counts", body=body).json()
        self.assertEqual(answer["pages"], {s: {"views": hits} for s in spellings})
        self.assertEqual(answer["views"], hits)

    def test_slash_host_campaign_and_fragment_do_not_make_another_page(self):
        self.assert_one_page([
            "/a", "/a/", "https://www.portal.example.vn/a?utm_source=zalo#x", "/a?fbclid=1", "/a#top",
            "/a?utm_medium=social&utm_campaign=tet", "/a?gclid=x", "/a?anything=else",
            "http://portal.example.vn/a", "https://portal.example.vn:8443/a/", "https://PORTAL.example.VN/a",
            "https://portal.example.vn./a", "//portal.example.vn/a", "/a?", "/a/index.html", "/a/index.php",
        ])

    def test_vietnamese_letters_are_the_same_however_they_are_encoded(self):
        self.assert_one_page([
            NFC, NFD, quote(NFC, safe="/"), quote(NFD, safe="/"), lower_hex(NFC), lower_hex(NFD),
            "https://portal.example.vn" + quote(NFC, safe="/"), quote(NFC, safe="/").replace("tin", "%74in"),
            NFC + "/", quote(NFC, safe="/") + "?utm_source=zalo",
        ])

    def test_the_home_page_is_one_page(self):
        self.assert_one_page(["/", "https://portal.example.vn", "https://portal.example.vn/", "/index.html",
                              "/?utm_source=zalo", "/#main"])

    def test_parameters_that_address_an_article_make_their_own_pages(self):
        for address, times in (("/xem?id=1", 1), ("/xem?id=2", 2), ("/xem", 3), ("/xem?id=1&p=4", 4)):
            for _ in range(times):
                token = self.luot.take_hit("portal", address)
        self.luot.wait_for("portal", token)
        answer = self.luot.counts(
            "portal", "/xem?id=1", "/xem?id=2", "/xem", "/xem?p=4&id=1", "/xem?utm_source=zalo&id=2#c",
            "https://www.portal.example.vn/xem/?id=1", "/xem?id=3")
        self.assertEqual({path: page["views"] for path, page in answer["pages"].items()}, {
            "/xem?id=1": 1, "/xem?id=2": 2, "/xem": 3, "/xem?p=4&id=1": 4, "/xem?utm_source=zalo&id=2#c": 2,
            "https://www.portal.example.vn/xem/?id=1": 1, "/xem?id=3": 0})

    def test_upper_and_lower_case_are_different_pages(self):
        self.luot.take_hit("portal", "/A")
        token = self.luot.take_hit("portal", "/a")
        self.luot.wait_for("portal", token)
        self.assertEqual(self.luot.counts("portal", "/A", "/a")["pages"], {"/A": {"views": 1}, "/a": {"views": 1}})

    def test_an_escaped_slash_is_no_slash(self):
        self.luot.take_hit("portal", "/a%2Fb")
        token = self.luot.take_hit("portal", "/a/b")
        self.luot.wait_for("portal", token)
        answer = self.luot.counts("portal", "/a%2Fb", "/a%2fb", "/a/b")["pages"]
        self.assertEqual([page["views"] for page in answer.values()], [1, 1, 1])
        self.assertEqual(self.luot.views("portal"), 2)

    def test_a_host_in_punycode_or_letters_and_under_a_wildcard_is_the_sites(self):
        self.assert_one_page(["/tin", "https://báo.example.vn/tin", "https://xn--bo-mia.example.vn/tin",
                              "https://hue.chi-nhanh.example.vn/tin"])

    def test_an_address_on_a_foreign_host_is_refused(self):
        for address in ("https://evil.example.com/a", "https://chi-nhanh.example.vn/a",
                        "https://portal.example.vn.evil.com/a", "https://portal.example.vn@evil.com/a"):
            answer = self.luot.hit("portal", address)
            self.assertIn(answer.status, (400, 403), (address, answer))
            self.assertIn(answer.reason, ("bad_request", "host_not_allowed"), address)

    def test_with_path_host_the_host_stands_before_the_path(self):
        self.luot.take_hit("by-host", "https://hue.chi-nhanh.example.vn/a")
        token = self.luot.take_hit("by-host", "https://portal.example.vn/a")
        self.luot.wait_for("by-host", token)
        answer = self.luot.counts("by-host", "https://hue.chi-nhanh.example.vn/a/", "https://portal.example.vn/a",
                                  "https://vinh.chi-nhanh.example.vn/a")["pages"]
        self.assertEqual([page["views"] for page in answer.values()], [1, 1, 0])

    def test_a_read_on_a_malformed_address_does_not_fail_the_others(self):
        token = self.luot.take_hit("portal", "/a")
        answer = self.luot.get_counts("portal", "/a", "/%zz", after=token)
        self.assertIn(answer.status, (200, 400), answer)
        if answer.status == 200:
            self.assertEqual(answer.json()["pages"]["/a"]["views"], 1)

    def test_a_hit_by_referer_counts_on_the_same_page(self):
        token = self.luot.take_hit("portal", "/tin/bai-1?id=5")
        answer = self.luot.http.request("GET", "/hit.gif?s=portal", headers={
            "User-Agent": BROWSER, "Referer": "https://www.portal.example.vn/tin/bai-1/?fbclid=2&id=5"})
        self.assertEqual(answer.status, 200, answer)
        self.luot.wait_for("portal", token)
        self.assertEqual(self.luot.views("portal", "/tin/bai-1?id=5", after=answer.token), 2)


class Rules(SystemTest):
    """A site's own rules, on each way that a path comes in or is asked for."""

    RULES = [{"match": "^/p([0-9]+)/.*$", "replace": "/p\\1"},
             {"match": "^/([^/]+)/[^?]*-d([0-9]+)\\.html$", "replace": "/d\\2", "section": "\\1"},
             {"match": "^/thong-bao/", "section": "Thông báo"}]

    def setUp(self):
        super().setUp()
        self.site = {"id": "portal", "hosts": HOSTS, "timezone": "Asia/Ho_Chi_Minh", "public": ["stats"],
                     "path_rule": self.RULES}
        self.luot = self.world.luot(sites=[self.site])

    def test_hits_and_reads_of_every_spelling_find_one_count(self):
        spellings = ["/p512/hoi-nghi", "/p512/hoi-nghi-moi?utm_source=zalo", "https://portal.example.vn/p512/x/", "/p512",
                     "//portal.example.vn/p512/h%E1%BB%99i"]
        for how in ("json", "form", "pixel"):
            for spelling in spellings:
                token = self.luot.take_hit("portal", spelling, how=how)
        answer = self.luot.counts("portal", *spellings, "/p513/hoi-nghi", after=token)
        self.assertEqual(answer["pages"], {**{s: {"views": 15} for s in spellings}, "/p513/hoi-nghi": {"views": 0}})
        text = self.luot.http.get("/count.txt?site=portal&path=/p512/abc").body
        self.assertEqual(text, b"15")
        said = self.luot.hit("portal", "/p512/x").json()["path"]
        self.assertEqual(said, "/p512")
        series = self.luot.http.get("/api/v1/series?site=portal&metric=views&step=month&path=/p512/x").json()
        self.assertGreaterEqual(sum(point["value"] for point in series["points"]), 15)

    def test_starting_totals_come_in_under_the_same_path(self):
        file = self.world.folder / "totals.csv"
        file.write_text("/p512/hoi-nghi,400\n/p513/b,7\n*,500,100\n")
        status, _, errors = self.world.run("import", "totals", file, "--site", "portal", "--config", self.luot.config_file)
        self.assertEqual(status, 0, errors)
        token = self.luot.take_hit("portal", "/p512/ten-moi")
        self.assertEqual(self.luot.views("portal", "/p512/x", after=token), 401)
        file.write_text("/p512/hoi-nghi,400\n/p512/ten-moi,7\n")
        status, _, errors = self.world.run("import", "totals", file, "--site", "portal", "--config", self.luot.config_file)
        self.assertEqual(status, 1)
        self.assertIn("twice: after normalising it is /p512", errors)

    def test_the_section_is_that_of_the_rule_where_the_hit_has_none(self):
        self.luot.take_hit("portal", "/van-hoa/le-hoi-d77.html")
        self.luot.take_hit("portal", "/thong-bao/1")
        token = self.luot.take_hit("portal", "/thong-bao/1", c="Của trang")
        self.luot.wait_for("portal", token)
        rows = self.luot.http.get("/api/v1/top?site=portal&by=section").json()["rows"]
        self.assertEqual({row["key"]: row["views"] for row in rows}, {"van-hoa": 1, "Thông báo": 1, "Của trang": 1})
        self.assertEqual(self.luot.views("portal", "/d77"), 1)

    def test_rules_are_in_effect_at_once_after_sighup_and_a_wrong_one_is_refused(self):
        token = self.luot.take_hit("portal", "/old/1")
        self.luot.wait_for("portal", token)

        def reload(rules, wanted):
            before = self.luot.log_text().count(wanted)
            self.luot.config["site"][0]["path_rule"] = rules
            self.luot.write_config()
            self.luot.hang_up()
            eventually(lambda: self.luot.log_text().count(wanted) > before, patience(5), wanted)

        reload(self.RULES + [{"match": "^/old/", "replace": "/new/"}], "configuration_read")
        # Each worker takes it over by itself.
        eventually(lambda: self.luot.hit("portal", "/old/2").json()["path"] == "/new/2", patience(5))
        token = self.luot.take_hit("portal", "/new/1")
        self.assertEqual(self.luot.views("portal", "/old/1", after=token), 1)  # the former view stays where it was
        reload([{"match": "^/old/(", "replace": "/x/"}], "configuration_refused")
        self.assertIn("site.path_rule.match: RE2 does not take it: missing )", self.luot.log_text())
        self.assertEqual(self.luot.hit("portal", "/old/2").json()["path"], "/new/2")
        status, _, errors = self.world.run("check-config", self.luot.config_file)
        self.assertEqual(status, 2)
        line = self.luot.config_file.read_text().splitlines().index('match = "^/old/("') + 1
        self.assertIn(f"{self.luot.config_file}:{line}: site.path_rule.match: ", errors)


if __name__ == "__main__":
    main()
