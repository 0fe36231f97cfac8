#!/usr/bin/env python3
"""`luot explain` says of a page what becomes of a real hit on it, for each step and outcome, without a daemon."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import FIREFOX, GOOGLEBOT, SystemTest, main  # noqa: E402
import mmdb  # noqa: E402

RULES = [{"match": "^/p([0-9]+)/.*$", "replace": "/p\\1"},
         {"match": "^/tin-tuc/", "section": "Tin tức"},
         {"match": "^/grow", "replace": "/growx"}]
SITE = {"id": "skhcn", "hosts": ["skhcn.example.vn", "www.skhcn.example.vn"], "timezone": "Asia/Ho_Chi_Minh"}


class Explain(SystemTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(start=False, sites=[
            dict(SITE, path_rule=RULES, honor_dnt=False),
            {"id": "only", "hosts": ["only.example.vn"], "only": ["/tin-tuc/**"]},
            {"id": "hosts", "hosts": ["*.many.example.vn"], "path_host": True},
        ])

    def run_explain(self, *arguments):
        self.luot.write_config()
        return self.world.run("explain", "--config", self.luot.config_file, *arguments)

    def explain(self, *arguments, status=0):
        found, output, errors = self.run_explain(*arguments, "--json")
        self.assertEqual((found, errors), (status, ""), output)
        return json.loads(output)

    def steps(self, explained, what):
        return [(s["text"], s["became"], s["why"]) for s in explained["steps"] if s["what"] == what]


class Paths(Explain):
    def test_each_step_of_an_address_is_told_with_its_reason(self):
        e = self.explain("https://www.skhcn.example.vn//p12/hoi-nghi/?utm_source=zalo&fbclid=x&id=7#top")
        self.assertEqual((e["path"], e["counts_as"], e["accepted"]), ("/p12", "view", True))
        said = {text: why for text, _, why in self.steps(e, "query")}
        self.assertEqual("kept: keep_query has it", said["id=7"])
        self.assertEqual(self.steps(e, "fragment")[0][0], "#top")
        self.assertIn("campaign", said["utm_source=zalo"])
        self.assertIn("dropped", said["fbclid=x"])
        self.assertEqual(self.steps(e, "path")[0][:2], ("//p12/hoi-nghi/", "/p12/hoi-nghi"))
        replaced = [s for s in self.steps(e, "rule") if "rule 1 replaces" in s[2]]
        self.assertEqual(replaced[0][1], "/p12")
        self.assertEqual(e["rows"]["source"], "Zalo")

    def test_rules_that_do_not_settle_are_told(self):
        e = self.explain("https://skhcn.example.vn/grow")
        self.assertEqual(e["path"], "/grow")
        self.assertIn("never settle", e["steps"][-1]["why"])
        e = self.explain("https://skhcn.example.vn/tin-tuc/a")
        self.assertEqual(e["rows"]["section"], "Tin tức")

    def test_patterns_of_only_decide_and_are_named(self):
        e = self.explain("https://only.example.vn/tin-tuc/2024/a.html")
        self.assertEqual((e["only"], e["counted_apart"], e["rows"]["path"]),
                         ("/tin-tuc/**", True, "/tin-tuc/2024/a.html"))
        e = self.explain("https://only.example.vn/tim-kiem")
        self.assertEqual((e["only"], e["counted_apart"], e["rows"]["path"]), ("", False, "(other)"))

    def test_a_site_is_found_by_its_host_and_the_host_stands_before_the_path_where_it_should(self):
        e = self.explain("https://a.many.example.vn/x/index.html")
        self.assertEqual((e["site"], e["path"]), ("hosts", "a.many.example.vn/x"))

    def test_a_canonical_address_counts_and_a_foreign_one_does_not(self):
        page = "https://skhcn.example.vn/a?nv=1"
        self.assertEqual(self.explain(page, "--canonical", "https://skhcn.example.vn/b")["path"], "/b")
        e = self.explain(page, "--canonical", "https://elsewhere.example/b")
        self.assertEqual((e["path"], e["accepted"]), ("/a?nv=1", True))


class Readers(Explain):
    URL = "https://skhcn.example.vn/a"

    def test_who_reads_is_told_as_the_fold_tells_it(self):
        e = self.explain(self.URL, "--ua", FIREFOX, "--referer", "https://www.google.com.vn/", "--language", "vi-VN",
                         "--width", "390")
        self.assertEqual((e["browser"], e["os"], e["device"]), ("Firefox", "Linux", "desktop"))
        rows = {name: e["rows"][name] for name in ("referrer", "source", "medium", "language", "screen", "browser")}
        self.assertEqual(rows, {"referrer": "Google", "source": "Google", "medium": "search", "language": "vi-VN",
                                "screen": "phone", "browser": "Firefox"})

    def test_a_bot_is_named_with_the_list_and_the_pattern_that_know_it(self):
        e = self.explain(self.URL, "--ua", GOOGLEBOT)
        self.assertEqual((e["counts_as"], e["bot"], e["bot_list"]), ("bot", "search", "crawler-user-agents"))
        self.assertIn("Googlebot", e["bot_pattern"])
        e = self.explain(self.URL, "--ua", "Mozilla/5.0 (compatible; Tra-cuu-Bot/0.1)")
        self.assertEqual((e["bot"], e["bot_list"]), ("other", "isbot"))
        self.assertEqual(self.explain(self.URL, "--ua", "")["bot"], "library")
        e = self.explain(self.URL, "--automated")
        self.assertEqual((e["bot"], e["bot_pattern"]), ("headless", ""))

    def test_country_data_centre_and_made_up_referrers(self):
        database, centres, spam = (self.world.folder / n for n in ("c.mmdb", "centres.txt", "spam.txt"))
        mmdb.write(database, {"203.0.113.0/24": "VN"})
        centres.write_text("198.51.100.0/24\n")
        spam.write_text("spam.example\n")
        self.luot.config["collector"].update(country_db=str(database), data_center_networks=str(centres))
        self.luot.config["aggregator"] = {"referrer_spam": str(spam)}
        self.assertEqual(self.explain(self.URL, "--ip", "203.0.113.7")["country"], "VN")
        e = self.explain(self.URL, "--ip", "198.51.100.9")
        self.assertIn("data_center_networks", e["bot_by"])
        e = self.explain(self.URL, "--referer", "https://spam.example/x")
        self.assertIn("referrer_spam", e["bot_by"])


class Outcomes(Explain):
    def test_refusals_are_those_of_the_collector_and_say_what_to_do(self):
        url = "https://skhcn.example.vn/a"
        for arguments, reason in ((["--gpc"], "opted_out"), (["--prefetch"], "prefetch")):
            e = self.explain(url, *arguments, status=1)
            self.assertEqual((e["accepted"], e["reason"]), (False, reason))
            self.assertTrue(e["advice"])
        self.assertTrue(self.explain(url, "--dnt")["accepted"])  # honor_dnt is false
        e = self.explain("https://elsewhere.example/a", "--site", "skhcn", status=1)
        self.assertEqual(e["reason"], "host_not_allowed")
        self.assertIn("hosts", e["advice"])
        e = self.explain("https://skhcn.example.vn/%ff", status=1)
        self.assertEqual((e["reason"], e["path"]), ("bad_request", ""))

    def test_a_host_of_no_site_is_said_in_one_line(self):
        status, output, errors = self.run_explain("https://elsewhere.example/a")
        self.assertEqual((status, output, errors.count("\n")), (1, "", 1))
        self.assertIn("elsewhere.example", errors)
        status, _, errors = self.run_explain("https://skhcn.example.vn/a", "--ip", "nowhere")
        self.assertEqual(status, 2, errors)

    def test_a_real_hit_is_answered_the_path_that_is_explained(self):
        url = "/Tin-Tuc//ba%CC%80i%20viết/?b=1&ID=9"
        explained = self.explain("https://skhcn.example.vn" + url)
        self.luot.start()
        answer = self.luot.hit("skhcn", url)
        self.assertEqual(answer.json()["path"], explained["path"])
        self.luot.wait_for("skhcn", answer.token)
        self.assertEqual(self.luot.views("skhcn", explained["path"]), 1)

    def test_text_for_people_has_no_control_characters_whatever_the_address_holds(self):
        status, output, errors = self.run_explain("https://skhcn.example.vn/a?id=%1B%5B31m%E2%80%AE%C2%9B", "--title",
                                                  "x\x1b[2J")
        self.assertEqual((status, errors), (0, ""))
        self.assertFalse([c for c in output if c != "\n" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e")])
        self.assertIn("counted as a view of", output)
        for option in ("--json", "--referer=https://x.example/\x9b"):
            status, output, errors = self.run_explain("https://skhcn.example.vn/a?id=%C2%9B", "--title", "\u202e", option)
            self.assertEqual((status, errors), (0, ""))
            self.assertFalse([c for c in output if c != "\n" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0)])


if __name__ == "__main__":
    main()
