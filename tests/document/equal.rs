//! The same policy in code and in JSON.

use super::{policy, rule, secs};
use layercake::policy::Tiers;
use layercake::policy::document::Document;
use layercake::{Policy, QueryKey};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn each_base() {
    for (fields, expected) in [
        (r#""ttl": "30s""#, Policy::ttl(secs(30))),
        (r#""ttl": 30"#, Policy::ttl(secs(30))),
        (r#""from_headers": true"#, Policy::from_headers()),
        (r#""rfc9111": true"#, Policy::rfc9111()),
        (r#""bypass": true"#, Policy::bypass()),
    ] {
        assert_eq!(policy(fields), expected, "{fields}");
        let fallback = format!(r#"{{"app": "a", "version": 1, "fallback": {{{fields}}}}}"#);
        assert_eq!(Document::parse(&fallback).unwrap().fallback, expected, "{fields}");
    }
}

#[test]
fn each_field() {
    let ttl = || Policy::ttl(secs(30));
    for (field, expected) in [
        (r#""stale_while_revalidate": "1m""#, ttl().stale_while_revalidate(secs(60))),
        (r#""stale_if_error": "1h""#, ttl().stale_if_error(secs(3600))),
        (r#""soft_timeout": "300ms""#, ttl().soft_timeout(Duration::from_millis(300))),
        (r#""hard_timeout": "10s""#, ttl().hard_timeout(secs(10))),
        (r#""collapse_wait": 0"#, ttl().collapse_wait(Duration::ZERO)),
        (r#""refresh_early": "5s""#, ttl().refresh_early(secs(5))),
        (r#""jitter": 10"#, ttl().jitter(10)),
        (r#""default_ttl": 5"#, ttl().default_ttl(secs(5))),
        (r#""keep": "7d""#, ttl().keep(secs(7 * 86_400))),
        (r#""heuristic_ttl": "200ms""#, ttl().heuristic_ttl(Duration::from_millis(200))),
        (r#""heuristic_ttl": 0"#, ttl().heuristic_ttl(Duration::ZERO)),
        (r#""max_variants": 0"#, ttl().max_variants(0)),
        (r#""languages": ["en", "pt-BR"]"#, ttl().languages(&["en", "pt-BR"])),
        (r#""encodings": ["br", "gzip"]"#, ttl().encodings(&["br", "gzip"])),
        (r#""targets": []"#, ttl().targets(&[])),
        (r#""targets": ["CDN-Cache-Control"]"#, ttl().targets(&["CDN-Cache-Control"])),
        (r#""strip_targets": true"#, ttl().strip_targets()),
        (r#""anonymous": true"#, ttl().anonymous()),
        (r#""anonymous": false"#, ttl()),
        (r#""status": {"404": "10s", "503": 1}"#, ttl().status(404, secs(10)).status(503, secs(1))),
        (r#""methods": ["GET"]"#, ttl().methods(&["GET"])),
        (r#""max_body": "1MiB""#, ttl().max_body(1 << 20)),
        (r#""max_body": 77"#, ttl().max_body(77)),
        (r#""tiers": ["hot", "l1", "l2"]"#, ttl()),
        (r#""tiers": ["l1"]"#, ttl().tiers(Tiers::ALL.without_hot().without_l2())),
        (r#""tiers": []"#, ttl().tiers(Tiers::ALL.without_hot().without_l1().without_l2())),
        (r#""query": "whole""#, ttl()),
        (r#""query": "ignored""#, ttl().query(QueryKey::ignored())),
        (r#""query": {}"#, ttl()),
        (r#""query": {"keep": "all", "sort": true}"#, ttl().query(QueryKey::whole().sort())),
        (r#""query": {"keep": "none"}"#, ttl().query(QueryKey::ignored())),
        (r#""query": {"sort": true, "only": ["q", "p*"]}"#, ttl().query(QueryKey::only(&["q", "p*"]).sort())),
        (r#""query": {"without": ["x"]}"#, ttl().query(QueryKey::without(&["x"]))),
        (r#""query": {"without_tracking": true, "sort": false}"#, ttl().query(QueryKey::without_tracking())),
        (r#""key_headers": ["X-Tenant"]"#, ttl().key_headers(&["X-Tenant"])),
        (r#""key_cookies": ["plan"]"#, ttl().key_cookies(&["plan"])),
        (r#""key_values": ["country"]"#, ttl().key_values(&["country"])),
        (r#""shared_between_hosts": true"#, ttl().shared_between_hosts()),
        (r#""ignore_case": true"#, ttl().ignore_case()),
        (r#""ignore_trailing_slash": true"#, ttl().ignore_trailing_slash()),
        (r#""cache_ambiguous_paths": true"#, ttl().cache_ambiguous_paths()),
        (r#""browser_ttl": "5m""#, ttl().browser_ttl(secs(300))),
        (r#""replay_set_cookie": true"#, ttl().replay_set_cookie()),
        (r#""verify_one_in": 100"#, ttl().verify_one_in(100)),
    ] {
        // Before the base and behind it.
        for fields in [format!(r#""ttl": 30, {field}"#), format!(r#"{field}, "ttl": 30"#)] {
            assert_eq!(policy(&fields), expected, "{fields}");
        }
    }
}

type Timing = fn(Policy, Duration) -> Policy;

const TIMES: &[(&str, Timing)] = &[
    ("stale_while_revalidate", Policy::stale_while_revalidate),
    ("stale_if_error", Policy::stale_if_error),
    ("soft_timeout", Policy::soft_timeout),
    ("hard_timeout", Policy::hard_timeout),
    ("collapse_wait", Policy::collapse_wait),
    ("refresh_early", Policy::refresh_early),
    ("default_ttl", Policy::default_ttl),
    ("keep", Policy::keep),
    ("heuristic_ttl", Policy::heuristic_ttl),
    ("browser_ttl", Policy::browser_ttl),
];

type Switching = fn(Policy) -> Policy;

const SWITCHES: &[(&str, Switching)] = &[
    ("strip_targets", Policy::strip_targets),
    ("anonymous", Policy::anonymous),
    ("shared_between_hosts", Policy::shared_between_hosts),
    ("ignore_case", Policy::ignore_case),
    ("ignore_trailing_slash", Policy::ignore_trailing_slash),
    ("cache_ambiguous_paths", Policy::cache_ambiguous_paths),
    ("replay_set_cookie", Policy::replay_set_cookie),
];

type Naming = fn(Policy, &[&str]) -> Policy;

const NAMES: &[(&str, Naming)] = &[
    ("languages", Policy::languages),
    ("encodings", Policy::encodings),
    ("targets", Policy::targets),
    ("key_headers", Policy::key_headers),
    ("key_cookies", Policy::key_cookies),
    ("key_values", Policy::key_values),
];

const WORDS: &[&str] = &["en", "pt-BR", "br", "X-Tenant", "a", "authorization", "CDN-Cache-Control", "z_9"];

/// A setting, in a form that both code and JSON can be made of.
#[derive(Clone, Debug)]
enum Set {
    Time(usize, u64),
    Switch(usize, bool),
    Names(usize, Vec<&'static str>),
    Statuses(Vec<(u16, u64)>),
    Methods(bool, bool),
    MaxBody(u64),
    MaxVariants(u32),
    Tiers([bool; 3]),
    Query(u8, Vec<&'static str>, bool),
    VerifyOneIn(u32),
}

fn set() -> impl Strategy<Value = Set> {
    let names = || prop::collection::vec(prop::sample::select(WORDS), 1..4);
    let status = prop::sample::select(&[200_u16, 204, 301, 404, 410, 500, 503, 599][..]);
    let statuses = prop::collection::btree_map(status, 0..100_000_u64, 0..4);
    prop_oneof![
        6 => (0..TIMES.len(), 0..100_000_000_u64).prop_map(|(which, ms)| Set::Time(which, ms)),
        6 => (0..SWITCHES.len(), any::<bool>()).prop_map(|(which, on)| Set::Switch(which, on)),
        6 => (0..NAMES.len(), names()).prop_map(|(which, names)| Set::Names(which, names)),
        1 => statuses.prop_map(|statuses| Set::Statuses(statuses.into_iter().rev().collect())),
        1 => any::<(bool, bool)>().prop_map(|(get, head)| Set::Methods(get, head)),
        1 => (1..u64::MAX).prop_map(Set::MaxBody),
        1 => any::<u32>().prop_map(Set::MaxVariants),
        1 => any::<[bool; 3]>().prop_map(Set::Tiers),
        2 => (0..6_u8, names(), any::<bool>()).prop_map(|(how, names, sort)| Set::Query(how, names, sort)),
        1 => (1..u32::MAX).prop_map(Set::VerifyOneIn),
    ]
}

fn list(names: &[&str]) -> String {
    serde_json::to_string(names).unwrap()
}

/// A time in milliseconds, in one of the forms that it may have.
fn time(ms: u64) -> String {
    match ms % 4 {
        0 if ms.is_multiple_of(1000) => (ms / 1000).to_string(),
        0 | 1 => format!("{}.{:03}", ms / 1000, ms % 1000),
        _ if ms.is_multiple_of(86_400_000) => format!("\"{}d\"", ms / 86_400_000),
        _ => format!("\"{ms}ms\""),
    }
}

impl Set {
    fn name(&self) -> &'static str {
        match self {
            Self::Time(which, _) => TIMES[*which].0,
            Self::Switch(which, _) => SWITCHES[*which].0,
            Self::Names(which, _) => NAMES[*which].0,
            Self::Statuses(_) => "status",
            Self::Methods(..) => "methods",
            Self::MaxBody(_) => "max_body",
            Self::MaxVariants(_) => "max_variants",
            Self::Tiers(_) => "tiers",
            Self::Query(..) => "query",
            Self::VerifyOneIn(_) => "verify_one_in",
        }
    }

    fn methods(get: bool, head: bool) -> Vec<&'static str> {
        [("GET", get), ("HEAD", head)].into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
    }

    fn json(&self) -> String {
        let value = match self {
            Self::Time(_, ms) => time(*ms),
            Self::Switch(_, on) => on.to_string(),
            Self::Names(_, names) => list(names),
            Self::Statuses(statuses) => {
                let pairs: Vec<String> =
                    statuses.iter().map(|(status, ms)| format!("\"{status}\": {}", time(*ms))).collect();
                format!("{{{}}}", pairs.join(", "))
            }
            Self::Methods(get, head) => list(&Self::methods(*get, *head)),
            Self::MaxBody(bytes) if bytes % 1024 == 0 => format!("\"{}KiB\"", bytes / 1024),
            Self::MaxBody(bytes) => bytes.to_string(),
            Self::MaxVariants(number) | Self::VerifyOneIn(number) => number.to_string(),
            Self::Tiers(on) => {
                let names = ["hot", "l1", "l2"].into_iter().zip(on).filter(|(_, on)| **on).map(|(name, _)| name);
                list(&names.collect::<Vec<_>>())
            }
            Self::Query(how, names, sort) => {
                let how = match how {
                    0 => "\"keep\": \"all\"".to_owned(),
                    1 => "\"keep\": \"none\"".to_owned(),
                    2 => format!("\"only\": {}", list(names)),
                    3 => format!("\"without\": {}", list(names)),
                    4 => "\"without_tracking\": true".to_owned(),
                    _ => return format!("\"query\": {{\"sort\": {sort}}}"),
                };
                format!("{{\"sort\": {sort}, {how}}}")
            }
        };
        format!("\"{}\": {value}", self.name())
    }

    fn code(&self, policy: Policy) -> Policy {
        match self {
            Self::Time(which, ms) => (TIMES[*which].1)(policy, Duration::from_millis(*ms)),
            Self::Switch(which, true) => (SWITCHES[*which].1)(policy),
            Self::Switch(_, false) => policy,
            Self::Names(which, names) => (NAMES[*which].1)(policy, names),
            Self::Statuses(statuses) => {
                let each =
                    |policy: Policy, (status, ms): &(u16, u64)| policy.status(*status, Duration::from_millis(*ms));
                statuses.iter().fold(policy, each)
            }
            Self::Methods(get, head) => policy.methods(&Self::methods(*get, *head)),
            Self::MaxBody(bytes) => policy.max_body(*bytes),
            Self::MaxVariants(most) => policy.max_variants(*most as usize),
            Self::Tiers([hot, l1, l2]) => {
                let tiers = if *hot { Tiers::ALL } else { Tiers::ALL.without_hot() };
                let tiers = if *l1 { tiers } else { tiers.without_l1() };
                policy.tiers(if *l2 { tiers } else { tiers.without_l2() })
            }
            Self::Query(how, names, sort) => {
                let key = match how {
                    1 => QueryKey::ignored(),
                    2 => QueryKey::only(names),
                    3 => QueryKey::without(names),
                    4 => QueryKey::without_tracking(),
                    _ => QueryKey::whole(),
                };
                policy.query(if *sort { key.sort() } else { key })
            }
            Self::VerifyOneIn(n) => policy.verify_one_in(*n),
        }
    }
}

proptest! {
    #[test]
    fn any_policy(base in 0..3_u8, ms in 1..100_000_000_u64, sets in prop::collection::vec(set(), 0..20)) {
        let (mut policy, mut fields) = match base {
            0 => (Policy::ttl(Duration::from_millis(ms)), vec![format!("\"ttl\": {}", time(ms))]),
            1 => (Policy::from_headers(), vec!["\"from_headers\": true".to_owned()]),
            _ => (Policy::rfc9111(), vec!["\"rfc9111\": true".to_owned()]),
        };
        let mut names = Vec::new();
        for set in sets {
            // By the letter two switches are on, and cannot be turned off.
            let is_fixed = base == 2 && matches!(set.name(), "replay_set_cookie" | "cache_ambiguous_paths");
            if !is_fixed && !names.contains(&set.name()) {
                names.push(set.name());
                fields.push(set.json());
                policy = set.code(policy);
            }
        }
        let text = rule(&fields.join(", "));
        match Document::check(&text) {
            Ok(document) => prop_assert_eq!(&document.routes[0].1, &policy, "{}", text),
            Err(errors) => prop_assert!(false, "{}: {:?}", text, errors),
        }
    }
}
