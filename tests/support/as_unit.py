#!/usr/bin/python3
"""Runs a program with the system calls that a unit file allows, as systemd would: what is not allowed ends it, but for
calls of @resources, which are only refused (SystemCallErrorNumber=EPERM), as luot and Redis can bear.

usage: as_unit.py UNIT_FILE COMMAND...     (needs Debian's python3-seccomp)
"""

import errno
import os
import subprocess
import sys

import seccomp


def members(group):
    """System calls of a group such as @system-service, those of groups in it too."""
    out = subprocess.run(["systemd-analyze", "syscall-filter", group], check=True, capture_output=True, text=True).stdout
    names = [line.strip() for line in out.splitlines()[1:] if not line.strip().startswith("#")]
    return {call for name in names if name for call in (members(name) if name.startswith("@") else {name})}


def allowed(unit_file):
    calls = members("@default")  # always
    with open(unit_file) as unit:
        for line in unit:
            if line.startswith("SystemCallFilter="):
                value = line.split("=", 1)[1].split()
                denies = value[0].startswith("~")
                for name in value:
                    name = name.lstrip("~")
                    named = members(name) if name.startswith("@") else {name}
                    calls = calls - named if denies else calls | named
    return calls


def main():
    calls, refused = allowed(sys.argv[1]), members("@resources")
    rules = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    for call in sorted(calls | refused):
        try:
            number = seccomp.resolve_syscall(seccomp.Arch(), call)
        except RuntimeError:
            continue  # of another architecture, or newer than this library
        if number >= 0:
            rules.add_rule(seccomp.ALLOW if call in calls else seccomp.ERRNO(errno.EPERM), call)
    rules.load()
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
