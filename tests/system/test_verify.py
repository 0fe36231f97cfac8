#!/usr/bin/env python3
"""`luot verify` finds no difference beside live traffic, and names each key that is changed by hand."""

import csv
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (LIGHT, SITES, Hit, Load, SystemTest, client_address, eventually, hit_request,  # noqa: E402
                  main, mixed_hits, patience, random_hits, seeded, stream_lengths)

FEW_READERS = [f"100.64.0.{i}" for i in range(1, 20)]  # so that there are fewer visitors than views


class Verify(SystemTest):
    def verify(self, luot, *options):
        """(exit status, lines of differences, whole output)"""
        status, output, errors = self.world.run("verify", "--config", luot.config_file, *options,
                                                deadline=patience(120))
        self.assertIn(status, (0, 1), errors)
        lines = [line for line in output.splitlines() if "found=" in line]
        self.assertEqual(status == 1, bool(lines) or bool(errors), output + errors)
        return status, lines, output + errors

    def import_totals(self, luot, site, rows, views, visits=0):
        file = self.world.folder / "totals.csv"
        with open(file, "w", newline="") as out:
            csv.writer(out).writerows([["*", views, visits], *rows])
        status, _, errors = self.world.run("import", "totals", file, "--site", site,
                                           "--config", luot.config_file, deadline=patience(60))
        self.assertEqual(status, 0, errors)


class BesideTraffic(Verify):
    def test_no_difference_while_hits_come_in_and_totals_are_imported(self):
        rng = seeded("test_verify")
        count = 1500 if LIGHT else 6000  # of one site: too many for one step of Redis
        pages = [("skhcn", f"/tin-tuc/bài-{i}.html") for i in range(count)]
        pages += [(SITES[i % 3]["id"], f"/{i}") for i in range(300)]
        # Each page once, so that there are many, and then at random.
        def hits():
            for i, (site, page) in enumerate(pages):
                yield Hit(site, page, hit_request(site, page, id=f"a{i}", client=client_address(rng)))
            yield from mixed_hits(rng, pages, clients=FEW_READERS)

        site = dict(SITES[0], max_new_paths_per_day=100_000)
        luot = self.world.luot(sites=[site, *SITES[1:]])
        load = Load(hits(), [luot.public], rate=500 if LIGHT else 3000, connections=16).start()
        eventually(lambda: load.acknowledgements > count, patience(60), "each page has been read")
        undecided = 0
        for run in range(5 if LIGHT else 20):
            output = self.assert_verified(luot)
            undecided += "undecided" in output
            if run % 5 == 2:  # rows come, fall and go
                rows = [[f"/tin-tuc/bài-{i}.html", 5 + i % 7 + run] for i in range(run, count, 3)]
                self.import_totals(luot, "skhcn", rows, views=20 * count, visits=100)
        load.end().wait(patience(60))
        load_views = sum(load.views.values())
        output = self.assert_verified(luot)
        print(f"{load}; the sum of pages was undecided in {undecided} runs under load", flush=True)
        self.assertNotIn("undecided", output, "nothing comes in any more: everything is known exactly")
        self.assertGreater(load_views, count)
        self.assert_counted_with_baseline(luot, load)

    def assert_counted_with_baseline(self, luot, load):
        totals = eventually(lambda: self.drained(luot) and luot.redis(), patience(10))
        counted = sum(int(totals.hget(key, "views") or 0) for key in totals.scan_iter("luot:*:totals"))
        self.assertEqual(counted, sum(load.views.values()))

    @staticmethod
    def drained(luot):
        return sum(stream_lengths(luot.redis())) == 0


