//! What every tier has to keep to.

use crate::support::{MINUTE, get, scripted, secs};
use bytes::Bytes;
use layercake::Body;
use layercake::entry::{Head, StoredResponse};
use layercake::policy::key::Keyed;
use layercake::policy::{CacheKey, KeyPrefix, Level, SchemaVersion};
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::sim::{FaultyTier, SimRuntime, StreamTier};
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
