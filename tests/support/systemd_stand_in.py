"""A stand-in for systemd in a chroot, for tests: it reads the unit files there and does what they say, as far as
luot's, nginx's and Redis' need it, and maintainer scripts ask for it. Not done: confinement (namespaces, capabilities,
system calls), timers, dependencies other than sockets.

`systemctl` in the chroot is a small script that passes its words on through two pipes.
"""

import fnmatch
import os
import re
import signal
import socket
import subprocess
import threading

from luot import eventually, is_alive, kill_quietly, patience
from service_manager import PASS_ON, ServiceManager

SYSTEMCTL = """#!/bin/sh
printf '%s\\n' "$*" >/run/stand-in/request
{ read -r status; cat; } </run/stand-in/answer
exit "$status"
"""


class Unit:
    """A unit file with its drop-ins, as section -> key -> values; %i filled in."""

    def __init__(self, root, name):
        self.name = name
        template = re.sub(r"@[^.]*\.", "@.", name)
        self.instance = name.partition("@")[2].rpartition(".")[0]
        folders = [root / "etc/systemd/system", root / "lib/systemd/system"]
        found = [f / n for f in folders for n in (name, template) if (f / n).exists()]
        self.exists = bool(found)
        self.values = {}
        for file in found[:1] + sorted((folders[0] / f"{name}.d").glob("*.conf")):
            for line in file.read_text().splitlines():
                key, is_set, value = line.partition("=")
                if is_set and not line.startswith(("#", ";", "[")):
                    if value:
                        self.values.setdefault(key, []).append(value.replace("%i", self.instance))
                    else:
                        self.values[key] = []

    def all(self, key):
        return [word for value in self.values.get(key, []) for word in value.split()]

    def last(self, key, default=None):
        return (self.values.get(key) or [default])[-1]


