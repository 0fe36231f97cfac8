#!/usr/bin/env python3
"""The clock of the machine is set, forward and back by an hour, under load; and those of two machines differ.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import Clock, FaultTest  # noqa: E402
from luot import main  # noqa: E402

HOUR = 3600


class SetClock(FaultTest):
    def test_of_the_whole_machine(self):
        clock = Clock(self.world)
        luot = self.world.luot(start=False)
        luot.environment = clock.environment  # its private Redis inherits it
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
