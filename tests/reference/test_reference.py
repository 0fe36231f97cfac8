#!/usr/bin/env python3
"""A real luot counts what an independent counter counts: the reference in this folder, which shares no code with it.

Three collectors, whose clocks stand at the time of the hit that comes next, an aggregator, a Redis. Views, visits,
events, bots, paths, days, hours and months have to be the same, visitors within 2 % (they are an estimate).

LUOT_SEED other streams; LUOT_LONG=1 200 of them instead of a few, and the whole of the real log.
"""

import argparse
import collections
import contextlib
import datetime
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import unittest
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))
import paths  # noqa: E402
import streams  # noqa: E402
from counter import HOUR_MS, OTHER, Counter, Hit, Site  # noqa: E402
from feed import DAY_S, AgainstLuot, Feed, as_numbers, is_bot  # noqa: E402
from luot import LONG, SHARED_DATA, main, patience  # noqa: E402
from user_agents import InOrder  # noqa: E402

SEED = os.environ.get("LUOT_SEED") or "0"
STREAMS = 200 if LONG else 6
LOG_PAGES = 1_000_000 if LONG else 2_000
LOG = SHARED_DATA / "apache_access_2015.log"


def unix_ms(zone, *when):
    return int(datetime.datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()) * 1000


# ---- the reference, by hand --------------------------------------------------------------------------------


class PathsByHand(unittest.TestCase):
    """The examples of docs/paths.md."""

    HOSTS = ("skhcn.example.vn", "*.chi-nhanh.example.vn", "tên-miền.vn")

    def path(self, address, **how):
        return paths.normal_page(address, self.HOSTS, **how).path

    def test_addresses(self):
        for address, path in {
            "https://www.skhcn.example.vn/tin-tuc/hoi-nghi/?utm_source=zalo#binh-luan": "/tin-tuc/hoi-nghi",
            "//skhcn.example.vn/a": "/a", "skhcn.example.vn/a": "/a", "//tin-tuc/a": "/tin-tuc/a", "a": "/a",
            "https://skhcn.example.vn?id=1": "/?id=1", "https://skhcn.example.vn": "/", " /a ": "/a",
            "WWW.SKHCN.Example.VN:443/a": "/a", "https://xn--tn-min-iva0322d.vn/a": "/a",
            "https://hue.chi-nhanh.example.vn./a": "/a", "/Tin-Tuc": "/Tin-Tuc", "//a": "/a", "/a//b": "/a/b",
            "/a/./b/../c": "/a/c", "/a/%2e%2E/b": "/b", "/index.php?nv=news&op=detail": "/?nv=news&op=detail",
            "/index.php/a": "/index.php/a", "/Index.html": "/Index.html", "/index.html/index.html": "/",
            "/%74in": "/tin", "/a%28b%29": "/a(b)", "/b%C3%A0i": "/bài", "/ba%CC%80i": "/bài", "/a%2fb": "/a%2Fb",
            "/a b|c\\": "/a%20b%7Cc%5C", "/%c2%a0x": "/%C2%A0x", "/%CC%80i": "/%CC%80i", "/%20%CC%80": "/%20%CC%80",
            "/a%3Fb%23%25": "/a%3Fb%23%25", "/a%c2%9b": "/a%C2%9B", "/❤\ufe0f": "/❤%EF%B8%8F", "/a\u034f": "/a%CD%8F",
            "/a\u3164b": "/a%E3%85%A4b", "/%3E\u093e": "/%3E%E0%A4%BE", "/\u0915\u093e": "/\u0915\u093e",
            "/Pages/chitiet.aspx?ItemID=512&utm_source=zalo&utm_medium=oa": "/Pages/chitiet.aspx?itemid=512",
            "/index.php?op=Tin-tuc/hoi-nghi-42&nv=news&fbclid=IwAR0x": "/?nv=news&op=Tin-tuc/hoi-nghi-42",
            "/a?fb_action_ids=1&fb_action_types=og.likes": "/a", "/a?id=&gclid=x": "/a", "/a?id=1&id=2": "/a?id=2",
            "/a?op=Tin-tuc%2Fbai+1&utm_term=%E1": "/a?op=Tin-tuc/bai%201", "/a?id=%26%2b": "/a?id=%26%2B",
        }.items():
            with self.subTest(address):
                self.assertEqual(self.path(address), path)
                self.assertEqual(self.path(path), path, "once more it is the same")

    def test_what_names_no_page(self):
        for address in ("", "#x", "?id=1", "mailto:a@b", "javascript:x()", "about:blank", "file:///a", "/50%-off",
                        "https://user:password@skhcn.example.vn/a", "/b%C3i", "/a?id=%E1", "/a\x01", "/a\x9b",
                        "/" + "a" * 2000):
            with self.subTest(address[:50]), self.assertRaises(paths.BadPath):
                self.path(address)
        for address in ("https://example.com/a", "//example.com/a", "https://chi-nhanh.example.vn/"):
            with self.subTest(address), self.assertRaises(paths.ForeignHost):
                self.path(address)

    def test_host_before_the_path(self):
        self.assertEqual(self.path("https://www.skhcn.example.vn/tin-tuc/1", path_host=True),
                         "skhcn.example.vn/tin-tuc/1")
        self.assertEqual(self.path("/a", path_host=True, own_host="skhcn.example.vn"), "skhcn.example.vn/a")

    def test_campaign(self):
        page = paths.normal_page("/a?utm_source=Zalo+OA&UTM_Medium=%E1x", self.HOSTS)
        self.assertEqual(page.campaign, {"source": "Zalo OA", "medium": "\ufffdx"})

    def test_referrers(self):
        for address, referrer in {
            "https://www.Google.com/search?q=skhcn": "google.com/search", "https://skhcn.example.vn/a": "",
            "android-app://com.zing.zalo/": "com.zing.zalo/", "https://example.com/%zz": "example.com", "zalo": "",
            "https://example.com/" + "a" * 600: "example.com/" + "a" * 488,
        }.items():
            with self.subTest(address[:50]):
                self.assertEqual(paths.normal_referrer(address, self.HOSTS), referrer)

    def test_patterns(self):
        for pattern, matching, others in (
            ("/tin-tuc/**", ("/tin-tuc", "/tin-tuc/1", "/tin-tuc/2021/1?id=5"), ("/tin-tucs", "/Tin-Tuc/1")),
            ("/tin-tuc/*", ("/tin-tuc/1",), ("/tin-tuc", "/tin-tuc/2021/1")),
            ("/**/bai-*.html", ("/bai-1.html", "/a/b/bai-2.html"), ("/bai-1",)),
            ("/?nv=news&op=*/**", ("/?nv=news&op=tin-tuc/bai-1",), ("/", "/?nv=about")),
            ("*.example.vn/tin/**", ("a.example.vn/tin/1",), ("example.com/tin/1",)),
        ):
            for path in matching:
                self.assertTrue(paths.matches(pattern, path), (pattern, path))
            for path in others:
                self.assertFalse(paths.matches(pattern, path), (pattern, path))

    def test_every_spelling_of_a_stream_is_the_page_that_it_was_made_of(self):
        rng = random.Random(f"spellings {SEED}")
        for _ in range(5_000):
            site, page = rng.choice(streams.SITES), rng.choice(streams.PAGES)
            address = streams.spell(rng, page, site)
            self.assertEqual(paths.normal_page(address, site.hosts).path, page, f"seed {SEED}: {address!r}")


