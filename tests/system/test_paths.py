#!/usr/bin/env python3
"""One page, one path: every spelling of an address counts on the same page and is answered under the
spelling that was asked for."""

import json
import sys
import unicodedata
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import BROWSER, SystemTest, main  # noqa: E402

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


if __name__ == "__main__":
    main()
