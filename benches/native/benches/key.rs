//! The key of a long URL.

use layercake::QueryKey;
use layercake_bench_native::key::{PATH, QUERY, key, prefix};
use layercake_bench_native::measure::{Group, criterion};

fn main() {
    let (mut c, prefix) = (criterion(), prefix());
    let length = "https://shop.example.com".len() + PATH.len() + 1 + QUERY.len();
    let (whole, sorted, untracked) = (QueryKey::whole(), QueryKey::whole().sort(), QueryKey::without_tracking().sort());
    let _ = Group::of_bytes(
        &mut c,
        &format!("key: URL of {length} bytes, {} parameters", QUERY.split('&').count()),
        length,
    )
    .run("query as it is", || key(&prefix, &whole))
    .run("query sorted", || key(&prefix, &sorted))
    .run("query without tracking, sorted", || key(&prefix, &untracked));
    c.final_summary();
}
