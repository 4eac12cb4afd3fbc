//! What others do to an isolate's values: stores that hold what nobody here has put there, callers that leave, crowds of keys.

use super::*;
use futures::future::join;
use layercake::Body;
use layercake::data::{Bundle, DataError, Json, Ttl};
use layercake::entry::Head;
use layercake::semantics::freshness::Freshness;
use layercake::sim::KvModel;
use layercake::tier::{Pace, RetryingTier};

const MILLI: Duration = Duration::from_millis(1);

fn set(shop: &Shop, name: &str, value: &str) -> Result<(), DataError> {
    let done = shop.runtime.run(shop.data.set(&key(name), value, MINUTE));
    shop.runtime.run_background();
    done
}

fn numbered(many: u32) -> Vec<DataKey> {
    (0..many).map(|n| key(&n.to_string())).collect()
}

/// The bytes under "a", or `other` loaded for them.
fn raw(shop: &Shop, other: &'static str) -> Vec<u8> {
    shop.asked.set(shop.asked.get() + 1);
    let loader = move || async move { Ok::<_, Down>(Loaded::new(Body::from(other))) };
    let body = shop.runtime.run(shop.data.get_or_fetch_raw(&key("a"), &minute(), loader)).expect("a body");
    let bytes = shop.runtime.run(body.into_bytes(100)).expect("the bytes");
    shop.runtime.run_background();
    bytes.to_vec()
}

#[test]
fn a_load_under_way_undoes_none_of_many_deletions() {
    let shop = Shop::new();
    let loading = shop.ask_slowly("0", &minute(), secs(3), Ok(Loaded::new(1)));
    let changing = async {
        shop.runtime.sleep(secs(1)).await;
        shop.data.delete_many(&numbered(1000)).await.unwrap();
    };
    let (loaded, ()) = shop.runtime.run(join(loading, changing));
    assert_eq!(loaded.unwrap(), 1);
    shop.runtime.run_background();
    assert_eq!(shop.get::<u32>("0"), None);
}

#[cfg(feature = "postcard")]
#[test]
fn a_refresh_takes_nothing_from_a_slower_tier_that_it_cannot_read() {
    let shop = Shop::new();
    shop.load("a", &stale(), 1);
    shop.pass(2 * MINUTE);
    let tiers: [Arc<dyn Tier>; 1] = [shop.l2.clone()];
    let config = CacheConfig::new("shop", SchemaVersion(1)).build().unwrap();
    let far_away = Cache::new(config, tiers, Arc::new(shop.runtime.clone()));
    let other = DataCache::new(far_away, "https://shop.example").codec(layercake::data::Postcard);
    // Another isolate's, so that this one does not know.
    shop.runtime.run(other.set(&key("a"), &7, MINUTE)).unwrap();
    assert_eq!(shop.load("a", &stale(), 2), 1, "stale, while it is refreshed");
    assert_eq!(shop.get("a"), Some(2));
}

#[cfg(feature = "encryption")]
#[test]
fn bytes_that_somebody_has_planted_do_not_keep_ours_out() {
    let mut shop = Shop::new();
    let plain = shop.isolate();
    shop.runtime.run(plain.data.set_raw(&key("a"), "planted".into(), MINUTE)).unwrap();
    shop.data = shop.data.clone().encrypted(layercake::data::Keyring::new("k", &[1; 32]).unwrap());
    assert_eq!(raw(&shop, "ours"), b"ours");
    assert_eq!(raw(&shop, "again"), b"ours");
    assert_eq!(shop.count(Event::Miss), 1);
    // With another secret they are as strange.
    shop.data = shop.data.clone().encrypted(layercake::data::Keyring::new("k", &[2; 32]).unwrap());
    assert_eq!(raw(&shop, "new"), b"new");
    assert_eq!(raw(&shop, "newer"), b"new");
}

#[cfg(feature = "encryption")]
#[test]
fn what_is_encrypted_or_compressed_amiss_is_missing_to_those_who_want_bytes() {
    for (name, value) in [
        ("layercake-cipher", "xchacha20poly1305;key=k;nonce=00"),
        ("layercake-coding", "br"),
        ("layercake-coding", "gzip"),
        ("layercake-length", "7"),
    ] {
        let shop = Shop::new();
        raw(&shop, "a value");
        plant(&shop, |entry| entry.headers.set(name, value));
        assert_eq!(raw(&shop, "ours"), b"ours", "{name}: {value}");
        assert_eq!(raw(&shop, "again"), b"ours", "{name}: {value}");
    }
}

