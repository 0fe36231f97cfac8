#!/usr/bin/env python3
"""A real luot counts what an independent counter counts: the reference in this folder, which shares no code with it.

Two collectors, whose clocks stand at the time of the hit that comes next, an aggregator, a Redis. Views, visits,
events, bots, paths, days, hours and months have to be the same, visitors within 2 % (they are an estimate).

LUOT_SEED other streams; LUOT_LONG=1 200 of them instead of a few, and the whole of the real log.
"""

import collections
import datetime
import hashlib
import json
import os
import random
import re
import sys
import time
import unicodedata
import unittest
from pathlib import Path
from zoneinfo import ZoneInfo

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
import paths  # noqa: E402
import streams  # noqa: E402
from counter import HOUR_MS, OTHER, Counter, Hit, Period, Site  # noqa: E402
from fault import SHIFTED_CLOCK, Clock  # noqa: E402
from luot import LONG, PARTITIONS, SHARED_DATA, RedisServer, SystemTest, eventually, main, patience  # noqa: E402

SEED = os.environ.get("LUOT_SEED") or "0"
STREAMS = 200 if LONG else 6
LOG_PAGES = 1_000_000 if LONG else 2_000
LOG = SHARED_DATA / "apache_access_2015.log"
DAY_S = 86_400


def is_bot(hit):
    return hit.agent in streams.BOTS


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
            "/a%3Fb%23%25": "/a%3Fb%23%25",
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
                        "https://user:password@skhcn.example.vn/a", "/b%C3i", "/a?id=%E1", "/a\x01", "/" + "a" * 2000):
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
        self.assertEqual((counts.entries, counts.exits), ({"/a": 1, "/d": 1}, {"/c": 1, "/d": 1}))
        self.assertEqual(counts.bounces, {"2026-07-26": 1})
        self.assertEqual(self.visits((-1, 1, "/"), (1799, 1, "/")), {"2026-07-25": 1, "2026-07-26": 1})

    def test_a_visit_goes_on_over_a_midnight_that_is_skipped(self):
        counter = Counter([Site("s", ("a.example.vn",), "Africa/Cairo")])
        begin = unix_ms("Africa/Cairo", 2026, 4, 24, 1)  # the day begins at 01:00
        for at in (-60_000, 60_000):
            counter.apply(Hit("s", begin + at, "10.0.0.1", "browser", "/"))
        days = counter["s"].days
        self.assertEqual([(d, days[d].views, days[d].visits) for d in days], [("2026-04-23", 1, 1), ("2026-04-24", 1, 0)])

    def test_an_event_extends_a_visit_and_begins_none(self):
        event = {"n": "download"}
        counts = self.count((0, 1, "/", event), (10, 1, "/"), (1700, 1, "/", event), (3400, 1, "/"), (9000, 1, "/", event),
                            (9010, 1, "/"))
        self.assertEqual((counts.total.views, counts.total.events, counts.total.visits), (3, 3, 2))
        self.assertEqual(self.count((0, 1, "/", event)).total.visitors, 0)

    def test_a_repeat_and_a_bot_are_no_views(self):
        counts = self.count((0, 1, "/", {"id": "x"}), (5, 1, "/b", {"id": "x"}), (9, 1, "/", {"agent": streams.BOTS[0]}))
        self.assertEqual((counts.total.views, counts.repeats, counts.total.bots, dict(counts.paths)), (1, 1, 1, {"/": 1}))

    def test_a_household_of_ipv6_is_one_visitor(self):
        counts = self.count(*((0, 1, "/", {"client": a}) for a in ("2001:db8:1:1::1", "2001:db8:1:1:f::2", "2001:db8:1:2::1")))
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


# ---- against luot ------------------------------------------------------------------------------------------


