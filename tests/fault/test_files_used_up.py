#!/usr/bin/env python3
"""No file descriptor is left: for clients, for new segments of the spool, for connections to Redis. Nothing that
was acknowledged is lost, and all goes on by itself when there are some again.
"""

import os
import resource
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest  # noqa: E402
from luot import eventually, main, patience, split_address  # noqa: E402


class FilesUsedUp(FaultTest):
    def test_until_there_are_some_again(self):
        server = self.world.redis()
        # Small segments, so that new ones are needed all the time.
        luot = self.world.luot(redis=server, config={"spool": {"max_bytes": "2MiB"}, "collector": {"workers": 1}})
        load = self.load(luot)
        self.more_hits(load, 300)
        soft, hard = resource.prlimit(luot.pid, resource.RLIMIT_NOFILE)
        in_use = len(os.listdir(f"/proc/{luot.pid}/fd"))
        resource.prlimit(luot.pid, resource.RLIMIT_NOFILE, (in_use, hard))
        server.client().client_kill_filter(skipme=True)  # and its connections to Redis are gone
        idle = [socket.create_connection(split_address(luot.public)) for _ in range(50)]
        time.sleep(3)  # how long it lasts
        self.assertTrue(luot.is_running())
        resource.prlimit(luot.pid, resource.RLIMIT_NOFILE, (soft, hard))
        for connection in idle:
            connection.close()
        self.more_hits(load, 1000)
        eventually(lambda: luot.admin_http.get("/readyz").status == 200, patience(10), "it is ready again")
        self.check(load, [luot], [luot])


if __name__ == "__main__":
    main()
