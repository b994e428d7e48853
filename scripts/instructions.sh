#!/usr/bin/env bash
# How many instructions each step of an event's way takes, counted by valgrind, against benches/instructions/counts.txt:
#   scripts/instructions.sh          compare; a step that differs by more than 10 %, and by more than 150 instructions, fails
#   scripts/instructions.sh accept   write the counts down as the new baseline
# Instructions and not time, since they hardly depend on what else a machine is doing.
set -euo pipefail
cd "$(dirname "$0")/.."

baseline=benches/instructions/counts.txt
allowed=10
# What one call more or less that is inlined comes to: it differs from folder to folder of the same source.
slack=150
few=2000 many=12000

if ! command -v valgrind >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get install -y -qq valgrind >/dev/null
    else
        echo "instructions: valgrind is missing: install it (Debian: apt-get install valgrind)" >&2
        exit 1
    fi
fi

# The pure half alone, in which all steps are: see benches/instructions. As one unit of code, without optimisation across crates:
# what is inlined, and so the counts, changes less with the folder that the checkout lies in. Optimised in full, however a release is built here.
export CARGO_PROFILE_BENCH_CODEGEN_UNITS=1 CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_DEBUG=false
export CARGO_PROFILE_BENCH_OPT_LEVEL=3 CARGO_PROFILE_BENCH_DEBUG_ASSERTIONS=false CARGO_PROFILE_BENCH_OVERFLOW_CHECKS=false
# None of these crates is on a counted step: they are built without optimisation, which is faster.
unused=()
for crate in chrono nom schemars; do
    unused+=(--config "profile.bench.package.$crate.opt-level=0")
done
program=$(cargo --locked "${unused[@]}" build --profile bench --package tickgate-instructions --quiet --message-format=json |
    sed -n 's/.*"executable":"\([^"]*instructions[^"]*\)".*/\1/p' | tail -1)

# count STEP EVENTS: instructions of the whole program.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

measured=$("$program" | while read -r events step; do
    # The difference of two runs is free of what starting costs.
    a=$((few / events)) b=$((many / events))
    echo "$((($(count "$step" $b) - $(count "$step" $a)) / (b - a))) $step"
done)

if [ "${1:-}" = accept ]; then
    printf '%s\n' "$measured" >"$baseline"
    cat "$baseline"
    exit
fi

printf '%s\n' "$measured" | awk -v allowed=$allowed -v slack=$slack -v baseline=$baseline '
    BEGIN { while ((getline line < baseline) > 0) { n = line; sub(/ .*/, "", n); sub(/[0-9]+ /, "", line); before[line] = n } }
    {
        now = $1; sub(/^[0-9]+ /, ""); seen[$0] = 1
        if (!($0 in before)) { printf "  %-32s %9d  not in the baseline\n", $0, now; bad = 1; next }
        change = 100 * (now - before[$0]) / before[$0]
        far = now > before[$0] + slack || now < before[$0] - slack
        verdict = far && (change > allowed || change < -allowed) ? "CHANGED" : "ok"
        if (verdict != "ok") bad = 1
        printf "  %-32s %9d, baseline %9d  %+6.1f %%  %s\n", $0, now, before[$0], change, verdict
    }
    END {
        for (step in before) if (!(step in seen)) { printf "  %-32s gone\n", step; bad = 1 }
        if (bad) print "instructions: not as in " baseline "; mend it, or accept it: scripts/instructions.sh accept"
        exit bad
    }'
