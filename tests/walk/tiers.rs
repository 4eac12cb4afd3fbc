//! What every tier has to keep to.

use crate::support::{MINUTE, get, scripted, secs};
use bytes::Bytes;
use layercake::Body;
use layercake::entry::{Head, StoredResponse};
use layercake::policy::key::Keyed;
use layercake::policy::{CacheKey, KeyPrefix, Level, SchemaVersion};
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::sim::{FaultyTier, GetFault, SimRuntime, StreamTier};
use layercake::tier::{MemoryTier, Takes, Tier, TierError};
use std::sync::Arc;

const START: Timestamp = SimRuntime::START;

fn tiers() -> [(&'static str, SimRuntime, Box<dyn Tier>); 3] {
    let runtime = SimRuntime::new();
    let faulty = FaultyTier::new(StreamTier::new(Level::L2, 1 << 20), runtime.clone());
    [
        ("memory", runtime.clone(), Box::new(MemoryTier::new(Level::L1, 1 << 20))),
        ("stream", runtime.clone(), Box::new(StreamTier::new(Level::L1, 1 << 20))),
        ("healthy", runtime, Box::new(faulty)),
    ]
}

fn key(path: &str) -> CacheKey {
    let prefix = KeyPrefix::new("shop", SchemaVersion(1), "").unwrap();
    CacheKey::of(&prefix, &Keyed::target(&get(path)))
}

/// Fresh for a minute, then stale for another.
fn entry(key: &CacheKey, body: impl Into<Body>, length: Option<u64>) -> StoredResponse {
    let freshness = Freshness { born: START, lifetime: MINUTE, stale_while_revalidate: MINUTE, ..Freshness::default() };
    let head = Head {
        key_check: key.check(),
        status: 200,
        freshness,
        received: START,
        shared: false,
        length,
        ..Head::default()
    };
    let mut headers = http::HeaderMap::new();
    headers.insert("x-kept", http::HeaderValue::from_static("1"));
    StoredResponse { head: Arc::new(head), headers: Box::new(headers), body: body.into() }
}

fn put(runtime: &SimRuntime, tier: &dyn Tier, key: &CacheKey, entry: StoredResponse) -> Result<(), TierError> {
    runtime.run(tier.put(key, entry, START))
}

fn read(runtime: &SimRuntime, tier: &dyn Tier, key: &CacheKey, at: Timestamp) -> Option<Bytes> {
    let found = runtime.run(tier.get(key, at)).unwrap()?;
    assert_eq!(found.head.key_check, key.check());
    let kept = layercake::semantics::Fields::field(&found.headers, "x-kept").map(|value| value.into_owned());
    assert_eq!(kept.as_deref(), Some(&b"1"[..]));
    Some(runtime.run(found.body.into_bytes(1 << 20)).unwrap())
}

#[test]
fn a_tier_gives_back_what_it_was_given_until_its_time_is_up() {
    for (name, runtime, tier) in tiers() {
        let (a, b) = (key("/a"), key("/b"));
        put(&runtime, &*tier, &a, entry(&a, "old", Some(3))).unwrap();
        put(&runtime, &*tier, &a, entry(&a, "new", None)).unwrap();
        put(&runtime, &*tier, &b, entry(&b, "other", Some(5))).unwrap();
        for _ in 0..2 {
            assert_eq!(read(&runtime, &*tier, &a, START).as_deref(), Some(&b"new"[..]), "{name}");
        }
        assert_eq!(read(&runtime, &*tier, &key("/c"), START), None, "{name}");
        runtime.run(tier.delete(&b)).unwrap();
        assert_eq!(read(&runtime, &*tier, &b, START), None, "{name}");
        let end = START.plus(2 * MINUTE);
        assert!(read(&runtime, &*tier, &a, end.minus(secs(1))).is_some(), "{name}");
        assert_eq!(read(&runtime, &*tier, &a, end), None, "{name}");
    }
}

#[test]
fn a_tier_commits_nothing_of_another_length_than_its_head_says() {
    for (name, runtime, tier) in tiers() {
        let a = key("/a");
        for length in [4, 6] {
            assert!(put(&runtime, &*tier, &a, entry(&a, "hello", Some(length))).is_err(), "{name}");
            assert_eq!(read(&runtime, &*tier, &a, START), None, "{name}");
        }
    }
}

#[test]
fn a_tier_that_takes_streams_commits_only_whole_ones() {
    for (name, runtime, tier) in tiers() {
        if tier.takes(None) != Takes::Stream {
            continue;
        }
        let a = key("/a");
        let torn = scripted([Ok(Bytes::from_static(b"hel")), Err("torn")]);
        assert!(put(&runtime, &*tier, &a, entry(&a, torn, None)).is_err(), "{name}");
        assert_eq!(read(&runtime, &*tier, &a, START), None, "{name}");
        let whole = scripted([Ok(Bytes::from_static(b"hel")), Ok(Bytes::from_static(b"lo"))]);
        put(&runtime, &*tier, &a, entry(&a, whole, Some(5))).unwrap();
        assert_eq!(read(&runtime, &*tier, &a, START).as_deref(), Some(&b"hello"[..]), "{name}");
    }
}

#[test]
fn many_are_answered_in_the_order_they_are_asked_for() {
    for (name, runtime, tier) in tiers() {
        let keys: Vec<_> = (0..20).map(|n| key(&format!("/{}", n % 15))).collect();
        for key in keys.iter().step_by(2) {
            put(&runtime, &*tier, key, entry(key, key.store_name().into_bytes(), None)).unwrap();
        }
        let found = runtime.run(tier.get_many(&keys, START));
        assert_eq!(found.len(), 20, "{name}");
        for (n, (found, key)) in found.into_iter().zip(&keys).enumerate() {
            // Those from the fifteenth on are there twice.
            let there = n % 15 % 2 == 0 || (n % 15 < 5 && n % 15 % 2 == 1);
            let body = found.unwrap().map(|entry| runtime.run(entry.body.into_bytes(1 << 20)).unwrap());
            assert_eq!(body, there.then(|| key.store_name().into()), "{name} {n}");
        }
        assert!(runtime.run(tier.get_many(&[], START)).is_empty(), "{name}");
    }
}

#[test]
fn a_tier_lists_what_it_has() {
    for (name, runtime, tier) in tiers() {
        let mut names = Vec::new();
        for path in ["/a", "/b", "/c"] {
            let key = key(path);
            put(&runtime, &*tier, &key, entry(&key, "hello", Some(5))).unwrap();
            names.push(key.store_name());
        }
        names.sort();
        let (mut listed, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = runtime.run(tier.list("lc1:shop:v1:", cursor.as_deref(), 2)).unwrap();
            assert!(page.entries.len() <= 2, "{name}");
            assert!(page.entries.iter().all(|entry| entry.head.as_ref().is_some_and(|head| head.length == Some(5))));
            listed.extend(page.entries.into_iter().map(|entry| entry.name));
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, names, "{name}");
        assert!(runtime.run(tier.list("lc1:shop:v10:", None, 2)).unwrap().entries.is_empty(), "{name}");
    }
}

#[test]
fn a_faulty_tier_fails_for_all_keys_at_once() {
    let runtime = SimRuntime::new();
    let tier = FaultyTier::new(MemoryTier::new(Level::L2, 1 << 20), runtime.clone());
    let keys = [key("/a"), key("/b"), key("/a")];
    for key in &keys {
        put(&runtime, &tier, key, entry(key, "hello", Some(5))).unwrap();
    }
    for (fault, fails) in
        [(GetFault::Fail, 3), (GetFault::Corrupt, 3), (GetFault::Slow(MINUTE / 2), 0), (GetFault::Truncated, 0)]
    {
        tier.fail_gets(fault);
        let before = (tier.gets(), layercake::runtime::Runtime::now(&runtime));
        let found = runtime.run(tier.get_many(&keys, START));
        assert_eq!(found.iter().filter(|found| found.is_err()).count(), fails, "{fault:?}");
        assert_eq!(tier.gets(), before.0 + 1);
        let cut = found.into_iter().flatten().flatten().filter(|entry| entry.body.len() == Some(4)).count();
        assert_eq!(cut, if fault == GetFault::Truncated { 3 } else { 0 });
        let slow = fault == GetFault::Slow(MINUTE / 2);
        assert_eq!(layercake::runtime::Runtime::now(&runtime) > before.1, slow);
        assert_eq!(runtime.run(tier.list("", None, 9)).is_err(), fault == GetFault::Fail);
    }
    tier.heal();
    assert!(runtime.run(tier.get_many(&keys, START)).iter().all(|found| matches!(found, Ok(Some(_)))));
}
