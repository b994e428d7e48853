#!/usr/bin/env bash
# Starts Kafka once and writes the classes that it loaded into FILE, for `java -XX:SharedArchiveFile=FILE`: to read and verify them
# is half of the CPU time of each start (Java's class data sharing; https://openjdk.org/jeps/350).
#
#   scripts/kafka_classes.sh FILE     with the Java of $JAVA_HOME or PATH, and the Kafka of $KAFKA_HOME or .brokers/kafka
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

file=${1:?scripts/kafka_classes.sh FILE}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
libs=$(readlink -f "${KAFKA_HOME:-.brokers/kafka}")/libs
out=$(mktemp -d)
broker=
trap 'if [ -n "$broker" ]; then kill -KILL "$broker" 2>/dev/null || true; fi; rm -rf "$out"' EXIT

# Two ports that are most likely free; if not, Kafka does not start, and there is no archive.
port=$((20000 + RANDOM % 10000))
cat >"$out/properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=CLIENT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs=$out/data
offsets.topic.replication.factor=1
PROPERTIES
kafka() { exec "$java" -cp "$libs/*" -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error "$@" >"$out/log" 2>&1; }
(kafka kafka.tools.StorageTool format -t 5L6g3nShT-eMCtK--X86sw -c "$out/properties")
# The collector must be the one of the starts to come.
kafka -Xmx256m -XX:+UseG1GC "-XX:ArchiveClassesAtExit=$out/archive" kafka.Kafka "$out/properties" &
broker=$!
for _ in {1..600}; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
    kill -0 "$broker" 2>/dev/null || break
    sleep 0.1
done
# Until it also serves clients.
sleep 1
kill "$broker" 2>/dev/null || true
wait "$broker" || true
broker=
if [ ! -s "$out/archive" ]; then
    echo "kafka_classes: Kafka did not write its classes:" >&2
    tail -n 5 "$out/log" >&2
    exit 1
fi
mv "$out/archive" "$file"
