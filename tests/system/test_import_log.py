#!/usr/bin/env python3
"""`luot import log` as an operator meets it: formats, what is a page, what is said, logs that differ, logs that grow, and
readers who are here at the same time."""

import bz2
import gzip
import json
import lzma
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import imports  # noqa: E402
from access_log import BROWSERS, line, random_log  # noqa: E402
from luot import BINARY, PARTITIONS, eventually, main, patience, redis_blobs, seeded  # noqa: E402

BEGIN = 1_718_400_000  # 2024-06-14T21:20:00Z
DAY = 86_400


def views(client, site):
    """Of each path."""
    pages = next(client.scan_iter(f"luot:{{p*}}:{site}:pages", count=10_000), None)
    return {path.decode(): int(n) for path, n in client.zrange(pages, 0, -1, withscores=True)} if pages else {}


def total(client, site, field):
    totals = next(client.scan_iter(f"luot:{{p*}}:{site}:totals", count=10_000), None)
    return int(client.hget(totals, field) or 0) if totals else 0


class Lines(imports.ImportTest):
    """What becomes of the lines."""

    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites("a", "b", "c"))
        self.client = self.luot.redis()

    def test_each_format_gives_the_same_pages(self):
        requests = [(BEGIN + i, f"10.0.0.{i % 3 + 1}", f"/tin/{i % 4}", ("GET", "HEAD")[i % 5 == 4], (200, 404)[i % 7 == 6])
                    for i in range(40)]
        wanted = {}
        for _, _, target, method, status in requests:
            if method == "GET" and status == 200:
                wanted[target] = wanted.get(target, 0) + 1

        def combined(at, client, target, method, status):
            return line(at, client, target, method, status, "https://zalo.me/x")

        def as_json(*names):
            def text(at, client, target, method, status):
                values = (str(at), client, method, target, status, BROWSERS[0])
                out = {}
                for name, value in zip(names, values):
                    inner = out
                    *outer, last = name.split("/")
                    for step in outer:
                        inner = inner.setdefault(step, {})
                    inner[last] = [value] if "headers" in outer else value
                return json.dumps(out)
            return text

        formats = {
            "combined": (combined, []),
            "common": (lambda *request: combined(*request).rpartition(' "https')[0], []),
            "vhost_combined": (lambda *request: "www.A.example.vn:443 " + combined(*request), []),
            "json": (as_json("time_iso8601", "remote_addr", "request_method", "request_uri", "status", "http_user_agent"), []),
            "caddy": (as_json("ts", "request/remote_ip", "request/method", "request/uri", "status",
                              "request/headers/User-Agent"), []),
            "traefik": (as_json("StartUTC", "ClientHost", "RequestMethod", "RequestPath", "DownstreamStatus",
                                "request_User-Agent"), []),
            "own": (as_json("when", "who/ip", "verb", "asked", "code", "with"),
                    [f"--field={field}" for field in ("time=when", "client=who.ip", "method=verb", "path=asked", "status=code",
                                                      "user_agent=with")]),
        }
        sites = self.sites(*(f"f-{name.replace('_', '-')}" for name in formats))
        luot = self.world.luot(name="formats", sites=sites)
        for (name, (write, fields)), site in zip(formats.items(), sites):
            file = self.write(f"{name}.access", [write(*request) for request in requests], end="\r\n" if name == "common" else "\n")
            rows = self.import_log(luot, site["id"], file, "--format", "json" if name == "own" else name, *fields)
            self.assertEqual((rows["lines"], rows["damaged"], rows["other hosts"]), (40, 0, 0), name)
            found = views(luot.redis(), site["id"])
            if name == "common":  # nobody's User-Agent is a bot's
                self.assertEqual(total(luot.redis(), site["id"], "bots"), sum(wanted.values()))
            else:
                self.assertEqual(found, wanted, name)

    def test_a_file_a_gz_and_standard_input_are_one_log(self):
        lines = random_log(seeded("one log"), 3000)
        text = "".join(text + "\n" for text in lines).encode()
        file = self.write("access", lines)
        packed = self.world.folder / "other.name"
        packed.write_bytes(gzip.compress(text[:50_000]) + gzip.compress(text[50_000:]))
        pages = self.import_log(self.luot, "a", file)["pages shipped"]
        self.assertGreater(pages, 1000)
        for again in (packed, "-"):
            rows = self.import_log(self.luot, "a", again, **({"input": text} if again == "-" else {}))
            self.assertEqual((rows["imported before"], rows["pages shipped"]), (3000, 0), again)
        self.import_log(self.luot, "b", "-", input=gzip.compress(text))
        self.import_log(self.luot, "c", packed)
        self.assert_same(self.client, "b", "a")
        self.assert_same(self.client, "c", "a")
        self.assert_verified(self.luot)

    def test_each_line_is_in_one_row_of_the_summary(self):
        lines = random_log(seeded("rows"), 5000)
        rows = self.import_log(self.luot, "a", self.write("access", lines))
        self.assertEqual(rows["lines"], 5000)
        self.assertEqual(sum(n for name, n in rows.items() if name != "lines"), 5000, rows)
        for name, text in (("not found", '" 404 '), ("other methods", '"POST '), ("static files", ".jpg HTTP")):
            self.assertEqual(rows[name], sum(text in each for each in lines), name)
        self.assertEqual(rows["pages shipped"], total(self.client, "a", "views") + total(self.client, "a", "bots"))

    def test_what_is_a_page_can_be_told(self):
        lines = [line(BEGIN + i, "10.0.0.1", target, method, status) for i, (target, method, status) in enumerate([
            ("/a", "GET", 200), ("/a", "HEAD", 200), ("/a", "POST", 200), ("/a", "GET", 304), ("/a", "GET", 301),
            ("/a.css?v=1", "GET", 200), ("/a.webp", "GET", 200), ("/v?f=a.png", "GET", 200), ("/a", "GET", 500)])]
        file = self.write("access", lines)
        rows = self.import_log(self.luot, "a", file)
        self.assertEqual([rows[n] for n in ("pages shipped", "other methods", "other status", "static files")], [4, 2, 2, 1])
        rows = self.import_log(self.luot, "b", "--method", "GET,POST", "--status", "200,301-308", "--static", "webp,.Png", file)
        self.assertEqual([rows[n] for n in ("pages shipped", "other methods", "other status", "static files")], [6, 1, 1, 1])

    def test_lines_of_other_hosts_are_counted_apart(self):
        hosts = ("a.example.vn", "www.a.example.vn:80", "b.example.vn", "A.EXAMPLE.VN.", "", "[2001:db8::1]:80")
        lines = [f"{host} {line(BEGIN + i, '10.0.0.1', f'/{i}')}" for i, host in enumerate(hosts)]
        lines.append("a.example.vn " + line(BEGIN, "10.0.0.1", "http://elsewhere.example/"))
        rows = self.import_log(self.luot, "a", self.write("access", lines), "--format", "vhost_combined")
        self.assertEqual((rows["pages shipped"], rows["other hosts"]), (4, 3))
        self.assertEqual(set(views(self.client, "a")), {"/0", "/1", "/3", "/4"})

    def test_damaged_lines_are_shown_without_addresses_and_in_one_line_each(self):
        good = line(BEGIN, "10.0.0.1", "/a")
        bad = ["198.51.100.77 - - [somewhen] \x1b[31m\x07", "\xff\x00 2001:db8::77 x", good.replace("Jun", "Jux"),
               "x" * 70_000, good.replace("10.0.0.1", "198.51.100.78:").replace("[", "("), "", "seventh"]
        file = self.world.folder / "access"
        file.write_bytes("".join(text + "\n" for text in [good, *bad, good]).encode("latin-1"))
        _, output, _ = self.world.run("import", "log", file, "--site", "a", "--config", self.luot.config_file)
        self.assertEqual(imports.summary(output)["damaged"], len(bad))
        samples = [text for text in output.splitlines() if text.startswith("    ")]
        self.assertEqual(len(samples), 5, output)
        for number, sample in enumerate(samples, start=2):
            self.assertIn(f"access:{number}: ", sample)
            self.assertRegex(sample, r"^[ -~]*$")
            self.assertLess(len(sample), 1500)
        self.assertNotIn("198.51", output)
        self.assertNotIn("2001", output)
        self.assertNotIn("10.0.0.1", output)
        self.assertEqual(total(self.client, "a", "views"), 2)

    def test_a_line_that_has_no_end_yet_is_left_for_the_next_run(self):
        whole = line(BEGIN, "10.0.0.1", "/a") + "\n" + line(BEGIN + 1, "10.0.0.1", "/b") + "\n"
        file = self.world.folder / "access"
        file.write_text(whole[:-5])
        rows = self.import_log(self.luot, "a", file, errors="has no line feed yet")
        self.assertEqual((rows["lines"], views(self.client, "a")), (1, {"/a": 1}))
        file.write_text(whole)
        self.import_log(self.luot, "a", file)
        self.assertEqual(views(self.client, "a"), {"/a": 1, "/b": 1})
        empty = self.write("empty", [])
        self.assertEqual(self.import_log(self.luot, "a", empty)["lines"], 0)

    def test_several_logs_are_taken_in_the_order_of_their_times(self):
        lines = random_log(seeded("several"), 4000, seconds=3 * DAY)
        cuts = [lines[:1000], lines[1000:1010], lines[1010:3000], lines[3000:]]
        self.import_log(self.luot, "a", self.write("whole", lines))
        files = [self.write(name, part) for name, part in zip(("z", "m", "a", "k"), cuts)]
        packed = self.world.folder / "z.gz"
        packed.write_bytes(gzip.compress(files[0].read_bytes()))
        rows = self.import_log(self.luot, "b", files[3], files[2], packed, files[1])
        self.assertEqual(rows["lines"], 4000)
        self.assert_same(self.client, "b", "a")
        # A log that is in twice is the same log.
        self.import_log(self.luot, "b", files[0], files[1], files[2], files[3], files[0])
        self.assert_same(self.client, "b", "a")

    def test_a_dry_run_needs_no_redis_and_leaves_nothing(self):
        lines = random_log(seeded("dry"), 2000)
        file = self.write("access", lines)
        alone = self.world.luot("aggregator", name="alone", start=False, sites=self.sites("a"),
                                config={"redis": {"url": "redis://127.0.0.1:1/0"}})
        dry = self.import_log(alone, "a", file, "--dry-run")
        self.assertFalse(alone.data_dir.exists())
        rows = self.import_log(self.luot, "a", file)
        self.assertEqual(dry.pop("pages"), rows.pop("pages shipped"))
        rows.pop("imported before")
        self.assertEqual(dry, rows)


