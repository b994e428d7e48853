#!/usr/bin/env bash
# A container engine for the tests of brokers in containers.
#
#   scripts/docker.sh check          does an engine answer, and can images be made? (installs nothing)
#   scripts/docker.sh start PID      where none answers and root allows: installs Debian's docker.io and starts an engine
#                                    of its own, which ends with process PID; prints the DOCKER_HOST to use
#   scripts/docker.sh stop           ends that engine
#   scripts/docker.sh image          makes the image of the tests from .brokers/nats-server; prints its name
#
# The engine keeps everything in .tools/docker/, but for its addresses: a bridge of its own, so that it is in nobody's way.
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
    # The usual way first; then without what a kernel may lack.
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
# theirs: this engine may be one that somebody uses.
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

case "${1:-} $#" in
    "check 1") check ;;
    "start 2") start "$2" ;;
    "watch 2") watch "$2" ;;
    "stop 1") stop ;;
    "image 1") image ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
