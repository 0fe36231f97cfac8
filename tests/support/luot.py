"""What the system tests stand on: a temp folder with luot and Redis processes of the test's own, HTTP
and load clients that remember what they were promised, and waiting on conditions with a deadline.

Everything listens on port 0 or a unix socket, every process is stopped by its pid and its exit status
looked at, and none is left behind. A failed test keeps its folder and prints the ends of its logs.

Environment: LUOT_BIN (default build/release/luot), LUOT_LIGHT=1 (a slow build, such as one with
sanitizers: less load, more patience), LUOT_LONG=1 (outages as long as the promise speaks of),
LUOT_SEED (seed of the random choices, printed by each test that makes any).
"""

import asyncio
import atexit
import collections
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import quote, urlencode

try:
    import redis
except ImportError:  # another python3 stands before Debian's in PATH: python3-redis is there all the same
    sys.path.append("/usr/lib/python3/dist-packages")
    import redis

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
BINARY = ROOT / os.environ.get("LUOT_BIN", "build/release/luot")
LIGHT = os.environ.get("LUOT_LIGHT", "") not in ("", "0")
LONG = os.environ.get("LUOT_LONG", "") not in ("", "0")

PARTITIONS = 16
GIF_BYTES = 43

# A real browser's: Python's own User-Agent is on the crawler lists, its hits would not be views.
BROWSER = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

HEAD = f"Host: stats.example.vn\r\nUser-Agent: {BROWSER}\r\n"  # of a request written by hand

SITES = [
    {
        "id": "skhcn",
        "name": "Sở Khoa học và Công nghệ",
        "hosts": ["skhcn.example.vn", "www.skhcn.example.vn"],
        "timezone": "Asia/Ho_Chi_Minh",
    },
    {"id": "bao", "hosts": ["bao.example.vn", "*.bao.example.vn"], "timezone": "Asia/Ho_Chi_Minh"},
    {"id": "thu-vien", "hosts": ["thu-vien.example.vn"], "timezone": "UTC"},
]

SANITIZER_REPORT = re.compile(
    rb"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|ERROR: LeakSanitizer|runtime error: "
)


def patience(seconds):
    """A deadline for this build: the promised one, or more where a sanitizer slows everything down."""
    return seconds * (5 if LIGHT else 1)


