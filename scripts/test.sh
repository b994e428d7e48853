#!/usr/bin/env bash
# Runs every test: builds all test binaries, runs three lanes of them side by side, then the measuring tests alone.
# Most tests wait for a broker, so three lanes take little longer than one. The measuring tests need the machine for themselves.
#
#   scripts/test.sh THREADS      THREADS tests at a time in each lane, and while measuring
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export RUST_TEST_THREADS=${1:?scripts/test.sh THREADS}
logs=$(mktemp -d)
lanes=()
cleanup() {
    for lane in "${lanes[@]}"; do kill -- "-$lane" 2>/dev/null || true; done
    rm -rf "$logs"
}
trap cleanup EXIT

tests() { cargo --locked test --no-fail-fast "$@"; }

# The longest test, which is in a browser, and the pure tests have no clock: at low priority, they take what the others leave.
patient() {
    local failed=0
    renice -n 10 "$BASHPID" >/dev/null
    tests --test program report_browser:: || failed=1
    tests --test pure || failed=1
    return "$failed"
}

tests --no-run
failed=0
# The output of the other lanes follows that of the first, so that they do not mix.
# With job control each lane is a process group, and its tests do not inherit an ignored SIGINT.
set -m
patient >"$logs/patient" 2>&1 &
lanes+=($!)
tests --lib --bins --test architecture --test kafka >"$logs/second" 2>&1 &
lanes+=($!)
set +m
tests --test nats --test program -- --skip report_browser:: || failed=1
for lane in "${lanes[@]}"; do wait "$lane" || failed=1; done
lanes=()
cat "$logs/second" "$logs/patient"
tests --doc || failed=1
tests --test measure || failed=1
exit "$failed"
