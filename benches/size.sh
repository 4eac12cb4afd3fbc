#!/bin/sh
# What layercake adds to a Worker, in bytes of its wasm under gzip -9; release builds.
#
#   benches/size.sh            the same router Worker without it, with its core and with resilience as it comes; the last line is
#                              `added_gzip_bytes: N`, for the core
#   benches/size.sh features   and with each feature, and with axum
set -eu
cd "$(dirname "$0")/.."

gzipped() {
    gzip -9 -n -c "benches/worker/build-$1/index_bg.wasm" | wc -c | tr -d ' '
}

summary() {
    benches/build.sh bare layercake-core layercake
    bare=$(gzipped bare)
    core=$(gzipped layercake-core)
    whole=$(gzipped layercake)
    echo "bare router Worker: $bare bytes gzipped"
    echo "with layercake's core: $core bytes gzipped"
    echo "with layercake as it comes, with resilience: $whole bytes gzipped"
    echo "added_gzip_bytes_with_resilience: $((whole - bare))"
    echo "added_gzip_bytes: $((core - bare))"
}

# row TITLE BUILD [BUILD IT IS COMPARED WITH]
row() {
    benches/build.sh "$2"
    size=$(gzipped "$2")
    [ -n "${3:-}" ] && added=$(printf '%+d' $((size - $(gzipped "$3")))) || added=
    printf '%-34s %9s %9s\n' "$1" "$size" "$added"
}

features() {
    printf '%-34s %9s %9s\n' "" "bytes" "added"
    row "bare router" bare
    row "layercake, the core" layercake-core bare
    row "  resilience" layercake layercake-core
    row "  json: a table in JSON" size-json layercake
    row "  lint" size-lint layercake
    row "  verify" size-verify layercake
    row "  data: one value" size-data layercake
    row "    encryption" size-encryption size-data
    row "    postcard in place of JSON" size-postcard size-data
    row "bare axum" bare-axum bare
    row "layercake around axum" layercake-axum bare-axum
}

case ${1:-} in
"") summary ;;
features) features ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
