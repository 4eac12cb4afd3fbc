#!/usr/bin/env bash
# benches/native/run.sh [--write-budget]
# The benches under criterion, their medians as one table and in target/bench-native.json; then instructions and allocations beside
# the budget. With the option only the last, and the budget is written anew.
set -euo pipefail
cd "$(dirname "$0")/../.."

at=(--quiet --manifest-path benches/native/Cargo.toml --target-dir target/native)
log=target/bench-native.log
mkdir -p target
cargo build "${at[@]}" --release --bins
if [ "${1-}" = --write-budget ]; then
    exec target/native/release/report budget --write
fi

export CRITERION_HOME=$PWD/target/native/criterion
# What was measured before is not to stand in the table.
rm -rf "$CRITERION_HOME"
cargo bench "${at[@]}" --benches -- --noplot >"$log" 2>&1 || { tail -n 40 "$log" && exit 1; }
target/native/release/report table "$CRITERION_HOME" target/bench-native.json
target/native/release/report budget
