#!/usr/bin/env python3
"""The clock of the machine is set, forward and back by an hour, under load; and those of two machines differ.
"""

import collections
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import RATE, Clock, FaultTest  # noqa: E402
from luot import SITES, eventually, main, patience, steadily  # noqa: E402

HOUR = 3600
ZONES = {site["id"]: ZoneInfo(site["timezone"]) for site in SITES}


def until_late_evening():
    """Seconds from now to 23:40 in Vietnam, 16:40 in UTC: an hour's step goes over one midnight, eight over both."""
    return 16 * HOUR + 40 * 60 - time.time() % (24 * HOUR)


class SetClock(FaultTest):
    def with_clock(self):
        clock = Clock(self.world)
        luot = self.world.luot(start=False)
        luot.environment = clock.environment  # its private Redis inherits it
        return clock, luot

    def test_of_the_whole_machine(self):
        clock, luot = self.with_clock()
        luot.start()
        load = self.load(luot)
        for shift in (0, HOUR, 0, -HOUR, 0, HOUR):
            clock.set(shift)
            self.more_hits(load, 300)
        luot.kill()
        clock.set(-HOUR)
        load.addresses = []
        luot.start()
        load.addresses = [luot.public]
        self.more_hits(load, 300)
        self.check(load, [luot], [luot], clock_was_set=True)

    def test_a_hit_counts_in_the_day_of_the_clock_that_it_came_under(self):
        clock, luot = self.with_clock()
        evening = until_late_evening()
        clock.set(evening)
        luot.start()
        load = self.load(luot)
        wanted, before = collections.Counter(), collections.Counter()
        for step in (0, HOUR, 0, 8 * HOUR, -HOUR):
            clock.set(evening + step)
            load.go_on()
            self.more_hits(load, 300)
            load.pause()
            now = datetime.fromtimestamp(time.time() + evening + step, timezone.utc)
            views = load.snapshot()
            for (site, page), n in (views - before).items():
                wanted[site, now.astimezone(ZONES[site]).date().isoformat()] += n
            before = views
        self.check(load, [luot], [luot], clock_was_set=True)
        redis, shown = luot.redis(), collections.Counter()
        for key in redis.scan_iter("luot:{p*}:*:day:????-??-??"):
            _, _, site, _, day = key.decode().split(":")
            shown[site, day] += int(redis.hget(key, "views") or 0)
        self.assertEqual(+shown, +wanted)
        self.assertEqual(len(+wanted), 6, "each site has had two days")

    def test_a_repeat_is_known_on_either_side_of_a_step(self):
        clock, luot = self.with_clock()
        evening = until_late_evening()
        clock.set(evening)
        luot.start()
        ids = []
        for step in (HOUR, 0, -HOUR, 8 * HOUR, 23 * HOUR, 0):
            ids.append(f"s{len(ids)}")
            for id in ids:
                luot.take_hit("skhcn", "/a", id=id)
            luot.kill()  # what it remembers goes with it
            clock.set(evening + step)
            luot.start()
        for id in ids:
            token = luot.take_hit("skhcn", "/a", id=id)
            luot.wait_for("skhcn", token)
        self.assertEqual(luot.views("skhcn", "/a"), len(ids))

    def test_a_repeat_is_known_long_after_the_clock_was_set_back(self):
        """A machine whose own clock is in local time, until the network tells it the time. What it took before lies
        in the future; what it takes now is not past because of that."""
        clock, luot = self.with_clock()
        morning = (18 * HOUR - time.time()) % (24 * HOUR)  # 01:00 in Vietnam: both are of one day there
        clock.set(morning + 7 * HOUR)
        luot.start()
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/a", id="before"))
        redis = luot.redis()
        hash_of_logs, = (key for key in redis.keys("luot:*:producers") if redis.hget(key, "tip"))
        clock.set(morning)
        self.assertEqual(luot.counts("skhcn")["online"], 0, "who was there seven hours ahead is not there now")
        ids = ["before", "after"]
        for _ in range(3):
            for id in ids:
                luot.wait_for("skhcn", luot.take_hit("skhcn", "/a", id=id))
            # What is past is forgotten every 16 s; it is told there every minute, or when the test says that it is long ago.
            redis.hset(hash_of_logs, "tidied", 1)
            eventually(lambda: redis.hget(hash_of_logs, "tidied") != b"1", patience(40), "a look for what is past")
        counts = luot.counts("skhcn", "/a")
        self.assertEqual((counts["pages"]["/a"]["views"], counts["visits"]), (len(ids), 1))

    def test_what_no_visit_needs_is_forgotten_while_hits_come_in(self):
        """Also where none come in: one site is busy, of another one page was read an hour ago."""
        clock, luot = self.with_clock()
        luot.start()
        luot.wait_for("thu-vien", luot.take_hit("thu-vien", "/a"))
        seen, = luot.redis().keys("luot:*:thu-vien:seen")
        load = self.load(luot, pages=[("skhcn", "/a"), ("skhcn", "/b")])
        self.more_hits(load, 100)
        clock.set(HOUR)
        # Each partition is looked at every 16 s.
        eventually(lambda: not luot.redis().exists(seen), patience(40), "the visitor is forgotten")
        self.check(load, [luot], [luot], clock_was_set=True)

    def test_a_log_of_which_hits_wait_keeps_its_name_for_as_long(self):
        """No aggregator for more than the week after which an emptied log goes."""
        clock, server = Clock(self.world), self.world.redis()
        collector = self.world.luot("collector", redis=server, start=False,
                                    config={"spool": {"max_bytes": "1MiB"}, "collector": {"workers": 1}})
        collector.environment = clock.environment
        collector.start()
        load = self.load(collector, rate=4 * RATE)

        def restart():
            load.pause()
            load.addresses = []
            collector.stop()
            collector.start()
            load.addresses = [collector.public]
            load.go_on()
        while not collector.emptied_logs():
            self.more_hits(load, 500)
            restart()
        waiting = collector.emptied_logs()
        clock.set(8 * 24 * HOUR)
        restart()
        self.more_hits(load, 100)
        steadily(lambda: waiting <= collector.emptied_logs(), 3)
        aggregator = self.world.luot("aggregator", redis=server)
        self.check(load, [aggregator], [collector], clock_was_set=True)
        eventually(lambda: not waiting & collector.emptied_logs(), patience(20), "they go once all is applied")

    def test_a_collector_that_was_first_started_before_its_clock_was_set_goes_on_by_itself(self):
        """A machine without a clock of its own says 1970 until the network has told it the time."""
        clock = Clock(self.world)
        collector = self.world.luot("collector", redis=self.world.redis(), start=False)
        collector.environment = clock.environment
        clock.set(100 - time.time())
        collector.start(reads=False)
        collector.take_hit("skhcn", "/a")
        self.assertIn("clock_not_set", collector.log_text())
        chain = (collector.data_dir / "salts").read_text().split()
        collector.stop()
        self.assertNotIn("salts_brought_up_to_date", collector.log_text())
        clock.set(0)
        collector.start(reads=False)
        collector.take_hit("skhcn", "/a")
        self.assertIn("salts_brought_up_to_date", collector.log_text())
        now = (collector.data_dir / "salts").read_text().split()
        self.assertEqual(now[3], chain[3], "the same chain: a repeat is still known")
        self.assertAlmostEqual(int(now[5]), time.time() / 86_400 - 2, delta=1)

    def test_of_one_collector_of_two(self):
        """It is ahead by an hour, then behind, while Redis and the other collector are right."""
        server = self.world.redis()
        collectors, aggregators = self.apart(server, 1, 1)
        clock = Clock(self.world)
        wrong = self.world.luot("collector", "wrong", redis=server, start=False)
        wrong.environment = clock.environment
        self.world.share_salts(collectors[0], wrong)
        wrong.start()
        collectors.append(wrong)
        load = self.load(*collectors, ids=False)
        for shift in (HOUR, -HOUR, 0):
            clock.set(shift)
            self.more_hits(load, 400)
        self.check(load, aggregators, collectors, clock_was_set=True)


if __name__ == "__main__":
    main()
