#!/usr/bin/env bash
# Brings a Kafka that can be started: installs Java and Maven from Debian where they are missing and root allows, then
# fetches the jars. `scripts/kafka.sh check` installs nothing into the system.
set -euo pipefail
umask go-w
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One at a time: several tests may want it at once.
mkdir -p .brokers
exec 9>.brokers/lock
flock 9

java_major() {
    "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

lacks=()
major=$(java_major || true)
if [ "${major:-0}" -lt 17 ]; then lacks+=(openjdk-17-jre-headless); fi
if [ -z "${KAFKA_HOME:-}" ] && [ ! -d .brokers/kafka/libs ] && ! type -P mvn >/dev/null; then lacks+=(maven); fi
if [ ${#lacks[@]} -gt 0 ]; then
    if [ "${1:-}" = check ] || ! type -P apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "kafka: needs ${lacks[*]}; as root on Debian, scripts/kafka.sh installs them" >&2
        exit 1
    fi
    echo "kafka: installing ${lacks[*]} from Debian" >&2
    apt-get update -qq
    if ! apt-cache show "openjdk-17-jre-headless" >/dev/null 2>&1; then
        lacks=("${lacks[@]/openjdk-17-jre-headless/default-jre-headless}")
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacks[@]}" >/dev/null
fi
scripts/brokers.sh kafka
