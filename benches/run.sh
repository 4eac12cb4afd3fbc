#!/bin/sh
# CPU time per request, layercake against Workers by hand and against other caches; see benches/README.md. Prints tables and writes
# target/bench.json and target/bench.svg.
#
# RUNTIME            raw: workerd alone, native stand-ins behind it; local: the ordinary local runtime with its simulators, which writes
#                    target/bench-local.json and .svg (raw)
# ROUNDS             interleaved rounds (7, local 5)
# SECONDS_PER_ROUND  load per candidate and round (0.4)
# WARM_UP_SECONDS    the same before the first round, not counted: long enough for the engine to compile what is hot (3)
# SCENARIOS          only those whose name contains one of these words ("l1 miss")
# CANDIDATES         only these besides the references ("js-hand layercake")
# CONNECTIONS        concurrent connections (8)
# STARTS             fresh starts per candidate; 0 for none (15, with SCENARIOS or CANDIDATES none)
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
RUNTIME=${RUNTIME:-raw}
case $RUNTIME in
raw) report=bench ;;
local) report=bench-local STARTS=0 ROUNDS=${ROUNDS:-5} ;;
*) echo "RUNTIME is raw or local" >&2 && exit 2 ;;
esac
[ -z "${SCENARIOS:-}${CANDIDATES:-}" ] || STARTS=${STARTS:-0}
STARTS=${STARTS:-15} ROUNDS=${ROUNDS:-7} SECONDS_PER_ROUND=${SECONDS_PER_ROUND:-0.4}
export RUNTIME STARTS ROUNDS SECONDS_PER_ROUND

cargo build --quiet --profile tools -p standin
# One build for all of layercake's settings. The references are always among the candidates.
built="bare-scenes hand-scenes hand-kv-scenes"
case " ${CANDIDATES:-layercake} " in *" layercake"*) built="$built layercake-scenes" ;; esac
case " ${CANDIDATES:-bare-axum} " in *" bare-axum "*) built="$built bare-axum" ;; esac
case " ${CANDIDATES:-layercake-axum} " in *" layercake-axum "*) built="$built layercake-axum" ;; esac
[ "$STARTS" = 0 ] || built="bare-scenes hand-scenes hand-kv-scenes layercake-scenes bare-axum layercake-axum"
# shellcheck disable=SC2086 # a list on purpose
benches/build.sh $built
# What was wrong is in the table; the report is made all the same.
node benches/run.mjs && failed=0 || failed=$?
[ "$STARTS" = 0 ] || node benches/startup.mjs
node benches/plot.mjs "$report"
exit "$failed"
