#!/bin/bash
# What a hit costs: server CPU time per hit of luot's parts and of the whole way, beside nginx (empty_gif
# with a buffered access log) and a bare epoll loop, in one run, as ratios to nginx; also what Redis spends
# in the scripts, how soon a read shows a hit, and the memory of an idle connection. README.md explains.
# Needs two cores, and a build: cmake --preset release && cmake --build --preset release
#
# usage: bench/run.sh [--seconds N] [--runs N] [--only NAME,...] [--json FILE] [--check]
#   --seconds N   length of one measured load (default 3)
#   --runs N      loads of each server, in turns; the table shows medians (default 5)
#   --only NAMES  of epoll, nginx, collector, post, whole, redis, freshness, memory, metrics-cost
#   --json FILE   where the figures go, for machines (default build/bench/result.json)
#   --check       status 1 when a target was missed
# LUOT_BIN names another binary than build/release/luot.

set -euo pipefail

case "${1-}" in
  -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for tool in wrk nginx redis-server redis-cli taskset python3 c++; do
  command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null ||
    { echo "bench/run.sh: $tool is missing: run deploy/install-deps.sh" >&2; exit 2; }
done

mkdir -p "$root/build/bench"
if [ "$root/bench/epoll_gif.cpp" -nt "$root/build/bench/epoll_gif" ]; then
  c++ -std=c++20 -O2 -o "$root/build/bench/epoll_gif" "$root/bench/epoll_gif.cpp"
fi
exec python3 "$root/bench/bench.py" "$@"
