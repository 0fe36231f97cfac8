#!/usr/bin/env python3
"""The systemd units: they are valid, harden luot as docs/install.md says, and allow what luot and its Redis do."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import ROOT, SystemTest, children_of, eventually, main, patience  # noqa: E402

UNITS = ROOT / "deploy" / "systemd"
SERVICES = {"luot.service": "luot.service", "luot-collector@.service": "luot-collector@8081.service",
            "luot-aggregator@.service": "luot-aggregator@8082.service"}
WORST = 20  # tenths


class Units(SystemTest):
    def setUp(self):
        super().setUp()
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is missing: deploy/install-deps.sh")

    def analyze(self, *arguments):
        done = subprocess.run(["systemd-analyze", *map(str, arguments)], cwd=self.folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    @property
    def folder(self):
        """The units with a program that is there."""
        folder = self.world.folder / "units"
        if not folder.exists():
            shutil.copytree(UNITS, folder)
            for file in folder.glob("*.service"):
                file.write_text(file.read_text().replace("/usr/bin/luot", "/bin/true"))
        return folder

    def test_each_service_is_hardened_as_is_promised(self):
        promised = re.search(r"hardening is ([\d.]+) by", (ROOT / "docs/install.md").read_text())[1]
        for name in SERVICES:
            with self.subTest(name):
                status, said = self.analyze("security", "--offline=true", f"--threshold={WORST}", f"./{name}")
                self.assertEqual(status, 0, said)
                self.assertIn(f": {promised} ", said.splitlines()[-1])

    def test_the_units_are_valid(self):
        for name in [*SERVICES.values(), "luot.socket", "luot-admin.socket"]:
            with self.subTest(name):
                status, said = self.analyze("verify", "--man=no", f"./{name}")
                self.assertEqual((status, said), (0, ""))

    def test_the_services_differ_in_nothing_but_what_they_are(self):
        def lines(name):
            return {line for line in (UNITS / name).read_text().splitlines() if line and not line.startswith("#")}
        for left, right in (("collector", "aggregator"),):
            self.assertEqual({line.replace(left, right) for line in lines(f"luot-{left}@.service")},
                             lines(f"luot-{right}@.service"))
        confinement = re.compile("Protect|Private|Restrict|SystemCall|Capab|Lock|Memory|NoNew|Remove|UMask|ProcSubset|Limit")
        self.assertEqual({line for line in lines("luot.service") if confinement.match(line)},
                         {line for line in lines("luot-collector@.service") if confinement.match(line)})

    def test_luot_and_its_redis_make_no_system_call_that_the_unit_forbids(self):
        """One is the end of the process here; a start, hits, a reload, reads, a Redis that dies, an end."""
        if subprocess.run(["/usr/bin/python3", "-c", "import seccomp"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("python3-seccomp is missing: deploy/install-deps.sh")
        luot = self.world.luot(start=False)
        luot.limits = ["/usr/bin/python3", ROOT / "tests/support/as_unit.py", UNITS / "luot.service"]
        luot.start()
        token = luot.take_hit("skhcn", "/a")
        luot.wait_for("skhcn", token)
        luot.hang_up()
        eventually(lambda: "configuration_read" in luot.log_text(), patience(5))
        redis = luot.redis_pid()
        os.kill(redis, 9)
        eventually(lambda: luot.redis_pid() not in (None, redis), patience(10), "Redis is started again")
        token = luot.take_hit("skhcn", "/a")
        luot.wait_for("skhcn", token)
        self.assertEqual(luot.views("skhcn", "/a"), 2)
        luot.redis().bgrewriteaof()
        eventually(lambda: not luot.redis().info("persistence")["aof_rewrite_in_progress"], patience(10))
        self.assertEqual(luot.redis().info("persistence")["aof_last_bgrewrite_status"], "ok")
        self.assertTrue(children_of(luot.pid))
        luot.stop()


if __name__ == "__main__":
    main()
