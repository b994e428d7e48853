#!/usr/bin/env bash
# Puts the pinned `nats` command line into .tools/bin/ of this checkout: it makes the streams of tests, and is what
# `make bench-peers` compares with. `scripts/natscli.sh check` only looks whether it is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly version=0.5.1 folder=.tools/bin

is_pinned() { [[ $("$folder/nats" --version 2>/dev/null || true) == "v$version" ]]; }

is_pinned && exit
if [ "${1:-}" = check ]; then
    echo "natscli: no nats $version in $folder/; scripts/natscli.sh builds it with Go (1.21 or later)" >&2
    exit 1
fi
type -P go >/dev/null || {
    echo "natscli: no Go to build it with; install it (Debian: golang-go; 1.21 or later) and run this again" >&2
    exit 1
}
mkdir -p "$folder"
exec 9>"$folder/../natscli.lock"
flock 9
is_pinned && exit
# Figures and tests are of this version only.
rm -f -- "$folder/nats"
echo "natscli: building nats $version into $folder/ (once, a few minutes)" >&2
GOBIN=$PWD/$folder go install "github.com/nats-io/natscli/nats@v$version" >&2
is_pinned || { echo "natscli: that is not nats $version" >&2; exit 1; }
