#!/usr/bin/env python3
"""Lists that a site shows to all hold pages that several readers have read: a stranger with one address writes into none
of them, and pages that readers do read are in them, with a title or without."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import SITES, SystemTest, eventually, hour_lasts, main, patience, wait_for_rows  # noqa: E402
from test_live import Listener  # noqa: E402

SPAM = {"t": "CASINO 88 - win now", "c": "Tin tức", "client": "203.0.113.66"}


class Lists(SystemTest):
    def start(self, **site):
        hour_lasts()
        self.luot = self.world.luot(config={"collector": {"workers": 1}}, sites=[
            {**SITES[0], "list_readers": 3, "public": ["counts", "most_read", "related", "stats"], **site}])

    def read_by(self, path, readers, first=1, **fields):
        for i in range(first, first + readers):
            self.token = self.luot.take_hit("skhcn", path, client=f"198.51.100.{i}", **fields)

    def spam(self, path, times=30):
        for _ in range(times):
            self.token = self.luot.take_hit("skhcn", path, **SPAM)

    def wait(self):
        """Until all is counted and its rows are written, which a list does not wait for and then keeps for a while."""
        self.luot.wait_for("skhcn", self.token)
        wait_for_rows(self.luot.redis())

    def ask(self, report, **parameters):
        query = "&".join(f"{name}={value}" for name, value in {"site": "skhcn", **parameters}.items())
        answer = self.luot.http.get(f"/api/v1/{report}?{query}")
        self.assertEqual(answer.status, 200, answer)
        return answer

    def listed(self, report="most_read", **parameters):
        return [row["path"] for row in self.ask(report, **parameters).json()["rows"]]

    def test_a_stranger_writes_into_no_list(self):
        self.start()
        self.read_by("/tin/a", 4, t="Tin a", c="Tin tức")
        self.read_by("/tin/b", 3, t="Tin b", c="Tin tức")
        self.spam("/casino")
        self.wait()
        self.assertEqual(self.listed(), ["/tin/a", "/tin/b"])
        self.assertEqual(self.listed("related", path="/tin/a"), ["/tin/b"])
        rows = self.ask("counts", most_read=100).json()["most_read"]
        self.assertEqual([row["path"] for row in rows], ["/tin/a", "/tin/b"])
        # Who has the site's token sees what was counted.
        self.assertEqual(self.ask("top", by="path").json()["rows"][0], {"key": "/casino", "views": 30})
        self.assertIn("\n/casino,CASINO 88", self.ask("report.csv").body.decode())

    def test_the_newest_pages_are_those_that_several_have_read(self):
        self.start()
        listener = Listener(self.luot)
        self.addCleanup(listener.close)
        for i in range(1, 12):
            self.spam(f"/casino/{i}", 1)
        self.read_by("/tin/a", 2, t="Tin a")
        self.wait()
        listener.hears(lambda e: e["views"] == 13, "all views", patience(10))
        for i in range(12, 20):
            self.spam(f"/casino/{i}", 1)
        self.read_by("/tin/b", 3, t="Tin b")
        listener.hears(lambda e: [page["path"] for page in e["newest"]] == ["/tin/b"], "the one", patience(30))
        # Its third reader comes later.
        self.read_by("/tin/a", 1, first=3, t="Tin a")
        listener.hears(lambda e: [page["path"] for page in e["newest"]] == ["/tin/b", "/tin/a"], "both, the newest first", patience(30))
        self.assertNotIn("casino", listener.bytes.decode())

    def test_pages_without_titles_are_listed_as_well(self):
        """An image instead of the script, or an imported log, says no title."""
        self.start()
        self.read_by("/a", 3, how="pixel")
        self.read_by("/b", 2, how="pixel")
        self.read_by("/b", 5, first=1, agent="Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", how="pixel")
        self.read_by("/c", 2, how="pixel")
        for _ in range(8):
            self.token = self.luot.take_hit("skhcn", "/d", client="203.0.113.1", how="pixel")
        self.wait()
        self.assertEqual(self.listed(), ["/b", "/a"])
        self.assertEqual([row["title"] for row in self.ask("most_read").json()["rows"]], ["", ""])
        self.assert_verified(self.luot)

    def test_pages_with_many_long_titles_are_listed_as_well(self):
        self.start(list_readers=16)
        for i in range(16):
            self.read_by("/a", 1, first=i + 1, t=f"{i:02} Nghị quyết " + "đ" * 200)
        self.wait()
        self.assertEqual(self.listed(), ["/a"])

    def test_starting_totals_are_readers_enough(self):
        self.start()
        file = self.world.folder / "totals.csv"
        file.write_text("/cu,400\n*,1000,10\n")
        status, _, errors = self.world.run("import", "totals", file, "--site", "skhcn", "--config", self.luot.config_file)
        self.assertEqual(status, 0, errors)
        self.read_by("/cu", 1)
        self.read_by("/moi", 1)
        self.wait()
        self.assertEqual(self.listed(), ["/cu"])

    def test_readers_of_merged_addresses_are_readers_of_the_page(self):
        self.start()
        self.read_by("/cu", 2)
        self.read_by("/moi", 2, first=2)  # one of them the same
        self.read_by("/x", 2)
        self.read_by("/y", 2)
        self.wait()
        for old, new in (("/cu", "/moi"), ("/x", "/y")):
            status, _, errors = self.world.run("merge", "--site", "skhcn", "--config", self.luot.config_file, old, new)
            self.assertEqual(status, 0, errors)
        self.assertEqual(self.listed(), ["/moi"])

    def test_a_list_is_full_however_many_pages_are_made_up(self):
        """Each of the made-up pages has more views than any that is read."""
        self.start(max_new_paths_per_day=10_000)
        client = self.luot.redis()
        for i in range(100):
            self.read_by(f"/tin/{i}", 3, first=1 + 3 * (i % 50))  # one brings few
        self.wait()
        rows = eventually(lambda: next((key for key in client.scan_iter("luot:*:skhcn:day:*:pages") if client.zcard(key) >= 100), None),
                          patience(20), "the rows of the day")
        client.zadd(rows, {f"/casino/{i}": 60 for i in range(850)})
        self.assertEqual(len(self.listed(limit=100)), 100)
        self.assertFalse([path for path in self.listed(limit=100) if "casino" in path])

    def test_the_setting_says_how_many(self):
        self.start(list_readers=2)
        self.read_by("/a", 2)
        self.read_by("/b", 1)
        self.wait()
        self.assertEqual(self.listed(), ["/a"])
        for wrong in (0, 17):
            self.luot.config["site"][0]["list_readers"] = wrong
            self.luot.write_config()
            status, _, errors = self.world.run("check-config", self.luot.config_file)
            self.assertEqual(status, 2)
            self.assertIn("list_readers", errors)


if __name__ == "__main__":
    main()
