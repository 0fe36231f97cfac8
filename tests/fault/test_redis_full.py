#!/usr/bin/env python3
"""Redis has no memory left: the streams are drained all the same.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import PAGES, RATE, FaultTest  # noqa: E402
from luot import (LIGHT, Hit, Load, client_address, eventually, hit_request, main, patience,  # noqa: E402
                  stream_lengths)


def big_hits(rng):
    clients = [client_address(rng) for _ in range(300)]
    while True:
        (site, page), client = rng.choice(PAGES), rng.choice(clients)
        yield Hit(site, page, hit_request(site, page, client=client, t="T" * 480, r="https://x.example/" + "y" * 1900),
                  client=client)


class RedisWithoutMemory(FaultTest):
    def test_a_redis_filled_by_its_streams_is_drained_and_read(self):
        """The aggregator was away, the streams grew until Redis refused more: it must come out of that alone."""
        server = self.world.redis()
        client = server.client()
        collector = self.world.luot("collector", redis=server, config={"collector": {"workers": 1}})
        self.may_repeat = False
        load = Load(big_hits(self.load_rng), [collector.public], connections=8, answer_deadline=patience(20)).start()
        self.more_hits(load, 8000 if LIGHT else 15_000, patience(180))
        load.rate = RATE
        # A third of what waits lies above the limit: far from what connections take in one moment or another,
        # and far from what the counts of these hits take when the streams are empty.
        waiting = sum(client.memory_usage(key) for key in client.scan_iter("luot:{p*}:hits"))
        client.config_set("maxmemory", client.info("memory")["used_memory"] - waiting // 3)
        eventually(lambda: "OOM command not allowed" in collector.log_text(), patience(20), "Redis refuses more")
        aggregator = self.world.luot("aggregator", redis=server, reads=False)
        self.more_hits(load, 200)
        self.check(load, [aggregator], [collector])
        self.assertEqual(sum(stream_lengths(client)), 0)


if __name__ == "__main__":
    main()
