#!/usr/bin/env bash
# A container engine for the tests of brokers in containers.
#
#   scripts/docker.sh check          does an engine answer, and can images be made? (installs nothing)
#   scripts/docker.sh start PID      where none answers and root allows: installs Debian's docker.io and starts an engine
#                                    of its own, which ends with process PID; prints the DOCKER_HOST to use
#   scripts/docker.sh stop           ends that engine
#   scripts/docker.sh image          makes the image of the tests from .brokers/nats-server; prints its name
#   scripts/docker.sh kafka-image    makes another from .brokers/kafka and the Java of this machine; prints its name
#
# The engine keeps everything in .tools/docker/, but for its addresses: a separate bridge, so that it does not conflict with others.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root home=$root/.tools/docker bridge=tickgate0 network=172.31.255.1/24

say() { echo "docker: $*" >&2; }

answers() { type -P docker >/dev/null && timeout 20 docker version >/dev/null 2>&1; }

check() {
    answers && return
    say "no container engine answers here; start one, or as root on Debian: scripts/docker.sh start \$\$"
    return 1
}

packages() {
    local missing=()
    type -P dockerd >/dev/null || missing+=(docker.io)
    type -P iptables >/dev/null || missing+=(iptables)
    [ ${#missing[@]} = 0 ] && return
    if ! type -P apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "no ${missing[*]} here. As root on Debian: apt-get install ${missing[*]}"
        return 1
    fi
    say "installing ${missing[*]} from Debian"
    apt-get update -qq
    # A policy against starting services: the engine of the system is not ours to start.
    local policy=/usr/sbin/policy-rc.d made=
    [ -e $policy ] || { made=1; printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 || true
    [ -z "$made" ] || rm -f $policy
    type -P dockerd >/dev/null
}

start() {
    local owner=$1 socket=$home/docker.sock way
    answers && return
    [ "$(id -u)" = 0 ] || { say "an engine needs root"; return 1; }
    packages
    if [ -e "$home/pid" ] && DOCKER_HOST=unix://$socket answers; then
        echo "unix://$socket"
        return
    fi
    mkdir -p "$home"
    ip link show $bridge >/dev/null 2>&1 || { ip link add $bridge type bridge && ip addr add $network dev $bridge; } || {
        say "no bridge: the kernel lacks what containers need"
        return 1
    }
    # The default first; then without features that a kernel may lack.
    for way in "" "--storage-driver=vfs" "--storage-driver=vfs --iptables=false"; do
        # shellcheck disable=SC2086 # several words
        setsid dockerd --data-root "$home/data" --exec-root "$home/exec" --pidfile "$home/pid" \
            --host "unix://$socket" --bridge $bridge $way >>"$home/log" 2>&1 9>&- </dev/null &
        local daemon=$!
        for _ in $(seq 120); do
            DOCKER_HOST=unix://$socket answers && break
            kill -0 $daemon 2>/dev/null || break
            sleep 0.25
        done
        if DOCKER_HOST=unix://$socket answers; then
            # Ends it with its owner, however that ends.
            setsid "${BASH_SOURCE[0]}" watch "$owner" >/dev/null 2>&1 </dev/null &
            say "an engine of its own answers at $socket; it ends with process $owner"
            echo "unix://$socket"
            return
        fi
        kill $daemon 2>/dev/null || true
        wait $daemon 2>/dev/null || true
    done
    say "dockerd does not start; the end of $home/log:"
    tail -n 5 "$home/log" >&2
    return 1
}

watch() {
    while kill -0 "$1" 2>/dev/null && [ -e "$home/pid" ]; do sleep 1; done
    stop
}

stop() {
    local pid
    pid=$(cat "$home/pid" 2>/dev/null) || return 0
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
        kill "$pid"
        for _ in $(seq 120); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.25
        done
    fi
    ip link delete $bridge 2>/dev/null || true
    rm -f "$home/pid"
}

# From scratch, laid out as the official one: the program at /nats-server is the entry point. Under a name that is not
# theirs: this engine may be in use.
image() {
    local server=$root/.brokers/nats-server name=tickgate-test/nats version
    "$root/scripts/brokers.sh" nats
    version=$("$server" --version | sed 's/.*: v//')
    if ! docker image inspect "$name:$version" >/dev/null 2>&1; then
        tar -C "$root/.brokers" -c nats-server |
            docker import --change 'ENTRYPOINT ["/nats-server"]' --change 'CMD ["--config", "nats-server.conf"]' \
                - "$name:$version" >/dev/null
    fi
    echo "$name:$version"
}

# From scratch, and configured as apache/kafka is: its environment becomes its properties, then the store is formatted. In it
# are this machine's Java with the libraries it needs, Kafka's jars, a shell and sed.
kafka_image() {
    local name=tickgate-test/kafka version tree java
    "$root/scripts/kafka.sh" check
    version=$(basename "$root"/.brokers/kafka/libs/kafka-clients-*.jar .jar)
    version=${version#kafka-clients-}
    # What this script makes of it is part of the version.
    version=$version-$(sha256sum "$root/scripts/docker.sh" | cut -c 1-8)
    if ! docker image inspect "$name:$version" >/dev/null 2>&1; then
        mkdir -p "$home"
        tree=$(mktemp -d "$home/kafka.XXXXXX")
        # shellcheck disable=SC2064 # the folder of now
        trap "rm -rf '$tree'" EXIT
        # Where it says that it is: `java` may be a link or a script.
        java=$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java\.home = //p')
        mkdir -p "$tree"/{tmp,bin,etc/kafka/docker,etc/kafka/secrets,mnt/shared/config,opt/kafka/{libs,config},usr/lib/jvm,var/lib/kafka/data}
        # What Java's folder leads to elsewhere is copied, too; not what only people and compilers read.
        mkdir -p "$tree/usr/lib/jvm/java"
        tar -C "$java" -ch --exclude=./docs --exclude=./legal --exclude=./man --exclude=src.zip --exclude=./jmods \
            --exclude=./include . | tar -C "$tree/usr/lib/jvm/java" -x
        cp "$root"/.brokers/kafka/libs/*.jar "$tree/opt/kafka/libs/"
        cp -L "$(type -P dash || type -P sh)" "$tree/bin/sh"
        cp -L "$(type -P sed)" "$tree/bin/sed"
        find "$tree/usr/lib/jvm/java" "$tree/bin" -type f \( -name '*.so' -o -perm -u+x \) -exec ldd {} + 2>/dev/null |
            sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-[^ ]*\) .*/\1/p' | grep -v "^$tree" | sort -u |
            while read -r library; do
                mkdir -p "$tree$(dirname "$library")"
                cp -L "$library" "$tree$library"
            done
        cat >"$tree/etc/kafka/docker/run" <<'RUN'
#!/bin/sh
# As the official image's scripts do. KAFKA_A_B=C is the line a.b=C; two underscores are one, three are a dash.
set -e
java=/usr/lib/jvm/java/bin/java
export -p | sed -n "/^export KAFKA_\(HEAP_\)\{0,1\}OPTS=/d; s/^export KAFKA_\([A-Z0-9_]*\)='\(.*\)'$/\L\1\E=\2/p" |
    sed ':a; s/^\([^=]*\)___/\1-/; ta; :b; s/^\([^=]*\)__/\1\n/; tb; :c; s/^\([^=]*\)_/\1./; tc; :d; s/^\([^=]*\)\n/\1_/; td' \
        >/opt/kafka/config/server.properties
$java -cp '/opt/kafka/libs/*' -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.StatusLogger.level=OFF \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" \
    -c /opt/kafka/config/server.properties
# shellcheck disable=SC2086 # several options
exec $java -XX:TieredStopAtLevel=1 ${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} ${KAFKA_OPTS-} -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
    -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true \
    -Dlog4j2.StatusLogger.level=OFF -Dorg.slf4j.simpleLogger.defaultLogLevel=info \
    -cp '/opt/kafka/libs/*' kafka.Kafka /opt/kafka/config/server.properties
RUN
        chmod 755 "$tree/etc/kafka/docker/run"
        tar -C "$tree" -c . |
            docker import --change 'CMD ["/etc/kafka/docker/run"]' --change 'EXPOSE 9092' \
                --change 'VOLUME ["/etc/kafka/secrets","/var/lib/kafka/data","/mnt/shared/config"]' \
                - "$name:$version" >/dev/null
    fi
    echo "$name:$version"
}

case "${1:-} $#" in
    "check 1") check ;;
    "start 2") start "$2" ;;
    "watch 2") watch "$2" ;;
    "stop 1") stop ;;
    "image 1") image ;;
    "kafka-image 1") kafka_image ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
