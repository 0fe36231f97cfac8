"""Archives of accepted hits as the tests look at them."""

import collections
import json
import subprocess

from luot import BROWSER, eventually, patience

FILLER_SITE = "thu-vien"
LONG_AGENT = BROWSER + " x" * 450


def archive_config(folder, **more):
    """A spool so small that segments go soon, and the archive they go to."""
    return {"spool": {"max_bytes": "1MiB"}, "collector": {"workers": 1}, "archive": {"dir": str(folder), **more}}


def show(world, *names):
    """The hits of archives, as `luot archive show` prints them."""
    status, output, errors = world.run("archive", "show", *names)
    if status != 0:
        raise AssertionError(f"luot archive show: {errors}")
    return [json.loads(line) for line in output.splitlines()]


def reached(hits):
    """(log, partition) -> offset of its last hit; fails unless each one up to it is there, once."""
    offsets = collections.defaultdict(list)
    for hit in hits:
        offsets[hit["log"], hit["partition"]].append(hit["offset"])
    for log, there in offsets.items():
        if sorted(there) != list(range(1, len(there) + 1)):
            raise AssertionError(f"{log}: {len(there)} hits archived, {len(set(there))} of them different, "
                                 f"offsets {min(there)} to {max(there)}")
    return {log: len(there) for log, there in offsets.items()}


def send(luot, page, site=FILLER_SITE, **how):
    """A long hit that is sent again while the small spool is full."""
    def taken():
        answer = luot.hit(site, page, agent=LONG_AGENT, **how)
        return answer.status in (200, 202)
    eventually(taken, patience(20), "there is room in the spool")


def fill(world, luot, folder, tokens, deadline=None):
    """Sends hits of FILLER_SITE until the archive holds those of these tokens ("LOG.PARTITION.OFFSET")."""
    wanted = {}
    for token in tokens:
        log, partition, offset = token.split(".")
        log = log, int(partition)
        wanted[log] = max(wanted.get(log, 0), int(offset))

    def is_there():
        for number in range(300):
            send(luot, f"/filler-{number}")
        there = reached(show(world, folder)) if folder.exists() else {}
        return all(there.get(log, 0) >= offset for log, offset in wanted.items())
    eventually(is_there, deadline or patience(90), "the archive has all that was acknowledged")


def unpacked(file):
    """What any reader of zstd gets out of a file."""
    return subprocess.run(["zstd", "-q", "-d", "-c", str(file)], capture_output=True, check=True).stdout
