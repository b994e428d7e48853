#!/usr/bin/env bash
# Kills nodes of a NATS cluster and of a Kafka cluster under the same load, in turns (tickgate compare), and prints what it did to
# each: the rows of the table in docs/faults.md. About two minutes a run on two cores.
#
#   scripts/faults-table.sh [PROGRAM]        target/debug/tickgate, unless another is named
#   PAIRS=1 TARGETS="meta-leader all"        runs of each bus for each target
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

program=${1:-target/debug/tickgate}
pairs=${PAIRS:-1}
read -ra targets <<<"${TARGETS:-stream-leader follower meta-leader all}"
scripts/brokers.sh nats
scripts/brokers.sh kafka
python=$(type -P python3) || { echo "faults-table: no python3" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/var/tmp}/tickgate-faults-XXXXXX")
trap 'rm -rf -- "$work"' EXIT

for target in "${targets[@]}"; do
    sets=(--set "faults.kill.target=$target")
    [ "$target" != all ] || sets+=(--set faults.kill.expect=outage)
    code=0
    # A comparison of one pair finds nothing, and says so by exit code 3: what counts here is in the records.
    "$program" compare tests/data/faults/kill.toml "${sets[@]}" --quiet --pairs "$pairs" --decide latency.p50 --out "$work/$target" \
        --a label=NATS \
        --b label=Kafka --b bus.kind=kafka --b bus.kafka.heap=256MiB >"$work/$target.log" 2>&1 || code=$?
    [ $code = 0 ] || [ $code = 3 ] || { echo "faults-table: $target ended with exit code $code:" >&2; tail -n 20 "$work/$target.log" >&2; }
done

"$python" - "$work" "${targets[@]}" <<'PYTHON'
import json, pathlib, statistics, sys

work, targets = pathlib.Path(sys.argv[1]), sys.argv[2:]


def seconds(values):
    values = [value for value in values if value is not None]
    if not values:
        return "not within its time"
    shown = f"{statistics.median(values) / 1e9:.2f} s"
    return shown if len(values) == 1 else f"{shown} [{min(values) / 1e9:.2f}–{max(values) / 1e9:.2f}]"


print("| killed for 10 s | bus | node | unavailable | longest | recovered after | confirmed | lost | n |")
print("|---|---|---|---|---|---|---|---|---|")
for target in targets:
    runs = {}
    for path in sorted(work.glob(f"{target}/**/record.json")):
        record = json.loads(path.read_text())
        runs.setdefault(record["plan"]["bus"]["kind"], []).append(record)
    for kind, records in sorted(runs.items(), reverse=True):
        faults = [record["faults"]["injected"][0] for record in records]
        effects = [fault["effect"] for fault in faults if fault.get("effect")]
        done = [fault["outcome"] for fault in faults if fault["outcome"] != "done"]
        due = sum(record["load"]["intended"] for record in records)
        acked = sum(record["load"]["acked"] for record in records)
        lost = sum(record["audit"]["missing"] for record in records if record.get("audit"))
        cells = [
            target,
            {"nats": "NATS", "kafka": "Kafka"}[kind],
            "; ".join(", ".join(fault["resolved"]) for fault in faults),
            seconds([effect["publishing"]["unavailable_ns"] for effect in effects]),
            seconds([effect["publishing"]["longest_ns"] for effect in effects]),
            seconds([effect.get("recovery_ns") for effect in effects]),
            f"{acked:,} of {due:,}",
            f"{lost:,}",
            f"{len(records)}{' (' + ', '.join(done) + ')' if done else ''}",
        ]
        print(f"| {' | '.join(cells)} |")
PYTHON
