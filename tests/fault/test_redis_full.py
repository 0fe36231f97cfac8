#!/usr/bin/env python3
"""Redis has no memory left: the streams are drained all the same.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (LIGHT, SITES, Hit, Load, SystemTest, client_address, eventually, hit_request, main,  # noqa: E402
                  patience, random_hits, seeded, stream_lengths)

PAGES = [(SITES[i % 3]["id"], f"/bai-{i}") for i in range(60)]


class RedisWithoutMemory(SystemTest):
    def test_a_redis_filled_by_its_streams_is_drained_and_read(self):
        """The aggregator was away, the streams grew until Redis refused more: it must come out of that alone."""
        server = self.world.redis()
        client = server.client()
        collector = self.world.luot("collector", redis=server, config={"collector": {"workers": 1}})
        rng = seeded("redis_full memory")
        fill = {"t": "T" * 480, "r": "https://x.example/" + "y" * 1900}
        number = 3000 if LIGHT else 5000
        hits = [Hit("skhcn", f"/a{i % 50}", hit_request("skhcn", f"/a{i % 50}", id=f"k{i}",
                client=client_address(rng), **fill)) for i in range(number)]
        load = Load(iter(hits), [collector.public], connections=8).run()
        eventually(lambda: collector.metrics().value("luot_unshipped_hits") == 0, patience(10), "all is shipped")
        # A third of what waits lies above the limit: far from what connections take in one moment or another,
        # and far from what the counts of these hits take when the streams are empty, about a third of it.
        waiting = sum(client.memory_usage(key) for key in client.scan_iter("luot:{p*}:hits"))
        client.config_set("maxmemory", client.info("memory")["used_memory"] - waiting // 3)
        refused = Load(random_hits(rng, PAGES, 200, "full"), [collector.public], connections=4).run()
        self.assertGreater(collector.metrics().value("luot_unshipped_hits"), 0, "Redis refuses more")
        aggregator = self.world.luot("aggregator", redis=server, reads=False)
        expected = load.views + refused.views
        self.assert_counted(aggregator, expected, deadline=patience(30))
        self.assertEqual(sum(stream_lengths(client)), 0)
        self.assertEqual(aggregator.metrics().sum("luot_hits_lost_total"), 0)
        self.assert_positions(collector, lost=0)


if __name__ == "__main__":
    main()
