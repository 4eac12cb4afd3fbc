//! Where nothing may be taken for granted: a table that is wrong, changes made elsewhere, bytes that cannot be sealed.

use super::*;
use layercake::Body;
use layercake::data::DataError;
use layercake::policy::Tiers;

impl Shop {
    /// Another data centre: it shares L2 with this one.
    fn far_away(&self) -> Self {
        let tier = |tier| Arc::new(FaultyTier::new(tier, self.runtime.clone()));
        let hot = tier(MemoryTier::new(Level::Hot, 1 << 20).max_stay(secs(5)));
        let l1 = tier(MemoryTier::new(Level::L1, 1 << 20));
        Self::of(self.runtime.clone(), hot, l1, self.l2.clone(), <[Deletes; 2]>::default())
    }

    fn put(&self, name: &str, value: u32) {
        self.runtime.run(self.data.set(&key(name), &value, 10 * MINUTE)).unwrap();
        self.runtime.run_background();
    }

    fn only_l2<T: serde::de::DeserializeOwned + Send + 'static>(&self, name: &str) -> Option<T> {
        let fresh = self.far_away();
        fresh.get(name)
    }
}

#[test]
fn without_a_table_nothing_is_kept_and_nothing_found() {
    let shop = Shop::new();
    let tiers: [Arc<dyn Tier>; 2] = [shop.l1.clone(), shop.l2.clone()];
    let cache = Cache::new(CacheConfig::nothing_cached(), tiers, Arc::new(shop.runtime.clone()));
    let data = DataCache::new(cache, "https://shop.example");
    assert!(shop.runtime.run(data.set(&key("a"), &1, MINUTE)).is_err());
    for n in [2, 3] {
        let got = shop.runtime.run(data.get_or_fetch(&key("a"), &minute(), move || async move { Ok::<_, Down>(n) }));
        assert_eq!(got.unwrap(), n);
    }
    shop.runtime.run_background();
    assert!(shop.l1.keys().is_empty() && shop.l2.keys().is_empty());
}

#[test]
fn a_touch_brings_back_nothing_that_was_changed_elsewhere() {
    let here = Shop::new();
    let there = here.far_away();
    here.put("a", 1);
    here.pass(secs(90));
    there.put("a", 2);
    assert_eq!(here.get("a"), Some(1), "its own L1 does not know");
    assert!(here.runtime.run(here.data.touch(&key("a"), 10 * MINUTE)).unwrap());
    assert_eq!((here.get("a"), here.only_l2("a")), (Some(2), Some(2)));
    // Nor what was deleted there.
    there.runtime.run(there.data.delete(&key("a"))).unwrap();
    here.pass(secs(90));
    assert!(!here.runtime.run(here.data.touch(&key("a"), 10 * MINUTE)).unwrap());
    assert_eq!(here.only_l2::<u32>("a"), None);
}

#[test]
fn a_bundle_is_changed_as_it_is_elsewhere_or_not_at_all() {
    let here = Shop::new();
    let there = here.far_away();
    let update = |shop: &Shop, name: &'static str| {
        shop.asked.set(shop.asked.get() + 1);
        shop.runtime
            .run(shop.data.update_bundle::<DataError>(&key("t"), 10 * MINUTE, |bundle| Ok(bundle.insert(name, &1)?)))
    };
    update(&here, "a").unwrap();
    here.pass(secs(5));
    update(&there, "b").unwrap();
    here.pass(secs(5));
    assert_eq!(update(&here, "c").unwrap().names().collect::<Vec<_>>(), ["a", "b", "c"]);
    // A store that does not say what it has is not taken for one that has nothing.
    for fault in [GetFault::Fail, GetFault::Hang, GetFault::Corrupt] {
        there.l2.fail_gets(fault);
        assert!(update(&there, "d").is_err(), "{fault:?}");
        there.l2.heal();
        here.pass(MINUTE);
    }
    assert_eq!(update(&there.far_away(), "e").unwrap().names().collect::<Vec<_>>(), ["a", "b", "c", "e"]);
}

#[test]
fn a_deletion_reaches_the_tiers_that_the_policy_leaves_out() {
    let mut shop = Shop::new();
    shop.load("a", &minute(), 1);
    shop.data = shop.data.clone().policy(DataPolicy::forever().tiers(Tiers::ALL.without_l1()));
    shop.runtime.run(shop.data.delete(&key("a"))).unwrap();
    assert!(shop.tiers().iter().all(|tier| shop.entries(tier).is_empty()));
    // And a change leaves nothing old there.
    shop.load("b", &minute(), 1);
    shop.runtime.run(shop.data.set(&key("b"), &2, MINUTE)).unwrap();
    assert!(shop.entries(&shop.l1).is_empty());
    assert_eq!(shop.isolate().get("b"), Some(2));
}