class Differs(imports.ImportTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites("a"))
        self.lines = random_log(seeded("differs"), 2000)
        self.import_log(self.luot, "a", self.write("access", self.lines))
        self.before = self.all_of(self.luot.redis(), "a")

    def refused(self, lines, *parts):
        said = self.import_log(self.luot, "a", self.write("access", lines), status=1)
        for part in parts:
            self.assertIn(part, said)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertEqual(self.all_of(self.luot.redis(), "a"), self.before)

    def test_a_log_that_was_changed_is_refused(self):
        changed = list(self.lines)
        changed[1000] = changed[1000].replace("GET", "PUT") if "GET" in changed[1000] else changed[1000] + "x"
        self.refused(changed + self.lines[:3], "its first 2000 lines, which have been imported, are not the same",
                     "import the whole log as it was written")

    def test_a_log_that_is_shorter_is_refused(self):
        self.refused(self.lines[:1500], "1500 lines, and 2000 of it have been imported")

    def test_a_log_without_a_line_in_the_middle_is_refused(self):
        self.refused(self.lines[:1000] + self.lines[1001:] + self.lines[5:9], "are not the same")

    def test_a_log_that_begins_otherwise_is_another_log(self):
        self.import_log(self.luot, "a", self.write("access.2", [line(BEGIN, "10.0.0.1", "/new")]))
        self.assertEqual(views(self.luot.redis(), "a")["/new"], 1)


