#!/usr/bin/env python3
"""The spool, or its disk, is full: what cannot be kept is refused, what was acknowledged is kept, and all goes
on by itself once there is room.
"""

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import RATE, SITES, FaultTest  # noqa: E402
from luot import eventually, main, patience, spawn  # noqa: E402

OTHER, *SITES = (site["id"] for site in SITES)  # the first is kept out of the load
PAGES = [(SITES[i % 2], f"/{i}-{'x' * 1400}") for i in range(16)]  # hits of 1.5 KB


class Disk:
    """A small disk that a process of its own has mounted; it is gone with that."""

    def __init__(self, test, size):
        log = test.world.folder / "disk.log"
        self.process = spawn(["unshare", "-rm", "sh", "-c",
                              f"mount -t tmpfs -o size={size} none /mnt && echo mounted && exec sleep 3600"], log)
        test.world.parts.append(self)
        eventually(lambda: log.read_text() or self.process.poll() is not None, 10)
        if log.read_text() != "mounted\n":
            test.skipTest(f"no disk can be mounted here: {log.read_text()}")
        self.folder = Path(f"/proc/{self.process.pid}/root/mnt")

    def close(self):
        self.process.kill()
        self.process.wait()


class Full(FaultTest):
    def start(self, pages=PAGES, ids=True, **config):
        self.server = self.world.redis()
        self.luot = self.world.luot(redis=self.server, config={"collector": {"workers": 1}, **config})
        self.hits = self.load(self.luot, pages=pages, rate=4 * RATE, ids=ids)
        self.more_hits(self.hits, 100)

    def wait_full(self):
        refused = self.hits.unavailable
        eventually(lambda: self.hits.unavailable > refused, patience(30), "hits are refused")
        answer = eventually(self.refusal, patience(5))
        self.assertEqual((answer.status, answer.reason), (503, "spool_full"), answer)
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        eventually(lambda: self.luot.admin_http.get("/readyz").status == 503, patience(5), "a full spool is not ready")
        self.assertEqual(self.luot.admin_http.get("/healthz").status, 200)

    def refusal(self):
        answer = self.luot.hit(OTHER, "/")
        return answer if answer.status != 202 else None

    def finish(self):
        self.more_hits(self.hits, 200)
        eventually(lambda: self.luot.admin_http.get("/readyz").status == 200, patience(10), "it is ready again")
        self.check(self.hits, [self.luot], [self.luot])

    def test_a_full_spool_refuses_and_recovers_by_itself(self):
        self.start(spool={"max_bytes": "1MiB"})
        self.server.freeze()
        self.wait_full()
        self.server.thaw()
        self.finish()

    def test_confirmed_hits_make_room_while_redis_is_away(self):
        """A spool full of what Redis has is not full."""
        self.start(ids=False, spool={"max_bytes": "8MiB"})
        eventually(lambda: self.luot.metrics().value("luot_spool_bytes") > 2**20, patience(20))
        metrics = self.luot.metrics()
        hit_bytes = metrics.value("luot_spool_bytes") / metrics.value("luot_hits_accepted_total")  # nothing has gone yet
        eventually(lambda: self.luot.metrics().value("luot_spool_bytes") > 6 * 2**20, patience(20))
        self.hits.pause()
        self.wait_shipped(self.luot)
        self.server.freeze()
        self.hits.go_on()
        self.more_hits(self.hits, int(5 * 2**20 / hit_bytes))  # more than the free space of before
        self.server.thaw()
        self.finish()
        self.assertEqual(self.hits.unavailable, 0)

    def test_files_that_cannot_grow(self):
        """The disk may be smaller than max_bytes says: what is confirmed makes room."""
        self.start()
        resource.prlimit(self.luot.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        self.wait_full()
        resource.prlimit(self.luot.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.finish()

    def test_a_disk_that_is_full_again_and_again(self):
        """The collector is killed meanwhile: it starts on a full disk, and ships what it holds."""
        disk = Disk(self, "6m")
        self.start(data_dir=disk.folder / "luot", spool={"max_bytes": "16MiB"})
        for _ in range(3):
            self.server.freeze()
            self.wait_full()
            self.luot.kill()
            self.kills["serve"] += 1
            self.luot.start(reads=False)
            self.hits.addresses = [self.luot.public]
            self.wait_full()
            self.server.thaw()
            self.more_hits(self.hits, 200)
        self.finish()


if __name__ == "__main__":
    main()
