#!/usr/bin/env bash
# Does tickgate's own memory stay flat? Runs 10,000 events/s for MINUTES (5; at least 3) on a nats-server of its own and follows its
# resident memory, which its record holds for every second. What it needs at most must stay below 64 MB; and so must what a line through
# the time after the first minute says of an hour, at the lower end of its 99 % interval: buffers come and go by 2 MB, so that the line of
# three minutes alone may be off by 30 MB after an hour. Three minutes find a leak of about 1.5 MB a minute, an hour one of 0.6.
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

MOST, HOUR, SETTLED, BLOCK = 64e6, 3600, 60, 10
record = json.load(open(sys.argv[1]))
rows = [(row["at_ns"] / 1e9, row["harness_memory_bytes"]) for row in record["timeline"] if row["harness_memory_bytes"]]
rows = [(at, size) for at, size in rows if at >= SETTLED]
if len(rows) < 90:
    sys.exit(f"memory: {len(rows)} readings after the first minute are too few: run for at least three minutes")

# A leak raises the least of ten seconds; a buffer that is given back does not.
blocks = {}
for at, size in rows:
    blocks.setdefault(at // BLOCK, []).append(size)
floor = [((block + 0.5) * BLOCK, min(sizes)) for block, sizes in blocks.items()]
mean_at, mean = (sum(values) / len(floor) for values in zip(*floor))
spread = sum((at - mean_at) ** 2 for at, _ in floor)
slope = sum((at - mean_at) * (size - mean) for at, size in floor) / spread
rest = sum((size - mean - slope * (at - mean_at)) ** 2 for at, size in floor)
# Student's t at 99.5 %, with as many degrees of freedom as three minutes leave, or more.
half = 3.25 * (rest / (len(floor) - 2) / spread) ** 0.5
least, most = (mean + (slope + side * half) * (HOUR - mean_at) for side in (-1, 1))
peak = max(size for _, size in rows)
load, group = record["load"], record["groups"][0]
events = f"{load['intended']:,} intended = {load['acked']:,} acked, {group['delivered']:,} delivered, {group['lost']} lost"
print(
    f"memory: {rows[-1][0]:.0f} s at 10,000 events/s: {rows[0][1] / 1e6:.1f} MB after a minute, {rows[-1][1] / 1e6:.1f} MB at "
    f"the end, {peak / 1e6:.1f} MB at most, {slope * 60 / 1e3:+.0f} kB a minute (+/- {half * 60 / 1e3:.0f}): "
    f"{least / 1e6:.0f} to {most / 1e6:.0f} MB after an hour; {events}"
)
if max(peak, least) > MOST:
    sys.exit(f"memory: more than {MOST / 1e6:.0f} MB")
if not load["intended"] == load["acked"] == group["delivered"] or group["lost"]:
    sys.exit("memory: not every event arrived")
PYTHON
