#!/usr/bin/env python3
"""Made-up values by the thousand: memory of luot and of Redis stays bounded, the surplus is visible in
"(other)" and in metrics, no existing count moves, and the site makes room again.

LUOT_LONG=1: a million of each kind.
"""

import datetime
import itertools
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import Clock  # noqa: E402
from luot import (  # noqa: E402
    BROWSER, LIGHT, LONG, Hit, Load, SystemTest, client_address, eventually, hit_request, main, patience, seeded,
    wait_for_rows)

COUNT = 1_000_000 if LONG else 1_500 if LIGHT else 8_000  # of each kind
MiB = 1 << 20
SITE = "skhcn"
MOST_BY_CLIENT = 20  # new paths an hour
TOP_ARTICLES = 20  # aggregator.top_articles, its default
ARTICLES = [f"/tin-tuc/{i}" for i in range(20)]


def zone_far_from_midnight():
    """Limits by day are tested: no midnight of the site may fall into a test."""
    offset = datetime.datetime.now(datetime.timezone.utc).hour - 12
    return f"Etc/GMT{offset:+}" if offset else "UTC"


def small_site(**more):
    return {"id": SITE, "hosts": ["skhcn.example.vn"], "timezone": zone_far_from_midnight(), **more}


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Counts:
    """What Redis holds of the site, and its days moved back: a
    day passes by giving what Redis holds of today the names of an earlier day."""

    def __init__(self, client):
        self.client = client
        self.prefix = client.keys(f"luot:{{p*}}:{SITE}:pages")[0].decode().removesuffix("pages")

    def pages(self):
        return {path.decode(): int(views) for path, views in self.client.zrange(self.prefix + "pages", 0, -1,
                                                                                withscores=True)}

    def views(self):
        return int(self.client.hget(self.prefix + "totals", "views"))

    def today(self):
        return max(key.decode().removeprefix(self.prefix)[4:14] for key in self.client.keys(self.prefix + "day:*"))

    def let_pass(self, days):
        wait_for_rows(self.client)  # they would be written to the new today
        today = self.today()
        earlier = str(datetime.date.fromisoformat(today) - datetime.timedelta(days))
        for key in self.client.keys(f"{self.prefix}day:{today}*"):
            self.client.rename(key, key.decode().replace(today, earlier))
        for key in self.client.keys(self.prefix + "new_paths:*"):
            self.client.delete(key)
        # All visits have ended; the aggregator is made to ask for what it remembers (prune.lua).
        producers = self.prefix.rpartition(f"{SITE}:")[0] + "producers"
        self.client.delete(self.prefix + "seen", self.prefix + "visits")
        self.client.hset(producers, "tip", (self.client.hget(producers, "tip") or b"").decode() + f"~{days}")


class FloodTest(SystemTest):
    def start(self, site=None, **config):
        self.redis = self.world.redis()
        self.luot = self.world.luot(sites=[site or small_site()], redis=self.redis, config=config)

    def read_articles(self, views, clients):
        """Each article is read so often; all of it is counted on return."""
        hits = [Hit(SITE, path, hit_request(SITE, path, client=clients[i % len(clients)]))
                for i, path in enumerate(ARTICLES * views)]
        self.send(hits)

    def send(self, hits, refused=0):
        load = Load(hits, [self.luot.public], connections=16).run(3600)
        self.assertEqual(sum(load.refused.values()), refused, load)
        self.luot._forget_connections()  # idle for minutes, they were closed
        self.wait_for_all(load)
        return load

    def wait_for_all(self, load):
        for (producer, partition), (offset, site) in load.tokens.items():
            self.luot.wait_for(site, f"{producer}.{partition}.{offset}", patience(120))

    def take(self, path, **how):
        return self.luot.take_hit(SITE, path, **how)

    def shown(self, *paths, after=None):
        """Views of pages; None for what is not counted apart."""
        answer = self.luot.counts(SITE, *paths, **({"after": after} if after else {}))
        return [page and page["views"] for page in answer["pages"].values()]

    def assert_sums(self, counts, views):
        """Nothing was lost to the limits, and nothing counted twice."""
        self.assertEqual(counts.views(), views)
        self.assertEqual(sum(counts.pages().values()), views)
        self.assertEqual(self.luot.views(SITE), views)

    def surplus(self, reason):
        return self.luot.metrics().sum("luot_other_views_total", site=SITE, reason=reason)


