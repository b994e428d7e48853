#!/usr/bin/env bash
# Runs every test: builds all test binaries, runs three lanes of them side by side, then the measuring tests alone.
# With BESIDE=PID, the measuring tests wait until that process has ended.
# Most tests wait for a broker, so three lanes take little longer than one. The measuring tests need the machine for themselves.
#
#   scripts/test.sh THREADS [--release]     THREADS tests at a time in each lane, and while measuring; in the dev or the release profile
#   scripts/test.sh build [--release]       only builds the tests
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

threads=${1:?scripts/test.sh THREADS|build [--release]}
profile=("${@:2}")
# The unit tests, which compute little: optimised, they would take longer to compile than they then save.
units=()
if [ "${profile[*]}" = --release ]; then units=(--config profile.release.package.tickgate.opt-level=0); fi

tests() { cargo --locked test --no-fail-fast "${profile[@]}" "$@"; }

build() {
    tests --no-run --lib "${units[@]}"
    tests --no-run --test '*'
}

if [ "$threads" = build ]; then
    build
    exit
fi
export RUST_TEST_THREADS=$threads
logs=$(mktemp -d)
lanes=()
cleanup() {
    for lane in "${lanes[@]}"; do kill -- "-$lane" 2>/dev/null || true; done
    rm -rf "$logs"
}
trap cleanup EXIT

# Java without its optimising compiler, which costs a Kafka that lives for seconds half of its CPU time and pays only later; and a Kafka
# with its classes from an archive, which is made here: another half.
java=$(type -P "${JAVA_HOME:+$JAVA_HOME/bin/}java" || true)
java_for_tests() {
    local real=$1 archive=$2 home=$3
    mkdir -p "$home/bin"
    cat >"$home/bin/java" <<JAVA
#!/bin/sh
case "\$*" in *" kafka."*) set -- -XX:SharedArchiveFile=$archive "\$@" ;; esac
exec $real -XX:TieredStopAtLevel=1 "\$@"
JAVA
    chmod +x "$home/bin/java"
}

# The longest test, which is in a browser, and the pure tests have no clock: at low priority, they take what the others leave.
patient() {
    local failed=0
    renice -n 10 "$BASHPID" >/dev/null
    tests --test program report_browser:: || failed=1
    tests --test pure || failed=1
    return "$failed"
}

second() {
    local failed=0
    tests --lib "${units[@]}" || failed=1
    tests --test architecture --test kafka --test nats || failed=1
    return "$failed"
}

build
# Tests that start the program start what users have: the release build.
cargo --locked build --release
TICKGATE_PROGRAM=$(readlink -f "${CARGO_TARGET_DIR:-target}/release/tickgate")
export TICKGATE_PROGRAM
if [ -n "$java" ]; then
    if scripts/kafka.sh check >/dev/null 2>&1; then scripts/kafka_classes.sh "$logs/kafka.jsa" || true; fi
    java_for_tests "$(printf %q "$java")" "$(printf %q "$logs/kafka.jsa")" "$logs/java"
    export JAVA_HOME=$logs/java
fi
failed=0
# The output of the other lanes follows that of the first, so that they do not mix.
# With job control each lane is a process group, and its tests do not inherit an ignored SIGINT.
set -m
patient >"$logs/patient" 2>&1 &
lanes+=($!)
second >"$logs/second" 2>&1 &
lanes+=($!)
set +m
tests --test program -- --skip report_browser:: || failed=1
for lane in "${lanes[@]}"; do wait "$lane" || failed=1; done
lanes=()
cat "$logs/second" "$logs/patient"
tests --doc || failed=1
if [ -n "${BESIDE:-}" ]; then tail --pid="$BESIDE" -f /dev/null; fi
tests --test measure -- alone:: || failed=1
tests --test measure -- --skip alone:: || failed=1
exit "$failed"
