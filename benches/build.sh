#!/bin/sh
# Builds candidates of benches/worker into benches/worker/build-NAME; silent, and skipped when nothing changed.
#
#   benches/build.sh bare layercake
#
# BUILD_WORKER  the script that builds a Worker: DIR [OUT] [cargo arguments] (default tools/build-worker.sh)
set -eu
cd "$(dirname "$0")/.."
build_worker=${BUILD_WORKER:-tools/build-worker.sh}
log=target/bench-build.log
mkdir -p target

for candidate in "$@"; do
    out=benches/worker/build-$candidate
    sources="Cargo.toml Cargo.lock benches/worker/Cargo.toml benches/worker/src"
    case $candidate in layercake* | size-*) sources="$sources src" ;; esac
    # shellcheck disable=SC2086 # a list on purpose
    if [ -f "$out/.built" ] && [ -z "$(find $sources -newer "$out/.built" -print -quit)" ]; then
        continue
    fi
    echo "building $candidate" >&2
    rm -f "$out/.built"
    # Taken before the build: a source that changes meanwhile must count as newer.
    touch target/bench-build.stamp
    if ! "$build_worker" benches/worker "build-$candidate" --no-default-features --features "$candidate" >"$log" 2>&1; then
        cat "$log" >&2
        exit 1
    fi
    touch -r target/bench-build.stamp "$out/.built"
done
