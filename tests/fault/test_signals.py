#!/usr/bin/env python3
"""SIGTERM and SIGHUP under load: an orderly end within 10 s, a new configuration at once, and no hit lost.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest  # noqa: E402
from luot import LIGHT, eventually, main, patience  # noqa: E402

TIMES = 3 if LIGHT else 8


class Signals(FaultTest):
    def test_stop_and_start_of_serve(self):
        luot = self.world.luot()
        load = self.load(luot, rate=300 if LIGHT else 2000)
        slowest = 0.0
        for _ in range(TIMES):
            self.more_hits(load, 200)
            began = time.monotonic()
            luot.stop()  # checks the exit status and the time
            slowest = max(slowest, time.monotonic() - began)
            load.addresses = []
            luot.start()
            load.addresses = [luot.public]
        print(f"slowest stop {slowest:.2f} s", flush=True)
        self.check(load, [luot], [luot])

    def test_stop_and_start_of_collectors_and_aggregators(self):
        collectors, aggregators = self.apart(self.world.redis())
        load = self.load(*collectors)
        for _ in range(TIMES):
            self.more_hits(load, 100)
            daemon = self.rng.choice(collectors + aggregators)
            load.addresses = [c.public for c in collectors if c is not daemon]
            daemon.stop()
            daemon.start(reads=False)
            load.addresses = [c.public for c in collectors]
        self.check(load, aggregators, collectors)

    def test_a_new_configuration_again_and_again(self):
        luot = self.world.luot()
        load = self.load(luot)
        for number in range(3 * TIMES):
            self.more_hits(load, 50)
            luot.config["site"].append({"id": f"new-{number}", "hosts": [f"new-{number}.example.vn"]})
            luot.write_config()
            luot.hang_up()
            eventually(lambda: luot.hit(f"new-{number}", "/a").status == 202, patience(5), "the new site is known")
        self.assertEqual(load.repeats, 0, "no connection was closed")
        self.check(load, [luot])
        self.assertEqual(luot.metrics().sum("luot_hits_unconfigured_total"), 0)


if __name__ == "__main__":
    main()
