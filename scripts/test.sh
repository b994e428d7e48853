#!/usr/bin/env bash
# Runs every test: builds all test binaries, runs three lanes of them side by side, then the measuring tests alone.
# Most tests wait for a broker, or for the machine while another test has it alone: the lane that computes, its longest part at low
# priority, takes what they leave.
#
#   scripts/test.sh THREADS      THREADS tests at a time in each lane, and while measuring
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export RUST_TEST_THREADS=${1:?scripts/test.sh THREADS}
logs=$(mktemp -d)
lanes=()
cleanup() {
    local lane
    for lane in "${lanes[@]}"; do kill -- "-$lane" 2>/dev/null || true; done
    rm -rf "$logs"
}
trap cleanup EXIT

tests() { cargo --locked test --no-fail-fast "$@"; }

# lane NAME COMMAND…: in the background. With job control a lane is a process group, and its tests do not inherit an ignored SIGINT.
# Its output follows that of the first lane, so that they do not mix.
lane() {
    local name=$1
    shift
    set -m
    "$@" >"$logs/$name" 2>&1 &
    set +m
    lanes+=($!)
}
computing() {
    local failed=0
    tests --lib --bins --test architecture || failed=1
    # The longest test of the program: a browser that computes.
    tests --test program -- report_browser:: || failed=1
    # No program and no clock is in there.
    renice -n 10 "$BASHPID" >/dev/null
    tests --test pure || failed=1
    return "$failed"
}
drivers() { tests --test kafka --test nats; }

tests --no-run
failed=0
lane computing computing
lane drivers drivers
tests --test program -- --skip report_browser:: || failed=1
for lane in "${lanes[@]}"; do wait "$lane" || failed=1; done
lanes=()
cat "$logs/computing" "$logs/drivers"
tests --doc || failed=1
tests --test measure || failed=1
exit "$failed"
