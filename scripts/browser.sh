#!/usr/bin/env bash
# Installs a browser for the tests of the report, where there is none and root allows: Debian's chromium with its driver.
# `scripts/browser.sh check` only looks whether it is there: tests install nothing into the system.
set -euo pipefail

type -P chromium >/dev/null && type -P chromedriver >/dev/null && exit
if [ "${1:-}" = check ]; then
    echo "browser: no chromium with chromedriver here; as root on Debian, scripts/browser.sh installs them" >&2
    exit 1
fi
if ! type -P apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "browser: no chromium with chromedriver here. As root on Debian: apt-get install chromium chromium-driver" >&2
    exit 1
fi
echo "browser: installing chromium from Debian" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium chromium-driver fonts-dejavu-core >/dev/null
