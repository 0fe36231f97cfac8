"""Runs the measurements of bench/run.sh and prints the table; README.md says what each row means.

Every server is started by this file in a folder of its own, listens on loopback only, and is stopped by its
pid. Servers run on the first core that we may use, clients on the second.
"""

import argparse
import atexit
import contextlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LUOT = ROOT / os.environ.get("LUOT_BIN", "build/release/luot")
EPOLL = ROOT / "build/bench/epoll_gif"
TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 64
PARTITIONS = 16
WARM_HITS = 75_000  # of 3,000 pages: 16 readers of nearly each have said its title
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
NAMES = ["epoll", "nginx", "collector", "post", "whole", "redis", "freshness", "memory", "metrics-cost"]
# What this benchmark holds luot to: times nginx in the same run.
TARGETS = {"collector": 1.3, "whole": 2.0}
METRICS_TARGET = 1.03  # scraped every second, times not scraped
SCRAPES_AT_REST = 300


def fail(what):
    sys.exit(f"bench: {what}")


# ---- processes ---------------------------------------------------------------------------------------


class Process:
    """A child on one core, with its CPU time by thread. Ended by stop(), at the latest when we end."""

    def __init__(self, command, core, folder, name):
        self.name = name
        self.output = Path(folder) / f"{name}.out"
        path = os.environ["PATH"] + ":/usr/sbin"
        self.popen = subprocess.Popen(
            [str(c) for c in command],
            stdout=self.output.open("wb"),
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path},
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
        atexit.register(self.stop)

    def pids(self):
        """The process and its children (nginx's worker)."""
        pids = [self.popen.pid]
        for pid in pids:
            for tid in tasks(pid):
                with contextlib.suppress(OSError):
                    pids += map(int, Path(f"/proc/{pid}/task/{tid}/children").read_text().split())
        return pids

    def cpu(self):
        """Seconds of CPU so far, of ended threads and children too."""
        return sum(cpu_of(f"/proc/{pid}/stat", pid == self.popen.pid) for pid in self.pids())

    def cpu_by_thread(self):
        """Seconds of CPU of the living threads, in the order in which they were started."""
        pid = self.popen.pid
        return [cpu_of(f"/proc/{pid}/task/{tid}/stat", False) for tid in tasks(pid)]

    def resident_bytes(self):
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids())
        return pages * resource.getpagesize()

    def wait_for(self, pattern, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := re.search(pattern, self.output.read_text(errors="replace")):
                return found
            if self.popen.poll() is not None:
                break
            time.sleep(0.01)
        fail(f"{self.name} did not start:\n{self.output.read_text(errors='replace')[-2000:]}")

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


def tasks(pid):
    try:
        return sorted(map(int, os.listdir(f"/proc/{pid}/task")))
    except OSError:
        return []


def cpu_of(stat, with_ended_children):
    try:
        fields = Path(stat).read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15] if with_ended_children else fields[11:13])) / TICKS


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def get(port, path):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", path)
    answer = client.getresponse()
    body = answer.read().decode(errors="replace")
    client.close()
    return answer.status, body


# ---- servers -----------------------------------------------------------------------------------------