class Refuses(imports.ImportTest):
    """What cannot be meant is said before anything of it has a number in Redis: else it would not count again."""

    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites("a"))
        self.lines = [line(BEGIN + i, f"10.0.{i // 200}.{i % 200}", f"/v{i % 5}") for i in range(300)]
        self.wanted = {f"/v{i}": 60 for i in range(5)}

    def refused(self, *arguments, **options):
        said = self.import_log(self.luot, "a", *arguments, status=1, **options)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertNotIn("10.0.0", said)
        return said

    def imported(self, *arguments, **options):
        """All of it counts: nothing of it was shipped before."""
        self.assertEqual(self.import_log(self.luot, "a", *arguments, **options)["pages shipped"], 300)
        self.assertEqual(views(self.luot.redis(), "a"), self.wanted)

    def test_a_log_of_another_format_is_refused_and_imported_by_its_own(self):
        file = self.write("vhost", ["a.example.vn:443 " + text for text in self.lines])
        said = self.refused(file)
        for part in ("none of its first 100 lines is of the format combined (no client address): --format vhost_combined fits",
                     'begins with "a.example.vn:443 (address) - - [', "Nothing was imported"):
            self.assertIn(part, said)
        self.imported(file, "--format", "vhost_combined")

    def test_so_is_one_of_few_lines_and_one_that_comes_by_a_pipe(self):
        text = "".join(f"{each}\n" for each in self.lines).encode()
        self.assertIn("--format combined fits", self.refused("-", "--format", "json", input=text))
        few = self.write("few", self.lines[:3])
        self.assertIn("none of its first 3 lines", self.refused(few, "--format", "vhost_combined"))
        self.imported("-", input=text)

    def test_one_file_of_another_format_stops_those_beside_it(self):
        good = self.write("good", self.lines)
        bad = self.write("bad", ["x " + text for text in self.lines])
        self.assertIn("bad: none of", self.refused(good, bad))
        self.imported(good)

    def test_a_log_that_was_just_rotated_and_holds_one_scan_stops_no_other(self):
        for i, scan in enumerate((r"\x16\x03\x01", "-")):
            fresh = self.write(f"fresh{i}", [line(BEGIN + 400 + i, "10.0.0.9", "/").replace('"GET / HTTP/1.1"', f'"{scan}"')])
            rows = self.import_log(self.luot, "a", self.write("access.1", self.lines), fresh)
            self.assertEqual((rows["no request"], rows["damaged"]), (1, 0))
        self.assertEqual(views(self.luot.redis(), "a"), self.wanted)

    def test_fields_that_are_not_there_are_refused(self):
        file = self.write("j", [json.dumps({"ts": BEGIN + i, "uri": f"/v{i % 5}", "status": 200, "m": "GET", "ip": f"10.0.0.{i % 200}",
                                            "ua": BROWSERS[0]}) for i in range(300)])
        fields = ["--format", "json", "--field", "time=ts", "--field", "path=uri", "--field", "user_agent=ua", "--field", "client=ip"]
        self.assertIn("--field says where", self.refused(file, *fields))
        self.imported(file, *fields, "--field", "method=m")

    def test_a_log_without_a_line_of_the_site_is_refused_until_its_host_is_configured(self):
        for name, lines in (("x", ["new.example.vn " + text for text in self.lines]),
                            ("y", ["\x1bodd " + text for text in self.lines])):
            said = self.refused(self.write(name, lines), "--format", "vhost_combined")
            self.assertIn("no line is of a host of the site a (a.example.vn), but of ", said)
            self.assertIn({"x": '"new.example.vn"', "y": '"\\u001bodd"'}[name], said)
        text = (self.world.folder / "x").read_bytes()
        self.refused("-", "--format", "vhost_combined", input=text)
        self.luot.config["site"][0]["hosts"].append("new.example.vn")
        self.luot.write_config()
        self.imported(self.world.folder / "x", "--format", "vhost_combined")

    def test_lines_of_many_other_hosts_before_those_of_the_site_are_no_reason(self):
        others = [f"{i % 9}.example.vn " + self.lines[0] for i in range(20_000)]
        own = ["a.example.vn " + text for text in self.lines]
        only_others = self.write("others", others)
        self.imported(only_others, self.write("own", others[1:] + own), "--format", "vhost_combined")
        rows = self.import_log(self.luot, "a", "-", "--format", "vhost_combined",
                               input="".join(f"{text}\n" for text in others[2:] + own).encode())
        self.assertEqual((rows["pages shipped"], rows["other hosts"]), (300, 19_998))

    def test_a_dry_run_says_it_too(self):
        file = self.write("vhost", ["a.example.vn:443 " + text for text in self.lines])
        status, output, errors = self.world.run("import", "log", file, "--site", "a", "--dry-run", "--config", self.luot.config_file)
        self.assertEqual((status, imports.summary(output)["damaged"]), (1, 300))
        self.assertIn("--format vhost_combined fits", errors)

    def test_what_another_program_has_compressed_is_refused_with_the_pipe_that_reads_it(self):
        text = "".join(f"{each}\n" for each in self.lines).encode()
        for name, packed, reader in (("l.xz", lzma.compress(text), "xz: pipe it: xzcat "),
                                     ("l.bz2", bz2.compress(text), "bzip2: pipe it: bzcat "),
                                     ("l.zst", b"\x28\xb5\x2f\xfd\x04\x00", "zstd: pipe it: zstdcat ")):
            file = self.world.folder / name
            file.write_bytes(packed)
            for arguments, options in (([file], {}), (["-"], {"input": packed}), ([file, "--dry-run"], {})):
                said = self.refused(*arguments, **options)
                self.assertIn(f"is compressed by {reader}{'FILE' if arguments[0] == '-' else file} | luot import log - ...", said)

    def test_a_log_that_is_followed_is_shipped_once_a_line_fits(self):
        file = self.write("access", ["damaged"] * 5)
        running = imports.Import(self, self.luot, "a", "--follow", file)
        eventually(lambda: "Waiting for one that is" in running.text(), patience(10))
        with open(file, "a", encoding="utf-8") as out:
            out.write("".join(f"{text}\n" for text in self.lines))
        eventually(lambda: views(self.luot.redis(), "a") == self.wanted, patience(20))
        self.assertEqual(running.terminate(), 0, running.text())
        other = self.write("other", [])
        running = imports.Import(self, self.luot, "a", "--follow", other, "--format", "json")
        with open(other, "a", encoding="utf-8") as out:
            out.write("".join(f"{text}\n" for text in self.lines[1:]))
        self.assertEqual(running.wait(), 1)
        self.assertIn("--format combined fits", running.text())
        self.assertEqual(self.import_log(self.luot, "a", other)["pages shipped"], 299)


