#!/usr/bin/env bash
# Makes docs/compare.png, the first screen of a real comparison of three sides (`durability`) on local servers.
# `scripts/compare-picture.sh FOLDER` takes the picture of a comparison that was made before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/browser.sh check
scripts/python.sh
folder=${1:-}
if [ -z "$folder" ]; then
    scripts/brokers.sh nats
    cargo build --locked --release
    new=$(mktemp -d reports/.compare-XXXXXX)
    trap 'rm -rf -- "$new"' EXIT
    # A side that is worse ends it with exit code 1: what it found is on the picture.
    target/release/tickgate compare durability --broker local --out "$new" --quiet \
        --set load.warmup=2s --set load.duration=5s || [ $? = 1 ]
    # Beside the folder there is the link `latest`.
    folder=$(echo "$new"/*-*)
fi
.venv/bin/python tests/browser/picture.py "$folder/compare.html" docs/compare.png '#first'
du --apparent-size --bytes docs/compare.png
