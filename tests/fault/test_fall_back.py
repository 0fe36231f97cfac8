#!/usr/bin/env python3
"""Redis falls back to an earlier state, under load: its files restored from a copy, the tail of its
append-only file lost, a replica promoted that lagged behind. The spools ship again what it lost.
"""

import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest, LONG  # noqa: E402
from luot import eventually, main, patience  # noqa: E402

OLD = 30 if LONG else 4  # seconds that the copy is old


class FallBack(FaultTest):
    def start(self, server):
        self.collectors, self.aggregators = self.apart(server)
        self.hits = self.load(*self.collectors, ids=False)
        self.more_hits(self.hits, 300)

    def finish(self):
        self.more_hits(self.hits, 300)
        self.check(self.hits, self.aggregators, self.collectors)
        fell = sum(c.metrics().value("luot_redis_fell_back_total") for c in self.collectors)
        self.assertGreater(fell, 0, "it is noticed and told")

    def test_restored_from_an_older_copy_of_its_files(self):
        server = self.world.redis()
        self.start(server)
        files, copy = server.folder / "appendonlydir", self.world.folder / "copy"
        shutil.copytree(files, copy)
        time.sleep(OLD)  # hits go on
        server.kill()
        shutil.rmtree(files)
        shutil.copytree(copy, files)
        server.start()
        self.finish()

    def test_the_tail_of_its_file_is_lost(self):
        server = self.world.redis()
        self.start(server)
        for _ in range(3):
            self.more_hits(self.hits, 300)
            server.kill()
            file = max((server.folder / "appendonlydir").glob("*.incr.aof"), key=lambda f: f.stat().st_mtime)
            size = file.stat().st_size
            with file.open("r+b") as f:
                f.truncate(size - self.rng.randrange(1, min(size // 2, 200_000)))
            server.start()
        self.finish()

    def test_a_replica_that_lagged_is_promoted(self):
        master = self.world.redis("master", tcp=True)
        wire = self.proxy(master)  # of the replication
        replica = self.world.redis("replica", options=["--replicaof", "127.0.0.1", str(wire.port)])
        front = self.proxy(master)  # what luot is told to connect to
        self.start(front)
        eventually(lambda: replica.client().info("replication")["master_link_status"] == "up", patience(20),
                   "the replica has the data")
        self.more_hits(self.hits, 200)
        wire.black_hole()
        self.more_hits(self.hits, 500)
        master.kill()
        front.refuse()
        wire.close()
        replica.client().replicaof("no", "one")
        front.server = replica
        front.forward()
        self.finish()


if __name__ == "__main__":
    main()