class Rounds(imports.ImportTest):
    """A log counts once in a round; another round is how an operator counts it again."""

    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites("a", "b"))
        self.lines = random_log(seeded("rounds"), 3000)
        self.file = self.write("access", self.lines)

    def test_what_was_deleted_counts_again_in_another_round_and_once_in_it(self):
        client = self.luot.redis()
        self.import_log(self.luot, "a", self.file)
        self.import_log(self.luot, "b", self.file)
        self.luot.write_config()
        status, output, _ = self.world.run("delete", "--site", "a", "--all", "--yes", "--config", self.luot.config_file)
        self.assertEqual(status, 0)
        self.assertIn("count again with luot import log --round N", output)
        status, output, _ = self.world.run("import", "log", self.file, "--site", "a", "--config", self.luot.config_file)
        self.assertEqual(imports.summary(output)["imported before"], 3000)
        self.assertIn("--round 2 counts it again", output)
        self.assertEqual(total(client, "a", "views"), 0)

        # Cut off, grown, compressed: as in the first.
        half = self.write("half", self.lines[:1500])
        self.import_log(self.luot, "a", half, "--round", "2")
        packed = self.world.folder / "packed"
        packed.write_bytes(gzip.compress(self.file.read_bytes()))
        rows = self.import_log(self.luot, "a", packed, "--round", "2")
        self.assertEqual((rows["imported before"], rows["lines"]), (1500, 3000))
        self.assertEqual(self.import_log(self.luot, "a", self.file, "--round", "2")["imported before"], 3000)
        self.assertEqual((total(client, "a", "views"), views(client, "a")), (total(client, "b", "views"), views(client, "b")))
        self.assert_verified(self.luot)

    def test_another_round_counts_twice_what_was_not_deleted(self):
        self.import_log(self.luot, "a", self.file)
        self.import_log(self.luot, "a", self.file, "--round", "1000")
        self.import_log(self.luot, "b", self.file, "--round", "1")
        client = self.luot.redis()
        self.assertEqual(total(client, "a", "views"), 2 * total(client, "b", "views"))

    def test_a_round_is_a_number_from_1_to_1000(self):
        for wrong in ("0", "1001", "-1", "x"):
            said = self.import_log(self.luot, "a", self.file, "--round", wrong, status=2)
            self.assertIn("--round", said)


