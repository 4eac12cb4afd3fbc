#!/bin/sh
# The bad day on raw workerd: the same Worker with layercake and without. Prints a table and writes target/NAME.json.
#
#   benches/day.sh stampede
#   benches/day.sh outage
#
# stampede  ROUNDS           per variant (3)
#           SIZE             requests at once (1000)
#           FOLLOWER_ROUNDS  for the followers' delay (20)
#           CANDIDATES       only these besides bare ("layercake js-hand")
#           VARIANTS         only these ("1 KB,expired")
# outage    OUTAGE_SECONDS   how long it lasts (60); a third of it before and after
#           KINDS            only those whose name contains one of these words ("503 KV")
#           RATE, PATHS      requests per second (200), over so many paths (300)
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH

cargo build --quiet --profile tools -p standin
benches/build.sh bare-scenes layercake-scenes
exec node "benches/$1.mjs"
