#!/usr/bin/env python3
"""Does the suite notice? Puts one deliberate bug at a time into a copy of the tree, builds it, and runs the tests
of CI that are to show red. Exit status 0: each was noticed.

    tests/fault/mutations.py            all
    tests/fault/mutations.py ship-compare ignore-id
    tests/fault/mutations.py --list
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREE, BUILD = ROOT / "build" / "mutations" / "tree", ROOT / "build" / "mutations" / "build"

# name: (what is broken, file, [(text, its replacement)], tests that are to fail)
BUGS = {
    "ship-compare": (
        "ship.lua adds an entry wherever the log has got to", "collector/ship.lua",
        [("if shipped ~= prev then\n", "if false then\n")],
        ["test_redis_emptied.py Emptied.test_emptied_again_and_again"]),
    "ship-compare-and-chain": (
        "nor does it look at what was shipped before", "collector/ship.lua",
        [("if shipped ~= prev then\n", "if false then\n"),
         ("if prev_chain ~= '' and known ~= '' and prev_chain ~= known then\n", "if false then\n")],
        ["test_proxy.py Network.test_what_was_on_the_way_arrives_when_it_has_been_sent_again"]),
    "apply-compare": (
        "apply.lua applies a batch that somebody else has applied", "aggregator/apply.lua",
        [("if #first == 0 or first[1][1] ~= head then\n", "if false then\n"),
         ("if head ~= upto and #redis", "if false and #redis"),
         ("if ARGV[5] ~= '' and redis", "if false and redis")],
        ["test_aggregators.py Aggregators.test_without_any_lease"]),
    "answer-before-write": (
        "a hit is acknowledged before it is in the spool", "collector/intake.cpp",
        [("    const auto error = log_.commit();\n    fail_point(\"hit.before_answer\");\n",
          "    const error_code error;\n"
          "    boost::asio::post(context_, [this] { (void)log_.commit(); });\n")],
        ["test_fail_points.py FailPoints.test_before_the_write_to_the_spool"]),
    "ignore-id": (
        "a hit that is sent again counts again", "collector/intake.cpp",
        [("    if (!fields_.id.empty())\n", "    if (false)\n")],
        ["test_fail_points.py FailPoints.test_before_the_answer"]),
}


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


def copy_tree():
    """The tree as it is, changes that are not committed included; what has not changed keeps its time, for
    the build's sake."""
    names = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT, check=True).stdout.splitlines()
    for name in names:
        source, target = ROOT / name, TREE / name
        if not source.is_file():
            continue
        content = source.read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(source.stat().st_mode & 0o777)
    if not (TREE / "node_modules").exists():
        (TREE / "node_modules").symlink_to(ROOT / "node_modules")


def build():
    if not (BUILD / "build.ninja").exists():
        run("cmake", "-G", "Ninja", "-S", TREE, "-B", BUILD, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", check=True)
    done = run("cmake", "--build", BUILD, "--target", "luot", "luot_faulty", "shifted_clock")
    if done.returncode != 0:
        sys.exit(f"mutations.py: the build failed:\n{done.stdout[-3000:]}")


def is_red(test):
    file, name = test.split()
    environment = {**os.environ, "LUOT_BIN": str(BUILD / "luot")}
    done = run(sys.executable, ROOT / "tests" / "fault" / file, name, env=environment)
    said = [line for line in (done.stdout + done.stderr).splitlines()
            if " doubled" in line or line.startswith("AssertionError")]
    print(f"    {test}: {'red' if done.returncode else 'GREEN'}", *said[:2], sep="\n        ", flush=True)
    return done.returncode != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bugs", nargs="*", choices=[*BUGS, []])
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        for name, (what, *_) in BUGS.items():
            print(f"{name}: {what}")
        return 0
    copy_tree()
    build()
    unnoticed = [test for bug in options.bugs or BUGS for test in BUGS[bug][3] if is_red(test)]
    if unnoticed:
        sys.exit(f"mutations.py: without any bug these are red already: {unnoticed}")
    for bug in options.bugs or BUGS:
        what, file, changes, tests = BUGS[bug]
        began = time.monotonic()
        print(f"{bug}: {what}", flush=True)
        whole = (TREE / file).read_text()
        broken = whole
        for old, new in changes:
            if broken.count(old) != 1:
                sys.exit(f"mutations.py: {file} has changed: look after the bug {bug}")
            broken = broken.replace(old, new)
        (TREE / file).write_text(broken)
        build()
        if not any(is_red(test) for test in tests):
            unnoticed.append(bug)
        (TREE / file).write_text(whole)
        print(f"    {time.monotonic() - began:.0f} s", flush=True)
    print(f"not noticed: {unnoticed}" if unnoticed else "each was noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
