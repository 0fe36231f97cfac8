"""Roots of a clean Debian 12 (mmdebstrap), and a network of one's own to run in, so that the ports that documents name are
free. Needs root, and Debian's mirror for a moment; why_not() says what is missing."""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import time
import unittest
import urllib.request

from luot import BINARY

MIRROR = "http://deb.debian.org/debian/dists/bookworm/InRelease"
CLONE_NEWNS, CLONE_NEWNET, SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x00020000, 0x40000000, 0x8913, 0x8914, 1


def why_not(*tools):
    """What is missing; None: nothing."""
    if os.geteuid() != 0:
        return "not root: neither chroots nor networks of one's own can be made"
    for tool in ("mmdebstrap", "nsenter", *tools):
        if not shutil.which(tool):
            return f"{tool} is missing: deploy/install-deps.sh"
    try:
        urllib.request.urlopen(MIRROR, timeout=10).close()
    except OSError as failure:
        return f"Debian's mirror cannot be reached: {failure}"
    return None


def run(*command, **options):
    """Its output, both streams; raises with the end of it when it fails."""
    done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def root_archive(network):
    """A clean Debian 12 with systemd's programs, as a tar file; made anew once a day, kept in the build folder."""
    kept = BINARY.parent / "debian-root.tar"
    if not kept.exists() or time.time() - kept.stat().st_mtime > 86400:
        made = kept.with_suffix(f".{os.getpid()}.tar")
        network.outside("mmdebstrap", "--variant=apt", "--mode=root", "--dpkgopt=force-unsafe-io", "--include=systemd",
                        "bookworm", made)
        made.replace(kept)
    return kept


class OwnNetwork:
    """From its making on, this process and what it starts are in a network that has a loopback device alone, and in mounts
    that go with them. Make it before any thread."""

    def __init__(self):
        self._outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
            raise unittest.SkipTest(f"unshare: {os.strerror(ctypes.get_errno())}")
        run("mount", "--make-rprivate", "/")
        with socket.socket() as s:
            flags, = struct.unpack_from("h", fcntl.ioctl(s, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0)), 16)
            fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))

    def outside(self, *command, **options):
        """Runs a command in the network of before."""
        return run("nsenter", f"--net=/proc/self/fd/{self._outside}", *command, pass_fds=(self._outside,), **options)


def exit_status(program):
    """77, which ctest shows as skipped, when a class was skipped as a whole."""
    result = program.result
    return 77 if result.wasSuccessful() and any("setUpClass" in str(case) for case, _ in result.skipped) else \
        int(not result.wasSuccessful())
