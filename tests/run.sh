#!/bin/bash
# All tests of luot in one command: installs what is missing, builds, and runs every suite, then again
# under AddressSanitizer with UndefinedBehaviorSanitizer and under ThreadSanitizer, and a few seconds of
# fuzzing. Ends at the first suite that fails, with its summary and a status other than 0.
#
# usage: tests/run.sh [--quick]
#   --quick  the release build and its tests only

set -euo pipefail

quick=
case "${1-}" in
  '') ;;
  --quick) quick=yes ;;
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "tests/run.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:second_deadlock_stack=1}

step() { printf '\n==== %s (after %d:%02d)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)); }

# The output of a build is shown only when it fails.
build() {
  step "build $1"
  mkdir -p build
  { cmake --preset "$1" && cmake --build --preset "$1"; } >"build/$1.log" 2>&1 || { tail -n 100 "build/$1.log"; exit 1; }
}

# The release tests mostly wait: what they leave of the machine, and nothing else (SCHED_IDLE), builds what
# comes behind them.
build_meanwhile() {
  mkdir -p build
  # A group of its own, so that it ends as a whole when the tests fail.
  setsid chrt --idle 0 bash -c '
    for preset; do
      { cmake --preset "$preset" && cmake --build --preset "$preset"; } >"build/$preset.log" 2>&1
    done' build_meanwhile "$@" &
  meanwhile=$!
  trap 'kill -TERM -- "-$meanwhile" 2>/dev/null || true' EXIT
}

run() {
  local preset=$1
  shift
  step "test $preset $*"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j3 "$@"
}

step "dependencies"
deploy/install-deps.sh

build release
[ -n "$quick" ] || build_meanwhile asan tsan fuzz
run release

if [ -z "$quick" ]; then
  wait "$meanwhile" || true  # whether they could be built is seen below
  trap - EXIT
  build asan
  run asan

  build tsan
  run tsan -R '^(unit|counts|fault_kill)$'

  step "fuzz, 5 s for each target"
  tests/fuzz/run.sh
fi