class Feed:
    """Two collectors with clocks that stand, which are set for each hit, and an aggregator and a Redis whose clocks are
    ahead of all hits, as they are of hits that waited in a spool, or stand at `now_ms`."""

    def __init__(self, world, sites, first_ms, last_ms, salt, max_paths=100_000, now_ms=None):
        self.now = Clock(world, "clock-now")
        if now_ms is None:
            self.now.set(last_ms / 1000 + 3600 - time.time())
        else:
            self.now.stand(now_ms)
        self.redis = RedisServer(world)
        self.redis.environment = self.now.environment
        self.redis.start()
        configured = [{"id": s.id, "hosts": s.hosts, "timezone": s.timezone, "path_host": s.path_host, "only": s.only,
                       "max_new_paths_per_day": s.max_new_paths_per_day} for s in sites]
        config = {"collector": {"workers": 1}, "aggregator": {"max_paths": max_paths}}
        self.collectors, self.clocks = [], []
        for i in range(streams.COLLECTORS):
            collector = world.luot("collector", f"c{i}", redis=self.redis, start=False, sites=configured, config=config)
            clock = Clock(world, f"clock-c{i}")
            clock.stand(first_ms)
            collector.environment = clock.environment
            self.write_salts(collector, first_ms, salt)
            collector.start()
            self.collectors.append(collector)
            self.clocks.append(clock)
        self.aggregator = world.luot("aggregator", redis=self.redis, start=False, sites=configured, config=config)
        self.aggregator.environment = self.now.environment
        self.aggregator.start()
        self.pending = [{} for _ in self.collectors]  # partition -> (site, token) of the last hit

    @staticmethod
    def write_salts(collector, first_ms, salt):
        """The same chain for all, and for every run: visitors are estimated from their ids, and the same stream shall
        have the same estimate."""
        day = max(first_ms // 1000 // DAY_S - 3, 18_000)
        ids, link = (hashlib.sha256(f"{use} {salt}".encode()).hexdigest() for use in ("ids", "day"))
        collector.data_dir.mkdir(mode=0o700)
        file = collector.data_dir / "salts"
        file.touch(mode=0o600)
        file.write_text(f"luot-salts 1\nids {ids[:32]}\nday {day} {link}\n")

    def send(self, to, hit, how):
        """Whether the hit was taken."""
        for other in range(len(self.collectors)):
            if other != to:
                self.settle(other)
        self.clocks[to].stand(hit.time_ms)
        fields = {name: getattr(hit, name) or None for name in ("r", "n", "id", "c")}
        headers = {"Origin": hit.origin} if hit.origin else {}
        answer = self.collectors[to].hit(hit.site, hit.p, how=how, client=hit.client, agent=hit.agent, headers=headers,
                                         **fields)
        if answer.status in (200, 202) and answer.token:
            self.pending[to][answer.token.split(".")[1]] = hit.site, answer.token
            return True
        if answer.reason not in ("bad_request", "host_not_allowed"):
            raise AssertionError(f"{hit} was not acknowledged: {answer}")
        return False

    def settle(self, collector):
        """Waits until all that it took is applied: what another one takes then comes after it."""
        for site, token in self.pending[collector].values():
            self.aggregator.wait_for(site, token)
        self.pending[collector].clear()

    def settle_all(self):
        for collector in range(len(self.collectors)):
            self.settle(collector)

    def restart_aggregator(self):
        """What it remembers goes with it; what was read of a batch is read again."""
        self.aggregator.kill()
        leases = [f"luot:{{p{part:02}}}:lease" for part in range(PARTITIONS)]
        self.redis.client().delete("luot:aggregators", *leases)  # so that nobody waits for those of the dead
        self.aggregator.start()

    def move(self, site, timezone):
        """The site is in another time zone from now on."""
        self.settle_all()
        for process in (*self.collectors, self.aggregator):
            next(s for s in process.config["site"] if s["id"] == site)["timezone"] = timezone
            process.write_config()
            before = len(process.log_text())
            process.hang_up()
            eventually(lambda: " configuration_read " in process.log_text()[before:], patience(5))


def as_numbers(hash):
    return {name.decode(): int(value) for name, value in hash.items()}


class AgainstLuot(SystemTest):
    maxDiff = 4000

    def setUp(self):
        super().setUp()
        if not SHIFTED_CLOCK.exists():
            self.fail(f"{SHIFTED_CLOCK} is not built")

    def begin(self, sites, hits, seed, max_paths=100_000, is_bot=is_bot):
        times = [hit.time_ms for _, hit in hits]
        return (Feed(self.world, sites, min(times), max(times), f"salt {seed}", max_paths),
                Counter(sites, is_bot, max_paths))

    def give(self, feed, counter, hits, rng, restarts=0.0):
        """The same hits to luot and to the reference. `restarts`: of the aggregator, for each hit."""
        for to, hit in hits:
            taken = feed.send(to, hit, rng.choice(("json", "pixel", "form")))
            self.assertEqual(counter.apply(hit), taken, f"whether {hit} is taken")
            if rng.random() < 0.02:
                feed.settle_all()  # batches of all lengths
            if rng.random() < restarts:
                feed.restart_aggregator()
        feed.settle_all()

    def feed(self, sites, hits, seed, max_paths=100_000, is_bot=is_bot, restarts=0.0):
        """Gives them, and compares what comes of it."""
        feed, counter = self.begin(sites, hits, seed, max_paths, is_bot)
        self.give(feed, counter, hits, random.Random(f"how {seed}"), restarts)
        self.compare(feed, sites, counter)
        return feed, counter

    # What Redis holds, by docs/redis-keys.md.

    def compare(self, feed, sites, counter):
        client = feed.redis.client()
        for site in sites:
            counts = counter[site.id]
            keys = sorted(key.decode() for key in client.scan_iter(f"luot:{{p*}}:{site.id}:*", count=10_000))
            part = {key.split(":", 3)[3]: key for key in keys}
            total = as_numbers(client.hgetall(part.get("totals", "none")))
            self.assert_period(site, "all time", total, counts.total, "visitor_days")
            pages = {path.decode(): int(n) for path, n in client.zrange(part.get("pages", "none"), 0, -1, withscores=True)}
            self.assertEqual(pages, +counts.paths, f"paths of {site.id}")
            days = {name.split(":")[1] for name in part if re.fullmatch(r"day:\d{4}-\d\d-\d\d", name)}
            self.assertEqual(days, set(counts.days), f"days of {site.id}")
            hours = {"views": collections.Counter(), "visits": collections.Counter()}
            for day in days:
                found = as_numbers(client.hgetall(part[f"day:{day}"]))
                self.assert_period(site, day, found, counts.days[day], "visitors")
                self.assertEqual(found.get("new_paths", 0), counts.days[day].new_paths, f"new paths of {site.id}, {day}")
                for name, n in found.items():
                    what, at, hour = name.partition("@")
                    if at:
                        hours[what][day, int(hour)] += n
            self.assertEqual(hours["views"], counts.views_by_hour, f"views by hour of {site.id}")
            self.assertEqual(hours["visits"], counts.visits_by_hour, f"visits by hour of {site.id}")
            months = {name.split(":")[1] for name in part if re.fullmatch(r"month:\d{4}-\d\d", name)}
            self.assertEqual(months, set(counts.months), f"months of {site.id}")
            for month in months:
                found = as_numbers(client.hgetall(part[f"month:{month}"]))
                self.assert_period(site, month, found, counts.months[month], "visitor_days")
            self.compare_api(feed.aggregator, site, counts)

    def assert_period(self, site, when, found, wanted, visitors):
        names = ("views", "visits", "events", "bots")
        self.assertEqual({name: found.get(name, 0) for name in names}, {name: getattr(wanted, name) for name in names},
                         f"{site.id}, {when}")
        self.assert_visitors(found.get(visitors, 0), wanted.visitors, wanted.views, f"{visitors} of {site.id}, {when}")

    def assert_visitors(self, found, wanted, views, what):
        # Of few, two may share a place of the HyperLogLog.
        self.assertAlmostEqual(found, wanted, delta=max(2, 0.02 * wanted), msg=what)
        self.assertLessEqual(found, views, what)

    # What is shown.

    def compare_api(self, aggregator, site, counts):
        shown = aggregator.all_views(site.id, [path for path in counts.paths if path != OTHER])
        self.assertEqual(shown, {path: n for path, n in counts.paths.items() if path != OTHER}, f"pages of {site.id}")
        answer = aggregator.counts(site.id)
        self.assertEqual((answer["views"], answer["visits"]), (counts.total.views, counts.total.visits), site.id)

    def assert_summary(self, feed, site, counts, now_ms):
        """The periods as a reader sees them at a time of day."""
        feed.now.set(now_ms / 1000 - time.time())
        wanted = periods_at(counts, datetime.datetime.fromtimestamp(now_ms // 1000, ZoneInfo(site.timezone)).date())

        def agrees():
            summary = feed.aggregator.http.get(f"/api/v1/summary?site={site.id}").json()
            for name, period in wanted.items():
                found = summary[name]
                self.assertEqual((found["views"], found["visits"]), (period.views, period.visits), (site.id, name, summary))
                visitors = found["visitors" if name in ("today", "yesterday") else "visitor_days"]
                self.assert_visitors(visitors, period.visitors, period.views, (site.id, name))
            return True
        eventually(agrees, patience(5), f"the summary of {site.id}")


def periods_at(counts, today):
    """The periods of the summary, from the days."""
    def sum_of(first, last):
        out = Period()
        for text, day in counts.days.items():
            if first <= datetime.date.fromisoformat(text) <= last:
                for name in ("views", "visits", "visitors"):
                    setattr(out, name, getattr(out, name) + getattr(day, name))
        return out
    one = datetime.timedelta(1)
    this_month = today.replace(day=1)
    last_month = (this_month - one).replace(day=1)
    return {
        "today": sum_of(today, today), "yesterday": sum_of(today - one, today - one),
        "this_week": sum_of(today - one * today.weekday(), today), "this_month": sum_of(this_month, today),
        "last_month": sum_of(last_month, this_month - one), "this_year": sum_of(today.replace(month=1, day=1), today),
        "total": counts.total,
    }


class RandomStreams(AgainstLuot):
    """One test for each stream, named by its seed."""

    def check(self, seed):
        stream = streams.random_stream(seed)
        _, counter = self.feed(streams.SITES, stream.hits, seed, streams.MAX_PATHS, restarts=0.001)
        totals = [counter[site.id].total for site in streams.SITES]
        print(f"stream {seed}: {len(stream.hits)} hits, {sum(t.views for t in totals)} views, "
              f"{sum(t.visits for t in totals)} visits, {sum(t.visitors for t in totals)} visitor days, "
              f"{sum(t.events for t in totals)} events, {sum(t.bots for t in totals)} bots", flush=True)


for number in range(STREAMS):
    setattr(RandomStreams, f"test_stream_{SEED}_{number}", lambda self, seed=f"{SEED}.{number}": self.check(seed))


def at(time_ms, site, reader=1, p="/", to=0, **fields):
    return to, Hit(site.id, time_ms, f"10.0.{reader // 200}.{1 + reader % 200}", streams.BROWSERS[0], p, **fields)


class Corners(AgainstLuot):
    """What random streams meet seldom."""

    @unittest.expectedFailure  # luot takes 01:00 for an hour after midnight, and begins a second visit
    def test_a_visit_goes_on_over_a_midnight_that_is_skipped(self):
        """Where clocks are set from 00:00 to 01:00 the first half hour of the day is the one from 01:00 on."""
        sites = [Site("cairo", ("a.example.vn",), "Africa/Cairo"), Site("santiago", ("a.example.vn",), "America/Santiago")]
        begins = unix_ms("Africa/Cairo", 2026, 4, 24, 1), unix_ms("America/Santiago", 2026, 9, 6, 1)
        self.feed(sites, [at(begin + minutes * 60_000, site) for site, begin in zip(sites, begins)
                          for minutes in (-20, -1, 1, 29, 31)], "skipped")

    def test_a_visit_goes_on_over_a_midnight_that_comes_twice(self):
        sites = [Site("cairo", ("a.example.vn",), "Africa/Cairo"), Site("havana", ("a.example.vn",), "America/Havana")]
        begins = unix_ms("Africa/Cairo", 2026, 10, 30), unix_ms("America/Havana", 2026, 11, 1)
        self.feed(sites, [at(begin + minutes * 60_000, site) for site, begin in zip(sites, begins)
                          for minutes in (-90, -61, -40, -20, -1, 1, 29, 31, 59, 61, 70, 89, 91)], "twice")

    def test_hours_of_zones_that_differ_by_parts_of_an_hour(self):
        """Lord Howe sets its clocks by half an hour."""
        sites = [Site("kathmandu", ("a.example.vn",), "Asia/Kathmandu"), Site("lord-howe", ("a.example.vn",), "Australia/Lord_Howe")]
        begin = unix_ms("Australia/Lord_Howe", 2026, 4, 5)
        hits = [at(begin + minutes * 60_000, site) for minutes in range(0, 300, 5) for site in sites]
        # The hour in which they are set is named by the moment of it, or by an hour of its own: not compared here.
        change = unix_ms("Australia/Lord_Howe", 2026, 4, 5, 1, 30)
        self.feed(sites, [(to, hit) for to, hit in hits if not 0 <= hit.time_ms - change < HOUR_MS], "parts")

    def test_an_event_extends_a_visit_over_midnight(self):
        site = Site("hue", ("a.example.vn",), "Asia/Ho_Chi_Minh")
        begin = unix_ms(site.timezone, 2026, 8, 1)
        self.feed([site], [
            at(begin - 600_000, site), at(begin + 600_000, site, n="x"), at(begin + 2_300_000, site),
            at(begin - 1, site, 2, n="x"), at(begin + 1, site, 2), at(begin + 1_799_999, site, 2),
            at(begin - 1, site, 3), at(begin, site, 3), at(begin + 1_800_000, site, 3, to=1),
            at(begin - 1, site, 4), at(begin + 1_799_998, site, 4, n="x", to=1), at(begin + 3_500_000, site, 4, to=1),
        ], "event")

    def test_a_late_hit_counts_in_its_own_day_and_begins_no_visit(self):
        site = Site("berlin", ("a.example.vn",), "Europe/Berlin")
        begin = unix_ms(site.timezone, 2026, 3, 29)
        self.feed([site], [
            at(begin - 3_600_000, site, to=0), at(begin + 600_000, site, to=0), at(begin - 1_900_000, site, to=1),
            at(begin - 1_700_000, site, 2, to=1), at(begin + 60_000, site, to=1), at(begin + 700_000, site, 2, to=0),
        ], "late")

    def test_a_site_moves_to_another_zone(self):
        """What was counted stays where it is; no visit ends by it."""
        sites = [Site("moves", ("a.example.vn",), "Asia/Ho_Chi_Minh"), Site("stays", ("a.example.vn",), "Asia/Kolkata")]
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
        """By more than 5 s, that is: by the hour that begins then. Entries of one moment are named a millisecond apart."""
        site = Site("ahead", ("a.example.vn",), "Asia/Ho_Chi_Minh")
        hour = unix_ms(site.timezone, 2026, 7, 26, 15)
        now_ms = hour - 5_000
        feed = Feed(self.world, [site], now_ms - 1, now_ms, "ahead", now_ms=now_ms)
        counter = Counter([site])
        for time_ms, counts_at in ((now_ms - 1, now_ms - 1), (hour, hour), (hour + 100, now_ms), (hour + HOUR_MS, now_ms)):
            to, hit = at(time_ms, site)
            self.assertTrue(feed.send(to, hit, "json"))
            counter.apply(at(counts_at, site)[1])
        feed.settle_all()
        self.compare(feed, [site], counter)

    def test_paths_at_their_limits(self):
        sites = [Site("day", ("a.example.vn",), "Asia/Kolkata", max_new_paths_per_day=10),
                 Site("only", ("a.example.vn",), "Asia/Kolkata", only=("/a/**",)), Site("client", ("a.example.vn",), "Asia/Kolkata")]
        begin = unix_ms("Asia/Kolkata", 2026, 7, 26)
        hits = []
        for i in range(120):  # over a midnight in the middle of an hour of Unix time
            for site in sites:
                reader = i // 40 if site.id == "client" else i
                hits.append(at(begin - 1_800_000 + i * 60_000, site, reader, f"/{'ab'[i % 3 == 0]}/{i * i % 90}", to=i // 9 % 2))
        _, counter = self.feed(sites, hits, "limits", max_paths=40)
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
        site = Site("busy", ("a.example.vn",), "America/New_York")
        begin = unix_ms(site.timezone, 2026, 7, 26)
        rng = random.Random("busy")
        hits = [at(begin + i * 20_000, site, rng.randrange(3_000), to=i // 1000 % 2) for i in range(4_000)]
        feed, counter = self.feed([site], hits, "busy")
        print(f"{counter['busy'].total.visitors} visitors, luot says "
              f"{as_numbers(feed.redis.client().hgetall(self.key(feed, 'busy', 'totals')))['visitor_days']}", flush=True)

    @staticmethod
    def key(feed, site, name):
        return next(iter(feed.redis.client().scan_iter(f"luot:{{p*}}:{site}:{name}", count=10_000)))

    PIECES = (
        *"/ / / / ? & = # + % @ : . .. ~ ; , ! ' ( ) * $ < > [ ] ^ { | } ` \\ \\".split(), " ", '"', "a", "b", "Ab", "đ",
        "ấ", unicodedata.normalize("NFD", "ấ"), "\u0300", "%CC%80", "%cc%88", "\u1ea1", "\u200b", "%E2%80%8B", "\u00a0",
        "%C2%A0", "\ufeff", "%00", "%1F", "%7f", "%C2%85", "%2e", "%2E%2e", "%2F", "%5c", "%25", "%253a", "%3f", "%23",
        "%41", "%C3", "%E1%BA", "%zz", "index.html", "index.php", "%69ndex.htm", "id=", "ID=", "&id=1", "?p=2", "nv=%41",
        "op=a/b", "page_id=", "?utm_source=x", "https:", "http://", "//", "a.example.vn", "www.", "example.com", ":80",
        "mailto:", "%F0%9F%98%80", "\U0001F600", "\u1112\u1161\u11ab", "%E2%84%AB", "0", "-", "_",
    )

    def test_random_addresses_are_the_same_page_or_none(self):
        rng = random.Random(f"addresses {SEED}")
        print(f"addresses: seed {SEED}")
        site = Site("s", ("a.example.vn", "*.b.example.vn", "huế.example.vn"), max_new_paths_per_day=1_000_000)
        addresses = []
        for _ in range(20_000 if LONG else 2_000):
            addresses.append(rng.choice(("/", "/", "/a", "", "https://a.example.vn", "//a.example.vn/", "a.example.vn/", "?")) +
                             "".join(rng.choice(self.PIECES) for _ in range(rng.randrange(7))))
        begin = unix_ms("UTC", 2026, 7, 26)
        self.feed([site], [at(begin + i, site, i, address) for i, address in enumerate(addresses)], "addresses")


class RealLog(AgainstLuot):
    """A real site's access log, by its own times."""

    LINE = re.compile(r'(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+)[^"]*" (\d+) \S+ "([^"]*)" "([^"]*)"')
    FILES = re.compile(r"\.(png|jpe?g|gif|ico|css|js|svg|woff|ttf|eot|txt|xml|gz|zip|pdf|tar|bz2|rpm|jar|mp[34])$", re.IGNORECASE)

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
        sites = [Site("blog", ("semicomplete.com",), "America/Los_Angeles"), Site("rest", ("semicomplete.com",), "Asia/Ho_Chi_Minh")]
        hits = [Hit("blog" if target.startswith("/blog") else "rest", time_ms, client, agent, target, r="" if r == "-" else r)
                for time_ms, client, target, r, agent in self.pages()[:LOG_PAGES]]
        _, counter = self.feed(sites, list(streams.split(random.Random("log"), hits)), "log", is_bot=listed_bot())
        print(f"{len(hits)} pages of the log: " + ", ".join(
            f"{s.id} {counter[s.id].total.views} views, {counter[s.id].total.visits} visits, "
            f"{counter[s.id].total.visitors} visitor days, {counter[s.id].total.bots} bots" for s in sites), flush=True)


def listed_bot():
    """Whether the public list names a User-Agent, read from the list itself."""
    with open(HERE.parents[1] / "node_modules/crawler-user-agents/crawler-user-agents.json", encoding="utf-8") as f:
        any_of_them = re.compile("|".join(f"(?:{entry['pattern']})" for entry in json.load(f)))
    return lambda hit: not hit.agent or any_of_them.search(hit.agent) is not None


if __name__ == "__main__":
    main()
