#!/usr/bin/env python3
"""The long run of the fault suite; tests/fault/soak.sh starts it with a seed and a number of minutes."""

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY, FaultTest  # noqa: E402
from luot import eventually, main, patience  # noqa: E402

MINUTES = float(os.environ.get("LUOT_SOAK_MINUTES") or 1)
POINTS = {
    "collector": ("spool.before_write", "spool.written", "hit.before_answer", "segment.begun", "ship.before",
                  "ship.answered", "segment.removed", "segment.tombstone"),
    "aggregator": ("apply.before", "apply.answered"),
}


class Soak(FaultTest):
    def setUp(self):
        super().setUp()
        self.server = self.world.redis(options=["--appendfsync", "everysec"])
        self.wire = self.proxy(self.server)
        # A spool that is small for what comes in an hour: segments come and go, and what Redis has makes room.
        self.collectors, self.aggregators = self.apart(self.wire, config={"spool": {"max_bytes": "64MiB"}})
        self.daemons = self.collectors + self.aggregators
        self.are_armed = True
        for daemon in self.daemons:
            daemon.binary = FAULTY
        self.hits = self.load(*self.collectors, rate=1200, connections=24)

    def start(self, daemon):
        """Now and then with a fail point that will end it."""
        daemon.environment = {}
        if self.are_armed and self.rng.random() < 0.4:
            point = self.rng.choice(POINTS[daemon.command])
            daemon.environment = {"LUOT_FAIL_POINT": f"{point}:{self.rng.randrange(1, 60)}:kill"}
        log = daemon.log
        daemon.start(wait=False)
        eventually(lambda: daemon.is_listening() or not daemon.is_running(), patience(20), "it listens, or died again")
        text = log.read_bytes()
        if not any(word in text for word in (b"Sanitizer", b"runtime error", b" failed ")):
            log.unlink()  # of hundreds of starts only those with something to tell are kept
        self.hits.addresses = [c.public for c in self.collectors if c.is_running() and c.public]

    def look_after(self):
        """Who died at a fail point is started again."""
        for daemon in self.daemons:
            if not daemon.is_running():
                self.assertEqual(daemon.process.returncode, -signal.SIGKILL, daemon.log)
                daemon._forget_connections()
                self.kills[f"{daemon.command} at a fail point"] += 1
                self.start(daemon)

    def pause(self, longest):
        time.sleep(self.rng.random() * longest)

    def kill(self, *daemons):
        for daemon in daemons:
            if daemon.is_running():
                self.kills[daemon.command] += 1
                daemon.kill()
        self.pause(0.5)
        if self.rng.random() < 0.7:
            self.free_leases(self.server)
        for daemon in daemons:
            self.start(daemon)

    def kill_one(self):
        self.kill(self.rng.choice(self.daemons))

    def kill_both_kinds(self):
        self.kill(self.rng.choice(self.collectors), self.rng.choice(self.aggregators))

    def kill_all(self):
        self.kill(*self.daemons)

    def kill_redis(self):
        self.kills["Redis"] += 1
        self.server.kill()
        self.pause(0.5)
        self.server.start()

    def stop_one(self):
        daemon = self.rng.choice(self.daemons)
        if daemon.is_running() and not daemon.environment:
            daemon.stop()
            self.start(daemon)

    def freeze_one(self):
        daemon = self.rng.choice(self.aggregators)
        if daemon.is_running():
            os.kill(daemon.pid, signal.SIGSTOP)
            self.pause(9)
            os.kill(daemon.pid, signal.SIGCONT)

    def cut_network(self):
        self.rng.choice((self.wire.refuse, self.wire.black_hole, lambda: self.wire.delay(0.2),
                         lambda: self.wire.cut(self.proxy_rng)))()
        self.pause(7)
        self.wire.forward(self.rng.choice((0, 1)))

    def test_soak(self):
        actions = [(self.kill_one, 60), (self.kill_both_kinds, 12), (self.kill_all, 5), (self.kill_redis, 14),
                   (self.stop_one, 5), (self.freeze_one, 2), (self.cut_network, 2)]
        end, told = time.monotonic() + 60 * MINUTES, 0
        while time.monotonic() < end:
            action, = self.rng.choices([a for a, _ in actions], [w for _, w in actions])
            action()
            self.look_after()
            self.pause(1.2)
            self.look_after()
            if sum(self.kills.values()) >= told + 100:
                told = sum(self.kills.values())
                print(f"{told} kills, {self.hits}", flush=True)
        self.are_armed = False
        self.kill_all()
        self.hits.addresses = [c.public for c in self.collectors]
        self.check(self.hits, self.aggregators, self.collectors)
        print(f"slowest acknowledgement {self.hits.slowest:.2f} s", flush=True)
        if MINUTES >= 30:
            self.assertGreaterEqual(sum(self.kills.values()), 1000)
            self.assertGreaterEqual(self.hits.acknowledgements, 1_000_000)


if __name__ == "__main__":
    main()
