#!/usr/bin/env bash
# Installs what is needed to build a Worker and to run it locally, inside this checkout (.tools/, node_modules/):
#   - the wasm32 target of the Rust tool chain,
#   - wasm-bindgen at exactly the version in Cargo.lock, and worker-build at that of the `worker` crate (crates.io),
#   - the local Workers runtime, esbuild and wasm-opt (npm, by package-lock.json).
# Says nothing and returns at once when all of it is there.
set -euo pipefail
cd "$(dirname "$0")/.."

logs=target/setup
tools=.tools

locked() { # locked CRATE: its version in Cargo.lock
    awk -v want="\"$1\"" '$1 == "name" { found = $3 == want } $1 == "version" && found { gsub(/"/, "", $3); print $3; exit }' Cargo.lock
}
has() { # has BINARY VERSION: is it installed here at this version?
    [ -x "$tools/bin/$1" ] && [ "$("$tools/bin/$1" --version 2>/dev/null | awk '{ print $NF }')" = "$2" ]
}

bindgen=$(locked wasm-bindgen)
build=$(locked worker)
if [ -z "$bindgen" ] || [ -z "$build" ]; then
    echo "setup: Cargo.lock names no version of wasm-bindgen or worker" >&2
    exit 1
fi

todo=()
[ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ] || todo+=(target)
cmp -s package-lock.json node_modules/.installed-lock || todo+=(npm)
has wasm-bindgen "$bindgen" || todo+=(bindgen)
has worker-build "$build" || todo+=(build)
[ ${#todo[@]} -gt 0 ] || exit 0

mkdir -p "$logs"
step=0
say() { step=$((step + 1)); echo "[$step/${#todo[@]}] $*"; }
wants() { case " ${todo[*]} " in *" $1 "*) true ;; *) false ;; esac; }
failed() { # failed LOG WHAT
    echo "setup: '$2' failed, the end of $logs/$1.log:" >&2
    tail -n 20 "$logs/$1.log" >&2
    return 1
}
run() { # run LOG COMMAND...: quiet unless it fails
    local log=$1
    shift
    "$@" >"$logs/$log.log" 2>&1 || failed "$log" "$*"
}
# The tools run for a second or two per build: compile them quickly rather than well. First with the dependencies their
# authors locked; where a registry mirror lacks one of those, with compatible ones.
tool() { # tool NAME VERSION [cargo install args]
    local name=$1 version=$2 locked
    shift 2
    for locked in --locked ""; do
        # shellcheck disable=SC2086 # nothing, rather than an empty argument
        CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=0 \
            CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
            cargo install $locked --force --root "$tools" --target-dir target/tools "$name@$version" "$@" \
            >"$logs/$name.log" 2>&1 && return
    done
    failed "$name" "cargo install $name@$version"
}

if wants npm; then
    say "npm packages (local Workers runtime, esbuild, wasm-opt): fetching in the background ..."
    { run npm npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.installed-lock; } &
    npm=$!
fi
if wants target; then
    say "Rust target wasm32-unknown-unknown: fetching ..."
    run target rustup target add wasm32-unknown-unknown
fi
if wants bindgen; then
    say "wasm-bindgen $bindgen: building, about a minute ..."
    tool wasm-bindgen-cli "$bindgen" --bin wasm-bindgen --no-default-features
fi
if wants build; then
    say "worker-build $build: building, about a minute ..."
    tool worker-build "$build"
fi
if wants npm; then wait "$npm"; fi
echo "Tool chain ready."
