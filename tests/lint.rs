//! What is said of tables that are allowed: each kind of finding where it belongs, and nothing where it does not.

use layercake::policy::Tiers;
use layercake::policy::lint::Finding;
use layercake::{CacheConfig, CacheConfigBuilder, Policy, QueryKey, SchemaVersion};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ttl(seconds: u64) -> Policy {
    Policy::ttl(secs(seconds))
}

fn table() -> CacheConfigBuilder {
    CacheConfig::new("shop", SchemaVersion(1)).value("plan", |_| None)
}

fn one(pattern: &str, policy: Policy) -> CacheConfigBuilder {
    table().route(pattern, policy)
}

fn findings(table: CacheConfigBuilder) -> Vec<Finding> {
    table.build().unwrap().lint()
}

const ALL: Tiers = Tiers::ALL;
const HOT: Tiers = ALL.without_l1().without_l2();
const EDGE: Tiers = ALL.without_l2();
const KV: Tiers = ALL.without_hot().without_l1();

/// Tables by the code of what is found in them: there, and in no other of these.
fn cases() -> Vec<(&'static str, Vec<CacheConfigBuilder>, Vec<CacheConfigBuilder>)> {
    let hour = || ttl(HOUR);
    let swr = |policy: Policy, window| policy.stale_while_revalidate(secs(window));
    vec![
        (
            "unreachable",
            vec![one("/a/{id}", hour()), one("/a?x=1", hour()), one("/a b", hour()), one("/\u{e9}", hour())],
            vec![one("/a/:id", hour()), one("/a%20b", hour()), one("/", hour()), one("/~u/@v:x", hour())],
        ),
        (
            "past-cache",
            vec![one("/a//b", hour()), one("/a;b", hour()), one("/a/%2e%2e", hour())],
            vec![one("/a.b/:x", hour()), one("/a//b", Policy::bypass()), one("/a//b", Policy::rfc9111())],
        ),
        (
            "soft-timeout-in-vain",
            vec![
                one("/a", hour().soft_timeout(secs(1))),
                one("/a", hour().soft_timeout(secs(1)).stale_if_error(secs(0))),
            ],
            vec![
                one("/a", hour().soft_timeout(secs(1)).stale_if_error(secs(60))),
                one("/a", Policy::from_headers().soft_timeout(secs(1))),
                one("/a", hour().hard_timeout(secs(1))),
            ],
        ),
        (
            "soft-behind-hard",
            vec![one("/a", hour().stale_if_error(secs(60)).soft_timeout(secs(2)).hard_timeout(secs(2)))],
            vec![one("/a", hour().stale_if_error(secs(60)).soft_timeout(secs(1)).hard_timeout(secs(2)))],
        ),
        (
            "early-always",
            vec![one("/a", hour().refresh_early(secs(1800)))],
            vec![
                one("/a", hour().refresh_early(secs(300))),
                one("/a", Policy::from_headers().refresh_early(secs(300))),
            ],
        ),
        (
            "patient-followers",
            vec![one("/a", hour().collapse_wait(secs(16)))],
            vec![one("/a", hour()), one("/a", hour().collapse_wait(secs(0)))],
        ),
        (
            "hidden-fallback",
            vec![one("/*rest", hour()).fallback(Policy::bypass())],
            vec![
                one("/*rest", hour()),
                one("/a/*rest", hour()).fallback(Policy::bypass()),
                one("/*rest", hour()).fallback(hour()),
            ],
        ),
        (
            "catch-all-gap",
            vec![
                one("/blog/*rest", hour()),
                one("/*rest", hour()),
                one("/blog/*rest", hour()).route("/blog/", hour()),
                one("/private/*rest", Policy::bypass()).fallback(hour()),
                one("/private/*rest", Policy::bypass()).route("/:page", hour()),
                one("/private/*rest", Policy::bypass()).route("/private", Policy::bypass()).fallback(hour()),
                one("/:shop/blog/*rest", hour()),
            ],
            vec![
                one("/blog/*rest", hour()).route("/blog", hour()),
                one("/blog/*rest", hour()).route("/blog", ttl(2 * HOUR)),
                one("/blog/*rest", hour()).fallback(hour()),
                one("/assets/*rest", hour()),
                one("/blog/*rest", Policy::from_headers()).fallback(hour()),
                one("/private/*rest", Policy::bypass()),
                one("/private/*rest", Policy::bypass())
                    .route("/private", Policy::bypass())
                    .route("/private/", Policy::bypass())
                    .fallback(hour()),
                one("/:shop/blog/*rest", hour()).route("/:shop/blog", Policy::bypass()),
            ],
        ),
        (
            "no-tier",
            vec![one("/a", hour().tiers(HOT.without_hot())), one("/a", swr(ttl(1), 1).tiers(HOT)).hot_budget(0)],
            vec![one("/a", ttl(1).tiers(HOT)), one("/a", hour()).hot_budget(0)],
        ),
        ("no-get", vec![one("/a", hour().methods(&["HEAD"]))], vec![one("/a", hour().methods(&["GET"]))]),
        (
            "idle-default-ttl",
            vec![one("/a", hour().default_ttl(secs(5)))],
            vec![one("/a", Policy::from_headers().default_ttl(secs(5))), one("/a", hour())],
        ),
        (
            "short-for-kv",
            vec![one("/a", ttl(30)), one("/a", swr(ttl(30), 29))],
            vec![
                one("/a", swr(ttl(30), 30)),
                one("/a", ttl(30).stale_if_error(secs(30))),
                one("/a", ttl(30).tiers(EDGE)),
                one("/a", ttl(60)),
            ],
        ),
        (
            "short-for-l1",
            vec![one("/a", Policy::ttl(Duration::from_millis(200)))],
            vec![
                one("/a", ttl(1)),
                one("/a", swr(Policy::ttl(Duration::from_millis(200)), 60)),
                one("/a", Policy::ttl(Duration::from_millis(200)).tiers(HOT)),
            ],
        ),
        (
            "outlives-hot",
            vec![one("/a", ttl(6).tiers(HOT)), one("/a", swr(Policy::from_headers(), 10).tiers(HOT))],
            vec![
                one("/a", ttl(5).tiers(HOT)),
                one("/a", hour().tiers(EDGE)),
                one("/a", ttl(60).tiers(HOT)).hot_ttl(secs(60)),
            ],
        ),
        (
            "outlives-l1",
            vec![
                one("/a", swr(ttl(60), 2 * DAY).tiers(EDGE)),
                one("/a", ttl(60).stale_if_error(secs(2 * DAY)).tiers(EDGE)),
            ],
            vec![one("/a", swr(ttl(60), 2 * DAY)), one("/a", swr(ttl(60), DAY).tiers(EDGE))],
        ),
        ("long-ttl", vec![one("/a", ttl(2 * DAY))], vec![one("/a", ttl(DAY)), one("/assets/*rest", ttl(365 * DAY))]),
        (
            "long-error",
            vec![one("/a", hour().status(404, secs(HOUR)).status(503, secs(2 * MINUTE)))],
            vec![one("/a", hour().status(404, secs(HOUR)).status(503, secs(MINUTE)))],
        ),
        (
            "body-for-kv",
            vec![one("/a", hour().tiers(KV).max_body(26 << 20))],
            vec![
                one("/a", hour().tiers(KV)),
                one("/a", hour().max_body(64 << 20)),
                one("/a", hour().tiers(KV).max_body(25 << 20)),
            ],
        ),
        (
            "browser-outlasts",
            vec![one("/a", hour().browser_ttl(secs(DAY)))],
            vec![one("/a", hour().browser_ttl(secs(HOUR))), one("/a", Policy::from_headers().browser_ttl(secs(DAY)))],
        ),
        (
            "idle-settings",
            vec![
                one("/a", Policy::bypass().anonymous()),
                one("/a", Policy::bypass().default_ttl(secs(5))),
                one("/a", Policy::bypass().languages(&["en"]).query(QueryKey::ignored())),
            ],
            vec![one("/a", Policy::bypass())],
        ),
        (
            "anonymous-personal",
            vec![one("/account", hour().anonymous()), one("/api/Cart/:id", Policy::from_headers().anonymous())],
            vec![one("/account", Policy::bypass()), one("/about", hour().anonymous()), one("/account", hour())],
        ),
        (
            "cached-personal",
            vec![
                one("/users/:id", hour()),
                one("/checkout", Policy::from_headers().default_ttl(secs(60))),
                one("/me", Policy::rfc9111()),
            ],
            vec![
                one("/users/:id", Policy::from_headers()),
                one("/:user", hour()),
                one("/accounting", hour()),
                one("/me", hour().key_headers(&["authorization"])),
                one("/me", hour().key_values(&["plan"])),
            ],
        ),
        (
            "search-without-query",
            vec![
                one("/search", hour().query(QueryKey::ignored())),
                one("/api/Suggest", hour().query(QueryKey::ignored().sort())),
            ],
            vec![
                one("/search", hour().query(QueryKey::only(&["q"]))),
                one("/research", hour().query(QueryKey::ignored())),
            ],
        ),
        (
            "replayed-cookie",
            vec![one("/a", hour().replay_set_cookie())],
            vec![one("/a", hour()), one("/a", Policy::rfc9111())],
        ),
        (
            "stale-cookie",
            vec![one("/a", swr(hour(), 60).replay_set_cookie()), one("/a", Policy::rfc9111().stale_if_error(secs(60)))],
            vec![one("/a", hour().replay_set_cookie()), one("/a", swr(hour(), 60)), one("/a", Policy::rfc9111())],
        ),
        (
            "letter-and-cookies",
            vec![one("/a", Policy::rfc9111()), one("/a", hour()).fallback(Policy::rfc9111())],
            vec![
                one("/a", Policy::rfc9111()).fallback(Policy::rfc9111()),
                one("/a", Policy::bypass()).fallback(Policy::rfc9111()),
                one("/a", hour()),
            ],
        ),
        (
            "wide-key",
            vec![
                one("/a", hour().key_headers(&["User-Agent"])),
                one("/a", hour().key_headers(&["x-forwarded-for"])),
                one("/a", hour().key_headers(&["accept"])),
                one("/a", hour().key_headers(&["accept-language"]).encodings(&["br"])),
                one("/a", hour().key_headers(&["x-session-cookie"])),
            ],
            vec![
                one("/a", hour().key_headers(&["x-tenant"])),
                one("/a", hour().key_headers(&["accept-language"]).languages(&["en", "it"])),
                one("/a", hour().key_headers(&["accept-encoding"]).encodings(&["br"])),
            ],
        ),
        (
            "key-per-user",
            vec![
                one("/a", hour().key_headers(&["authorization"])),
                one("/a", hour().key_headers(&["x-api-key"])),
                one("/a", hour().key_cookies(&["session"])),
            ],
            vec![
                one("/a", hour().key_headers(&["authorization"]).tiers(EDGE)),
                one("/a", hour().key_cookies(&["theme"])),
            ],
        ),
        (
            "too-many-variants",
            vec![
                one("/a", hour().max_variants(2).languages(&["en", "it", "de"])),
                one("/a", hour().languages(&["a", "b", "c", "d", "e", "f"]).encodings(&["br", "gzip"])),
                one("/a", hour().max_variants(0).languages(&["en", "it"])),
            ],
            vec![
                one("/a", hour().languages(&["en", "it"]).encodings(&["br", "gzip"])),
                one("/a", hour().max_variants(2).languages(&["en", "it", "de"]).key_headers(&["accept-language"])),
                one("/a", hour().max_variants(0)),
            ],
        ),
        (
            "ambiguous-paths",
            vec![one("/a", hour().cache_ambiguous_paths())],
            vec![one("/a", hour()), one("/a", Policy::rfc9111())],
        ),
        ("shared-hosts", vec![one("/a", hour().shared_between_hosts())], vec![one("/a", hour())]),
        (
            "harmless-session",
            vec![
                table().harmless_cookies(&["_ga", "PHPSESSID"]),
                table().harmless_cookies(&["*"]),
                table().harmless_cookies(&["connect.sid"]),
                table().harmless_cookies(&["s*"]),
                table().harmless_cookies(&["XSRF-TOKEN"]),
            ],
            vec![table(), table().harmless_cookies(&["theme", "sidebar", "_ga*"]), table().harmless_cookies(&[])],
        ),
        ("unkeyed-emptied", vec![table().unkeyed_headers(&[])], vec![table(), table().unkeyed_headers(&["x-host"])]),
    ]
}

