//! The key of a long URL, and the policy of a path among many.

use crate::timer::{candidate, list};
use layercake::policy::key::{CacheKey, KeyPrefix, Keyed};
use layercake::{CacheConfig, Policy, QueryKey, SchemaVersion};
use std::hint::black_box;

/// 300 bytes with scheme and host, ten parameters, four of them of campaigns.
const PATH: &str = "/catalogue/kitchen/appliances/coffee-machines";
const QUERY: &str = "brand=bellavista&page=3&sort=price-ascending&colour=anthracite&utm_source=newsletter&utm_medium=email&\
                     utm_campaign=autumn-2026&gclid=EAIaIQobChMI8sSH3fKQ&delivery=this-week&seller=any-seller-with-\
                     more-than-95-percent-of-good-reviews";

fn key(prefix: &KeyPrefix, by: &QueryKey) -> CacheKey {
    let query = by.apply(Some(black_box(QUERY)));
    let site = ("https", "shop.example.com");
    let keyed = Keyed { scheme: site.0, authority: site.1, by_host: true, path: PATH.into(), query, parts: &[] };
    CacheKey::of(prefix, &keyed)
}

fn table(routes: usize) -> CacheConfig {
    let policy = || Policy::ttl(std::time::Duration::from_secs(60));
    let begun = CacheConfig::new("shop", SchemaVersion(1));
    let patterns = (0..routes).map(|n| match n % 4 {
        0 => format!("/section{n}/items"),
        1 => format!("/section{n}/items/:id"),
        2 => format!("/section{n}/:kind/:id/reviews"),
        _ => format!("/section{n}/files/*rest"),
    });
    patterns.fold(begun, |table, pattern| table.route(&pattern, policy())).build().expect("the table is right")
}

pub fn run() {
    let prefix = KeyPrefix::new("shop", SchemaVersion(1), "").expect("a prefix");
    let length = "https://shop.example.com".len() + PATH.len() + 1 + QUERY.len();
    let (whole, sorted, untracked) = (QueryKey::whole(), QueryKey::whole().sort(), QueryKey::without_tracking().sort());
    list(
        &format!("The key of a URL of {length} bytes with {} parameters", QUERY.split('&').count()),
        &[
            candidate("query as it is", || key(&prefix, &whole)),
            candidate("query sorted", || key(&prefix, &sorted)),
            candidate("query without tracking, sorted", || key(&prefix, &untracked)),
        ],
    );
    let tables = [10, 1000].map(|routes| (routes, table(routes)));
    for (routes, table) in &tables {
        let find = |path: String| move || table.routes().find(black_box(&path)).0;
        let last = routes - 8;
        let n = last - last % 4;
        list(
            &format!("The policy of a path among {routes} routes"),
            &[
                candidate("a path as written", find(format!("/section{n}/items"))),
                candidate("a parameter", find(format!("/section{}/items/48151623", n + 1))),
                candidate("two parameters", find(format!("/section{}/books/48151623/reviews", n + 2))),
                candidate("the rest of a path", find(format!("/section{}/files/a/b/c.css", n + 3))),
                candidate("none: the fallback", find("/nothing/of/the/kind".to_owned())),
            ],
        );
    }
}
