#!/usr/bin/env python3
"""Redis memory of what luot keeps: per site, path, day, month, visitor and remembered id; and of two portals, month by month.

    bench/memory.py [--visitors 20000] [--days 20] [--big]

A real luot and a real redis-server with its defaults for short forms. Each row is the growth of `used_memory` by so many of a
thing, or what MEMORY USAGE says of the keys of a kind (marked *). The portals are imported as access logs, so that their days
are closed as they are after a night. Figures and the formula: docs/redis.md. Takes a minute; with --big two.
"""

import argparse
import collections
import datetime
import random
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from luot import BROWSER, FIREFOX, Load, Hit, World, eventually, hit_request, seeded  # noqa: E402

AGENTS = (BROWSER, FIREFOX,
          "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
          "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
          "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15")
TITLE = "Hội nghị sơ kết công tác 6 tháng đầu năm số {}"


def path_of(number, prefix="tin-tuc"):
    return f"/{prefix}/hoi-nghi-so-ket-{number:06}.html"


def used(client):
    """Once nothing moves any more."""
    last = None
    while True:
        now = client.info("memory")["used_memory"]
        if last is not None and abs(now - last) < 2000:
            return now
        last = now
        time.sleep(1)


def kinds(client, site):
    """kind -> (keys, bytes), by MEMORY USAGE."""
    found = collections.defaultdict(lambda: [0, 0])
    for key in client.scan_iter(f"luot:{{p*}}:{site}:*", count=10_000):
        name = key.decode().split(":", 3)[3]
        kind = re.sub(r"^(day|month):[\d-]+", r"\1", name)
        kind = re.sub(r"^(day|month):(?!visitors|first_seen)\w+$", r"\1's rows", kind)
        found[kind][0] += 1
        found[kind][1] += client.memory_usage(key, samples=0)
    return found


class Bench:
    def __init__(self, world):
        sites = [{"id": f"s{n}", "hosts": [f"s{n}.example.vn"], "timezone": "Asia/Ho_Chi_Minh", "max_new_paths_per_day": 1_000_000} for n in range(34)]
        sites += [{"id": name, "hosts": ["example.vn"], "timezone": "Asia/Ho_Chi_Minh", "max_new_paths_per_day": 1_000_000} for name in ("portal", "big")]
        self.world = world
        self.luot = world.luot(sites=sites, config={"collector": {"rate_limit_exempt": ["0.0.0.0/0"]}})
        self.client = self.luot.redis()
        self.rows = []

    def send(self, hits):
        hits = list(hits)
        load = Load(iter(hits), [self.luot.public], connections=16)
        load.run()
        site = hits[-1].site
        eventually(lambda: self.luot.views(site) >= sum(1 for h in hits if h.site == site and h.kind == "view"), 60, "all are counted")

    def growth(self, what, number, hits):
        before = used(self.client)
        self.send(hits)
        each = (used(self.client) - before) / number
        print(f"{what:64} {each:10,.0f}", flush=True)
        return each

    def hit(self, site, path, client, agent=BROWSER, **fields):
        return Hit(site, path, hit_request(site, path, id=fields.pop("id", None), client=client, agent=agent, **fields))

    def small(self, visitors):
        def address(n):
            return f"100.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"
        self.send([self.hit("s33", "/a", address(1))])
        self.growth("a site that was read once today", 30, (self.hit(f"s{n}", "/a", address(n), t="Trang") for n in range(30)))
        self.growth("a visitor of the last 40 minutes (first 200: 12 kB once more)", visitors,
                    (self.hit("s30", "/a", address(n)) for n in range(visitors)))
        self.growth("an id of the last hour", visitors,
                    (self.hit("s31", "/a", address(1), id=f"{n:034}") for n in range(visitors)))
        self.growth("a path that is new today, with its title, 42 bytes long", visitors,
                    (self.hit("s32", path_of(n), address(n % 10), t=TITLE.format(n)) for n in range(visitors)))
        for kind, (keys, size) in sorted(kinds(self.client, "s32").items()):
            if size > 50 * 1000:
                print(f"  * of it in {kind:53} {size / visitors:10,.0f}", flush=True)

    def portal(self, site, articles, visits, views, days):
        """`visits` readers a day, `views` views, the articles read as news are: few often, most seldom."""
        rng, first = random.Random(site), datetime.date(2026, 3, 1)
        totals = self.world.folder / f"{site}.csv"
        totals.write_text("path,views\n" + "".join(f"{path_of(n)},{1 + 1_000_000 // (n + 2)}\n" for n in range(articles)) + "*,90000000,1000000\n")
        before = used(self.client)
        status, _, errors = self.world.run("import", "totals", totals, "--site", site, "--config", self.luot.config_file, deadline=120)
        assert status == 0, errors
        with_totals = used(self.client)
        log = self.world.folder / f"{site}.log"
        with log.open("w") as out:
            for day in range(days):
                date = first + datetime.timedelta(days=day)
                times = sorted(rng.randrange(86_400) for _ in range(views))
                readers = [(f"{rng.randrange(1, 224)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}", rng.choice(AGENTS)) for _ in range(visits)]
                for at in times:
                    reader, agent = readers[min(int(at * visits / 86_400), visits - 1)]
                    path = path_of(min(int(rng.paretovariate(0.6)), articles) - 1)
                    referrer = rng.choice(("-", "https://www.google.com/", f"https://site-{int(rng.paretovariate(1)) % 300}.vn/"))
                    out.write(f'{reader} - - [{date:%d/%b/%Y}:{at // 3600:02}:{at // 60 % 60:02}:{at % 60:02} +0700] "GET {path} HTTP/1.1" 200 5000 "{referrer}" "{agent}"\n')
        status, _, errors = self.world.run("import", "log", log, "--site", site, "--quiet", "--config", self.luot.config_file, deadline=600)
        assert status == 0, errors
        after = used(self.client)
        counts = self.luot.counts(site, summary=1)
        print(f"\n{site}: {articles:,} articles, {visits:,} visits and {views:,} views a day, {days} days; luot says {counts['visits'] - 1_000_000:,} visits", flush=True)
        print(f"{'starting totals, each article':64} {(with_totals - before) / articles:10,.0f}")
        print(f"{'all of it after these days':64} {after - before:10,}")
        found = kinds(self.client, site)
        months = found["month"][0]
        print(f"  {'* kind':40} {'keys':>8} {'bytes':>12} {'bytes a day':>12} {'a month':>10}")
        for kind, (keys, size) in sorted(found.items()):
            each = f"{size / days:12,.0f} {'':10}" if kind.startswith("day") else f"{'':12} {size / months:10,.0f}" if kind.startswith("month") else ""
            print(f"  {kind:42} {keys:8,} {size:12,} {each}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=20_000)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--big", action="store_true")
    arguments = parser.parse_args()
    seeded("bench/memory.py")
    world = World()
    try:
        bench = Bench(world)
        print(f"Redis {bench.client.info('server')['redis_version']}, empty: {used(bench.client):,} bytes\n{'bytes each':>75}")
        bench.small(arguments.visitors)
        bench.portal("portal", 5_000, 730, 2_200, arguments.days)
        if arguments.big:
            bench.portal("big", 50_000, 20_000, 80_000, 5)
        world.close()
    except BaseException:
        world.close(failed=True)
        raise


if __name__ == "__main__":
    main()
