//! Directives: what they say, and what is decided by them.

use super::{NOW, Raw, by_the_letter, config, one, secs, text};
use layercake::semantics::cache_control::{CacheControl, MAX_DELTA_SECONDS, TARGETS};
use layercake::semantics::freshness::Freshness;
use layercake::semantics::reuse::{Reuse, reuse};
use layercake::semantics::status::{CacheStatus, ForwardReason};
use layercake::semantics::storage::{RequestFacts, storable};
use layercake::semantics::structured::{Kind, dictionary, list, parameters};
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "max-age",
    "s-maxage=",
    "max-stale",
    "min-fresh=",
    "stale-while-revalidate=",
    "stale-if-error=",
    "no-store",
    "no-cache",
    "private",
    "public",
    "must-revalidate",
    "must-understand",
    "only-if-cached",
    "=",
    "=\"",
    "\"",
    "\\",
    ",",
    ", ",
    " ",
    "\t",
    ";",
    "0",
    "60",
    "4294967296",
    "-1",
    "x-user",
    "Max-Age=5",
    "?0",
    "(",
    ")",
    "\u{e9}",
];

fn lifetimes(cc: &CacheControl) -> [Option<u32>; 5] {
    [cc.max_age, cc.s_maxage, cc.stale_while_revalidate, cc.stale_if_error, cc.min_fresh]
}