class Server:
    """The processes of one measured set-up. `hits()` is what they acknowledged so far, None when they do
    not count; `settle()` waits until all of it is done with."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.processes = []
        self.port = None

    def add(self, command, core, name):
        process = Process(command, core, self.folder, name)
        self.processes.append(process)
        return process

    def hits(self):
        return None

    def settle(self):
        pass

    def is_warm(self):
        return True

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


class Epoll(Server):
    def __init__(self, folder, cores):
        super().__init__(folder)
        self.port = int(self.add([EPOLL], cores[0], "epoll").wait_for(r"^(\d+)\n")[1])


class Nginx(Server):
    def __init__(self, folder, cores):
        super().__init__(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = filled("nginx.conf", dir=self.folder, port=self.port)
        if os.geteuid() == 0:
            config = "user root;\n" + config
        (self.folder / "nginx.conf").write_text(config)
        self.add(["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"], cores[0], "nginx")
        wait_until(self.answers, 10, "nginx answers")

    def answers(self):
        with contextlib.suppress(OSError):
            return get(self.port, "/hit.gif")[0] == 200


class Luot(Server):
    """A collector, and as much of the way behind it as `upto` says: "spool" (Redis is away), "redis", or
    "counts" (an aggregator, too). `cores` are those of luot and of Redis."""

    def __init__(self, folder, cores, upto):
        super().__init__(folder)
        self.cores = cores
        self.socket = self.folder / "redis.sock"
        self.redis = self.aggregator = None
        if upto != "spool":
            # As luot's own private Redis runs.
            (self.folder / "redis").mkdir()
            self.redis = self.add(
                ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", self.folder / "redis"]
                + ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--databases", "1"],
                cores[-1],
                "redis",
            )
            wait_until(lambda: self.ask("PING") == "PONG", 10, "Redis answers")
        self.collector, self.port, self.admin = self.start("collector")
        if upto == "counts":
            self.start_aggregator()

    def start(self, role):
        (self.folder / role).mkdir()
        config = self.folder / f"{role}.toml"
        config.write_text(filled("luot.toml", dir=self.folder / role, redis=self.socket))
        process = self.add([LUOT, role, "--config", config], self.cores[0], role)
        line = process.wait_for(r"listening\b.*")[0]
        public, admin = (int(re.search(rf"{name}=\S*:(\d+)", line)[1]) for name in ("public", "admin"))
        wait_until(lambda: get(admin, "/readyz")[0] == 200, 10, f"the {role} is ready")
        return process, public, admin

    def start_aggregator(self):
        self.aggregator, self.read_port, self.read_admin = self.start("aggregator")

    def ask(self, *command):
        """Redis' answer, by redis-cli."""
        done = subprocess.run(
            ["redis-cli", "-s", self.socket, *command], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def metric(self, admin, name):
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", get(admin, "/metrics")[1], re.M)
        return sum(map(float, found))

    def hits(self):
        return int(self.metric(self.admin, "luot_hits_accepted_total"))

    def applied(self):
        """Hits counted, as Redis has it: what /metrics costs is measured, too."""
        asked = "".join(f"HGET luot:{{p{p:02}}}:producers applied\n" for p in range(PARTITIONS))
        done = subprocess.run(
            ["redis-cli", "-s", self.socket], input=asked, capture_output=True, text=True, check=False
        )
        return sum(int(line) for line in done.stdout.split() if line.isdigit())

    def settle(self):
        if self.aggregator:
            taken = self.hits()
            wait_until(lambda: self.applied() >= taken, 60, "all hits are counted")
            waiting = [f"luot:{{p{p:02}}}:tallies" for p in range(PARTITIONS)]
            wait_until(lambda: self.ask("EXISTS", *waiting) == "0", 60, "all rows are written")

    def is_warm(self):
        return not self.aggregator or self.hits() >= WARM_HITS


def filled(name, **values):
    text = (HERE / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


# ---- loads -------------------------------------------------------------------------------------------


def load(port, core, seconds, way="get", pause_ms=0):
    """Runs wrk. Answers what it counted."""
    path = "/hit" if way == "post" else "/hit.gif"
    done = subprocess.run(
        ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
        + ["-s", str(HERE / "hits.lua"), f"http://127.0.0.1:{port}{path}"],
        env={**os.environ, "LUOT_BENCH_WAY": way, "LUOT_BENCH_PAUSE": str(round(pause_ms * 10))},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^RESULT (.*)$", done.stdout, re.M)
    if not found:
        fail(f"wrk failed: {done.stdout}{done.stderr}")
    result = json.loads(found[1])
    if result["failed"]:
        fail(f"{result['failed']} requests failed:\n{done.stdout}")
    return result


def measure(server, core, seconds, way="get"):
    """Microseconds of CPU per hit of each process and thread, over one load on a warm server."""
    load(server.port, core, 1, way)
    while not server.is_warm():
        load(server.port, core, 1, way)
    server.settle()
    hits = server.hits()
    before = [(p.cpu(), p.cpu_by_thread()) for p in server.processes]
    result = load(server.port, core, seconds, way)
    server.settle()
    after = [(p.cpu(), p.cpu_by_thread()) for p in server.processes]
    hits = result["requests"] if hits is None else server.hits() - hits
    out = {"hits": hits, "rate": result["requests"] * 1e6 / result["microseconds"]}
    out["total"] = sum(b[0] - a[0] for a, b in zip(before, after)) * 1e6 / hits
    for process, a, b in zip(server.processes, before, after):
        out[process.name] = (b[0] - a[0]) * 1e6 / hits
        for i, (x, y) in enumerate(zip(a[1], b[1])):
            out[f"{process.name}.{i}"] = (y - x) * 1e6 / hits
    return out


def command_stats(server):
    stats = {}
    for line in server.ask("INFO", "commandstats").splitlines():
        if found := re.match(r"cmdstat_(\S+?):calls=(\d+),usec=(\d+)", line):
            stats[found[1]] = (int(found[2]), int(found[3]))
    return stats


def measure_redis(folder, cores):
    """What Redis spends on a hit: first only shipping, then only reading and applying, in full batches.
    Redis has a core of its own here: the time that it reports of a command is not CPU but wall-clock time."""
    server = Luot(folder, [cores[1], cores[0]], "redis")
    with contextlib.closing(stopper(server)):
        out = {}

        def queued():
            return sum(int(server.ask("XLEN", f"luot:{{p{p:02}}}:hits")) for p in range(PARTITIONS))

        def phase(name, action, hits_of):
            server.ask("CONFIG", "RESETSTAT")
            cpu = server.redis.cpu()
            action()
            stats, cpu = command_stats(server), server.redis.cpu() - cpu
            hits = hits_of()
            calls, microseconds = stats.get("evalsha", (0, 0))
            out[name] = {
                "hits": hits,
                "script_us": microseconds / hits,
                "hits_per_script": hits / max(1, calls),
                "cpu_us": cpu * 1e6 / hits,
                "commands_us": {
                    k: v[1] / hits for k, v in sorted(stats.items()) if v[1] / hits >= 0.01 and k[-3:] != "stat"
                },
            }

        def ship():
            load(server.port, cores[1], 3)
            time.sleep(0.5)  # the last of it is shipped
            wait_until(lambda: server.metric(server.admin, "luot_unshipped_hits") == 0, 10, "all is shipped")

        def drain():
            server.start_aggregator()
            wait_until(lambda: queued() == 0, 60, "the stream is drained")
            server.settle()

        phase("ship", ship, server.hits)
        phase("apply", drain, server.hits)
        batches = server.metric(server.read_admin, "luot_applied_batches_total")
        out["apply"]["hits_per_batch"] = out["apply"]["hits"] / max(1, batches)
        return out


def measure_freshness(folder, cores, rate, seconds=6):
    """From the answer to a hit until the answer to a read that shows it, in milliseconds, at half load."""
    server = Luot(folder, cores[:1], "counts")
    took, behind = [], []
    over = threading.Event()

    def probe(number):
        hits = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        reads = http.client.HTTPConnection("127.0.0.1", server.read_port, timeout=10)
        path, seen = f"/do-tre/bai-{number}.html", 0
        body = json.dumps({"s": "skhcn", "p": path})
        while not over.wait(0.02):
            hits.request("POST", "/hit", body, {"User-Agent": BROWSER})
            token = json.loads(hits.getresponse().read())["token"]
            begun = time.monotonic()
            reads.request("GET", f"/api/v1/counts?site=skhcn&path={path}&after={token}")
            shown = json.loads(reads.getresponse().read())
            took.append((time.monotonic() - begun) * 1000)
            seen += 1
            if shown.get("behind") or shown["pages"][path]["views"] != seen:
                behind.append(shown)

    with contextlib.closing(stopper(server)):
        load(server.port, cores[1], 1)
        server.settle()
        os.sched_setaffinity(0, {cores[1]})
        probes = [threading.Thread(target=probe, args=(i,)) for i in range(4)]
        for thread in probes:
            thread.start()
        result = load(server.port, cores[1], seconds, pause_ms=CONNECTIONS / (rate / 2) * 1000)
        over.set()
        for thread in probes:
            thread.join()
        os.sched_setaffinity(0, set(cores))
    took.sort()
    return {
        "probes": len(took),
        "rate": result["requests"] * 1e6 / result["microseconds"],
        "p50_ms": took[len(took) // 2],
        "p99_ms": took[len(took) * 99 // 100],
        "max_ms": took[-1],
        "behind": len(behind),
    }


def measure_memory(server, count=2000):
    """Bytes that a kept-alive connection holds in the server after one hit, beyond those of a warm one."""

    def connect(number):
        clients = []
        for i in range(number):
            client = socket.create_connection(("127.0.0.1", server.port))
            client.sendall(
                b"GET /hit.gif?s=skhcn&p=/tin-tuc/bai-1.html&id=m%d HTTP/1.1\r\nHost: stats.example.vn\r\n"
                b"User-Agent: %s\r\n\r\n" % (i, BROWSER.encode())
            )
            client.recv(4096)
            clients.append(client)
        return clients

    with contextlib.closing(stopper(server)):
        warm = connect(100)
        before = server.processes[0].resident_bytes()
        idle = connect(count)
        bytes_each = (server.processes[0].resident_bytes() - before) / count
        for client in warm + idle:
            client.close()
    return bytes_each


class Scraper:
    """Reads /metrics of the collector and of the aggregator every second, as Prometheus would."""

    def __init__(self, server):
        self.ports = [server.admin, server.read_admin]
        self.scrapes, self.took, self.bytes = 0, 0.0, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.is_set():
            begun = time.monotonic()
            for port in self.ports:
                status, body = get(port, "/metrics")
                if status != 200:
                    fail(f"/metrics: {status}")
                self.bytes += len(body)
            self.scrapes += 1
            self.took += time.monotonic() - begun
            self.over.wait(max(0, begun + 1 - time.monotonic()))

    def close(self):
        self.over.set()
        self.thread.join()


def cpu_of_daemons(server):
    return server.collector.cpu() + server.aggregator.cpu()


def measure_metrics_cost(folder, cores, seconds, rounds, progress):
    """CPU per hit of the whole way while /metrics is read every second, and while it is not: in turns, on one
    server that goes on, each round with the other one first."""
    server = Luot(folder, cores[:1], "counts")
    # A rewrite of Redis' file takes more CPU than all of /metrics, and falls into one turn or the other.
    server.ask("CONFIG", "SET", "auto-aof-rewrite-percentage", "0")
    out = {"scraped": [], "not scraped": [], "scrape_ms": [], "scrape_bytes": []}
    os.sched_setaffinity(0, {cores[1]})
    with contextlib.closing(stopper(server)):
        for turn in range(rounds):
            for name in ["scraped", "not scraped"][:: 1 if turn % 2 == 0 else -1]:
                progress(f"metrics, round {turn + 1} of {rounds}: {name}")
                if name == "not scraped":
                    out[name].append(measure(server, cores[1], seconds))
                    continue
                with contextlib.closing(Scraper(server)) as scraper:
                    out[name].append(measure(server, cores[1], seconds))
                out["scrape_ms"].append(scraper.took * 1000 / scraper.scrapes)
                out["scrape_bytes"].append(scraper.bytes / scraper.scrapes)
        begun = cpu_of_daemons(server)
        for _ in range(SCRAPES_AT_REST):
            for port in (server.admin, server.read_admin):
                get(port, "/metrics")
        out["scrape_cpu_ms"] = (cpu_of_daemons(server) - begun) * 1000 / SCRAPES_AT_REST
    os.sched_setaffinity(0, set(cores))
    out["ratios"] = [a["total"] / b["total"] for a, b in zip(out["scraped"], out["not scraped"])]
    return out


class stopper:
    def __init__(self, server):
        self.close = server.stop


# ---- the report --------------------------------------------------------------------------------------


class Report:
    def __init__(self, runs):
        self.runs = runs  # name -> list of measure()

    def series(self, name, part):
        return [run[part] for run in self.runs.get(name, []) if part in run]

    def row(self, title, name, part="total", target=None):
        values = self.series(name, part)
        if not values:
            return
        # Each load is compared with nginx in the same round: the machine's mood is then the same.
        ratios = [v / n for v, n in zip(values, self.series("nginx", "total"))]
        ratio = statistics.median(ratios) if ratios else None
        shown = f"{ratio:5.2f}  {min(ratios):.2f}-{max(ratios):.2f}" if ratios else ""
        note = ""
        if target and ratio:
            note = f"  at most {target}: {'met' if ratio <= target else 'MISSED'}"
        print(
            f"{title:<44}{statistics.median(values):7.2f}  {min(values):6.2f}-{max(values):<6.2f}  {shown:18}{note}"
        )
        return ratio

    def print(self):
        print(f"\n{'server CPU per hit':<44}{'µs':>7}  {'min-max':^13}  {'x nginx':>5}")
        self.row("bare epoll loop, no parsing", "epoll")
        self.row("nginx empty_gif, buffered access log", "nginx")
        ratios = {}
        ratios["collector"] = self.row(
            "collector, acknowledged and spooled", "collector", target=TARGETS["collector"]
        )
        self.row("  worker thread", "collector", "collector.2")
        self.row("  ship thread (Redis away)", "collector", "collector.1")
        self.row("collector, the same by POST and JSON", "post")
        ratios["whole"] = self.row("whole way", "whole", target=TARGETS["whole"])
        self.row("  collector: worker thread", "whole", "collector.2")
        self.row("  collector: ship thread", "whole", "collector.1")
        self.row("  aggregator", "whole", "aggregator")
        self.row("  Redis", "whole", "redis")
        rates = ", ".join(
            f"{name} {statistics.median(self.series(name, 'rate')):,.0f}" for name in self.runs if self.runs[name]
        )
        print(f"hits a second, client and servers on a core each: {rates}")
        return {k: v for k, v in ratios.items() if v}


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(prog="bench/run.sh")
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(NAMES))
    parser.add_argument("--json", default=ROOT / "build/bench/result.json")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    wanted = args.only.split(",")
    if unknown := set(wanted) - set(NAMES):
        parser.error(f"unknown name {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if args.seconds < 1 or args.runs < 1:
        parser.error("--seconds and --runs are at least 1")
    if not LUOT.exists():
        fail(f"{LUOT} is missing: cmake --preset release && cmake --build --preset release")
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        fail("client and servers need a core each")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    starts = {
        "epoll": lambda folder: Epoll(folder, cores),
        "nginx": lambda folder: Nginx(folder, cores),
        "collector": lambda folder: Luot(folder, cores[:1], "spool"),
        "post": lambda folder: Luot(folder, cores[:1], "spool"),
        "whole": lambda folder: Luot(folder, cores[:1], "counts"),
    }
    with tempfile.TemporaryDirectory(prefix="luot-bench-") as top:

        @contextlib.contextmanager
        def folder():
            path = tempfile.mkdtemp(dir=top)
            yield path
            shutil.rmtree(path, ignore_errors=True)

        def progress(text):
            print(f"\r\033[K{text}" if sys.stderr.isatty() else text, end="" if sys.stderr.isatty() else "\n",
                  file=sys.stderr, flush=True)

        runs = {name: [] for name in starts}
        for turn in range(args.runs):
            for name in [n for n in starts if n in wanted]:
                progress(f"round {turn + 1} of {args.runs}: {name}")
                with folder() as path:
                    server = starts[name](path)
                    with contextlib.closing(stopper(server)):
                        runs[name].append(
                            measure(server, cores[1], args.seconds, "post" if name == "post" else "get")
                        )
        result = {"runs": runs}
        if "redis" in wanted:
            progress("Redis alone")
            with folder() as path:
                result["redis"] = measure_redis(path, cores)
        if "freshness" in wanted:
            progress("freshness")
            rates = [run["rate"] for run in runs["whole"]]
            with folder() as path:
                result["freshness"] = measure_freshness(path, cores, statistics.median(rates) if rates else 30000)
        if "memory" in wanted:
            progress("memory")
            result["memory"] = {}
            for name in ("nginx", "collector"):
                with folder() as path:
                    result["memory"][name] = measure_memory(starts[name](path))
        if "metrics-cost" in wanted:
            with folder() as path:
                result["metrics-cost"] = measure_metrics_cost(path, cores, args.seconds, args.runs, progress)
        progress("")

    ratios = Report(runs).print()
    result["ratios"] = ratios
    if redis := result.get("redis"):
        ship, apply = redis["ship"], redis["apply"]
        others = {k: v for k, v in apply["commands_us"].items() if k not in ("evalsha", "exec", "multi")}
        print(
            f"\nRedis alone, µs per hit: ship.lua {ship['script_us']:.2f} at {ship['hits_per_script']:.0f} hits, "
            f"apply.lua {apply['script_us']:.2f} at {apply['hits_per_batch']:.0f} hits, "
            f"together {ship['script_us'] + apply['script_us']:.2f}"
            f"\n  its CPU while only shipping {ship['cpu_us']:.2f}, while only reading and applying {apply['cpu_us']:.2f}"
            f"\n  commands while applying: " + ", ".join(f"{k} {v:.2f}" for k, v in others.items())
        )
    if fresh := result.get("freshness"):
        print(
            f"freshness at {fresh['rate']:,.0f} hits a second: p50 {fresh['p50_ms']:.0f} ms, p99 {fresh['p99_ms']:.0f} ms, "
            f"max {fresh['max_ms']:.0f} ms ({fresh['probes']} reads, {fresh['behind']} behind)"
        )
    is_cheap = True
    if cost := result.get("metrics-cost"):
        ratio = statistics.median(cost["ratios"])
        is_cheap = ratio <= METRICS_TARGET
        shown = {name: statistics.median(run["total"] for run in cost[name]) for name in ("scraped", "not scraped")}
        print(
            f"/metrics of both daemons every second: {shown['scraped']:.2f} µs per hit, without {shown['not scraped']:.2f}, "
            f"ratio {ratio:.3f} ({min(cost['ratios']):.3f}-{max(cost['ratios']):.3f}), at most {METRICS_TARGET}: "
            f"{'met' if is_cheap else 'MISSED'}\n  a scrape of both takes {cost['scrape_cpu_ms']:.2f} ms of CPU at rest, "
            f"{statistics.median(cost['scrape_ms']):.0f} ms of time under load, {statistics.median(cost['scrape_bytes']) / 1024:.0f} KiB"
        )
    if memory := result.get("memory"):
        print(
            f"idle kept-alive connection: {memory['collector'] / 1024:.2f} KiB (nginx {memory['nginx'] / 1024:.2f} KiB)"
        )
    Path(args.json).parent.mkdir(parents=True, exist_ok=True)
    Path(args.json).write_text(json.dumps(result, indent=1) + "\n")
    if args.check and (not is_cheap or any(ratios.get(name, 0) > most for name, most in TARGETS.items())):
        sys.exit(1)


if __name__ == "__main__":
    main()
