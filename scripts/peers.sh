#!/usr/bin/env bash
# Sets tickgate beside nats bench, or with --kafka beside Kafka's own tools, on one broker, in turn: `make bench-peers`.
# Brings what that takes into .brokers/ and .tools/; a peer that cannot be had is named in the table, without figures.
#
#   scripts/peers.sh [--kafka] [--long] [--rounds N]      more: python3 scripts/peers --help
#   TICKGATE=/path/to/tickgate scripts/peers.sh …         another build than this checkout's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly natscli=0.5.1 kafka=4.3.1
readonly jar=.tools/java/kafka-tools-$kafka.jar

say() { echo "peers: $*" >&2; }

natscli() {
    [[ $(.tools/bin/nats --version 2>/dev/null || true) == "v$natscli" ]] && return
    # Another version's figures are not compared.
    rm -f -- .tools/bin/nats
    if ! type -P go >/dev/null; then
        say "no Go to build natscli with, so nats bench is left out: install it (Debian: golang-go; 1.21 or later) and run this again"
        return
    fi
    say "building natscli $natscli into .tools/ (once, a few minutes)"
    mkdir -p .tools/bin
    if ! GOBIN=$PWD/.tools/bin go install "github.com/nats-io/natscli/nats@v$natscli" >&2; then
        say "that failed, so nats bench is left out"
    fi
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
