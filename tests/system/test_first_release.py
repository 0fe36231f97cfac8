#!/usr/bin/env python3
"""An upgrade from the data of the first version (tests/data/first-release, made by its make.py): everything that was
acknowledged then is counted, exactly; and what a newer version has written is refused, clearly, and left as it is."""

import collections
import json
import shutil
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from fault import Clock  # noqa: E402
from luot import ROOT, SITES, SystemTest, eventually, main, patience, steadily  # noqa: E402

FIRST = ROOT / "tests" / "data" / "first-release"
EXPECTED = json.loads((FIRST / "expected.json").read_text())
SPOOL_VERSION_AT, ARCHIVE_VERSION_AT = 8, 16  # collector/spool/FORMAT.md, archive/FORMAT.md


class FirstRelease(SystemTest):
    def setUp(self):
        super().setUp()
        self.data = self.world.folder / "serve"
        shutil.copytree(FIRST / "data", self.data)
        self.data.chmod(0o700)
        (self.data / "salts").chmod(0o600)
        self.clock = Clock(self.world)
        self.clock.stand(EXPECTED["ends"] * 1000)

    def luot(self, start=True, **how):
        luot = self.world.luot(start=False, config={"archive": {"dir": str(self.data / "archive")}}, **how)
        luot.environment = self.clock.environment
        return luot.start() if start else luot

    def files(self, folder="."):
        return {str(f): f.read_bytes() for f in sorted((self.data / folder).rglob("*")) if f.is_file()}

    def newer(self, file, at):
        """The version there, a number of 4 bytes, becomes 2."""
        with file.open("r+b") as f:
            f.seek(at)
            self.assertEqual(struct.unpack("<I", f.read(4)), (1,))
            f.seek(at)
            f.write(struct.pack("<I", 2))


class Upgrade(FirstRelease):
    def expected_pages(self):
        pages = collections.Counter()
        site, old, new = EXPECTED["merged"]
        for _, of, page, n in EXPECTED["views"]:
            pages[of, new if (of, page) == (site, old) else page] += n
        for page, n in EXPECTED["totals"].items():
            if page != "*":
                pages["skhcn", page] += n
        return pages

    def test_every_hit_of_the_first_version_is_counted_exactly(self):
        luot = self.luot()
        pages = self.expected_pages()

        def counted():
            for site in SITES:
                wanted = {page: n for (s, page), n in pages.items() if s == site["id"]}
                self.assertEqual(luot.all_views(site["id"], wanted), wanted)
            return True
        eventually(counted, patience(20), "what was shipped, and what was in the spool alone")
        self.assert_verified(luot)
        self.assert_positions(luot, lost=0)
        client = luot.redis()
        for site in SITES:
            of = {day: sum(n for d, s, _, n in EXPECTED["views"] if (d, s) == (day, site["id"])) for day in ("2026-11-20", "2026-11-21")}
            visits = {day: n for day, s, n in EXPECTED["visits"] if s == site["id"]}
            shown = luot.counts(site["id"], summary=1)
            base = EXPECTED["totals"]["*"] if site["id"] == "skhcn" else (0, 0)
            self.assertEqual((shown["views"], shown["visits"]), (sum(of.values()) + base[0], sum(visits.values()) + base[1]))
            for name, day in (("yesterday", "2026-11-20"), ("today", "2026-11-21")):
                got = shown["summary"][name]
                self.assertEqual((got["views"], got["visits"], got["visitors"]), (of[day], visits[day], visits[day]), (site["id"], day))
            part = next(k for k in client.scan_iter(f"luot:{{p*}}:{site['id']}:totals"))
            self.assertEqual([int(n or 0) for n in client.hmget(part, "events", "bots")],
                             [sum(n for k, s, n in EXPECTED["others"] if (k, s) == (kind, site["id"])) for kind in ("event", "bot")])

    def test_corrections_of_the_first_version_hold_and_can_be_taken_back(self):
        luot = self.luot()
        site, old, new = EXPECTED["merged"]
        pages = self.expected_pages()
        eventually(lambda: luot.views(site, old) == pages[site, new], patience(20), "both addresses show the sum")
        hidden_site, hidden = EXPECTED["hidden"]
        rows = luot.http.get(f"/api/v1/most_read?site={hidden_site}&from=2026-11-20&to=2026-11-21").json()
        self.assertNotIn(hidden, json.dumps(rows))
        status, said, errors = self.world.run("undo", "--site", site, 1, "--config", luot.config_file)
        self.assertEqual(status, 0, errors)
        of_old = sum(n for _, s, page, n in EXPECTED["views"] if (s, page) == (site, old))
        eventually(lambda: luot.views(site, old) == of_old, patience(5))
        self.assertEqual(luot.views(site, new), pages[site, new] - of_old)

    def test_it_goes_on_from_there(self):
        """Readers are those of before: the salts are read. A hit that is sent again is known."""
        luot = self.luot()
        day, site, page, _ = next(row for row in EXPECTED["views"] if row[1] == "skhcn")
        total = sum(n for _, s, _, n in EXPECTED["views"] if s == site) + EXPECTED["totals"]["*"][0]
        eventually(lambda: luot.views(site) == total, patience(20))
        visits = luot.counts(site)["visits"]
        token = luot.take_hit(site, page, id="2026-11-21-0", client="100.64.0.1")
        luot.wait_for(site, token)
        self.assertEqual(luot.counts(site)["views"], total, "its id is known")
        token = luot.take_hit(site, page, id="new", client="100.64.0.1")
        luot.wait_for(site, token)
        self.assertEqual(luot.counts(site)["views"], total + 1)
        self.assertEqual(luot.counts(site)["visits"], visits, "the visit of a minute ago goes on")
        luot.stop()
        luot.start()
        self.assertEqual(luot.views(site), total + 1)
        self.assert_verified(luot)

    def test_the_archive_of_the_first_version_is_read(self):
        status, shown, errors = self.world.run("archive", "show", self.data / "archive")
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(len(shown.splitlines()), EXPECTED["archived"])


