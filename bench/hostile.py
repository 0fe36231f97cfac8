#!/usr/bin/env python3
"""Honest traffic beside attackers: idle connections, slow-header attackers and hits at a fixed rate together, on
loopback, against a `luot serve` of its own. Ends with status 1 when an honest hit was refused or not
answered, when their 99th percentile is over a second, or when the counts are not what was sent.

A hit's latency runs from the moment at which it was due, so that a server that holds everybody up for a
while is not shown kinder than it is.

usage: bench/hostile.py [--idle N] [--slow N] [--rate N] [--seconds N] [--json FILE]
LUOT_BIN names another binary than build/release/luot.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import resource
import selectors
import socket
import sys
import time
from collections import Counter, deque
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
from luot import BROWSER, World, client_address, hit_request, kill_quietly, split_address  # noqa: E402

SITE, PAGES = "skhcn", 100
READERS = 6000  # below the default limit of 20 hits a second and client, whatever the rate here
CONNECTIONS = 64  # of the honest load, as a proxy in front of luot keeps them
NEW_CONNECTION_EVERY = 50  # hits: honest readers also come by new connections
SLOW_BYTE_SECONDS = 0.3
ANSWER_SECONDS = 10
CLIENT_FILES = 256


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raise_file_limit(files):
    """For us, and for luot, which takes all that it may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < files:
        sys.exit(f"hostile: {files} open files are needed and {hard} allowed: ulimit -Hn, or a smaller --idle")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def requests_of(rng, prefix):
    """Endless honest hits, each with an id and by one of READERS readers."""
    readers = [client_address(rng) for _ in range(READERS)]
    number = 0
    while True:
        number += 1
        yield hit_request(SITE, f"/tin-tuc/bai-{rng.randrange(PAGES)}.html", "pixel" if number % 2 else "json",
                          id=f"{prefix}{number}", client=rng.choice(readers))


# ---- idle connections ------------------------------------------------------------------------------------


def open_idle(address, count, requests):
    """Kept-alive connections after one acknowledged hit each, opened in groups of 200."""
    wires = []
    while len(wires) < count:
        group = [socket.create_connection(address, 10) for _ in range(min(200, count - len(wires)))]
        for wire in group:
            wire.sendall(next(requests))
        for wire in group:
            wire.settimeout(10)
            answer = wire.recv(4096)
            if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")):
                sys.exit(f"hostile: a hit of an idle connection was not acknowledged: {answer[:200]!r}")
            wire.setblocking(False)
        wires += group
    return wires


def still_open(wires):
    alive = 0
    for wire in wires:
        try:
            alive += wire.recv(1) != b""
        except BlockingIOError:
            alive += 1
        except OSError:
            pass
    return alive


# ---- attackers -------------------------------------------------------------------------------------------


def attack_slowly(address, count, stop, closed):
    """Heads that come by a byte every SLOW_BYTE_SECONDS; who is thrown out connects again."""
    begin = f"GET /hit.gif?s={SITE}&p=/ HTTP/1.1\r\nHost: stats.example.vn\r\nUser-Agent: {BROWSER}\r\nX-Slow: ".encode()
    wires = []
    while not stop.wait(SLOW_BYTE_SECONDS):
        while len(wires) < count:
            try:
                wire = socket.create_connection(address, 5)
                wire.sendall(begin)
            except OSError:
                break
            wire.setblocking(False)
            wires.append(wire)
        for wire in wires[:]:
            try:
                wire.send(b"x")
                ended = wire.recv(1) == b""
            except BlockingIOError:
                continue
            except OSError:
                ended = True
            if ended:
                closed.value += 1
                wire.close()
                wires.remove(wire)


# ---- honest load -----------------------------------------------------------------------------------------


class Honest:
    """Hits at a fixed rate over kept-alive connections; each connection has one hit in hand."""

    def __init__(self, address, rate, seconds, seed):
        self.address, self.rate, self.total = address, rate, int(rate * seconds)
        self.requests = requests_of(random.Random(seed), "h")
        self.poll = selectors.EpollSelector()
        self.free, self.due, self.in_hand = deque(), deque(), {}
        self.latencies, self.refused, self.lost, self.served = [], Counter(), 0, Counter()

    def connect(self):
        wire = socket.create_connection(self.address, ANSWER_SECONDS)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire.setblocking(False)
        self.poll.register(wire, selectors.EVENT_READ)
        self.free.append(wire)

    def close(self, wire):
        self.poll.unregister(wire)
        self.served.pop(wire, None)
        wire.close()

    def run(self):
        for _ in range(CONNECTIONS):
            self.connect()
        begin = time.monotonic()
        made, end = 0, begin + self.total / self.rate + ANSWER_SECONDS
        while (len(self.latencies) + self.lost + sum(self.refused.values())) < self.total and time.monotonic() < end:
            now = time.monotonic()
            for number in range(made, min(self.total, int((now - begin) * self.rate) + 1)):
                self.due.append(begin + number / self.rate)
                made = number + 1
            while self.due and self.free:
                self.send(self.free.popleft(), self.due.popleft())
            for key, _ in self.poll.select(0.001):
                self.receive(key.fileobj)
        self.lost = self.total - len(self.latencies) - sum(self.refused.values())
        return {"sent": made, "acknowledged": len(self.latencies), "refused": dict(self.refused), "lost": self.lost,
                "seconds": time.monotonic() - begin, "latencies": self.latencies}

    def send(self, wire, due):
        self.in_hand[wire] = due
        try:
            wire.sendall(next(self.requests))
        except OSError:
            self.drop(wire)

    def receive(self, wire):
        try:
            answer = wire.recv(8192)
        except BlockingIOError:
            return
        except OSError:
            answer = b""
        if not answer or wire not in self.in_hand:
            self.drop(wire)
            return
        due = self.in_hand.pop(wire)
        if answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 202")) and b"\r\nLuot-Token: " in answer:
            self.latencies.append(time.monotonic() - due)
        else:
            self.refused[answer[9:12].decode(errors="replace")] += 1
        self.served[wire] += 1
        if self.served[wire] >= NEW_CONNECTION_EVERY:
            self.close(wire)
            self.connect()
        else:
            self.free.append(wire)

    def drop(self, wire):
        """The connection is gone: the hit in hand, if any, was not answered."""
        self.lost += self.in_hand.pop(wire, None) is not None
        if wire in self.free:
            self.free.remove(wire)
        self.close(wire)
        self.connect()


