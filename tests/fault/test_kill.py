#!/usr/bin/env python3
"""kill -9 at random moments under load: of the whole of `luot serve` with or without its Redis, of collectors
and aggregators apart, of Redis with either way to sync. Clients send a hit again, with the same id, until it
is acknowledged; in the end every page and site shows exactly the distinct hits sent.

    test_kill.py                          30 kills of serve, 12 of each other
    test_kill.py --kills 1000 Serve       as many as the promise speaks of (LUOT_KILLS does the same)
"""

import argparse
import os
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest  # noqa: E402
from luot import LIGHT, eventually, kill_quietly, patience, stream_lengths  # noqa: E402

KILLS = int(os.environ.get("LUOT_KILLS") or 0)
SHORT = 0.6 if LIGHT else 0.35  # seconds between two kills, at most


def forget(log):
    """Of hundreds of starts only the logs with something to tell are kept."""
    text = log.read_bytes()
    if b" error " not in text and b"Sanitizer" not in text and b"runtime error" not in text:
        log.unlink()


class Serve(FaultTest):
    def test_serve_and_its_redis(self):
        kills = KILLS or (10 if LIGHT else 30)
        luot = self.world.luot()
        load = self.load(luot, rate=800 if LIGHT else 3000)
        began, slowest_start = time.monotonic(), 0.0
        for kill in range(kills):
            time.sleep(self.rng.random() * SHORT)  # the random moment itself
            load.addresses = []
            redis_pid = luot.redis_pid()
            # With its Redis at the same moment, a little before, or leaving it to end by itself.
            whole = self.rng.random() < 0.6 and redis_pid
            if whole and self.rng.random() < 0.5:
                kill_quietly(redis_pid, signal.SIGKILL)
                if self.rng.random() < 0.5:
                    time.sleep(self.rng.random() * 0.05)
            luot.kill()
            self.kills["serve"] += 1
            if whole:
                kill_quietly(redis_pid, signal.SIGKILL)
                self.kills["Redis"] += 1
            log = luot.log
            started = time.monotonic()
            luot.start(deadline=patience(20), reads=False)
            slowest_start = max(slowest_start, time.monotonic() - started)
            load.addresses = [luot.public]
            if kill >= 3:
                forget(log)
            if kill % 100 == 99:
                print(f"{kill + 1} kills, {load}", flush=True)
        load.end().wait(patience(60))
        eventually(lambda: sum(stream_lengths(luot.redis())) == 0, patience(60), "all is applied")
        print(f"{time.monotonic() - began:.0f} s, slowest start {slowest_start:.2f} s, slowest acknowledgement "
              f"{load.slowest:.2f} s", flush=True)
        self.check(load, [luot], [luot])
        self.assertLess(slowest_start, patience(10))


class Apart(FaultTest):
    """Two collectors and two aggregators, which go on while others are dead."""

    def setUp(self):
        super().setUp()
        self.deaths = KILLS or (4 if LIGHT else 12)

    def start(self, **redis_options):
        self.server = self.world.redis(**redis_options)
        self.collectors, self.aggregators = self.apart(self.server)
        self.hits = self.load(*self.collectors)

    def kill_aggregator(self):
        """One that is at work."""
        working = eventually(lambda: [a for a in self.aggregators if self.is_at_work(a)], patience(20))
        self.kill(self.rng.choice(working))

    def kill(self, daemon):
        self.kills[daemon.command] += 1
        daemon.kill()
        self.free_leases(self.server)
        time.sleep(self.rng.random() * SHORT)  # dead for a random time
        log = daemon.log
        daemon.start(reads=False)
        self.hits.addresses = [c.public for c in self.collectors]
        forget(log)

    def is_at_work(self, aggregator):
        metrics = aggregator.metrics()
        return metrics.value("luot_leases_held") > 0 and metrics.value("luot_applied_hits_total") > 0

    def kill_redis(self):
        self.kills["Redis"] += 1
        self.server.kill()
        time.sleep(self.rng.random() * SHORT)
        self.server.start()

    def kill_some(self, *choices):
        for _ in range(self.deaths):
            time.sleep(self.rng.random() * SHORT)  # the random moment itself
            self.rng.choice(choices)()
        self.check(self.hits, self.aggregators, self.collectors)

    def test_collectors(self):
        self.start()
        self.kill_some(lambda: self.kill(self.rng.choice(self.collectors)))

    def test_aggregators(self):
        self.start()
        self.kill_some(self.kill_aggregator)

    def test_all_with_a_redis_that_syncs_every_second(self):
        self.start(options=["--appendfsync", "everysec"])
        self.kill_some(lambda: self.kill(self.rng.choice(self.collectors)),
                       self.kill_aggregator, self.kill_redis)

    def test_all_with_a_redis_that_syncs_always(self):
        self.start(options=["--appendfsync", "always"])
        self.kill_some(lambda: self.kill(self.rng.choice(self.collectors)),
                       self.kill_aggregator, self.kill_redis)


def main():
    global KILLS
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=KILLS)
    options, rest = parser.parse_known_args()
    KILLS = options.kills
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")


if __name__ == "__main__":
    main()
