#!/usr/bin/env python3
"""`luot reclassify`: after a change of the lists the days in the archive have exactly the figures of counting them afresh
with the new lists, in all that Redis holds of them."""

import hashlib
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from access_log import line  # noqa: E402
from archive import archive_config, fill  # noqa: E402
from fault import Clock  # noqa: E402
from luot import FIREFOX, BROWSER, GOOGLEBOT, ROOT, RedisServer, SystemTest, eventually, main, patience, seeded, wait_for_rows  # noqa: E402

DAY = 24 * 3600 * 1000
FIRST = 1_710_090_000_000  # 2024-03-11 00:00 in Ho Chi Minh City
DATES = ["2024-03-11", "2024-03-12", "2024-03-13", "2024-03-14"]
SPAM = "https://buy.spam.example/now"
SCRIPT = "".join((ROOT / "aggregator" / file).read_text() for file in ("steps.lua", "reclassify.lua"))


def story(rng):
    """(time, fields of a hit) of four days: readers around midnights, visits, events, bots, and a list's worth of made-up
    referrers: of readers that come otherwise, too, of pages that nobody else reads, or reads only days later."""
    out = []
    for day in range(4):
        begin = FIRST + day * DAY
        for visit in range(25):
            reader = rng.randrange(12)
            at = begin + rng.choice((rng.randrange(DAY), -rng.randrange(1, 1_500_000), DAY - rng.randrange(1_500_000)))
            is_spam = rng.random() < 0.3
            for number in range(rng.randrange(1, 5)):
                page = rng.randrange(12) + (100 + 10 * day if is_spam and rng.random() < 0.5 else 0)
                if rng.random() < 0.1:
                    page = 100 + rng.randrange(35)  # what made-up referrers brought, maybe
                hit = {"path": f"/bai-{page}", "client": f"100.64.0.{reader}",
                       "agent": GOOGLEBOT if reader == 11 else (BROWSER, FIREFOX)[reader % 2]}
                if rng.random() < 0.1:
                    hit |= {"n": "tải về", "d": {"file": f"{page}.pdf"}}
                elif is_spam:
                    hit["r"] = SPAM
                elif number == 0:
                    hit["r"] = rng.choice((None, "https://www.google.com/", "https://bao.example.vn/x"))
                out.append((max(at, FIRST), hit))
                at += rng.randrange(1000, 25 * 60 * 1000)
    out = [row for row in out if row[0] < FIRST + 4 * DAY]
    out.sort(key=lambda row: row[0])
    return out