class MadeUpValues(FloodTest):
    def series_but_of_articles(self, metrics):
        """Those of sites and of their most read pages come when they have been read from Redis; they are bounded by the configuration."""
        return sum(1 for name, _, _ in metrics.series if not name.startswith(("luot_article_", "luot_site_")))

    def flood(self, rng, clients):
        """Five kinds in turn: paths; event names; referrers and titles; visitors; sites. Each hit has an id."""
        for i in range(COUNT):
            word = f"{rng.getrandbits(64):016x}"
            client = clients[rng.randrange(len(clients))]
            made_up = {"client": client, "id": word}
            yield Hit(SITE, "path", hit_request(SITE, f"/{word}/{i}", **made_up))
            yield Hit(SITE, "event", hit_request(SITE, "/flooded", n=word, **{**made_up, "id": word + "e"}), "event")
            yield Hit(SITE, "/flooded", hit_request(
                SITE, "/flooded", r=f"https://{word}.example/{i}", t=word * 20, c=word, **{**made_up, "id": word + "r"}))
            agent = f"{BROWSER} {word}"
            yield Hit(SITE, "/flooded", hit_request(SITE, "/flooded", agent=agent, client=client_address(rng),
                                                    id=word + "v"))
            yield Hit("unknown", "site", hit_request(f"s{word}", "/", **made_up))

    def test_a_flood_of_made_up_values_is_bounded_and_moves_no_count(self):
        rng = seeded("test_flood")
        day = 2000 if LONG else 100
        ids = 2_000_000 if LONG else 4 * COUNT // 3
        self.start(small_site(max_new_paths_per_day=day), aggregator={"max_ids": ids})
        clients = [client_address(rng) for _ in range(20_000 if LONG else 500)]
        self.read_articles(3, clients)
        self.take("/flooded")
        views, known = 3 * len(ARTICLES) + 1, len(ARTICLES) + 1
        # What is allocated once, whatever comes, is allocated now.
        self.send([Hit(SITE, "/flooded", hit_request(SITE, "/flooded", client=clients[0])) for _ in range(2000)])
        views += 2000
        counts = Counts(self.redis.client())
        resident, stored = resident_bytes(self.luot.pid), counts.client.info("memory")["used_memory"]
        series = self.series_but_of_articles(self.luot.metrics())

        load = self.send(self.flood(rng, clients), refused=COUNT)
        self.assertEqual(load.refused, {"unknown_site": COUNT})
        views += 3 * COUNT
        self.assert_sums(counts, views)
        self.assertEqual(self.shown(*ARTICLES), [3] * len(ARTICLES))
        self.assertEqual(self.shown("/flooded"), [2001 + 2 * COUNT])
        pages = counts.pages()
        self.assertEqual(len(pages), day + 1, "the new paths of a day, and (other)")
        self.assertEqual(pages["(other)"], COUNT - (day - known))
        eventually(lambda: self.surplus("day") == pages["(other)"], patience(10), "the worker has heard of it")
        metrics = self.luot.metrics()
        self.assertEqual(metrics.sum("luot_other_views_total"), pages["(other)"])
        self.assertEqual(metrics.value("luot_new_paths_total", site=SITE), day)
        self.assertEqual(metrics.value("luot_hits_refused_total", reason="unknown_site"), COUNT)
        self.assertLessEqual(self.series_but_of_articles(metrics), series, "no series of what clients send")
        self.assertLessEqual(len(metrics.matching("luot_article_views")), TOP_ARTICLES)
        self.assertEqual(int(counts.client.hget(counts.prefix + "totals", "events")), COUNT)
        self.assert_balanced(self.luot)

        # Ids go early when there are too many, and what is kept of visitors is known.
        eventually(lambda: self.luot.metrics().value("luot_ids_dropped_early_total") > 0, patience(20), "ids go early")
        eventually(lambda: self.luot.metrics().value("luot_remembered_ids") <= ids, patience(20), "ids are bounded")
        seen = counts.client.zcard(counts.prefix + "seen")
        self.assertLessEqual(seen, COUNT + len(clients) + 1)
        self.assertLessEqual(counts.client.dbsize(), 100)
        grown = resident_bytes(self.luot.pid) - resident
        stored = counts.client.info("memory")["used_memory"] - stored
        print(f"{5 * COUNT} hits in {load.took:.0f} s: luot grew by {grown / MiB:.1f} MiB; Redis by "
              f"{stored / MiB:.1f} MiB with {seen} visitors seen; (other) has {pages['(other)']} views", flush=True)
        if not LIGHT:  # a sanitizer keeps freed memory
            self.assertLess(grown, 64 * MiB)
        self.assertLess(stored, 130 * seen + 80 * ids + 400 * day + 8 * MiB)

        # A new article of this day is not shown, and its views are not lost; the day after it is counted.
        token = self.take("/tin-tuc/new", client=client_address(rng))
        self.assertEqual(self.shown("/tin-tuc/new", "/tin-tuc/1", after=token), [None, 3])
        counts.let_pass(1)
        token = self.take("/tin-tuc/new", client=client_address(rng))
        self.assertEqual(self.shown("/tin-tuc/new", "/tin-tuc/1", "/tin-tuc/newer", after=token), [1, 3, 0])
        self.assert_sums(counts, views + 2)


