#!/bin/sh
# What layercake adds to a Worker: the same router Worker without and with it, release builds, gzip -9 of the wasm. The
# last line is `added_gzip_bytes: N`.
set -eu
cd "$(dirname "$0")/.."
benches/build.sh bare layercake

gzipped() {
    gzip -9 -n -c "benches/worker/build-$1/index_bg.wasm" | wc -c | tr -d ' '
}

bare=$(gzipped bare)
layercake=$(gzipped layercake)
echo "bare router Worker: $bare bytes gzipped"
echo "with layercake: $layercake bytes gzipped"
echo "added_gzip_bytes: $((layercake - bare))"
