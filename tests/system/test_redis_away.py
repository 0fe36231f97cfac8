#!/usr/bin/env python3
"""Redis frozen, killed, emptied, or with a damaged append-only file: every hit is acknowledged all the
same, none is lost, and reads say that they cannot answer instead of answering wrongly.

LUOT_LONG=1 keeps Redis away for 60 s instead of 8.
"""

import fcntl
import os
import re
import resource
import signal
import struct
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (LIGHT, LONG, SITES, Hit, Load, SystemTest, client_address, eventually,  # noqa: E402
                  hit_request, is_alive, main, patience, random_hits, seeded, steadily, stream_lengths)

AWAY = 60 if LONG else 8
CURRENT_WITHIN = 5  # seconds from the return of Redis until the counts are current
PAGES = [(SITES[i % 3]["id"], f"/bai-{i}") for i in range(60)]


class Away(SystemTest):
    def load(self, luot, rng, rate=None):
        return Load(random_hits(rng, PAGES), [luot.public], connections=16, rate=rate or (100 if LIGHT else 500),
                    answer_deadline=patience(10)).start()

    def warm_up(self, luot, load):
        eventually(lambda: load.acknowledgements > 100, patience(10), "hits are acknowledged")
        eventually(lambda: luot.views("skhcn") > 0, patience(5), "hits are counted")

    def assert_reads_are_refused(self, luot):
        """503 with Retry-After on every way out, and never a number."""
        for target in ("/api/v1/counts?site=skhcn&path=/bai-0", "/api/v1/summary?site=skhcn",
                       "/count.txt?site=skhcn"):
            began = time.monotonic()
            answer = luot.http.get(target)
            self.assertEqual(answer.status, 503, answer)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
            self.assertLess(time.monotonic() - began, patience(5), "a refusal comes soon")

    def stay_away(self, luot, load, seconds):
        """Redis is away by now; hits go on."""
        end = time.monotonic() + seconds
        eventually(lambda: luot.http.get("/api/v1/counts?site=skhcn").status == 503, patience(6),
                   "reads are refused while Redis is away")
        before = load.acknowledgements
        while time.monotonic() < end:
            self.assert_reads_are_refused(luot)
            self.assertEqual(luot.admin_http.get("/readyz").status, 200, "serve is ready without Redis")
            self.assertEqual(luot.admin_http.get("/healthz").status, 200)
            self.assertEqual(luot.http.get("/luot.js").status, 200)
            eventually(lambda: time.monotonic() >= end or load.acknowledgements > before, patience(5))
            time.sleep(0.2)  # the pace of the looks, nothing waits for it
        self.assertGreater(load.acknowledgements - before, seconds * 20, "hits were taken all the time")

    def assert_current_soon(self, luot, load, returned):
        """All that was acknowledged before the return shows within 5 s of it; hits go on meanwhile."""
        wanted = load.snapshot()

        def current():
            for site in {s for s, _ in PAGES}:
                shown = luot.all_views(site, [p for s, p in PAGES if s == site])
                behind = {p: (n, wanted[site, p]) for p, n in shown.items() if n < wanted[site, p]}
                self.assertFalse(behind, "path: (shown, acknowledged)")
            return True

        left = returned + patience(CURRENT_WITHIN) - time.monotonic()
        eventually(current, left, f"counts are current within {CURRENT_WITHIN} s")
        print(f"{sum(wanted.values())} hits were current {time.monotonic() - returned:.1f} s after Redis came back",
              flush=True)

    def finish(self, luot, load):
        load.end().wait(patience(30))
        print(load, flush=True)
        self.assertFalse(load.refused)
        self.assertEqual(load.unavailable, 0, "every hit is acknowledged at once")
        self.assertEqual(load.repeats, 0, "every hit is acknowledged the first time")
        self.assert_counted(luot, load.views)
        steadily(lambda: sum(luot.views(s["id"]) for s in SITES) == load.sent, 2, "no hit is counted twice")
        self.assert_balanced(luot)
        self.assert_positions(luot, acknowledged=load.acknowledgements, lost=0)
        self.assertEqual(luot.metrics().sum("luot_hits_lost_total"), 0)

    def test_a_frozen_redis_loses_nothing(self):
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        self.assertIsNone(luot.redis_pid(), "with redis.url there is no private Redis")
        load = self.load(luot, seeded("test_redis_away frozen"))
        self.warm_up(luot, load)
        server.freeze()
        self.stay_away(luot, load, AWAY)
        server.thaw()
        self.assert_current_soon(luot, load, time.monotonic())
        self.finish(luot, load)

    def test_a_killed_redis_loses_nothing(self):
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        load = self.load(luot, seeded("test_redis_away killed"))
        self.warm_up(luot, load)
        server.kill()
        self.stay_away(luot, load, AWAY)
        server.start()
        self.assert_current_soon(luot, load, time.monotonic())
        self.finish(luot, load)

    def test_a_killed_private_redis_is_started_again(self):
        luot = self.world.luot()
        load = self.load(luot, seeded("test_redis_away private killed"))
        self.warm_up(luot, load)
        for _ in range(3):
            old = luot.redis_pid()
            os.kill(old, signal.SIGKILL)
            eventually(lambda: luot.redis_pid() not in (None, old) and luot.redis().ping(), patience(10),
                       "the private Redis is started again")
            self.assert_current_soon(luot, load, time.monotonic())
        self.finish(luot, load)

    def test_a_frozen_private_redis_loses_nothing(self):
        luot = self.world.luot()
        load = self.load(luot, seeded("test_redis_away private frozen"))
        self.warm_up(luot, load)
        pid = luot.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        self.stay_away(luot, load, AWAY / 2)
        os.kill(pid, signal.SIGCONT)
        self.assert_current_soon(luot, load, time.monotonic())
        self.assertEqual(luot.redis_pid(), pid, "a slow Redis is not replaced by a second one")
        self.finish(luot, load)

    def test_redis_away_at_the_start_is_no_reason_not_to_take_hits(self):
        server = self.world.redis()
        server.stop()
        luot = self.world.luot(redis=server, reads=False)
        for _ in range(5):
            luot.take_hit("skhcn", "/a")
        self.assert_reads_are_refused(luot)
        server.start()
        eventually(lambda: luot.views("skhcn", "/a") == 5, patience(10), "hits are counted")


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


