#!/usr/bin/env bash
# Does tickgate's own memory stay flat? Runs 10,000 events/s for MINUTES (5; at least 3) on a nats-server of its own and follows its
# resident memory, which its record holds for every second: a line through what comes after the first minute is drawn on to
# one hour, and must stay below 64 MB.
#   scripts/memory.sh [MINUTES]
# Every event must be accounted for, too; the verdict on latency does not matter here.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=${1:-5}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
code=0
target/release/tickgate run quick --broker local --quiet --format json --out "$out" \
    --set load.warmup=10s --set load.duration="${minutes}m" >"$out/record.json" || code=$?
case $code in 0 | 1 | 3) ;; *) echo "memory: the run ended with exit code $code" >&2; exit 1 ;; esac

python3 - "$out/record.json" <<'PYTHON'
import json, sys

MOST, HOUR, SETTLED = 64e6, 3600, 60
record = json.load(open(sys.argv[1]))
rows = [(row["at_ns"] / 1e9, row["harness_memory_bytes"]) for row in record["timeline"] if row["harness_memory_bytes"]]
rows = [(at, size) for at, size in rows if at >= SETTLED]
if len(rows) < 60:
    sys.exit(f"memory: {len(rows)} readings after the first minute are too few: run for at least three minutes")
mean_at, mean = (sum(values) / len(rows) for values in zip(*rows))
slope = sum((at - mean_at) * (size - mean) for at, size in rows) / sum((at - mean_at) ** 2 for at, _ in rows)
peak, hour = max(size for _, size in rows), mean + slope * (HOUR - mean_at)
load, group = record["load"], record["groups"][0]
events = f"{load['intended']:,} intended = {load['acked']:,} acked, {group['delivered']:,} delivered, {group['lost']} lost"
print(
    f"memory: {rows[-1][0]:.0f} s at 10,000 events/s: {rows[0][1] / 1e6:.1f} MB after a minute, {rows[-1][1] / 1e6:.1f} MB at "
    f"the end, {peak / 1e6:.1f} MB at most, {slope * 60 / 1e3:+.1f} kB a minute: {hour / 1e6:.1f} MB after an hour; {events}"
)
if max(peak, hour) > MOST:
    sys.exit(f"memory: more than {MOST / 1e6:.0f} MB")
if not load["intended"] == load["acked"] == group["delivered"] or group["lost"]:
    sys.exit("memory: not every event arrived")
PYTHON
