#!/usr/bin/env python3
"""Redis frozen, killed, or not there at the start: every hit is acknowledged all the same, none is lost, and
reads say that they cannot answer instead of answering wrongly.

LUOT_LONG=1 keeps Redis away for 60 s instead of 8, and for 3 minutes while the spool grows.
"""

import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import LONG, PAGES, RATE, FaultTest  # noqa: E402
from luot import eventually, main, patience  # noqa: E402

AWAY = 60 if LONG else 8
GROWING = 180 if LONG else 4
CURRENT_WITHIN = 5  # seconds from the return of Redis until the counts are current


class Away(FaultTest):
    def begin(self, luot):
        load = self.load(luot, ids=False)
        self.more_hits(load, 100)
        eventually(lambda: luot.views("skhcn") > 0, patience(5), "hits are counted")
        return load

    def assert_reads_are_refused(self, luot):
        """503 with Retry-After on every way out, and never a number."""
        for target in ("/api/v1/counts?site=skhcn&path=/bai-0", "/api/v1/summary?site=skhcn",
                       "/count.txt?site=skhcn"):
            began = time.monotonic()
            answer = luot.http.get(target)
            self.assertEqual(answer.status, 503, answer)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
            self.assertLess(time.monotonic() - began, patience(5), "a refusal comes soon")

    def stay_away(self, luot, load, seconds):
        """Redis is away by now; hits go on."""
        end = time.monotonic() + seconds
        eventually(lambda: luot.http.get("/api/v1/counts?site=skhcn").status == 503, patience(6),
                   "reads are refused while Redis is away")
        before = load.acknowledgements
        while time.monotonic() < end:
            self.assert_reads_are_refused(luot)
            self.assertEqual(luot.admin_http.get("/readyz").status, 200, "serve is ready without Redis")
            self.assertEqual(luot.admin_http.get("/healthz").status, 200)
            self.assertEqual(luot.http.get("/luot.js").status, 200)
            eventually(lambda: time.monotonic() >= end or load.acknowledgements > before, patience(5))
            time.sleep(0.2)  # the pace of the looks, nothing waits for it
        self.assertGreater(load.acknowledgements - before, seconds * 20, "hits were taken all the time")

    def assert_current_soon(self, luot, load, returned):
        """All that was acknowledged before the return shows within 5 s of it; hits go on meanwhile."""
        wanted = load.snapshot()

        def current():
            for site in {s for s, _ in PAGES}:
                shown = luot.all_views(site, [p for s, p in PAGES if s == site])
                behind = {p: (n, wanted[site, p]) for p, n in shown.items() if n < wanted[site, p]}
                self.assertFalse(behind, "path: (shown, acknowledged)")
            return True

        left = returned + patience(CURRENT_WITHIN) - time.monotonic()
        eventually(current, left, f"counts are current within {CURRENT_WITHIN} s")
        print(f"{sum(wanted.values())} hits were current {time.monotonic() - returned:.1f} s after Redis came back",
              flush=True)

    def finish(self, luot, load):
        self.check(load, [luot], [luot])
        self.assertEqual(load.unavailable, 0, "every hit is acknowledged at once")

    def test_a_frozen_redis_loses_nothing(self):
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        self.assertIsNone(luot.redis_pid(), "with redis.url there is no private Redis")
        load = self.begin(luot)
        server.freeze()
        self.stay_away(luot, load, AWAY)
        server.thaw()
        self.assert_current_soon(luot, load, time.monotonic())
        self.finish(luot, load)

    def test_a_killed_redis_loses_nothing(self):
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        load = self.begin(luot)
        server.kill()
        self.kills["Redis"] += 1
        self.stay_away(luot, load, AWAY)
        server.start()
        self.assert_current_soon(luot, load, time.monotonic())
        self.finish(luot, load)

    def test_a_killed_private_redis_is_started_again(self):
        luot = self.world.luot()
        load = self.begin(luot)
        for _ in range(3):
            old = luot.redis_pid()
            os.kill(old, signal.SIGKILL)
            self.kills["Redis"] += 1
            eventually(lambda: luot.redis_pid() not in (None, old) and luot.redis().ping(), patience(10),
                       "the private Redis is started again")
            self.assert_current_soon(luot, load, time.monotonic())
        self.finish(luot, load)

    def test_a_frozen_private_redis_loses_nothing(self):
        luot = self.world.luot()
        load = self.begin(luot)
        pid = luot.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        self.stay_away(luot, load, AWAY / 2)
        os.kill(pid, signal.SIGCONT)
        self.assert_current_soon(luot, load, time.monotonic())
        self.assertEqual(luot.redis_pid(), pid, "a slow Redis is not replaced by a second one")
        self.finish(luot, load)

    def test_redis_away_at_the_start_is_no_reason_not_to_take_hits(self):
        server = self.world.redis()
        server.stop()
        luot = self.world.luot(redis=server, reads=False)
        load = self.load(luot, ids=False)
        self.more_hits(load, 100)
        self.assert_reads_are_refused(luot)
        server.start()
        self.finish(luot, load)

    def test_the_spool_grows_for_long_and_is_drained_while_hits_come_in(self):
        """Over many segments, of logs of earlier runs too."""
        server = self.world.redis()
        collectors, aggregators = self.apart(server, config={"spool": {"max_bytes": f"{2 * GROWING}MiB"}})
        load = self.load(*collectors, rate=4 * RATE)
        self.more_hits(load, 100)
        server.freeze()
        for _ in range(4):
            time.sleep(GROWING / 4)
            killed = self.rng.choice(collectors)
            self.kills["collector"] += 1
            killed.kill()
            killed.start()
            load.addresses = [c.public for c in collectors]
        eventually(lambda: list(self.world.folder.glob("c*/spool/*.00000002.spool")), patience(30), "segments are full")
        server.thaw()
        self.assert_current_soon(aggregators[0], load, time.monotonic())
        self.check(load, aggregators, collectors)
        self.assertEqual(load.unavailable, 0)


if __name__ == "__main__":
    main()
