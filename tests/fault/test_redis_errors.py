#!/usr/bin/env python3
"""Redis answers, but with an error: hits are kept, reads say 503 and never a wrong number, and all goes on by
itself when the error has gone. Real ones where Redis can be made to give them, invented by a proxy else.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest  # noqa: E402
from luot import eventually, main, patience  # noqa: E402


class RealErrors(FaultTest):
    def assert_met(self, server, error):
        """By what Redis itself has counted."""
        met = server.client().info("errorstats")
        self.assertIn(f"errorstat_{error}", met)

    def go_through(self, error, begin, end, seconds=2, **redis_options):
        server = self.world.redis(**redis_options)
        luot = self.world.luot(redis=server)
        load = self.load(luot, ids=False)
        self.more_hits(load, 100)
        client = server.client()
        begin(client)
        time.sleep(seconds)  # how long it lasts
        end(client)
        self.more_hits(load, 100)
        self.check(load, [luot], [luot])
        self.assert_met(server, error)

    def test_oom(self):
        self.go_through("OOM", lambda redis: redis.config_set("maxmemory", 1),
                        lambda redis: redis.config_set("maxmemory", 0))

    def test_readonly(self):
        self.go_through("READONLY", lambda redis: redis.replicaof("127.0.0.1", 1),
                        lambda redis: redis.replicaof("no", "one"))

    def test_noscript(self):
        def flush(redis):
            for _ in range(20):
                redis.script_flush()
                time.sleep(0.05)  # again while luot loads them
        self.go_through("NOSCRIPT", flush, lambda redis: redis.script_flush())

    def test_noauth(self):
        """The password is changed, and back, while connections drop."""
        def change(redis):
            redis.config_set("requirepass", "another")
            redis.client_kill_filter(skipme=True)

        def back(redis):
            redis.config_set("requirepass", "")
        self.go_through("NOAUTH", change, back)

    def test_loading(self):
        """Redis reads its data again, which takes a while: it answers LOADING meanwhile."""
        server = self.world.redis(options=["--key-load-delay", "3000"])
        luot = self.world.luot(redis=server)
        load = self.load(luot, ids=False)
        self.more_hits(load, 500)
        server.kill()
        server.start(answers=False)
        eventually(lambda: server.client().info("persistence")["loading"] == 1, patience(20), "Redis is loading")
        self.assertEqual(luot.get_counts("skhcn").status, 503)
        self.more_hits(load, 100)
        eventually(lambda: server.client().info("persistence")["loading"] == 0, patience(90), "Redis has loaded")
        self.more_hits(load, 100)
        self.check(load, [luot], [luot])
        self.assert_met(server, "LOADING")


class InventedErrors(FaultTest):
    def failures(self, luot):
        metrics = luot.metrics()
        return metrics.sum("luot_ship_failures_total") + metrics.sum("luot_redis_connect_failures_total")

    def test_each(self):
        server = self.world.redis()
        proxy = self.proxy(server)
        luot = self.world.luot(redis=proxy)
        load = self.load(luot, ids=False)
        for error in ("LOADING Redis is loading the dataset in memory",
                      "CLUSTERDOWN Hash slot not served",
                      "TRYAGAIN Multiple keys request during rehashing of slot",
                      "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                      "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk",
                      "NOPERM this user has no permissions to run the 'evalsha' command",
                      "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
                      "ERR max number of clients reached"):
            with self.subTest(error):
                self.more_hits(load, 50)
                before = self.failures(luot)
                proxy.answer(error)
                eventually(lambda: luot.get_counts("skhcn").status == 503, patience(10), "reads are refused")
                eventually(lambda: self.failures(luot) > before, patience(10), "it is met")
                self.more_hits(load, 50)
                proxy.forward()
                eventually(lambda: luot.get_counts("skhcn").status == 200, patience(10), "reads are answered")
        self.check(load, [luot], [luot])


class Unfit(FaultTest):
    def test_a_redis_that_evicts_is_refused_at_the_start(self):
        """Evicted counters are lost counters."""
        server = self.world.redis()
        client = server.client()
        for command in ("serve", "collector", "aggregator"):
            for policy in ("allkeys-lru", "volatile-ttl"):
                client.config_set("maxmemory-policy", policy)
                luot = self.world.luot(command, name=f"{command}-{policy}", redis=server, start=False)
                luot.start(wait=False)
                self.assertEqual(luot.wait_exit(patience(10)), 2)
                line, = luot.log_text().splitlines()
                self.assertIn(f"maxmemory-policy is {policy}", line)
                self.assertIn("set maxmemory-policy noeviction", line)
        self.assertEqual(client.dbsize(), 0, "its data is not touched")

    def test_a_redis_that_begins_to_evict_is_used_no_further(self):
        """From the next connection on: hits wait in the spool until the setting is right again."""
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        load = self.load(luot, ids=False)
        self.more_hits(load, 100)
        client = server.client()
        client.config_set("maxmemory-policy", "allkeys-random")
        client.client_kill_filter(skipme=True)
        eventually(lambda: "maxmemory-policy is allkeys-random" in luot.log_text(), patience(10), "it says why")
        self.assertEqual(luot.get_counts("skhcn").status, 503)
        self.more_hits(load, 100)
        client.config_set("maxmemory-policy", "noeviction")
        eventually(lambda: luot.get_counts("skhcn").status == 200, patience(10))
        self.check(load, [luot], [luot])


if __name__ == "__main__":
    main()
