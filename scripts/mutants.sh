#!/usr/bin/env bash
# Changes the measuring code in every small way that cargo-mutants knows and counts the changes that no unit test notices.
# usage: scripts/mutants.sh [verdict|measure|probe|load|topology]...   all of them where none is named
#
# MUTANTS_OPTIONS: further options of `cargo mutants`, such as `--shard 0/4` for a fourth of them.
#
# Fails when fewer than 95 % of the changes that compile are noticed. Known survivors and their reasons: docs/mutants.md.
# The lists (caught, missed, timeout, unviable) and a log for each change land in target/mutants/out/PART/mutants.out.
set -euo pipefail
cd "$(dirname "$0")/.."

least_percent=95

scripts/tools.sh cargo-mutants
export PATH="$PWD/.tools/bin:$PATH"

# The parts are changed and tested in a copy of the tree, whose place stays the same, so that little is rebuilt.
tree="$PWD/target/mutants/tree" out="$PWD/target/mutants/out"
mkdir -p "$out"
exec 9>"$out/lock"
flock -n 9 || { echo "mutants: another run is changing $tree" >&2; exit 2; }
export CARGO_TARGET_DIR="$PWD/target/mutants/build" CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0
# Property tests need fewer cases to fail than to convince, and shrinking the counterexample is not needed here.
export PROPTEST_CASES="${PROPTEST_CASES:-32}" PROPTEST_MAX_SHRINK_ITERS=0
MUTANTS_OPTIONS=${MUTANTS_OPTIONS:-}
# A change that collects without end must not take the machine with it.
ulimit -v 4000000

# PART: the files that are changed, and the module whose tests must notice.
files() {
    case $1 in
    verdict | measure | load | topology) echo "src/$1/**" ;;
    probe) echo "src/market/probe.rs" ;;
    *) echo "mutants: no part called '$1': verdict, measure, probe, load, topology" >&2; exit 2 ;;
    esac
}
module() {
    case $1 in
    probe) echo market ;;
    *) echo "$1" ;;
    esac
}

# copy MODULE: the tree as far as a change in the module goes, for each of them is built: a module names only modules
# before it, nobody else's tests are asked, and few of the dependencies are left.
copy() {
    rm -rf "$tree" && mkdir -p "$tree"
    git ls-files -z -- Cargo.toml Cargo.lock .cargo src tests | xargs -0 cp --parents --target-directory "$tree"
    (
        cd "$tree"
        local dependency sources
        sources=$(sed '/^pub mod verdict;/q' src/lib.rs | sed -n 's/^pub mod \(.*\);/src\/\1*/p')
        for dependency in $(sed -n '/^\[\(dev-\)\?dependencies\]/,/^$/s/^\([a-z0-9_-]*\) = .*/\1/p' Cargo.toml); do
            # shellcheck disable=SC2086 # the list is of patterns
            grep -rq "\b${dependency//-/_}::" $sources ||
                sed -i "/^$dependency = /d" Cargo.toml
        done
        sed -i -e '/^\[\[bench\]\]/,/^$/d' -e '/^\[features\]/,/^$/d' Cargo.toml
        sed -i "/^pub mod $1;/q" src/lib.rs
        find src -name '*.rs' -not -path "src/$1/*" -exec sed -i '/^#\[cfg(test)\]/,$d' {} +
    )
}

# count PART LIST: how many changes ended that way.
count() {
    grep -c . "$out/$1/mutants.out/$2.txt" || true
}

# row NAME CAUGHT MISSED UNVIABLE TIMEOUTS: a hanging change is a noticed one.
row() {
    local noticed=$(($2 + $5)) viable=$(($2 + $3 + $5))
    printf '%-10s %8d %8d %8d %9d %9d %8s\n' "$1" $((viable + $4)) "$2" "$3" "$4" "$5" \
        "$(awk -v a=$noticed -v b=$viable 'BEGIN { printf "%.1f", b ? 100 * a / b : 100 }')"
}

parts=("$@")
[ $# -gt 0 ] || parts=(verdict measure probe load topology)
for part in "${parts[@]}"; do files "$part" >/dev/null; done

for part in "${parts[@]}"; do
    mkdir -p "$out/$part"
    copy "$(module "$part")"
    # Exit codes 2 and 3 say that some were missed or hung: the table below counts them.
    # shellcheck disable=SC2086 # options are words
    cargo mutants $MUTANTS_OPTIONS --dir "$tree" --in-place --no-times --colors never --output "$out/$part" \
        --file "$(files "$part")" -- "$(module "$part")::" || [[ $? == [23] ]]
done

caught=0 missed=0 unviable=0 timeouts=0
echo
printf '%-10s %8s %8s %8s %9s %9s %8s\n' directory mutants caught missed unviable timeouts percent
for part in "${parts[@]}"; do
    c=$(count "$part" caught) m=$(count "$part" missed) u=$(count "$part" unviable) t=$(count "$part" timeout)
    row "$part" "$c" "$m" "$u" "$t"
    caught=$((caught + c)) missed=$((missed + m)) unviable=$((unviable + u)) timeouts=$((timeouts + t))
done
row all $caught $missed $unviable $timeouts
[ $(((caught + timeouts) * 100)) -ge $(((caught + missed + timeouts) * least_percent)) ] || {
    echo "mutants: fewer than $least_percent % were noticed; see the list above and docs/mutants.md" >&2
    exit 1
}