fn directives() -> impl Strategy<Value = CacheControl> {
    let seconds = || prop::option::of(prop_oneof![0..100_u32, Just(MAX_DELTA_SECONDS)]);
    let flags = any::<[bool; 8]>();
    let names = prop::collection::vec("[a-z-]{1,8}", 0..3);
    (
        seconds(),
        seconds(),
        seconds(),
        seconds(),
        seconds(),
        prop::option::of(prop_oneof![0..9_u32, Just(u32::MAX)]),
        flags,
        names,
    )
        .prop_map(|(max_age, s_maxage, swr, sie, min_fresh, max_stale, flags, names)| CacheControl {
            max_age,
            s_maxage,
            stale_while_revalidate: swr,
            stale_if_error: sie,
            min_fresh,
            max_stale,
            no_store: flags[0],
            no_cache: flags[1],
            private: flags[2],
            withheld: names.into_iter().map(String::into_boxed_str).collect(),
            public: flags[3],
            must_revalidate: flags[4],
            proxy_revalidate: flags[5],
            must_understand: flags[6],
            only_if_cached: flags[7],
        })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_written_is_what_is_read(cc in directives()) {
        prop_assert_eq!(CacheControl::parse(cc.to_string().as_bytes()), cc);
    }

    #[test]
    fn whatever_is_read_is_written_and_read_again(value in text(WORDS)) {
        let cc = CacheControl::parse(&value);
        prop_assert!(lifetimes(&cc).into_iter().flatten().all(|seconds| seconds <= MAX_DELTA_SECONDS));
        prop_assert!(cc.withheld.iter().all(|name| !name.is_empty() && !name.contains([',', '"', ' '])));
        prop_assert_eq!(CacheControl::parse(cc.to_string().as_bytes()), cc);
    }

    #[test]
    fn a_targeted_field_is_a_dictionary_or_nothing(value in text(WORDS)) {
        let mut members = 0;
        let valid = dictionary(&value, &mut |_| members += 1).is_ok() && members > 0;
        let read = CacheControl::parse_targeted(&value);
        prop_assert_eq!(read.is_some(), valid);
        if let Some(cc) = read {
            prop_assert!(lifetimes(&cc).into_iter().flatten().all(|seconds| seconds <= MAX_DELTA_SECONDS));
            let found = CacheControl::of_response(&Raw(vec![(TARGETS[0], value), ("cache-control", b"max-age=1".into())]), &TARGETS);
            prop_assert!(found.targeted && found.directives == cc);
        }
    }

    #[test]
    fn neither_case_nor_order_of_different_directives_matters(
        parts in prop::sample::subsequence(
            vec!["max-age=5", "s-maxage=\"7\"", "no-store", "private", "public", "no-cache=\"a\"", "must-revalidate", "x=\"y, z\""], 0..8,
        ).prop_shuffle(),
        upper in any::<bool>(),
        separator in prop::sample::select(vec![",", ", ", " ,\t", ",,", " , , "]),
    ) {
        let mut sorted = parts.clone();
        sorted.sort_unstable();
        let mut text = parts.join(separator);
        if upper {
            text.make_ascii_uppercase();
        }
        prop_assert_eq!(CacheControl::parse(text.as_bytes()), CacheControl::parse(sorted.join(", ").as_bytes()));
    }

    #[test]
    fn what_is_stored_was_not_forbidden(value in text(WORDS), targeted in any::<bool>(), etag in any::<bool>()) {
        let name = if targeted { "cdn-cache-control" } else { "cache-control" };
        let mut fields = one(name, value);
        if etag {
            fields.0.push(("etag", b"\"v\"".to_vec()));
        }
        let rules = by_the_letter();
        let cc = CacheControl::of_response(&fields, &rules.targets).directives;
        let facts = RequestFacts { get: true, request_time: NOW, ..RequestFacts::default() };
        if let Ok(stored) = storable(&rules, facts, 200, &fields, None, NOW) {
            let freshness = stored.freshness;
            prop_assert!(!cc.private && (!cc.no_store || cc.must_understand));
            prop_assert!(!cc.no_cache || (etag && !freshness.is_fresh(NOW)));
            prop_assert!(freshness.lifetime <= secs(1 << 31));
            prop_assert!(freshness.stale_while_revalidate.is_zero() || !cc.forbids_stale());
            prop_assert!(freshness.stale_if_error.is_zero() || !cc.forbids_stale());
        }
    }

    #[test]
    fn an_answer_is_what_the_client_asked(
        request in directives(),
        ages in (0..200_u64, 0..200_u64, 0..50_u64),
        never_stale in any::<bool>(),
    ) {
        let (age, lifetime, window) = ages;
        let freshness = Freshness {
            born: NOW.minus(secs(age)),
            lifetime: secs(lifetime),
            stale_while_revalidate: secs(if never_stale { 0 } else { window }),
            never_stale,
            ..Freshness::default()
        };
        let answer = reuse(&freshness, Some(&request), NOW);
        let past = age.saturating_sub(lifetime);
        prop_assert_eq!(matches!(answer, Reuse::Validate(_)) && request.only_if_cached, false);
        prop_assert!(answer != Reuse::Fresh || age < lifetime, "fresh at the end of its lifetime");
        if matches!(answer, Reuse::Fresh | Reuse::Stale | Reuse::StaleWhileRevalidate) {
            prop_assert!(!request.no_cache);
            prop_assert!(request.max_age.is_none_or(|most| age <= u64::from(most)));
            prop_assert!(request.min_fresh.is_none_or(|least| lifetime >= age + u64::from(least)));
            prop_assert!(age < lifetime || request.max_stale.is_none_or(|most| past <= u64::from(most)));
            prop_assert!(age < lifetime || !never_stale);
        }
    }

    #[test]
    fn a_status_is_a_list_of_one(
        hit in any::<bool>(),
        stored in any::<bool>(),
        collapsed in any::<bool>(),
        ttl in any::<Option<i64>>(),
        forward_status in any::<Option<u16>>(),
        reason in prop::option::of(prop::sample::select(vec![
            ForwardReason::Bypass, ForwardReason::Method, ForwardReason::UriMiss, ForwardReason::VaryMiss,
            ForwardReason::Partial, ForwardReason::Stale, ForwardReason::Request,
        ])),
        detail in prop::option::of(prop::sample::select(vec!["l1", "stale-if-error", "not-stored-method"])),
    ) {
        let status = CacheStatus { hit, stored, collapsed, ttl, forward_status, forwarded: reason, detail };
        let (text, mut members, mut seen) = (status.to_field(), 0, Vec::new());
        list(text.as_bytes(), &mut |member| {
            members += 1;
            assert_eq!((member.raw, member.kind), (&b"layercake"[..], Kind::Token));
            parameters(member.parameters, &mut |p| seen.push((p.key.to_vec(), p.kind, p.raw.to_vec()))).unwrap();
        }).unwrap();
        prop_assert_eq!(members, 1);
        let find = |key: &str| seen.iter().find(|(k, ..)| k == key.as_bytes());
        for (key, set) in [("hit", hit), ("stored", stored), ("collapsed", collapsed)] {
            prop_assert_eq!(find(key).map(|(_, kind, _)| *kind), set.then_some(Kind::Boolean(true)));
        }
        let most = 999_999_999_999_999;
        let expected = ttl.map(|ttl| Kind::Integer(ttl.clamp(-most, most)));
        prop_assert_eq!(find("ttl").map(|(_, kind, _)| *kind), expected);
        prop_assert_eq!(find("fwd-status").map(|(_, kind, _)| *kind), forward_status.map(|s| Kind::Integer(s.into())));
        let word = |key| find(key).map(|(_, _, raw)| String::from_utf8(raw.clone()).unwrap());
        prop_assert_eq!(word("fwd"), reason.map(|reason| reason.as_str().to_owned()));
        prop_assert_eq!(word("detail"), detail.map(str::to_owned));
    }
}
