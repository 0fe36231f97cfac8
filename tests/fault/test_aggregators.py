#!/usr/bin/env python3
"""Several aggregators on the same partitions: dead, frozen for longer than their lease and then going on,
frozen right before apply.lua, and with no lease at all. Correctness rests on the compare-and-set alone.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY, FaultTest, LONG, is_stopped  # noqa: E402
from luot import PARTITIONS, eventually, main, patience  # noqa: E402

LEASE_S = 6


class Aggregators(FaultTest):
    def begin(self, aggregators):
        self.server = self.world.redis(tcp=True)
        self.collectors, self.aggregators = self.apart(self.server, aggregators=aggregators)
        self.hits = self.load(*self.collectors, ids=False)
        self.more_hits(self.hits, 200)

    def current(self, reader):
        """Waits until a reader shows what has been acknowledged by now."""
        wanted = self.hits.snapshot()

        def shown():
            for site in {site for site, _ in wanted}:
                views = reader.all_views(site, [page for s, page in wanted if s == site])
                self.assertFalse([p for p, n in views.items() if n < wanted[site, p]])
            return True
        eventually(shown, patience(LEASE_S + 4), "another aggregator has taken over")

    def freeze_each_in_turn(self):
        for _ in range(2 if LONG else 1):
            for frozen in self.aggregators:
                os.kill(frozen.pid, signal.SIGSTOP)
                try:
                    time.sleep(LEASE_S + 1)  # longer than its lease
                    others = [a for a in self.aggregators if a is not frozen]
                    self.current(self.rng.choice(others))
                finally:
                    os.kill(frozen.pid, signal.SIGCONT)
                self.more_hits(self.hits, 100)

    def test_one_of_two_frozen_and_continued(self):
        self.begin(2)
        self.settle(self.server)
        self.freeze_each_in_turn()
        self.check(self.hits, self.aggregators, self.collectors)

    def test_one_of_three_frozen_and_continued(self):
        self.begin(3)
        self.settle(self.server)
        self.freeze_each_in_turn()
        self.check(self.hits, self.aggregators, self.collectors)

    def test_frozen_with_a_folded_batch_in_hand(self):
        """It wakes with additions made of entries that another has applied meanwhile."""
        self.begin(1)
        for point in ("apply.before", "apply.answered", "apply.before"):
            other = self.world.luot("aggregator", f"frozen-{len(self.world.parts)}", redis=self.server, start=False)
            other.binary = FAULTY
            other.environment = {"LUOT_FAIL_POINT": f"{point}:{self.rng.randrange(1, 30)}:freeze"}
            for part in self.aggregators:
                part.stop()  # the partitions are the other's now
            other.start(wait=False)
            eventually(lambda: is_stopped(other.pid), patience(20), f"it passes {point}")
            for part in self.aggregators:
                part.start(reads=False)
            time.sleep(patience(LEASE_S) + 1)
            self.current(self.aggregators[0])
            os.kill(other.pid, signal.SIGCONT)
            other.wait_listening()
            if point == "apply.before":
                eventually(lambda: other.metrics().value("luot_apply_stale_total") > 0, patience(10),
                           "its batch comes too late")
            other.environment = {}
            self.more_hits(self.hits, 100)
            self.aggregators.append(other)
        self.check(self.hits, self.aggregators, self.collectors)

    def test_each_takes_its_share(self):
        """And that of one that died, within 10 s; of one that stops, soon."""
        self.begin(1)
        extra = [self.world.luot("aggregator", f"extra-{i}", redis=self.server, start=False) for i in range(2)]

        def shares(*wanted, deadline=patience(8)):
            working = [a for a in self.aggregators + extra if a.is_running()]
            eventually(lambda: sorted(int(a.metrics().value("luot_leases_held")) for a in working) == sorted(wanted)
                       or self.fail([a.metrics().value("luot_leases_held") for a in working]), deadline)
        shares(16)
        extra[0].start()
        shares(8, 8, deadline=patience(20))  # once it has been there for ten seconds
        extra[1].start()
        eventually(lambda: len(self.server.client().hgetall("luot:aggregators")) == 3, patience(5))
        self.settle(self.server)
        shares(6, 6, 4)
        extra[0].stop()
        shares(8, 8)
        self.kills["aggregator"] += 1
        extra[1].kill()
        shares(16, deadline=patience(10))
        self.check(self.hits, self.aggregators, self.collectors)

    def test_one_that_dies_young_takes_nothing_from_the_others(self):
        self.begin(1)
        eventually(lambda: self.aggregators[0].metrics().value("luot_leases_held") == 16, patience(8))
        young = self.world.luot("aggregator", "young", redis=self.server, start=False)
        for _ in range(5):
            young.start(reads=False)
            eventually(lambda: young.metrics().value("luot_redis_connects_total") > 0, patience(5))
            time.sleep(0.5)
            self.kills["aggregator"] += 1
            young.kill()
            self.assertEqual(self.aggregators[0].metrics().value("luot_leases_held"), 16)
        self.check(self.hits, self.aggregators, self.collectors)

    def test_one_that_makes_no_progress_loses_its_leases(self):
        """It is connected and well, but Redis lets it apply nothing."""
        self.begin(1)
        client = self.server.client()
        client.execute_command("ACL", "SETUSER", "poor", "on", ">pw", "~*", "&*", "+@all", "-xtrim")
        poor = self.world.luot("aggregator", "poor", redis=self.server, start=False)
        poor.config["redis"]["url"] = f"redis://poor:pw@127.0.0.1:{self.server.port}/0"
        poor.start(reads=False)
        eventually(lambda: len(client.hgetall("luot:aggregators")) == 2, patience(5))
        self.settle(self.server)
        eventually(lambda: poor.metrics().value("luot_leases_held") == 8, patience(8), "it has its share")
        self.more_hits(self.hits, 200)
        eventually(lambda: self.aggregators[0].metrics().value("luot_leases_held") == 16, patience(14),
                   "the other has taken it over")
        self.assertIn(" leases_lost ", poor.log_text())
        self.current(self.aggregators[0])
        self.check(self.hits, self.aggregators, self.collectors)

    def test_without_any_lease(self):
        """Leases are taken away as fast as they are given: all work on all partitions at once."""
        self.begin(3)
        client, over = self.server.client(), threading.Event()
        keys = ["luot:aggregators", *(f"luot:{{p{part:02}}}:lease" for part in range(PARTITIONS))]

        def take_away():
            while not over.is_set():
                client.delete(*keys)
                time.sleep(0.002)
        thread = threading.Thread(target=take_away, daemon=True)
        thread.start()
        try:
            eventually(lambda: sum(a.metrics().value("luot_leases_held") for a in self.aggregators) > 2 * PARTITIONS,
                       patience(20), "several work on one partition")
            self.more_hits(self.hits, 4000 if LONG else 1500, patience(60))
        finally:
            over.set()
            thread.join()
        stale = sum(a.metrics().value("luot_apply_stale_total") for a in self.aggregators)
        self.check(self.hits, self.aggregators, self.collectors)
        self.assertGreater(stale, 0, "they met")


if __name__ == "__main__":
    main()
