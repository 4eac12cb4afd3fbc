#!/usr/bin/env bash
# tests/fuzz/run.sh [SECONDS] [TARGET...]
# Builds each fuzz target with libFuzzer, on stable Rust and without cargo-fuzz, and runs it for SECONDS (60). One line per
# target: what it executed and covered. The inputs found on the way stay in the target directory and begin the next run; an
# input that fails is kept beside them and shown.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-60}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in src/bin/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

if ! command -v "${CXX:-c++}" >/dev/null; then
    echo "libFuzzer is built from C++ sources, and there is no ${CXX:-c++}: apt-get install g++ (or set CXX)" >&2
    exit 2
fi

dir=${CARGO_TARGET_DIR:-$(cd ../.. && pwd)/target}/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
# What `cargo fuzz build -s none` asks for: counters per edge, a table of places, comparisons reported.
coverage="-Cpasses=sancov-module -Ccodegen-units=1"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    coverage+=" -Cllvm-args=-sanitizer-coverage-$option"
done
# With --target the flags leave build scripts alone, which are not linked with libFuzzer.
if ! log=$(CARGO_TARGET_DIR=$dir RUSTFLAGS=$coverage cargo build --release --target "$host" 2>&1); then
    printf '%s\nThe fuzz targets do not build.\n' "$log" >&2
    exit 1
fi

failed=0
for target in "${targets[@]}"; do
    grown=$dir/corpus/$target
    mkdir -p "$grown" "$dir/failures"
    log=$dir/$target.log
    ok=true
    "$dir/$host/release/$target" "$grown" "corpus/$target" -dict="dict/$target" -max_total_time="$seconds" \
        -max_len=4096 -timeout=10 -artifact_prefix="$dir/failures/$target-" -print_final_stats=1 >"$log" 2>&1 || ok=false
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    read -r edges features inputs < <(sed -nE 's/.* cov: ([0-9]+) ft: ([0-9]+) corp: ([0-9]+).*/\1 \2 \3/p' "$log" | tail -n 1) || true
    all=$(sed -nE 's/.*Loaded 1 modules +\(([0-9]+) .*/\1/p' "$log")
    printf '%-14s %s executions, %s of %s edges, %s features, %s inputs: %s\n' "$target" "${runs:-no}" "${edges:-0}" \
        "${all:-?}" "${features:-0}" "${inputs:-0}" "$($ok && echo ok || echo FAILED)"
    $ok && continue
    failed=1
    grep -vE '^#[0-9]' "$log" | tail -n 40 >&2
done
exit $failed
