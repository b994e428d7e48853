#!/usr/bin/env bash
# Where tickgate's CPU time goes, as a flame graph: perf samples a run on a nats-server of its own, from the load to its
# end, and inferno draws tickgate's share of it (the server's is left out).
#   scripts/flame.sh [OUT.svg [OPTIONS OF tickgate run]...]
#   scripts/flame.sh docs/flame-10k.svg --set load.duration=20s
# Needs perf (Debian: linux-perf) and the right to sample the kernel: root, or kernel.perf_event_paranoid at 1 or lower.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-docs/flame-10k.svg}
shift || true

command -v perf >/dev/null || { echo "flame: perf is missing: install it (Debian: apt-get install linux-perf)" >&2; exit 1; }
scripts/tools.sh inferno
scripts/brokers.sh nats
cargo build --locked --release

# A server of its own, unless an option names another.
unset NATS_URL NATS_CONTEXT KAFKA_BOOTSTRAP_SERVERS
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Without frame pointers the stacks are read from debug information.
perf record --quiet --freq 499 --call-graph dwarf,16384 --output "$folder/perf.data" \
    target/release/tickgate run quick --quiet --out "$folder" "$@"
perf script --no-inline --input "$folder/perf.data" --comm generator-0,group-0,control,hiccups,tickgate 2>/dev/null |
    .tools/bin/inferno-collapse-perf --quiet >"$folder/stacks"
[ -s "$folder/stacks" ] || { echo "flame: perf saw nothing of tickgate" >&2; exit 1; }
.tools/bin/inferno-flamegraph --title "tickgate run quick $*" --minwidth 0.4 "$folder/stacks" >"$out"
echo "flame: $out"
