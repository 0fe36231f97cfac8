"""Imports of access logs in tests: runs and interrupts them, and compares what two sites have come to."""

import re
import signal

from luot import BINARY, SANITIZER_REPORT, SystemTest, patience, spawn, wait_for_rows

ROW = re.compile(r"  (\w[\w ]*?) +([\d,]+)$")
# Estimates differ by the site's id, which is hashed into them; the rest is the same to a number.
ESTIMATES = (b"visitors", b"visitor_days")


class Import:
    """A running `luot import log`."""

    def __init__(self, test, luot, site, *arguments, name="import", binary=BINARY, stdin=None):
        world = test.world
        test.imports = getattr(test, "imports", 0) + 1
        self.log = world.folder / f"{name}.{test.imports}.log"
        luot.write_config()
        self.process = spawn([binary, "import", "log", *arguments, "--site", site, "--config", luot.config_file],
                             self.log)
        test.addCleanup(self.kill)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        return self.process.wait()

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, deadline=60):
        status = self.process.wait(patience(deadline))
        text = self.log.read_bytes()
        if SANITIZER_REPORT.search(text):
            raise AssertionError(text.decode(errors="replace"))
        return status

    def text(self):
        return self.log.read_text(errors="replace")


def summary(output):
    """The rows of a summary, by their names."""
    rows = {"lines": int(re.match(r"\S+: ([\d,]+) lines", output)[1].replace(",", ""))}
    for text in output.splitlines():
        row = ROW.match(text)
        if row:
            rows[row[1]] = int(row[2].replace(",", ""))
    return rows


class ImportTest(SystemTest):
    SITE = {"hosts": ["a.example.vn"], "timezone": "Asia/Ho_Chi_Minh"}

    def sites(self, *names):
        return [{"id": name, **self.SITE} for name in names]

    def write(self, name, lines, end="\n"):
        file = self.world.folder / name
        file.write_text("".join(line + end for line in lines))
        return file

    def import_log(self, luot, site, *arguments, status=0, errors="", **options):
        """Runs it to its end; the rows of its summary, or its message when it fails."""
        luot.write_config()
        found, output, said = self.world.run("import", "log", *arguments, "--site", site, "--config", luot.config_file,
                                             deadline=patience(120), **options)
        self.assertEqual(found, status, f"{output}{said}")
        if status != 0:
            return said
        self.assertIn(errors, said) if errors else self.assertEqual(said, "")
        return summary(output)

    def all_of(self, client, site):
        """All that Redis holds of a site, but for estimates, who was seen and what goes on."""
        wait_for_rows(client)
        held = {}
        for key in client.scan_iter(f"luot:{{p*}}:{site}:*", count=10_000):
            name, kind = key.split(b":", 3)[3].decode(), client.type(key)
            if name == "facts":  # who has read a page is hashed by site, too
                held[name] = {path: (facts[:4], len(facts)) for path, facts in client.hgetall(key).items()}
            elif kind == b"hash" and name != "visits":
                held[name] = {f: v for f, v in client.hgetall(key).items() if f not in ESTIMATES and v != b"0"}
            elif kind == b"zset" and name != "seen":
                # Where visits end no more is 0, or no row at all: it depends on the batches.
                held[name] = {row: n for row, n in client.zrange(key, 0, -1, withscores=True) if n or name == "pages"}
            elif name.endswith(":first_seen"):
                text = client.get(key)
                held[name] = sorted(text[i:i + 8] for i in range(0, len(text), 8))
        return held

    def assert_same(self, client, site, other, is_left_out=lambda name: False):
        mine, wanted = ({name: {field: n for field, n in held.items() if not is_left_out(field.decode(errors="replace"))}
                         if isinstance(held, dict) else held for name, held in self.all_of(client, s).items()
                         if not is_left_out(name.rpartition(":")[2])} for s in (site, other))
        self.assertEqual(sorted(mine), sorted(wanted))
        self.assertIn("totals", wanted)
        for name, values in wanted.items():
            self.assertEqual(mine[name], values, f"{name} of {site} and {other}")
