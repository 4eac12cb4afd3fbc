#!/usr/bin/env bash
# tools/build-worker.sh DIR [OUT] [cargo args...]
# Builds the Worker package in DIR for release into DIR/OUT (default: build) with the tools from tools/setup.sh.
# Quiet: prints one line when it really builds, and the log when it fails.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:?usage: tools/build-worker.sh DIR [OUT] [cargo args...]}
out=${2:-build}
shift $(($# < 2 ? $# : 2))

cd "$root/$dir"
log=$root/target/setup/build-${dir//\//-}-$out.log
mkdir -p "$(dirname "$log")"

# Nothing to do when the output is newer than every source it is made of, and was built with the same arguments.
stamp=$out/.stamp
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ] &&
    [ -z "$(find "$root/src" "$root/Cargo.toml" "$root/Cargo.lock" . -path './build*' -prune -o \
        -type f -newer "$stamp" -print -quit)" ]; then
    exit 0
fi

echo "Building the Worker in $dir (about half a minute) ..."
started=$(mktemp)
WASM_BINDGEN_BIN=$root/.tools/bin/wasm-bindgen \
    WASM_OPT_BIN=$root/node_modules/.bin/wasm-opt \
    ESBUILD_BIN=$root/node_modules/.bin/esbuild \
    "$root/.tools/bin/worker-build" --release --out-dir "$out" "$@" >"$log" 2>&1 || {
    echo "build-worker: building $dir failed, the end of the log:" >&2
    tail -n 40 "$log" >&2
    exit 1
}
# As of the start: what was edited during the build is newer.
printf '%s' "$*" >"$stamp"
touch -r "$started" "$stamp"
rm -f "$started"