/// Changes what L2 has under its first key; nobody else has it then.
fn plant(shop: &Shop, change: impl FnOnce(&mut StoredResponse)) {
    let (at, mut entry) = (shop.l2.keys().remove(0), shop.entries(&shop.l2).remove(0));
    change(&mut entry);
    shop.clear(&shop.hot);
    shop.clear(&shop.l1);
    shop.runtime.run(shop.l2.inner().put(&at, entry, shop.now())).expect("memory takes it");
}

#[test]
fn a_length_that_lies_is_no_value() {
    let text = "so it goes, ".repeat(2000);
    for length in ["0", "1", "23999", "24003", "99999999999", "18446744073709551616", "-1", ""] {
        let shop = Shop::new();
        shop.load("a", &minute(), text.clone());
        assert!(shop.entries(&shop.l2)[0].headers.has("layercake-coding"));
        plant(&shop, |entry| entry.headers.set("layercake-length", length));
        assert_eq!(shop.get::<String>("a"), None, "{length}");
        assert_eq!(shop.load("a", &minute(), "new".to_owned()), "new", "{length}");
        assert_eq!(shop.get("a"), Some("new".to_owned()));
    }
}

#[test]
fn heads_of_absurd_times_break_nothing() {
    let (never, last) = (Timestamp::default(), Timestamp::from_millis(u64::MAX));
    for (born, received, time) in [
        (last, last, Duration::MAX),
        (last, never, Duration::ZERO),
        (never, last, Duration::MAX),
        (never, never, Duration::ZERO),
        (last, last, MILLI),
    ] {
        let shop = Shop::new();
        shop.load("a", &stale(), 1);
        plant(&shop, |entry| {
            let freshness = Freshness {
                born,
                lifetime: time,
                stale_while_revalidate: time,
                stale_if_error: time,
                keep: time,
                never_stale: false,
            };
            entry.head = Arc::new(Head { freshness, received, l2_until: received, ..(*entry.head).clone() });
        });
        shop.get::<u32>("a");
        shop.load("a", &stale().refresh_early(secs(1)).jitter(50), 2);
        shop.runtime.run(shop.data.touch(&key("a"), Ttl::FOREVER)).unwrap();
        shop.pass(MILLI);
        shop.runtime.run(shop.data.delete(&key("a"))).unwrap();
        assert_eq!(shop.get::<u32>("a"), None);
        assert_eq!(shop.load("a", &stale(), 3), 3);
        assert_eq!(shop.get("a"), Some(3));
    }
}

#[test]
fn a_value_that_is_refused_leaves_what_was_there() {
    let mut shop = Shop::new();
    shop.data = shop.data.clone().policy(DataPolicy::forever().max_size(10));
    set(&shop, "a", "short").unwrap();
    shop.pass(MILLI);
    assert!(matches!(set(&shop, "a", "much too long"), Err(DataError::TooLarge { .. })));
    assert_eq!(shop.get("a"), Some("short".to_owned()));
}

#[test]
fn bytes_that_stream_leave_no_predecessor_where_they_are_not_taken() {
    let stream = |size: usize| Body::stream(http_body_util::Full::new(bytes::Bytes::from(vec![b'n'; size])));
    for size in [3, 600_000] {
        let shop = Shop::new();
        let put = |body: Body| shop.runtime.run(shop.data.set_raw(&key("a"), body, MINUTE));
        put("old".into()).unwrap();
        shop.pass(MILLI);
        shop.l2.fail_puts(PutFault::Fail);
        put(stream(size)).unwrap();
        shop.runtime.run_background();
        assert!(shop.entries(&shop.l2).is_empty(), "{size}: the old ones are gone");
        shop.l2.heal();
        put("old".into()).unwrap();
        shop.pass(MILLI);
        shop.l2.fail_puts(PutFault::Fail);
        shop.deletes[1].fail(Some(DeleteFault::Fail));
        let error = put(stream(size)).unwrap_err().to_string();
        assert!(error.contains("l2"), "{error}");
        shop.deletes[1].fail(None);
        shop.l2.heal();
        shop.runtime.run_background();
    }
}

#[test]
fn of_two_values_set_at_the_same_time_one_stays_in_kv() {
    for seed in 0..20 {
        let runtime = SimRuntime::seeded(seed);
        let kv = KvModel::default().tiers(&runtime, seed, 1).remove(0);
        let isolate = || {
            let config = CacheConfig::new("shop", SchemaVersion(1)).build().expect("the table is right");
            let kv = RetryingTier::new(Arc::clone(&kv), Arc::new(runtime.clone())).pace(Arc::new(Pace::new()));
            let hot = MemoryTier::new(Level::Hot, 1 << 20);
            let tiers: [Arc<dyn Tier>; 2] = [Arc::new(hot), Arc::new(kv)];
            DataCache::new(Cache::new(config, tiers, Arc::new(runtime.clone())), "https://shop.example")
        };
        let (data, name) = (isolate(), key("a"));
        let second = async {
            runtime.sleep(Duration::from_millis(seed * 20)).await;
            data.set(&name, &2, 10 * MINUTE).await
        };
        let (one, two) = runtime.run(join(data.set(&name, &1, 10 * MINUTE), second));
        runtime.run_background();
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(runtime.run(data.get(&name)), Some(2));
        assert_eq!(runtime.run(isolate().get(&name)), Some(2), "seed {seed}");
    }
}

