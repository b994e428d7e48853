#!/usr/bin/env bash
# Ten nights of a baseline on a real nats-server, with short runs: sessions first, then nights without a change, one with another
# durability, which is not compared, and nights with a real slowdown: the server's trace log was left on. Minutes lie between these nights,
# so they share what the machine is like more than real ones do.
#
#   scripts/nights.sh FOLDER     the baseline, its history and its page go into FOLDER/baselines/nights; prints a table of what was said
#   scripts/nights.sh            the same, kept as reports/example-baseline/
#
# TICKGATE=target/release/tickgate, SESSIONS=5, NIGHTS=10, WORSE=8 (the first night with the change), BROKER=local and DURATION=5s
# are environment variables. Sends 2,000 events/s to servers of its own; with the defaults it takes a quarter of an hour.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly program=$(realpath "${TICKGATE:-target/release/tickgate}") name=nights kept=reports/example-baseline
readonly sessions=${SESSIONS:-5} nights=${NIGHTS:-10} worse=${WORSE:-8} broker=${BROKER:-local} duration=${DURATION:-5s}
if [ "$broker" = local ] && [ -z "${TICKGATE_NATS_SERVER:-}" ]; then
    scripts/brokers.sh nats >&2
    TICKGATE_NATS_SERVER=$PWD/.brokers/nats-server
fi
export TICKGATE_NATS_SERVER

work=${1:-}
if [ -z "$work" ]; then
    work=$(mktemp -d)
    trap 'rm -rf -- "$work"' EXIT
fi
mkdir -p "$work"
work=$(realpath "$work")
if [ -e "$work/baselines/$name" ]; then
    echo "nights: $work/baselines/$name exists: name another folder, or remove it" >&2
    exit 2
fi
echo 'trace: true' >"$work/traced.conf"
echo 'jetstream { sync_interval: always }' >"$work/synced.conf"

# tickgate ARGUMENTS…: in the folder; machines that others use too are warned of, not refused, for their speed.
tickgate() { (cd "$work" && "$program" baseline "$@" --in baselines); }
readonly here=(--broker "$broker" --cool-down 0s --ignore-speed --quiet --out runs)

tickgate save $name quick --sessions "$sessions" --every 1s --set load.warmup=1s --rate 2k/s --duration "$duration" "${here[@]}" >&2

printf '| night | change | exit code | what was said |\n|---|---|---|---|\n'
# night NUMBER CHANGE ARGUMENTS…: a check, and after a good one an update; a line of the table.
night() {
    local number=$1 change=$2 code=0
    shift 2
    tickgate check $name "${here[@]}" "$@" >"$work/said" 2>"$work/errors" || code=$?
    printf '| %s | %s | %d | %s |\n' "$number" "$change" "$code" "$(said $code)"
    # What changes what an event is promised is not compared; anything else that cannot be checked ends the nights.
    case $code in
        0) tickgate update $name >/dev/null ;;
        1 | 3) ;;
        *) cat "$work/errors" >&2; exit 1 ;;
    esac
}
# said CODE: the sentence of the decision.
said() {
    if [ -s "$work/said" ]; then sed -n "s/^baseline $name: //p" "$work/said" | tail -1; else tail -1 "$work/errors" | sed 's/^tickgate: //'; fi
}
for ((number = 1; number <= nights; number++)); do
    if ((number == worse - 1)) && [ "$broker" = local ]; then
        night "$number" '`sync_interval: always`' --server-config "$work/synced.conf"
    elif ((number >= worse)) && [ "$broker" = local ]; then
        night "$number" '`trace: true`' --server-config "$work/traced.conf"
    else
        night "$number" none
    fi
done
tickgate history $name >&2
if [ -z "${1:-}" ]; then
    rm -rf -- "$kept"
    mkdir -p "$kept"
    cp -- "$work/baselines/$name"/{baseline.json,history.jsonl,history.html} "$kept/"
fi
