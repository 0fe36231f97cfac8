#!/usr/bin/env python3
"""The network between luot and Redis misbehaves, under load: closed, silent, slow, in single bytes, cut in
the middle of a reply. What was sent into a silent network arrives long after its sender has given up.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest, LONG, RATE  # noqa: E402
from luot import eventually, main, patience  # noqa: E402

GIVES_UP_S = 5  # luot's patience with one question


class Network(FaultTest):
    def go_through(self, fault, seconds, rate=RATE, late=0, is_met=lambda proxy: True):
        server = self.world.redis()
        proxy = self.proxy(server)
        luot = self.world.luot(redis=proxy)
        load = self.load(luot, rate=rate, ids=False)
        self.more_hits(load, 100)
        for _ in range(3 if LONG else 1):
            fault(proxy)
            before = load.acknowledgements
            time.sleep(seconds)  # how long it lasts
            self.assertGreater(load.acknowledgements, before + 20, "hits are taken whatever Redis does")
            eventually(lambda: is_met(proxy), patience(30), "it is met often enough")
            proxy.forward(late)
            self.more_hits(load, 100)
            time.sleep(late)  # until all has arrived
        self.check(load, [luot], [luot])

    def test_closed(self):
        self.go_through(lambda proxy: proxy.refuse(), 2)

    def test_silent_until_luot_gives_up(self):
        self.go_through(lambda proxy: proxy.black_hole(), GIVES_UP_S + 2)

    def test_what_was_on_the_way_arrives_when_it_has_been_sent_again(self):
        self.go_through(lambda proxy: proxy.black_hole(), GIVES_UP_S + 2, late=2)

    def test_silent_for_a_moment(self):
        self.go_through(lambda proxy: proxy.black_hole(), 1.5)

    def test_slow(self):
        self.go_through(lambda proxy: proxy.delay(0.3), 3)

    def test_single_bytes(self):
        self.go_through(lambda proxy: proxy.split(), 4, rate=100)

    def test_cut_in_the_middle_of_replies(self):
        self.go_through(lambda proxy: proxy.cut(self.proxy_rng), 5, is_met=lambda proxy: proxy.cuts > 5)


class Partition(FaultTest):
    def test_one_of_two_aggregators_and_one_of_two_collectors_are_cut_off(self):
        """What the cut-off ones had on the way arrives when the others have long taken over."""
        server = self.world.redis()
        proxy = self.proxy(server)
        collectors, aggregators = self.apart(server, 1, 1)
        far_collectors = [self.world.luot("collector", "far-c", redis=proxy, start=False)]
        self.world.share_salts(collectors[0], far_collectors[0])
        far_collectors[0].start()
        far = self.world.luot("aggregator", "far-a", redis=proxy)
        collectors += far_collectors
        load = self.load(*collectors, ids=False)
        for _ in range(3 if LONG else 1):
            applied = far.metrics().value("luot_applied_hits_total")
            self.settle(server)
            eventually(lambda: far.metrics().value("luot_leases_held") == 8 and
                       far.metrics().value("luot_applied_hits_total") > applied, patience(20), "it is at work")
            self.more_hits(load, 200)
            proxy.black_hole()
            time.sleep(patience(GIVES_UP_S) + 4)  # beyond the lease, too
            proxy.forward(late=2)
        self.more_hits(load, 200)
        time.sleep(3)  # until all has arrived
        self.check(load, [*aggregators, far], collectors)


if __name__ == "__main__":
    main()
