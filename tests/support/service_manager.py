"""What systemd does for a daemon, for tests that have none: it holds the listening sockets while the daemon is
restarted, passes them on as descriptors from 3 on, and hears READY, RELOADING, STOPPING and WATCHDOG."""

import fcntl
import socket
import threading

from luot import eventually, patience

# The shell becomes the program, so that its process is the one that LISTEN_PID names. `exec N<&M` is a dup2.
PASS_ON = 'i=3; for fd in $PASSED; do eval "exec $i<&$fd $fd<&-"; i=$((i + 1)); done; LISTEN_PID=$$ exec "$@"'


class ServiceManager:
    """`names` of the sockets that it holds (None: they go without), each on an address of 127.0.0.1 that is free,
    or where `addresses` says."""

    def __init__(self, folder, names=("public", "admin"), abstract=False, watchdog_seconds=None, addresses=None,
                 sockets=None):
        addresses = addresses or [("127.0.0.1", 0)] * len(names or ("first", "second"))
        self.sockets = sockets if sockets is not None else [socket.create_server(a, backlog=4096) for a in addresses]
        # High numbers: what the shell does with low ones must not meet them.
        self.passed = tuple(fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 100) for s in self.sockets)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if abstract:
            self.notify.bind("")  # the kernel picks a name
            name = "@" + self.notify.getsockname()[1:].decode()
        else:
            name = str(folder / "notify")
            self.notify.bind(name)
        self.environment = {"LISTEN_FDS": str(len(self.passed)), "NOTIFY_SOCKET": name,
                            "PASSED": " ".join(map(str, self.passed))}
        if names:
            self.environment["LISTEN_FDNAMES"] = ":".join(names)
        if watchdog_seconds:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1_000_000))
        self.heard = []  # (name, value) as they came
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def look_after(self, luot):
        """The next starts of this luot are by this manager."""
        luot.limits = ["bash", "-c", PASS_ON, "luot"]
        luot.environment = {**luot.environment, **self.environment}
        luot.passed = self.passed

    def addresses(self):
        return ["{}:{}".format(*s.getsockname()[:2]) for s in self.sockets]

    def times(self, name):
        return sum(1 for n, _ in self.heard if n == name)

    def last(self, name):
        return next(value for n, value in reversed(self.heard) if n == name)

    def wait_for(self, name, times=1, deadline=None):
        eventually(lambda: self.times(name) >= times, deadline or patience(10), f"{name} is told {times} times")

    def close_notify(self):
        """The sockets that were given to it stay open."""
        self.notify.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self.notify.close()
        for descriptor in self.passed:
            socket.close(descriptor)

    def close(self):
        self.close_notify()
        for s in self.sockets:
            s.close()

    def _listen(self):
        while message := self.notify.recv(4096):
            self.heard += [tuple(line.split("=", 1)) for line in message.decode().splitlines()]
