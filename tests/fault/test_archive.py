#!/usr/bin/env python3
"""The process dies around the way of hits into the archive: between frames and removal, and anywhere. The archive then
has every hit of each log up to where it has got, once, and so it does of all that was acknowledged."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from archive import archive_config, fill, reached, show  # noqa: E402
from fault import FaultTest, LONG, RATE  # noqa: E402
from luot import LIGHT, eventually, main, patience  # noqa: E402

DEATHS = 8 if LONG else 2 if LIGHT else 3


class Archive(FaultTest):
    def setUp(self):
        super().setUp()
        self.folder = self.world.folder / "archive"
        self.luot = self.faulty(config=archive_config(self.folder))
        self.luot.start()
        self.hits = self.load(self.luot, rate=4 * RATE)
        self.more_hits(self.hits, 50)

    def again(self, environment=None):
        self.luot.environment = environment or {}
        self.luot.start(wait=False)
        if eventually(lambda: self.luot.is_listening() or not self.luot.is_running(), patience(20)):
            self.hits.addresses = [self.luot.public] if self.luot.public else []

    def end(self):
        """Everything is counted once, and archived once, torn tails and frames written twice or not."""
        self.hits.addresses, self.luot.environment = [], {}
        self.luot.start()
        self.hits.addresses = [self.luot.public]
        self.more_hits(self.hits, 50)
        self.check(self.hits, [self.luot], [self.luot])
        tokens = [f"{log}.{partition}.{offset}" for (log, partition), (offset, _) in self.hits.tokens.items()]
        fill(self.world, self.luot, self.folder, tokens)
        self.assertEqual(self.luot.metrics().value("luot_archive_dropped_hits_total"), 0)
        there = reached(show(self.world, self.folder))
        for (log, partition), (offset, _) in self.hits.tokens.items():
            self.assertGreaterEqual(there[log, int(partition)], offset)
        self.assert_verified(self.luot)

    def die_at(self, point, passes):
        self.hits.addresses = []
        self.luot.stop()
        for _ in range(DEATHS):
            self.again({"LUOT_FAIL_POINT": f"{point}:{self.rng.randrange(1, passes)}:kill"})
            self.assertEqual(self.luot.wait_exit(patience(90)), -signal.SIGKILL, f"it passes {point}")
            self.luot._forget_connections()
            self.hits.addresses = []
            self.kills[point] += 1
        self.end()

    def test_before_frames_are_appended(self):
        self.die_at("archive.append", 5)

    def test_between_the_archive_and_the_removal(self):
        self.die_at("archive.written", 5)

    def test_after_the_removal(self):
        self.die_at("segment.removed", 5)

    def test_anywhere(self):
        for _ in range(DEATHS):
            self.more_hits(self.hits, self.rng.randrange(500, 4000))
            self.luot.kill()
            self.kills["kill -9"] += 1
            file = max(self.folder.glob("*.hits.zst"), default=None)
            if file:  # as a machine that died leaves it: a part of the next frame
                with file.open("ab") as tail:
                    tail.write(file.read_bytes()[:self.rng.randrange(1, 200)])
            self.again()
        self.hits.addresses = []
        self.luot.stop()
        self.end()


if __name__ == "__main__":
    main()
