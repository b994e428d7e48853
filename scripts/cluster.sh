#!/usr/bin/env bash
# Tests runs of tickgate on a NATS cluster in containers (tests/cluster). Needs a container engine and an image of nats-server.
#
#   scripts/cluster.sh [PROGRAM]         target/debug/tickgate, unless another is named
#   TICKGATE_NATS_IMAGE=nats:2.15.1      the image; without it one is made from .brokers/nats-server (scripts/docker.sh image)
#
# The client library of `testcontainers` speaks one version of the engine's protocol, and an older engine refuses it: then a small
# program between the two (tests/cluster/src/main.rs) puts the engine's version into the requests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly spoken=1.53
program=$(readlink -f "${1:-target/debug/tickgate}")
[ -x "$program" ] || { echo "cluster: no $program; build it first: cargo build" >&2; exit 1; }
scripts/docker.sh check
export TICKGATE_PROGRAM=$program TICKGATE_NATS_IMAGE=${TICKGATE_NATS_IMAGE:-$(scripts/docker.sh image)}
cargo=(cargo --locked)
where=(--manifest-path tests/cluster/Cargo.toml --target-dir target/cluster)

between=
work=$(mktemp -d)
cleanup() {
    if [ -n "$between" ]; then kill "$between" 2>/dev/null || true; fi
    rm -rf "$work"
}
trap cleanup EXIT

"${cargo[@]}" test "${where[@]}" --no-run
version=$(docker version --format '{{.Server.APIVersion}}')
if [ "$(printf '%s\n' "$version" $spoken | sort -V | head -n 1)" != $spoken ]; then
    "${cargo[@]}" build --quiet "${where[@]}"
    engine=${DOCKER_HOST:-unix:///var/run/docker.sock}
    target/cluster/debug/tickgate-cluster "$work/docker.sock" "${engine#unix://}" "$version" &
    between=$!
    for _ in $(seq 50); do [ -S "$work/docker.sock" ] && break; sleep 0.1; done
    export DOCKER_HOST=unix://$work/docker.sock
fi
"${cargo[@]}" test "${where[@]}"
