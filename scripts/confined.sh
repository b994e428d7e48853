#!/usr/bin/env bash
# Runs a command with a share of one core, by a control group's quota, to test its behaviour when starved.
#   scripts/confined.sh PERCENT COMMAND [ARGUMENT]…
#   scripts/confined.sh check                         can this machine do it, for this user?
# Takes version 2 of control groups (`cpu.max`), else version 1. The group is removed when the command has ended.
set -euo pipefail

say() { echo "confined: $*" >&2; }

# made NAME: makes a control group that can limit CPU and names its folder.
made() {
    local parent group
    for parent in /sys/fs/cgroup /sys/fs/cgroup/cpu /sys/fs/cgroup/cpu,cpuacct; do
        group=$parent/$1
        [ -w "$parent" ] && mkdir "$group" 2>/dev/null || continue
        [ -e "$group/cpu.max" ] || [ -e "$group/cpu.cfs_quota_us" ] ||
            { echo +cpu >"$parent/cgroup.subtree_control"; } 2>/dev/null || true
        if [ -w "$group/cpu.max" ] || [ -w "$group/cpu.cfs_quota_us" ]; then
            echo "$group"
            return
        fi
        rmdir "$group"
    done
    say "no control group for CPU can be made here: it takes root, and /sys/fs/cgroup to be writable"
    return 1
}

readonly PERIOD=100000 # microseconds
limit() {
    local quota=$(($2 * PERIOD / 100))
    if [ -e "$1/cpu.max" ]; then
        echo "$quota $PERIOD" >"$1/cpu.max"
    else
        echo "$PERIOD" >"$1/cpu.cfs_period_us"
        echo "$quota" >"$1/cpu.cfs_quota_us"
    fi
}

if [ "${1:-}" = check ]; then
    group=$(made "tickgate-check-$$")
    rmdir "$group"
    exit
fi
[[ ${1:-} =~ ^[1-9][0-9]*$ && $# -gt 1 ]] || { sed -n '2,4s/^# *//p' "$0" >&2; exit 2; }
group=$(made "tickgate-confined-$$")
limit "$group" "$1"
shift

# It ends with this script.
setpriv --pdeathsig KILL bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$group" "$@" &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM
trap 'kill -INT "$child" 2>/dev/null' INT
code=0
# A signal ends the wait, not the process waited for.
while wait "$child" && code=0 || code=$?; kill -0 "$child" 2>/dev/null; do :; done
# Children that it has left behind are on their way out.
for _ in $(seq 100); do
    rmdir "$group" 2>/dev/null && break
    sleep 0.1
done
exit "$code"
