#!/usr/bin/env bash
# Puts tools into .tools/ of this checkout, in the versions below; nothing outside it changes.
#
#   scripts/tools.sh cargo-deny    what `make check` needs
#   scripts/tools.sh cargo-fuzz    what `make fuzz` needs
#   scripts/tools.sh cargo-mutants what `make mutants` needs
#   scripts/tools.sh inferno       what `make flame` needs
set -euo pipefail
cd "$(dirname "$0")/.."

readonly cargo_deny=0.20.2 cargo_fuzz=0.13.2 cargo_mutants=27.1.0 inferno=0.12.8

# install CRATE VERSION: does nothing when that version is there already.
install() {
    cargo install --list --root .tools | grep -q "^$1 v$2:" && return
    echo "tools: building $1 $2 into .tools/ (once, a few minutes)" >&2
    cargo install --quiet --locked --debug --force --root .tools --version "$2" "$1"
}

case ${1:-} in
    cargo-deny) install cargo-deny "$cargo_deny" ;;
    cargo-fuzz) install cargo-fuzz "$cargo_fuzz" ;;
    cargo-mutants) install cargo-mutants "$cargo_mutants" ;;
    inferno) install inferno "$inferno" ;;
    *) echo "usage: scripts/tools.sh cargo-deny|cargo-fuzz|cargo-mutants|inferno" >&2; exit 2 ;;
esac
