#!/usr/bin/env python3
"""The archive of accepted hits: each acknowledged hit is in it once, no address is, and it never stands in the way of
counting."""

import sys
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import test_privacy  # noqa: E402
from archive import FILLER_SITE, archive_config, fill, send, show, unpacked  # noqa: E402
from luot import FIREFOX, GOOGLEBOT, SystemTest, eventually, main, patience  # noqa: E402


class Archive(SystemTest):
    def setUp(self):
        super().setUp()
        self.folder = self.world.folder / "archive"

    def begin(self, folder=None, **more):
        return self.world.luot(config=archive_config(folder or self.folder, **more))

    def test_every_acknowledged_hit_is_archived_once_and_no_address_is(self):
        luot = self.begin()
        sent, tokens = Counter(), []
        for number in range(20):
            for address in map(str, test_privacy.ADDRESSES):
                how = ({"agent": GOOGLEBOT}, {"n": "tải về", "d": {"file": "a.pdf"}}, {"agent": FIREFOX, "how": "pixel"},
                       {"t": "Trang \"đầu\""}, {"r": "https://www.facebook.com/x?y=1"})[number % 5]
                page = f"/bai-{number}-{len(tokens)}"
                tokens.append(luot.take_hit("skhcn", page, client=address, id=f"h-{len(tokens)}", **how))
                sent[page] += 1
        fill(self.world, luot, self.folder, tokens)
        hits = [hit for hit in show(self.world, self.folder) if hit["site"] != FILLER_SITE]
        self.assertEqual(Counter(hit["path"] for hit in hits), sent)
        event = next(hit for hit in hits if hit.get("event"))
        self.assertEqual((event["event"], event["properties"]), ("tải về", {"file": "a.pdf"}))
        self.assertEqual({hit.get("title") for hit in hits}, {None, "Trang \"đầu\""})
        files = sorted(self.folder.glob("*.hits.zst"))
        self.assertTrue(files)
        blobs = [(str(file), file.read_bytes()) for file in files] + [(f"{file}, unpacked", unpacked(file))
                                                                     for file in files]
        self.assertFalse(test_privacy.search(blobs), "addresses in the archive")
        self.assertTrue(any(b"/bai-0-0" in blob for _, blob in blobs), "the search sees what is in it")
        for file in files:
            self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        m = luot.metrics()
        self.assertEqual(m.value("luot_archive_failures_total"), 0)
        self.assertEqual(m.value("luot_archived_hits_total"), len(show(self.world, self.folder)))

    def test_an_archive_that_cannot_be_written_never_stops_counting(self):
        in_the_way = self.world.folder / "file"
        in_the_way.write_text("not a folder")
        folder = in_the_way / "archive"
        luot = self.begin(folder)
        pages = Counter()
        for number in range(1500):
            page = f"/filler-{number % 15}"
            send(luot, page)
            pages[FILLER_SITE, page] += 1
        self.assert_counted(luot, pages)
        eventually(lambda: luot.metrics().value("luot_archive_dropped_hits_total") > 0, patience(20))
        m = luot.metrics()
        self.assertGreater(m.value("luot_archive_failures_total"), 0)
        self.assertEqual(m.value("luot_archived_hits_total"), 0)
        self.assertIn("archive_not_written", luot.log_text())
        self.assertIn("hits_not_archived", luot.log_text())
        in_the_way.unlink()
        for number in range(1500):
            send(luot, f"/filler-{number % 15}")
        eventually(lambda: luot.metrics().value("luot_archived_hits_total") > 0, patience(20))
        self.assertTrue(show(self.world, folder))
        self.assert_balanced(luot)

    def test_old_files_go_and_others_stay(self):
        self.folder.mkdir()
        now = datetime.now(timezone.utc)
        for name in ("2021-07-26.hits.zst", "2021-07-26.txt", f"{now:%Y-%m-%d}.hits.zst"):
            (self.folder / name).write_bytes(b"")
        luot = self.begin(keep_days=30)
        eventually(lambda: not (self.folder / "2021-07-26.hits.zst").exists(), patience(10))
        self.assertTrue((self.folder / "2021-07-26.txt").exists())
        self.assertIn("archive_removed", luot.log_text())

    def test_without_a_folder_there_is_none(self):
        luot = self.world.luot(config={"spool": {"max_bytes": "1MiB"}, "collector": {"workers": 1}})
        for number in range(1200):
            send(luot, f"/filler-{number % 15}")
        eventually(lambda: luot.metrics().value("luot_spool_removed_segments_total") > 0, patience(20))
        self.assertEqual(luot.metrics().value("luot_archived_hits_total"), 0)
        self.assertFalse(list(self.world.folder.rglob("*.hits.zst")))
        status, _, errors = self.world.run("reclassify", "--config", luot.config_file, "--site", "skhcn",
                                           "--from", "2021-07-26", "--to", "2021-07-26")
        self.assertEqual(status, 2)
        self.assertIn("archive.dir is not set", errors)

    def test_show_names_what_is_no_archive(self):
        other = self.world.folder / "other"
        other.write_text("something else")
        status, output, errors = self.world.run("archive", "show", other)
        self.assertEqual((status, output), (1, ""))
        self.assertIn(f"{other}: this is no archive", errors)
        self.assertEqual(self.world.run("archive", "show", self.world.folder / "nothing")[0], 1)


if __name__ == "__main__":
    main()