#[test]
fn nobody_waits_for_a_caller_who_has_left() {
    let shop = Shop::new();
    let leader = shop.ask_slowly("a", &minute(), secs(4), Ok(Loaded::new(0)));
    let followers = (1..20).map(|n| shop.ask_slowly("a", &minute(), secs(1), Ok(Loaded::new(n))));
    let followers = join_all(followers.collect::<Vec<_>>());
    let leaving = async {
        let leader = Box::pin(leader);
        drop(futures::future::select(leader, shop.runtime.sleep(Duration::from_millis(100))).await);
    };
    let ((), got) = shop.runtime.run(join(leaving, followers));
    // The loader goes on without him.
    assert!(got.into_iter().all(|value| value.unwrap() == 0));
    assert_eq!(shop.loads(), 1);
    shop.asked.set(shop.asked.get() - 1);
}

#[test]
fn ten_thousand_keys_at_once() {
    let runtime = SimRuntime::new();
    let config = CacheConfig::new("shop", SchemaVersion(1)).build().expect("the table is right");
    let tiers = [Level::Hot, Level::L2].map(|level| Arc::new(MemoryTier::new(level, 64 << 20)) as Arc<dyn Tier>);
    let data = DataCache::new(Cache::new(config.clone(), tiers, Arc::new(runtime.clone())), "https://shop.example");
    let (keys, wanted) = (numbered(10_000), (0..10_000).collect::<Vec<u32>>());
    let loader = |keys: Vec<DataKey>| async move { Ok::<_, Down>((0..).take(keys.len()).collect()) };
    let got: Answer<Vec<u32>> = runtime.run(data.get_many_or_fetch(&keys, &minute(), loader));
    assert_eq!(got.unwrap(), wanted);
    runtime.run_background();
    let got: Vec<Option<u32>> = runtime.run(data.get_many(&keys));
    assert_eq!(got.into_iter().flatten().collect::<Vec<_>>(), wanted);
    assert_eq!(config.stats().requests(), 20_000);
    runtime.run(data.delete_many(&keys)).unwrap();
    assert!(runtime.run(data.get_many::<u32>(&keys)).iter().all(Option::is_none));
}

#[test]
fn odd_names_in_bundles_and_keys() {
    let shop = Shop::new();
    let long = "x".repeat(1 << 20);
    let names = ["", "\0", "1:a", "0:", ":", "äöü", "\n", "4:name5:", &long];
    let mut bundle = Bundle::new(Json);
    names.iter().zip(0..).for_each(|(name, n)| bundle.insert(name, &n).unwrap());
    for name in names {
        let of_name = key(name);
        shop.runtime.run(shop.data.set_bundle(&of_name, &bundle, MINUTE)).unwrap();
        shop.clear(&shop.hot);
        let got = shop.runtime.run(shop.data.get_bundle(&of_name)).expect("a bundle");
        assert!(got == bundle);
        shop.asked.set(shop.asked.get() + 1);
    }
    assert_eq!(shop.l2.keys().len(), names.len());
    assert!(shop.l2.keys().iter().all(|key| key.store_name().len() <= 512));
}

#[test]
fn the_shortest_and_the_longest_time() {
    let shop = Shop::new();
    for ttl in [Duration::from_nanos(1), MILLI, secs(1), secs(10 * 365 * 86_400)] {
        shop.runtime.run(shop.data.set(&key("a"), &1, ttl)).unwrap();
        shop.pass(ttl.saturating_sub(MILLI));
        assert_eq!(shop.get::<u32>("a").is_some(), ttl >= MILLI, "{ttl:?}");
        shop.pass(MILLI);
        assert_eq!(shop.get::<u32>("a"), None, "{ttl:?}");
    }
    let long = secs(10 * 365 * 86_400);
    let policy = DataPolicy::forever().stale_while_revalidate(long).stale_if_error(long).jitter(50).refresh_early(long);
    assert!(policy.check().is_ok());
    shop.load("b", &policy, 1);
    shop.pass(long);
    assert_eq!(shop.load("b", &policy, 2), 1);
}
