#!/usr/bin/env bash
# Runs every test: builds all test binaries, runs two lanes of them side by side, then the measuring tests alone.
# Most tests wait for a broker, so two lanes take little longer than one. The measuring tests need the machine for themselves.
#
#   scripts/test.sh THREADS      THREADS tests at a time in each lane, and while measuring
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export RUST_TEST_THREADS=${1:?scripts/test.sh THREADS}
log=$(mktemp)
lane=
cleanup() {
    if [ -n "$lane" ]; then kill -- "-$lane" 2>/dev/null || true; fi
    rm -f "$log"
}
trap cleanup EXIT

tests() { cargo --locked test --no-fail-fast "$@"; }

# The second lane. The pure tests have no program and no clock, and take at low priority what the first lane leaves.
second() {
    local failed=0
    tests --lib --bins --test architecture --test kafka || failed=1
    renice -n 10 "$BASHPID" >/dev/null
    tests --test pure || failed=1
    return "$failed"
}

tests --no-run
failed=0
# The output of the second lane follows that of the first, so that the two do not mix.
# With job control the lane is a process group, and its tests do not inherit an ignored SIGINT.
set -m
second >"$log" 2>&1 &
lane=$!
set +m
tests --test nats --test program || failed=1
wait "$lane" || failed=1
lane=
cat "$log"
tests --doc || failed=1
tests --test measure || failed=1
exit "$failed"
