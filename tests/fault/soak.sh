#!/bin/bash
# The long run of the fault suite: collectors, aggregators, their Redis and the network between them are killed,
# frozen, stopped and cut at random, under load, for so many minutes; then everything has to add up.
#
# usage: tests/fault/soak.sh [SEED [MINUTES]]     (default: a random seed, 30 minutes)
# Needs a build: cmake --preset release && cmake --build --preset release

set -euo pipefail
case "${1-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
LUOT_SEED=${1:-$RANDOM$RANDOM} LUOT_SOAK_MINUTES=${2:-30} PYTHONUNBUFFERED=1 exec python3 tests/fault/soak.py
