#!/usr/bin/env python3
"""A spool folder that exists twice: copied to a second collector, restored from a copy, on a machine that was
cloned. No hit is counted twice, and where two logs of one name differ it is noticed, counted and stopped.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import RATE, Clock, FaultTest  # noqa: E402
from luot import eventually, main, patience, steadily  # noqa: E402


class CopiedSpool(FaultTest):
    def setUp(self):
        super().setUp()
        self.server = self.world.redis()
        self.first = self.world.luot("collector", "first", redis=self.server)
        self.second = self.world.luot("collector", "second", redis=self.server, start=False)
        self.world.share_salts(self.first, self.second)
        self.aggregator = self.world.luot("aggregator", redis=self.server)
        self.hits = self.load(self.first)

    def copy_spool(self, source, target):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)

    def test_copied_while_redis_was_away_it_is_counted_once(self):
        self.server.freeze()
        self.more_hits(self.hits, 500)
        self.copy_spool(self.first.data_dir / "spool", self.second.data_dir / "spool")
        self.more_hits(self.hits, 200)
        self.hits.pause()
        os.kill(self.first.pid, signal.SIGSTOP)  # the copy, which is shorter, is shipped by the second one
        self.server.kill()
        self.server.start()
        self.second.start()
        eventually(lambda: self.second.metrics().value("luot_shipped_hits_total") > 100, patience(10))
        os.kill(self.first.pid, signal.SIGCONT)  # and the first comes with the same, and with more
        eventually(lambda: self.first.metrics().value("luot_shipped_hits_total") > 100, patience(10))
        self.hits.go_on()
        self.more_hits(self.hits, 200)
        self.hits.addresses = [self.first.public, self.second.public]
        self.more_hits(self.hits, 200)
        self.check(self.hits, [self.aggregator], [self.first])
        self.assert_told(self.second)

    def test_a_copy_that_is_given_up_leaves_the_original_alone(self):
        """The log that the first collector still writes is an old one to the second, which empties it, and after
        a week lets go of its name."""
        clock = Clock(self.world)
        self.second.environment = clock.environment
        self.second.config.update(spool={"max_bytes": "1MiB"}, collector={**self.second.config["collector"], "workers": 1})
        self.more_hits(self.hits, 500)
        self.copy_spool(self.first.data_dir / "spool", self.second.data_dir / "spool")
        copied = {file.name.split(".")[0] for file in (self.second.data_dir / "spool").glob("*.spool")}
        self.second.start()
        self.hits.addresses = [self.first.public, self.second.public]
        self.hits.rate = 4 * RATE
        self.hits.connect_anew()
        # Its own hits need the room.
        given_up = eventually(lambda: copied & self.second.emptied_logs(), patience(60), "only the name is kept")
        clock.set(8 * 24 * 3600)
        eventually(lambda: not given_up & self.second.emptied_logs(), patience(20), "the name goes, too")
        self.more_hits(self.hits, 500)
        self.check(self.hits, [self.aggregator], [self.first], clock_was_set=True)

    def assert_told(self, collector):
        """Its disk holds less of a log than was shipped under that name: a copy of another, or restored."""
        eventually(lambda: collector.metrics().value("luot_spool_behind_logs") > 0, patience(5), "it is counted")
        self.assertIn(" spool_behind ", collector.log_text())
        status, output, _ = self.world.run("verify", "--config", collector.config_file)
        self.assertEqual(status, 1)
        self.assertIn("shipped_within_spooled", output)
        self.assert_balanced(collector)

    def test_restored_from_an_older_copy(self):
        """Redis holds more than the copy: nothing is shipped twice, and what comes is counted."""
        copy = self.world.folder / "copy"
        self.more_hits(self.hits, 300)
        self.copy_spool(self.first.data_dir / "spool", copy)
        self.more_hits(self.hits, 300)
        self.hits.pause()
        self.wait_shipped(self.first)
        self.first.kill()
        self.copy_spool(copy, self.first.data_dir / "spool")
        self.first.start()
        self.hits.addresses = [self.first.public]
        self.hits.go_on()
        self.more_hits(self.hits, 300)
        self.check(self.hits, [self.aggregator])
        self.assert_told(self.first)
        self.assert_silent_about_what_is_behind(self.first)

    def assert_silent_about_what_is_behind(self, collector):
        """It cannot say that nothing more is to come of such a log: another machine may have the rest. Nor does it
        hold the watermark as long as it has the file."""
        _, output, _ = self.world.run("verify", "--config", collector.config_file, "--positions")
        rows = [dict(pair.split("=") for pair in line.split()[1:]) for line in output.splitlines()
                if line.startswith("position ")]
        client = self.server.client()
        # The first look of all for what is past lets nobody have been silent before.
        eventually(lambda: all(client.hexists(key, "tidied") for key in client.keys("luot:*:producers")), patience(40))
        an_hour_ago = str(int(time.time() * 1000) - 3_600_000).encode()
        heard = {True: [], False: []}
        for row in rows:
            if row["spooled"] != "-":
                key = f"luot:{{p{int(row['partition']):02}}}:producers", f"{row['producer']}:heard"
                client.hset(*key, an_hour_ago)
                heard[int(row["spooled"]) < int(row["shipped"])].append(key)
        self.assertTrue(heard[True] and heard[False])
        eventually(lambda: all(client.hget(*key) != an_hour_ago for key in heard[False]), patience(20), "others are heard of")
        collector.stop()
        collector.start()
        for key in heard[False]:
            client.hset(*key, an_hour_ago)
        eventually(lambda: all(client.hget(*key) != an_hour_ago for key in heard[False]), patience(20), "... after a start, too")
        self.assertEqual({client.hget(*key) for key in heard[True]}, {an_hour_ago})

    def start_with_another_content(self, collector, producer, partition):
        """As if somebody else had shipped other hits under this log's name."""
        self.server.client().hset(f"luot:{{p{partition}}}:producers", f"{producer}:chain", "0123456789abcdef")
        collector.start()

    def test_another_content_of_an_old_log_is_noticed_and_stopped(self):
        self.more_hits(self.hits, 200)
        self.hits.end().wait(patience(10))
        token = self.first.take_hit("skhcn", "/last")
        producer, partition, offset = token.split(".")
        self.aggregator.wait_for("skhcn", token)
        self.first.stop()
        self.start_with_another_content(self.first, producer, partition)
        eventually(lambda: self.first.metrics().value("luot_spool_forked_total") == 1, patience(10), "it is counted")
        eventually(lambda: f"spool_forked producer={producer}" in self.first.log_text(), patience(10), "and told")
        self.assertTrue(self.first.is_running(), "it writes under another name")
        self.assertEqual(self.aggregator.views("skhcn", "/last"), 1)
        token = self.first.take_hit("skhcn", "/new")
        self.aggregator.wait_for("skhcn", token)
        self.assertEqual(self.aggregator.views("skhcn", "/new"), 1)
        steadily(lambda: self.aggregator.views("skhcn", "/last") == 1, 1)

    def test_a_live_log_that_somebody_else_ships_ends_its_collector(self):
        """A machine that was cloned while it ran. Started again it writes under names of its own."""
        self.more_hits(self.hits, 50)
        self.hits.end()
        self.first.expect_exit = 1
        producer, partition, offset = self.first.take_hit("skhcn", "/a").split(".")
        self.hits.wait(patience(10))
        self.wait_shipped(self.first)
        self.server.client().hset(f"luot:{{p{partition}}}:producers", mapping={
            f"{producer}:shipped": int(offset) + 100_000, f"{producer}:chain": "0123456789abcdef"})
        self.assertEqual(self.first.wait_exit(patience(15)), 1)
        self.assertIn("spool_forked", self.first.log_text())
        self.first.expect_exit = 0
        self.first.start()
        token = self.first.take_hit("skhcn", "/b")
        self.aggregator.wait_for("skhcn", token)
        self.assertEqual(self.aggregator.views("skhcn", "/b"), 1)


if __name__ == "__main__":
    main()
