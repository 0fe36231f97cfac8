#!/usr/bin/env python3
"""Writes what stands beside it, `data`: the data_dir of a luot 0.1.0, and `expected.json`: what is counted in it.
It was run once, with the first version; run again it makes the same hits at the same times, in logs of other random names.

usage: make.py      (LUOT_BIN: the luot that writes; beside it luot_faulty and shifted_clock.so)

1  20 November 2026: 66 hits on three sites, events, bots and repeats among them, all counted
2  21 November: 45 more, all counted; starting totals; one page merged into another, one hidden; Redis' file rewritten
3  a moment later: 12 hits that were shipped and not counted (the aggregator hangs)
4  9 hits that are in the spool alone (Redis is frozen); then luot and Redis die

What was removed from the spool before 3 is in the archive.
"""

import collections
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "support"))
from fault import FAULTY, Clock  # noqa: E402
from luot import FIREFOX, GOOGLEBOT, BROWSER, SITES, World, eventually, kill_quietly  # noqa: E402

DAYS = {"2026-11-20": 1795143600, "2026-11-21": 1795230000}  # 10:00 in Asia/Ho_Chi_Minh
MERGED = ("bao", "/cu.html", "/bai-1.html")
HIDDEN = ("thu-vien", "/bai-2.html")
TOTALS = {"/bai-1.html": 405, "/cu-nhat.html": 12, "*": (3680026, 729)}
NOT_COUNTED, IN_SPOOL_ALONE = 12, 9


class Maker:
    def __init__(self):
        self.rng = random.Random("first release")
        self.world = World()
        self.clock = Clock(self.world)
        self.config = {"spool": {"retain": "1m"}, "archive": {"dir": str(self.world.folder / "serve" / "archive")}}
        self.luot = self.world.luot(start=False, config=self.config)
        self.luot.environment = self.clock.environment
        self.views, self.others, self.visits = collections.Counter(), collections.Counter(), set()
        self.taken, self.last = 0, None

    def hit(self, time_s, number, day):
        """One of the day's: a view; each ninth an event or a bot; each tenth is sent twice."""
        self.clock.stand((time_s + number) * 1000)
        site = SITES[number % 3]["id"]
        page = "/cu.html" if number % 11 == 0 and site == "bao" else f"/bai-{1 + int(5 * self.rng.random() ** 2)}.html"
        client = f"100.64.0.{1 + number % 20}"
        fields = {"id": f"{day}-{number}", "t": f"Bài {page[5:6]}", "c": "Tin tức", "l": "vi", "w": "1920",
                  "r": ("https://www.google.com/", "https://zalo.me/", None)[number % 3]}
        agent, kind = (BROWSER, FIREFOX)[number % 2], "view"
        if number % 9 == 4:
            kind = "event"
            fields.update(n="download", d={"file": "a.pdf"})
        elif number % 9 == 8:
            kind, agent = "bot", GOOGLEBOT
        for _ in range(2 if number % 10 == 9 else 1):
            self.last = site, self.luot.take_hit(site, page, client=client, agent=agent, **fields)
            self.taken += 1
        if kind == "view":
            self.views[day, site, page] += 1
            self.visits.add((day, site, client))  # all of a day are within 30 minutes
        else:
            self.others[kind, site] += 1

    def command(self, *arguments, **options):
        status, _, errors = self.world.run(*arguments, "--config", self.luot.config_file,
                                           env={**os.environ, **self.clock.environment}, **options)
        if status != 0:
            raise SystemExit(f"luot {arguments}: {errors}")

    def make(self):
        first, second = DAYS
        self.clock.stand(DAYS[first] * 1000)
        self.luot.start()
        for number in range(60):
            self.hit(DAYS[first], number, first)
        self.luot.wait_for(*self.last)
        self.luot.stop()
        self.clock.stand(DAYS[second] * 1000)
        self.luot.start()
        for number in range(41):
            self.hit(DAYS[second], number, second)
        self.luot.wait_for(*self.last)
        totals = self.world.folder / "totals.csv"
        totals.write_text("".join(f"{path},{n}\n" for path, n in TOTALS.items() if path != "*") + "*,{},{}\n".format(*TOTALS["*"]))
        self.command("import", "totals", totals, "--site", "skhcn")
        self.command("merge", "--site", *MERGED)
        self.command("hide", "--site", *HIDDEN)
        self.luot.stop()  # what it has written becomes an old log, which is archived when `retain` is over
        self.luot.start()
        archive = self.luot.data_dir / "archive"
        eventually(lambda: len(list(archive.glob("*.zst"))) == 2, 200, "both days are archived")
        self.luot.redis().bgrewriteaof()
        eventually(lambda: not self.luot.redis().info("persistence")["aof_rewrite_in_progress"])
        self.luot.stop()
        self.archived = self.taken

        self.luot.binary = FAULTY
        self.luot.environment = {**self.clock.environment, "LUOT_FAIL_POINT": "apply.before:1:hang"}
        self.luot.start()
        for number in range(41, 41 + NOT_COUNTED):
            self.hit(DAYS[second], number, second)
        eventually(lambda: self.shipped() >= NOT_COUNTED, what="these hits are shipped")
        frozen = self.luot.redis_pid()
        os.kill(frozen, signal.SIGSTOP)
        for number in range(41 + NOT_COUNTED, 41 + NOT_COUNTED + IN_SPOOL_ALONE):
            self.hit(DAYS[second], number, second)
        self.luot.kill()
        kill_quietly(frozen, signal.SIGKILL)

    def shipped(self):
        client = self.luot.redis()
        entries = [entry for part in range(16) for _, entry in client.xrange(f"luot:{{p{part:02}}}:hits")]
        return sum(int(entry[b"l"]) - int(entry[b"f"]) for entry in entries)

    def keep(self):
        shutil.rmtree(HERE / "data", ignore_errors=True)
        shutil.copytree(self.luot.data_dir, HERE / "data", ignore=shutil.ignore_patterns("lock", "redis.sock", "redis.log", "redis.out"))
        rows = [[*key, n] for key, n in sorted(self.views.items())]
        (HERE / "expected.json").write_text(json.dumps({
            "version": self.world.run("--version")[1].strip(), "taken": self.taken, "archived": self.archived, "views": rows,
            "others": [[*key, n] for key, n in sorted(self.others.items())],
            "visits": sorted([day, site, sum(1 for d, s, _ in self.visits if (d, s) == (day, site))]
                             for day, site in {(d, s) for d, s, _ in self.visits}),
            "totals": TOTALS, "merged": MERGED, "hidden": HIDDEN,
            "not_counted": NOT_COUNTED, "in_spool_alone": IN_SPOOL_ALONE, "ends": DAYS["2026-11-21"] + 120,
        }, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    maker = Maker()
    try:
        maker.make()
        maker.keep()
    finally:
        maker.world.close()