#[test]
fn a_kept_none_is_a_hit_and_no_fault() {
    let shop = Shop::new();
    let policy = minute().negative_ttl(MINUTE);
    assert_eq!(shop.load("a", &policy, None::<u32>), None);
    assert_eq!(shop.get::<u32>("a"), None);
    shop.asked.set(shop.asked.get() + 1);
    assert_eq!(shop.runtime.run(shop.data.get_many::<u32>(&[key("a")])), [None]);
    assert_eq!((shop.count(Event::HitHot), shop.count(Event::Corrupt)), (2, 0));
}

#[test]
fn a_loader_under_a_policy_that_cannot_be_meant_has_its_limit_too() {
    let shop = Shop::new();
    let policy = DataPolicy::ttl(Duration::ZERO).hard_timeout(secs(3));
    let hung = shop.runtime.run(shop.ask_slowly("a", &policy, secs(1_000_000), Ok(Loaded::new(1))));
    assert!(matches!(hung, Err(LoadError::TimedOut { limit: Some(limit), .. }) if limit == secs(3)));
    shop.asked.set(0);
}

#[test]
fn a_list_that_never_comes_is_an_error() {
    let runtime = SimRuntime::new();
    let l2 = Arc::new(FaultyTier::new(MemoryTier::new(Level::L2, 1 << 20), runtime.clone()));
    let config = CacheConfig::new("shop", SchemaVersion(1)).build().unwrap();
    let tiers: [Arc<dyn Tier>; 1] = [l2.clone()];
    let data = DataCache::new(Cache::new(config, tiers, Arc::new(runtime.clone())), "https://shop.example");
    l2.fail_gets(GetFault::Hang);
    let listed = runtime.run(data.list_page(&DataKey::of("cache:"), None, 10));
    assert!(matches!(listed, Err(DataError::List(_))), "{listed:?}");
}

fn chunks(sizes: &[usize], broken: bool) -> Body {
    let mut frames: Vec<Result<_, Down>> =
        sizes.iter().map(|size| Ok(http_body::Frame::data(vec![7_u8; *size].into()))).collect();
    if broken {
        frames.push(Err(Down("gone")));
    }
    Body::stream(http_body_util::StreamBody::new(futures::stream::iter(frames)))
}

#[cfg(feature = "encryption")]
#[test]
fn what_cannot_be_sealed_goes_to_who_asked_for_it_and_is_not_kept() {
    let mut shop = Shop::new();
    shop.data = shop.data.clone().encrypted(layercake::data::Keyring::new("k", &[1; 32]).unwrap());
    let fetch = |body: Body| {
        shop.asked.set(shop.asked.get() + 1);
        let loader = move || async move { Ok::<_, Down>(Loaded::new(body)) };
        let body = shop.runtime.run(shop.data.get_or_fetch_raw(&key("a"), &minute(), loader)).expect("a body");
        let bytes = shop.runtime.run(body.into_bytes(u64::MAX));
        shop.runtime.run_background();
        bytes
    };
    assert_eq!(fetch(chunks(&[9 << 20, 9 << 20], false)).unwrap().len(), 18 << 20);
    assert_eq!(fetch(Body::from(vec![7; 17 << 20])).unwrap().len(), 17 << 20);
    assert!(fetch(chunks(&[1000, 1000], true)).is_err(), "broken off is not empty");
    assert!(shop.tiers().iter().all(|tier| tier.keys().is_empty()));
}

/// A body that says how long it is, and then is not.
struct Short(bool);

impl http_body::Body for Short {
    type Data = bytes::Bytes;
    type Error = Down;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Down>>> {
        let first = std::mem::replace(&mut self.0, false);
        let frame = if first { Ok(http_body::Frame::data(vec![7; 1000].into())) } else { Err(Down("gone")) };
        std::task::Poll::Ready(Some(frame))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(50_000)
    }
}

#[test]
fn bytes_that_break_off_while_they_are_compressed_are_no_empty_value() {
    let shop = Shop::new();
    shop.asked.set(1);
    let loader = || async { Ok::<_, Down>(Loaded::new(Body::stream(Short(true)))) };
    let body = shop.runtime.run(shop.data.get_or_fetch_raw(&key("a"), &minute(), loader)).expect("a body");
    assert!(shop.runtime.run(body.into_bytes(u64::MAX)).is_err());
    shop.runtime.run_background();
    assert!(shop.tiers().iter().all(|tier| shop.entries(tier).is_empty()));
}