class Reclassify(SystemTest):
    def setUp(self):
        super().setUp()
        self.rng = seeded(self._testMethodName)
        self.spam = self.world.folder / "spam.txt"
        self.spam.write_text("spam.example\n")

    def count(self, name, hits, **aggregator):
        """A collector to which the hits were sent, whose clock stands at the time of each, with a Redis and an aggregator
        that are days ahead (a Redis whose clock stands never ends a wait)."""
        clock, now = Clock(self.world, f"clock-{name}"), Clock(self.world, f"now-{name}")
        clock.stand(FIRST - DAY)
        now.set((FIRST + 9 * DAY) / 1000 - time.time())
        server = RedisServer(self.world, f"redis-{name}")
        server.environment = now.environment
        server.start()
        folder = self.world.folder / f"archive-{name}"
        config = archive_config(folder, keep_days=36_500)
        config["aggregator"] = {"keep_days": 36_500, **aggregator}
        luot = self.world.luot("collector", name, redis=server, config=config, start=False)
        aggregator = self.world.luot("aggregator", f"{name}-a", redis=server, config=config, start=False)
        aggregator.environment = now.environment
        aggregator.start()
        luot.environment = clock.environment
        luot.data_dir.mkdir(mode=0o700)
        salts = luot.data_dir / "salts"  # the same for all, so that a visitor has one id
        salts.touch(mode=0o600)
        ids, link = (hashlib.sha256(use.encode()).hexdigest() for use in ("ids", "day"))
        salts.write_text(f"luot-salts 1\nids {ids[:32]}\nday {FIRST // DAY - 3} {link}\n")
        luot.start()
        luot.server, luot.folder, luot.clock, luot.aggregator = server, folder, clock, aggregator
        tokens = []
        for number, (time_ms, hit) in enumerate(hits):
            clock.stand(time_ms)
            fields = dict(hit)
            tokens.append(luot.take_hit("skhcn", fields.pop("path"), id=f"h-{number}", **fields))
        clock.stand(FIRST + 6 * DAY)
        fill(self.world, luot, folder, tokens)
        luot.aggregator.wait_for("skhcn", tokens[-1])
        client = server.client()
        wait_for_rows(client)
        partition = next(client.scan_iter("luot:{p*}:skhcn:totals", count=10_000)).decode().split(":")[1]

        def is_closed():  # a quiet collector says each second that nothing more is to come
            fields = client.hgetall(f"luot:{partition}:producers")
            return all(int(value) >= FIRST + 6 * DAY - 60_000 for name, value in fields.items() if name.endswith(b":watermark"))
        eventually(is_closed, patience(20), "no hit of these days can come any more")
        return luot

    def reclassify(self, luot, *options, first=DATES[0], last=DATES[-1], status=0):
        got, output, errors = self.world.run("reclassify", "--config", luot.config_file, "--site", "skhcn", "--from", first,
                                             "--to", last, *options)
        self.assertEqual(got, status, output + errors)
        return output

    def correct(self, luot, *arguments, status=0):
        got, output, errors = self.world.run(*arguments, "--config", luot.config_file, "--site", "skhcn")
        self.assertEqual(got, status, output + errors)
        return output + errors

    def use_list(self, luot, is_used):
        luot.config["aggregator"].pop("referrer_spam", None)
        if is_used:
            luot.config["aggregator"]["referrer_spam"] = str(self.spam)
        luot.write_config()

    def dump(self, luot):
        """All that Redis holds of the site's counts."""
        client, out = luot.server.client(), {}
        for key in client.scan_iter("luot:{p*}:skhcn:*", count=10_000):
            name, kind = key.decode().split(":skhcn:")[1], client.type(key)
            if name.split(":")[0] in ("seen", "visits", "corrections", "new_paths"):
                continue  # of visits that last, and of the last hours
            if name.endswith(":visitors"):
                out[name] = client.pfcount(key)
            elif name.endswith(":first_seen"):
                value = client.get(key)
                out[name] = sorted(value[i:i + 8] for i in range(0, len(value), 8))
            elif name == "facts":
                out[name] = sorted(client.hkeys(key))
            elif kind == b"hash":
                out[name] = {f: v for f, v in client.hgetall(key).items() if f not in (b"edits", b"pruned_at")}
            else:
                out[name] = {m: s for m, s in client.zrange(key, 0, -1, withscores=True) if s != 0}
        return out

    def assert_same(self, found, wanted):
        for name in sorted(set(found) | set(wanted)):
            self.assertEqual(found.get(name), wanted.get(name), name)

    def test_days_get_the_figures_of_counting_them_afresh(self):
        hits = story(self.rng)
        luot = self.count("old", hits)
        afresh = self.count("new", hits, referrer_spam=str(self.spam))
        before, wanted = self.dump(luot), self.dump(afresh)
        self.assertNotEqual(before, wanted)

        self.assertEqual(self.reclassify(luot).count("nothing changes"), 4, "the same lists: the same figures")
        self.assert_same(self.dump(luot), before)
        self.use_list(luot, True)
        output = self.reclassify(luot, "--dry-run")
        self.assertEqual(output.count("would change: views"), 4, output)
        self.assertRegex(output, r"new_paths \d+ -> \d+, .*\d+ rows\n")
        self.assert_same(self.dump(luot), before)

        output = self.reclassify(luot)
        self.assertEqual(output.count(": changed: views"), 4, output)
        views = int(wanted["day:" + DATES[1]][b"views"])
        self.assertIn(f"{DATES[1]}: changed: views {int(before['day:' + DATES[1]][b'views'])} -> {views}", output)
        self.assert_same(self.dump(luot), wanted)
        self.assert_verified(luot)
        self.assertEqual(self.reclassify(luot).count("nothing changes"), 4, "run again it changes nothing")
        # What it changed stands in the log of corrections, with the sums before and after.
        sums = [sum(int(held["day:" + date][b"views"]) for date in DATES) for held in (before, wanted)]
        record, = self.correct(luot, "corrections").splitlines()
        self.assertIn(f" reclassify {DATES[0]} to {DATES[-1]}: 4 days changed, views {sums[0]} -> {sums[1]}, ", record)
        self.assertIn("run luot reclassify again", self.correct(luot, "undo", "1", status=1))
        self.assert_same(self.dump(luot), wanted)

        # And back: what the list made bots are readers again.
        self.use_list(luot, False)
        self.assertEqual(self.reclassify(luot).count("changed: views"), 4)
        self.assert_same(self.dump(luot), before)
        self.assert_verified(luot)

        # The aggregator goes on where it was: pages that came back are no new ones.
        luot.clock.stand(FIRST + 7 * DAY)
        token = luot.take_hit("skhcn", "/bai-1", client="100.64.9.9")
        luot.aggregator.wait_for("skhcn", token)
        self.assertNotIn(b"new_paths", self.dump(luot)["day:2024-03-18"])

    def test_days_that_are_not_whole_are_refused(self):
        hits = story(self.rng)
        luot = self.count("old", hits)
        self.use_list(luot, True)
        before = self.dump(luot)
        output = self.reclassify(luot, first="2024-03-16", last="2024-03-18", status=1)
        self.assertEqual(output.count("refused: it may still change"), 3, output)  # from yesterday on
        whole = self.world.folder / "whole"
        file = luot.folder / "2024-03-12.hits.zst"
        content = file.read_bytes()
        file.rename(whole)
        output = self.reclassify(luot, status=1)
        self.assertEqual(output.count("refused: the archive lacks"), 4, output)
        self.assertIn("imported from a log", output)
        self.assert_same(self.dump(luot), before)
        self.reclassify(luot, "--archive", luot.folder, "--archive", whole, "--dry-run")  # wherever it lies
        file.write_bytes(content[:len(content) // 2] + b"x" * 100 + content[len(content) // 2 + 100:])
        output = self.reclassify(luot, status=1)
        self.assertIn("a file of the archive is damaged", output)
        file.write_bytes(b"nothing of luot's")
        status, _, errors = self.world.run("reclassify", "--config", luot.config_file, "--site", "skhcn", "--from",
                                           DATES[1], "--to", DATES[1])
        self.assertEqual(status, 1)
        self.assertIn("no archive of luot", errors)
        self.assert_same(self.dump(luot), before)
        self.assert_verified(luot)

    def test_a_day_with_deleted_hits_is_refused_also_when_imported_ones_make_up_for_them(self):
        day = DATES[1]
        begin = FIRST + DAY
        luot = self.count("old", story(self.rng))
        self.use_list(luot, True)
        key, = luot.server.client().scan_iter(f"luot:{{p*}}:skhcn:day:{day}", count=10_000)
        counts = {name.decode(): int(n) for name, n in luot.server.client().hgetall(key).items()}
        hits = sum(counts.get(name, 0) for name in ("views", "reloads", "events", "bots"))
        self.correct(luot, "delete", "--day", day)
        log = self.world.folder / "access.log"
        log.write_text("".join(line(begin // 1000 + 30_000 + i, f"10.9.{i // 200}.{i % 200}", f"/neu-{i % 9}") + "\n"
                               for i in range(hits)))
        self.correct(luot, "import", "log", log)
        before = self.dump(luot)
        output = self.reclassify(luot, first=day, last=day, status=1)
        self.assertIn(f"luot delete (day {day}, correction 1) has taken hits of it out: undo that first", output)
        self.assert_same(self.dump(luot), before)

    def test_so_is_one_with_a_page_that_went_with_another(self):
        luot = self.count("old", story(self.rng))
        self.use_list(luot, True)
        client = luot.server.client()

        def views():
            return [int(client.hget(next(client.scan_iter(f"luot:{{p*}}:skhcn:day:{day}", count=10_000)), "views"))
                    for day in DATES]
        before = views()
        self.correct(luot, "merge", "/bai-3", "/neu")
        self.correct(luot, "delete", "--path", "/neu")
        taken = [b - now for b, now in zip(before, views())]
        self.assertGreater(taken[1], 0)
        log = self.world.folder / "access.log"
        log.write_text("".join(line((FIRST + day * DAY) // 1000 + 30_000 + i, f"10.9.{day}.{i}", "/khac") + "\n"
                               for day in range(4) for i in range(taken[day])))
        self.correct(luot, "import", "log", log)
        output = self.reclassify(luot, first=DATES[1], last=DATES[1], status=1)
        self.assertIn("luot delete (page /neu, correction 2) has taken hits of it out: undo that first", output)

    def test_pages_that_were_pruned_and_came_again_keep_what_they_have(self):
        """Their views of the day are among the others: nothing of it is taken from what they were read later."""
        hits = [(FIRST + 3_600_000 + i * 1000, {"path": f"/p{i}", "client": f"100.64.1.{i}"}) for i in range(25)]
        hits += [(FIRST + 2 * DAY + 3_600_000 + i * 1000, {"path": f"/p{i}", "client": "100.64.2.1", "r": SPAM}) for i in range(25)]
        luot = self.count("old", hits)
        done, output, errors = self.world.run("prune", "--config", luot.config_file, "--site", "skhcn", "--views-below", "3",
                                              "--older", "10d")
        self.assertEqual(done, 0, output + errors)
        luot.clock.stand(FIRST + 7 * DAY)
        for i in range(25):
            token = luot.take_hit("skhcn", f"/p{i}", client=f"100.64.3.{i}")
        luot.aggregator.wait_for("skhcn", token)
        client = luot.server.client()
        wait_for_rows(client)
        before = self.dump(luot)
        self.assertEqual(before["pages"], {**{f"/p{i}".encode(): 1 for i in range(25)}, b"(other)": 50})
        self.assertIn("nothing changes", self.reclassify(luot, first=DATES[2], last=DATES[2]))
        self.assert_same(self.dump(luot), before)
        self.use_list(luot, True)
        self.assertIn("views 25 -> 0", self.reclassify(luot, first=DATES[2], last=DATES[2]))
        self.assertEqual(self.dump(luot)["pages"], {**before["pages"], b"(other)": 25})
        self.assert_verified(luot)

    def test_a_hit_that_comes_meanwhile_stops_the_step(self):
        """The script changes nothing when the day is not the one that was read."""
        client = self.world.redis().client()
        day, part = "luot:{p00}:s:day:2024-03-11", "luot:{p00}:s"
        keys = [day, f"{part}:month:2024-03", f"{part}:totals", f"{part}:pages", f"{part}:baseline", f"{part}:facts",
                "luot:{p00}:producers", f"{day}:visitors", f"{day}:first_seen"]
        client.hset(day, mapping={"views": 5, "bots": 1, "bots:other": 1})
        client.hset(keys[1], mapping={"views": 5, "bots": 1, "bots:other": 1})
        client.hset(keys[2], mapping={"views": 5, "bots": 1, "bots:other": 1})
        client.zadd(keys[3], {"/a": 5})

        def state():
            return [client.dump(key) for key in keys]

        def call(views, steps):
            return client.eval(SCRIPT, len(keys), *keys, "mark", 1000, 0, "", b"visitor1", 3, "views", views, "bots", 1,
                               "bots:other", 1, *steps)
        fewer = ["H", 1, 1, "views", -2, "H", 2, 1, "views", -2, "H", 3, 1, "views", -2, "Z", 1, "/a", -2]
        before = state()
        self.assertEqual(call(4, fewer), b"moved")
        for wrong in (["H", 1, 1, "views", -6], ["Z", 1, "/b", -1], ["Z", 1, "/a"], ["X"], ["H", 1, 1, "views", "1.5"]):
            with self.assertRaises(Exception, msg=wrong):
                call(5, fewer + wrong)
        self.assertEqual(state(), before)
        self.assertEqual(call(5, fewer), b"ok")
        self.assertEqual(client.hgetall(day), {b"views": b"3", b"bots": b"1", b"bots:other": b"1", b"visitors": b"1"})
        self.assertEqual(client.zscore(keys[3], "/a"), 3)
        self.assertEqual(client.hget(keys[2], "edits"), b"1")


if __name__ == "__main__":
    main()
