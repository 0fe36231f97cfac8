#!/usr/bin/env python3
"""The process dies at each place where a death could lose or double something: again and again at the same
one, each time at another pass, under load that goes on with the next start.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY, Clock, FaultTest, LONG, RATE, is_stopped  # noqa: E402
from luot import LIGHT, eventually, main, patience  # noqa: E402

DAY = 24 * 3600
DEATHS = 12 if LONG else 2 if LIGHT else 4  # of each point


class FailPoints(FaultTest):
    def die_at(self, point, config=None, passes=40, deaths=DEATHS, rate=RATE):
        luot = self.faulty(config=config)
        luot.start()
        load = self.load(luot, rate=rate)
        self.more_hits(load, 50)
        luot.stop()
        for _ in range(deaths):
            load.addresses = []
            luot.environment = {"LUOT_FAIL_POINT": f"{point}:{self.rng.randrange(1, passes)}:kill"}
            luot.start(wait=False)
            if eventually(lambda: luot.is_listening() or not luot.is_running(), patience(20)):
                load.addresses = [luot.public] if luot.public else []
            self.assertEqual(luot.wait_exit(patience(90)), -signal.SIGKILL, f"it passes {point}")
            luot._forget_connections()
            self.kills[point] += 1
        load.addresses, luot.environment = [], {}
        luot.start()
        load.addresses = [luot.public]
        self.more_hits(load, 50)
        self.check(load, [luot], [luot])

    # A spool so small that segments come and go all the time.
    SMALL = {"config": {"spool": {"max_bytes": "1MiB"}, "collector": {"workers": 1}}, "rate": 4 * RATE}

    def test_before_the_write_to_the_spool(self):
        self.die_at("spool.before_write")

    def test_after_the_write_to_the_spool(self):
        self.die_at("spool.written")

    def test_after_the_write_before_the_sync(self):
        self.die_at("spool.written", {"spool": {"sync": "disk"}})

    def test_before_the_answer(self):
        self.die_at("hit.before_answer")

    def test_before_a_new_segment_is_in_use(self):
        self.die_at("segment.begun", passes=5, **self.SMALL)

    def test_before_ship_lua(self):
        self.die_at("ship.before")

    def test_after_ship_lua_before_its_answer_is_used(self):
        self.die_at("ship.answered")

    def test_before_apply_lua(self):
        self.die_at("apply.before")

    def test_after_apply_lua(self):
        self.die_at("apply.answered")

    # So much that rows of breakdowns wait.
    BUSY = {"config": {"collector": {"workers": 1}}, "rate": 8 * RATE, "passes": 3}

    def test_before_rows_that_wait_are_put_together(self):
        self.die_at("settle.merge", **self.BUSY)

    def test_before_rows_are_written(self):
        self.die_at("settle.before", **self.BUSY)

    def test_after_rows_were_written(self):
        self.die_at("settle.answered", **self.BUSY)

    def test_in_the_removal_of_a_segment(self):
        self.die_at("segment.removed", passes=6, **self.SMALL)

    def test_between_a_log_s_tombstone_and_its_last_segment(self):
        self.die_at("segment.tombstone", passes=2, **self.SMALL)

    def test_between_a_log_s_last_file_and_its_name_in_redis(self):
        """A week after its last hit a log goes altogether: its file first, then what Redis knows by its name."""
        clock = Clock(self.world)
        luot = self.faulty(config=self.SMALL["config"])
        luot.environment = clock.environment
        luot.start()
        load = self.load(luot, rate=self.SMALL["rate"])
        while len(luot.emptied_logs()) < DEATHS // 2:
            self.more_hits(load, 500)
            load.addresses = []
            luot.stop()
            luot.start()
            load.addresses = [luot.public]
        names = luot.emptied_logs()
        load.pause()
        load.addresses = []
        luot.stop()
        clock.set(8 * DAY)
        for _ in range(DEATHS // 2):
            luot.environment = {**clock.environment, "LUOT_FAIL_POINT": "log.unlinked:1:kill"}
            luot.start(wait=False)
            self.assertEqual(luot.wait_exit(patience(90)), -signal.SIGKILL, "it passes log.unlinked")
            luot._forget_connections()
            self.kills["log.unlinked"] += 1
        luot.environment = clock.environment
        luot.start()
        load.addresses = [luot.public]
        load.go_on()
        self.more_hits(load, 50)
        self.check(load, [luot], [luot], clock_was_set=True)
        self.assertFalse(names & luot.emptied_logs())


class Apart(FaultTest):
    """The collector or the aggregator dies alone, or Redis, while the others go on."""

    def begin(self):
        self.server = self.world.redis()
        (self.collector,), (self.aggregator,) = self.apart(self.server, 1, 1)
        self.hits = self.load(self.collector)
        self.more_hits(self.hits, 50)

    def die_at(self, daemon, *points):
        daemon.stop()
        daemon.binary = FAULTY
        for point in [point for point in points for _ in range(max(1, DEATHS // 2))]:
            daemon.environment = {"LUOT_FAIL_POINT": f"{point}:{self.rng.randrange(1, 30)}:kill"}
            daemon.start(wait=False)
            eventually(lambda: daemon.is_listening() or not daemon.is_running(), patience(20))
            self.hits.addresses = [self.collector.public] if self.collector.public else []
            self.assertEqual(daemon.wait_exit(patience(90)), -signal.SIGKILL, f"it passes {point}")
            daemon._forget_connections()
            self.kills[point] += 1
            self.free_leases(self.server)
        daemon.environment = {}
        daemon.start()
        self.hits.addresses = [self.collector.public]
        self.more_hits(self.hits, 50)
        self.check(self.hits, [self.aggregator], [self.collector])

    def test_the_collector(self):
        self.begin()
        self.die_at(self.collector, "spool.before_write", "spool.written", "hit.before_answer", "ship.before",
                    "ship.answered")

    def test_the_aggregator(self):
        self.begin()
        self.die_at(self.aggregator, "apply.before", "apply.answered")

    def test_redis(self):
        """luot stands still at the point while Redis dies and starts again."""
        server = self.world.redis()
        luot = self.faulty(redis=server)
        luot.start()
        load = self.load(luot)
        self.more_hits(load, 50)
        for point in ("ship.before", "ship.answered", "apply.before", "apply.answered"):
            luot.stop()
            luot.environment = {"LUOT_FAIL_POINT": f"{point}:{self.rng.randrange(5, 40)}:freeze"}
            luot.start(reads=False)
            load.addresses = [luot.public]
            eventually(lambda: is_stopped(luot.pid), patience(20), f"it passes {point}")
            server.kill()
            server.start()
            os.kill(luot.pid, signal.SIGCONT)
            self.kills[f"Redis at {point}"] += 1
            self.more_hits(load, 50)
        luot.environment = {}
        self.check(load, [luot], [luot])


if __name__ == "__main__":
    main()