class RedisWithoutMemory(SystemTest):
    def test_a_redis_filled_by_its_streams_is_drained_and_read(self):
        """The aggregator was away, the streams grew until Redis refused more: it must come out of that alone."""
        server = self.world.redis()
        client = server.client()
        collector = self.world.luot("collector", redis=server, config={"collector": {"workers": 1}})
        rng = seeded("test_redis_away memory")
        fill = {"t": "T" * 480, "r": "https://x.example/" + "y" * 1900}
        number = 3000 if LIGHT else 5000
        hits = [Hit("skhcn", f"/a{i % 50}", hit_request("skhcn", f"/a{i % 50}", id=f"k{i}",
                client=client_address(rng), **fill)) for i in range(number)]
        load = Load(iter(hits), [collector.public], connections=8).run()
        eventually(lambda: collector.metrics().value("luot_unshipped_hits") == 0, patience(10), "all is shipped")
        # A third of what waits lies above the limit: far from what connections take in one moment or another,
        # and far from what the counts of these hits take when the streams are empty, about a third of it.
        waiting = sum(client.memory_usage(key) for key in client.scan_iter("luot:{p*}:hits"))
        client.config_set("maxmemory", client.info("memory")["used_memory"] - waiting // 3)
        refused = Load(random_hits(rng, PAGES, 200, "full"), [collector.public], connections=4).run()
        self.assertGreater(collector.metrics().value("luot_unshipped_hits"), 0, "Redis refuses more")
        aggregator = self.world.luot("aggregator", redis=server, reads=False)
        expected = load.views + refused.views
        self.assert_counted(aggregator, expected, deadline=patience(30))
        self.assertEqual(sum(stream_lengths(client)), 0)
        self.assertEqual(aggregator.metrics().sum("luot_hits_lost_total"), 0)
        self.assert_positions(collector, lost=0)


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


class Emptied(SystemTest):
    def test_what_the_spool_holds_is_counted_again(self):
        rng = seeded("test_redis_away emptied")
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
        load = Load(random_hits(seeded("test_redis_away falling"), PAGES, 3000), [luot.public], connections=16).run()
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

    @unittest.skipIf(LIGHT, "waits for the shortest `retain`, a minute")
    def test_what_the_spool_no_longer_holds_is_declared_lost(self):
        """counted + lost = acknowledged, whatever happens."""
        luot = self.world.luot(config={"spool": {"retain": "1m"}})
        first = Load(random_hits(seeded("test_redis_away lost"), [("skhcn", "/first-page")], 500),
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
        second = Load(random_hits(seeded("test_redis_away after"), [("skhcn", "/second-page")], 300),
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
        rng = seeded("test_redis_away restored")
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


class AppendOnlyFile(SystemTest):
    def append_only_file(self, luot):
        files = sorted((luot.data_dir / "redis").rglob("*.incr.aof"), key=lambda f: f.stat().st_mtime)
        self.assertTrue(files, "the private Redis keeps an append-only file")
        return files[-1]

    def damaged_start(self, damage):
        luot = self.world.luot()
        load = Load(random_hits(seeded("test_redis_away aof"), PAGES, 1500), [luot.public], connections=8).run()
        self.assert_counted(luot, load.views, load.tokens)
        luot.stop()
        file = self.append_only_file(luot)
        damage(file)
        damaged = file.read_bytes()
        luot.start(deadline=patience(30))
        self.assert_counted(luot, load.views, deadline=patience(40))
        steadily(lambda: sum(luot.views(s["id"]) for s in SITES) == 1500, 2, "none is counted twice")
        return luot, damaged

    def test_its_files_are_for_its_user_alone(self):
        luot = self.world.luot()
        self.assertTrue(self.append_only_file(luot))
        for file in luot.data_dir.rglob("*"):
            self.assertEqual(file.stat().st_mode & 0o077, 0, file)

    def test_a_tail_of_zeros_is_copied_aside_mended_and_said(self):
        """What a machine that lost power leaves at the end of a file that was just written."""
        def zeros(file):
            with file.open("ab") as f:
                f.write(bytes(5000))
        luot, damaged = self.damaged_start(zeros)
        self.assert_mended(luot, damaged)

    def test_a_tail_overwritten_with_zeros_is_filled_from_the_spool(self):
        def zeros(file):
            size = file.stat().st_size
            cut = min(20_000, size // 2)
            with file.open("r+b") as f:
                f.seek(size - cut)
                f.write(bytes(cut))
        luot, damaged = self.damaged_start(zeros)
        self.assert_mended(luot, damaged)

    def test_a_torn_tail_is_normal(self):
        def cut(file):
            os.truncate(file, file.stat().st_size - 7)
        self.damaged_start(cut)

    def test_zeros_behind_which_only_an_empty_file_follows_are_mended(self):
        """What a rewrite that had just begun leaves: Redis writes to a new file already."""
        def zeros(file):
            with file.open("ab") as f:
                f.write(bytes(5000))
            newer = file.with_name(file.name.replace(".1.incr.", ".2.incr."))
            newer.write_bytes(b"")
            with (file.parent / "appendonly.aof.manifest").open("a") as manifest:
                manifest.write(f"file {newer.name} seq 2 type i\n")
        luot, damaged = self.damaged_start(zeros)
        self.assert_mended(luot, damaged)

    def assert_mended(self, luot, damaged):
        warning, = self.lines(luot, "redis_file_mended")
        self.assertIn(f"zero_bytes_cut={len(damaged) - len(damaged.rstrip(bytes(1)))} ", warning)
        copy, = (luot.data_dir / "redis").glob("damaged-*")
        self.assertEqual(copy.read_bytes(), damaged, "the damaged file is kept as it was")
        self.assert_own_log(luot)

    def lines(self, luot, event):
        return [line for line in luot.log_text().splitlines() if f" {event} " in line]

    def assert_own_log(self, luot):
        """Nothing that Redis or its tools print is in it."""
        for line in luot.log_text().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+ (info|warn|error) \w+")

    # Damage in the middle: a wrong first byte of a command, and a length beyond the end of the file, which
    # looks like a torn end.
    DAMAGE = {"garbage": (rb"\r\n\*(\d)", rb"\r\n!\1"), "length": (rb"\r\n\$(\d)", rb"\r\n$9999999\1")}

    def start_damaged_in_the_middle(self, kind, zeros):
        """(luot, its append-only file, the content when it was whole, the damaged content)"""
        luot = self.world.luot(name=kind)
        load = Load(random_hits(seeded(f"test_redis_away {kind}"), [("skhcn", "/a")], 300), [luot.public]).run()
        self.assert_counted(luot, load.views, load.tokens)
        luot.stop()
        file = self.append_only_file(luot)
        whole = file.read_bytes()
        third = len(whole) // 3
        wrong, right = self.DAMAGE[kind]
        damaged = whole[:third] + re.sub(wrong, right, whole[third:], count=1) + bytes(zeros)
        file.write_bytes(damaged)
        luot.start(reads=False)
        eventually(lambda: len(self.lines(luot, "redis_ended")) >= 3, patience(10), "Redis refuses the file")
        self.assertEqual(file.read_bytes(), damaged, "it is left as it is")
        self.assertFalse(list((luot.data_dir / "redis").glob("damaged-*")), "there is nothing to copy")
        last = self.lines(luot, "redis_ended")[-1]
        self.assertIn(f"redis-check-aof --fix {file.parent}/appendonly.aof.manifest", last)
        self.assertRegex(last, 'said="(Bad file format|Unexpected end of file) reading the append only file')
        self.assert_own_log(luot)
        return luot, file, whole

    def test_damage_in_the_middle_before_a_tail_of_zeros_is_left_to_the_operator(self):
        """What is behind the damage may be days old: nothing could ship it again."""
        for kind in self.DAMAGE:
            with self.subTest(kind):
                luot, file, whole = self.start_damaged_in_the_middle(kind, zeros=64)
                refused, = self.lines(luot, "redis_file_not_mended")
                self.assertIn(str(file), refused)
                self.assertIn("redis-check-aof --fix", refused)
                self.assertEqual(luot.metrics().value("luot_private_redis_mended_total"), 0)
                luot.take_hit("skhcn", "/a")
                luot.stop()
                file.write_bytes(whole)
                luot.start()
                eventually(lambda: luot.views("skhcn", "/a") == 301, patience(10))

    def test_damage_in_the_middle_is_told_with_what_to_do(self):
        self.start_damaged_in_the_middle("garbage", zeros=0)


def try_lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


class Orphans(SystemTest):
    def test_no_private_redis_stays_when_luot_is_killed(self):
        luot = self.world.luot()
        luot.take_hit("skhcn", "/a")
        pid = luot.redis_pid()
        self.assertTrue(pid and is_alive(pid))
        luot.kill()
        eventually(lambda: not is_alive(pid), 10, "the private Redis ends when luot is killed")

    def test_a_start_right_after_a_kill_waits_for_the_old_redis(self):
        """Never two Redis on one folder. What the old one holds until its end is the lock on data_dir."""
        luot = self.world.luot()
        token = luot.take_hit("skhcn", "/a")
        luot.wait_for("skhcn", token)
        held = [os.readlink(f) for f in Path(f"/proc/{luot.redis_pid()}/fd").iterdir()]
        self.assertIn(str(luot.data_dir / "lock"), held, "the private Redis inherits the lock")
        luot.kill()
        with (luot.data_dir / "lock").open() as lock:
            eventually(lambda: try_lock(lock), patience(10), "the old Redis gives the lock free at its end")
            luot.start(wait=False)
            steadily(lambda: luot.redis_pid() is None and luot.is_running(), 1,
                     "no second Redis is started while the lock is held")
        luot.wait_listening(patience(20))
        eventually(lambda: luot.views("skhcn", "/a") == 1, patience(10))

    def test_the_private_redis_keeps_everything_over_an_orderly_restart(self):
        luot = self.world.luot()
        token = luot.take_hit("skhcn", "/a", client="198.51.100.9")
        luot.wait_for("skhcn", token)
        luot.stop()
        luot.start()
        answer = luot.counts("skhcn", "/a")
        self.assertEqual((answer["pages"]["/a"]["views"], answer["visits"]), (1, 1))
        token = luot.take_hit("skhcn", "/a", client="198.51.100.9")
        answer = luot.counts("skhcn", after=token)
        self.assertEqual((answer["views"], answer["visits"]), (2, 1), "the visit goes on over a restart")


if __name__ == "__main__":
    main()
