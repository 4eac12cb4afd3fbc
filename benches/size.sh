#!/bin/sh
# What layercake adds to a Worker, in bytes of its wasm under gzip -9; release builds.
#
#   benches/size.sh            the same router Worker without and with it; the last line is `added_gzip_bytes: N`
#   benches/size.sh features   and with each feature, and with axum
set -eu
cd "$(dirname "$0")/.."

gzipped() {
    gzip -9 -n -c "benches/worker/build-$1/index_bg.wasm" | wc -c | tr -d ' '
}

summary() {
    benches/build.sh bare layercake
    bare=$(gzipped bare)
    layercake=$(gzipped layercake)
    echo "bare router Worker: $bare bytes gzipped"
    echo "with layercake: $layercake bytes gzipped"
    echo "added_gzip_bytes: $((layercake - bare))"
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
    row "layercake" layercake bare
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
*) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