class NextDay(FloodTest):
    LIMIT = 100

    def flooded(self, site):
        """A site at noon whose articles were read, and then made-up paths up to the limit of the day."""
        rng = seeded("test_flood next day")
        self.clock = Clock(self.world)
        self.luot = self.world.luot(sites=[site], start=False)
        self.luot.environment = self.clock.environment  # its private Redis inherits it
        self.luot.start()
        clients = [client_address(rng) for _ in range(100)]
        self.read_articles(3, clients)
        made_up = [f"/{rng.getrandbits(64):016x}" for _ in range(2 * self.LIMIT)]
        self.send([Hit(SITE, path, hit_request(SITE, path, client=rng.choice(clients))) for path in made_up])
        return made_up

    def count(self, path):
        """A hit, and what is shown of that path and of the articles once it is counted."""
        token = self.take(path)
        self.luot.wait_for(SITE, token, patience(15))  # the leases have ended with the day
        return self.shown(path, *ARTICLES, after=token)

    def test_a_day_that_is_over_keeps_its_most_read_pages(self):
        self.LIMIT = 600
        self.flooded(small_site(max_new_paths_per_day=2 * self.LIMIT + len(ARTICLES)))
        counts = Counts(self.luot.redis())
        day = f"{counts.prefix}day:{counts.today()}"
        before = counts.client.hgetall(day)
        wait_for_rows(counts.client)
        self.assertGreater(counts.client.zcard(f"{day}:pages"), 1100)

        self.clock.set(86_400)
        self.count("/")
        eventually(lambda: counts.client.zcard(f"{day}:pages") == 1001, patience(60), "the day is cut")
        rows = dict(counts.client.zrange(f"{day}:pages", 0, -1, withscores=True))
        self.assertEqual([rows.get(article.encode()) for article in ARTICLES], [3] * len(ARTICLES))
        self.assertEqual(rows[b"(other)"], int(before[b"views"]) - 3 * len(ARTICLES) - (1000 - len(ARTICLES)))
        self.assertEqual(sum(rows.values()), int(before[b"views"]))
        self.assertEqual(counts.views(), int(before[b"views"]) + 1)

    def test_a_new_article_is_counted_the_day_after_an_attack(self):
        made_up = self.flooded(small_site(max_new_paths_per_day=self.LIMIT))
        counts = Counts(self.luot.redis())
        before = counts.pages()
        self.assertEqual(len(before), self.LIMIT + 1, "the limit is met")
        today = counts.today()
        self.assertEqual(self.count("/tin-tuc/new"), [None] + [3] * len(ARTICLES))

        self.clock.set(86_400)
        self.assertEqual(self.count("/tin-tuc/new"), [1] + [3] * len(ARTICLES))
        self.assertEqual(self.count("/tin-tuc/new"), [2] + [3] * len(ARTICLES))
        self.assertEqual(counts.today(), str(datetime.date.fromisoformat(today) + datetime.timedelta(1)))
        self.assertEqual(counts.client.hget(f"{counts.prefix}day:{counts.today()}", "new_paths"), b"1")
        self.assertEqual(counts.pages(), {**before, "(other)": before["(other)"] + 1, "/tin-tuc/new": 2})
        self.assert_sums(counts, 3 * len(ARTICLES) + len(made_up) + 3)
        self.assert_verified(self.luot)

    def test_where_only_articles_are_counted_apart_it_is_counted_the_same_day(self):
        self.flooded(small_site(max_new_paths_per_day=self.LIMIT, only=["/tin-tuc/**"]))
        before = Counts(self.luot.redis()).pages()
        self.assertEqual(before, {**dict.fromkeys(ARTICLES, 3), "(other)": 2 * self.LIMIT})
        self.assertEqual(self.count("/tin-tuc/new"), [1] + [3] * len(ARTICLES))

    def test_a_site_that_is_full_makes_room_by_pruning_a_month_later(self):
        made_up = self.flooded(small_site(max_new_paths_per_day=self.LIMIT))
        self.luot.config["aggregator"] = {"max_paths": self.LIMIT}
        self.luot.write_config()
        self.luot.stop()
        self.luot.start()
        counts = Counts(self.luot.redis())
        before = counts.pages()
        self.clock.set(86_400)
        self.assertEqual(self.count("/tin-tuc/new"), [None] + [3] * len(ARTICLES))
        self.clock.set(32 * 86_400)
        self.assertEqual(self.count("/tin-tuc/new"), [None] + [3] * len(ARTICLES))
        status, output, errors = self.world.run(
            "prune", "--site", SITE, "--views-below", 3, "--older", "30d", "--config", self.luot.config_file,
            env={**os.environ, **self.clock.environment})
        gone = self.LIMIT - len(ARTICLES)
        self.assertEqual((status, output), (0, f"{SITE}: {gone} of {self.LIMIT} paths pruned, {gone} views went to "
                                               "(other)\n"), errors)
        self.assertAlmostEqual(int(counts.client.hget(counts.prefix + "totals", "pruned_at")),
                               time.time() + 32 * 86_400, delta=patience(30))
        self.assertEqual(self.count("/tin-tuc/new"), [1] + [3] * len(ARTICLES))
        self.assertEqual(counts.pages(), {**dict.fromkeys(ARTICLES, 3), "/tin-tuc/new": 1,
                                          "(other)": before["(other)"] + gone + 2})
        self.assert_sums(counts, 3 * len(ARTICLES) + len(made_up) + 3)
        self.assert_verified(self.luot)


