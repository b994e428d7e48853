#!/usr/bin/env bash
# What verdicts does a busy machine give? Runs a profile beside background loads, and once with a fifth of a core for tickgate
# alone, and prints a table: how many runs passed, failed or were inconclusive, and for which reasons.
#   scripts/busy.sh [RUNS]      20 runs for each load, unless said otherwise
#   PROFILE=quick               the profile
#   LOADS="0 50 100 starved"    percent of all cores that the background takes; `starved` is the fifth of a core
#   KEEP=folder                 keeps the records there
# The background is stress-ng where it is installed, else busy loops in Python; nothing is installed. Each run has a nats-server
# of its own, free of the quota. Needs target/release/tickgate and .brokers/nats-server: `make busy` makes both.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-20}
profile=${PROFILE:-quick}
loads=${LOADS:-0 50 100 starved}
[[ $runs =~ ^[1-9][0-9]*$ ]] || { sed -n '4,7s/^# *//p' "$0" >&2; exit 2; }

say() { echo "busy: $*" >&2; }

work=$(mktemp -d)
keep=${KEEP:-$work/records}
mkdir -p "$keep"
background="" server=""
ended() {
    local pid
    for pid in "$background" "$server"; do
        [ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null || true
    done
    background="" server=""
}
trap 'ended; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

cores=$(nproc)
readonly longest=3600 # seconds for one run: a background that nobody ends ends itself
if type -P stress-ng >/dev/null; then
    with="stress-ng $(stress-ng --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)"
else
    with="busy loops in Python"
fi

# busy PERCENT: uses this share of each core until it is ended.
busy() {
    if type -P stress-ng >/dev/null; then
        exec stress-ng --quiet --cpu "$cores" --cpu-load "$1" --timeout "$longest"
    fi
    exec python3 - "$1" "$cores" "$longest" <<'PYTHON'
import ctypes, os, signal, sys, time

share = int(sys.argv[1]) / 100
for _ in range(int(sys.argv[2])):
    if os.fork() == 0:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # dies with its parent
        while True:
            end = time.perf_counter() + share / 10
            while time.perf_counter() < end:
                pass
            time.sleep((1 - share) / 10)
signal.alarm(int(sys.argv[3]))
signal.pause()
PYTHON
}

# served: starts a nats-server on a free port of loopback, and waits until it listens.
served() {
    local store
    store=$(mktemp -d "$work/store-XXXXXX")
    .brokers/nats-server --jetstream --store_dir "$store" --addr 127.0.0.1 --port -1 --ports_file_dir "$store" \
        >/dev/null 2>&1 &
    server=$!
    until [ -s "$store/nats-server_$server.ports" ]; do
        kill -0 "$server" 2>/dev/null || { say "nats-server does not start"; exit 4; }
        sleep 0.05
    done
    url=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["nats"][0])' "$store/nats-server_$server.ports")
}

for load in $loads; do
    if [ "$load" = starved ] && ! scripts/confined.sh check; then
        say "left out: tickgate with a fifth of a core"
        continue
    fi
    for run in $(seq "$runs"); do
        before=()
        case $load in
        starved) before=(scripts/confined.sh 20) ;;
        0) ;;
        *) busy "$load" & background=$! ;;
        esac
        served
        out=$keep/$load-$(printf '%03d' "$run")
        code=0
        "${before[@]}" target/release/tickgate run "$profile" --quiet --format json --out "$work/out" --broker "$url" \
            >"$out.json" 2>"$out.err" || code=$?
        echo "$code" >"$out.code"
        ended
        rm -rf "$work/out" "$work"/store-*
        case $code in 130) exit 130 ;; esac
        say "$load: run $run of $runs ended with exit code $code"
    done
done

echo
echo "\`$profile\`, $runs runs each, on $cores cores ($(uname -m), Linux $(uname -r)); background: $with"
echo
python3 scripts/busy_table.py "$keep" $loads
