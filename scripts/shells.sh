#!/usr/bin/env bash
# Installs the shells whose completions are tested besides bash's, where they are missing and root allows: Debian's zsh and fish.
# `scripts/shells.sh check` only looks whether they are there: tests install nothing into the system.
set -euo pipefail

type -P zsh >/dev/null && type -P fish >/dev/null && exit
if [ "${1:-}" = check ] || ! type -P apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "shells: no zsh with fish here. As root on Debian: apt-get install zsh fish" >&2
    exit 1
fi
echo "shells: installing zsh and fish from Debian" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends zsh fish >/dev/null
