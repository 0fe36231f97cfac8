#!/usr/bin/env python3
"""A hundred restarts under load, with sockets that a service manager holds, as systemd does for an upgrade: no
connection is refused or broken before its first answer, and no hit is lost or doubled."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest  # noqa: E402
from fresh_clients import FreshClients  # noqa: E402
from luot import LIGHT, eventually, hit_request, main, patience  # noqa: E402
from service_manager import ServiceManager  # noqa: E402

RESTARTS = 10 if LIGHT else 100
FRESH = ("thu-vien", "/fresh")  # no other hits are on this site
PAGES = [("skhcn", "/a"), ("skhcn", "/b"), ("bao", "/c")]
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class Restarts(FaultTest):
    def restart_under_load(self, daemon, reader):
        """The daemon, by a manager; `reader` shows the counts."""
        manager = ServiceManager(self.world.folder)
        self.addCleanup(manager.close)
        manager.look_after(daemon)
        daemon.start()
        public, admin = manager.addresses()
        load = self.load(daemon, rate=250, pages=PAGES, connections=8)
        fresh = FreshClients([(public, hit_request(*FRESH)), (admin, HEALTH)], rate=100)
        begun, slowest = time.monotonic(), 0.0
        for number in range(RESTARTS):
            stopped = time.monotonic()
            os.kill(daemon.pid, 15)
            self.assertEqual(daemon.wait_exit(), 0)
            daemon._forget_connections()
            daemon.start(wait=False)
            manager.wait_for("READY", number + 2, patience(20))
            slowest = max(slowest, time.monotonic() - stopped)
            answered = dict(fresh.answered)
            eventually(lambda: all(fresh.answered[a] >= n + 5 for a, n in answered.items()), patience(20),
                       f"new connections are answered after restart {number + 1}")
        took = time.monotonic() - begun
        fresh.end()
        daemon.wait_listening()
        self.assertEqual(manager.times("STOPPING"), RESTARTS)
        print(f"{self.name}: {RESTARTS} restarts in {took:.0f} s, the slowest {slowest:.2f} s; new connections answered: "
              f"{fresh.answered[public]} public, {fresh.answered[admin]} admin, slowest {fresh.slowest:.2f} s; failed: "
              f"{len(fresh.failed)}", flush=True)
        self.assertEqual(fresh.failed, [])
        load.end().wait(patience(60))
        eventually(lambda: reader.views(*FRESH) >= fresh.answered[public], patience(20))
        self.assertEqual(reader.views(*FRESH), fresh.answered[public])
        self.check(load, [reader], [daemon])

    def test_serve(self):
        luot = self.world.luot(start=False)
        self.restart_under_load(luot, luot)

    def test_a_collector(self):
        server = self.world.redis()
        aggregator = self.world.luot("aggregator", redis=server)
        self.restart_under_load(self.world.luot("collector", redis=server, start=False), aggregator)


if __name__ == "__main__":
    main()
