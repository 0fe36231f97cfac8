#!/usr/bin/env python3
"""The private Redis of `luot serve`: its append-only file damaged by a power loss, its end and its start.
"""

import fcntl
import os
import re
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import FAULTY, FaultTest, is_stopped  # noqa: E402
from luot import SystemTest, children_of, eventually, is_alive, main, patience, steadily  # noqa: E402


class AppendOnlyFile(FaultTest):
    def append_only_file(self, luot):
        files = sorted((luot.data_dir / "redis").rglob("*.incr.aof"), key=lambda f: f.stat().st_mtime)
        self.assertTrue(files, "the private Redis keeps an append-only file")
        return files[-1]

    def damaged_start(self, damage):
        luot = self.world.luot()
        load = self.load(luot)
        self.more_hits(load, 800)
        load.addresses = []
        luot.stop()
        file = self.append_only_file(luot)
        damage(file)
        damaged = file.read_bytes()
        luot.start(reads=False)
        load.addresses = [luot.public]
        self.more_hits(load, 200)
        self.check(load, [luot], [luot])
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

    def test_a_transaction_torn_again_and_again_is_never_carried_out(self):
        """Redis itself leaves the first commands of it in the file, for the start after the next."""
        luot = self.world.luot()
        load = self.load(luot, ids=False)
        for _ in range(6):
            self.more_hits(load, 100)
            pid, file = luot.redis_pid(), self.append_only_file(luot)
            os.kill(luot.pid, signal.SIGSTOP)  # it must not start Redis before the file is torn
            os.kill(pid, signal.SIGKILL)
            self.kills["Redis"] += 1
            eventually(lambda: not is_alive(pid), patience(10))
            content = file.read_bytes()
            torn = content.rindex(b"*1\r\n$5\r\nMULTI\r\n") + self.rng.randrange(20, 60)
            os.truncate(file, torn)
            os.kill(luot.pid, signal.SIGCONT)
            eventually(lambda: luot.redis_pid() not in (None, pid) and luot.redis().ping(), patience(30))
        self.check(load, [luot], [luot])
        self.assertEqual(len(self.lines(luot, "redis_file_cut")), 6)
        self.assertNotIn("can not be nested", (luot.data_dir / "redis" / "redis.log").read_text())

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
        """(luot, its load, its append-only file, the content when it was whole)"""
        luot = self.world.luot(name=kind)
        load = self.load(luot)
        self.more_hits(load, 300)
        load.addresses = []
        luot.stop()
        file = self.append_only_file(luot)
        whole = file.read_bytes()
        third = len(whole) // 3
        wrong, right = self.DAMAGE[kind]
        damaged = whole[:third] + re.sub(wrong, right, whole[third:], count=1) + bytes(zeros)
        file.write_bytes(damaged)
        luot.start(reads=False)
        load.addresses = [luot.public]
        eventually(lambda: len(self.lines(luot, "redis_ended")) >= 3, patience(10), "Redis refuses the file")
        self.assertEqual(file.read_bytes(), damaged, "it is left as it is")
        self.assertFalse(list((luot.data_dir / "redis").glob("damaged-*")), "there is nothing to copy")
        last = self.lines(luot, "redis_ended")[-1]
        self.assertIn(f"redis-check-aof --fix {file.parent}/appendonly.aof.manifest", last)
        self.assertRegex(last, 'said="(Bad file format|Unexpected end of file) reading the append only file')
        self.assert_own_log(luot)
        return luot, load, file, whole

    def test_damage_in_the_middle_before_a_tail_of_zeros_is_left_to_the_operator(self):
        """What is behind the damage may be days old: nothing could ship it again."""
        for kind in self.DAMAGE:
            with self.subTest(kind):
                luot, load, file, whole = self.start_damaged_in_the_middle(kind, zeros=64)
                refused, = self.lines(luot, "redis_file_not_mended")
                self.assertIn(str(file), refused)
                self.assertIn("redis-check-aof --fix", refused)
                self.assertEqual(luot.metrics().value("luot_private_redis_mended_total"), 0)
                self.more_hits(load, 100)
                load.addresses = []
                luot.stop()
                file.write_bytes(whole)
                luot.start()
                load.addresses = [luot.public]
                self.check(load, [luot], [luot])

    def test_damage_in_the_middle_is_told_with_what_to_do(self):
        _, load, *_ = self.start_damaged_in_the_middle("garbage", zeros=0)
        load.end().wait(patience(10))


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

    def test_nor_when_it_is_killed_before_the_child_is_a_redis(self):
        """The child stops when it has only been forked, and hears of luot's death then."""
        luot = self.world.luot(start=False)
        luot.binary, luot.environment = FAULTY, {"LUOT_FAIL_POINT": "redis.forked:1:freeze"}
        luot.start(wait=False)
        child, = eventually(lambda: [pid for pid in children_of(luot.pid) if is_stopped(pid)], patience(10))
        luot.kill()
        os.kill(child, signal.SIGCONT)
        eventually(lambda: not is_alive(child), patience(10), "it ends")

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
