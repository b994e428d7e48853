#!/usr/bin/env bash
# Puts the Python packages that tests read reports back with into .venv/ of this checkout; nothing outside it changes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One at a time: several tests may want it at once.
mkdir -p .venv
exec 9>.venv/lock
flock 9
readonly list=tests/python/requirements.txt carriers=tests/python/carriers.txt done=.venv/installed.txt
cat "$list" "$carriers" | cmp --silent - "$done" && exit
python=$(type -P python3) || { echo "python: no python3 (3.10 or later); install it and run this again" >&2; exit 1; }
echo "python: installing $(grep -c '==' "$list") packages into .venv/ (once)" >&2
[ -x .venv/bin/python ] || "$python" -m venv .venv
pip() { .venv/bin/python -m pip --disable-pip-version-check "$@"; }
pip install --quiet --require-hashes --requirement "$list"
rm -rf .venv/carriers
pip download --quiet --no-deps --require-hashes --dest .venv/carriers --requirement "$carriers"
cat "$list" "$carriers" >"$done"
