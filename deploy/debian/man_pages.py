#!/usr/bin/env python3
"""Writes luot(1) and a page for each of its commands, gzipped, from what --help says.

usage: man_pages.py LUOT FOLDER
"""

import gzip
import re
import subprocess
import sys
from pathlib import Path


def escaped(text):
    """As roff shows it: no line begins a request, no sign is an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\\&" + text if text.startswith(".") else text


class Help:
    """One --help: what it is for, how it is called, sections of rows (what, text), and the rest."""

    def __init__(self, binary, command):
        text = subprocess.run([binary, *command, "--help"], check=True, capture_output=True, text=True).stdout
        self.command, self.sections, self.notes = command, {}, []
        head, _, body = text.partition("Usage: ")
        self.summary = head.strip()
        self.usage, _, body = body.partition("\n")
        section, in_group = None, False
        for line in body.splitlines():
            group = re.fullmatch(r"\[Option Group: (.*)\]", line)
            if group:
                section, in_group = self.sections.setdefault(group[1], []), True
                continue
            in_group = in_group and line.startswith(" ")
            if in_group:
                line = line[2:]
                if line.startswith("["):
                    section.append(["", line.strip("[]")])
                if not line.startswith(" "):
                    continue
            row = re.match(r"  (\S.*?)(?:  +(\S.*))?$", line)
            if re.fullmatch(r"[^ ].*:", line):
                section = self.sections.setdefault(line[:-1], [])
            elif row and section is not None and not line.startswith("   "):
                section.append([row[1], row[2] or ""])
            elif line.startswith("   ") and section:
                section[-1][1] = f"{section[-1][1]} {line.strip()}".strip()
            elif line.strip():
                section = None
                self.notes.append(line.strip())

    def subcommands(self):
        return [row[0].split()[0] for row in self.sections.get("Subcommands", [])]


def page(help_, version):
    name = "-".join(["luot", *help_.command])
    lines = [f'.TH {escaped(name).upper()} 1 "" "luot {version}" "User Commands"', ".SH NAME",
             f"{escaped(name)} \\- {escaped(help_.summary.rstrip('.').splitlines()[0])}",
             ".SH SYNOPSIS", f".B {escaped(help_.usage.strip())}"]
    if help_.notes:
        lines += [".SH DESCRIPTION", *map(escaped, help_.notes)]
    for title, rows in help_.sections.items():
        lines.append(f".SH {escaped(title).upper()}")
        for what, text in rows:
            lines += [".TP", f".B {escaped(what)}", escaped(text) or "\\&"] if what else [".PP", escaped(text)]
    also = [".BR luot (1)"] if help_.command else []
    also += [f".BR {escaped('-'.join(['luot', *help_.command, sub]))} (1)" for sub in help_.subcommands()]
    if also:
        lines += [".SH SEE ALSO", ",\n".join(also)]
    lines += [".SH FILES", ".TP", ".B /etc/luot/luot.toml", "the configuration, in which every key is described",
              ".TP", ".B /usr/share/doc/luot/", "all documents"]
    return name, "\n".join(lines) + "\n"


def main():
    binary, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout.split()[-1]
    left = [[]]
    while left:
        help_ = Help(binary, left.pop())
        name, text = page(help_, version)
        (folder / f"{name}.1.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        left += [[*help_.command, sub] for sub in help_.subcommands()]


if __name__ == "__main__":
    main()