class OneClient(FloodTest):
    def bring(self, count, clients, agent=BROWSER):
        """New paths within one hour by the next of `clients` (each a function that answers an address):
        (views shown, paths, the client)."""
        while True:
            client, hour = next(clients), datetime.datetime.now().hour
            paths = [f"/made-up/{next(self.numbers)}" for _ in range(count)]
            for path in paths:
                token = self.take(path, client=client(), agent=agent() if callable(agent) else agent)
            if datetime.datetime.now().hour == hour:
                return self.shown(*paths, after=token), paths, client

    def test_a_client_brings_twenty_new_paths_an_hour_and_the_site_goes_on(self):
        rng = seeded("test_flood client")
        self.numbers = iter(range(10_000))
        self.start(collector={"rate_limit_exempt": ["198.51.100.0/24"]})
        self.take("/old")
        numbers = iter(range(1, 1000))
        attackers = (lambda n=n: f"203.0.113.{n}" for n in range(1, 250))
        shown, paths, attacker = self.bring(30, attackers, lambda: f"{BROWSER} {rng.random()}")
        # Nothing is at a limit of the site: 0, not null.
        self.assertEqual(shown, [1] * MOST_BY_CLIENT + [0] * 10)
        counts = Counts(self.redis.client())
        eventually(lambda: self.surplus("client") >= 10, patience(10), "the worker has heard of it")

        # What exists goes on counting for that client too; and others bring what it could not.
        token = self.take("/old", client=attacker())
        token = self.take(paths[-1], client="192.0.2.7")
        self.assertEqual(self.shown("/old", paths[-1], paths[0], after=token), [2, 1, 1])
        token = self.take(paths[-1], client=attacker())
        self.assertEqual(self.shown(paths[-1], after=token), [2])

        # An IPv6 network is one client; who is exempt of the rate is of this limit too.
        shown, _, _ = self.bring(25, (lambda n=n: f"2001:db8:1:{n:x}::{next(numbers):x}" for n in range(1, 9)))
        self.assertEqual(shown, [1] * MOST_BY_CLIENT + [0] * 5)
        shown, _, _ = self.bring(25, itertools.repeat(lambda: f"2001:db8:2:{next(numbers):x}::1"))
        self.assertEqual(shown, [1] * 25)
        shown, _, _ = self.bring(25, itertools.repeat(lambda: "198.51.100.9"))
        self.assertEqual(shown, [1] * 25)

        # What is kept of clients goes by itself.
        for key in counts.client.keys(counts.prefix + "new_paths:*"):
            self.assertTrue(0 < counts.client.ttl(key) <= 7200)
        self.assertEqual(sum(counts.pages().values()), counts.views())