class NewPages(imports.ImportTest):
    def test_a_day_of_a_log_with_more_new_pages_than_strangers_may_bring_is_counted_by_page(self):
        luot = self.world.luot(sites=self.sites("a"))
        self.import_log(luot, "a", self.write("access", [line(BEGIN + i, f"10.8.0.{i % 200}", f"/b{i}") for i in range(2500)]))
        self.assertEqual(views(luot.redis(), "a"), {f"/b{i}": 1 for i in range(2500)})
        self.assert_verified(luot)


class Grows(imports.ImportTest):
    """A log that goes on after the import of its beginning has ended, and all that it needed was forgotten."""

    def seen(self, client, site, since="-inf"):
        """How many readers are remembered that were here after then (Unix milliseconds)."""
        key = next(client.scan_iter(f"luot:{{p*}}:{site}:seen", count=10_000), None)
        return client.zcount(key, since, "+inf") if key else 0

    def test_visits_that_were_open_go_on_after_everybody_was_forgotten(self):
        luot = self.world.luot(sites=self.sites("a", "b"))
        client = luot.redis()
        # Each reader comes every 20 minutes: one visit each, but for the cut.
        lines = [line(BEGIN + i * 10, f"10.0.0.{i % 120 + 1}", f"/{i % 9}", agent=BROWSERS[i % 5]) for i in range(3000)]
        self.import_log(luot, "a", self.write("whole", lines))
        file = self.write("access", lines[:1500])
        self.import_log(luot, "b", file)
        eventually(lambda: self.seen(client, "b") == 0, patience(60), "the watermark has passed, readers are forgotten")
        luot.stop()
        luot.start()  # what the aggregator remembers goes, too
        client = luot.redis()
        self.write("access", lines)
        self.import_log(luot, "b", file)
        # That a visit goes on is known again, not what it was: where it came from, and that it is no bounce.
        self.assert_same(client, "b", "a", lambda name: name in (
            "bounces", "exits", "sources", "media", "page_visits", "rows:page_visits"))
        self.assertLess(total(client, "b", "visits"), 300)

    def test_an_import_that_was_killed_holds_the_watermark_for_a_day(self):
        server = self.world.redis()
        luot = self.world.luot("aggregator", redis=server, sites=self.sites("a"))
        client = server.client()
        lines = random_log(seeded("held"), 150_000)
        running = imports.Import(self, luot, "a", self.write("access", lines))

        def log():
            for part in range(PARTITIONS):
                for name, value in client.hgetall(f"luot:{{p{part:02}}}:producers").items():
                    if name.endswith(b":shipped") and int(value) > 20_000:
                        return f"luot:{{p{part:02}}}:producers", name.decode().partition(":")[0]
            return None
        producers, producer = eventually(log, patience(20))
        running.kill()
        eventually(lambda: client.hget(producers, f"{producer}:applied") == client.hget(producers, f"{producer}:shipped"),
                   patience(20))
        # Readers of the log's last half hour: its next lines may go on with their visits.
        since = int(client.hget(producers, f"{producer}:watermark")) - 30 * 60 * 1000
        seen = self.seen(client, "a", since)
        self.assertGreater(seen, 0)
        client.hset(producers, "tidied", 1)  # long ago: it is written anew when the partition has its turn
        eventually(lambda: client.hget(producers, "tidied") != b"1", patience(60), "the partition was tidied")
        self.assertEqual(self.seen(client, "a", since), seen)
        # As if a day had passed in which it was not heard of.
        client.hset(producers, f"{producer}:heard", int(client.hget(producers, f"{producer}:heard")) - 25 * 3600 * 1000)
        client.hset(producers, "tidied", int(time.time() * 1000))
        live = "00000000000000aa"  # another log, idle: somebody has to say what time it is
        client.hset(producers, mapping={f"{live}:shipped": 0, f"{live}:heard": int(time.time() * 1000),
                                        f"{live}:watermark": int(time.time() * 1000)})
        eventually(lambda: self.seen(client, "a") == 0, patience(60), "it holds nothing back any more")
        client.hdel(producers, f"{live}:shipped", f"{live}:heard", f"{live}:watermark")
        # And it goes on all the same.
        rows = self.import_log(luot, "a", self.world.folder / "access")
        self.assertEqual(rows["lines"], 150_000)
        self.assertEqual(total(client, "a", "views") + total(client, "a", "bots"),
                         self.import_log(luot, "a", self.world.folder / "access", "--dry-run")["pages"])


