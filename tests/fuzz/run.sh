#!/bin/bash
# Builds the fuzz targets (preset `fuzz`) and runs each for some seconds, from the seeds in
# tests/fuzz/corpus and from what earlier runs have found in build/fuzz/corpus. A crash, a leak, a broken
# promise, an input over 1 s of CPU time or over 512 MB fails it, and the input is kept.
#
# usage: tests/fuzz/run.sh [--seconds N] [--seed N] [--jobs N] [TARGET...]
#   --seconds N  for each target, the known inputs included (default 5, as CI does; nightly 30 or more)
#   --seed N     of the random choices (default 1); the same seed, corpus and program try the same inputs
#   --jobs N     targets at a time (default 2)
#   TARGET       a file in tests/fuzz/targets without .cpp (default: all)

set -euo pipefail

die() { echo "tests/fuzz/run.sh: $*" >&2; exit 2; }
number() { [[ "${2-}" =~ ^[1-9][0-9]{0,5}$ ]] || die "$1 needs a number from 1 on"; echo "$2"; }

seconds=5 seed=1 jobs=2 targets=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=$(number "$@"); shift 2 ;;
    --seed) seed=$(number "$@"); shift 2 ;;
    --jobs) jobs=$(number "$@"); shift 2 ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) die "unknown option $1 (try --help)" ;;
    *) targets+=("$1"); shift ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ ${#targets[@]} -eq 0 ]; then
  for file in tests/fuzz/targets/*.cpp; do targets+=("$(basename "$file" .cpp)"); done
fi
for target in "${targets[@]}"; do
  [ -f "tests/fuzz/targets/$target.cpp" ] || die "there is no target $target"
done

out=build/fuzz
mkdir -p "$out"/{corpus,found,log}
{ cmake --preset fuzz && cmake --build --preset fuzz --target "${targets[@]/#/fuzz_}"; } >"$out/build.log" 2>&1 ||
  { tail -n 100 "$out/build.log"; exit 1; }

# Time on the clock says little on a busy machine, so -timeout is only for inputs without an end: every
# target measures the CPU time of each input itself (fuzz.cpp).
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
ASAN_OPTIONS+=:allocator_may_return_null=1:quarantine_size_mb=64
export UBSAN_OPTIONS=print_stacktrace=1
fuzz() {
  local target=$1
  local options=("-max_total_time=$seconds" "-seed=$seed" -timeout=20 -rss_limit_mb=512 -print_final_stats=1
    "-artifact_prefix=$out/found/$target-")
  [ -f "tests/fuzz/$target.dict" ] && options+=("-dict=tests/fuzz/$target.dict")
  [ -f "tests/fuzz/targets/$target.options" ] && options+=($(cat "tests/fuzz/targets/$target.options"))
  mkdir -p "$out/corpus/$target"
  exec "$out/fuzz_$target" "${options[@]}" "$out/corpus/$target" "tests/fuzz/corpus/$target"
}

# One line of figures from a log.
figures() {
  local log=$1
  local last stat
  last=$(grep -E 'cov: [0-9]+ ft: [0-9]+ corp: ' "$log" | tail -n 1)
  stat() { sed -n "s/^stat::$1: *//p" "$log"; }
  printf '%12s %9s %8s %8s %10s %7s' "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" \
    "$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' <<<"$last")" "$(sed -n 's,.*corp: \([0-9]*\)/.*,\1,p' <<<"$last")" \
    "$(sed -n 's/^slowest input: \([0-9]*\) ms.*/\1/p' "$log")" "$(stat peak_rss_mb)"
}

declare -A target_of=()
stop() { [ ${#target_of[@]} -eq 0 ] || kill "${!target_of[@]}" 2>/dev/null || true; }
trap stop EXIT
trap 'exit 130' INT TERM

failed=()
reap() {
  local pid status=0
  wait -n -p pid "${!target_of[@]}" || status=$?
  local target=${target_of[$pid]}
  unset "target_of[$pid]"
  if [ $status -eq 0 ]; then
    printf '%-14s %s\n' "$target" "$(figures "$out/log/$target.log")"
  else
    failed+=("$target")
    printf '%-14s FAILED with status %d; its log ends with:\n' "$target" $status
    tail -n 120 "$out/log/$target.log"
  fi
}

echo "seed $seed, $seconds s for each of ${#targets[@]} targets, $jobs at a time"
printf '%-14s %12s %9s %8s %8s %10s %7s\n' target executions 'a second' edges corpus 'slowest ms' 'RSS MB'
for target in "${targets[@]}"; do
  [ ${#target_of[@]} -lt "$jobs" ] || reap
  (fuzz "$target") >"$out/log/$target.log" 2>&1 &
  target_of[$!]=$target
done
while [ ${#target_of[@]} -gt 0 ]; do reap; done

if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}. Try an input again: $out/fuzz_TARGET $out/found/TARGET-..."
  exit 1
fi
