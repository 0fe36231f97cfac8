#!/usr/bin/env python3
"""No file descriptor is left: for clients, for new segments of the spool, for connections to Redis. Nothing that
was acknowledged is lost, and all goes on by itself when there are some again.
"""

import resource
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import RATE, FaultTest  # noqa: E402
from luot import eventually, main, patience, split_address  # noqa: E402


class FilesUsedUp(FaultTest):
    def test_until_there_are_some_again(self):
        server = self.world.redis()
        # Small segments, so that new ones are needed all the time.
        luot = self.world.luot(redis=server, config={"spool": {"max_bytes": "1MiB"}, "collector": {"workers": 1}})
        load = self.load(luot, rate=4 * RATE)
        self.more_hits(load, 300)
        soft, hard = resource.prlimit(luot.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(luot.pid, resource.RLIMIT_NOFILE, (3, hard))  # what is open goes on, nothing new opens
        server.client().client_kill_filter(skipme=True)  # its connections to Redis are gone, too
        idle = [socket.create_connection(split_address(luot.public)) for _ in range(50)]

        eventually(lambda: load.unavailable > 0, patience(20), "no new segment can be begun: 503")
        time.sleep(2)  # how long it lasts
        self.assertTrue(luot.is_running())
        resource.prlimit(luot.pid, resource.RLIMIT_NOFILE, (soft, hard))
        for connection in idle:
            connection.close()
        self.more_hits(load, 1000)
        eventually(lambda: luot.admin_http.get("/readyz").status == 200, patience(10), "it is ready again")
        metrics = luot.metrics()
        self.assertGreater(metrics.sum("luot_redis_connect_failures_total"), 0)
        self.assertGreater(metrics.value("luot_spool_failed_turns_total"), 0)
        self.check(load, [luot], [luot])


if __name__ == "__main__":
    main()
