#!/usr/bin/env python3
"""docs/log-messages.md has each message at warn or error that the sources log, with its level, and no other."""

import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from luot import ROOT, main  # noqa: E402

FOLDERS = ("core", "archive", "collector", "aggregator", "import", "luot")
CALL = re.compile(r'\blog::(warn|error)\(\s*(?:"([^"]*)")?')
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", re.M)


class LogMessages(unittest.TestCase):
    def test_each_message_is_explained_and_nothing_else_is(self):
        logged = set()
        for folder in FOLDERS:
            for file in sorted((ROOT / folder).rglob("*.[ch]pp")):
                for level, event in CALL.findall(file.read_text()):
                    self.assertTrue(event, f"{file}: log::{level} with a name that is not written out")
                    logged.add((event, level))
        self.assertGreater(len(logged), 30)
        rows = ROW.findall((ROOT / "docs" / "log-messages.md").read_text())
        explained = {(event, level) for event, level, _, _ in rows}
        self.assertEqual(len(rows), len(explained), "each stands there once")
        self.assertEqual(sorted(logged - explained), [], "not in docs/log-messages.md")
        self.assertEqual(sorted(explained - logged), [], "logged by nobody")


if __name__ == "__main__":
    main()
