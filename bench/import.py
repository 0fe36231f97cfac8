#!/usr/bin/env python3
"""Lines per second of `luot import log`, from the file until all of them are counted, beside GoAccess 1.7 on the same file
in the same run. A real redis-server with an append-only file, and a real `luot aggregator`.

    bench/import.py [--lines 1000000] [--rounds 3] [--log ../shared/data/apache_access_2015.log] [--check]

The log is enlarged to so many lines: by default each of them comes so many times, from other addresses, as if the site had so many times as
many readers; with --days it is repeated, each copy four days later, as if it were so much older. CPU seconds
are those of each process; memory is the importer's resident set at its peak, and after a tenth of the lines. --check ends with status 1 when luot is
less than 5 times as fast, or takes more than 100 MB.
"""

import argparse
import datetime
import os
import re
import statistics
import subprocess
import sys
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from luot import BINARY, SHARED_DATA, World  # noqa: E402

TIME = re.compile(rb"\[(\d\d/\w{3}/\d{4})")
SITE = {"id": "semi", "hosts": ["semicomplete.com", "www.semicomplete.com"], "timezone": "UTC"}
TICKS = os.sysconf("SC_CLK_TCK")


def busier(source, lines, target):
    """Each line of `source` many times, each time from another address."""
    text = source.read_bytes().splitlines(keepends=True)
    with open(target, "wb") as out:
        for i, line in enumerate(text):
            client, _, rest = line.partition(b" ")
            first, name = lines * i // len(text), zlib.crc32(client)
            for copy in range(lines * (i + 1) // len(text) - first):
                address = client if copy == 0 else b"%d.%d.%d.%d" % (1 + (name + copy) % 220, *(name * (copy + 1)).to_bytes(8, "big")[-3:])
                out.write(address + b" " + rest)


def older(source, lines, target):
    """`source` again and again, each time four days later."""
    text = source.read_bytes().splitlines(keepends=True)
    dates = {date for line in text for date in TIME.findall(line)}
    with open(target, "wb") as out:
        copy, written = 0, 0
        while written < lines:
            later = {}
            for date in dates:
                day = datetime.datetime.strptime(date.decode(), "%d/%b/%Y") + datetime.timedelta(4 * copy)
                later[date] = b"[" + day.strftime("%d/%b/%Y").encode()
            part = text[:lines - written]
            out.write(b"".join(TIME.sub(lambda found: later[found[1]], line, count=1) for line in part))
            written, copy = written + len(part), copy + 1


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_kib(pid):
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
    except (OSError, TypeError):
        return 0


def applied(client):
    """Lines that are counted."""
    return max(int(client.hget(f"luot:{{p{part:02}}}:producers", "applied") or 0) for part in range(16))


def import_once(log, lines, out):
    world = World()
    try:
        server = world.redis()
        aggregator = world.luot("aggregator", redis=server, sites=[SITE])
        client = server.client()
        used = {name: cpu_of(pid) for name, pid in (("aggregator", aggregator.pid), ("Redis", server.process.pid))}
        began = time.monotonic()
        running = subprocess.Popen([BINARY, "import", "log", log, "--site", SITE["id"], "--config", aggregator.config_file],
                                   stdout=subprocess.PIPE, text=True)
        tenth, peak, counted = 0, 0, 0
        while (counted := applied(client)) < lines:
            resident = resident_kib(running.pid)
            peak = max(peak, resident)
            if counted <= lines // 10:
                tenth = max(tenth, resident)
            time.sleep(0.02)
            if running.poll() not in (None, 0):
                raise SystemExit("the import failed")
        wall = time.monotonic() - began
        used = {name: cpu_of(pid) - used[name]
                for name, pid in (("aggregator", aggregator.pid), ("Redis", server.process.pid))}
        output = running.stdout.read()
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = 0
        used["import"] = usage.ru_utime + usage.ru_stime
        if status:
            raise SystemExit("the import failed")
        out.append({"rate": lines / wall, "wall": wall, "peak": peak, "tenth": tenth, **used})
        redis_kib = int(client.info("memory")["used_memory"]) // 1024
        print(f"luot      {lines / wall:10,.0f} lines/s  {wall:6.2f} s  CPU s: import {used['import']:.2f}, aggregator "
              f"{used['aggregator']:.2f}, Redis {used['Redis']:.2f}  importer {tenth:,} KiB after a tenth, {peak:,} at its peak; "
              f"Redis {redis_kib:,} KiB", flush=True)
        return output
    finally:
        world.close()


def goaccess_once(log, lines, out):
    report = log.with_suffix(".json")
    began = time.monotonic()
    running = subprocess.Popen(["goaccess", log, "--log-format=COMBINED", "--no-progress", "-o", report],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    running.returncode = 0
    wall = time.monotonic() - began
    if status:
        raise SystemExit("goaccess failed")
    cpu = usage.ru_utime + usage.ru_stime
    out.append({"rate": lines / wall})
    print(f"GoAccess  {lines / wall:10,.0f} lines/s  {wall:6.2f} s  CPU s: {cpu:.2f}  {usage.ru_maxrss:,} KiB at its peak", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--log", type=Path, default=SHARED_DATA / "apache_access_2015.log")
    parser.add_argument("--days", action="store_true")
    parser.add_argument("--without-goaccess", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    log = Path(os.environ.get("TMPDIR", "/tmp")) / f"luot-bench-import.{os.getpid()}.log"
    (older if options.days else busier)(options.log, options.lines, log)
    luot, goaccess = [], []
    try:
        for _ in range(options.rounds):
            output = import_once(log, options.lines, luot)
            if not options.without_goaccess:
                goaccess_once(log, options.lines, goaccess)
        print(output)
    finally:
        log.unlink()
        log.with_suffix(".json").unlink(missing_ok=True)
    peak = max(run["peak"] for run in luot)
    line = f"median {statistics.median(run['rate'] for run in luot):,.0f} lines/s, {peak / 1024:.0f} MiB"
    ratio = None
    if goaccess:
        ratio = statistics.median(mine["rate"] / other["rate"] for mine, other in zip(luot, goaccess))
        line += f"; GoAccess {statistics.median(run['rate'] for run in goaccess):,.0f}; ratio {ratio:.1f} (median of the rounds)"
    print(line)
    if options.check and (peak > 100 * 1024 or (ratio is not None and ratio < 5)):
        sys.exit(1)


if __name__ == "__main__":
    main()
