#!/usr/bin/env python3
"""Spool files damaged on the disk, or gone: what cannot be read is declared lost, all else is counted.
"""

import struct
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import LONG, SystemTest, eventually, main, patience  # noqa: E402


class Damage(SystemTest):
    def damaged_spool(self, damage):
        """50 acknowledged hits on the disk of a collector that was killed, its Redis away; then the damage."""
        server = self.world.redis()
        server.stop()
        luot = self.world.luot(redis=server, reads=False, config={"collector": {"workers": 1}})
        for number in range(50):
            luot.take_hit("skhcn", "/a", id=f"d{number}")
        luot.kill()
        segment, = [f for f in (luot.data_dir / "spool").iterdir() if f.stat().st_size > 304]
        damage(segment)
        server.start()
        luot.start()
        return luot

    def test_hits_behind_a_damaged_head_of_a_segment_are_counted(self):
        def damage(segment):
            with segment.open("r+b") as f:
                f.seek(100)
                f.write(b"\xff")
        luot = self.damaged_spool(damage)
        eventually(lambda: luot.views("skhcn", "/a") == 50, patience(10))
        self.assert_positions(luot, acknowledged=50, lost=0)
        self.assertEqual(luot.metrics().sum("luot_hits_lost_total"), 0)

    @unittest.skipUnless(LONG, "LUOT_LONG=1: a spool keeps what is confirmed for a minute at least")
    def test_of_a_log_that_has_gone_from_the_disk_every_hit_is_declared(self):
        """Several segments go at once; what stands for them afterwards knows the end of the log."""
        server = self.world.redis()
        luot = self.world.luot(redis=server, config={"collector": {"workers": 1},
                                                     "spool": {"max_bytes": "2MiB", "retain": "1m"}})
        number = 700
        for _ in range(number):
            token = luot.take_hit("skhcn", "/a", t="T" * 400, r="https://x.example/" + "y" * 300)
        luot.wait_for("skhcn", token)
        producer, partition, _ = token.split(".")
        spool = luot.data_dir / "spool"
        luot.kill()
        self.assertGreater(len(list(spool.glob(f"{producer}.*"))), 1)
        luot.start()

        def is_gone():
            left = list(spool.glob(f"{producer}.*"))
            return len(left) == 1 and left[0].stat().st_size == 304 and left[0]
        tombstone = eventually(is_gone, 120, "only the log's name is kept")
        offsets = struct.unpack_from("<16Q", tombstone.read_bytes(), 40)
        self.assertEqual(offsets[int(partition)], number)
        server.client().flushall()
        eventually(lambda: luot.metrics().sum("luot_hits_lost_total") == number, patience(20), "all of it is declared")

    def test_hits_that_are_damaged_are_declared_and_the_others_counted(self):
        def damage(segment):
            with segment.open("r+b") as f:
                f.seek(304 + 100)
                f.write(b"\xff" * 300)
        luot = self.damaged_spool(damage)

        def all_is_told():
            lost = luot.metrics().sum("luot_hits_lost_total")
            return lost > 0 and luot.views("skhcn", "/a") + lost == 50
        eventually(all_is_told, patience(20), "counted and lost are all that was acknowledged")
        sums = self.assert_positions(luot, acknowledged=50)
        self.assertEqual(luot.views("skhcn", "/a") + sums["lost"], 50)


if __name__ == "__main__":
    main()
