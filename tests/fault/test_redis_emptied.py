#!/usr/bin/env python3
"""Redis emptied, or restored from an older copy of its keys: what the spools hold is counted again, what they
no longer hold is declared lost.
"""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import LONG, FaultTest  # noqa: E402
from luot import eventually, main, patience, steadily  # noqa: E402


class Emptied(FaultTest):
    def begin(self, number, **options):
        self.luot = self.world.luot(**options)
        self.hits = self.load(self.luot, ids=False)
        self.more_hits(self.hits, number)

    def rest(self):
        """No hit comes, and all is counted."""
        self.hits.pause()
        self.assert_counted(self.luot, self.hits.views, self.hits.tokens)

    def finish(self, **lost):
        self.more_hits(self.hits, 200)
        self.check(self.hits, [self.luot], [self.luot], **lost)

    def test_what_the_spool_holds_is_counted_again(self):
        """Though no hit comes that would show that Redis is empty."""
        for private in (True, False):
            with self.subTest(private=private):
                server = None if private else self.world.redis()
                self.begin(1000, redis=server, name="serve-private" if private else "serve-external")
                self.rest()
                (server.client() if server else self.luot.redis()).flushall()
                self.assert_counted(self.luot, self.hits.views, deadline=patience(40))
                self.hits.go_on()
                self.finish()

    def test_a_total_is_never_shown_falling(self):
        """While the spools catch up, reads answer 503 rather than less than before."""
        self.begin(1500)
        self.rest()
        wanted = sum(n for (s, _), n in self.hits.views.items() if s == "skhcn")
        self.luot.redis().flushall()
        self.hits.go_on()

        def whole_again():
            answer = self.luot.get_counts("skhcn")
            if answer.status == 503:
                self.assertIn("Retry-After", answer.headers)
                return False
            if answer.status != 200 or answer.json()["views"] < wanted:
                raise RuntimeError(f"{wanted} views fell to {answer}")
            return True
        eventually(whole_again, patience(40), "the counts are whole again")
        steadily(whole_again, 2)
        self.finish()

    @unittest.skipUnless(LONG, "LUOT_LONG=1: waits for the shortest `retain`, a minute")
    def test_what_the_spool_no_longer_holds_is_declared_lost(self):
        """counted + lost = acknowledged, whatever happens."""
        self.begin(500, config={"spool": {"retain": "1m"}})
        self.rest()
        first = self.hits.acknowledgements
        self.luot.stop()
        self.luot.start()
        self.hits.addresses = [self.luot.public]
        spool = self.luot.data_dir / "spool"
        eventually(lambda: not any(b"/bai-" in file.read_bytes() for file in spool.iterdir()), 120,
                   "confirmed hits older than `retain` leave the spool")
        self.luot.redis().flushall()
        self.hits.go_on()
        self.finish(lost=first)
        self.assertEqual(self.lost(self.luot), first)

    def test_redis_restored_from_an_older_copy_catches_up_from_the_spool(self):
        server = self.world.redis()
        self.begin(500, redis=server)
        self.rest()
        client = server.client()
        copy = {key: (max(0, client.pttl(key)), client.dump(key)) for key in client.keys("*")}
        self.hits.go_on()
        self.more_hits(self.hits, 800)
        pipe = client.pipeline(transaction=True)
        pipe.flushall()
        for key, (ttl, dump) in copy.items():
            pipe.restore(key, ttl, dump)
        pipe.execute()
        self.finish()

    def test_emptied_again_and_again(self):
        """While hits are on the way, so that the next to be shipped meets an empty Redis."""
        server = self.world.redis()
        self.begin(300, redis=server)
        for _ in range(3):
            server.client().flushall()
            self.more_hits(self.hits, 300)
        self.finish()


if __name__ == "__main__":
    main()
