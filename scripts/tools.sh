#!/usr/bin/env bash
# Puts the tools of `make check` into .tools/ of this checkout, in the versions below; nothing outside it changes.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo_deny=0.20.2

# install CRATE VERSION: does nothing when that version is there already.
install() {
    local found
    found=$(".tools/bin/$1" --version 2>/dev/null || true)
    [ "$found" = "$1 $2" ] && return
    echo "tools: building $1 $2 into .tools/ (once, a few minutes)" >&2
    cargo install --quiet --locked --debug --root .tools --version "$2" "$1"
}

install cargo-deny "$cargo_deny"
