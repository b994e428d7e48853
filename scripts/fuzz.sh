#!/usr/bin/env bash
# Fuzzes targets of fuzz/, so many seconds each, beginning with the seeds of the tests and what earlier calls found.
#
# Without a sanitizer, which needs a nightly compiler: our code has no `unsafe`, and what is looked for are panics and
# broken laws. An input that breaks one is left in fuzz/artifacts/; once mended, it belongs into tests/seeds/.
set -euo pipefail
cd "$(dirname "$0")/.."

[[ $# -ge 2 ]] || { echo "usage: scripts/fuzz.sh SECONDS TARGET…" >&2; exit 2; }
readonly seconds=$1
shift

type -P c++ >/dev/null || { echo "fuzz: no c++, which libFuzzer is built with; on Debian: apt-get install g++" >&2; exit 1; }
scripts/tools.sh cargo-fuzz
mkdir -p fuzz/target/tmp
export TMPDIR=$PWD/fuzz/target/tmp PATH=$PWD/.tools/bin:$PATH
failed=()
for target in "$@"; do
    corpora=("fuzz/corpus/$target" "tests/seeds/$target")
    [[ $target == profile ]] && corpora+=(profiles tests/fixtures/profiles)
    mkdir -p "${corpora[0]}"
    cargo fuzz run --fuzz-dir fuzz --sanitizer none "$target" "${corpora[@]}" -- \
        -max_total_time="$seconds" -max_len=16384 -timeout=30 -print_final_stats=1 -verbosity=0 || failed+=("$target")
done
[[ ${#failed[@]} -eq 0 ]] || { echo "fuzz: laws are broken: ${failed[*]}; see fuzz/artifacts/" >&2; exit 1; }
