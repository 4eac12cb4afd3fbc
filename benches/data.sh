#!/bin/sh
# CPU time per value on raw workerd, layercake against the same by hand, and what the stores were asked. Prints a table and writes
# target/bench-data.json. ROUNDS, SECONDS_PER_ROUND, SCENARIOS, CANDIDATES and CONNECTIONS as in benches/run.sh.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

cargo build --quiet --profile tools -p standin
tools/build-worker.sh benches/data
exec node benches/data/run.mjs
