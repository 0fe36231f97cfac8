#!/usr/bin/env python3
"""What operators correct: merged addresses, hidden pages, deleted counts, and that all of it can be taken back."""

import concurrent.futures
import csv
import io
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY  # noqa: E402
from luot import (LIGHT, SITES, Hit, Load, SystemTest, client_address, eventually, hit_request, main, patience, seeded,  # noqa: E402
                  urlencode, wait_for_rows)

CLOSE = (Path(__file__).resolve().parents[2] / "aggregator" / "close.lua").read_text()
SITE = {**SITES[0], "public": ["counts", "summary", "most_read", "related", "badge", "stats"], "max_new_paths_per_day": 100_000}


class Corrections(SystemTest):
    SITE = SITE

    def setUp(self):
        super().setUp()
        self.server = self.world.redis()
        self.redis = self.server.client()
        self.luot = self.world.luot(sites=[self.SITE, *SITES[1:]], redis=self.server)

    def command(self, *arguments, status=0):
        done, output, errors = self.world.run(*arguments[:1], "--config", self.luot.config_file, "--site", "skhcn",
                                              *arguments[1:], deadline=patience(60))
        self.assertEqual(done, status, output + errors)
        return output + errors

    def read(self, *paths, client=None, **fields):
        """Each path once; waits until all is counted."""
        token = None
        for i, path in enumerate(paths):
            token = self.luot.take_hit("skhcn", path, client=client or f"198.51.{i // 200}.{i % 200 + 1}", **fields)
        self.luot.wait_for("skhcn", token)

    def pages(self, *paths):
        return {path: held and held["views"] for path, held in self.luot.counts("skhcn", *paths)["pages"].items()}

    def ask(self, route, **parameters):
        answer = self.luot.http.get(f"{route}?" + urlencode({"site": "skhcn", **parameters}))
        self.assertEqual(answer.status, 200, answer)
        return answer

    def top(self, by="path", **parameters):
        rows = self.ask("/api/v1/top", by=by, **parameters).json()
        return {row["key"]: row["views"] for row in rows["rows"]}, rows["other"]

    def everything(self):
        """All that is counted, as Redis holds it: what is left of visits that go on, marks and times apart."""
        held = {}
        for key in self.redis.scan_iter("luot:{p*}:skhcn:*"):
            name = key.decode().split(":skhcn:")[1]
            if name.split(":")[0] in ("corrections", "aliases", "hidden", "visits", "seen", "new_paths"):
                continue
            kind = self.redis.type(key)
            if kind == b"hash":
                values = {k: v for k, v in self.redis.hgetall(key).items()
                          if k not in (b"edits", b"pruned_at", b"imports") and v != b"0"}
                held.update({name: values} if values else {})
            elif kind == b"zset":
                held[name] = sorted(self.redis.zrange(key, 0, -1, withscores=True))
            elif name.endswith(":visitors"):
                held[name] = self.redis.pfcount(key)
            else:
                text = self.redis.get(key)
                held[name] = sorted(text[i:i + 8] for i in range(0, len(text), 8))
        return held

    def read_log(self, *rows):
        """Views of an access log: date, page, and perhaps referrer and number of the reader, each another one else. In this
        order, from eight o'clock on, within 50 minutes."""
        lines = []
        for i, (at, page, *more) in enumerate(rows):
            referrer, reader = (*more, *("-", i)[len(more):])
            lines.append((at, i, f'10.{reader >> 16}.{reader >> 8 & 255}.{reader & 255} - - [{at:%d/%b/%Y}:08:{i * 50 // len(rows):02}:'
                          f'{i * 3000 // len(rows) % 60:02} +0700] "GET {page} HTTP/1.1" 200 99 "{referrer}" '
                          '"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"\n'))
        log = self.world.folder / f"access-{len(list(self.world.folder.glob('access-*')))}.log"
        log.write_text("".join(text for *_, text in sorted(lines)))
        status, output, errors = self.world.run("import", "log", log, "--site", "skhcn", "--config", self.luot.config_file,
                                                deadline=patience(60))
        self.assertEqual(status, 0, output + errors)
        self.settled()

    def key(self, name):
        totals, = self.redis.scan_iter("luot:*:skhcn:totals")
        return totals.decode().replace("totals", name)

    def close_day(self, day, stay):
        """As when it is over, but that so few rows stay."""
        for by in ("pages", "entries", "exits", "page_visits"):
            self.redis.eval(CLOSE, 2, self.key(f"day:{day}:{by}"), self.key(f"day:{day}"), stay, 500)

    def settled(self):
        wait_for_rows(self.redis)

    def number(self, output):
        return output.rsplit("correction ", 1)[1].split(")")[0]


