#!/usr/bin/env bash
# Installs ccache from Debian, where it is missing and root allows: .ci/run builds librdkafka for two profiles, and compiles it once.
# Without ccache it is compiled twice.
set -euo pipefail

type -P ccache >/dev/null && exit
if ! type -P apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "ccache: none here. As root on Debian: apt-get install ccache" >&2
    exit
fi
echo "ccache: installing it from Debian" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ccache >/dev/null
