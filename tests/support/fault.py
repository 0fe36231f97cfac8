"""What the fault suite (tests/fault/) stands on, beside the harness of the system tests: a luot with fail
points, a proxy between luot and Redis that misbehaves, a clock that can be set, and one checker that every
scenario ends with: what was acknowledged is counted exactly once, and all ways out agree.

LUOT_SEED other random choices; LUOT_LONG=1 more of everything.
"""

import asyncio
import collections
import os
import random
import struct
import threading

from luot import (BINARY, LIGHT, LONG, PARTITIONS, SITES, Load, SystemTest, client_address, eventually, mixed_hits, patience,
                  seeded, redis, steadily, wait_for_rows)

FAULTY = BINARY.parent / "luot_faulty"
SHIFTED_CLOCK = BINARY.parent / "shifted_clock.so"

PAGES = [(SITES[i % 3]["id"], f"/bai-{i}") for i in range(90)]
RATE = 150 if LIGHT else 800  # hits a second of a scenario's load


# ---- a proxy between luot and Redis ------------------------------------------------------------------


class Proxy:
    """A TCP proxy before a Redis server (on its unix socket). What it does can be changed at any time:

      forward             as a wire does
      refuse              closes what is open and what is opened
      black_hole          stays established and silent; what was sent meanwhile arrives when it ends, or
                          `late` seconds after that, when new connections have long taken its place: as from
                          a router that comes back
      delay(seconds)      each piece comes so much later
      split               byte by byte, each a packet of its own
      cut(rng)            now and then closes in the middle of a reply
      answer(error)       answers each command with this error instead of Redis
    """

    def __init__(self, server):
        self.server = server
        self.mode, self.argument = "forward", None
        self.cuts = 0
        self._pipes, self._serving, self._ready = set(), set(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self._thread.start()
        self._ready.wait()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def forward(self, late=0):
        self._set("forward", late)

    def refuse(self):
        self._set("refuse")

    def black_hole(self):
        self._set("black_hole")

    def delay(self, seconds):
        self._set("delay", seconds)

    def split(self):
        self._set("split")

    def cut(self, rng):
        self._set("cut", rng)

    def answer(self, error):
        self._set("answer", error)

    def close(self):
        """What was held back is lost."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(5)

    # The thread's side.

    def _set(self, mode, argument=None):
        done = threading.Event()

        def change():
            if self._was == "black_hole" and argument:  # these had nothing of interest on the way
                for writer in self._pipes - self._older:
                    writer.transport.abort()
            self.mode, self.argument = mode, argument
            self._older = set(self._pipes)
            if mode in ("refuse", "answer") or self._was == "answer":
                for writer in list(self._pipes):  # a half-sent command must not meet an invented answer
                    writer.transport.abort()
            self._was = mode
            self._changed.set()
            self._changed = asyncio.Event()
            done.set()
        self._loop.call_soon_threadsafe(change)
        done.wait(5)

    async def _main(self):
        self._loop, self._changed, self._stop = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._was, self._older = "", set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in list(self._pipes):
            writer.transport.abort()
        self.mode = "forward"
        self._changed.set()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader, writer):
        if self.mode == "refuse":
            writer.transport.abort()
            return
        self._pipes.add(writer)
        self._serving.add(asyncio.current_task())
        upstream = None
        try:
            if self.mode == "answer":
                await self._invent(reader, writer)
                return
            up_reader, upstream = await asyncio.open_unix_connection(str(self.server.socket))
            self._pipes.add(upstream)
            await asyncio.gather(self._pump(reader, upstream, False), self._pump(up_reader, writer, True))
        except (OSError, asyncio.IncompleteReadError):
            pass  # either side has gone
        finally:
            self._serving.discard(asyncio.current_task())
            for end in (writer, upstream):
                if end:
                    self._pipes.discard(end)
                    end.close()

    async def _pump(self, source, target, is_reply):
        while True:
            data = await source.read(65536)
            while self.mode == "black_hole":
                await self._changed.wait()
                if self.mode == "forward" and self.argument:
                    await asyncio.sleep(self.argument)
            if not data:
                break
            if self.mode == "delay":
                await asyncio.sleep(self.argument)
            if self.mode == "split":
                for byte in data:
                    target.write(bytes([byte]))
                    await target.drain()
                    await asyncio.sleep(0)
                continue
            if self.mode == "cut" and is_reply and self.argument.random() < 0.05:
                self.cuts += 1
                target.write(data[:self.argument.randrange(len(data))])
                await target.drain()
                raise ConnectionResetError
            target.write(data)
            await target.drain()
        target.close()

    async def _invent(self, reader, writer):
        while True:
            head = await reader.readline()
            if not head.startswith(b"*"):
                break
            for _ in range(int(head[1:])):
                size = int((await reader.readline())[1:])
                await reader.readexactly(size + 2)
            writer.write(b"-" + self.argument.encode() + b"\r\n")
            await writer.drain()


# ---- the clock ---------------------------------------------------------------------------------------


class Clock:
    """The time of day as the processes that get its `environment` see it; they may be running."""

    def __init__(self, world, name="clock"):
        self.file = world.folder / name
        self.set(0)
        self.environment = {
            "LD_PRELOAD": str(SHIFTED_CLOCK), "LUOT_CLOCK_FILE": str(self.file),
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }

    def set(self, seconds):
        """Shifted by so much from now on."""
        self._write(int(seconds * 1e9), False)

    def stand(self, time_ms):
        """It is this Unix time until it is set again. From shifting to standing only while nobody looks: the two
        numbers in the file are not read together."""
        self._write(time_ms * 1_000_000, True)

    def _write(self, nanoseconds, stands):
        with self.file.open("r+b" if self.file.exists() else "wb") as f:
            f.write(struct.pack("=qq", nanoseconds, stands))


def is_stopped(pid):
    with open(f"/proc/{pid}/stat", "rb") as stat:
        return stat.read().rpartition(b")")[2].split()[0] == b"T"


# ---- scenarios ---------------------------------------------------------------------------------------


class FaultTest(SystemTest):
    """A scenario: load that repeats what was not answered, faults, and the checker."""

    def setUp(self):
        super().setUp()
        self.name = f"{type(self).__name__}.{self._testMethodName}"
        self.rng = seeded(self.name)
        # The load and the proxies run in threads of their own, with choices of their own.
        self.load_rng, self.proxy_rng = (random.Random(f"{self.rng.random()} {use}") for use in ("load", "proxy"))
        self.kills = collections.Counter()

    def proxy(self, server):
        proxy = Proxy(server)
        self.addCleanup(proxy.close)
        return proxy

    def faulty(self, command="serve", point=None, **options):
        """A luot with fail points, one of which (NAME:PASS:kill, :freeze or :hang) is armed."""
        luot = self.world.luot(command, start=False, **options)
        luot.binary = FAULTY
        if point:
            luot.environment = {"LUOT_FAIL_POINT": point}
        return luot

    def apart(self, server, collectors=2, aggregators=2, config=None):
        """Collectors with the same salts and aggregators, on one Redis (or a proxy before it)."""
        taking = [self.world.luot("collector", f"c{i}", redis=server, start=False, config=config)
                  for i in range(collectors)]
        taking[0].start()
        self.world.share_salts(*taking)
        for collector in taking[1:]:
            collector.start()
        counting = [self.world.luot("aggregator", f"a{i}", redis=server, config=config) for i in range(aggregators)]
        return taking, counting

    def load(self, *collectors, rate=RATE, pages=PAGES, connections=16, readers=300, ids=True):
        """Endless hits of so many readers, begun: views, events, bots and repeats. Without ids nothing hides it when one is shipped twice;
        the scenario must then leave the collectors alone, so that no client has to send one again."""
        clients = [client_address(self.load_rng) for _ in range(readers)]
        self.may_repeat = ids
        return Load(mixed_hits(self.load_rng, pages, clients=clients, ids=ids), [c.public for c in collectors],
                    connections=connections, rate=rate, answer_deadline=patience(5 if ids else 20)).start()

    def more_hits(self, load, number, deadline=None):
        """Waits until so many hits more have been acknowledged."""
        wanted = load.acknowledgements + number
        eventually(lambda: load.acknowledgements >= wanted, deadline or patience(20), f"{number} hits more")

    def wait_shipped(self, collector):
        """All that this run has acknowledged is in Redis. (luot_unshipped_hits is as of the shipper's last turn.)"""
        def is_shipped():
            metrics = collector.metrics()
            return metrics.value("luot_shipped_hits_total") >= metrics.value("luot_hits_accepted_total")
        eventually(is_shipped, patience(20), "all is shipped")

    def check(self, load, readers, collectors=(), lost=0, clock_was_set=False):
        """Ends the load, and holds every way out of every reader to what was acknowledged, each view, event
        and bot once. `lost` is how many hits may be declared lost (counted + declared = acknowledged then).
        Where the `clock_was_set`, one reader's hits may lie half an hour apart, and on any day: visits and days
        are not known then."""
        load.end().wait(patience(60))
        if not self.may_repeat:
            self.assertEqual(load.repeats, 0, "every hit is acknowledged the first time")
        # How many will be missing is known when every log has been read to its end.
        expected = self.assert_positions(*collectors)["lost"] if lost else 0
        eventually(lambda: sum(max(0, n) for n in self._differences(load, readers[0]).values()) <= expected,
                   patience(60), "all is applied")
        eventually(lambda: self.lost(readers[0]) >= expected, patience(30), "what was declared lost is told")
        declared = self.lost(readers[0])
        differing = self._differences(load, readers[0])
        missing = sum(max(0, n) for n in differing.values())
        doubled = sum(max(0, -n) for n in differing.values())
        print(f"{self.name}: {sum(self.kills.values())} kills {dict(self.kills) or ''}, {load.sent} hits sent, "
              f"{sum(load.acknowledged.values())} acknowledged, {load.repeats} sent again, {declared} declared lost, "
              f"{missing} missing, {doubled} doubled", flush=True)
        self.assertEqual(doubled, 0, f"doubled: {[(k, -n) for k, n in differing.items() if n < 0][:8]}")
        again = load.repeats + sum(n for (kind, _), n in load.others.items() if kind == "repeat")
        # Of a hit that was sent twice one may be declared lost, and the other counted.
        self.assertTrue(missing <= declared <= missing + (again if lost else 0),
                        f"missing: {[(k, n) for k, n in differing.items() if n > 0][:8]}")
        self.assertLessEqual(declared, lost)
        self.assertFalse(load.refused)
        self.assertLessEqual(self.repeats_applied(readers[0]), again, "ids hid what was shipped twice")
        self.assert_rows(readers[0])
        for reader in readers:
            self.assert_ways_out(reader, load, differing, are_visits_known=not lost and not clock_was_set)
        steadily(lambda: self._differences(load, readers[0]) == differing, 1.5, "no old log brings a hit once more")
        if collectors:
            self.assert_balanced(*collectors)
            self.assert_positions(*collectors, lost=declared)  # verified, too

    def assert_rows(self, reader):
        """Each view, visit and event is in one row of each breakdown, however many batches were written together."""
        client = self.redis_of(reader)
        wait_for_rows(client)
        for key in client.scan_iter("luot:{p*}:*:totals", count=10_000):
            prefix, totals = key.decode()[:-len("totals")], client.hgetall(key)
            sums = collections.Counter()
            for month in client.scan_iter(f"{prefix}month:????-??", count=10_000):
                sums.update({f: int(n) for f, n in client.hgetall(month).items() if f.startswith(b"rows:")})
            for rows, whole in (("pages", "views"), ("browsers", "views"), ("sources", "views"), ("entries", "visits"),
                                ("exits", "visits"), ("events", "events")):
                self.assertEqual(sums[f"rows:{rows}".encode()], int(totals.get(whole.encode(), 0)), f"{rows} of {prefix}")

    def free_leases(self, server):
        """So that an aggregator that was just started has work at once, and the next kill meets it at work:
        leases outlive their holder by six seconds. Nothing has to rest on them."""
        server.client().delete("luot:aggregators", *(f"luot:{{p{part:02}}}:lease" for part in range(PARTITIONS)))

    def settle(self, server):
        """As if all aggregators had been at work for long, so that each gets its share at the next look."""
        client = server.client()
        for owner, there in client.hgetall("luot:aggregators").items():
            client.hset("luot:aggregators", owner, b"0 " + there.split()[1])

    @staticmethod
    def redis_of(reader):
        url = reader.config.get("redis", {}).get("url")
        return redis.Redis.from_url(url, socket_timeout=10) if url else reader.redis()

    def repeats_applied(self, reader):
        """Hits that were applied and counted nowhere, since their id was known: no more than clients sent
        again (docs/exactly-once.md, Positions). Read from Redis, so that no restart blurs it."""
        client = self.redis_of(reader)
        applied = explained = 0
        for part in range(PARTITIONS):
            fields = client.hgetall(f"luot:{{p{part:02}}}:producers")
            applied += int(fields.get(b"applied", 0))
            explained += sum(int(fields.get(name, 0)) for name in (b"bare", b"damaged", b"unconfigured"))
        for key in client.scan_iter("luot:{p*}:*:totals"):
            explained += sum(int(n or 0) for n in client.hmget(key, "views", "events", "bots"))
        return applied - explained

    def lost(self, reader):
        return int(reader.metrics().sum("luot_hits_lost_total") + reader.metrics().sum("luot_hits_damaged_total"))

    def _differences(self, load, reader):
        """(site, page or kind) -> what was acknowledged and is not shown; below 0: shown and never sent."""
        out = collections.Counter()
        client = self.redis_of(reader)
        for site in {site for site, _ in load.acknowledged}:
            shown = reader.all_views(site, [page for s, page in load.views if s == site])
            out.update({(site, page): load.views[site, page] - n for page, n in shown.items()})
            for kind in ("event", "bot"):
                counted = sum(int(client.hget(f"luot:{{p{part:02}}}:{site}:totals", f"{kind}s") or 0)
                              for part in range(PARTITIONS))
                out[site, kind] = load.others[kind, site] - counted
        return {key: n for key, n in out.items() if n != 0}

    def assert_ways_out(self, reader, load, missing, are_visits_known):
        """Counts, summary and bare number of a site say the same; visits are the visitors' (all of a test is
        within 30 minutes)."""
        for site in sorted({site for site, _ in load.views}):
            pages = {page: n - missing.get((s, page), 0) for (s, page), n in load.views.items() if s == site}
            views, visits = sum(pages.values()), len(load.clients[site])

            def agrees():
                counts = reader.counts(site, summary=1)
                self.assertEqual(counts["views"], views)
                total = counts["summary"]["total"]
                self.assertEqual((total["views"], total["visits"]), (counts["views"], counts["visits"]))
                self.assertLessEqual(counts["visits"], views)
                days = [counts["summary"][day] for day in ("yesterday", "today")]
                if are_visits_known:
                    self.assertEqual(counts["visits"], visits, "visits of this site")
                    self.assertEqual(sum(d["views"] for d in days), views)
                    self.assertEqual(sum(d["visits"] for d in days), visits)
                for day in days:
                    self.assertLessEqual(day["visitors"], day["views"])
                self.assertEqual(int(reader.http.get(f"/count.txt?site={site}").body), views)
                page, seen = next(iter(pages.items()))
                self.assertEqual(int(reader.http.get(f"/count.txt?site={site}&path={page}").body), seen)
                self.assertEqual(reader.views(site, page), seen)
                return True
            eventually(agrees, patience(10), f"all ways out of {site} agree")  # answers are cached for a moment
