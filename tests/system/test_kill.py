#!/usr/bin/env python3
"""kill -9 of the whole of `luot serve` at random moments under load. Clients send a hit again, with the
same id, until it is acknowledged; in the end every page and site shows exactly the distinct hits sent.

    test_kill.py                30 kills
    test_kill.py --kills 1000   as many as the promise speaks of (LUOT_KILLS does the same)
"""

import argparse
import os
import signal
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (LIGHT, SITES, Load, SystemTest, eventually, kill_quietly, patience,  # noqa: E402
                  random_hits, seeded, steadily, stream_lengths)


class Kill(SystemTest):
    kills = int(os.environ.get("LUOT_KILLS") or (10 if LIGHT else 30))

    def test_nothing_is_lost_and_nothing_doubled(self):
        rng = seeded("test_kill")
        pages = [(SITES[i % 3]["id"], f"/bai-{i}") for i in range(200)]
        luot = self.world.luot()
        load = Load(random_hits(rng, pages), [luot.public], connections=16, rate=800 if LIGHT else 3000).start()
        began, slowest_start, with_redis = time.monotonic(), 0.0, 0
        for kill in range(self.kills):
            time.sleep(rng.random() * (0.6 if LIGHT else 0.35))  # the random moment itself
            load.addresses = []
            redis_pid = luot.redis_pid()
            # With its Redis at the same moment, a little before, or leaving it to end by itself.
            whole = rng.random() < 0.6 and redis_pid
            if whole and rng.random() < 0.5:
                kill_quietly(redis_pid, signal.SIGKILL)
                if rng.random() < 0.5:
                    time.sleep(rng.random() * 0.05)
            luot.kill()
            if whole:
                kill_quietly(redis_pid, signal.SIGKILL)
                with_redis += 1
            log = luot.log
            started = time.monotonic()
            luot.start(deadline=patience(20), reads=False)
            slowest_start = max(slowest_start, time.monotonic() - started)
            load.addresses = [luot.public]
            if kill >= 3:
                self.forget(log)
            if self.kills >= 100 and kill % 100 == 99:
                print(f"{kill + 1} kills, {load}", flush=True)
        load.end().wait(patience(60))
        spent = time.monotonic() - began

        eventually(lambda: sum(stream_lengths(luot.redis())) == 0, patience(60), "all is applied")
        try:
            eventually(lambda: self.differences(luot, load, pages) == (0, 0), patience(30))
        except AssertionError:
            pass  # what is lost and doubled is told below
        lost, doubled = self.differences(luot, load, pages)
        print(f"{self.kills} kills ({with_redis} with Redis) in {spent:.0f} s, {load.sent} hits sent, "
              f"{sum(load.acknowledged.values())} acknowledged, {load.repeats} sent again, {lost} lost, "
              f"{doubled} doubled, slowest start {slowest_start:.2f} s, slowest acknowledgement "
              f"{load.slowest:.2f} s", flush=True)
        self.assertEqual(sum(load.views.values()), load.sent)
        self.assertFalse(load.refused)
        self.assertEqual((lost, doubled), (0, 0))
        self.assert_counted(luot, load.views)
        steadily(lambda: luot.views("skhcn") == sum(n for (s, _), n in load.views.items() if s == "skhcn"), 3,
                 "no old log brings a hit once more")
        self.assert_balanced(luot)
        self.assertEqual(luot.metrics().sum("luot_hits_lost_total"), 0)
        sums = self.assert_positions(luot, lost=0)
        self.assertGreaterEqual(sums["spooled"], load.acknowledgements)
        self.assertLess(slowest_start, patience(10))

    @staticmethod
    def differences(luot, load, pages):
        """Views of single pages that are missing, and that are too many."""
        lost = doubled = 0
        for site in {site for site, _ in pages}:
            shown = luot.all_views(site, [page for s, page in pages if s == site])
            for page, views in shown.items():
                lost += max(0, load.views[site, page] - views)
                doubled += max(0, views - load.views[site, page])
        return lost, doubled

    @staticmethod
    def forget(log):
        """Of hundreds of starts only the logs with something to tell are kept."""
        text = log.read_bytes()
        if b" error " not in text and b"Sanitizer" not in text and b"runtime error" not in text:
            log.unlink()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=Kill.kills)
    options, rest = parser.parse_known_args()
    Kill.kills = options.kills
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2, warnings="ignore")


if __name__ == "__main__":
    main()