def send_honestly(address, rate, seconds, seed, results):
    results.put(Honest(address, rate, seconds, seed).run())


# ---- the run ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def child(target, *arguments):
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.join(0.1)
        if process.is_alive():
            kill_quietly(process.pid, 15)
        process.join(5)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else float("inf")


def measure(options):
    world = World()
    failed = True
    try:
        luot = world.luot(config={"collector": {"rate_limit_per_client": 20, "workers": 0}})
        address = split_address(luot.public)
        figures = {"idle": options.idle, "slow": options.slow, "rate": options.rate}
        warm_up = requests_of(random.Random(2), "w")
        for wire in open_idle(address, 64, warm_up):
            wire.close()
        figures["resident_before"] = luot.resident_bytes()
        wires = open_idle(address, options.idle, requests_of(random.Random(3), "i"))
        figures["resident_idle"] = luot.resident_bytes()

        context = multiprocessing.get_context("fork")
        stop, closed, results = context.Event(), context.Value("i", 0), context.Queue()
        peak = 0
        with child(attack_slowly, address, options.slow, stop, closed):
            cpu, began = cpu_seconds(luot.pid), time.monotonic()
            with child(send_honestly, address, options.rate, options.seconds, 4, results) as sender:
                while results.empty() and sender.is_alive():
                    peak = max(peak, luot.resident_bytes())
                    time.sleep(0.1)
                honest = results.get(timeout=10)
            figures["cpu"] = (cpu_seconds(luot.pid) - cpu) / (time.monotonic() - began)
            stop.set()
        latencies = honest.pop("latencies")
        figures |= honest | {
            "p50_ms": 1000 * percentile(latencies, 0.5), "p99_ms": 1000 * percentile(latencies, 0.99),
            "max_ms": 1000 * max(latencies, default=float("inf")), "slow_closed": closed.value,
            "idle_still_open": still_open(wires), "resident_peak": peak, "resident_end": luot.resident_bytes()}
        metrics = luot.metrics()
        figures["connections_evicted"] = metrics.value("luot_http_connections_refused_total", port="public")
        figures["timeouts"] = metrics.value("luot_http_timeouts_total", port="public")
        figures["counted"] = counted(luot, expected=64 + options.idle + honest["acknowledged"])
        for wire in wires:
            wire.close()
        failed = False
        return figures
    finally:
        world.close(failed)


def counted(luot, expected):
    """Views of the site once they are as many, or after 10 s."""
    end = time.monotonic() + 10
    while (views := luot.views(SITE)) != expected and time.monotonic() < end:
        time.sleep(0.05)
    return {"views": views, "expected": expected}


def report(f):
    mib = 1 / 2**20
    per_connection = (f["resident_idle"] - f["resident_before"]) / max(1, f["idle"])
    print(f"""{f['idle']} idle connections, {f['slow']} slow-header attackers, {f['rate']} hits/s for {f['seconds']:.1f} s
honest hits      {f['sent']} sent, {f['acknowledged']} acknowledged, {sum(f['refused'].values())} refused, {f['lost']} not answered
rate reached     {f['acknowledged'] / f['seconds']:.0f} hits/s, luot used {f['cpu']:.2f} cores
latency          median {f['p50_ms']:.1f} ms, 99th percentile {f['p99_ms']:.1f} ms, slowest {f['max_ms']:.1f} ms
counted          {f['counted']['views']} views of {f['counted']['expected']} acknowledged, those of the idle connections included
memory of luot   {f['resident_before'] * mib:.1f} MiB before, {f['resident_idle'] * mib:.1f} with the idle connections \
({per_connection / 1024:.2f} KiB each), {f['resident_peak'] * mib:.1f} at most, {f['resident_end'] * mib:.1f} at the end
idle connections {f['idle_still_open']} still open, {f['connections_evicted']:.0f} closed to make room
attackers        thrown out {f['slow_closed']} times ({f['timeouts']:.0f} time-outs)""", flush=True)


def faults(f):
    found = []
    if f["acknowledged"] != f["sent"] or f["lost"] or f["refused"]:
        found.append("an honest hit was refused or not answered")
    if f["p99_ms"] > 1000:
        found.append("the 99th percentile is over a second")
    if f["counted"]["views"] != f["counted"]["expected"]:
        found.append("not every acknowledged hit was counted once")
    if f["idle_still_open"] != f["idle"]:
        found.append("idle connections were closed although there was room")
    return found


def main():
    parser = argparse.ArgumentParser(description="Honest traffic beside idle connections and slow attackers.")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--slow", type=int, default=100)
    parser.add_argument("--rate", type=int, default=5_000, help="honest hits a second")
    parser.add_argument("--seconds", type=int, default=25)
    parser.add_argument("--json", help="where the figures go, for machines")
    options = parser.parse_args()
    raise_file_limit(options.idle + options.slow + CONNECTIONS + CLIENT_FILES)
    figures = measure(options)
    report(figures)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")
    found = faults(figures)
    for fault in found:
        print(f"hostile: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