class Only(FloodTest):
    def test_only_pages_that_match_are_counted_apart(self):
        self.start(small_site(only=["/tin-tuc/**", "/"]))
        for path in ("/tin-tuc/1", "/", "/wp-login.php", "/wp-login.php"):
            token = self.take(path)
        self.assertEqual(self.shown("/tin-tuc/1", "/", "/wp-login.php", "/tin-tuc/2", after=token), [1, 1, None, 0])
        self.assertEqual(self.luot.http.get(f"/count.txt?site={SITE}&path=/wp-login.php").body, b"")
        counts = Counts(self.redis.client())
        self.assert_sums(counts, 4)
        self.assertEqual(counts.pages(), {"/tin-tuc/1": 1, "/": 1, "(other)": 2})
        eventually(lambda: self.surplus("only") == 2, patience(10), "the worker has heard of it")

        # Other patterns after SIGHUP: what is counted stays, and shows again when it matches again.
        def use(only):
            self.luot.config["site"][0]["only"] = only
            self.luot.write_config()
            self.luot.hang_up()

        use(["/van-ban/*"])
        eventually(lambda: self.shown("/tin-tuc/1") == [None], patience(5), "the patterns are in use")
        for path in ("/tin-tuc/1", "/van-ban/1"):
            token = self.take(path)
        self.assertEqual(self.shown("/tin-tuc/1", "/van-ban/1", after=token), [None, 1])
        use([])
        eventually(lambda: self.shown("/tin-tuc/1", "/wp-login.php") == [1, 0], patience(5), "all pages count again")
        self.assert_sums(counts, 6)


