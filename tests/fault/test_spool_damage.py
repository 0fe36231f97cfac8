#!/usr/bin/env python3
"""Spool files torn, damaged on the disk, or gone, under load: what was acknowledged and can be read is counted once,
what cannot be read is declared lost, and nothing else.
"""

import signal
import struct
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY, LONG, RATE, FaultTest  # noqa: E402
from luot import LIGHT, eventually, main, patience  # noqa: E402

HEADER, RECORD_HEAD = 304, 16  # collector/spool/FORMAT.md
TIMES = 3 if LIGHT or not LONG else 30


def records(segment):
    """(place, size) of each record of a segment that is whole."""
    content, at, found = segment.read_bytes(), HEADER, []
    while at < len(content):
        size = RECORD_HEAD + struct.unpack_from("<I", content, at)[0]
        found.append((at, size))
        at += size
    return found


def change(segment, at, data):
    with segment.open("r+b") as f:
        f.seek(at)
        f.write(data)


class Damage(FaultTest):
    def die_and(self, *damages):
        """The collector dies between a write to its spool and the answers, Redis is away, and its files are
        damaged before the next start: again and again."""
        server = self.world.redis()
        (collector,), self.aggregators = self.apart(server, 1, 1, config={"collector": {"workers": 1}})
        collector.binary = FAULTY
        self.collector, self.hits = collector, self.load()
        collector.stop()
        for damage in damages * TIMES:
            passes = self.rng.randrange(150, 300) * (1 if LIGHT else 2)
            collector.environment = {"LUOT_FAIL_POINT": f"spool.written:{passes}:kill"}
            collector.start()
            begun = self.hits.acknowledgements
            self.hits.addresses = [collector.public]
            self.more_hits(self.hits, 30)
            server.freeze()
            self.before_freeze = self.hits.acknowledgements - begun
            self.assertEqual(collector.wait_exit(patience(20)), -signal.SIGKILL)
            collector._forget_connections()
            self.kills["collector"] += 1
            newest = max((collector.data_dir / "spool").iterdir(), key=lambda f: f.stat().st_mtime_ns)
            damage(newest)
            server.thaw()
        collector.environment = {}
        collector.start()
        self.hits.addresses = [collector.public]
        self.more_hits(self.hits, 100)

    # What a crash leaves at the end: the last record, at least, was never acknowledged.

    def cut_the_tail(self, segment):
        at, size = records(segment)[-1]
        with segment.open("r+b") as f:
            f.truncate(at + self.rng.randrange(1, size))

    def turn_the_tail_to_zeros(self, segment):
        at, size = records(segment)[-1]
        begin = self.rng.randrange(1, size)
        change(segment, at + begin, bytes(size - begin))

    def append(self, segment, data):
        change(segment, segment.stat().st_size, data)

    def append_zeros(self, segment):
        self.append(segment, bytes(self.rng.randrange(1, 5000)))

    def append_garbage(self, segment):
        self.append(segment, self.rng.randbytes(self.rng.randrange(1, 5000)))

    def append_what_was_there_before(self, segment):
        """Whole records among it."""
        self.append(segment, segment.read_bytes()[-self.rng.randrange(300, 3000):])

    def test_a_torn_tail_at_each_start(self):
        self.die_and(self.append_what_was_there_before, self.append_garbage, self.append_zeros,
                     self.turn_the_tail_to_zeros, self.cut_the_tail)
        eventually(lambda: self.collector.metrics().value("luot_spool_torn_bytes_total") > 0, patience(5), "it is told")
        self.check(self.hits, self.aggregators, [self.collector])

    def test_bytes_turned_at_each_start(self):
        """Where each hit was acknowledged, and Redis, frozen, has none of them."""
        def turn(segment):
            there = records(segment)
            at, _ = there[(self.before_freeze + len(there)) // 2]
            change(segment, at + self.rng.randrange(50), bytes(b ^ 0xff for b in segment.read_bytes()[at:at + 200]))
        self.die_and(turn)
        self.check(self.hits, self.aggregators, [self.collector], lost=5 * TIMES)
        self.assertGreater(self.lost(self.aggregators[0]), TIMES)

    def test_a_damaged_head_of_a_segment_at_each_start(self):
        self.die_and(lambda segment: change(segment, 100, b"\xff"))
        self.check(self.hits, self.aggregators, [self.collector])

    @unittest.skipUnless(LONG, "LUOT_LONG=1: a spool keeps what is confirmed for a minute at least")
    def test_of_a_log_that_has_gone_from_the_disk_every_hit_is_declared(self):
        """Several segments go at once; what stands for them afterwards knows the end of the log."""
        server = self.world.redis()
        luot = self.world.luot(redis=server, config={"collector": {"workers": 1},
                                                     "spool": {"max_bytes": "2MiB", "retain": "1m"}})
        load = self.load(luot, rate=4 * RATE)
        self.more_hits(load, 4000)
        load.pause()
        self.assert_counted(luot, load.views, load.tokens)
        gone = load.acknowledgements
        (producer, _), *_ = load.tokens
        spool = luot.data_dir / "spool"
        luot.kill()
        self.assertGreater(len(list(spool.glob(f"{producer}.*"))), 1)
        luot.start()
        load.addresses = [luot.public]

        def is_gone():
            left = list(spool.glob(f"{producer}.*"))
            return len(left) == 1 and left[0].stat().st_size == HEADER and left[0]
        tombstone = eventually(is_gone, 120, "only the log's name is kept")
        offsets = struct.unpack_from("<16Q", tombstone.read_bytes(), 40)
        self.assertEqual({(producer, f"{part:02}"): n for part, n in enumerate(offsets) if n},
                         {log: offset for log, (offset, _) in load.tokens.items()})
        server.client().flushall()
        load.go_on()
        self.more_hits(load, 100)
        self.check(load, [luot], [luot], lost=gone)
        self.assertEqual(self.lost(luot), gone)


if __name__ == "__main__":
    main()
