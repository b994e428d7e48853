#!/usr/bin/env bash
# Makes reports/example/, a real run of the profile adr-002 on a local server, and docs/report.png, the picture of
# its page in the README. `scripts/example.sh picture` keeps the run: it renders its report again and takes the picture.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly tries=5 example=reports/example

scripts/browser.sh check
scripts/python.sh
cargo build --locked --release
if [ "${1:-}" != picture ]; then
    scripts/brokers.sh nats
    new=$(mktemp -d reports/.example-XXXXXX)
    trap 'rm -rf -- "$new"' EXIT
    # An example shows what the tool says on a machine that is fit to measure; this one may be busy.
    for try in $(seq "$tries"); do
        rm -rf -- "${new:?}"/*
        target/release/tickgate run adr-002 --broker local --out "$new" --quiet && break
        echo "example: try $try of $tries was no pass" >&2
        [ "$try" != "$tries" ] || exit 1
        sleep 10
    done
    rm -rf -- "$example"
    # Beside the run's folder there is the link `latest`.
    mv -- "$new"/*-*/ "$example"
fi
target/release/tickgate report "$example" >/dev/null
.venv/bin/python tests/browser/picture.py "$example/report.html" docs/report.png
du --apparent-size --summarize --bytes "$example" docs/report.png
