#!/usr/bin/env python3
"""`luot top` shows sites, rates and Redis of a real luot, once for pipes and again and again on a terminal."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import BINARY, GOOGLEBOT, SystemTest, eventually, hour_lasts, main, patience  # noqa: E402


class Top(SystemTest):
    def top(self, luot, *arguments, status=0):
        found, output, errors = self.world.run("top", "--once", "--config", luot.config_file, *arguments)
        self.assertEqual((found, errors), (status, ""), output)
        self.assertNotIn("\x1b", output)
        return output

    def test_one_picture_shows_each_site_and_what_goes_in(self):
        hour_lasts()
        luot = self.world.luot()
        for i in range(5):
            token = luot.take_hit("skhcn", f"/{i}", client=f"10.0.0.{i}")
        luot.take_hit("skhcn", "/", agent=GOOGLEBOT)
        luot.wait_for("skhcn", token)
        output = self.top(luot, "--admin", luot.admin)
        row = next(line.split() for line in output.splitlines() if line.startswith("skhcn "))
        self.assertEqual(row, ["skhcn", "0.0", "5", "5", "5", "5"])
        for text in ("1 of 1 daemons answer", "0.0 received", "Redis     answers in", "queue     0 entries"):
            self.assertIn(text, output)
        self.assertIn("thu-vien", output)

    def test_daemons_that_are_away_are_said_and_redis_too(self):
        luot = self.world.luot(start=False)
        luot.write_config()
        output = self.top(luot, "--admin", "127.0.0.1:1", status=1)
        self.assertIn("127.0.0.1:1: Connection refused: is luot running?", output)
        self.assertIn("Redis     away", output)

    def test_daemons_apart_are_added_up(self):
        hour_lasts()
        redis = self.world.redis()
        aggregator = self.world.luot("aggregator", redis=redis)
        collector = self.world.luot("collector", redis=redis)
        collector.take_hit("skhcn", "/a")
        eventually(lambda: aggregator.views("skhcn") == 1, patience(10))
        output = self.top(collector, "--admin", collector.admin, "--admin", aggregator.admin)
        self.assertIn("2 of 2 daemons answer", output)
        self.assertRegex(output, r"skhcn +0\.0 +1 +1 +1 +1")

    def test_on_a_terminal_it_is_drawn_anew_until_it_is_interrupted(self):
        luot = self.world.luot()
        master, slave = pty.openpty()
        process = subprocess.Popen([BINARY, "top", "--config", luot.config_file, "--admin", luot.admin],
                                   stdin=slave, stdout=slave, stderr=slave)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        os.close(slave)
        os.set_blocking(master, False)
        seen = bytearray()

        def drawn():
            try:
                seen.extend(os.read(master, 65536))
            except (BlockingIOError, OSError):
                pass
            return seen.count(b"\x1b[H") >= 3
        eventually(drawn, patience(15), "three pictures")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(patience(10)), 0)
        drawn()
        os.close(master)
        self.assertTrue(seen.startswith(b"\x1b[?1049h"))
        self.assertTrue(seen.rstrip().endswith(b"\x1b[?1049l"), bytes(seen[-60:]))
        frames = seen.split(b"\x1b[H")[1:]
        self.assertTrue(all(len(re.findall(rb"\r\n", f)) <= 24 for f in frames))


if __name__ == "__main__":
    main()