class Newer(FirstRelease):
    def test_a_newer_spool_is_left_alone(self):
        files = sorted((self.data / "spool").glob("*.spool"), key=lambda f: f.stat().st_size)
        self.newer(files[-1], SPOOL_VERSION_AT)
        before = files[-1].read_bytes()
        luot = self.luot()
        eventually(lambda: "spool_newer_format" in luot.log_text(), patience(5))
        self.assertIn("start that version to ship it", luot.log_text())
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/new"))
        self.assertGreaterEqual(luot.metrics().value("luot_spool_read_failures_total"), 1)
        luot.stop()
        self.assertEqual(files[-1].read_bytes(), before)

    def test_newer_keys_in_redis_are_not_touched(self):
        luot = self.luot()
        luot.wait_for("skhcn", luot.take_hit("skhcn", "/new"))
        client = luot.redis()
        client.set("luot:format", 2)
        luot.stop()
        luot.start(reads=False)
        eventually(lambda: "its data has format 2, newer than the 1 that this luot knows" in luot.log_text(), patience(10))

        def keys():
            return {key: client.dump(key) for key in client.scan_iter(count=10_000)}
        client = luot.redis()
        before = keys()
        self.assertEqual(luot.hit("skhcn", "/new").status, 202, "hits are kept in the spool meanwhile")
        self.assertEqual(luot.get_counts("skhcn").status, 503)
        steadily(lambda: keys() == before, 2)

    def test_a_redis_with_newer_keys_ends_the_start(self):
        server = self.world.redis()
        server.client().set("luot:format", 2)
        luot = self.luot(start=False, redis=server)
        luot.start(wait=False)
        self.assertEqual(luot.wait_exit(), 2)
        self.assertIn("redis.url: its data has format 2, newer than the 1 that this luot knows: upgrade this luot", luot.log_text())
        self.assertEqual(server.client().keys("*"), [b"luot:format"])

    def test_a_newer_entry_in_a_stream_is_left_alone(self):
        server = self.world.redis()
        client = server.client()
        for part in range(16):
            client.xadd(f"luot:{{p{part:02}}}:hits", {"v": 2, "p": "00", "f": 0, "l": 1, "h": b"?"})
        luot = self.luot(start=False, redis=server, command="aggregator", name="aggregator")
        luot.start(reads=False)
        eventually(lambda: "stream_newer_format" in luot.log_text(), patience(10))
        self.assertIn("upgrade this aggregator", luot.log_text())
        steadily(lambda: all(client.xlen(f"luot:{{p{part:02}}}:hits") == 1 for part in range(16)), 1)
        self.assertFalse(client.keys("luot:*:rejected"))

    def test_newer_salts_end_the_start(self):
        salts = self.data / "salts"
        text = salts.read_text()
        self.assertTrue(text.startswith("luot-salts 1\n"))
        salts.write_text(text.replace("luot-salts 1", "luot-salts 2", 1))
        before = self.files()
        luot = self.luot(start=False)
        luot.start(wait=False)
        self.assertEqual(luot.wait_exit(), 2)
        self.assertIn("was written by a newer luot: start that version", luot.log_text())
        (self.data / "lock").unlink()
        self.assertEqual(self.files(), before)

    def test_a_newer_archive_is_not_read_and_not_changed(self):
        file = sorted((self.data / "archive").glob("*.zst"))[-1]
        self.newer(file, ARCHIVE_VERSION_AT)
        with file.open("r+b") as f:  # its head is longer: with 88 bytes its checksum would have to be right
            f.seek(4)
            f.write(struct.pack("<I", 96))
        before = file.read_bytes()
        status, _, errors = self.world.run("archive", "show", file)
        self.assertEqual(status, 1)
        self.assertIn("written by a newer luot", errors)
        self.assertEqual(file.read_bytes(), before)


if __name__ == "__main__":
    main()