class Beside(imports.ImportTest):
    """Readers who are here while a log is imported."""

    def test_live_counts_stay_right(self):
        rng = seeded("beside")
        luot = self.world.luot(sites=self.sites("a", "b"))
        client = luot.redis()
        self.import_log(luot, "b", self.write("other", random_log(rng, 1000)))
        wanted = total(client, "b", "views")
        running = imports.Import(self, luot, "a", self.write("access", random_log(rng, 200_000)))
        sent = 0
        while running.process.poll() is None:
            reader = f"100.64.0.{sent % 40 + 1}"
            for _ in range(2):  # the second time it is a repeat
                answer = luot.hit("a", f"/live/{sent % 7}", client=reader, id=f"live-{sent}")
                self.assertEqual(answer.status, 202)
            sent += 1
            if sent % 20 == 0:
                shown = luot.get_counts("a", f"/live/{(sent - 1) % 7}", after=answer.token).json()
                self.assertLessEqual(shown["online"], min(sent, 40), "readers of the log are not online")
                if not shown.get("behind"):
                    self.assertEqual(shown["online"], min(sent, 40))
                    self.assertEqual(shown["pages"][f"/live/{(sent - 1) % 7}"]["views"], (sent + 6 - (sent - 1) % 7) // 7)
        self.assertEqual(running.wait(), 0, running.text())
        luot.wait_for("a", answer.token)
        rows = imports.summary(running.text())
        self.assertEqual(total(client, "a", "views") + total(client, "a", "bots"), rows["pages shipped"] + sent)
        self.assertEqual(sum(n for path, n in views(client, "a").items() if path.startswith("/live/")), sent)
        self.assertEqual(total(client, "b", "views"), wanted)
        self.assertEqual(luot.counts("a")["online"], min(sent, 40))
        self.assert_verified(luot)
        # It does not hold the partition back: what is old may be forgotten.
        for part in range(PARTITIONS):
            held = client.hgetall(f"luot:{{p{part:02}}}:producers")
            for name, value in held.items():
                if name.endswith(b":watermark"):
                    self.assertGreater(int(value), (time.time() - 3600) * 1000, name)

    def test_the_visitors_of_a_log_are_others_than_those_of_the_collector(self):
        """The secret is another one: nobody can tell from Redis who was in the log."""
        luot = self.world.luot(sites=self.sites("a"))
        now = int(time.time())
        luot.take_hit("a", "/", client="198.51.100.77", agent=BROWSERS[0])
        file = self.write("access", [line(now, "198.51.100.77", "/", agent=BROWSERS[0])])
        self.import_log(luot, "a", file)
        self.assertEqual((total(luot.redis(), "a", "views"), total(luot.redis(), "a", "visits")), (2, 2))

    def test_no_address_and_no_secret_leaves_the_import(self):
        luot = self.world.luot(sites=self.sites("a"))
        lines = [line(BEGIN + i, "198.51.100.77", f"/{i}?token=geheim", referrer="https://x.example/?q=geheim") for i in range(300)]
        file = self.write("log-of-readers", lines)
        self.import_log(luot, "a", file)
        salt = luot.data_dir / "import.salt"
        self.assertEqual(salt.stat().st_mode & 0o777, 0o600)
        secret = bytes.fromhex(salt.read_text().split()[-1])
        blobs = list(redis_blobs(luot.redis()))
        self.assertTrue(blobs)
        for needle in (b"198.51.100.77", b"\xc6\x33\x64\x4d", b"geheim", secret, secret.hex().encode()):
            for blob in blobs:
                self.assertNotIn(needle, blob if isinstance(blob, bytes) else blob[-1])


class Salt(imports.ImportTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites("a"))
        self.file = self.write("access", [line(BEGIN, "10.0.0.1")])
        self.salt = self.luot.data_dir / "import.salt"

    def test_it_is_kept_for_a_week_after_its_last_use(self):
        self.import_log(self.luot, "a", self.file)
        first = self.salt.read_text()
        os.utime(self.salt, (time.time() - 6 * DAY,) * 2)
        self.import_log(self.luot, "a", self.file)
        self.assertEqual(self.salt.read_text(), first)
        self.assertLess(time.time() - self.salt.stat().st_mtime, DAY, "it was used now")
        os.utime(self.salt, (time.time() - 7 * DAY - 60,) * 2)
        eventually(lambda: not self.salt.exists(), patience(20), "luot removes it")
        self.import_log(self.luot, "a", self.file)
        self.assertNotEqual(self.salt.read_text(), first)

    def test_one_that_others_can_read_or_that_is_damaged_is_refused(self):
        self.import_log(self.luot, "a", self.file)
        self.salt.chmod(0o640)
        self.assertIn("chmod 600", self.import_log(self.luot, "a", self.file, status=1))
        self.salt.chmod(0o600)
        self.salt.write_text("luot-import-salt 1 00")
        self.assertIn("is damaged: remove it", self.import_log(self.luot, "a", self.file, status=1))


class Follow(imports.ImportTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites("a", "b"))
        self.client = self.luot.redis()
        self.lines = random_log(seeded(self._testMethodName), 3000)
        self.file = self.world.folder / "access"
        self.at = 0

    def append(self, count, file=None):
        """The next lines."""
        text = "".join(text + "\n" for text in self.lines[self.at:self.at + count])
        self.at += count
        with open(file or self.file, "a", encoding="utf-8") as out:
            out.write(text)

    def follow(self, *files):
        return imports.Import(self, self.luot, "b", "--follow", *(files or [self.file]))

    def wait_counted(self):
        wanted = self.import_log(self.luot, "a", self.write("so-far", self.lines[:self.at]), "--dry-run")["pages"]
        eventually(lambda: total(self.client, "b", "views") + total(self.client, "b", "bots") == wanted, patience(20),
                   f"{self.at} lines are counted")

    def check(self, running):
        """It ends when it is told to, and everything is as if the log were one."""
        self.wait_counted()
        self.assertEqual(running.terminate(), 0, running.text())
        self.import_log(self.luot, "a", self.write("whole", self.lines[:self.at]))
        self.assert_same(self.client, "b", "a")
        self.assert_verified(self.luot)

    def test_a_log_that_grows(self):
        self.append(1000)
        running = self.follow()
        self.wait_counted()
        for _ in range(5):
            self.append(100)
            self.wait_counted()
        with open(self.file, "a", encoding="utf-8") as out:  # in two writes
            text = self.lines[self.at] + "\n"
            out.write(text[:40])
            out.flush()
            time.sleep(0.5)
            out.write(text[40:])
        self.at += 1
        self.check(running)

    def test_it_goes_on_where_it_was_after_kills_and_stops(self):
        self.append(500)
        for end in ("kill", "terminate", "kill"):
            running = self.follow()
            self.append(300)
            self.wait_counted()
            if end == "kill":
                running.kill()
            else:
                self.assertEqual(running.terminate(), 0)
            self.append(200)
        self.check(self.follow())

    def test_a_log_that_is_rotated_by_a_rename_while_its_server_still_writes(self):
        self.append(500)
        running = self.follow()
        self.wait_counted()
        for number in range(3):
            old = self.world.folder / f"access.{number}"
            self.file.rename(old)
            self.append(100, old)
            self.file.touch()
            time.sleep(0.3)
            self.append(50, old)  # it has not been told yet
            self.wait_counted()
            self.append(200)
            self.wait_counted()
        self.check(running)

    def test_a_log_that_came_between_two_rotations_is_named(self):
        self.append(500)
        running = self.follow()
        self.wait_counted()
        first, between = self.world.folder / "access.2", self.world.folder / "access.1"
        self.file.rename(first)
        lost = self.at, self.at + 200
        self.append(200)
        self.file.rename(between)
        self.append(100)
        eventually(lambda: f"{between} was not followed" in running.text(), patience(20), "it says so")
        self.lines[lost[0]:lost[1]] = []
        self.at -= 200
        self.wait_counted()
        # What it is told to do is right: nothing is counted twice.
        self.import_log(self.luot, "b", between)
        self.assertEqual(running.text().count("was not followed"), 1)
        self.assertEqual(running.terminate(), 0)
        self.assert_verified(self.luot)

    def test_a_log_that_is_copied_and_cut(self):
        self.append(800)
        running = self.follow()
        self.wait_counted()
        for _ in range(2):
            os.truncate(self.file, 0)
            self.append(400)
            self.wait_counted()
        # Cut, and longer than before when it is looked at again.
        text = "".join(text + "\n" for text in self.lines[self.at:])
        self.at = len(self.lines)
        fd = os.open(self.file, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, text.encode())
        os.close(fd)
        self.check(running)

    def test_old_logs_first_and_the_last_is_followed(self):
        old = self.world.folder / "access.1"
        self.append(700, old)
        self.append(300)
        running = self.follow(self.file, old)
        self.wait_counted()
        self.append(300)
        self.check(running)

    def test_while_nobody_reads_it_holds_nothing_back(self):
        self.append(500)
        running = self.follow()
        self.wait_counted()

        def watermarks():
            found = {}
            for part in range(PARTITIONS):
                for name, value in self.client.hgetall(f"luot:{{p{part:02}}}:producers").items():
                    if name.endswith(b":watermark"):
                        found[name] = int(value)
            return found
        eventually(lambda: all(at > (time.time() - 1200) * 1000 for at in watermarks().values()) and len(watermarks()) >= 3,
                   patience(20), "the watermark of the log is now")
        self.check(running)


class Command(imports.ImportTest):
    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(sites=self.sites("a"))
        self.file = self.write("access", [line(BEGIN + i, "10.0.0.1", f"/{i % 5}") for i in range(2000)])

    def run_it(self, *arguments):
        return self.world.run("import", "log", *arguments, "--config", self.luot.config_file)

    def test_wrong_usage_is_status_2_and_what_cannot_be_read_1(self):
        missing = self.world.folder / "nothing"
        for status, arguments, said in (
            (2, [self.file], "--site"), (2, ["--site", "a"], "FILE"), (2, [self.file, "--site", "x"], "has no site x"),
            (2, [self.file, "--site", "a", "--format", "elf"], "--format"),
            (2, [self.file, "--site", "a", "--field", "time=ts"], "--field is for JSON"),
            (2, [self.file, "--site", "a", "--format", "json", "--field", "when=ts"], "must be one of host, client"),
            (2, [self.file, "--site", "a", "--status", "2xx"], "--status 2xx"),
            (2, ["-", "-", "--site", "a"], "can be read once"), (2, ["-", "--site", "a", "--follow"], "without --follow"),
            (1, [missing, "--site", "a"], "cannot read"), (1, [self.world.folder, "--site", "a"], "directory"),
        ):
            with self.subTest(arguments):
                found, output, errors = self.run_it(*arguments)
                self.assertEqual((found, output), (status, ""), errors)
                self.assertIn(said, errors)
                self.assertEqual(errors.count("\n"), 1, errors)
        packed = self.world.folder / "cut.gz"
        packed.write_bytes(gzip.compress(self.file.read_bytes())[:-100])
        found, _, errors = self.run_it(packed, "--site", "a")
        self.assertEqual(found, 1)
        self.assertIn("once the file is whole", errors)

    def test_without_redis_it_says_so(self):
        alone = self.world.luot("aggregator", name="alone", start=False, sites=self.sites("a"),
                                config={"redis": {"url": "redis://127.0.0.1:1/0"}})
        said = self.import_log(alone, "a", self.file, status=1)
        self.assertIn("Redis cannot be reached", said)

    def test_without_an_aggregator_it_ends_and_says_what_waits(self):
        server = self.world.redis()
        alone = self.world.luot("aggregator", name="alone", start=False, redis=server, sites=self.sites("a"))
        rows = self.import_log(alone, "a", self.file, errors="2,000 lines wait to be counted")
        self.assertEqual(rows["pages shipped"], 2000)
        alone.start()
        eventually(lambda: total(server.client(), "a", "views") == 2000, patience(20))

    def test_interrupted_it_says_that_it_can_go_on(self):
        read, write = os.pipe()
        process = subprocess.Popen([BINARY, "import", "log", "-", "--site", "a", "--config", self.luot.config_file],
                                   stdin=read, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(read)
        text = self.file.read_bytes()
        os.write(write, text[:30_000])
        eventually(lambda: total(self.luot.redis(), "a", "views") > 100, patience(20), "what came is counted at once")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=patience(10))
        os.close(write)
        self.assertEqual(process.returncode, 1)
        self.assertIn("it goes on where it was", errors.decode())
        self.import_log(self.luot, "a", self.file)
        self.assertEqual(total(self.luot.redis(), "a", "views"), 2000)

    def test_on_a_terminal_it_shows_how_far_it_is(self):
        big = self.write("big", random_log(seeded("terminal"), 100_000))
        for quiet in (False, True):
            terminal, other = pty.openpty()
            process = subprocess.Popen([BINARY, "import", "log", big, "--site", "a", "--config", self.luot.config_file,
                                        *(["--quiet"] if quiet else [])], stdout=subprocess.PIPE, stderr=other)
            os.close(other)
            shown = b""
            while True:
                if select.select([terminal], [], [], 0.1)[0]:
                    try:
                        shown += os.read(terminal, 4096)
                    except OSError:
                        break
            output, _ = process.communicate()
            os.close(terminal)
            self.assertEqual(process.returncode, 0)
            if quiet:
                self.assertEqual((output, shown), (b"", b""))
            else:
                self.assertRegex(shown.decode(), r"\[#*\.*\] +\d+ %  [\d,]+ lines  [\d,]+ lines/s")
                self.assertTrue(shown.endswith(b"\x1b[K"), "it leaves a clean line")
                self.assertRegex(output.decode(), r"^a: 100,000 lines of 1 log in ")


if __name__ == "__main__":
    main()
