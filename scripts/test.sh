#!/usr/bin/env bash
# Runs every test: builds all test binaries, runs them in two lanes side by side, then the measuring tests alone.
# Most tests wait for a broker, so two lanes take little longer than one. The measuring tests need the machine for themselves.
#
#   scripts/test.sh THREADS      THREADS tests at a time in each lane, and while measuring
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export RUST_TEST_THREADS=${1:?scripts/test.sh THREADS}
work=$(mktemp -d)
lane=
cleanup() {
    if [ -n "$lane" ]; then kill -- "-$lane" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT

tests() { cargo --locked test --no-fail-fast "$@"; }

# Both lanes take the next part from this list, the longest parts first, so that they end at about the same time.
# Each of the first two has most of the waiting for clusters of one product.
parts=("--test program" "--test kafka" "--test nats" "--test pure" "--lib" "--bins --test architecture")
# take_next: the number of a part that no lane has taken, in $next; false if there is none left. A folder is made by one only.
take_next() {
    for next in "${!parts[@]}"; do
        if mkdir "$work/part-$next" 2>/dev/null; then return 0; fi
    done
    return 1
}
# run_lane: false if a part has failed.
run_lane() {
    local outcome=0 next words
    while take_next; do
        read -ra words <<<"${parts[$next]}"
        tests "${words[@]}" || outcome=1
    done
    return "$outcome"
}

tests --no-run
failed=0
# The output of the second lane follows that of the first, so that the two do not mix.
# With job control the lane is a process group, and its tests do not inherit an ignored SIGINT.
set -m
run_lane >"$work/log" 2>&1 &
lane=$!
set +m
run_lane || failed=1
wait "$lane" || failed=1
lane=
cat "$work/log"
tests --doc || failed=1
tests --test measure || failed=1
exit "$failed"
