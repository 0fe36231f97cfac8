#!/usr/bin/env python3
"""An entry that makes apply.lua fail is set aside, and its partition goes on; the process dies in between.
"""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY, FaultTest  # noqa: E402
from luot import eventually, main, patience  # noqa: E402


class Rejected(FaultTest):
    def test_good_hits_before_a_bad_entry_are_counted_and_the_partition_goes_on(self):
        """A key of a wrong type stops the entries of its site, not those of its neighbours."""
        sites = [{"id": f"s{i}", "hosts": [f"s{i}.example.vn"], "timezone": "UTC"} for i in range(40)]
        server = self.world.redis()
        client = server.client()
        collector = self.world.luot("collector", redis=server, sites=sites, config={"collector": {"workers": 1}})

        def take_and_ship(site, path):
            """Each hit in an entry of its own: they are set aside by entries."""
            token = collector.take_hit(site, path)
            producer, partition, offset = token.split(".")
            shipped = f"luot:{{p{partition}}}:producers", f"{producer}:shipped"
            eventually(lambda: client.hget(*shipped) == offset.encode(), patience(5), "the hit is shipped")
            return partition

        by_partition = {}
        for site in sites:
            by_partition.setdefault(take_and_ship(site["id"], "/first"), []).append(site["id"])
        part, (good, bad, *_) = next((p, s) for p, s in by_partition.items() if len(s) > 1)
        client.set(f"luot:{{p{part}}}:{bad}:totals", "another program's")
        for _ in range(3):
            for site in (good, good, bad):
                take_and_ship(site, "/a")
        aggregator = self.world.luot("aggregator", redis=server, sites=sites, reads=False)
        eventually(lambda: aggregator.views(good, "/a") == 6, patience(40), "the good site is counted")
        eventually(lambda: aggregator.metrics().value("luot_rejected_entries") == 4, patience(40),
                   "the bad site's entries are set aside")
        self.assertEqual(aggregator.views(good), 7)
        self.assertEqual(aggregator.metrics().sum("luot_hits_damaged_total"), 4)

    def test_a_death_while_an_entry_is_set_aside(self):
        """It is set aside once, and counted as damaged once."""
        server = self.world.redis()
        collectors, (aggregator,) = self.apart(server, 1, 1)
        partition = collectors[0].take_hit("skhcn", "/first").split(".")[1]
        eventually(lambda: aggregator.views("skhcn") == 1, patience(10))
        aggregator.stop()
        key = f"luot:{{p{partition}}}:skhcn:totals"
        client = server.client()
        good = client.dump(key)
        for point in ("reject.before", "reject.answered"):
            rejected = client.xlen(f"luot:{{p{partition}}}:rejected")
            client.delete(key)
            client.set(key, "another program's")
            collectors[0].take_hit("skhcn", "/a")
            aggregator.binary, aggregator.environment = FAULTY, {"LUOT_FAIL_POINT": f"{point}:1:kill"}
            aggregator.start(reads=False)
            self.assertEqual(aggregator.wait_exit(patience(90)), -signal.SIGKILL)
            aggregator._forget_connections()
            aggregator.environment = {}
            aggregator.start(reads=False)
            eventually(lambda: aggregator.metrics().value("luot_rejected_entries") == rejected + 1, patience(30))
            client.restore(key, 0, good, replace=True)
            aggregator.stop()
        aggregator.start()
        token = collectors[0].take_hit("skhcn", "/b")
        aggregator.wait_for("skhcn", token)
        self.assertEqual(aggregator.views("skhcn"), 2)
        eventually(lambda: aggregator.metrics().value("luot_hits_damaged_total") == 2, patience(10))


if __name__ == "__main__":
    main()
