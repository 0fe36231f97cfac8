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

build() {
  step "build $1"
  # The output is shown only when it fails.
  local log=build/$1.log
  mkdir -p build
  { cmake --preset "$1" && cmake --build --preset "$1"; } >"$log" 2>&1 || { tail -n 100 "$log"; exit 1; }
}

run() {
  local preset=$1
  shift
  step "test $preset $*"
  ctest --test-dir "build/$preset" --output-on-failure --no-tests=error -j2 "$@"
}

step "dependencies"
deploy/install-deps.sh

build release
run release

if [ -z "$quick" ]; then
  build asan
  run asan

  build tsan
  run tsan -R '^(unit|counts|fault_kill)$'

  step "fuzz, 5 s for each target"
  tests/fuzz/run.sh
fi
