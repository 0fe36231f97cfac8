#!/usr/bin/env python3
"""In and out: what other counters export becomes starting totals, which can be shown and taken back; what luot
exports is the same numbers, and read back shows them again."""

import csv
import gzip
import io
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import (GOOGLEBOT, LIGHT, ROOT, Load, SystemTest, eventually, hour_lasts, main, patience, random_hits, seeded,  # noqa: E402
                  wait_for_rows)

DATA = ROOT / "tests" / "data"
PATTERN = "/{catalias}/{alias}-{id}.html"


class Moving(SystemTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot()

    def import_totals(self, *arguments, luot=None, **options):
        config = (luot or self.luot).config_file
        return self.world.run("import", "totals", *arguments, "--site", "skhcn", "--config", config, **options)

    def take(self, *arguments, **options):
        status, output, errors = self.import_totals(*arguments, **options)
        self.assertEqual(status, 0, errors)
        return output

    def shown(self, *paths, luot=None):
        """(views of the site, visits of the site, views of each path)."""
        answer = (luot or self.luot).counts("skhcn", *paths)
        return (answer["views"], answer["visits"], *(answer["pages"][p]["views"] for p in paths))

    def assert_shown(self, wanted, *paths, **how):
        eventually(lambda: self.shown(*paths, **how) == wanted or self.assertEqual(self.shown(*paths, **how), wanted),
                   patience(3), f"{wanted} is shown")

    def baseline(self):
        """What --show prints, as rows; and the text."""
        status, output, errors = self.import_totals("--show")
        self.assertEqual((status, errors), (0, ""))
        return list(csv.reader(io.StringIO(output.removeprefix("\ufeff")))), output


class Import(Moving):
    PAGES = "/tin-tuc/bai-1.html", "/tin-tuc/bai-2.html", "/"

    def test_hits_of_goatcounter(self):
        packed = self.world.folder / "goatcounter-export.csv.gz"
        packed.write_bytes(gzip.compress((DATA / "goatcounter-2.csv").read_bytes()))
        for file in (DATA / "goatcounter-2.csv", packed):
            output = self.take(file)
            self.assertIn("1 hits of bots left out, 1 events left out", output)
            self.assert_shown((6, 3, 3, 1, 1), *self.PAGES)
        self.take(DATA / "goatcounter-2.csv", "--first-visits")
        self.assert_shown((5, 3, 2, 1, 1), *self.PAGES)
        self.take("-", input=(DATA / "goatcounter-1.csv").read_bytes())
        self.assert_shown((2, 2, 2, 0, 0), *self.PAGES)
        self.assert_verified(self.luot)

    def test_many_hits_of_goatcounter(self):
        """More than fits into one piece that is read."""
        heading = "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,Location,FirstVisit,Date\r\n"
        rows = 5_000 if LIGHT else 50_000
        text = heading + "".join(f'/bai-{i % 1000},"Bài\n{i}",false,,,,s{i % 700},0,,,,VN,true,2021-07-26T08:31:00Z\r\n'
                                 for i in range(rows))
        packed = self.world.folder / "many.csv.gz"
        packed.write_bytes(gzip.compress(text.encode(), 1))
        self.take(packed)
        self.assert_shown((rows, 700, rows // 1000, rows // 1000), "/bai-0", "/bai-999")

    def test_articles_of_nukeviet(self):
        pages = "/tin-tuc/hoi-nghi-so-ket-12.html", "/tin-tuc/lop-hoc-ky-nang-so-15.html", "/van-hoa/thu-vien-tinh-17.html"
        self.take(DATA / "nukeviet.csv", "--url-pattern", PATTERN)
        self.assert_shown((3320, 0, 406, 2914, 0), *pages)
        self.take("--remove")
        self.take(DATA / "nukeviet.tsv")
        self.assert_shown((3320, 0, 406, 2914), *pages[:2])

    def test_what_cannot_be_taken_changes_nothing(self):
        self.luot.wait_for("skhcn", self.luot.take_hit("skhcn", "/a"))
        self.take(DATA / "nukeviet.tsv")
        before = self.baseline()
        goatcounter = (DATA / "goatcounter-2.csv").read_bytes()
        for content, options in (
                (goatcounter.replace(b"2Path", b"7Path"), ()), (goatcounter.replace(b",FirstVisit", b",Second"), ()),
                (goatcounter.replace(b"true,2021-07-26T09:05:00Z", b"true"), ()), (goatcounter + b'"open', ()),
                (gzip.compress(goatcounter)[:-20], ()), (gzip.compress(goatcounter)[:60] + b"x" * 90, ()),
                ((DATA / "nukeviet.csv").read_bytes(), ()), ((DATA / "nukeviet.csv").read_bytes(), ("--url-pattern", "/{none}")),
                ((DATA / "nukeviet.csv").read_bytes().replace(b'"406"', b'"4.06"'), ("--url-pattern", PATTERN)),
                ((DATA / "nukeviet.csv").read_bytes(), ("--url-pattern", "/{catalias}")), (b"{}", ()), (b"{\"rows\":[", ())):
            file = self.world.folder / "wrong"
            file.write_bytes(content)
            status, output, errors = self.import_totals(file, *options)
            self.assertEqual((status, output), (1, ""), content[:60])
            self.assertEqual(len(errors.strip().splitlines()), 1, errors)
            self.assertIn("wrong", errors)
            self.assertEqual(self.baseline(), before)
        self.assert_shown((3321, 1, 1), "/a")

    def test_totals_are_shown_and_taken_back(self):
        for _ in range(2):
            token = self.luot.take_hit("skhcn", "/a", client="198.51.100.1")
        self.luot.wait_for("skhcn", token)
        self.assertEqual(self.baseline()[0], [["path", "views", "visits"], ["*", "0", "0"]])
        file = self.world.folder / "totals.csv"
        file.write_text('/a,405\n"/tin-tức/b,c",12\n*,1000,50\n')
        self.take(file)
        self.assert_shown((1002, 51, 407, 12), "/a", "/tin-tức/b,c")
        rows, text = self.baseline()
        self.assertEqual(rows[1:], [["*", "1000", "50"], ["/a", "405"], ["/tin-tức/b,c", "12"]])

        self.assertIn("1000 views and 50 visits of 2 pages taken back", self.take("--remove"))
        self.assert_shown((2, 1, 2, 0), "/a", "/tin-tức/b,c")
        self.assertEqual(self.baseline()[0], [["path", "views", "visits"], ["*", "0", "0"]])
        self.assert_verified(self.luot)
        self.take("--remove")  # nothing is there
        # And what was shown is a file that brings it back.
        file.write_text(text)
        self.take(file)
        self.assert_shown((1002, 51, 407, 12), "/a", "/tin-tức/b,c")
        self.assertEqual(self.baseline()[1], text)
        self.assert_verified(self.luot)

    def test_what_it_changed_stands_in_the_log_of_corrections(self):
        def command(name, *arguments):
            return self.world.run(name, *arguments, "--site", "skhcn", "--config", self.luot.config_file)

        file = self.world.folder / "totals.csv"
        file.write_text("/a,405\n/b,12\n*,1000,50\n")
        self.take(file)
        self.take(file)  # changes nothing
        file.write_text("/a,405\n*,900,50\n")
        self.take(file)
        self.take("--remove")
        self.take("--remove")
        records = command("corrections")[1].splitlines()
        for record, of in zip(records, ("totals.csv: views 0 -> 1000, visits 0 -> 50, 2 pages changed",
                                        "totals.csv: views 1000 -> 900, visits 50 -> 50, 1 page changed",
                                        "taken back: views 900 -> 0, visits 50 -> 0, 1 page changed"), strict=True):
            self.assertRegex(record, r"^ +\d+  20\S+  \S+ +totals  ")
            self.assertIn(of, record)
        status, _, errors = command("undo", "1")
        self.assertEqual(status, 1)
        self.assertIn("luot import totals --remove", errors)
        self.assertEqual(command("corrections")[1].splitlines(), records)
        self.assert_verified(self.luot)

    def test_what_is_not_utf_8_or_no_number_is_named(self):
        file = self.world.folder / "totals.csv"
        for text, named in (("/a,405\n".encode("utf-16"), "UTF-16"), ("/a,405\n".encode("utf-16-be"), "UTF-16"),
                            (b"link\thitstotal\n/a\tNULL\n", "IFNULL"), (b"link,hitstotal\n/a,\\N\n", "IFNULL")):
            file.write_bytes(text)
            status, output, errors = self.import_totals(file)
            self.assertEqual((status, output), (1, ""))
            self.assertIn(named, errors)

    def test_one_thing_is_done_at_a_time(self):
        for arguments in ((), (DATA / "nukeviet.tsv", "--show"), ("--show", "--remove")):
            status, _, errors = self.import_totals(*arguments)
            self.assertEqual((status, len(errors.splitlines())), (2, 1), errors)


class Export(Moving):
    def export(self, *arguments, luot=None, **how):
        today = datetime.now(ZoneInfo("Asia/Ho_Chi_Minh")).date()
        how = {"from": today - timedelta(days=3), "to": today + timedelta(days=1), **how}
        status, output, errors = self.world.run("export", "--site", "skhcn", "--from", how["from"], "--to", how["to"],
                                                "--config", (luot or self.luot).config_file, *arguments)
        self.assertEqual((status, errors), (0, ""))
        return output

    def rows(self, *arguments, **how):
        """(kind, path) -> the counts of its rows, those of several days summed."""
        out = {}
        for row in csv.DictReader(io.StringIO(self.export(*arguments, **how).removeprefix("\ufeff"))):
            key = row["kind"], row["path"]
            counts = [int(row[name] or 0) for name in ("views", "visits", "visitors", "events", "bots")]
            out[key] = tuple(map(sum, zip(out.get(key, (0,) * 5), counts)))
        return out

    def read_some(self):
        hour_lasts()
        file = self.world.folder / "totals.csv"
        file.write_text("/a,405\n/old,7\n*,1000,50\n")
        self.take(file)
        for path, client in (("/a", 1), ("/a", 2), ("/tin-tức/b,c", 1), ("/d", 3)):
            token = self.luot.take_hit("skhcn", path, client=f"198.51.100.{client}")
        self.luot.take_hit("skhcn", "/a", n="tải về", client="198.51.100.1")
        token = self.luot.take_hit("skhcn", "/a", agent=GOOGLEBOT)
        self.luot.wait_for("skhcn", token)

    def test_all_counts_are_there_and_add_up(self):
        self.read_some()
        text = self.export()
        self.assertTrue(text.startswith("\ufeffkind,date,path,views,visits,visitors,events,bots,bounces,reloads,visit_seconds\n"))
        rows = self.rows()
        self.assertEqual(rows["total", ""], (4, 3, 3, 1, 1))
        self.assertEqual(rows["day", ""], (4, 3, 3, 1, 1))
        self.assertEqual(rows["month", ""], (4, 3, 3, 1, 1))
        self.assertEqual(rows["baseline", ""][:2], (1000, 50))
        for kind in ("total", "day", "month"):
            self.assertEqual({path: counts[0] for (k, path), counts in rows.items() if k == kind and path},
                             {"/a": 2, "/tin-tức/b,c": 1, "/d": 1}, kind)
        self.assertEqual({path: counts[0] for (k, path), counts in rows.items() if k == "baseline" and path},
                         {"/a": 405, "/old": 7})
        # Days on which nothing was counted have no row; the totals are of all time whatever the days.
        old = self.rows(**{"from": "2021-07-01", "to": "2021-07-26"})
        self.assertEqual({kind for kind, _ in old}, {"total", "baseline"})
        as_json = json.loads(self.export("--format", "json"))
        self.assertEqual(as_json["site"], "skhcn")
        self.assertEqual({(row["kind"], row.get("path", "")): row["views"] for row in as_json["rows"]},
                         {key: counts[0] for key, counts in rows.items()})

    def test_read_back_it_shows_the_same_numbers(self):
        self.read_some()
        pages = "/a", "/old", "/tin-tức/b,c", "/d", "/none"
        shown = self.shown(*pages)
        self.assertEqual(shown, (1004, 53, 407, 7, 1, 1, 0))
        for name in ("csv", "json"):
            file = self.world.folder / f"export.{name}"
            file.write_text(self.export("--format", name))
            other = self.world.luot(name=f"other-{name}")
            self.take(file, luot=other)
            self.assert_shown(shown, *pages, luot=other)
            self.assert_verified(other)

    def test_beside_live_hits_it_can_be_read_back(self):
        """At no moment the pages have more than the site."""
        pages = [("skhcn", f"/bai-{i}") for i in range(1200)]
        load = Load(random_hits(seeded("test_moving export"), pages), [self.luot.public], connections=8,
                    rate=200 if LIGHT else 1000).start()
        other = self.world.luot(name="other")
        for _ in range(5):
            file = self.world.folder / "export.csv"
            file.write_text(self.export())
            self.take(file, luot=other)
        load.end().wait(patience(30))

        def all_counted():
            return self.luot.views("skhcn") == load.sent
        eventually(all_counted, patience(30), "all is counted")
        wait_for_rows(self.luot.redis())
        rows = self.rows()
        for kind in ("total", "month"):
            self.assertEqual(sum(counts[0] for (k, path), counts in rows.items() if k == kind and path), rows[kind, ""][0])
        self.assertEqual({("skhcn", path): counts[0] for (kind, path), counts in rows.items() if kind == "total" and path},
                         {page: views for page, views in load.views.items() if views})

    def test_what_makes_no_sense_is_refused(self):
        config = self.luot.config_file
        for arguments, status in ((("--from", "2021-07-26"), 2), (("--from", "2021-07-26", "--to", "26/07/2021"), 2),
                                  (("--from", "2021-07-26", "--to", "2021-07-25"), 2),
                                  (("--from", "2021-07-25", "--to", "2021-07-26", "--format", "xlsx"), 2),
                                  (("--from", "1821-07-25", "--to", "2021-07-26"), 2)):
            got, output, errors = self.world.run("export", "--site", "skhcn", *arguments, "--config", config)
            self.assertEqual((got, output, len(errors.splitlines())), (status, "", 1), errors)
        got, _, errors = self.world.run("export", "--site", "none", "--from", "2021-07-25", "--to", "2021-07-26", "--config", config)
        self.assertEqual((got, len(errors.splitlines())), (2, 1))
        self.luot.stop()
        got, _, errors = self.world.run("export", "--site", "skhcn", "--from", "2021-07-25", "--to", "2021-07-26", "--config", config)
        self.assertEqual((got, len(errors.splitlines())), (1, 1))


if __name__ == "__main__":
    main()