class Prune(FloodTest):
    def prune(self, *options, site=SITE, below=2, older="30d"):
        return self.world.run("prune", "--site", site, "--views-below", below, "--older", older, *options,
                              "--config", self.luot.config_file)

    def test_after_an_attack_of_many_days_a_site_makes_room_beside_live_hits(self):
        rng = seeded("test_flood prune")
        most = 400 if LIGHT else 3000
        self.start(small_site(max_new_paths_per_day=1_000_000), aggregator={"max_paths": most})
        clients = [client_address(rng) for _ in range(1000)]
        self.read_articles(3, clients)
        made_up = [f"/made-up/{i}" for i in range(most + 500)]
        self.send([Hit(SITE, path, hit_request(SITE, path, client=clients[i % 1000])) for i, path in enumerate(made_up)])
        views = 3 * len(ARTICLES) + len(made_up)
        counts = Counts(self.redis.client())
        self.assertEqual(len(counts.pages()), most + 1)
        token = self.take("/tin-tuc/new")
        self.assertEqual(self.shown("/tin-tuc/new", after=token), [None])
        views += 1
        eventually(lambda: self.surplus("max_paths") == len(ARTICLES) + len(made_up) - most + 1, patience(10), "the worker has heard of it")

        # Not yet old enough.
        status, output, errors = self.prune()
        self.assertEqual((status, output), (0, f"{SITE}: 0 of {most} paths pruned, 0 views went to (other)\n"), errors)
        counts.let_pass(31)
        gone = most - len(ARTICLES)
        status, output, _ = self.prune("--dry-run")
        self.assertEqual((status, output), (0, f"{SITE}: {gone} of {most} paths would be pruned, {gone} views would "
                                               "go to (other)\n"))
        self.assertEqual(len(counts.pages()), most + 1)

        # Beside hits on articles and on the paths that go, which may come back as new ones.
        def live():
            while True:
                path = rng.choice(ARTICLES) if rng.random() < 0.5 else rng.choice(made_up)
                yield Hit(SITE, path, hit_request(SITE, path, client=clients[rng.randrange(1000)]))

        load = Load(live(), [self.luot.public], connections=4, rate=2000).start()
        eventually(lambda: load.sent > 200, patience(10), "hits come in")
        status, output, errors = self.prune()
        self.assertEqual(status, 0, errors)
        self.assertIn("paths_pruned", errors)
        # The days were given another month by let_pass(); all other rules hold, beside hits and after pruning.
        _, output, errors = self.world.run("verify", "--config", self.luot.config_file, deadline=patience(60))
        self.assertIn("checked:", output, errors)
        self.assertFalse([line for line in output.splitlines() if "found=" in line and "sum_of_days " not in line])
        sent = load.sent
        eventually(lambda: load.sent > sent + 200, patience(10), "hits come in")
        load.end().wait(patience(60))
        self.wait_for_all(load)
        views += load.acknowledgements
        self.assert_sums(counts, views)
        articles = {path: 3 + load.views[SITE, path] for path in ARTICLES}
        self.assertEqual(self.luot.all_views(SITE, ARTICLES), articles)
        print(output.strip(), f"beside {load.acknowledgements} hits", flush=True)

        # All that is there now came after it, or was read twice; and that is known of each.
        day = counts.client.hget(f"{counts.prefix}day:{counts.today()}", "new_paths") or 0
        pages = counts.pages()
        self.assertLessEqual(len(pages), most + 1)
        status, output, errors = self.prune(below=1_000_000, older="1d")
        self.assertEqual(status, 0, errors)
        left = counts.pages()
        self.assertEqual(len(left) - 1, int(day), "what stays was counted as new today")
        self.assert_sums(counts, views)
        self.assertLess(sum(map(int, (counts.client.strlen(k) for k in counts.client.keys("*first_seen")))),
                        8 * (int(day) + 1))

        token = self.take("/tin-tuc/newest")
        self.assertEqual(self.shown("/tin-tuc/newest", after=token), [1])

    def test_wrong_usage_and_a_redis_that_is_away_are_named(self):
        self.start()
        self.take("/a")
        for options in ({"site": "nowhere"}, {"below": 0}, {"below": "many"}, {"older": "0d"}, {"older": "1h"},
                        {"older": "soon"}, {"older": "99999d"}):
            with self.subTest(**options):
                status, output, errors = self.prune(**options)
                self.assertEqual(status, 2, errors)
                self.assertEqual(len(errors.strip().splitlines()), 1, errors)
                self.assertEqual(output, "")
        self.assertEqual(self.prune(older="30")[0], 0, "days without their letter")
        self.redis.kill()
        status, output, errors = self.prune()
        self.assertEqual(status, 1)
        self.assertIn("Redis cannot be reached", errors)
        self.redis.start()


if __name__ == "__main__":
    main()
