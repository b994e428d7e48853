#!/usr/bin/env bash
# Puts tools into .tools/ of this checkout, in the versions below; nothing outside it changes.
# usage: scripts/tools.sh [check|mutants]   those of `make check`, or of `make mutants`
set -euo pipefail
cd "$(dirname "$0")/.."

cargo_deny=0.20.2
cargo_mutants=27.1.0

# install CRATE VERSION: does nothing when that version is there already.
install() {
    local found
    found=$(".tools/bin/$1" "${1#cargo-}" --version 2>/dev/null || true)
    [ "$found" = "$1 $2" ] && return
    echo "tools: building $1 $2 into .tools/ (once, a few minutes)" >&2
    cargo install --quiet --locked --debug --root .tools --version "$2" "$1"
}

case ${1:-check} in
check) install cargo-deny "$cargo_deny" ;;
mutants) install cargo-mutants "$cargo_mutants" ;;
*) echo "usage: scripts/tools.sh [check|mutants]" >&2; exit 2 ;;
esac
