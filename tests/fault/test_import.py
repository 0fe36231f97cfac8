#!/usr/bin/env python3
"""Imports of access logs that are killed, cut off, and begun again: they come to what an undisturbed one comes to.

Two sites with the same settings, one luot: the log goes undisturbed into one of them, and with all faults into the
other. In the end both hold the same, but for estimates.
"""

import gzip
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import imports  # noqa: E402
from access_log import random_log  # noqa: E402
from fault import FaultTest  # noqa: E402
from luot import LIGHT, PARTITIONS, eventually, main, patience  # noqa: E402

KILLS = 8 if LIGHT else 20
LINES = 40_000 if LIGHT else 120_000


class Killed(imports.ImportTest, FaultTest):
    def setUp(self):
        super().setUp()
        self.lines = random_log(self.rng, LINES, seconds=3 * 86_400)

    @staticmethod
    def shipped(client):
        """Lines of the log that is being imported: the only one in Redis, whose collectors have no hits."""
        return max((int(value) for part in range(PARTITIONS)
                    for name, value in client.hgetall(f"luot:{{p{part:02}}}:producers").items()
                    if name.endswith(b":shipped")), default=0)

    def kill_at(self, luot, file, points, between=lambda kill: None):
        """Kills an import of the file for "b" at each of these lines, and lets it end at last."""
        client = luot.redis()
        for kill, point in enumerate(points):
            running = imports.Import(self, luot, "b", file())
            eventually(lambda: self.shipped(client) >= point or running.process.poll() is not None, patience(120),
                       f"line {point} is shipped")
            running.kill()
            self.kills["import"] += 1
            between(kill)
        return self.import_log(luot, "b", file())

    def test_an_import_killed_at_random_lines_counts_each_line_once(self):
        luot = self.world.luot(sites=self.sites("a", "b"))
        file = self.write("access", self.lines)
        rows = self.import_log(luot, "a", file)
        self.assertEqual(rows["lines"], LINES)
        points = sorted(self.rng.randrange(1, LINES) for _ in range(KILLS))
        rows = self.kill_at(luot, lambda: file, points)
        self.assert_same(luot.redis(), "b", "a")
        again = self.import_log(luot, "b", file)
        self.assertEqual((again["imported before"], again["pages shipped"]), (LINES, 0))
        self.assert_same(luot.redis(), "b", "a")
        self.assert_verified(luot)
        print(f"{self.name}: {self.kills['import']} kills, lines {points}, {rows['imported before']} imported before the last run")

    def test_a_log_that_grows_is_rotated_and_compressed_between_kills(self):
        luot = self.world.luot(sites=self.sites("a", "b"))
        whole = self.write("whole", self.lines)
        self.import_log(luot, "a", whole)
        points = sorted(self.rng.randrange(1, LINES) for _ in range(KILLS))
        names = {"file": self.write("access", self.lines[:max(points[0], LINES // 8)])}

        def between(kill):
            """What cron, logrotate and an impatient operator do."""
            file, grown = names["file"], min(LINES, points[kill] + LINES // KILLS * 2)
            packed = file.suffix == ".gz"
            text = gzip.decompress(file.read_bytes()) if packed else file.read_bytes()
            more = "".join(line + "\n" for line in self.lines[text.count(b"\n"):grown]).encode()
            name = self.rng.choice(("access", "access.1", "old.gz", "access.2.gz"))
            file.unlink()
            names["file"] = self.world.folder / name
            # A .gz of several members, as one that is appended to is.
            names["file"].write_bytes(gzip.compress(text) + gzip.compress(more) if name.endswith("gz") else text + more)
            if self.rng.random() < 0.3:
                self.import_log(luot, "b", names["file"])  # to its end, in between

        self.kill_at(luot, lambda: names["file"], points, between)
        final = self.write("access.3", self.lines)
        self.import_log(luot, "b", final)
        self.assert_same(luot.redis(), "b", "a")
        self.assert_verified(luot)
        print(f"{self.name}: {self.kills['import']} kills")

    def test_aggregator_and_redis_die_too(self):
        server = self.world.redis()
        luot = self.world.luot("aggregator", redis=server, sites=self.sites("a", "b"))
        file = self.write("access", self.lines)
        self.import_log(luot, "a", file)
        running = None
        for kill in range(KILLS):
            if running is None or running.process.poll() is not None:
                running = imports.Import(self, luot, "b", file)
            goal = self.rng.randrange(LINES)
            eventually(lambda: self.shipped(server.client()) >= goal or running.process.poll() is not None or
                       self.rng.random() < 0.05, patience(120))
            victim = self.rng.choice(("import", "aggregator", "Redis", "Redis"))
            self.kills[victim] += 1
            if victim == "import":
                running.kill()
            elif victim == "aggregator":
                luot.kill()
                self.free_leases(server)
                luot.start()
            else:
                server.kill()
                server.start()
        if running.process.poll() is None:
            self.assertEqual(running.wait(120), 0, running.text())
        self.import_log(luot, "b", file)
        self.assert_same(server.client(), "b", "a")
        self.assert_verified(luot)
        print(f"{self.name}: kills {dict(self.kills)}")

    def test_redis_falls_back_while_a_log_is_imported_and_after(self):
        server = self.world.redis()
        luot = self.world.luot("aggregator", redis=server, sites=self.sites("a", "b"))
        file = self.write("access", self.lines)
        self.import_log(luot, "a", file)
        begun = self.aof(server).stat().st_size
        running = imports.Import(self, luot, "b", file)
        goals = sorted(self.rng.randrange(LINES // 10, LINES) for _ in range(4))
        for goal in goals:
            eventually(lambda: self.shipped(server.client()) >= goal or running.process.poll() is not None, patience(120))
            self.lose_tail(server, begun)
            self.kills["Redis"] += 1
        self.assertEqual(running.wait(120), 0, running.text())
        self.assert_same(server.client(), "b", "a")
        # When the import has ended long ago, it is run again.
        self.lose_tail(server, begun)
        rows = self.import_log(luot, "b", file)
        self.assertGreater(rows["pages shipped"], 0)
        self.assert_same(server.client(), "b", "a")
        self.assert_verified(luot)
        print(f"{self.name}: fell back {self.kills['Redis'] + 1} times; {running.text().count('Redis is away')} outages met")

    @staticmethod
    def aof(server):
        return max((server.folder / "appendonlydir").glob("*.incr.aof"), key=lambda f: f.stat().st_mtime)

    def lose_tail(self, server, least):
        """A part of what came behind this size."""
        server.kill()
        file = self.aof(server)
        more = file.stat().st_size - least
        with file.open("r+b") as f:
            f.truncate(least + more - self.rng.randrange(1, max(2, more // 2)))
        server.start()

    def test_the_network_misbehaves(self):
        server = self.world.redis()
        proxy = self.proxy(server)
        counting = self.world.luot("aggregator", redis=server, sites=self.sites("a", "b"))
        luot = self.world.luot("aggregator", name="far", redis=proxy, start=False, sites=self.sites("a", "b"))
        file = self.write("access", self.lines)
        self.import_log(counting, "a", file)
        proxy.cut(self.proxy_rng)
        running = imports.Import(self, luot, "b", file)
        eventually(lambda: proxy.cuts >= 5 or running.process.poll() is not None, patience(120))
        proxy.black_hole()
        time.sleep(6)  # longer than it waits for an answer
        proxy.forward(late=1)
        self.assertEqual(running.wait(120), 0, running.text())
        self.assert_same(server.client(), "b", "a")
        self.assert_verified(counting)
        print(f"{self.name}: {proxy.cuts} replies cut")

    def test_two_imports_of_one_log_at_once(self):
        luot = self.world.luot(sites=self.sites("a", "b"))
        file = self.write("access", self.lines)
        self.import_log(luot, "a", file)
        both = [imports.Import(self, luot, "b", file) for _ in range(2)]
        self.assertEqual([running.wait(120) for running in both], [0, 0], both[0].text() + both[1].text())
        self.assert_same(luot.redis(), "b", "a")
        self.assert_verified(luot)


if __name__ == "__main__":
    main()
