#!/usr/bin/env python3
"""Redis emptied, or restored from an older copy of its keys: what the spools hold is counted again, what they
no longer hold is declared lost.
"""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FaultTest  # noqa: E402
from luot import (LONG, SITES, Load, SystemTest, eventually, main, patience, random_hits, seeded,  # noqa: E402
                  steadily)

PAGES = [(SITES[i % 3]["id"], f"/bai-{i}") for i in range(60)]


class Emptied(SystemTest):
    def test_what_the_spool_holds_is_counted_again(self):
        rng = seeded("redis_emptied emptied")
        for private in (True, False):
            with self.subTest(private=private):
                name = "serve-private" if private else "serve-external"
                server = None if private else self.world.redis()
                luot = self.world.luot(redis=server, name=name)
                load = Load(random_hits(rng, PAGES, 2000, name), [luot.public], connections=16).run()
                self.assert_counted(luot, load.views, load.tokens)
                (luot.redis() if private else server.client()).flushall()
                self.assert_counted(luot, load.views, deadline=patience(40))
                steadily(lambda: sum(luot.views(s["id"]) for s in SITES) == 2000, 2, "none is counted twice")
                self.assert_positions(luot, acknowledged=2000, lost=0)
                self.assertEqual(luot.metrics().sum("luot_hits_lost_total"), 0)

    def test_a_total_is_never_shown_falling(self):
        """While the spools catch up, reads answer 503 rather than less than before."""
        luot = self.world.luot()
        load = Load(random_hits(seeded("redis_emptied falling"), PAGES, 3000), [luot.public], connections=16).run()
        self.assert_counted(luot, load.views, load.tokens)
        wanted = sum(n for (s, _), n in load.views.items() if s == "skhcn")
        luot.redis().flushall()

        def whole_again():
            answer = luot.get_counts("skhcn")
            if answer.status == 503:
                self.assertIn("Retry-After", answer.headers)
                return False
            if answer.status != 200 or answer.json()["views"] != wanted:
                raise RuntimeError(f"{wanted} views fell to {answer}")
            return True
        eventually(whole_again, patience(40), "the counts are whole again")
        steadily(whole_again, 2)

    @unittest.skipUnless(LONG, "LUOT_LONG=1: waits for the shortest `retain`, a minute")
    def test_what_the_spool_no_longer_holds_is_declared_lost(self):
        """counted + lost = acknowledged, whatever happens."""
        luot = self.world.luot(config={"spool": {"retain": "1m"}})
        first = Load(random_hits(seeded("redis_emptied lost"), [("skhcn", "/first-page")], 500),
                     [luot.public], connections=8).run()
        self.assert_counted(luot, first.views, first.tokens)
        luot.stop()
        luot.start()

        def is_gone_from_the_spool():
            for file in luot.data_dir.rglob("*"):
                if file.is_file() and "redis" not in file.relative_to(luot.data_dir).parts:
                    try:
                        if b"/first-page" in file.read_bytes():
                            return False
                    except FileNotFoundError:
                        return False  # removed in this moment: look again
            return True
        eventually(is_gone_from_the_spool, 120, "confirmed hits older than `retain` leave the spool")

        luot.redis().flushall()
        second = Load(random_hits(seeded("redis_emptied after"), [("skhcn", "/second-page")], 300),
                      [luot.public], connections=8).run()

        def accounted():
            lost = luot.metrics().sum("luot_hits_lost_total")
            counted = luot.views("skhcn")
            self.assertEqual((counted, lost), (sum(second.views.values()), sum(first.views.values())))
            return True
        eventually(accounted, patience(45), "counted + lost = acknowledged")
        steadily(accounted, 2)
        self.assert_positions(luot, acknowledged=800, lost=500)
        self.assertEqual(luot.views("skhcn", "/second-page"), 300)

    def test_redis_restored_from_an_older_copy_catches_up_from_the_spool(self):
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        rng = seeded("redis_emptied restored")
        first = Load(random_hits(rng, PAGES, 1000, "a"), [luot.public], connections=8).run()
        self.assert_counted(luot, first.views, first.tokens)
        client = server.client()
        copy = {key: client.dump(key) for key in client.keys("*")}
        second = Load(random_hits(rng, PAGES, 1500, "b"), [luot.public], connections=8).run()
        self.assert_counted(luot, first.views + second.views, second.tokens)
        pipe = client.pipeline(transaction=True)
        pipe.flushall()
        for key, dump in copy.items():
            pipe.restore(key, 0, dump)
        pipe.execute()
        self.assert_counted(luot, first.views + second.views, deadline=patience(40))
        steadily(lambda: sum(luot.views(s["id"]) for s in SITES) == 2500, 2, "none is counted twice")
        self.assert_positions(luot, acknowledged=2500, lost=0)


class UnderLoad(FaultTest):
    def test_emptied_again_and_again(self):
        """While hits are on the way, so that the next to be shipped meets an empty Redis."""
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        load = self.load(luot, ids=False)
        for _ in range(3):
            self.more_hits(load, 300)
            server.client().flushall()
        self.more_hits(load, 300)
        self.check(load, [luot], [luot])


if __name__ == "__main__":
    main()