def eventually(condition, deadline=30, what=None):
    """Waits until condition() is true and returns its value; AssertionErrors and lost connections of
    the condition count as "not yet". Fails, with the last of them, at the deadline (seconds)."""
    end = time.monotonic() + deadline
    pause, last = 0.002, None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = f"last value: {value!r}"
        except (AssertionError, OSError, http.client.HTTPException, redis.RedisError) as error:
            last = f"last error: {error!r}"
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline} s: {what or 'the condition'} ({last})")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def steadily(condition, seconds, what=None):
    """Checks that condition() stays true for so long: for promises that nothing more happens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if not value:
            raise AssertionError(f"did not stay true for {seconds} s: {what or 'the condition'}")
        time.sleep(0.05)


def wait_for_rows(client):
    """Until the rows of all that is counted are written: a report waits for them a second and a half alone,
    and a list is kept for a while as it was answered first."""
    eventually(lambda: not any(client.scan_iter("luot:{p*}:tallies", count=10_000)), patience(40), "no rows wait")


def hour_lasts(seconds=120):
    """Waits for the next hour where this one ends within a test: days of sites, limits by the hour and salts
    end with an hour."""
    left = 3600 - time.time() % 3600
    if left < seconds:
        time.sleep(left + 1)


def seeded(name):
    """The random numbers of one test, from its name and LUOT_SEED; the seed is printed."""
    seed = os.environ.get("LUOT_SEED") or "0"
    print(f"{name}: seed {seed}", flush=True)
    return random.Random(f"{name} {seed}")


def client_address(rng):
    """The address of some reader, as X-Forwarded-For carries it."""
    return f"100.{rng.randrange(64, 128)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


# ---- configuration ---------------------------------------------------------------------------------


def to_toml(config):
    """TOML of a dict of tables whose values are strings, numbers, booleans and lists of strings;
    `site` is a list of tables, which may hold lists of tables (`path_rule`)."""

    def value(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        if isinstance(v, (int, float)):
            return str(v)
        if isinstance(v, (list, tuple)):
            return "[" + ", ".join(value(x) for x in v) + "]"
        return json.dumps(str(v), ensure_ascii=False)

    lines = [f"{k} = {value(v)}" for k, v in config.items() if not isinstance(v, (dict, list))]
    for name, table in config.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]"] + [f"{k} = {value(v)}" for k, v in table.items()]
    for name, tables in config.items():
        if isinstance(tables, list):
            for table in tables:
                inner = {k: v for k, v in table.items() if isinstance(v, list) and v and isinstance(v[0], dict)}
                lines += ["", f"[[{name}]]"] + [f"{k} = {value(v)}" for k, v in table.items() if k not in inner]
                for k, tables_of_it in inner.items():
                    for row in tables_of_it:
                        lines += ["", f"[[{name}.{k}]]"] + [f"{c} = {value(v)}" for c, v in row.items()]
    return "\n".join(lines) + "\n"


def merged(base, changes):
    out = dict(base)
    for key, change in (changes or {}).items():
        both_tables = isinstance(change, dict) and isinstance(out.get(key), dict)
        out[key] = merged(out[key], change) if both_tables else change
    return out


# ---- processes ------------------------------------------------------------------------------------


def processes_of(folder):
    """The pids of all processes that work in a folder or name it on their command line."""
    wanted, found = os.fsencode(str(folder)), []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stat:
                if stat.read().rpartition(b")")[2].split()[0] in (b"Z", b"X"):
                    continue
            with open(f"/proc/{entry}/cmdline", "rb") as cmdline:
                if wanted in cmdline.read() or os.fsencode(os.readlink(f"/proc/{entry}/cwd")).startswith(wanted):
                    found.append(int(entry))
        except OSError:
            continue  # it ended while it was looked at
    return found


def children_of(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    fields = stat.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] not in (b"Z", b"X"):
                found.append(int(entry))
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


def spawn(arguments, log, cwd=None, environment=None, passed=()):
    """Starts a process that dies with this one, its output in a file; `passed` descriptors stay open in it. Call it
    from the main thread: the kernel ties the child to the thread that made it."""
    with open(log, "ab") as out:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, arguments)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
            env={**os.environ, **environment} if environment else None, pass_fds=passed,
        )


class World:
    """One test's folder and processes."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="luot-"))
        self.parts = []
        atexit.register(self._abandon)

    def redis(self, name="redis", **options):
        server = RedisServer(self, name, **options)
        server.start()
        return server

    def luot(self, command="serve", name=None, start=True, sites=None, redis=None, config=None,
             options=(), reads=True, files=None):
        """A luot of this world. `config` is merged over the tests' defaults (no limit per client, a
        reader's address believed from this machine, one reader brings a page into lists). `files`: how many it may open."""
        name = name or command
        base = {
            "data_dir": str(self.folder / name),
            "listen": {"public": "127.0.0.1:0", "admin": "127.0.0.1:0"},
            "collector": {"rate_limit_per_client": 0, "workers": 2},
            "site": [{"list_readers": 1, **site} for site in (sites or SITES)],
        }
        if redis is not None:
            base["redis"] = {"url": redis.url}
        process = Luot(self, command, name, merged(base, config), options, files)
        if start:
            process.start(reads=reads)
        return process

    def share_salts(self, first, *others):
        """Gives the salts of a collector to others, which are not running."""
        status, salts, errors = self.run("salt", "export", "--config", first.config_file)
        for other in others:
            other.write_config()
            status, _, errors = self.run("salt", "import", "-", "--config", other.config_file, input=salts.encode())
            if status != 0:
                raise AssertionError(f"luot salt import: {errors}")

    def run(self, *arguments, deadline=None, **options):
        """Runs luot to its end: (exit status, standard output, standard error)."""
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        done = subprocess.run(
            [str(BINARY), *map(str, arguments)], capture_output=True,
            timeout=deadline or patience(30), cwd=self.folder, **options,
        )
        output, errors = done.stdout, done.stderr
        if SANITIZER_REPORT.search(errors):
            raise AssertionError(f"sanitizer report of luot {arguments}:\n{errors.decode(errors='replace')}")
        return done.returncode, output.decode(errors="replace"), errors.decode(errors="replace")

    def close(self, failed=False):
        """Ends everything. Raises if a process cannot be ended, stays behind, ended otherwise than
        it promises, or reported undefined behaviour."""
        atexit.unregister(self._abandon)
        faults = []
        for part in reversed(self.parts):
            try:
                part.close()
            except AssertionError as fault:
                faults.append(str(fault))
        try:
            eventually(lambda: not processes_of(self.folder), patience(10), "no process is left behind")
        except AssertionError:
            for pid in processes_of(self.folder):
                faults.append(f"process {pid} was left behind: {command_line(pid)}")
                kill_quietly(pid, signal.SIGKILL)
        for log in sorted(self.folder.glob("*.log")):
            report = SANITIZER_REPORT.search(log.read_bytes())
            if report:
                faults.append(f"sanitizer report in {log}")
        if failed or faults:
            print(f"\nkept: {self.folder}", file=sys.stderr)
            for log in sorted(self.folder.glob("*.log"), key=lambda f: f.stat().st_mtime)[-6:]:
                lines = 5 if log.name.startswith("redis") else 40
                tail = [line[:400] for line in log.read_bytes()[-6000:].decode(errors="replace").splitlines()[-lines:]]
                print(f"---- end of {log.name}", *tail, sep="\n", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        if faults:
            raise AssertionError("; ".join(faults))

    def _abandon(self):
        for part in self.parts:
            if part.process and part.process.poll() is None:
                kill_quietly(part.process.pid, signal.SIGKILL)


def kill_quietly(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(gone)"


def free_port():
    """One below those that the system gives to others: a server may bind it again and again."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no port is free")


class RedisServer:
    """A redis-server of the test's own, on a unix socket, with an append-only file."""

    def __init__(self, world, name="redis", tcp=False, password=None, options=()):
        self.world, self.name, self.password = world, name, password
        self.folder = world.folder / name
        self.folder.mkdir()
        self.socket = self.folder / "s"
        self.log = world.folder / f"{name}.log"
        self.options = list(options)
        self.port = 0
        if tcp:
            self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0" if tcp else f"unix://{self.socket}"
        self.process, self.frozen, self.environment = None, False, {}
        world.parts.append(self)

    def start(self, answers=True):
        self.cut_torn_end()
        arguments = [
            "redis-server", "--port", self.port, "--unixsocket", self.socket, "--dir", self.folder,
            "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no",
        ]
        if self.password:
            arguments += ["--requirepass", self.password]
        self.process = spawn(arguments + self.options, self.log, environment=self.environment)
        if answers:
            eventually(lambda: self.client().ping(), patience(60), "Redis answers")

    def cut_torn_end(self):
        """As docs/exactly-once.md asks of who runs a Redis: what Redis itself cuts off a transaction that was
        torn leaves half of it in the file."""
        done = subprocess.run([ROOT / "deploy" / "redis-cut-torn-end.sh", self.folder / "appendonlydir"],
                              capture_output=True, check=True, text=True)
        if done.stdout:
            print(done.stdout, end="", flush=True)

    def client(self):
        return redis.Redis(unix_socket_path=str(self.socket), password=self.password,
                           socket_timeout=10)

    def freeze(self):
        os.kill(self.process.pid, signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        os.kill(self.process.pid, signal.SIGCONT)
        self.frozen = False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.frozen = False

    def stop(self):
        self.process.terminate()
        status = self.process.wait(patience(60))
        if status != 0:
            raise AssertionError(f"redis-server ended with {status}, see {self.log}")

    def close(self):
        if self.process and self.process.poll() is None:
            if self.frozen:
                self.thaw()
            self.stop()


# ---- HTTP -----------------------------------------------------------------------------------------


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def token(self):
        return self.headers.get("Luot-Token")

    @property
    def reason(self):
        return self.headers.get("Luot-Refused")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {dict(self.headers.items())} {self.body[:300]!r}>"


class Http:
    """A keep-alive connection that speaks like a browser. Never repeats a request by itself."""

    def __init__(self, address, timeout=None):
        self.connection = http.client.HTTPConnection(
            *split_address(address), timeout=timeout or patience(15))

    def request(self, method, target, body=None, headers=None):
        sent = {"User-Agent": BROWSER, **(headers or {})}
        sent = {name: value for name, value in sent.items() if value is not None}
        try:
            self.connection.request(method, target, body=body, headers=sent)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise

    def get(self, target, **headers):
        return self.request("GET", target, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def close(self):
        self.connection.close()


def split_address(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def raw_exchange(address, data, deadline=None, pieces=None, half_close=False):
    """Sends bytes as they are (in pieces of so many bytes) and returns all that comes back until the
    server closes or nothing has come for the deadline. Second value: whether the server closed."""
    wait = deadline or patience(3)
    received = b""
    with socket.create_connection(split_address(address), timeout=wait) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            step = pieces or len(data) or 1
            for start in range(0, len(data), step):
                wire.sendall(data[start:start + step])
            if half_close:
                wire.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before all was sent; the answer may still be there
        try:
            while True:
                chunk = wire.recv(65536)
                if not chunk:
                    return received, True
                received += chunk
        except TimeoutError:
            return received, False
        except ConnectionResetError:
            return received, True


def split_answers(data, heads_only=False):
    """The answers in a run of bytes, each with the Content-Length it says; fails on leftovers."""
    answers = []
    while data:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            raise AssertionError(f"half an answer: {data[:200]!r}")
        lines = head.decode("latin-1").split("\r\n")
        headers = http.client.HTTPMessage()
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name] = value.strip()
        status = int(lines[0].split()[1])
        bodyless = heads_only or status in (204, 304)
        length = 0 if bodyless else int(headers.get("Content-Length", "0"))
        answers.append(Answer(status, headers, rest[:length]))
        data = rest[length:]
    return answers


class Metrics:
    """The text of /metrics, parsed: value("name", label="x") of one series, sum over those that
    match, and the labels in use."""

    LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        self.series = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                parts = self.LINE.match(line)
                if not parts:
                    raise AssertionError(f"not a metric: {line!r}")
                self.series.append((parts[1], dict(self.LABEL.findall(parts[2] or "")), float(parts[3])))

    def matching(self, name, **labels):
        return [(l, v) for n, l, v in self.series
                if n == name and all(l.get(k) == w for k, w in labels.items())]

    def sum(self, name, **labels):
        return sum(v for _, v in self.matching(name, **labels))

    def value(self, name, **labels):
        found = self.matching(name, **labels)
        if not found:
            raise AssertionError(f"no metric {name} {labels}")
        return self.sum(name, **labels)

    def by(self, label, name):
        out = collections.Counter()
        for labels, value in self.matching(name):
            out[labels.get(label)] += value
        return out


# ---- luot -----------------------------------------------------------------------------------------


class Luot:
    """One luot process of a command, its configuration, addresses and log."""

    LISTENING = re.compile(r"listening.*?public\"?[=:]\"?([^\s\",]+).*?admin\"?[=:]\"?([^\s\",]+)")

    def __init__(self, world, command, name, config, options=(), files=None):
        self.world, self.command, self.name = world, command, name
        self.limits = ["prlimit", f"--nofile={files}:{files}"] if files else []
        self.config, self.options = config, list(options)
        self.binary, self.environment, self.passed = BINARY, {}, ()
        self.config_file = world.folder / f"{name}.toml"
        self.data_dir = Path(config["data_dir"])
        self.process, self.log, self.starts = None, None, 0
        self.public = self.admin = None
        self.expect_exit = 0
        self._http = self._admin_http = None
        world.parts.append(self)

    def write_config(self):
        self.config_file.write_text(to_toml(self.config))
        if "@" in self.config.get("redis", {}).get("url", ""):  # the password of Redis
            self.config_file.chmod(0o600)

    def start(self, wait=True, deadline=None, reads=True):
        """Waits until it listens, and until reads are answered too: hits are taken earlier than that,
        Redis may still be loading."""
        self.write_config()
        self.starts += 1
        self.log = self.world.folder / f"{self.name}.{self.starts}.log"
        self.public = self.admin = self._http = self._admin_http = None
        self.process = spawn(
            [*self.limits, self.binary, self.command, "--config", self.config_file, *self.options], self.log,
            environment=self.environment, passed=self.passed)
        if wait:
            self.wait_listening(deadline)
            if reads and self.command != "collector":
                eventually(self._reads_are_answered, deadline or patience(20), f"luot {self.command} answers reads")
        return self

    def _reads_are_answered(self):
        """By every worker: a new connection may come to any of them."""
        target = f"/api/v1/counts?site={self.config['site'][0]['id']}"
        for _ in range(8):
            connection = Http(self.public)
            try:
                if connection.get(target).status == 503:
                    return False
            finally:
                connection.close()
        return True

    def is_listening(self):
        """Whether it does, and its addresses are known then."""
        found = self.LISTENING.search(self.log.read_text(errors="replace"))
        if found:
            self.public, self.admin = found[1], found[2]
        return bool(found)

    def wait_listening(self, deadline=None):
        def listening():
            if self.process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"luot {self.command} ended with {self.process.returncode}:\n{tail}")
            return self.is_listening()

        eventually(listening, deadline or patience(20), f"luot {self.command} listens")

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def terminate(self):
        os.kill(self.pid, signal.SIGTERM)

    def hang_up(self):
        os.kill(self.pid, signal.SIGHUP)

    def wait_exit(self, deadline=None):
        try:
            return self.process.wait(deadline or patience(10))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"luot {self.command} did not end within its time, see {self.log}") from None

    def stop(self):
        """SIGTERM; the exit status has to be 0, within 10 s."""
        self.terminate()
        status = self.wait_exit()
        self._forget_connections()
        if status != self.expect_exit:
            raise AssertionError(f"luot {self.command} ended with {status} after SIGTERM, see {self.log}")

    def kill(self):
        """kill -9 of luot itself; a private Redis is left to notice it."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait()
        self._forget_connections()

    def close(self):
        if self.is_running():
            for child in children_of(self.pid):
                kill_quietly(child, signal.SIGCONT)
            kill_quietly(self.pid, signal.SIGCONT)
            try:
                self.stop()
            except AssertionError:
                self.process.kill()
                self.process.wait()
                raise

    def _forget_connections(self):
        for connection in (self._http, self._admin_http):
            if connection:
                connection.close()
        self._http = self._admin_http = None

    # The private Redis of `luot serve`.

    def redis_pid(self):
        for child in children_of(self.pid):
            if "redis-server" in command_line(child):
                return child
        return None

    def redis(self):
        return redis.Redis(unix_socket_path=str(self.data_dir / "redis" / "redis.sock"), socket_timeout=10)

    # Requests. `http` keeps one connection per Luot object: use it from one thread.

    @property
    def http(self):
        if self._http is None:
            self._http = Http(self.public)
        return self._http

    @property
    def admin_http(self):
        if self._admin_http is None:
            self._admin_http = Http(self.admin)
        return self._admin_http

    def hit(self, site, path, how="json", client=None, agent=BROWSER, headers=None, **fields):
        """Sends one hit as POST JSON, form, or GET pixel; fields as luot names them (id, r, t ...)."""
        fields = {"s": site, "p": path, **fields}
        fields = {k: v for k, v in fields.items() if v is not None}
        sent = {"User-Agent": agent, **(headers or {})}
        if client:
            sent["X-Forwarded-For"] = client
        if how == "pixel":
            return self.http.request("GET", "/hit.gif?" + urlencode(fields), headers=sent)
        if how == "form":
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
            return self.http.request("POST", "/hit", body=urlencode(fields), headers=sent)
        sent.setdefault("Content-Type", "text/plain;charset=UTF-8")
        return self.http.request("POST", "/hit", body=json.dumps(fields), headers=sent)

    def take_hit(self, site, path, **how):
        """A hit that has to be acknowledged; returns its token."""
        answer = self.hit(site, path, **how)
        if answer.status not in (200, 202) or not answer.token:
            raise AssertionError(f"hit on {site} {path} was not acknowledged: {answer}")
        return answer.token

    def get_counts(self, site, *paths, **parameters):
        """GET /api/v1/counts, whatever it answers."""
        query = [("site", site), *(("path", path) for path in paths), *parameters.items()]
        return self.http.request("GET", "/api/v1/counts?" + urlencode(query))

    def counts(self, site, *paths, **parameters):
        """With `after` it waits until that hit is counted: luot itself does so for a second only."""
        if "after" in parameters:
            self.wait_for(site, parameters["after"])
        answer = self.get_counts(site, *paths, **parameters)
        if answer.status != 200:
            raise AssertionError(f"counts of {site}: {answer}")
        return answer.json()

    def views(self, site, path=None, **parameters):
        """Views of a page, or of the whole site."""
        answer = self.counts(site, *([path] if path else []), **parameters)
        return answer["pages"][path]["views"] if path else answer["views"]

    def all_views(self, site, paths):
        """path -> views, asked for in requests of 100 paths."""
        found, paths = {}, list(paths)
        for start in range(0, len(paths), 100):
            body = json.dumps({"site": site, "paths": paths[start:start + 100]})
            answer = self.http.request("POST", "/api/v1/counts", body=body,
                                       headers={"Content-Type": "text/plain"})
            if answer.status != 200:
                raise AssertionError(f"counts of {site}: {answer}")
            found.update((path, page["views"]) for path, page in answer.json()["pages"].items())
        return found

    def wait_for(self, site, token, deadline=None):
        """Reads with `after` until the hit of this token is counted."""
        def reached():
            answer = self.get_counts(site, after=token)
            return answer.status == 200 and not answer.json().get("behind")
        eventually(reached, deadline or patience(10), f"token {token} is reached")

    def metrics(self):
        answer = self.admin_http.get("/metrics")
        if answer.status != 200:
            raise AssertionError(f"/metrics: {answer}")
        return Metrics(answer.body.decode())

    def log_text(self):
        return self.log.read_text(errors="replace")

    def emptied_logs(self):
        """The logs of the spool of which only a head is kept, that stands for the segments before it."""
        head_bytes, segments = 304, collections.defaultdict(list)
        for file in (self.data_dir / "spool").glob("*.spool"):
            try:
                log, number, _ = file.name.split(".")
                segments[log].append((int(number), file.stat().st_size))
            except FileNotFoundError:
                pass  # removed in this moment
        return {log for log, files in segments.items()
                if len(files) == 1 and files[0][0] > 1 and files[0][1] == head_bytes}

    def resident_bytes(self):
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * resource.getpagesize()


# ---- load -----------------------------------------------------------------------------------------


class Hit:
    """`kind`: "view", "event", "bot", or "repeat" of one with the same id, which counts nowhere."""

    __slots__ = ("site", "page", "request", "kind", "client", "sent_at", "sends")

    def __init__(self, site, page, request, kind="view", client=None):
        self.site, self.page, self.request, self.kind = site, page, request, kind
        self.client = client
        self.sent_at, self.sends = 0.0, 0


def hit_request(site, page, how="json", id=None, client=None, agent=BROWSER, host="stats.example.vn",
                **fields):
    """One hit as bytes on a keep-alive connection."""
    fields = {"s": site, "p": page, **({"id": id} if id else {}), **fields}
    head = f"Host: {host}\r\nUser-Agent: {agent}\r\n"
    if client:
        head += f"X-Forwarded-For: {client}\r\n"
    if how == "pixel":
        query = "&".join(f"{k}={quote(str(v), safe='/')}" for k, v in fields.items())
        return f"GET /hit.gif?{query} HTTP/1.1\r\n{head}\r\n".encode()
    if how == "form":
        body = urlencode(fields).encode()
        kind = "application/x-www-form-urlencoded"
    else:
        body = json.dumps(fields, ensure_ascii=False).encode()
        kind = "text/plain;charset=UTF-8"
    return (f"POST /hit HTTP/1.1\r\n{head}Content-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def random_hits(rng, pages, count=None, prefix="h", clients=None, ids=True):
    """Hits with ids of their own (or without any), by changing readers (of a list of addresses, if one
    is given), on pages [(site, path)], in all three forms; without a count they never end."""
    number = 0
    while count is None or number < count:
        site, page = pages[int(len(pages) * rng.random() ** 2)]
        how = ("json", "pixel", "form")[rng.randrange(3)]
        client = rng.choice(clients) if clients else client_address(rng)
        yield Hit(site, page, hit_request(site, page, how, id=f"{prefix}{number}" if ids else None,
                                          client=client), client=client)
        number += 1


def mixed_hits(rng, pages, count=None, prefix="h", clients=None, ids=True):
    """random_hits, and among them events and bots and, where they have ids, some that are sent a second time."""
    for hit in random_hits(rng, pages, count, prefix, clients, ids):
        yield hit
        draw, client = rng.random(), rng.choice(clients) if clients else client_address(rng)
        id = f"{prefix}-{rng.getrandbits(48):x}" if ids else None
        if draw < 0.05:
            yield Hit(hit.site, hit.page, hit_request(hit.site, hit.page, id=id, agent=GOOGLEBOT, client=client), "bot")
        elif draw < 0.10:
            yield Hit(hit.site, hit.page, hit_request(hit.site, hit.page, id=id, n="download", d={"file": "a.pdf"}, client=client),
                      "event")
        elif draw < 0.15 and ids:
            yield Hit(hit.site, hit.page, hit.request, "repeat", hit.client)


class Load:
    """Sends hits over N keep-alive connections from a thread of its own. A hit whose answer did not
    come (connection lost, nothing for `answer_deadline` seconds, 503) is sent again, the same bytes
    with the same id, until it is acknowledged or refused.

    `addresses` may be changed at any time; while it is empty the clients wait. In the end
      acknowledged[site, page]   hits that were acknowledged, each once
      views[site, page]          those of them that are views
      others[kind, site]         those of them that are none
      clients[site]              the clients whose views they are
      acknowledgements           answers that acknowledged (a hit can be acknowledged only once here)
      refused[reason]            hits that were refused for good
      repeats                    times that a hit was sent again
      tokens[producer, partition] = (offset, site), the highest
      slowest                    seconds from the first sending of a hit to its acknowledgement
      took                       seconds from start() to the last answer
    """

    TOKEN = re.compile(rb"\r\n[Ll]uot-[Tt]oken: *([^\s.]+)\.(\d+)\.(\d+)")
    REASON = re.compile(rb"\r\n[Ll]uot-[Rr]efused: *(\w+)")
    LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)")
    CLOSE = re.compile(rb"\r\n[Cc]onnection: *close")

    def __init__(self, hits, addresses=(), connections=16, rate=None, answer_deadline=None):
        self.hits, self.connections, self.rate = iter(hits), connections, rate
        self.addresses = list(addresses)
        self.answer_deadline = answer_deadline or patience(10)
        self.sent = self.repeats = self.acknowledgements = self.unavailable = 0
        self.acknowledged, self.views, self.others, self.refused = (collections.Counter() for _ in range(4))
        self.clients = collections.defaultdict(set)
        self.tokens, self.slowest, self.took, self.fault = {}, 0.0, 0.0, None
        self._retry, self._ended, self._in_hand = collections.deque(), False, 0
        self._paused = False
        self._wires = set()
        self._next_due = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def pause(self):
        """Sends nothing until go_on(); what is in hand has been answered when this returns."""
        paused = threading.Event()

        def stop():  # in the load's thread: no hit is between the look at this and being in hand
            self._paused = True
            paused.set()
        self._loop.call_soon_threadsafe(stop)
        if not paused.wait(patience(20)):
            raise AssertionError("the load does not answer")
        eventually(lambda: self._in_hand == 0, patience(20), "the hits in hand are answered")

    def go_on(self):
        self._paused = False

    def connect_anew(self):
        """To the addresses of now; what is in hand is sent again."""
        for wire in list(self._wires):
            self._loop.call_soon_threadsafe(wire.transport.abort)

    def end(self):
        """No new hits from now on; those in hand are sent until they are acknowledged."""
        self._ended = True
        return self

    def wait(self, deadline):
        self._thread.join(deadline)
        if self.fault:
            raise self.fault
        if self._thread.is_alive():
            raise AssertionError(f"load did not end within {deadline} s: {self}")
        return self

    def run(self, deadline=300):
        return self.start().wait(patience(deadline))

    def snapshot(self):
        """The views acknowledged by now."""
        done, copy = threading.Event(), []

        def take():
            copy.append(collections.Counter(self.views))
            done.set()

        self._loop.call_soon_threadsafe(take)
        if not done.wait(10):
            raise AssertionError("the load client does not answer")
        return copy[0]

    def __repr__(self):
        return (f"{self.sent} hits, {self.acknowledgements} acknowledged, {self.repeats} repeats, "
                f"{dict(self.refused)} refused, {self.unavailable} times 503, slowest {self.slowest:.2f} s")

    # The thread's side.

    def _run(self):
        try:
            asyncio.run(self._main())
        except Exception as error:  # noqa: BLE001 - shown by wait()
            self.fault = error

    async def _main(self):
        self._loop = asyncio.get_running_loop()
        self._next_due = self._loop.time()
        begun = self._loop.time()
        sweep = asyncio.create_task(self._sweep())
        await asyncio.gather(*(self._slot(i) for i in range(self.connections)))
        self.took = self._loop.time() - begun
        sweep.cancel()

    def _take(self):
        if self._retry:
            return self._retry.popleft()
        if self._ended:
            return None
        hit = next(self.hits, None)
        if hit is None:
            self._ended = True
            return None
        self.sent += 1
        self._in_hand += 1
        return hit

    def _finished(self):
        return self._ended and self._in_hand == 0

    async def _slot(self, number):
        attempt = number
        while not self._finished():
            addresses = self.addresses
            if not addresses or (self._ended and not self._retry):
                await asyncio.sleep(0.005)
                continue
            host, port = split_address(addresses[attempt % len(addresses)])
            attempt += 1
            wire = _Wire(self)
            try:
                await asyncio.wait_for(self._loop.create_connection(lambda: wire, host, port), 5)
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(0.005)
                continue
            attempt -= 1
            self._wires.add(wire)
            await wire.closed
            self._wires.discard(wire)
            attempt += 1

    async def _sweep(self):
        while True:
            await asyncio.sleep(0.25)
            now = self._loop.time()
            for wire in list(self._wires):
                if wire.hit is not None and wire.since and now - wire.since > self.answer_deadline:
                    wire.transport.abort()

    def _answered(self, hit, head):
        status = int(head[9:12])
        token = self.TOKEN.search(head)
        if status in (200, 202) and token:
            self.acknowledgements += 1
            self.acknowledged[hit.site, hit.page] += 1
            if hit.kind == "view":
                self.views[hit.site, hit.page] += 1
                self.clients[hit.site].add(hit.client)
            else:
                self.others[hit.kind, hit.site] += 1
            log = token[1].decode(), token[2].decode()
            if int(token[3]) > self.tokens.get(log, (0, ""))[0]:
                self.tokens[log] = int(token[3]), hit.site
            self.slowest = max(self.slowest, self._loop.time() - hit.sent_at)
        elif status == 503:
            self.unavailable += 1
            self._loop.call_later(0.05, self._retry.append, hit)
            return
        else:
            reason = self.REASON.search(head)
            self.refused[reason[1].decode() if reason else f"status {status}"] += 1
        self._in_hand -= 1


class _Wire(asyncio.Protocol):
    """One connection of a Load, with one hit in hand at a time."""

    def __init__(self, load):
        self.load, self.hit, self.buffer, self.since = load, None, b"", 0.0
        self.closed = load._loop.create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.next()

    def next(self):
        load = self.load
        if self.closed.done() or self.transport.is_closing():
            return
        if load.rate:
            now = load._loop.time()
            load._next_due = max(load._next_due, now - 0.1) + 1 / load.rate
            if load._next_due > now:
                load._loop.call_later(load._next_due - now, self.send)
                return
        self.send()

    def send(self):
        load = self.load
        if self.closed.done() or self.transport.is_closing():
            return
        if load._paused and not load._retry and not load._ended:
            load._loop.call_later(0.01, self.send)
            return
        hit = load._take()
        if hit is None:
            self.transport.close()
            return
        self.hit, self.since = hit, load._loop.time()
        if hit.sends == 0:
            hit.sent_at = self.since
        else:
            load.repeats += 1
        hit.sends += 1
        self.transport.write(hit.request)

    def data_received(self, data):
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end]
        length = Load.LENGTH.search(head)
        whole = end + 4 + (int(length[1]) if length else 0)
        if len(self.buffer) < whole:
            return
        if not head.startswith(b"HTTP/1.1 ") or self.hit is None:
            self.transport.abort()
            return
        self.buffer = self.buffer[whole:]
        hit, self.hit, self.since = self.hit, None, 0.0
        self.load._answered(hit, head)
        if Load.CLOSE.search(head):
            self.transport.close()
        else:
            self.next()

    def connection_lost(self, error):
        if self.hit is not None:
            self.load._retry.append(self.hit)
            self.hit = None
        if not self.closed.done():
            self.closed.set_result(None)


# ---- what the tests are made of -------------------------------------------------------------------


def has_failed(case):
    """Whether a test, or a part of it, has failed by now: asked by its clean-ups."""
    result = case._outcome.result
    return any(getattr(test, "test_case", test) is case for test, _ in [*result.failures, *result.errors])


class SystemTest(unittest.TestCase):
    """A test with a World of its own, closed after it; its folder is kept when it failed."""

    maxDiff = 2000

    def setUp(self):
        if not BINARY.exists():
            self.fail(f"{BINARY} is not built: cmake --preset release && cmake --build --preset release")
        self.world = World()
        self.addCleanup(lambda: self.world.close(failed=has_failed(self)))

    def assert_counted(self, reader, expected, tokens=None, deadline=None):
        """Every page of `expected` ((site, page) -> views) shows exactly that, and every site the sum
        of its pages. With the tokens of all hits it holds at once when they are reached; without them
        it has to become true before the deadline."""
        for (producer, partition), (offset, site) in (tokens or {}).items():
            reader.wait_for(site, f"{producer}.{partition}.{offset}", deadline)
        sites = sorted({site for site, _ in expected})

        def differences():
            found = []
            for site in sites:
                pages = {page: n for (s, page), n in expected.items() if s == site}
                shown = reader.all_views(site, pages)
                found += [(site, page, shown.get(page), n) for page, n in pages.items() if shown.get(page) != n]
                whole = reader.views(site)
                if whole != sum(pages.values()):
                    found.append((site, "the whole site", whole, sum(pages.values())))
            return found

        def check():
            found = differences()
            self.assertFalse(found, f"{len(found)} differ, (site, page, shown, expected): {found[:8]}")
            return True

        if tokens is None:
            eventually(check, deadline or patience(10), "all counts are as expected")
        else:
            check()

    def assert_verified(self, luot, *options):
        """`luot verify` finds no difference, by the configuration of this luot; its output."""
        status, output, errors = self.world.run("verify", "--config", luot.config_file, *options,
                                                deadline=patience(120))
        self.assertEqual(status, 0, f"luot verify:\n{output}{errors}")
        return output

    def positions(self, luot):
        """What `luot verify --positions` prints, with all its checks: a dict of numbers for each log
        and partition; None where the log is not on this luot's disk."""
        rows = []
        for line in self.assert_verified(luot, "--positions").splitlines():
            if line.startswith("position "):
                row = dict(pair.split("=") for pair in line.split()[1:])
                rows.append({name: value if name == "producer" else None if value == "-" else int(value)
                             for name, value in row.items()})
        return rows

    def assert_positions(self, *collectors, drained=True, acknowledged=None, lost=None):
        """Every hit that a log has taken is applied, queued, unshipped or lost, as read from the disks
        of these collectors and from Redis; with `drained` it is applied or declared lost. `acknowledged`
        (hits, those sent twice counted twice) and `lost` are compared with the sums over all logs that
        are there. Waits for the collector and the aggregator to get so far. Returns the sums."""
        def sums():
            logs = {}
            for collector in collectors:
                for row in self.positions(collector):
                    log = row["producer"], row["partition"]
                    if log not in logs or row["spooled"] is not None:
                        logs[log] = row
            for log, row in logs.items():
                self.assertEqual(row["shipped"], row["applied"] + row["queued"], (log, row))
                self.assertLessEqual(row["lost"], row["shipped"], (log, row))
                if row["spooled"] is not None:
                    self.assertEqual(row["spooled"], row["applied"] + row["queued"] + row["unshipped"] +
                                     row["missing"], (log, row))
                if drained:
                    self.assertEqual((row["queued"], row["unshipped"] or 0, row["missing"] or 0), (0, 0, 0), (log, row))
            out = collections.Counter()
            for row in logs.values():
                for name in ("shipped", "applied", "lost", "queued"):
                    out[name] += row[name]
                # What is no longer on a disk was shipped: its segments had not gone else.
                out["spooled"] += row["shipped"] if row["spooled"] is None else row["spooled"]
            if acknowledged is not None:
                self.assertEqual(out["spooled"], acknowledged)
            if lost is not None:
                self.assertEqual(out["lost"], lost)
            return out
        return eventually(sums, patience(60), "spooled = applied + queued + unshipped + lost")

    def assert_balanced(self, *collectors):
        """received = accepted + refused by reason, on the /metrics of each."""
        for collector in collectors:
            def balanced():
                m = collector.metrics()
                received = m.value("luot_hits_received_total")
                outcomes = m.sum("luot_hits_accepted_total") + m.sum("luot_hits_refused_total")
                self.assertEqual(received, outcomes)
                return True
            eventually(balanced, patience(2), "received = accepted + refused")


class OneLuot(SystemTest):
    """A luot that has to live, and to take and count hits, at the end of each test."""

    HOW = {}  # further arguments of World.luot

    def setUp(self):
        super().setUp()
        self.luot = self.world.luot(**self.HOW)
        self.pid = self.luot.pid
        self.addCleanup(self.assert_alive)

    def assert_alive(self):
        self.assertTrue(self.luot.is_running(), "luot lives")
        self.assertEqual(self.luot.pid, self.pid)
        token = self.luot.take_hit("skhcn", "/still-alive")
        self.luot.wait_for("skhcn", token)
        self.assert_balanced(self.luot)

    def assert_refused(self, answer, status, reason, gif=False):
        self.assertEqual((answer.status, answer.reason), (status, reason), answer)
        self.assertIsNone(answer.token)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        if gif:
            self.assertEqual(len(answer.body), GIF_BYTES)
        else:
            self.assertEqual(answer.json(), {"accepted": False, "reason": reason})

    def get(self, target, **headers):
        return self.luot.http.get(target, **headers)

    def post(self, body, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.luot.http.request("POST", "/hit", body=body, headers={"Content-Type": "text/plain", **headers})

    def exchange(self, text, **how):
        data = text if isinstance(text, bytes) else text.encode()
        return raw_exchange(self.luot.public, data, **how)


# ---- what is kept -----------------------------------------------------------------------------------


def redis_blobs(client):
    """Every key and value, as Redis stores it and as it reads it, and what it remembers of commands."""
    reads = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"list": lambda key: client.lrange(key, 0, -1),
        b"stream": client.xrange,
    }

    def flat(value):
        if isinstance(value, bytes):
            yield value
        elif isinstance(value, dict):
            for pair in value.items():
                yield from flat(pair)
        elif isinstance(value, (list, tuple, set)):
            for part in value:
                yield from flat(part)
        else:
            yield str(value).encode()

    for key in client.scan_iter(count=1000):
        yield "a key", key
        yield f"DUMP {key!r}", client.dump(key) or b""
        for part in flat(reads[client.type(key)](key) or b""):
            yield f"value of {key!r}", part
    for entry in client.slowlog_get(100_000):
        yield "SLOWLOG", b" ".join(flat(list(entry.values())))
    for name, value in client.info("all").items():
        yield "INFO", f"{name}:{value}".encode()


def file_blobs(*folders):
    for folder in folders:
        for file in folder.rglob("*"):
            yield f"name of {file}", str(file).encode()
            if file.is_file():
                yield str(file), file.read_bytes()


def stream_lengths(client):
    """How many entries wait in each partition's stream."""
    return [client.xlen(f"luot:{{p{part:02}}}:hits") for part in range(PARTITIONS)]


def main():
    unittest.main(verbosity=2, warnings="ignore")  # the redis client leaves sockets to the collector
