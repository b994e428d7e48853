#!/usr/bin/env bash
# Puts the Python packages that tests read reports back with into .venv/ of this checkout; nothing outside it changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One at a time: several tests may want it at once.
mkdir -p .venv
exec 9>.venv/lock
flock 9
readonly list=tests/python/requirements.txt done=.venv/installed.txt
cmp --silent "$list" "$done" && exit
python=$(type -P python3) || { echo "python: no python3 (3.10 or later); install it and run this again" >&2; exit 1; }
echo "python: installing $(grep -c '==' "$list") packages into .venv/ (once)" >&2
[ -x .venv/bin/python ] || "$python" -m venv .venv
.venv/bin/python -m pip --disable-pip-version-check install --quiet --requirement "$list"
cp "$list" "$done"
