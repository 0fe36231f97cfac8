"""A luot that is given the same hits as the reference, and the comparison: what Redis holds, by docs/redis-keys.md,
and what the read API shows."""

import collections
import datetime
import hashlib
import random
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))
import streams  # noqa: E402
from counter import OTHER, Counter, Period  # noqa: E402
from fault import SHIFTED_CLOCK, Clock  # noqa: E402
from luot import PARTITIONS, RedisServer, SystemTest, eventually, patience  # noqa: E402

DAY_S = 86_400


def is_bot(hit):
    return hit.agent in streams.BOTS


def as_configured(site):
    rules = [{name: text for name in ("match", "replace", "section") if (text := getattr(rule, name)) is not None}
             for rule in site.rules]
    return {"id": site.id, "hosts": site.hosts, "timezone": site.timezone, "path_host": site.path_host, "only": site.only,
            "max_new_paths_per_day": site.max_new_paths_per_day, "reload_window": f"{site.reload_window_ms // 1000}s",
            **({"path_rule": rules} if rules else {})}


class Feed:
    """Collectors with clocks that stand, which are set for each hit, and an aggregator and a Redis whose clocks are
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
        configured = [as_configured(site) for site in sites]
        config = {"collector": {"workers": 1}, "aggregator": {"max_paths": max_paths, "keep_days": 36_500}}
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

    def give(self, feed, counter, hits, rng, restarts=0.0, moves=()):
        """The same hits to luot and to the reference. `restarts`: of the aggregator, for each hit. `moves`: before which
        hit which site goes into which time zone."""
        moves = collections.deque(sorted(moves))
        for i, (to, hit) in enumerate(hits):
            while moves and moves[0][0] == i:
                _, site, zone = moves.popleft()
                feed.move(site, zone)
                counter.move(site, zone)
            taken = feed.send(to, hit, rng.choice(("json", "pixel", "form")))
            self.assertEqual(counter.apply(hit), taken, f"whether {hit} is taken")
            if rng.random() < 0.02:
                feed.settle_all()  # batches of all lengths
            if rng.random() < restarts:
                feed.restart_aggregator()
        feed.settle_all()

    def feed(self, sites, hits, seed, max_paths=100_000, is_bot=is_bot, restarts=0.0, moves=()):
        """Gives them, and compares what comes of it."""
        feed, counter = self.begin(sites, hits, seed, max_paths, is_bot)
        self.give(feed, counter, hits, random.Random(f"how {seed}"), restarts, moves)
        self.compare(feed, sites, counter)
        return feed, counter

    def compare(self, feed, sites, counter):
        """All that luot has counted."""
        client = feed.redis.client()
        eventually(lambda: not any(client.scan_iter("luot:{p*}:tallies", count=10_000)), patience(10), "no rows wait")
        for site in sites:
            counts = counter[site.id]
            keys = sorted(key.decode() for key in client.scan_iter(f"luot:{{p*}}:{site.id}:*", count=10_000))
            part = {key.split(":", 3)[3]: key for key in keys}
            total = as_numbers(client.hgetall(part.get("totals", "none")))
            self.assert_period(site, "all time", total, counts.total, "visitor_days")
            pages = client.zrange(part.get("pages", "none"), 0, -1, withscores=True)
            self.assertEqual({path.decode(): n for path, n in pages}, counts.paths, f"paths of {site.id}")
            days = {name.split(":")[1] for name in part if re.fullmatch(r"day:\d{4}-\d\d-\d\d", name)}
            self.assertEqual(days, set(counts.days), f"days of {site.id}")
            hours = {"views": collections.Counter(), "visits": collections.Counter()}
            for day in days:
                found = as_numbers(client.hgetall(part[f"day:{day}"]))
                self.assert_period(site, day, found, counts.days[day], "visitors")
                self.assertEqual(found.get("new_paths", 0), counts.days[day].new_paths,
                                 f"new paths of {site.id}, {day}")
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
            self.compare_rows(client, site, part, counts)
            self.compare_api(feed.aggregator, site, counts)

    def compare_rows(self, client, site, part, counts):
        """Breakdowns by day, and those of the months, which are their sums."""
        wanted = {key: n for key, n in (counts.rows + counts.entries + counts.exits).items()}
        found, by_month = {}, collections.Counter()
        for name in part:
            day = re.fullmatch(r"day:(\d{4}-\d\d-\d\d):(pages|sections|referrers|page_visits|entries|exits)", name)
            for row, n in client.zrange(part[name], 0, -1, withscores=True) if day else ():
                if n:  # a page may be where visits ended once, and do no more
                    found[day[1], day[2], row.decode()] = n
        if found != wanted:  # all of them fill no screen
            differing = {key: (found.get(key), wanted.get(key)) for key in found.keys() | wanted.keys()
                         if found.get(key) != wanted.get(key)}
            self.fail(f"rows of {site.id}: {len(differing)} differ, (luot, reference): {dict(sorted(differing.items())[:20])}")
        for (day, by, row), n in found.items():
            by_month[day[:7], by, row] += n
        months = {(month[1], month[2], row.decode()): n for name in part
                  for month in [re.fullmatch(r"month:(\d{4}-\d\d):(pages|sections|referrers|page_visits|entries|exits)", name)] if month
                  for row, n in client.zrange(part[name], 0, -1, withscores=True) if n}
        self.assertEqual(months, dict(by_month), f"rows of months of {site.id}")
        for name in ("bounces", "visit_ms"):
            by_day = {day: n for day in counts.days
                      if (n := as_numbers(client.hgetall(part[f"day:{day}"])).get(name, 0))}
            self.assertEqual(by_day, dict(getattr(counts, name)), f"{name} of {site.id}")

    def assert_period(self, site, when, found, wanted, visitors):
        names = ("views", "visits", "events", "bots", "reloads")
        self.assertEqual({name: found.get(name, 0) for name in names}, {name: getattr(wanted, name) for name in names},
                         f"{site.id}, {when}")
        self.assert_visitors(found.get(visitors, 0), wanted.visitors, wanted.views, f"{visitors} of {site.id}, {when}")

    def assert_visitors(self, found, wanted, views, what):
        # Of few, two may share a place of the HyperLogLog.
        self.assertAlmostEqual(found, wanted, delta=max(2, 0.02 * wanted), msg=what)
        self.assertLessEqual(found, views, what)

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
                self.assertEqual((found["views"], found["visits"]), (period.views, period.visits),
                                 (site.id, name, summary))
                self.assertEqual((found["bounces"], found["reloads"], found["visit_seconds"]),
                                 (period.bounces, period.reloads, period.visit_ms // 1000), (site.id, name, summary))
                visitors = found["visitors" if name in ("today", "yesterday") else "visitor_days"]
                self.assert_visitors(visitors, period.visitors, period.views, (site.id, name))
            return True
        eventually(agrees, patience(5), f"the summary of {site.id}")


@dataclass
class ShownPeriod(Period):
    bounces: int = 0
    visit_ms: int = 0


def periods_at(counts, today):
    """The periods of the summary, from the days."""
    bounces, visit_ms = counts.bounces, counts.visit_ms

    def sum_of(first, last):
        out = ShownPeriod()
        for text, day in counts.days.items():
            if first <= datetime.date.fromisoformat(text) <= last:
                for name in ("views", "visits", "visitors", "reloads"):
                    setattr(out, name, getattr(out, name) + getattr(day, name))
                out.bounces += bounces[text]
                out.visit_ms += visit_ms[text]
        return out
    one = datetime.timedelta(1)
    this_month = today.replace(day=1)
    last_month = (this_month - one).replace(day=1)
    return {
        "today": sum_of(today, today), "yesterday": sum_of(today - one, today - one),
        "this_week": sum_of(today - one * today.weekday(), today), "this_month": sum_of(this_month, today),
        "last_month": sum_of(last_month, this_month - one), "this_year": sum_of(today.replace(month=1, day=1), today),
        "total": sum_of(datetime.date.min, datetime.date.max),
    }
