#!/usr/bin/env python3
"""The spool, or its disk, is full: what cannot be kept is refused, what was acknowledged is kept, and all goes
on by itself once there is room.
"""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import SystemTest, eventually, main, patience, steadily  # noqa: E402


class Full(SystemTest):
    def test_a_full_spool_refuses_and_recovers_by_itself(self):
        """What was acknowledged is kept; what cannot be kept is refused, with Retry-After."""
        server = self.world.redis()
        luot = self.world.luot(redis=server, config={"spool": {"max_bytes": "1MiB"}})
        token = luot.take_hit("skhcn", "/a")
        luot.wait_for("skhcn", token)
        server.freeze()
        taken, refused = 1, None
        while refused is None and taken < 20_000:
            answer = luot.hit("skhcn", "/a", t="Tiêu đề của một bài viết dài " * 12)
            if answer.status == 202:
                taken += 1
            else:
                refused = answer
        self.assertEqual((refused.status, refused.reason), (503, "spool_full"), refused)
        self.assertGreaterEqual(int(refused.headers["Retry-After"]), 1)
        self.assertGreater(taken, 500)
        eventually(lambda: luot.admin_http.get("/readyz").status == 503, patience(5), "a full spool is not ready")
        self.assertEqual(luot.admin_http.get("/healthz").status, 200)
        self.assert_balanced(luot)
        server.thaw()
        eventually(lambda: luot.hit("skhcn", "/b").status == 202, patience(20), "hits are taken again")
        eventually(lambda: luot.admin_http.get("/readyz").status == 200, patience(5))
        eventually(lambda: luot.views("skhcn", "/a") == taken, patience(10), "what was acknowledged is counted")
        steadily(lambda: luot.views("skhcn", "/a") == taken, 1)
        self.assert_balanced(luot)
        self.assert_positions(luot, lost=0)

    def test_confirmed_hits_make_room_while_redis_is_away(self):
        """A spool full of what Redis has is not full."""
        server = self.world.redis()
        luot = self.world.luot(redis=server, config={"spool": {"max_bytes": "8MiB"}, "collector": {"workers": 1}})
        fill = {"t": "Tiêu đề của một bài viết dài " * 12, "r": "https://x.example/" + "y" * 1000}
        taken = 0
        while luot.metrics().value("luot_spool_bytes") < 6 * 2**20:
            for _ in range(200):
                luot.take_hit("skhcn", "/a", **fill)
                taken += 1
        eventually(lambda: luot.metrics().value("luot_unshipped_hits") == 0, patience(10), "all is confirmed")
        hit_bytes = luot.metrics().value("luot_spool_bytes") / taken
        server.freeze()
        for _ in range(int(5 * 2**20 / hit_bytes)):
            answer = luot.hit("skhcn", "/a", **fill)
            self.assertEqual(answer.status, 202, "hits are taken, though more than the free space of before")
            taken += 1
        server.thaw()
        eventually(lambda: luot.views("skhcn", "/a") == taken, patience(20), "all are counted")

    def test_a_disk_that_is_full_makes_room_of_what_is_confirmed(self):
        """The disk may be smaller than max_bytes says; here files may not grow beyond a limit."""
        server = self.world.redis()
        luot = self.world.luot(redis=server, config={"collector": {"workers": 1}})
        token = luot.take_hit("skhcn", "/a")
        luot.wait_for("skhcn", token)
        resource.prlimit(luot.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        taken, refused = 1, 0
        for _ in range(400):
            answer = luot.hit("skhcn", "/a")
            self.assertIn(answer.status, (202, 503))
            taken += answer.status == 202
            refused += answer.status == 503
        self.assertGreater(refused, 0, "the limit was met")
        resource.prlimit(luot.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        eventually(lambda: luot.hit("skhcn", "/b").status == 202, patience(5), "hits are taken again")
        eventually(lambda: luot.views("skhcn", "/a") == taken, patience(10), "what was acknowledged is counted")
        self.assert_balanced(luot)
        self.assert_positions(luot, lost=0)


if __name__ == "__main__":
    main()