class StandIn:
    """All in the network of the thread that makes it."""

    def __init__(self, root):
        self.root = root
        self.sockets, self.running = {}, {}  # name -> socket; name -> (process or None, its manager or None)
        self.asked, self.restarts = [], 0
        folder = root / "run/stand-in"
        folder.mkdir(parents=True)
        (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)  # so maintainer scripts know that it runs
        for name in ("request", "answer"):
            os.mkfifo(folder / name)
        script = root / "usr/local/sbin/systemctl"
        script.write_text(SYSTEMCTL)
        script.chmod(0o755)
        # Else apt takes /usr/local from the PATH of maintainer scripts.
        (root / "etc/apt/apt.conf.d/stand-in").write_text(
            'DPkg::Path "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";\n')
        self.requests, self.answers, self.log = folder / "request", folder / "answer", root / "run/stand-in/log"
        self._thread = threading.Thread(target=self._serve, daemon=True)  # lives as long as its children
        self._thread.start()

    def close(self):
        """Ends everything that it started."""
        self.requests.write_text("exit\n")
        self._thread.join(60)
        for s in self.sockets.values():
            s.close()

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # The thread's side.

    def _serve(self):
        while True:
            words = self.requests.read_text().split()
            if words == ["exit"]:
                for name in list(self.running):
                    self._stop(name)
                return
            self.asked.append(" ".join(words))
            words = [w for w in words if not w.startswith("--") or w == "--now"]
            try:
                status, output = self._act(words[0], words[1:])
            except Exception as failure:  # noqa: BLE001 - shown by who called systemctl
                status, output = 1, f"systemctl stand-in: {words}: {failure!r}\n"
            self.answers.write_text(f"{status}\n{output}")

    def _act(self, action, names):
        is_now = "--now" in names
        names = [n for n in names if n != "--now"]
        names = [n if re.search(r"\.(service|socket|target)$", n) else n + ".service" for n in names]
        if action == "is-enabled":
            return (0, "enabled\n") if any(self._links(n) for n in names) else (1, "disabled\n")
        if action == "is-active":
            return (0, "active\n") if any(self._matching(n) for n in names) else (3, "inactive\n")
        if action in ("enable", "disable", "preset"):  # Debian's preset is to enable
            names = [n for n in names if Unit(self.root, n).exists]
            for name in [also for n in names for also in (n, *Unit(self.root, n).all("Also"))]:
                self._set_enabled(name, action != "disable")
            if is_now:
                for name in names:
                    (self._start if action == "enable" else self._stop)(name)
        elif action in ("start", "stop", "restart", "try-restart", "reload"):
            for name in [m for n in names for m in (self._matching(n) if "*" in n or action == "stop" else [n])]:
                unit = Unit(self.root, name)
                if action in ("restart", "try-restart"):
                    self.restarts += 1
                    self._stop(name)
                if action == "reload":
                    self._reload(unit)
                elif action != "stop":
                    self._start(name)
                else:
                    self._stop(name)
        return 0, ""

    def _matching(self, pattern):
        return fnmatch.filter([*self.running, *self.sockets], pattern)

    def _links(self, name):
        # Not by glob alone: a link leads to a file of the chroot, which is not there for us.
        wants = (self.root / "etc/systemd/system").glob("*.wants")
        return [folder / name for folder in wants if (folder / name).is_symlink()]

    def _set_enabled(self, name, enabled):
        for link in self._links(name):
            link.unlink()
        unit = Unit(self.root, name)
        for target in unit.all("WantedBy") if enabled else ():
            folder = self.root / "etc/systemd/system" / f"{target}.wants"
            folder.mkdir(exist_ok=True)
            (folder / name).symlink_to(f"/lib/systemd/system/{re.sub('@[^.]*[.]', '@.', name)}")

    def _start(self, name):
        unit = Unit(self.root, name)
        if not unit.exists or name in self.running or name in self.sockets:
            return
        if name.endswith(".socket"):
            host, port = unit.last("ListenStream").rsplit(":", 1)
            self.sockets[name] = socket.create_server((host, int(port)), backlog=4096)
        elif unit.last("Type") == "forking":
            self._run(unit, "ExecStart")
            self.running[name] = None, None
        elif unit.last("Type") == "notify":
            self._start_notifying(unit)

    def _start_notifying(self, unit):
        for name in unit.all("Sockets"):
            self._start(name)
        for kind, base in (("StateDirectory", "var/lib"), ("RuntimeDirectory", "run"), ("LogsDirectory", "var/log")):
            for folder in unit.all(kind):
                self._command_in("install", "-d", "-o", unit.last("User"), "-g", unit.last("Group"), "-m",
                                 unit.last(f"{kind}Mode", "755"), f"/{base}/{folder}")
        passed = [(Unit(self.root, n).last("FileDescriptorName"), self.sockets[n]) for n in unit.all("Sockets")]
        manager = ServiceManager(None, abstract=True, names=[n for n, _ in passed], sockets=[s for _, s in passed],
                                 watchdog_seconds=120)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "bash", "-c", PASS_ON, "luot",
                 *self._command(unit, "ExecStart", unit.last("User"), unit.last("Group"))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=manager.passed,
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **manager.environment})
        self.running[unit.name] = process, manager
        eventually(lambda: manager.times("READY") or process.poll() is not None, patience(30), f"{unit.name} is ready")
        if process.poll() is not None:
            del self.running[unit.name]
            raise RuntimeError(f"{unit.name} ended with {process.returncode}:\n{self.log_text()[-2000:]}")

    def _stop(self, name):
        if name in self.sockets:
            self.sockets.pop(name).close()
            return
        process, manager = self.running.pop(name, (None, None))
        unit = Unit(self.root, name)
        if process:
            process.terminate()
            status = process.wait(60)
            manager.close_notify()
            if status != 0:
                raise RuntimeError(f"{name} ended with {status}:\n{self.log_text()[-2000:]}")
        elif unit.last("PIDFile"):
            file = self.root / unit.last("PIDFile").lstrip("/")
            if file.exists():
                pid = int(file.read_text())
                kill_quietly(pid, signal.SIGTERM)
                eventually(lambda: not is_alive(pid), 30, f"{name} ends")

    def _reload(self, unit):
        process, manager = self.running[unit.name]
        if process:
            before = manager.times("READY")
            process.send_signal(signal.SIGHUP)
            manager.wait_for("READY", before + 1)
        else:
            self._run(unit, "ExecReload")

    def _run(self, unit, key):
        with self.log.open("ab") as log:
            subprocess.run(self._command(unit, key), check=True, stdout=log, stderr=log)

    def _command(self, unit, key, user=None, group=None):
        command = subprocess.run(["bash", "-c", f'printf "%s\\0" {unit.last(key).lstrip("-+!@")}'], check=True,
                                 capture_output=True, text=True).stdout.split("\0")[:-1]
        as_user = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--"] if user else []
        return ["chroot", str(self.root), *as_user, *command]

    def _command_in(self, *words):
        subprocess.run(["chroot", str(self.root), *words], check=True)
