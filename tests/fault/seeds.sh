#!/bin/bash
# The fault suite, once for each seed, one after the other; ends with the sums of each run. Status 1 when one failed.
#
# usage: tests/fault/seeds.sh [SEED...]           (default: 1 2 3 4 5)
# Needs a build: cmake --preset release && cmake --build --preset release

set -euo pipefail
case "${1-}" in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ $# -gt 0 ] || set -- 1 2 3 4 5
failed=0
for seed in "$@"; do
  log=build/seed-$seed.log
  began=$SECONDS outcome=passed
  LUOT_SEED=$seed ctest --test-dir build/release -L fault -j2 -V >"$log" 2>&1 || { outcome=FAILED; failed=1; }
  sed -nE 's/.*: ([0-9]+) kills .* ([0-9]+) hits sent, ([0-9]+) acknowledged, ([0-9]+) sent again, ([0-9]+) declared lost, ([0-9]+) missing, ([0-9]+) doubled.*/\1 \2 \3 \4 \5 \6 \7/p' "$log" |
    awk -v about="seed $seed $outcome in $((SECONDS - began)) s" '
      { for (i = 1; i <= 7; i++) sum[i] += $i }
      END {
        printf "%s: %d scenarios, %d kills, %d hits sent, %d acknowledged, %d sent again, %d declared lost, %d missing, %d doubled\n",
          about, NR, sum[1], sum[2], sum[3], sum[4], sum[5], sum[6], sum[7]
      }'
done
exit $failed
