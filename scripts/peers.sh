#!/usr/bin/env bash
# Sets tickgate beside nats bench, or with --kafka beside Kafka's own tools, on one broker, in turn: `make bench-peers`.
# Brings what that takes into .brokers/ and .tools/; a peer that cannot be had is named in the table, without figures.
#
#   scripts/peers.sh [--kafka] [--long] [--rounds N]      more: python3 scripts/peers --help
#   TICKGATE=/path/to/tickgate scripts/peers.sh …         another build than this checkout's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kafka=4.3.1
readonly jar=.tools/java/kafka-tools-$kafka.jar

say() { echo "peers: $*" >&2; }

natscli() {
    scripts/natscli.sh || say "nats bench is left out"
}

kafka_tools() {
    scripts/kafka.sh
    [[ -s $jar ]] && return
    if ! type -P mvn >/dev/null; then
        say "no Maven to fetch Kafka's tools with, so they are left out: install it (Debian: apt-get install maven)"
        return
    fi
    say "fetching kafka-tools $kafka with Maven into .tools/java/ (once)"
    mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="org.apache.kafka:kafka-tools:$kafka" -DoutputDirectory=.tools/java >&2 ||
        say "that failed, so they are left out"
}

type -P python3 >/dev/null || { say "needs Python 3.9 or later (Debian: apt-get install python3)"; exit 1; }
case " $* " in
    *" --help "* | *" -h "* | *" --selftest "*) ;;
    *" --kafka "*) kafka_tools ;;
    *) scripts/brokers.sh nats && natscli ;;
esac
if [[ -z ${TICKGATE:-} && " $* " != *" --selftest "* && " $* " != *" --help "* ]]; then
    cargo build --locked --release
fi
exec python3 scripts/peers --tickgate "${TICKGATE:-target/release/tickgate}" "$@"
