#!/usr/bin/env bash
# tools/test.sh [lint] [native] [workerd]
# Runs the groups named: one line per step, the output only of what fails, and a sum at the end.
set -uo pipefail
cd "$(dirname "$0")/.."

logs=target/test
mkdir -p "$logs"
export RUST_BACKTRACE=0 CARGO_TERM_COLOR=never NO_COLOR=1
checks=0 tests=0 failed=0

# run TITLE COMMAND...: leaves the output in $log and the result in $ok.
run() {
    local title=$1 started=$SECONDS
    shift
    log=$logs/${title//[^a-zA-Z0-9]/-}.log
    printf '%-52s' "$title"
    if "$@" >"$log" 2>&1; then ok=true; else ok=false; fi
    printf '%s' "$($ok && echo ok || echo FAILED)"
    [ $((SECONDS - started)) -lt 2 ] || printf ' (%s s)' $((SECONDS - started))
}

check() { # check TITLE COMMAND...: counts as one
    run "$@"
    echo
    if $ok; then checks=$((checks + 1)); else failed=$((failed + 1)) && tail -n 60 "$log"; fi
}

cargo_tests() { # cargo_tests TITLE COMMAND...: counts the tests
    local passed broken
    run "$@"
    read -r passed broken < <(awk '/^test result:/ { p += $4; f += $6 } END { print p + 0, f + 0 }' "$log")
    echo ", $passed passed"
    tests=$((tests + passed)) failed=$((failed + broken))
    $ok && return
    [ "$broken" -gt 0 ] || failed=$((failed + 1)) # it did not compile
    grep -vE '^test .* ok$|^running|^$' "$log" | tail -n 80
}

node_tests() { # node_tests TITLE FILES...: the same for node's test runner
    local title=$1 passed broken
    shift
    run "$title" node --test --test-concurrency=2 --test-reporter=spec --test-reporter-destination=stdout "$@"
    passed=$(awk '$2 == "pass" { print $3 }' "$log")
    broken=$(awk '$2 == "fail" { print $3 }' "$log")
    echo ", ${passed:-0} passed"
    tests=$((tests + ${passed:-0})) failed=$((failed + ${broken:-0}))
    $ok && return
    [ "${broken:-0}" -gt 0 ] || failed=$((failed + 1))
    sed -n '/failing tests:/,$p' "$log" | tail -n 120
}

conformance_tests() { # conformance_tests TITLE: the same for the conformance run, which fails by its must-level cases
    local passed
    run "$1" node tests/conformance/run.mjs
    passed=$(awk '$1 == "total" { sub("/.*", "", $2); print $2 }' "$log")
    echo ", ${passed:-0} passed"
    tests=$((tests + ${passed:-0}))
    $ok && return
    failed=$((failed + 1))
    tail -n 80 "$log"
}

leak_tests() { # leak_tests TITLE CACHES: the same for the leak suite
    local passed
    run "$1" node tests/leaks/run.mjs --cache "$2"
    passed=$(awk '$1 == "all" { for (i = 2; i <= NF; i++) { split($i, of, "/"); p += of[1] } } END { print p + 0 }' "$log")
    echo ", $passed passed"
    tests=$((tests + passed))
    $ok && return
    failed=$((failed + 1))
    grep -vE ' (should|reuse) +[a-z0-9.-]+: ' "$log" | tail -n 80
}

lint() {
    local feature
    check "Formatting" cargo fmt --all --check -- --color never
    check "Clippy, this machine, all features" cargo clippy --quiet --all-targets --all-features -- -D warnings
    check "Clippy, wasm32, worker, axum and data" \
        cargo clippy --quiet --target wasm32-unknown-unknown --features worker,axum,data,encryption,postcard -- -D warnings
    check "Clippy, the core, this machine" cargo clippy --quiet --all-targets --no-default-features --features sim,tower -- -D warnings
    check "Clippy, the core, wasm32" \
        cargo clippy --quiet --target wasm32-unknown-unknown --no-default-features --features worker -- -D warnings
    check "Clippy, examples and tools" cargo clippy --quiet --workspace --exclude layercake --all-targets -- -D warnings
    check "Clippy, native benches" \
        cargo clippy --quiet --all-targets --manifest-path benches/native/Cargo.toml --target-dir target/native -- -D warnings
    for feature in "" $(awk '/^\[/ { on = $0 == "[features]" } on && /^[a-z]+ = / { print $1 }' Cargo.toml); do
        [ "$feature" != default ] || continue
        check "Compiles with ${feature:+only }${feature:-no features}" cargo check --quiet --no-default-features --features "$feature"
    done
}

native() {
    cargo_tests "Unit, integration and doc tests" cargo test --no-fail-fast --all-features
    cargo_tests "The core: unit tests, walk and Tower door" \
        cargo test --no-fail-fast --no-default-features --features sim,tower --lib --test walk --test tower
    cargo_tests "Examples and tools" cargo test --no-fail-fast --workspace --exclude layercake --all-targets
}

workerd() {
    local worker
    for worker in tests/worker tests/leaks/worker examples/shop examples/proxy examples/axum examples/tenants examples/data; do
        check "Worker in $worker builds" tools/build-worker.sh $worker
    done
    check "Worker in tests/worker builds, the core" tools/build-worker.sh tests/worker build-core --no-default-features
    check "Stand-ins for faults" cargo build --quiet --profile tools -p standin
    node_tests "Tests in the local Workers runtime" tests/workerd/*.test.mjs
    CORE_BUILD=build-core node_tests "Of them tiers, keys, privacy and more with the core" tests/workerd/{tiers,keys,privacy,law-invalidation,law-validation,law-vary}.test.mjs
    conformance_tests "Conformance, through the proxy"
    leak_tests "Leak suite, on workerd" layercake-hot,layercake-l1,layercake-l2
    leak_tests "Leak suite, Tower" layercake-tower
}

for group in "${@:-native}"; do
    "$group" || true
done
echo "of them $checks checks and $tests tests passed:"
echo "$((checks + tests)) passed, $failed failed"
[ "$failed" -eq 0 ]
