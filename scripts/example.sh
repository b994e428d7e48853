#!/usr/bin/env bash
# Makes the example reports, real runs on servers of their own:
#
#   scripts/example.sh            reports/example/, of the profile adr-002, and docs/report.png, the picture of its page in the README
#   scripts/example.sh failover   reports/example-failover/, of the profile failover: the stream's leader is killed
#   scripts/example.sh picture    keeps the runs: renders their reports again and takes the picture
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly tries=5 example=reports/example failover=reports/example-failover

# make PROFILE FOLDER: a run that passed.
make() {
    local try
    scripts/brokers.sh nats
    new=$(mktemp -d reports/.example-XXXXXX)
    trap 'rm -rf -- "$new"' EXIT
    # An example shows what the tool says on a machine that is fit to measure; this one may be busy.
    for try in $(seq "$tries"); do
        rm -rf -- "${new:?}"/*
        target/release/tickgate run "$1" --broker local --out "$new" --quiet && break
        echo "example: try $try of $tries was no pass" >&2
        [ "$try" != "$tries" ] || exit 1
        sleep 10
    done
    rm -rf -- "$2"
    # Beside the run's folder there is the link `latest`.
    mv -- "$new"/*-*/ "$2"
}

picture() {
    .venv/bin/python tests/browser/picture.py "$example/report.html" docs/report.png
}

case ${1:-} in
    '' | picture) scripts/browser.sh check && scripts/python.sh ;;
    failover) ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
cargo build --locked --release
case ${1:-} in
    '') make adr-002 $example ;;
    failover) make failover $failover ;;
esac
for folder in $example $failover; do
    target/release/tickgate report "$folder" >/dev/null
done
[ "${1:-}" = failover ] || picture
du --apparent-size --summarize --bytes $example $failover docs/report.png