#[test]
fn each_finding_where_it_belongs() {
    for (code, with, without) in cases() {
        assert!(!with.is_empty() && !without.is_empty());
        for (place, table) in with.into_iter().enumerate() {
            let found = findings(table);
            assert!(found.iter().any(|finding| finding.code == code), "{code} {place}: {found:#?}");
        }
        for (place, table) in without.into_iter().enumerate() {
            let found = findings(table);
            assert!(found.iter().all(|finding| finding.code != code), "{code} {place}: {found:#?}");
        }
    }
}

/// The codes in the sources: the first text behind each `found(`.
fn codes() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/lint");
    let mut codes = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let after = text.split("found(").skip(1).map(str::trim_start).filter_map(|rest| rest.strip_prefix('"'));
        codes.extend(after.filter_map(|rest| rest.split_once('"')).map(|(code, _)| code.to_owned()));
    }
    codes
}

#[test]
fn every_kind_of_finding_is_tried() {
    let tried: BTreeSet<String> = cases().into_iter().map(|(code, ..)| code.to_owned()).collect();
    assert_eq!(codes(), tried);
}

#[test]
fn findings_are_sentences_with_advice() {
    for (_, with, _) in cases() {
        for finding in with.into_iter().flat_map(findings) {
            for text in [&*finding.message, finding.advice] {
                assert!(text.ends_with('.') && !text.contains(".."), "{finding}");
            }
            assert_eq!(finding.rule.is_none(), finding.pattern.is_empty(), "{finding}");
        }
    }
}

