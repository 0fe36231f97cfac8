#!/usr/bin/env python3
"""Backup and restore as docs/redis.md tells it: a backup beside hits (deploy/redis-backup.sh), more hits, Redis is lost, the
backup is put back (deploy/redis-restore.sh). What the backup has not got comes from the spools; what they no longer
have is declared lost, and said."""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from archive import send  # noqa: E402
from fault import FaultTest  # noqa: E402
from luot import ROOT, SITES, eventually, main, patience  # noqa: E402
from own_redis import PASSWORDS, OwnRedis  # noqa: E402

# Its totals come from an earlier counter: no spool has them, so they show that the backup is what was restored.
OLD = {"id": "cu", "hosts": ["cu.example.vn"], "timezone": "Asia/Ho_Chi_Minh"}
BACKUP, RESTORE = (ROOT / "deploy" / f"redis-{name}.sh" for name in ("backup", "restore"))


class Backup(FaultTest):
    def import_totals(self, luot):
        file = self.world.folder / "totals.csv"
        file.write_text("path,views\n/a,406\n*,3680027,730\n")
        status, _, errors = self.world.run("import", "totals", file, "--site", "cu", "--config", luot.config_file)
        self.assertEqual(status, 0, errors)

    def assert_old_totals(self, luot):
        counts = luot.counts("cu", "/a")
        self.assertEqual((counts["views"], counts["visits"], counts["pages"]["/a"]["views"]), (3680027, 730, 406))

    def shell(self, *arguments, status=0, password=None):
        done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True,
                              env={**os.environ, **({"REDISCLI_AUTH": password} if password else {})})
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def backup(self, server):
        options = ("--user", "admin", "-s", server.socket)
        name = Path(self.shell(BACKUP, self.world.folder / "backups", *options, password=PASSWORDS["admin"]).split()[-1])
        self.assertEqual((name.suffix, name.stat().st_mode & 0o777), (".rdb", 0o600))
        self.assertEqual([file.name for file in name.parent.iterdir()], [name.name], "nothing else is left")
        return name

    def restore(self, server, name):
        """Redis is killed, and its disk is gone."""
        server.kill()
        self.assertIn("is kept in", self.shell(RESTORE, name, server.folder))
        server.start()

    def own_redis(self):
        server = OwnRedis(self.world)
        server.start()
        return server

    def test_a_restored_backup_is_filled_up_by_the_spools(self):
        """Under load, which goes on while Redis is away."""
        server = self.own_redis()
        config = {"site": [*SITES, OLD]}
        collectors, aggregators = self.apart(server, aggregators=1, config=config)
        self.import_totals(aggregators[0])
        hits = self.load(*collectors, ids=False)
        self.more_hits(hits, 500)
        name = self.backup(server)
        self.more_hits(hits, 1500)
        self.restore(server, name)
        self.more_hits(hits, 500)
        self.check(hits, aggregators, collectors)
        self.assert_old_totals(aggregators[0])
        self.assert_verified(aggregators[0])
        self.assertGreater(sum(c.metrics().value("luot_redis_fell_back_total") for c in collectors), 0)

    def test_the_private_redis_of_luot_serve(self):
        luot = self.world.luot(sites=[*SITES, OLD])
        self.import_totals(luot)
        for number in range(60):
            luot.take_hit("skhcn", f"/bai-{number % 7}", client=f"198.51.100.{number}")
        data = luot.data_dir / "redis"
        name = self.shell(BACKUP, self.world.folder / "backups", "-s", data / "redis.sock").split()[-1]
        for number in range(60):
            token = luot.take_hit("skhcn", f"/bai-{number % 7}", client=f"198.51.101.{number}")
        luot.wait_for("skhcn", token)
        self.assertIn("still at work", self.shell(RESTORE, name, data, status=1))
        luot.stop()
        self.shell(RESTORE, name, data)
        luot.start()
        eventually(lambda: luot.get_counts("skhcn").status == 200 and luot.views("skhcn") == 120, patience(20), "all hits are counted")
        counts = luot.counts("skhcn", "/bai-0", summary=1)
        self.assertEqual((counts["pages"]["/bai-0"]["views"], counts["visits"], counts["summary"]["total"]["views"]), (18, 120, 120))
        self.assert_old_totals(luot)
        self.assertEqual(self.lost(luot), 0)
        self.assert_verified(luot)

    def test_what_is_older_than_the_spool_is_declared_lost_and_said(self):
        """The spool is so small here that it lets go early; with `spool.retain` it is the same."""
        server = self.own_redis()
        luot = self.world.luot(redis=server, sites=[*SITES, OLD], config={"spool": {"max_bytes": "1MiB"}, "collector": {"workers": 1}})
        self.import_totals(luot)
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/a"))
        name = self.backup(server)
        accepted = lambda: luot.metrics().value("luot_hits_accepted_total")  # noqa: E731

        def removed():
            for number in range(300):
                send(luot, f"/bai-{number}", client=f"198.51.100.{number % 200}")
            return accepted() >= 3000
        eventually(removed, patience(60), "more hits than the spool keeps")
        luot.wait_for("thu-vien", luot.take_hit("thu-vien", "/last"))
        acknowledged = int(accepted())
        self.restore(server, name)

        def settled():
            views = luot.views("skhcn") + luot.views("thu-vien")
            return views + self.lost(luot) == acknowledged and views
        views = eventually(settled, patience(40), "counted and declared lost are what was acknowledged")
        lost = self.lost(luot)
        print(f"{acknowledged} acknowledged, {views} counted, {lost} declared lost", flush=True)
        self.assertGreater(lost, 0)
        self.assertGreater(views, 1, "the newest are still in the spool")
        self.assertEqual(sum(map(int, re.findall(r"error hits_lost .* hits=(\d+)", luot.log_text()))), lost)
        self.assert_old_totals(luot)
        self.assert_verified(luot)

    def test_what_is_no_backup_changes_nothing(self):
        server = self.own_redis()
        luot = self.world.luot(redis=server)
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/a"))
        name = self.backup(server)
        damaged, data = self.world.folder / "damaged.rdb", name.read_bytes()
        damaged.write_bytes(data[:len(data) // 2])
        self.assertIn("at work", self.shell(RESTORE, name, server.folder, status=1))
        luot.stop()
        server.stop()
        before = sorted(server.folder.rglob("*"))
        self.assertIn("damaged", self.shell(RESTORE, damaged, server.folder, status=1))
        self.shell(RESTORE, self.world.folder / "none.rdb", server.folder, status=1)
        self.assertIn("no copy", self.shell(BACKUP, self.world.folder / "backups", "-s", server.socket, status=1))
        self.assertEqual(list(name.parent.iterdir()), [name])
        self.assertEqual(sorted(server.folder.rglob("*")), before)
        server.start()
        luot.start()
        self.assertEqual(luot.views("skhcn", "/a"), 1)


if __name__ == "__main__":
    main()