class CountsByHand(unittest.TestCase):
    ZONE = "Asia/Ho_Chi_Minh"

    def count(self, *hits, zone=ZONE, **settings):
        """Hits as (seconds since local midnight of 2026-07-26, reader, path, fields)."""
        most = settings.pop("max_paths", 100)
        counter = Counter([Site("s", ("a.example.vn",), zone, **settings)], is_bot, most)
        midnight = unix_ms(zone, 2026, 7, 26)
        for at, reader, path, *fields in hits:
            hit = Hit("s", midnight + round(at * 1000), f"10.0.0.{reader}", "browser", path)
            counter.apply(Hit(**{**hit.__dict__, **(fields[0] if fields else {})}))
        return counter["s"]

    def visits(self, *hits):
        counts = self.count(*hits)
        return {day: period.visits for day, period in counts.days.items()}

    def test_a_visit_ends_where_nothing_came_for_30_minutes(self):
        self.assertEqual(self.visits((0, 1, "/"), (1799.999, 1, "/")), {"2026-07-26": 1})
        self.assertEqual(self.visits((0, 1, "/"), (1800, 1, "/")), {"2026-07-26": 2})
        self.assertEqual(self.visits((0, 1, "/"), (1700, 1, "/"), (3400, 1, "/")), {"2026-07-26": 1})
        self.assertEqual(self.visits((0, 1, "/"), (0, 2, "/")), {"2026-07-26": 2})

    def test_a_late_hit_goes_on_with_the_visit(self):
        self.assertEqual(self.visits((36000, 1, "/"), (30000, 1, "/"), (37799, 1, "/")), {"2026-07-26": 1})

    def test_a_visit_goes_on_over_midnight_and_counts_where_it_began(self):
        counts = self.count((-60, 1, "/a"), (60, 1, "/b"), (1800, 1, "/c"), (3700, 1, "/d"))
        self.assertEqual({day: (p.views, p.visits, p.visitors) for day, p in counts.days.items()},
                         {"2026-07-25": (1, 1, 1), "2026-07-26": (3, 1, 1)})
        self.assertEqual(counts.total.visitors, 2, "visitor days")
        self.assertEqual((counts.entries, counts.exits),
                         ({("2026-07-25", "entries", "/a"): 1, ("2026-07-26", "entries", "/d"): 1},
                          {("2026-07-25", "exits", "/c"): 1, ("2026-07-26", "exits", "/d"): 1}))
        self.assertEqual(counts.bounces, {"2026-07-26": 1})
        self.assertEqual(self.visits((-1, 1, "/"), (1799, 1, "/")), {"2026-07-25": 1, "2026-07-26": 1})

    def test_a_visit_goes_on_over_a_midnight_that_is_skipped(self):
        counter = Counter([Site("s", ("a.example.vn",), "Africa/Cairo")])
        begin = unix_ms("Africa/Cairo", 2026, 4, 24, 1)  # the day begins at 01:00
        for at in (-60_000, 60_000):
            counter.apply(Hit("s", begin + at, "10.0.0.1", "browser", "/"))
        days = counter["s"].days
        self.assertEqual({day: (period.views, period.visits) for day, period in days.items()},
                         {"2026-04-23": (1, 1), "2026-04-24": (1, 0)})

    def test_an_event_extends_a_visit_and_begins_none(self):
        event = {"n": "download"}
        counts = self.count((0, 1, "/", event), (10, 1, "/"), (1700, 1, "/", event), (3400, 1, "/"),
                            (9000, 1, "/", event), (9010, 1, "/"))
        self.assertEqual((counts.total.views, counts.total.events, counts.total.visits), (3, 3, 2))
        self.assertEqual(self.count((0, 1, "/", event)).total.visitors, 0)

    def test_a_repeat_and_a_bot_are_no_views(self):
        counts = self.count((0, 1, "/", {"id": "x"}), (5, 1, "/b", {"id": "x"}),
                            (9, 1, "/", {"agent": streams.BOTS[0]}))
        self.assertEqual((counts.total.views, counts.repeats, counts.total.bots), (1, 1, 1))
        self.assertEqual(counts.paths, {"/": 1})

    def test_a_household_of_ipv6_is_one_visitor(self):
        addresses = ("2001:db8:1:1::1", "2001:db8:1:1:f::2", "2001:db8:1:2::1")
        counts = self.count(*((0, 1, "/", {"client": address}) for address in addresses))
        self.assertEqual((counts.total.views, counts.total.visitors), (3, 2))

    def test_hours_are_named_by_when_they_began(self):
        for zone, when, hours in (
            ("Asia/Kolkata", (2026, 7, 26, 8, 45), [0]),
            ("Europe/Berlin", (2026, 10, 25, 1, 30), [0, 1, 2, 3]),  # 01, 02, 02 again, 03
            ("America/New_York", (2026, 3, 8, 1, 30), [0, 1, 2]),  # 01, 03, 04
        ):
            counter = Counter([Site("s", ("a.example.vn",), zone)])
            begin = unix_ms(zone, *when[:4])
            for hour in hours:
                counter.apply(Hit("s", unix_ms(zone, *when) + hour * HOUR_MS, "10.0.0.1", "browser", "/"))
            day = "{}-{:02}-{:02}".format(*when)
            self.assertEqual(counter["s"].views_by_hour, {(day, begin // 1000 + 3600 * hour): 1 for hour in hours})

    def test_months_are_local_ones(self):
        counter = Counter([Site("s", ("a.example.vn",), "Pacific/Auckland")])
        counter.apply(Hit("s", unix_ms("UTC", 2026, 6, 30, 12), "10.0.0.1", "browser", "/"))
        self.assertEqual(list(counter["s"].months), ["2026-07"])

    def test_new_paths_beyond_a_limit_are_counted_together(self):
        new = [(i, i // 20, f"/{i}") for i in range(60)]
        self.assertEqual(self.count(*new, max_new_paths_per_day=25).paths[OTHER], 35)
        self.assertEqual(self.count(*new, max_paths=35).paths[OTHER], 25)
        of_one = [(i, 1, f"/{i}") for i in range(30)]
        self.assertEqual(self.count(*of_one).paths[OTHER], 10)
        self.assertEqual(self.count(*of_one, (3600, 1, "/29"), (3601, 1, "/3")).paths[OTHER], 10)
        only = self.count((0, 1, "/x"), (1, 1, "/a/1"), (2, 1, "/a/2"), only=("/a/**",), max_paths=2)
        self.assertEqual(only.paths, {OTHER: 1, "/a/1": 1, "/a/2": 1}, "(other) is no path")

    def test_rules_of_a_site(self):
        """The examples of docs/paths.md."""
        rules = (paths.Rule("^/p([0-9]+)/.*$", r"/p\1"), paths.Rule(";jsessionid=[^/?]*", ""), paths.Rule("/amp$", ""),
                 paths.Rule(r"^/([^/]+)/[^?]*-d([0-9]+)\.html$", r"/d\2", r"\1"),
                 paths.Rule("^/(tin-tuc|thong-bao)/", None, "Tin tức"))
        for address, page in {"/p512/hoi-nghi-so-ket": ("/p512", ""), "/xem;jsessionid=8A1F0C": ("/xem", ""),
                              "/tin-tuc/bai-1/amp": ("/tin-tuc/bai-1", "Tin tức"), "/van-hoa/le-hoi-d77.html": ("/d77", "van-hoa"),
                              "/tin-tuc/a%20b/amp/amp": ("/tin-tuc/a%20b", "Tin tức")}.items():
            found = paths.normal_page(address, ("a.example.vn",), rules=rules)
            self.assertEqual((found.path, found.section), page, address)
        chain = paths.Rule("/old/(.*)", r"/new/\1"), paths.Rule("/new/(.*)", r"/bai/\1")
        self.assertEqual(paths.normal_page("/old/1", ("a.example.vn",), rules=chain).path, "/bai/1")
        circle = paths.Rule("^/a$", "/b"), paths.Rule("^/b$", "/a")
        self.assertEqual(paths.normal_page("/a", ("a.example.vn",), rules=circle).path, "/a")

    def test_a_reload_is_counted_apart_and_goes_on_with_the_visit(self):
        counts = self.count((0, 1, "/"), (59, 1, "/#x"), (60, 1, "/"), (61, 1, "/b"), (62, 1, "/"), (62, 2, "/"),
                            (1861.9, 1, "/b"), reload_window_ms=60_000)
        self.assertEqual((counts.total.views, counts.total.reloads, counts.total.visits), (5, 2, 2))
        self.assertEqual(counts.paths, {"/": 3, "/b": 2})
        self.assertEqual(counts.visit_ms, {"2026-07-26": 1_861_900})

    def test_the_order_of_hits_says_nothing_of_views_and_their_rows(self):
        """Visits depend on it, and what a limit or an id lets through."""
        sites = [replace(site, only=(), is_imported=True, reload_window_ms=0)
                 for site in streams.SITES]
        for number in range(STREAMS):
            hits = [replace(hit, id="") for _, hit in streams.random_stream(f"{SEED}.{number}", readers=5).hits]
            orders = hits, random.Random(number).sample(hits, len(hits)), sorted(hits, key=lambda hit: -hit.time_ms)
            counters = [Counter(sites, is_bot) for _ in orders]
            for counter, order in zip(counters, orders):
                for hit in order:
                    counter.apply(hit)
            for site in sites:
                one, *others = ([counts.views_by_hour, counts.paths, counts.referrers, counts.sections,
                                 {row: n for row, n in counts.rows.items() if row[1] != "page_visits"},
                                 {day: (p.views, p.visitors, p.events, p.bots) for day, p in counts.days.items()}]
                                for counts in (counter[site.id] for counter in counters))
                self.assertEqual([one] * 2, others, f"{site.id}, stream {SEED}.{number}")


# ---- against luot ------------------------------------------------------------------------------------------


class RandomStreams(AgainstLuot):
    """One test for each stream, named by its seed."""

    def check(self, seed):
        stream = streams.random_stream(seed)
        _, counter = self.feed(streams.SITES, stream.hits, seed, streams.MAX_PATHS, restarts=0.001, moves=stream.moves)
        totals = [counter[site.id].total for site in streams.SITES]
        print(f"stream {seed}: {len(stream.hits)} hits, {sum(t.views for t in totals)} views, "
              f"{sum(t.visits for t in totals)} visits, {sum(t.visitors for t in totals)} visitor days, "
              f"{sum(t.events for t in totals)} events, {sum(t.bots for t in totals)} bots", flush=True)


for number in range(STREAMS):
    setattr(RandomStreams, f"test_stream_{SEED}_{number}", lambda self, seed=f"{SEED}.{number}": self.check(seed))


def named(id, timezone="UTC", **settings):
    return Site(id, ("a.example.vn",), timezone, **settings)


def at(time_ms, site, reader=1, p="/", to=0, **fields):
    return to, Hit(site.id, time_ms, f"10.0.{reader // 200}.{1 + reader % 200}", streams.BROWSERS[0], p, **fields)


class Corners(AgainstLuot):
    """What random streams meet seldom."""

    def test_a_visit_goes_on_over_a_midnight_that_is_skipped(self):
        """Where clocks are set from 00:00 to 01:00 the first half hour of the day is the one from 01:00 on."""
        sites = [named("cairo", "Africa/Cairo"), named("santiago", "America/Santiago")]
        begins = unix_ms("Africa/Cairo", 2026, 4, 24, 1), unix_ms("America/Santiago", 2026, 9, 6, 1)
        self.feed(sites, [at(begin + minutes * 60_000, site) for site, begin in zip(sites, begins)
                          for minutes in (-20, -1, 1, 29, 31)], "skipped")

    def test_a_visit_goes_on_over_a_midnight_that_comes_twice(self):
        sites = [named("cairo", "Africa/Cairo"), named("havana", "America/Havana")]
        begins = unix_ms("Africa/Cairo", 2026, 10, 30), unix_ms("America/Havana", 2026, 11, 1)
        self.feed(sites, [at(begin + minutes * 60_000, site) for site, begin in zip(sites, begins)
                          for minutes in (-90, -61, -40, -20, -1, 1, 29, 31, 59, 61, 70, 89, 91)], "twice")

    def test_hours_of_zones_that_differ_by_parts_of_an_hour(self):
        """Lord Howe sets its clocks by half an hour."""
        sites = [named("kathmandu", "Asia/Kathmandu"), named("lord-howe", "Australia/Lord_Howe")]
        begin = unix_ms("Australia/Lord_Howe", 2026, 4, 5)
        hits = [at(begin + minutes * 60_000, site) for minutes in range(0, 300, 5) for site in sites]
        # The hour in which they are set is named by the moment of it, or by an hour of its own: not compared here.
        change = unix_ms("Australia/Lord_Howe", 2026, 4, 5, 1, 30)
        self.feed(sites, [(to, hit) for to, hit in hits if not 0 <= hit.time_ms - change < HOUR_MS], "parts")

    def test_an_event_extends_a_visit_over_midnight(self):
        site = named("hue", "Asia/Ho_Chi_Minh")
        begin = unix_ms(site.timezone, 2026, 8, 1)
        self.feed([site], [
            at(begin - 600_000, site), at(begin + 600_000, site, n="x"), at(begin + 2_300_000, site),
            at(begin - 1, site, 2, n="x"), at(begin + 1, site, 2), at(begin + 1_799_999, site, 2),
            at(begin - 1, site, 3), at(begin, site, 3), at(begin + 1_800_000, site, 3, to=1),
            at(begin - 1, site, 4), at(begin + 1_799_998, site, 4, n="x", to=1), at(begin + 3_500_000, site, 4, to=1),
        ], "event")

    def test_a_late_hit_counts_in_its_own_day_and_begins_no_visit(self):
        site = named("berlin", "Europe/Berlin")
        begin = unix_ms(site.timezone, 2026, 3, 29)
        self.feed([site], [
            at(begin - 3_600_000, site, to=0), at(begin + 600_000, site, to=0), at(begin - 1_900_000, site, to=1),
            at(begin - 1_700_000, site, 2, to=1), at(begin + 60_000, site, to=1), at(begin + 700_000, site, 2, to=0),
        ], "late")

    def test_a_site_moves_to_another_zone(self):
        """What was counted stays where it is; no visit ends by it."""
        sites = [named("moves", "Asia/Ho_Chi_Minh"), named("stays", "Asia/Kolkata")]
        begin = unix_ms("Asia/Ho_Chi_Minh", 2026, 8, 1)
        hits = [at(begin + minutes * 60_000, site, reader, f"/{minutes % 7}", to=minutes // 50 % 2)
                for minutes in range(-90, 240, 10) for site in sites for reader in (1, 2 + minutes // 60)]
        feed, counter = self.begin(sites, hits, "moves")
        third = len(hits) // 3
        for i, zone in enumerate(("Asia/Ho_Chi_Minh", "Asia/Kolkata", "America/New_York")):
            if i > 0:
                feed.move("moves", zone)
                counter.move("moves", zone)
            self.give(feed, counter, hits[i * third:(i + 1) * third], random.Random(i))
        self.compare(feed, sites, counter)
        self.assertEqual(len(counter["moves"].days), 2)

    def test_a_hit_of_a_clock_that_is_ahead_counts_when_it_came(self):
        """By more than 5 s, that is. Entries of one moment are named a millisecond apart."""
        site = named("ahead", "Asia/Ho_Chi_Minh")
        hour = unix_ms(site.timezone, 2026, 7, 26, 15)
        now_ms = hour - 5_000
        feed = Feed(self.world, [site], now_ms - 1, now_ms, "ahead", now_ms=now_ms)
        counter = Counter([site])
        before = now_ms - 1
        for time_ms, counts_at in ((before, before), (hour, hour), (hour + 100, now_ms), (hour + HOUR_MS, now_ms)):
            to, hit = at(time_ms, site)
            self.assertTrue(feed.send(to, hit, "json"))
            counter.apply(at(counts_at, site)[1])
        feed.settle_all()
        self.compare(feed, [site], counter)

    def test_paths_at_their_limits(self):
        sites = [named("day", "Asia/Kolkata", max_new_paths_per_day=10),
                 named("only", "Asia/Kolkata", only=("/a/**",)), named("client", "Asia/Kolkata")]
        begin = unix_ms("Asia/Kolkata", 2026, 7, 26)
        hits = []
        for i in range(120):  # over a midnight in the middle of an hour of Unix time
            for site in sites:
                reader = i // 40 if site.id == "client" else i
                path = f"/{i}" if site.id == "client" else f"/{'ab'[i % 3 == 0]}/{i * i % 90}"
                hits.append(at(begin - 1_800_000 + i * 60_000, site, reader, path, to=i // 9 % 2))
        _, counter = self.feed(sites, hits, "limits", max_paths=60)
        for site in sites:
            self.assertGreater(counter[site.id].paths[OTHER], 0, site.id)

    def test_the_periods_of_a_summary(self):
        stream = streams.random_stream(f"summary {SEED}", readers=12)
        feed, counter = self.feed(streams.SITES, stream.hits, stream.seed, streams.MAX_PATHS)
        last = max(hit.time_ms for _, hit in stream.hits)
        for later in (0, 13 * HOUR_MS, 3 * DAY_S * 1000, 9 * DAY_S * 1000, 35 * DAY_S * 1000):
            for site in streams.SITES:
                self.assert_summary(feed, site, counter[site.id], last + later)

    def test_visitors_of_a_busy_day_within_two_percent(self):
        site = named("busy", "America/New_York")
        begin = unix_ms(site.timezone, 2026, 7, 26)
        rng = random.Random("busy")
        hits = [at(begin + i * 20_000, site, rng.randrange(3_000), to=i // 1000 % 2) for i in range(4_000)]
        feed, counter = self.feed([site], hits, "busy")
        client = feed.redis.client()
        totals, = client.scan_iter("luot:{p*}:busy:totals", count=10_000)
        shown = as_numbers(client.hgetall(totals))["visitor_days"]
        print(f"{counter['busy'].total.visitors} visitors, luot says {shown}", flush=True)

    PIECES = (
        *"/ / / / ? & = # + % @ : . .. ~ ; , ! ' ( ) * $ < > [ ] ^ { | } ` \\ \\".split(), " ", '"', "a", "b", "Ab",
        "đ", "ấ", unicodedata.normalize("NFD", "ấ"), "\u0300", "%CC%80", "%cc%88", "\u1ea1", "\u200b", "%E2%80%8B", "\u00a0",
        "%C2%A0", "\ufeff", "%00", "%1F", "%7f", "%C2%85", "%2e", "%2E%2e", "%2F", "%5c", "%25", "%253a", "%3f", "%23",
        "%41", "%C3", "%E1%BA", "%zz", "index.html", "index.php", "%69ndex.htm",
        "id=", "ID=", "&id=1", "?p=2", "nv=%41",
        "op=a/b", "page_id=", "?utm_source=x", "https:", "http://", "//", "a.example.vn", "www.", "example.com", ":80",
        "mailto:", "%F0%9F%98%80", "\U0001F600", "\u1112\u1161\u11ab", "%E2%84%AB", "0", "-", "_",
        "\ufe0f", "%CD%8F", "\u3164", "\u0915", "\u093e", "\x9b", "%C2%9B",
    )

    def test_random_addresses_are_the_same_page_or_none(self):
        rng = random.Random(f"addresses {SEED}")
        print(f"addresses: seed {SEED}")
        site = Site("s", ("a.example.vn", "*.b.example.vn", "huế.example.vn"), max_new_paths_per_day=1_000_000)
        addresses = []
        for _ in range(20_000 if LONG else 2_000):
            begin = rng.choice(("/", "/", "/a", "", "https://a.example.vn", "//a.example.vn/", "a.example.vn/", "?"))
            addresses.append(begin + "".join(rng.choice(self.PIECES) for _ in range(rng.randrange(7))))
        begin = unix_ms("UTC", 2026, 7, 26)
        self.feed([site], [at(begin + i, site, i, address) for i, address in enumerate(addresses)], "addresses")


class RealLog(AgainstLuot):
    """A real site's access log, by its own times."""

    LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+)[^"]*" (\d+) \S+ "([^"]*)" "([^"]*)"')
    FILES = re.compile(r"\.(png|jpe?g|gif|ico|css|js|svg|woff|ttf|eot|txt|xml|gz|zip|pdf|tar|bz2|rpm|jar|mp[34])$",
                       re.IGNORECASE)

    def setUp(self):
        if not LOG.exists():
            self.skipTest(f"{LOG} is not there")
        super().setUp()

    def pages(self):
        """(time, address of the client, target, referrer, User-Agent) of the lines that are pages, by time."""
        found = []
        for line in LOG.read_text(encoding="utf-8", errors="replace").splitlines():
            parts = self.LINE.match(line)
            if not parts:
                continue
            client, when, method, target, status, referrer, agent = parts.groups()
            if method == "GET" and status in ("200", "304") and not self.FILES.search(target.partition("?")[0]):
                when = datetime.datetime.strptime(when, "%d/%b/%Y:%H:%M:%S %z")
                found.append((int(when.timestamp()) * 1000, client, target, referrer, agent))
        return sorted(found, key=lambda page: page[0])

    def test_as_hits_of_two_sites(self):
        hosts = ("semicomplete.com",)
        sites = [Site("blog", hosts, "America/Los_Angeles"), Site("rest", hosts, "Asia/Ho_Chi_Minh")]
        hits = [Hit("blog" if target.startswith("/blog") else "rest", time_ms, client, agent, target, r=r.strip("-"))
                for time_ms, client, target, r, agent in self.pages()[:LOG_PAGES]]
        _, counter = self.feed(sites, list(streams.split(random.Random("log"), hits)), "log",
                               is_bot=listed_bot({hit.agent for hit in hits}))
        print(f"{len(hits)} pages of the log: " + ", ".join(
            f"{s.id} {counter[s.id].total.views} views, {counter[s.id].total.visits} visits, "
            f"{counter[s.id].total.visitors} visitor days, {counter[s.id].total.bots} bots" for s in sites), flush=True)


class ImportedLog(AgainstLuot):
    """The same log by `luot import log`. What is a page is decided here once more, by docs/log-import.md."""

    LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+)[^"]*" (\d+) \S+ "([^"]*)" "([^"]*)"?$')
    FILES = frozenset(
        "css js jpg png gif ico jpeg pdf csv mpeg mpg swf woff woff2 xls xlsx doc docx ppt pptx txt zip ogg mp3 mp4 exe "
        "iso gz rar svg bmp tar tgz tiff tif ttf flv dmg xz zst".split())

    def setUp(self):
        if not LOG.exists():
            self.skipTest(f"{LOG} is not there")
        super().setUp()

    def is_page(self, method, target, status):
        name = target.partition("?")[0].rpartition("/")[2]
        return (method == "GET" and (200 <= status < 300 or status == 304)
                and ("." not in name or name.rpartition(".")[2].lower() not in self.FILES))

    def pages(self, site):
        for line in LOG.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            client, when, method, target, status, referrer, agent = self.LINE.match(line).groups()
            if self.is_page(method, target, int(status)):
                when = datetime.datetime.strptime(when, "%d/%b/%Y:%H:%M:%S %z")
                yield Hit(site, int(when.timestamp()) * 1000, client, agent.strip("-"), target,
                          r=self.unescaped(referrer.strip("-")))

    @staticmethod
    def unescaped(text):
        """What Apache has written as \\xHH; bytes that are no text are no address."""
        try:
            return re.sub(rb"\\x([0-9a-fA-F]{2})", lambda found: bytes.fromhex(found[1].decode()),
                          text.encode(errors="surrogateescape")).decode()
        except UnicodeDecodeError:
            return ""

    def test_imported_for_two_sites(self):
        hosts = ("semicomplete.com", "www.semicomplete.com")
        sites = [Site("utc", hosts, is_imported=True),
                 Site("hanoi", hosts, "Asia/Ho_Chi_Minh", is_imported=True),
                 Site("few", hosts, "America/Los_Angeles", is_imported=True, max_new_paths_per_day=20)]
        hits = {site.id: list(self.pages(site.id)) for site in sites}
        counter = Counter(sites, listed_bot({hit.agent for hit in hits["utc"]}))
        server = self.world.redis()
        configured = [{"id": s.id, "hosts": s.hosts, "timezone": s.timezone,
                       "max_new_paths_per_day": s.max_new_paths_per_day} for s in sites]
        aggregator = self.world.luot("aggregator", redis=server, sites=configured,
                                     config={"aggregator": {"keep_days": 36_500}})
        aggregator.data_dir.mkdir(mode=0o700, exist_ok=True)
        salt = aggregator.data_dir / "import.salt"
        salt.touch(mode=0o600)
        salt.write_text(f"luot-import-salt 1 {hashlib.sha256(b'the same each time').hexdigest()}\n")
        for site in sites:
            for hit in hits[site.id]:
                self.assertTrue(counter.apply(hit), hit)
            status, output, errors = self.world.run("import", "log", LOG, "--site", site.id, "--config",
                                                    aggregator.config_file, deadline=patience(60))
            self.assertEqual((status, errors), (0, ""), output)
        self.compare(argparse.Namespace(redis=server, aggregator=aggregator), sites, counter)
        self.compare_agents(server.client(), hits["utc"])
        self.assert_verified(aggregator)
        print("the log imported: " + ", ".join(
            f"{s.id} {counter[s.id].total.views} views, {counter[s.id].total.visits} visits, "
            f"{counter[s.id].total.visitors} visitor days, {counter[s.id].total.bots} bots" for s in sites), flush=True)


    def compare_agents(self, client, hits):
        """What people read with, by the rules tried one after the other."""
        is_bot, rules = listed_bot({hit.agent for hit in hits}), InOrder()
        told = {agent: rules.parse(agent) for agent in {hit.agent for hit in hits if not is_bot(hit)}}
        for key, part in (("browsers", "browser"), ("systems", "system")):
            found = collections.Counter()
            for name in client.scan_iter(f"luot:{{p*}}:utc:month:*:{key}", count=10_000):
                found.update({row.decode(): int(n) for row, n in client.zrange(name, 0, -1, withscores=True)})
            wanted = collections.Counter(told[hit.agent][part]["family"] for hit in hits if hit.agent in told)
            self.assertEqual(found, wanted, key)


class BesideGoAccess(unittest.TestCase):
    """The tables of docs/log-import.md: GoAccess's figures follow from the log by its definitions (and are what it says itself,
    where it is installed), and luot's are left when each reason is taken off."""

    def setUp(self):
        if not LOG.exists():
            self.skipTest(f"{LOG} is not there")
        judge = ImportedLog()
        self.lines = []
        self.raw = LOG.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        for line in self.raw:
            client, when, method, target, status, _, agent = ImportedLog.LINE.match(line).groups()
            of_file = not judge.is_page("GET", target, 200)
            self.lines.append((client, when[:11], agent, method, target, int(status), of_file,
                               judge.is_page(method, target, int(status))))
        is_bot = listed_bot({agent.strip("-") for _, _, agent, *_ in self.lines})
        self.bots = {agent for _, _, agent, *_ in self.lines if is_bot(argparse.Namespace(agent=agent.strip("-")))}

    def rows(self):
        text = (HERE.parents[1] / "docs" / "log-import.md").read_text(encoding="utf-8")
        rows = (tuple(cell.strip().strip("`") for cell in line.strip("|").split("|"))
                for line in text.splitlines() if line.startswith("| "))
        return text, {row[0]: [cell.replace(",", "") for cell in row[1:]] for row in rows}

    def test_the_rows_of_the_table(self):
        text, rows = self.rows()
        ok = {*range(200, 300), 304}
        files = [x for x in self.lines if x[6] and x[5] != 404]
        missing = [x for x in self.lines if x[5] == 404]
        pages = [x for x in self.lines if x[7]]
        get = [x for x in self.lines if x[3] == "GET"]
        people = [x for x in pages if x[2] not in self.bots]
        wanted = {
            "static files": [len(files), sum(x[3] == "GET" and x[5] in ok for x in files)],
            "not found": [len(missing), sum(x[3] == "GET" for x in missing)],
            "other methods": ["", len(self.lines) - len(get)],
            "other status": ["", sum(x[5] not in ok and x[5] != 404 for x in get)],
            "pages": ["", len(pages)], "of them by bots": ["", len(pages) - len(people)], "views": ["", len(people)],
        }
        visitors = lambda lines: len({x[:3] for x in lines})  # noqa: E731
        seen = [x for x in self.lines if not 400 <= x[5] < 500]
        wanted["visitors"] = [visitors(seen), visitors(people)]
        for name, values in wanted.items():
            self.assertEqual(rows[name][:2], [str(value) for value in values], name)
        not_bots = visitors(x for x in seen if x[2] not in self.bots)
        self.assertIn(f"{not_bots:,} are nobody whom the lists", " ".join(text.split()))
        self.assertIn(f"{not_bots - visitors(people)} of them have fetched no page", " ".join(text.split()))

    def test_the_top_pages(self):
        _, rows = self.rows()
        hosts, of_page = ("semicomplete.com", "www.semicomplete.com"), {}
        for x in self.lines:
            if not x[6] and x[5] != 404:
                with contextlib.suppress(paths.BadPath):
                    of_page.setdefault(paths.normal_page(x[4], hosts).path, []).append(x)
        counted = {path: (len(lines), sum(not x[7] for x in lines), sum(x[7] and x[2] in self.bots for x in lines),
                          sum(x[7] and x[2] not in self.bots for x in lines)) for path, lines in of_page.items()}
        for path in sorted(counted, key=lambda path: -counted[path][3])[:10]:
            self.assertEqual(rows[path], [str(value) for value in counted[path]], path)

    def goaccess(self, log):
        if not shutil.which("goaccess"):
            self.skipTest("goaccess is not installed")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["goaccess", log, "--log-format=COMBINED", "--no-progress", "-o", f"{folder}/report.json"],
                           stdin=subprocess.DEVNULL, capture_output=True, check=True)
            return json.loads(Path(f"{folder}/report.json").read_text(encoding="utf-8", errors="replace"))

    def goaccess_on(self, is_taken, panel):
        """GoAccess's rows of a panel for these lines alone: name -> (requests, visitors)."""
        if not any(map(is_taken, self.lines)):
            return {}
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", errors="surrogateescape", suffix=".log") as part:
            part.writelines(line + "\n" for x, line in zip(self.lines, self.raw) if is_taken(x))
            part.flush()
            return {row["data"]: (row["hits"]["count"], row["visitors"]["count"])
                    for row in self.goaccess(part.name)[panel]["data"]}

    def rows_beside(self, panel, part):
        """Each row of GoAccess's panel taken apart by what luot does with its lines, as the tables have them: GoAccess itself
        says of each part which of its rows the lines are in."""
        named, rules = {}, InOrder()
        for agent in {x[2] for x in self.lines if x[7]} - self.bots:
            named[agent] = rules.parse(agent)[part]["family"]
        readers = {x[:3] for x in self.lines if x[7] and x[2] not in self.bots}
        fates = {"no page": lambda x: not x[7], "bots": lambda x: x[7] and x[2] in self.bots} | {
            (name,): lambda x, name=name: x[7] and named.get(x[2]) == name for name in set(named.values())}
        requests = {fate: self.goaccess_on(is_taken, panel) for fate, is_taken in fates.items()}
        days = self.goaccess_on(lambda x: x[:3] in readers, panel)
        self.assertEqual(sum(visitors for _, visitors in days.values()), len(readers))
        for name, (hits, visitors) in self.goaccess_on(lambda x: True, panel).items():
            of = {fate: rows[name][0] for fate, rows in requests.items() if name in rows}
            self.assertEqual(sum(of.values()), hits, f"{name}: each line has one fate")
            luot = sorted(((n, row[0]) for row, n in of.items() if isinstance(row, tuple)), key=lambda row: (-row[0], row[1]))
            yield [name, *(f"{n:,}" for n in (hits, of.get("no page", 0), of.get("bots", 0), sum(n for n, _ in luot),
                                              visitors, days.get(name, (0, 0))[1])),
                   ", ".join(f"{row} {n:,}" for n, row in luot)]

    def test_browsers_and_systems(self):
        text, _ = self.rows()
        for panel, part, heading in (("os", "system", "**Systems.**"), ("browsers", "browser", "**Browsers.**")):
            table = text.partition(heading)[2].partition("\n|")[2].partition("\n\n")[0]
            shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
            self.assertEqual(shown, list(self.rows_beside(panel, part)), panel)
        # A line without its last quotation mark: GoAccess counts it, and in no row here.
        torn = [x for x, line in zip(self.lines, self.raw) if not line.endswith('"')]
        self.assertEqual([(x[7], x[2] in self.bots) for x in torn], [(True, True)])

    def test_goaccess_says_the_same(self):
        said = self.goaccess(LOG)
        general = said["general"]
        self.assertEqual((general["total_requests"], general["unique_visitors"], general["failed_requests"]), (10_000, 2_095, 0))
        rows = {(row["data"], row["protocol"]): row["hits"]["count"] for row in said["requests"]["data"] if row["method"] == "GET"}
        self.assertEqual((rows["/projects/xdotool/", "HTTP/1.1"], rows["/projects/xdotool/", "HTTP/1.0"]), (208, 11))


def listed_bot(agents):
    """Whether the public lists name a User-Agent: crawler-user-agents, read from the list itself, or isbot, asked by its own
    program."""
    root = HERE.parents[1]
    with open(root / "node_modules/crawler-user-agents/crawler-user-agents.json", encoding="utf-8") as f:
        any_of_them = re.compile("|".join(f"(?:{entry['pattern']})" for entry in json.load(f)))
    ask = ("import {isbot} from 'isbot'; import {readFileSync} from 'node:fs';"
           "console.log(JSON.stringify(JSON.parse(readFileSync(0)).map(agent => isbot(agent))))")
    agents = sorted(agents)
    answer = subprocess.run(["node", "--input-type=module", "-e", ask], input=json.dumps(agents), text=True, cwd=root,
                            capture_output=True, check=True).stdout
    bots = {agent for agent, is_bot in zip(agents, json.loads(answer)) if is_bot}
    return lambda hit: not hit.agent or hit.agent in bots or any_of_them.search(hit.agent) is not None


if __name__ == "__main__":
    main()