#[test]
fn a_finding_names_its_rule() {
    let found = findings(one("/about", ttl(HOUR)).route("/account", ttl(HOUR)).fallback(ttl(2 * DAY)));
    let places: Vec<_> = found.iter().map(|finding| (finding.rule, finding.pattern.as_str(), finding.code)).collect();
    assert_eq!(places, [(Some(2), "/account", "cached-personal"), (Some(3), "(fallback)", "long-ttl")]);
    assert!(found[0].to_string().starts_with("rule 2, pattern \"/account\": cached-personal: \"account\" in the path"));
    let whole = findings(table().unkeyed_headers(&[]));
    assert!(whole[0].to_string().starts_with("table: unkeyed-emptied: "));
}

#[test]
fn the_gap_names_the_path_and_who_takes_it() {
    let found = findings(one("/:shop/private/*rest", Policy::bypass()).route("/:a/:b", ttl(HOUR)));
    assert!(found[0].message.contains("does not take \"/:x/private\", which goes to rule 2"), "{}", found[0]);
}

/// A table as the examples have it, beside its text.
macro_rules! with_text {
    ($($table:tt)*) => { ($($table)*, stringify!($($table)*)) };
}

/// The tables of the examples. Where one is changed, it has to be changed here too.
#[test]
fn nothing_is_said_of_the_examples() {
    let seconds = Duration::from_secs;
    let tables = [
        (
            "examples/shop/src/wrapped.rs",
            with_text! {
                CacheConfig::new("shop", SchemaVersion(1))
                    .cache_status(layercake::StatusForm::Full)
                    .route("/", Policy::ttl(seconds(300)))
                    .route("/assets/*file", Policy::ttl(seconds(86_400)).anonymous())
                    .route("/api/products", Policy::ttl(seconds(30)).stale_while_revalidate(seconds(60)))
                    .route(
                        "/api/products/:id",
                        Policy::ttl(seconds(30)).stale_while_revalidate(seconds(60)).stale_if_error(seconds(600)),
                    )
                    .route(
                        "/report",
                        Policy::ttl(seconds(60))
                            .stale_while_revalidate(seconds(600))
                            .stale_if_error(seconds(3600))
                            .soft_timeout(seconds(2))
                            .hard_timeout(seconds(20)),
                    )
                    .route("/account/*rest", Policy::bypass())
                    .build()
            },
        ),
        (
            "examples/proxy/src/lib.rs",
            with_text! {
                CacheConfig::new("proxy", SchemaVersion(1))
                    .cache_status(layercake::StatusForm::Full)
                    .environment("rfc9111")
                    .fallback(Policy::rfc9111())
                    .build()
            },
        ),
        (
            "examples/proxy/src/lib.rs",
            with_text! {
                CacheConfig::new("proxy", SchemaVersion(1)).cache_status(layercake::StatusForm::Full).environment("safe").build()
            },
        ),
        (
            "examples/axum/src/lib.rs",
            with_text! {
                CacheConfig::new("axum-example", SchemaVersion(1))
                    .cache_status(layercake::StatusForm::Full)
                    .route("/time", Policy::ttl(Duration::from_secs(10)).stale_while_revalidate(Duration::from_secs(60)))
                    .route("/account", Policy::bypass())
                    .build()
            },
        ),
    ];
    for (file, (table, text)) in tables {
        let without_space = |text: &str| text.split_whitespace().collect::<String>();
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let comment = |line: &&str| !line.trim_start().starts_with("//");
        let source: String = source.lines().filter(comment).collect();
        assert!(without_space(&source).contains(&without_space(text)), "{file} has another table");
        assert_eq!(table.unwrap().lint(), [], "{file}");
    }
}