class ByHand(Verify):
    """Each kind of key, changed by hand while nobody else writes."""

    def setUp(self):
        super().setUp()
        rng = seeded("test_verify by hand")
        self.server = self.world.redis()
        self.redis = self.server.client()
        pages = [(site["id"], f"/bai-{i}") for i in range(40) for site in SITES]
        luot = self.world.luot(redis=self.server)
        load = Load(mixed_hits(rng, pages, 1200, clients=FEW_READERS), [luot.public], connections=8).run(60)
        for site, token in [(s, f"{p}.{n}.{o}") for (p, n), (o, s) in load.tokens.items()]:
            luot.wait_for(site, token)
        self.import_totals(luot, "skhcn", [["/bai-1", 100], ["/bai-old", 7]], views=1000, visits=10)
        eventually(lambda: self.redis.exists("luot:salts"), patience(10), "the salts' fingerprint is there")
        luot.stop()
        # Hits that wait: there is no aggregator.
        collector = self.world.luot("collector", redis=self.server)
        for i in range(6):
            collector.take_hit("skhcn", f"/bai-{i}", id=f"w{i}")
            eventually(lambda: sum(stream_lengths(self.redis)) > i, patience(5), "it is shipped")
        collector.stop()
        self.luot = luot
        self.partition = next(key for key in map(bytes.decode, self.redis.keys("luot:*:skhcn:totals"))).split(":")[1]

    def key(self, rest):
        return f"luot:{self.partition}:{rest}"

    def assert_named(self, key, change, *also):
        """Verify names the key after the change, and is clean again when all is put back."""
        before = {name: (self.redis.dump(name), self.redis.pttl(name)) for name in [key, *also]}
        change()
        status, lines, output = self.verify(self.luot)
        for name, (content, ttl) in before.items():
            self.redis.delete(name)
            if content is not None:
                self.redis.restore(name, max(ttl, 0), content)
        self.assertEqual(status, 1, f"{key}: no difference was found")
        named = [line for line in lines if re.search(re.escape(key) + r"(?![\w:-])", line)]
        self.assertTrue(named, f"{key} is not named in:\n{output}")
        self.assertTrue(output.splitlines()[-1].endswith(f"{len(lines)} differences"), output)
        self.assert_verified(self.luot)
        return lines

    def test_each_kind_of_key(self):
        r, key = self.redis, self.key
        self.assert_verified(self.luot)
        totals, pages, baseline, seen, visits = (
            key(f"skhcn:{k}") for k in ("totals", "pages", "baseline", "seen", "visits"))
        visitor = next(iter(r.hkeys(visits)))
        day = next(k for k in map(bytes.decode, r.keys(key("skhcn:day:*"))) if re.search(r":day:[\d-]+$", k))
        month = next(k for k in map(bytes.decode, r.keys(key("skhcn:month:*"))) if re.search(r":month:[\d-]+$", k))
        producers, hits, ids = key("producers"), key("hits"), key("ids")
        held = {k.decode(): v.decode() for k, v in r.hgetall(producers).items()}
        waiting = r.xrange(hits)[-1][1][b"p"].decode()
        drained = next(k.partition(":")[0] for k in held if k.endswith(":shipped") and waiting not in k)
        hour = next(f for f in map(bytes.decode, r.hkeys(day)) if f.startswith("views@"))
        id_set = f"{ids}:{r.zrange(ids, 0, 0)[0].decode()}"
        first_seen = f"{day}:first_seen"
        new_paths = max(k.decode() for k in r.keys(key("skhcn:new_paths:*")))
        client = next(iter(r.hkeys(new_paths))).decode()
        prefix, _, last_hour = new_paths.rpartition(":")
        to_come = f"{prefix}:{int(last_hour) + 2}"  # within the days that have brought them
        aggregators, there = "luot:aggregators", "0123456789abcdef"
        r.hset(aggregators, there, "0 1")  # as one that was killed leaves it

        retired, gone = key("retired"), "00000000000000ab"
        r.hset(retired, gone, "3 1 00000000000000c2")

        for command in (["merge", "/bai-1", "/bai-2"], ["hide", "/bai-3"]):
            self.assertEqual(self.world.run(*command[:1], "--config", self.luot.config_file, "--site", "skhcn",
                                            *command[1:])[0], 0)
        log, aliases, hidden = key("skhcn:corrections"), key("skhcn:aliases"), key("skhcn:hidden")

        def add(name, field, by=1):
            return name, lambda: r.hincrby(name, field, by)

        more = "bounces", "visit_ms"
        of_rows = "rows:pages", "rows:browsers", "rows:entries", "rows:events", "rows:event_properties"
        changes = [
            *(add(totals, f, by) for f in ("views", "visits", "visitor_days", "events", "bots", "bots:search", *more)
              for by in (1, -1)),
            *(add(day, f, by) for f in ("views", "visits", "visitors", "events", "bots", "bots:search", hour, *more, *of_rows,
                                        hour.replace("views", "visits")) for by in (1, -1)),
            *(add(month, f, by) for f in ("views", "visits", "visitor_days", "events", "bots", "bots:search", *more, *of_rows)
              for by in (1, -1)),
            add(day, "new_paths", 100_000),
            add(totals, "baseline_views", -900), add(totals, "baseline_visits", 1000),
            (totals, lambda: r.hset(totals, "views", "many")),
            (totals, lambda: r.delete(totals)),
            (day, lambda: r.delete(day)),
            (month, lambda: r.delete(month)),
            (pages, lambda: r.zincrby(pages, 1, "/bai-1")),
            (pages, lambda: r.zincrby(pages, 1, "/new")),
            (pages, lambda: r.zrem(pages, "/bai-2")),
            (pages, lambda: r.zincrby(pages, -2, "/bai-old")),
            (pages, lambda: r.delete(pages)),
            (baseline, lambda: r.zincrby(baseline, 1, "/bai-1")),
            (baseline, lambda: r.zadd(baseline, {"/none": 1})),
            (baseline, lambda: r.zrem(baseline, "/bai-old")),
            (f"{day}:visitors", lambda: r.delete(f"{day}:visitors")),
            (f"{day}:visitors", lambda: r.pfadd(f"{day}:visitors", *range(50))),
            (f"{day}:visitors", lambda: r.set(f"{day}:visitors", "text")),
            (seen, lambda: r.zadd(seen, {b"12345678": 10**15})),
            (seen, lambda: r.zadd(seen, {b"1234": 0})),
            (key("tallies"), lambda: r.rpush(key("tallies"), b"12345678\x02")),
            (visits, lambda: r.hset(visits, b"1234", r.hget(visits, visitor))),
            (visits, lambda: r.hset(visits, visitor, b"\x02")),
            (key("skhcn:facts"), lambda: r.hset(key("skhcn:facts"), "/bai-1", b"\x02")),
            (visits, lambda: r.hset(visits, visitor, r.hget(visits, visitor)[:20])),
            (log, lambda: r.hset(log, "1", "{}")),
            (log, lambda: r.hset(log, "last", "1")),
            (log, lambda: r.hset(log, "mark", "none")),
            (log, lambda: r.hset(log, "else", "1")),
            (aliases, lambda: r.hset(aliases, "/bai-1", "/bai-2")),
            (aliases, lambda: r.hset(aliases, "/bai-2", "1 /bai-1")),
            (hidden, lambda: r.sadd(hidden, "none")),
            (f"{log}:9", lambda: r.rpush(f"{log}:9", "1")),
            (f"{log}:1:totals", lambda: r.set(f"{log}:1:totals", "1")),
            *((f"{period}:{by}", lambda key=f"{period}:{by}", n=n: r.zincrby(key, n, r.zrange(key, 0, 0)[0]))
              for period in (day, month) for by in ("pages", "browsers", "entries", "exits") for n in (1, -1)),
            *((f"{period}:{by}", lambda key=f"{period}:{by}": r.zadd(key, {"none": 0}))
              for period in (day, month) for by in ("events", "event_properties")),
            *((f"{period}:event_properties", lambda key=f"{period}:event_properties", n=n: r.zincrby(key, n, r.zrange(key, 0, 0)[0]))
              for period in (day, month) for n in (1, -1)),
            (f"{day}:devices", lambda: r.zadd(f"{day}:devices", {f"d{i}": 1 for i in range(1001)})),
            (f"{month}:page_visits", lambda: (r.delete(f"{month}:page_visits"), r.set(f"{month}:page_visits", "1"))),
            (first_seen, lambda: r.append(first_seen, b"12345678")),
            (first_seen, lambda: r.append(first_seen, b"1")),
            (first_seen, lambda: r.setrange(first_seen, 8, b"12345678")),
            (first_seen, lambda: r.hset(day, "new_paths", r.strlen(first_seen) // 8 - 1), day),
            (first_seen, lambda: r.zrem(pages, "/bai-3"), pages),
            add(new_paths, client, 20), add(new_paths, client, -20),
            (new_paths, lambda: r.hset(new_paths, client, "some")),
            (new_paths, lambda: r.hset(new_paths, "somebody", 1)),
            (new_paths, lambda: r.hset(new_paths, mapping={f"{i:08x}": 20 for i in range(50)})),
            (new_paths, lambda: r.persist(new_paths)),
            (to_come, lambda: r.rename(new_paths, to_come), new_paths),
            (aggregators, lambda: r.hset(aggregators, there, "0 1e99")),
            (aggregators, lambda: r.hset(aggregators, there, 0)),
            (aggregators, lambda: r.hset(aggregators, there, "2 1")),
            (aggregators, lambda: r.hset(aggregators, there, f"0 {int(time.time() + 2 * 86400) * 1000}")),
            (aggregators, lambda: r.hset(aggregators, "somebody", "0 1")),
            (ids, lambda: r.zincrby(ids, 1, id_set.rpartition(":")[2])),
            (ids, lambda: r.zrem(ids, id_set.rpartition(":")[2])),
            (id_set, lambda: r.sadd(id_set, b"12345678")),
            (id_set, lambda: r.delete(id_set)),
            (key("rejected"), lambda: r.xadd(key("rejected"), {"p": waiting, "f": 0, "l": 1, "h": ""})),
            (key("lease"), lambda: r.set(key("lease"), "somebody")),
            ("luot:format", lambda: r.set("luot:format", "0")),
            ("luot:salts", lambda: r.hset("luot:salts", "yesterday", "00")),
            ("luot:salts", lambda: r.hset("luot:salts", next(iter(r.hkeys("luot:salts"))), "what?")),
            ("luot:else", lambda: r.set("luot:else", "1")),
            (key("none"), lambda: r.set(key("none"), "1")),
            (key("skhcn:day:2021-02-30"), lambda: r.hset(key("skhcn:day:2021-02-30"), "views", 1)),
            *(add(producers, f"{drained}:{f}", by) for f in ("shipped", "applied") for by in (1, -1)),
            *(add(producers, f"{waiting}:{f}", by) for f in ("shipped", "applied") for by in (1, -1)),
            add(producers, f"{drained}:lost", 10**6),
            add(producers, f"{drained}:watermark", -10**15),
            (producers, lambda: r.hset(producers, f"{drained}:heard", "never")),
            (producers, lambda: r.hset(producers, f"{drained}:chain", "xyz")),
            (producers, lambda: r.hset(producers, "else", "1")),
            add(producers, "applied", -1), add(producers, "bytes", 1), add(producers, "bytes", -1),
            (producers, lambda: r.hset(producers, "tidied", "lately")),
            add(producers, "last_ms", 1), add(producers, "damaged", 10**6), add(producers, "unconfigured", 10**6),
            add(producers, "bare", 10**6),
            add(producers, f"{waiting}:applied", 1),
            (producers, lambda: r.hset(producers, "tip", f"{10**14}-1")),
            *((retired, lambda value=value: r.hset(retired, gone, value))
              for value in ("", "3", *(f"{numbers} 00000000000000c2" for numbers in ("0 0", "3 4", "three 1", "3 -1")),
                            "3 1 chain", "3 1 c2")),
            (retired, lambda: r.hset(retired, "somebody", "3 1 00000000000000c2")),
            (hits, lambda: r.xdel(hits, r.xrange(hits)[2][0])),
            (hits, lambda: r.xdel(hits, r.xrange(hits)[-1][0])),
            (hits, lambda: r.xadd(hits, {"v": 1, "p": waiting, "f": 6, "l": 7, "h": ""},
                                  id=f"{held['last_ms']}-{2**60}")),
            *((name, lambda name=name: (r.delete(name), r.set(name, "1")))
              for name in (totals, pages, baseline, seen, day, month, producers, retired, hits, ids, id_set, new_paths,
                           aggregators, "luot:salts")),
            *((name, lambda name=name: (r.delete(name), r.hset(name, "a", "b")))
              for name in (key("lease"), key("rows_wanted"), key("rejected"), f"{day}:visitors", first_seen, "luot:format",
                           f"{day}:path_visitors", f"{day}:visitors:{0x1f:016x}")),
        ]
        for number, (name, change, *also) in enumerate(changes):
            with self.subTest(f"change {number} of {name}"):
                self.assert_named(name, change, *also, *([hits] if name == producers else []))
        print(f"{len(changes)} changes by hand were named", flush=True)
        self.assert_all_kinds_in({name for name, *_ in changes})

    def assert_all_kinds_in(self, names):
        """Each row of the page on keys is one of them."""
        page = Path(__file__).resolve().parents[2] / "docs" / "redis-keys.md"
        kinds = re.findall(r"^\| `(luot:[^`]+)` \|", page.read_text(), re.MULTILINE)
        self.assertGreater(len(kinds), 15)
        for kind in kinds:
            pattern = re.escape(kind).replace(re.escape("{pNN}"), r"\{p\d\d\}")
            for letter, what in (("S", r"[a-z0-9-]+"), ("B", "[a-z_]+"), ("D", r"\d{4}-\d\d-\d\d"), ("M", r"\d{4}-\d\d"), ("T", r"\d+"),
                                 ("H", r"\d+"), ("N", r"\d+"), ("X", "[0-9a-f]+"), (r"\\\*", ".+")):
                pattern = re.sub(rf":{letter}(?=:|$)", f":{what}".replace("\\", r"\\"), pattern)
            self.assertTrue(any(re.fullmatch(pattern, name) for name in names), f"{kind} is changed by hand")

    def test_a_sum_that_is_too_long_for_one_step(self):
        """Many pages, read in parts: one view too many is found, and no more lines than that."""
        pages, totals, day = self.key("skhcn:pages"), self.key("skhcn:totals"), None
        with self.redis.pipeline() as commands:
            for i in range(20_000):
                commands.zadd(pages, {f"/many/{i}": 1})
            commands.execute()
        day = next(k for k in map(bytes.decode, self.redis.keys(self.key("skhcn:day:*"))) if re.search(r":day:[\d-]+$", k))
        hour = next(f for f in map(bytes.decode, self.redis.hkeys(day)) if f.startswith("views@"))
        for name, field in ((totals, "views"), (day, "views"), (day, hour),
                            (f"{day.replace(':day:', ':month:')[:-3]}", "views")):
            self.redis.hincrby(name, field, 20_000)
        self.redis.hincrby(self.key("producers"), "applied", 20_000)
        self.assert_verified(self.luot)
        lines = self.assert_named(pages, lambda: self.redis.zincrby(pages, 1, "/many/777"))
        self.assertEqual(len(lines), 1, lines)
        views = int(self.redis.hget(totals, "views"))
        self.assertIn(f'found="{views}" expected="{views + 1}"', lines[0])

    def test_a_list_of_new_paths_may_name_what_was_pruned_since(self):
        """As of a path that came anew while two prunings looked at what they had read of the lists before."""
        r, pages, totals = self.redis, self.key("skhcn:pages"), self.key("skhcn:totals")
        views = r.zscore(pages, "/bai-5")
        r.zrem(pages, "/bai-5")
        r.zincrby(pages, views, "(other)")
        r.hincrby(totals, "edits", 1)
        self.assertIn("first_seen_is_page", self.verify(self.luot)[2])
        r.hset(totals, "pruned_at", int(time.time()))
        self.assert_verified(self.luot)
        r.hset(totals, "pruned_at", int(time.time()) - 3 * 86_400)  # before the days of the lists
        self.assertIn("first_seen_is_page", self.verify(self.luot)[2])

    def test_only_one_site(self):
        self.redis.hincrby(self.key("skhcn:totals"), "views", 1)
        self.assertEqual(self.verify(self.luot, "--site", "skhcn")[0], 1)
        self.assertEqual(self.verify(self.luot, "--site", "bao")[0], 0)
        status, _, errors = self.world.run("verify", "--config", self.luot.config_file, "--site", "none")
        self.assertEqual(status, 2, errors)

    def test_a_page_that_forges_a_line_cannot(self):
        pages = self.key("skhcn:pages")
        self.redis.zadd(pages, {"/x\nall is well\x1b[2J": -1})
        _, lines, output = self.verify(self.luot)
        self.assertIn("\\x0aall\\x20is\\x20well\\x1b[2J", output)
        self.assertTrue(lines)


class Spool(Verify):
    """The spool of this machine beside Redis."""

    def setUp(self):
        super().setUp()
        self.server = self.world.redis()
        self.redis = self.server.client()
        self.luot = self.world.luot("collector", redis=self.server, config={"collector": {"workers": 1}})

    def hits(self, count, first=0):
        return [self.luot.take_hit("skhcn", f"/bai-{i}", id=f"p{i}") for i in range(first, first + count)]

    def producers(self):
        return next(k.decode() for k in self.redis.keys("luot:*:producers")
                    if any(f.endswith(b":chain") for f in self.redis.hkeys(k)))

    def shipped(self):
        return sum(int(v) for k in self.redis.keys("luot:*:producers")
                   for f, v in self.redis.hgetall(k).items() if f.endswith(b":shipped"))

    def leave_unshipped(self):
        """Five hits are shipped, seven are only in the spool; the collector is gone."""
        token = self.hits(5)[0]
        eventually(lambda: self.shipped() == 5, patience(10), "the first hits are shipped")
        self.server.freeze()
        self.hits(7, first=5)
        self.luot.kill()
        self.server.thaw()
        return token.split(".")[0]

    def only_row(self):
        rows = self.positions(self.luot)
        self.assertEqual(len(rows), 1, rows)
        return rows[0]

    def test_positions_from_disk_and_redis(self):
        producer = self.leave_unshipped()
        # What was on its way when Redis was frozen may have come after all.
        row = self.only_row()
        self.assertEqual(row["producer"], producer)
        self.assertEqual((row["spooled"], row["applied"], row["lost"], row["missing"]), (12, 0, 0, 0))
        self.assertEqual(row["queued"] + row["unshipped"], 12)
        self.assertGreaterEqual(row["queued"], 5)
        self.assert_positions(self.luot, drained=False, acknowledged=12, lost=0)
        with self.assertRaises(AssertionError):
            self.assert_positions(self.luot, drained=False, acknowledged=13)
        # The next start brings all of it on.
        self.luot.start()
        aggregator = self.world.luot("aggregator", redis=self.server)
        self.assert_positions(self.luot, acknowledged=12, lost=0)
        self.assertEqual(aggregator.views("skhcn"), 12)
        # Its name was taken off those that are asked for, and its spool is still there (a backup that was put back).
        self.luot.stop()
        partition = f"luot:{{p{self.only_row()['partition']:02}}}"
        kept = [(value or b"0").decode() for value in self.server.client().hmget(
            f"{partition}:producers", *(f"{producer}:{field}" for field in ("shipped", "lost", "chain")))]
        fields = [f"{producer}:{field}" for field in ("shipped", "applied", "lost", "chain", "watermark", "heard")]
        self.server.client().hdel(f"{partition}:producers", *fields)
        self.server.client().hset(f"{partition}:retired", producer, " ".join(kept))
        row = self.only_row()
        self.assertEqual([row[name] for name in ("spooled", "shipped", "applied", "unshipped", "missing")], [12, 12, 12, 0, 0])
        self.luot.start()
        eventually(lambda: self.server.client().hexists(f"{partition}:producers", fields[0]), patience(10), "it is back")
        self.assert_positions(self.luot, acknowledged=12, lost=0)
        # On a machine without the spool the same logs are those of others.
        rows = self.positions(aggregator)
        self.assertEqual([(row["spooled"], row["unshipped"], row["applied"]) for row in rows], [(None, None, 12)])

    def test_positions_as_metrics(self):
        """Sums over the logs of this spool, those of earlier runs included."""
        def positions():
            metrics = self.luot.metrics()
            stages = {labels["stage"]: value for labels, value in metrics.matching("luot_position_hits")}
            return stages, metrics.value("luot_positions_differ")

        self.leave_unshipped()
        queued = self.shipped()
        self.luot.start()
        eventually(lambda: positions() == ({"spooled": 12, "shipped": 12, "applied": 0, "lost": 0}, 0), patience(10))
        self.assertGreaterEqual(queued, 5)
        self.hits(3, first=20)
        aggregator = self.world.luot("aggregator", redis=self.server)
        eventually(lambda: positions() == ({"spooled": 15, "shipped": 15, "applied": 15, "lost": 0}, 0), patience(10))
        self.assertEqual(aggregator.views("skhcn"), 15)
        producers = self.producers()
        lost = next(f.decode() for f in self.redis.hkeys(producers) if f.endswith(b":chain")).replace("chain", "lost")
        self.redis.hset(producers, lost, 100)
        eventually(lambda: positions()[1] == 1, patience(10), "it is seen that more is lost than was shipped")
        eventually(lambda: "positions_differ" in self.luot.log_text(), patience(10), "and told")
        self.redis.hdel(producers, lost)
        eventually(lambda: positions()[1] == 0, patience(10))

    def test_a_spool_that_does_not_agree_is_named(self):
        producer = self.leave_unshipped()
        producers = self.producers()
        held = {f.decode(): v for f, v in self.redis.hgetall(producers).items()}
        shipped = int(held[f"{producer}:shipped"])

        def named(rule, field):
            status, lines, output = self.verify(self.luot)
            self.assertEqual(status, 1, output)
            self.assertTrue(any(line.startswith(f"{rule} {producers},") and f"field={producer}:{field} " in line
                                for line in lines), output)

        self.redis.hset(producers, f"{producer}:chain", "0" * 16)
        named("same_hits_in_spool", "chain")
        self.redis.hset(producers, f"{producer}:chain", held[f"{producer}:chain"])
        self.redis.hset(producers, f"{producer}:shipped", 13)
        named("shipped_within_spooled", "shipped")
        self.redis.hset(producers, f"{producer}:shipped", shipped)
        self.assert_verified(self.luot)
        # The last but one hit goes bad on the disk.
        segment = next(f for f in (self.luot.data_dir / "spool").iterdir() if f.stat().st_size > 304)
        good = segment.read_bytes()
        at = good.rindex(b"/bai-10")
        segment.write_bytes(good[:at] + b"?" + good[at + 1:])
        if shipped < 11:
            named("spool_holds_unshipped", "shipped")
        segment.write_bytes(good)
        self.assert_verified(self.luot)

    def test_segments_that_go_while_it_reads_are_no_difference(self):
        """A spool that is nearly full: what Redis has goes at once, under the eyes of verify."""
        self.luot.stop()
        self.luot.config["spool"] = {"max_bytes": "4MiB", "retain": "1m"}
        self.luot.start()
        aggregator = self.world.luot("aggregator", redis=self.server)
        rng = seeded("test_verify spool")
        pages = [(site["id"], f"/bai-{i}") for i in range(50) for site in SITES]

        def hits():
            for i, hit in enumerate(random_hits(rng, pages)):
                yield Hit(hit.site, hit.page, hit_request(hit.site, hit.page, id=f"r{i}", t="x" * 400, r="/" * 1500,
                                                          client=client_address(rng)))

        load = Load(hits(), [self.luot.public], connections=8, rate=400 if LIGHT else 2000).start()
        removed = lambda: self.luot.metrics().value("luot_spool_removed_segments_total")  # noqa: E731
        eventually(lambda: removed() > 1, patience(60), "segments are being removed")
        before, runs = removed(), 0
        while runs < 10 or removed() < before + 10:
            self.assert_verified(self.luot)
            runs += 1
        load.end().wait(patience(60))
        print(f"{load}; {removed() - before:.0f} segments removed meanwhile, {runs} runs", flush=True)
        self.assert_positions(self.luot, acknowledged=load.acknowledgements, lost=0)
        self.assert_counted(aggregator, load.views, load.tokens)


class ByItself(SystemTest):
    def test_an_aggregator_verifies_what_it_works_on(self):
        """Soon after its start and then every hour; what it finds is in a metric and in the log, but
        nothing that a client has said."""
        server = self.world.redis()
        luot = self.world.luot(redis=server, start=False)
        luot.start(reads=False)
        self.assertEqual(luot.metrics().value("luot_verify_last_run_timestamp_seconds"), 0)
        token = luot.take_hit("skhcn", "/secret-path")
        luot.wait_for("skhcn", token, patience(20))

        def runs_at(differences):
            began = time.time()
            m = eventually(lambda: (lambda m: m.value("luot_verify_last_run_timestamp_seconds") and m)(luot.metrics()),
                           patience(20), "it has verified")
            self.assertEqual(m.value("luot_verify_differences"), differences)
            self.assertLess(abs(m.value("luot_verify_last_run_timestamp_seconds") - began), patience(20))

        runs_at(0)
        self.assertNotIn("verify_", luot.log_text())
        luot.stop()
        client = server.client()
        baseline = next(client.scan_iter("luot:*:skhcn:totals")).replace(b"totals", b"baseline")
        client.zadd(baseline, {"/secret-path": 5})
        luot.start()
        runs_at(3)
        text = luot.log_text()
        for rule in ("page_within_baseline", "sum_of_baseline", "sum_of_pages"):
            self.assertIn(f"rule={rule}", text)
        self.assertNotIn("secret-path", text)

    def test_long_paths_cost_little_memory_and_short_steps(self):
        """Clients choose the paths: neither what the check remembers nor a step of Redis grows with their length."""
        count, length = 15_000, 1980
        server = self.world.redis()
        luot = self.world.luot(redis=server)
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/short"))
        luot.stop()
        client = server.client()
        pages = next(client.scan_iter("luot:*:skhcn:pages")).decode()
        for first in range(0, count, 500):
            client.zadd(pages, {f"/{i:07d}-".ljust(length, "q"): 1 for i in range(first, first + 500)})
        client.config_set("slowlog-max-len", 100_000)
        client.config_set("slowlog-log-slower-than", 0)
        luot.start()
        before = luot.resident_bytes()
        m = eventually(lambda: (lambda m: m.value("luot_verify_last_run_timestamp_seconds") and m)(luot.metrics()),
                       patience(60), "it has verified")
        grown = luot.resident_bytes() - before
        self.assertGreater(m.value("luot_verify_differences"), 0, "these pages are no site's views")
        steps = [entry["command"].split() for entry in client.slowlog_get(100_000)
                 if f" {pages} ".encode() in entry["command"] and entry["command"].startswith(b"EVALSHA")]
        asked = [int(step[7]) for step in steps if len(step) == 8]
        print(f"{grown >> 20} MB more for {count * length >> 20} MB of paths; rows in a step: {sorted(set(asked))}", flush=True)
        self.assertGreater(len(asked), count // 100, asked)
        self.assertLessEqual(sorted(asked)[len(asked) // 2] * length, 128 << 10)
        if not LIGHT:  # a sanitizer keeps what is freed
            self.assertLess(grown, count * length // 2)


class WithoutRedis(Verify):
    def test_it_says_that_redis_is_away(self):
        luot = self.world.luot(start=False)
        luot.write_config()
        status, output, errors = self.world.run("verify", "--config", luot.config_file)
        self.assertEqual(status, 1, output)
        self.assertIn("Redis cannot be reached", errors)
        self.assertEqual(self.world.run("verify", "--config", "/none.toml")[0], 2)


if __name__ == "__main__":
    main()