class Merging(Corrections):
    def test_both_addresses_show_the_sum_and_later_hits_follow(self):
        self.read("/cu/bai-1", "/cu/bai-1", "/moi/bai-1", "/khac", t="Bài một")
        before = self.luot.counts("skhcn")["views"]
        number = self.number(self.command("merge", "/cu/bai-1", "/moi/bai-1"))
        self.assertEqual(self.pages("/cu/bai-1", "/moi/bai-1", "/khac"), {"/cu/bai-1": 3, "/moi/bai-1": 3, "/khac": 1})
        self.assertEqual(self.luot.counts("skhcn")["views"], before)
        self.read("/cu/bai-1")
        self.settled()
        self.assertEqual(self.pages("/cu/bai-1"), {"/cu/bai-1": 4})
        self.assertEqual(self.top(), ({"/moi/bai-1": 4, "/khac": 1}, 0))
        self.assertEqual(self.top("entry")[0], {"/moi/bai-1": 3, "/khac": 1})
        self.assertNotIn("/cu/bai-1", self.top("exit")[0])
        for path in ("/cu/bai-1", "/moi/bai-1"):
            self.assertEqual(self.ask("/count.txt", path=path).body, b"4")
            self.assertIn(b">4<", self.ask("/count.svg", path=path, format="plain").body)
            points = self.ask("/api/v1/series", metric="views", step="day", path=path).json()["points"]
            self.assertEqual(sum(p["value"] for p in points), 4)
        rows = csv.DictReader(io.StringIO(self.ask("/api/v1/report.csv").body.decode()[1:]))
        self.assertEqual({r["path"]: r["views"] for r in rows}, {"/moi/bai-1": "4", "/khac": "1", "(sum)": "5"})
        today = date.today()
        export = self.command("export", "--from", str(today - timedelta(2)), "--to", str(today + timedelta(2)))
        self.assertNotIn("/cu/bai-1", export)
        self.assertIn("/moi/bai-1,4", export)
        self.assert_verified(self.luot)
        self.assertIn("/cu/bai-1 into /moi/bai-1", self.command("corrections"))

        self.command("undo", number)
        self.assertEqual(self.pages("/cu/bai-1", "/moi/bai-1"), {"/cu/bai-1": 3, "/moi/bai-1": 1})
        self.assertEqual(self.top()[0], {"/cu/bai-1": 3, "/moi/bai-1": 1, "/khac": 1})
        self.assertIn("[undone", self.command("corrections"))
        self.assertIn("is undone already", self.command("undo", number, status=1))
        self.assert_verified(self.luot)

    def test_chains_lead_to_the_last_and_loops_are_refused(self):
        self.read("/a", "/b", "/b", "/c")
        first = self.number(self.command("merge", "/a", "/b"))
        self.command("merge", "/b", "/c")
        self.assertEqual(self.pages("/a", "/b", "/c"), {"/a": 4, "/b": 4, "/c": 4})
        self.assertIn("merged into itself", self.command("merge", "/c", "/a", status=1))
        self.assertIn("one page", self.command("merge", "/c", "/c?utm_source=x", status=1))
        self.assertIn("merged into /b already", self.command("merge", "/a", "/d", status=1))
        self.assertIn("merged already", self.command("merge", "/a", "/b"))
        self.command("undo", first)
        self.assertEqual(self.pages("/a", "/b", "/c"), {"/a": 1, "/b": 3, "/c": 3})
        self.assert_verified(self.luot)

    def test_what_only_leaves_out_is_not_merged(self):
        """Its hits are counted in (other): they would not follow."""
        self.luot.config["site"][0]["only"] = ["/tin/**"]
        self.luot.write_config()
        self.luot.hang_up()
        self.read("/tin/1")
        pairs = self.world.folder / "pairs.csv"
        pairs.write_text("/tin/2,/tin/1\n/cu/1,/tin/1\n")
        for arguments, place in ((("/cu/1", "/tin/1"), ""), (("--file", pairs), "pairs.csv:2: ")):
            told = self.command("merge", *arguments, status=1)
            self.assertIn(place + "/cu/1 matches none of the site's `only`", told)
            self.assertIn("add it to `only`", told)
        self.assertIn("nothing was corrected", self.command("corrections"))
        self.luot.config["site"][0]["only"].append("/cu/**")
        self.luot.write_config()
        self.luot.hang_up()
        self.command("merge", "--file", pairs)
        eventually(lambda: self.read("/cu/1") or self.pages("/tin/1")["/tin/1"] >= 2, patience(10), "the list is read")
        self.assert_verified(self.luot)

    def test_a_file_of_pairs_with_imported_totals(self):
        totals, pairs = self.world.folder / "totals.csv", self.world.folder / "pairs.csv"
        totals.write_text("*,1000,0\n/cu/1,100\n/cu/2,50\n/moi/1,7\n")
        self.assertEqual(self.world.run("import", "totals", totals, "--site", "skhcn", "--config", self.luot.config_file)[0], 0)
        pairs.write_text("\ufefftừ;đến\r\n/cu/1;/moi/1\r\n/cu/2;/moi/2\r\n")
        number = self.number(self.command("merge", "--file", pairs))
        self.assertEqual(self.pages("/cu/1", "/moi/1", "/moi/2"), {"/cu/1": 107, "/moi/1": 107, "/moi/2": 50})
        self.read("/cu/2")
        self.assertEqual(self.pages("/moi/2"), {"/moi/2": 51})
        self.assert_verified(self.luot)
        self.command("undo", number)
        self.assertEqual(self.pages("/cu/1", "/moi/1", "/cu/2", "/moi/2"), {"/cu/1": 100, "/moi/1": 7, "/cu/2": 51, "/moi/2": 0})
        pairs.write_text("/a,/b\n/b\n")
        self.assertIn("pairs.csv:2: a row is", self.command("merge", "--file", pairs, status=1))
        pairs.write_text("".join(f"/a/{i},/b\n" for i in range(10_001)))
        self.assertIn("at most 10000", self.command("merge", "--file", pairs, status=1))
        pairs.write_text("".join(f"/a/{i},/b\n" for i in range(1001)))
        self.assertIn("more than 1000 addresses", self.command("merge", "--file", pairs, status=1))
        self.assertIn("undone", self.command("corrections").splitlines()[1])

    def test_each_hit_of_a_merge_under_load_counts_once(self):
        rng = seeded("test_corrections merge")
        pages = [f"/{kind}/{i}" for kind in ("cu", "moi") for i in range(10)]
        count = 3000 if LIGHT else 12_000
        hits = [Hit("skhcn", page, hit_request("skhcn", page, id=f"m{i}", client=client_address(rng)))
                for i, page in enumerate(rng.choices(pages, k=count))]
        load = Load(hits, [self.luot.public], connections=8, rate=600 if LIGHT else 2500).start()
        eventually(lambda: load.acknowledgements > count // 4, patience(60))
        pairs = self.world.folder / "pairs.csv"
        pairs.write_text("".join(f"/cu/{i},/moi/{i}\n" for i in range(10)))
        number = self.number(self.command("merge", "--file", pairs))
        load.wait(patience(90))
        for (producer, partition), (offset, site) in load.tokens.items():
            self.luot.wait_for(site, f"{producer}.{partition}.{offset}")
        views = {page: n for (site, page), n in load.views.items()}
        for i in range(10):
            both = views.get(f"/cu/{i}", 0) + views.get(f"/moi/{i}", 0)
            self.assertEqual(self.pages(f"/cu/{i}", f"/moi/{i}"), {f"/cu/{i}": both, f"/moi/{i}": both})
        self.assert_verified(self.luot)
        self.command("undo", number)
        for i in range(10):
            self.assertEqual(self.pages(f"/cu/{i}"), {f"/cu/{i}": views.get(f"/cu/{i}", 0)})


class Hiding(Corrections):
    def test_a_hidden_page_is_counted_and_in_no_list(self):
        self.read("/a", "/a", "/b", "/c", t="Tin", c="Tin tức")
        self.settled()
        number = self.number(self.command("hide", "/a"))
        self.read("/a")
        self.settled()
        self.assertEqual(self.pages("/a"), {"/a": 3})
        self.assertEqual(self.ask("/count.txt", path="/a").body, b"3")
        self.assertEqual(self.top(), ({"/b": 1, "/c": 1}, 3))
        self.assertNotIn("/a", [r["path"] for r in self.ask("/api/v1/most_read").json()["rows"]])
        self.assertEqual([r["path"] for r in self.ask("/api/v1/related", path="/b").json()["rows"]], ["/c"])
        again = self.command("hide", "/a")
        self.assertIn("hidden already", again)
        self.assertNotIn("page_hidden", again)
        self.assert_verified(self.luot)
        self.command("undo", number)
        self.assertEqual(self.top()[0], {"/a": 3, "/b": 1, "/c": 1})


    def test_a_page_that_had_no_views_before_is_known_to_have_none_beside_a_hidden_one(self):
        day = date.today() - timedelta(10)
        self.read_log((day - timedelta(1), "/old"), (day, "/a"))
        self.command("hide", "/old")
        period = {"from": day, "to": day}
        for by, key in (("path", "/a"), ("entry", "/a")):
            row, = self.ask("/api/v1/top", by=by, compare="previous", **period).json()["rows"]
            self.assertEqual((row["key"], row["views_previous"]), (key, 0))
        row, _ = csv.DictReader(io.StringIO(self.ask("/api/v1/report.csv", **period).body.decode()[1:]))
        self.assertEqual((row["path"], row["views_previous_period"]), ("/a", "0"))


class Deleting(Corrections):
    def some_days(self):
        """Five days of an access log, some days ago; pages /p/0 to /p/9, and /spam."""
        today = date.today()
        lines = []
        for day in range(5):
            at = today - timedelta(10 - day)
            for i in range(60):
                page = "/spam" if i % 6 == 0 else f"/p/{i % 10}"
                lines.append((day, 8 + i % 10, i, f'203.0.113.{i % 20 + 1} - - [{at:%d/%b/%Y}:{8 + i % 10:02}:{i:02}:00 +0700] "GET {page} HTTP/1.1" 200 '
                             '99 "-" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"\n'))
        log = self.world.folder / "access.log"
        log.write_text("".join(text for *_, text in sorted(lines)))
        status, output, errors = self.world.run("import", "log", log, "--site", "skhcn", "--config", self.luot.config_file,
                                                deadline=patience(60))
        self.assertEqual(status, 0, output + errors)
        self.settled()
        return today - timedelta(8)

    def test_a_page_is_taken_out_of_all_sums_and_comes_back(self):
        self.some_days()
        self.read("/spam", "/a", "/spam")
        totals = self.world.folder / "totals.csv"
        totals.write_text("*,1000,900\n/spam,200\n/a,5\n")
        self.world.run("import", "totals", totals, "--site", "skhcn", "--config", self.luot.config_file)
        self.settled()
        before, views = self.everything(), self.luot.counts("skhcn")["views"]
        self.assertEqual(self.pages("/spam"), {"/spam": 252})
        output = self.command("delete", "--path", "/spam")
        self.assertIn("52 views", output)
        self.assertEqual(self.pages("/spam", "/a"), {"/spam": 0, "/a": 6})
        self.assertEqual(self.luot.counts("skhcn")["views"], views - 252)
        self.assertNotIn("/spam", self.top(limit=100)[0] | self.top("entry", limit=100)[0])
        self.assert_verified(self.luot)
        self.read("/spam")
        self.settled()
        self.assertEqual(self.pages("/spam"), {"/spam": 1})
        self.assert_verified(self.luot)
        self.command("undo", self.number(output))
        self.assertEqual(self.pages("/spam"), {"/spam": 253})
        self.assertEqual(self.luot.counts("skhcn")["views"], views + 1)
        self.assert_verified(self.luot)
        self.assertEqual(self.everything().keys(), before.keys())
        self.assertIn("has no counts", self.command("delete", "--path", "/none", status=1))

    def test_undo_restores_each_number(self):
        day = self.some_days()
        before = self.everything()
        for what in (("--path", "/spam"), ("--day", str(day)), ("--all", "--yes")):
            with self.subTest(what):
                output = self.command("delete", *what)
                self.assertNotEqual(self.everything(), before)
                self.assert_verified(self.luot)
                self.command("undo", self.number(output))
                self.assertEqual(self.everything(), before)
                self.assert_verified(self.luot)

    def test_a_day_is_taken_out_of_all_sums(self):
        day = self.some_days()
        views = self.luot.counts("skhcn")["views"]
        pages = self.pages("/p/1", "/spam")
        self.command("delete", "--day", str(day))
        self.assertEqual(self.luot.counts("skhcn")["views"], views - 60)
        of_day = self.top(limit=100, **{"from": day, "to": day})
        self.assertEqual(of_day, ({}, 0))
        self.assertEqual(self.pages("/spam"), {"/spam": pages["/spam"] - 10})
        self.assert_verified(self.luot)
        self.assertIn("nothing was counted", self.command("delete", "--day", str(day), status=1))
        self.assertIn("second day after", self.command("delete", "--day", str(date.today()), status=1))

    def test_a_page_of_a_closed_day_leaves_no_visit_without_a_view(self):
        """Its views are a row of the day, the visits that began with it are among the others."""
        day = date.today() - timedelta(10)
        self.read_log(*((day, f"/q/{i % 3}") for i in range(18)), *((day, "/spam", "-", 100 + i // 2) for i in range(10)))
        self.close_day(day, 1)
        self.assertIsNone(self.redis.zscore(self.key(f"day:{day}:entries"), "/spam"))
        before = self.everything()
        self.assertIn("10 views and 5 visits", self.command("delete", "--path", "/spam"))
        self.assert_verified(self.luot)
        self.assertEqual(self.redis.hmget(self.key(f"day:{day}"), "views", "visits"), [b"18", b"18"])
        self.assertIsNone(self.redis.zscore(self.key(f"month:{day:%Y-%m}:entries"), "/spam"))
        self.command("undo", "1")
        self.assertEqual(self.everything(), before)

    def test_a_day_of_more_referrers_than_a_report_holds_is_deleted(self):
        """What is among its others has rows in its month: each breakdown takes the first thousand."""
        day = date.today().replace(day=1) - timedelta(10)
        genuine = [(day - timedelta(1), "/a", f"https://r{i}.example.com/") for i in range(900)]
        spam = [(day, "/a", f"https://n{i}.example.com/") for i in range(1000)]
        self.read_log(*genuine, *spam, *((day, "/a", f"https://r{i}.example.com/") for i in range(50)))
        of_day, of_month = self.key(f"day:{day}:referrers"), self.key(f"month:{day:%Y-%m}:referrers")
        self.assertEqual(self.redis.zscore(of_day, "(other)"), 50)
        self.assertEqual(self.redis.zscore(of_month, "(other)"), 900)
        before = self.everything()
        self.assertIn("1050 views", self.command("delete", "--day", day))
        self.assert_verified(self.luot)
        self.assertEqual(dict(self.redis.zrange(of_month, 0, -1, withscores=True)),
                         {f"r{i}.example.com".encode(): 1 for i in range(900)})
        self.command("undo", "1")
        self.assertEqual(self.everything(), before)
        self.assert_verified(self.luot)

    def test_a_day_whose_pages_are_not_known_is_refused_before_anything_is_taken(self):
        day = date.today() - timedelta(10)
        self.read_log(*((day, f"/{i}") for i in range(5)))
        pages = self.key(f"day:{day}:pages")
        self.redis.zrem(pages, "/3", "/4")
        self.redis.zadd(pages, {"(other)": 2})
        before = self.everything()
        self.assertIn("of 2 of the views", self.command("delete", "--day", day, status=1))
        self.assertEqual(self.everything(), before)
        self.assertIn("nothing was corrected", self.command("corrections"))

    def test_what_comes_back_where_there_is_no_room_is_among_the_others(self):
        day = date.today() - timedelta(10)
        self.read_log(*((day, "/spam") for _ in range(3)), *((day, f"/q/{i}") for i in range(9_999)))
        pages = self.key(f"day:{day}:pages")
        self.command("delete", "--path", "/spam")
        self.read_log((day, "/new"))
        self.assertEqual(self.redis.zcard(pages), 10_000)
        self.command("undo", "1")
        self.assert_verified(self.luot)
        self.assertEqual(self.redis.zmscore(pages, ["/new", "/spam", "(other)"]), [1, None, 3])
        self.assertEqual(self.pages("/spam"), {"/spam": 3})

    def test_a_page_that_comes_back_is_as_old_as_it_was(self):
        day = date.today() - timedelta(10)
        self.read_log((day, "/a"))
        for what in (("--path", "/a"), ("--all", "--yes")):
            with self.subTest(what):
                number = self.number(self.command("delete", *what))
                self.read("/a", t="Tin")
                self.settled()
                self.command("undo", number)
                self.read("/b")
                row = next(csv.DictReader(io.StringIO(self.ask("/api/v1/report.csv").body.decode()[1:])))
                self.assertEqual((row["path"], row["first_seen"], row["title"]), ("/a", str(day), "Tin"))
                self.assert_verified(self.luot)

    def test_deletions_are_undone_in_their_order(self):
        day = self.some_days()
        before = self.everything()
        first = self.number(self.command("delete", "--path", "/spam"))
        second = self.number(self.command("delete", "--day", str(day)))
        self.assertIn(f"correction {second} was made after it", self.command("undo", first, status=1))
        self.command("undo", second)
        self.command("undo", first)
        self.assertEqual(self.everything(), before)

    def test_a_site_that_is_deleted_for_good_leaves_nothing(self):
        self.some_days()
        self.read("/a")
        self.settled()
        self.command("hide", "/a")
        self.command("merge", "/b", "/a")
        self.command("delete", "--path", "/spam")
        self.assertIn("say --yes", self.command("delete", "--all", status=2))
        self.command("delete", "--all", "--yes", "--forever")
        self.assertEqual(list(self.redis.scan_iter("luot:*:skhcn:*")), [])
        self.assertEqual(self.luot.counts("skhcn")["views"], 0)
        self.read("/a")
        self.settled()
        self.assertEqual(self.pages("/a"), {"/a": 1})
        self.assert_verified(self.luot)

    def test_what_was_counted_since_a_site_was_deleted_is_kept(self):
        self.some_days()
        self.read("/a")
        self.settled()
        views = self.luot.counts("skhcn")["views"]
        output = self.command("delete", "--all", "--yes")
        self.assertIn("luot import log --round N", output)
        number = self.number(output)
        self.assertEqual(self.luot.counts("skhcn")["views"], 0)
        self.read("/a", "/new")
        self.settled()
        self.assert_verified(self.luot)
        self.command("undo", number)
        self.assertEqual(self.luot.counts("skhcn")["views"], views + 2)
        self.assertEqual(self.pages("/a", "/new"), {"/a": 2, "/new": 1})
        self.assert_verified(self.luot)

    def test_one_that_is_killed_can_be_undone_or_run_again(self):
        day = self.some_days()
        before = self.everything()
        for what in (("--path", "/spam"), ("--day", str(day)), ("--all", "--yes")):
            for passes in (1, 2, 3):
                for point in ("correct.before", "correct.answered"):
                    with self.subTest(what=what, passes=passes, point=point):
                        command = [FAULTY, "delete", "--config", self.luot.config_file, "--site", "skhcn", *what]
                        done = subprocess.run(command, env={**os.environ, "LUOT_FAIL_POINT": f"{point}:{passes}:kill"},
                                              capture_output=True, timeout=patience(60))
                        self.assertIn(done.returncode, (-signal.SIGKILL, 0), done)
                        log = self.command("corrections").splitlines()
                        last = log[-1].split()[0]
                        self.assert_verified(self.luot)
                        if "run it again" in log[-1] and passes % 2 == 1:
                            self.command("delete", *what)
                            again = self.command("corrections").splitlines()
                            self.assertEqual(len(again), len(log), "it has gone on under its number")
                            self.assertNotIn("not finished", again[-1])
                            self.assertIn(" taken out", again[-1])
                            self.assert_verified(self.luot)
                        if "undone" not in log[-1] and "nothing" not in log[-1]:
                            self.command("undo", last)
                        self.assertEqual(self.everything(), before)
                        self.assert_verified(self.luot)

    def test_one_that_is_killed_behind_its_last_row_is_run_to_its_end(self):
        self.some_days()
        command = [FAULTY, "delete", "--config", self.luot.config_file, "--site", "skhcn", "--path", "/spam"]
        for passes in range(1, 9):
            done = subprocess.run(command, env={**os.environ, "LUOT_FAIL_POINT": f"correct.answered:{passes}:kill"},
                                  capture_output=True, timeout=patience(60))
            if done.returncode == 0:
                break
            last = self.command("corrections").splitlines()[-1]
            if "not finished" in last:
                self.assertIn("run it again", last)
                self.command("delete", "--path", "/spam")
            self.assertNotIn("not finished", self.command("corrections"))
            self.assertEqual(self.pages("/spam"), {"/spam": 0})
            self.command("undo", self.command("corrections").splitlines()[-1].split()[0])
        self.assertGreater(passes, 2)

    def test_a_page_has_its_readers_again(self):
        self.luot.config["site"][0].update(list_readers=3, public=["counts", "most_read", "stats"])
        self.luot.write_config()
        self.luot.hang_up()

        def listed():
            return [row["path"] for row in self.ask("/api/v1/most_read").json()["rows"]]
        for i in range(1, 4):
            self.read("/x", client=f"198.51.100.{i}", t=f"Tin {min(i, 2)}", c="Tin tức")
        eventually(lambda: listed() == ["/x"], patience(20))
        for what in (("--path", "/x"), ("--all", "--yes")):
            number = self.number(self.command("delete", *what))
            self.read("/x", client="198.51.100.9", t="Another")
            eventually(lambda: listed() == [], patience(20), "the list is read anew")
            self.command("undo", number)
            eventually(lambda: listed() == ["/x"], patience(20), "its readers are known again")
        rows = self.ask("/api/v1/most_read").json()["rows"]
        self.assertEqual([row["title"] for row in rows], ["Tin 2"])

    def test_strangers_do_not_take_a_page_its_title_by_an_undo(self):
        """What is said of a page is bounded: of votes before and since those go that the fewest say."""
        for i in range(1, 13):
            self.read("/x", client=f"198.51.100.{i}", t="Tin " + "a" * 190, c="b" * 90)
        number = self.number(self.command("delete", "--path", "/x"))
        for i in range(1, 4):
            self.read("/x", client=f"203.0.113.{i}", t=f"Casino {i} " + "c" * 180, c=f"{i}" + "d" * 90)
        self.command("undo", number)
        rows = eventually(lambda: [row for row in self.ask("/api/v1/top", by="title").json()["rows"]], patience(10))
        self.assertEqual([row["key"][:5] for row in rows], ["Tin a"])

    def test_a_file_of_any_name_stands_in_the_log(self):
        self.read("/a", "/b")
        pairs = os.path.join(os.fsencode(self.world.folder), b"c\xe9.csv")
        with open(pairs, "w") as out:
            out.write("/a,/b\n")
        number = self.number(self.command("merge", "--file", os.fsdecode(pairs)))
        self.assertIn("c?.csv", self.command("corrections"))
        self.command("undo", number)
        self.assertEqual(self.pages("/a"), {"/a": 1})

    def test_those_made_at_once_each_have_their_number(self):
        for i in range(4):
            self.read(*(f"/{what}{i}" for what in ("hidden", "old", "new", "spam")))
            commands = [("hide", f"/hidden{i}"), ("merge", f"/old{i}", f"/new{i}"), ("delete", "--path", f"/spam{i}")]
            with concurrent.futures.ThreadPoolExecutor(len(commands)) as at_once:
                done = list(at_once.map(lambda command: self.command(*command), commands))
            log = {line.split()[0]: line for line in self.command("corrections").splitlines()}
            self.assertEqual(len(log), 3 * (i + 1))
            for command, output in zip(commands, done):
                self.assertIn(command[-1], log[self.number(output)])
            self.assertEqual(self.pages(f"/old{i}"), {f"/old{i}": 2})
        self.assert_verified(self.luot)

    def test_one_for_good_that_is_killed_is_run_again(self):
        self.some_days()
        command = [FAULTY, "delete", "--config", self.luot.config_file, "--site", "skhcn", "--path", "/spam", "--forever"]
        done = subprocess.run(command, env={**os.environ, "LUOT_FAIL_POINT": "correct.answered:1:kill"}, capture_output=True,
                              timeout=patience(60))
        self.assertEqual(done.returncode, -signal.SIGKILL, done)
        self.assertIn("run it again", self.command("corrections"))
        self.assertIn("run it again", self.command("undo", "1", status=1))
        self.command("delete", "--path", "/spam", "--forever")
        self.assertEqual(self.pages("/spam"), {"/spam": 0})
        self.assert_verified(self.luot)

    def test_deleting_beside_live_hits(self):
        rng = seeded("test_corrections delete")
        pages = [f"/{i}" for i in range(30)]
        count = 3000 if LIGHT else 10_000
        hits = [Hit("skhcn", page, hit_request("skhcn", page, id=f"d{i}", client=client_address(rng)))
                for i, page in enumerate(rng.choices(pages, k=count))]
        load = Load(hits, [self.luot.public], connections=8, rate=600 if LIGHT else 2000).start()
        numbers = []
        for i in range(3):
            eventually(lambda: load.acknowledgements > (i + 1) * count // 5, patience(60))
            numbers.append(self.number(self.command("delete", "--path", f"/{i}")))
        load.wait(patience(90))
        for (producer, partition), (offset, site) in load.tokens.items():
            self.luot.wait_for(site, f"{producer}.{partition}.{offset}")
        self.settled()
        self.assert_verified(self.luot)
        for number in reversed(numbers):
            self.command("undo", number)
        self.assert_verified(self.luot)
        for (site, page), views in load.views.items():
            self.assertEqual(self.pages(page), {page: views})
        self.assertEqual(self.luot.counts("skhcn")["views"], sum(load.views.values()))


class VisitorsOfPages(Corrections):
    SITE = {**SITE, "path_visitors": True}

    def visitors(self):
        rows = self.ask("/api/v1/top", by="path").json()["rows"]
        return {row["key"]: row.get("visitor_days") for row in rows}

    def test_one_reader_before_a_deletion_and_after_it_is_one_visitor(self):
        self.read("/a", "/a", client="198.51.100.7")
        for what in (("--path", "/a"), ("--all", "--yes")):
            with self.subTest(what):
                number = self.number(self.command("delete", *what))
                self.read("/a", client="198.51.100.7")
                self.settled()
                self.command("undo", number)
                self.assertEqual(self.visitors(), {"/a": 1})
                self.assert_verified(self.luot)
        self.read("/a", client="198.51.100.8")
        self.assertEqual(self.visitors(), {"/a": 2})

    def test_a_page_among_the_others_of_its_day_leaves_no_visitors(self):
        day = date.today() - timedelta(10)
        self.read_log(*((day, "/a") for _ in range(3)), *((day, "/spam") for _ in range(2)))
        self.close_day(day, 1)
        names = self.key(f"day:{day}:path_visitors")
        self.assertEqual(self.redis.zrange(names, 0, -1), [b"/spam", b"/a"])
        self.command("delete", "--path", "/spam", "--forever")
        self.assertEqual(self.redis.zrange(names, 0, -1), [b"/a"])
        self.assertEqual(len(list(self.redis.scan_iter("luot:*:skhcn:day:*:visitors:*"))), 1)
        self.assert_verified(self.luot)


class Pruning(Corrections):
    def test_a_pruning_is_in_the_log_and_cannot_be_undone(self):
        log = self.world.folder / "access.log"
        at = date.today() - timedelta(10)
        log.write_text("".join(
            f'203.0.113.{i + 1} - - [{at:%d/%b/%Y}:08:{i:02}:00 +0700] "GET /p/{i} HTTP/1.1" 200 99 "-" '
            '"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"\n' for i in range(5)))
        self.assertEqual(self.world.run("import", "log", log, "--site", "skhcn", "--config", self.luot.config_file)[0], 0)
        self.settled()
        self.command("merge", "/p/0", "/p/1")
        self.command("prune", "--views-below", "5", "--older", "2d")
        self.assertEqual(self.pages("/p/0", "/p/2"), {"/p/0": 2, "/p/2": 0})
        self.assertIn("prune", self.command("corrections").splitlines()[1])
        self.assertIn("cannot be undone", self.command("undo", "2", status=1))
        self.assert_verified(self.luot)
        # The rows of its day stay, its views are among the others: a deletion finds them there.
        self.assertIn("1 view and", self.command("delete", "--path", "/p/2"))
        self.assert_verified(self.luot)
        self.assertNotIn("/p/2", self.top(**{"from": at, "to": at})[0])
        self.command("undo", "3")
        self.assertEqual(self.top(**{"from": at, "to": at})[0]["/p/2"], 1)
        self.assert_verified(self.luot)


if __name__ == "__main__":
    main()
