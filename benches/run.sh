#!/bin/sh
# CPU time per request on raw workerd, layercake against the same Worker by hand. Prints a table and writes
# target/bench.json.
#
# ROUNDS             interleaved rounds (5)
# SECONDS_PER_ROUND  load per candidate and round (2)
# SCENARIOS          only those whose name contains one of these words ("l1 miss")
# CANDIDATES         only these besides the references ("js-hand layercake")
# CONNECTIONS        concurrent connections (8)
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

cargo build --quiet --profile tools -p standin
# The references are always among them.
built="bare hand hand-kv"
for candidate in layercake layercake-hot layercake-anonymous; do
    case " ${CANDIDATES:-$candidate} " in *" $candidate "*) built="$built $candidate" ;; esac
done
# shellcheck disable=SC2086 # a list on purpose
benches/build.sh $built
exec node benches/run.mjs
