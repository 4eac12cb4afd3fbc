//! The key of a long URL, and tables of many routes.

use layercake::policy::key::{CacheKey, KeyPrefix, Keyed};
use layercake::{CacheConfig, Policy, QueryKey, SchemaVersion};
use std::hint::black_box;
use std::time::Duration;

pub const PATH: &str = "/catalogue/kitchen/appliances/coffee-machines";

/// 300 bytes with scheme, host and path; ten parameters, four of them of campaigns.
pub const QUERY: &str = "brand=bellavista&page=3&sort=price-ascending&colour=anthracite&utm_source=newsletter&utm_medium=email&\
                     utm_campaign=autumn-2026&gclid=EAIaIQobChMI8sSH3fKQ&delivery=this-week&seller=any-seller-with-\
                     more-than-95-percent-of-good-reviews";

/// The namespace of all keys here.
pub fn prefix() -> KeyPrefix {
    KeyPrefix::new("shop", SchemaVersion(1), "").expect("a prefix")
}

pub fn key(prefix: &KeyPrefix, by: &QueryKey) -> CacheKey {
    let query = by.apply(Some(black_box(QUERY)));
    let site = ("https", "shop.example.com");
    let keyed = Keyed { scheme: site.0, authority: site.1, by_host: true, path: PATH.into(), query, parts: &[] };
    CacheKey::of(prefix, &keyed)
}

/// A table of so many routes of four kinds, and of those in `more`.
pub fn table(routes: usize, more: &[(&str, Policy)]) -> CacheConfig {
    let begun = CacheConfig::new("shop", SchemaVersion(1));
    let patterns = (0..routes).map(|n| match n % 4 {
        0 => format!("/section{n}/items"),
        1 => format!("/section{n}/items/:id"),
        2 => format!("/section{n}/:kind/:id/reviews"),
        _ => format!("/section{n}/files/*rest"),
    });
    let table = patterns.fold(begun, |table, pattern| table.route(&pattern, Policy::ttl(Duration::from_secs(60))));
    let table = more.iter().fold(table, |table, (pattern, policy)| table.route(pattern, policy.clone()));
    table.build().expect("the table is right")
}

/// Paths of the last routes of such a table, one of each kind, and one of none.
pub fn paths(routes: usize) -> [(&'static str, String); 5] {
    let n = (routes - 8) / 4 * 4;
    [
        ("a path as written", format!("/section{n}/items")),
        ("a parameter", format!("/section{}/items/48151623", n + 1)),
        ("two parameters", format!("/section{}/books/48151623/reviews", n + 2)),
        ("the rest of a path", format!("/section{}/files/a/b/c.css", n + 3)),
        ("none: the fallback", "/nothing/of/the/kind".to_owned()),
    ]
}
