//! Several values at a time: many keys, lists, bundles.

use super::*;
use futures::StreamExt as _;
use layercake::data::{Bundle, DataError, Json};
use layercake::policy::Tiers;
use std::sync::Mutex;

fn keys(names: &[&str]) -> Vec<DataKey> {
    names.iter().map(|name| key(name)).collect()
}

impl Shop {
    fn many(&self, names: &[&str]) -> Vec<Option<u32>> {
        self.asked.set(self.asked.get() + names.len() as u64);
        let got = self.runtime.run(self.data.get_many(&keys(names)));
        self.runtime.run_background();
        got
    }

    /// The values under `names`, or what `answer` has for those that are missing; with the names the loader was asked for.
    fn fetch_many(
        &self,
        names: &[&str],
        policy: &DataPolicy,
        answer: Result<Vec<u32>, Down>,
    ) -> (Answer<Vec<u32>>, Vec<String>) {
        self.asked.set(self.asked.get() + names.len() as u64);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, loads) = (Arc::clone(&asked), Arc::clone(&self.loads));
        let loader = move |keys: Vec<DataKey>| async move {
            loads.fetch_add(1, Ordering::Relaxed);
            let names = keys.iter().filter_map(|key| key.as_str().rsplit(':').next());
            noted.lock().unwrap().extend(names.map(str::to_owned));
            answer
        };
        let keys = keys(names);
        let got = self.runtime.run(self.data.get_many_or_fetch(&keys, policy, loader));
        self.runtime.run_background();
        let asked = asked.lock().unwrap().clone();
        (got, asked)
    }

    fn set(&self, name: &str, value: u32) {
        self.runtime.run(self.data.set(&key(name), &value, MINUTE)).unwrap();
    }
}

#[test]
fn many_come_in_order_from_the_nearest_tiers_that_have_them() {
    let shop = Shop::new();
    ["a", "b", "c", "d"].iter().zip(1..).for_each(|(name, n)| shop.set(name, n));
    let drop_from = |tier: &FaultyTier, name: &str| {
        let wanted = format!("lc1:shop:v1:=cache:test:{name}");
        let key = tier.keys().into_iter().find(|key| key.store_name() == wanted).unwrap();
        shop.runtime.run(tier.inner().delete(&key)).unwrap();
    };
    drop_from(&shop.hot, "b");
    drop_from(&shop.hot, "c");
    drop_from(&shop.l1, "c");
    for tier in shop.tiers() {
        drop_from(tier, "d");
    }
    assert_eq!(shop.many(&["c", "a", "nothing", "b", "a", "d"]), [Some(3), Some(1), None, Some(2), Some(1), None]);
    let counted = [Event::HitHot, Event::HitL1, Event::HitL2, Event::Miss].map(|event| shop.count(event));
    assert_eq!(counted, [2, 1, 1, 2]);
    // What was further away is nearer now.
    assert_eq!(shop.many(&["b", "c"]), [Some(2), Some(3)]);
    assert_eq!(shop.count(Event::HitHot), 4);
    assert_eq!(shop.many(&[]), []);
}

#[test]
fn what_is_missing_comes_from_one_load() {
    let shop = Shop::new();
    shop.set("b", 2);
    let (got, asked) = shop.fetch_many(&["a", "b", "c"], &minute(), Ok(vec![1, 3]));
    assert_eq!((got.unwrap(), asked), (vec![1, 2, 3], vec!["a".to_owned(), "c".to_owned()]));
    let (got, asked) = shop.fetch_many(&["c", "b", "a"], &minute(), Ok(vec![]));
    assert_eq!((got.unwrap(), asked), (vec![3, 2, 1], vec![]));
    for tier in shop.tiers() {
        assert_eq!(shop.entries(tier).len(), 3);
    }
}

#[test]
fn of_many_stale_ones_go_out_and_are_refreshed_together() {
    let shop = Shop::new();
    let names = ["a", "b", "c"];
    let (got, _) = shop.fetch_many(&names, &stale(), Ok(vec![1, 2, 3]));
    assert_eq!(got.unwrap(), [1, 2, 3]);
    shop.pass(MINUTE);
    let (got, asked) = shop.fetch_many(&names, &stale(), Ok(vec![4, 5, 6]));
    assert_eq!((got.unwrap(), asked.len()), (vec![1, 2, 3], 3));
    let (got, asked) = shop.fetch_many(&names, &stale(), Ok(vec![]));
    assert_eq!((got.unwrap(), asked.len()), (vec![4, 5, 6], 0));
    assert_eq!((shop.loads(), shop.count(Event::Stale), shop.count(Event::Revalidated)), (2, 3, 3));
    // A refresh that fails leaves them as they are, and alone for a while.
    shop.pass(MINUTE);
    for loads in [3, 3] {
        let (got, _) = shop.fetch_many(&names, &stale(), Err(Down("no")));
        assert_eq!((got.unwrap(), shop.loads()), (vec![4, 5, 6], loads));
    }
}

#[test]
fn of_many_stale_ones_stand_in_for_an_error() {
    let shop = Shop::new();
    shop.fetch_many(&["a", "b"], &stale(), Ok(vec![1, 2])).0.unwrap();
    shop.pass(12 * MINUTE);
    assert_eq!(shop.fetch_many(&["b", "a"], &stale(), Err(Down("no"))).0.unwrap(), [2, 1]);
    let (got, asked) = shop.fetch_many(&["a", "new"], &stale(), Err(Down("no")));
    assert!(matches!(got, Err(LoadError::Loader(Down("no")))));
    assert_eq!(asked, ["a", "new"]);
}

#[test]
fn a_loader_of_many_gives_as_many_as_it_is_asked_for() {
    let shop = Shop::new();
    for given in [vec![], vec![1], vec![1, 2, 3]] {
        let error = shop.fetch_many(&["a", "b"], &minute(), Ok(given.clone())).0.unwrap_err();
        assert!(matches!(error, LoadError::Count { asked: 2, given: n } if n == given.len()), "{error}");
    }
    assert!(shop.tiers().iter().all(|tier| tier.keys().is_empty()));
}

#[test]
fn a_loader_of_many_that_hangs_is_told_off() {
    let shop = Shop::new();
    shop.asked.set(2);
    let policy = minute().hard_timeout(secs(3));
    let (keys, runtime) = (keys(&["a", "b"]), shop.runtime.clone());
    let loader = move |_| async move {
        runtime.sleep(secs(1_000_000)).await;
        Ok::<Vec<u32>, Down>(vec![1, 2])
    };
    let error = shop.runtime.run(shop.data.get_many_or_fetch(&keys, &policy, loader)).unwrap_err();
    assert!(error.to_string().contains("cache:test:a, cache:test:b"), "{error}");
}

#[test]
fn many_with_every_tier_failing_come_from_the_loader() {
    let shop = Shop::new();
    for tier in shop.tiers() {
        tier.fail_gets(GetFault::Fail);
        tier.fail_puts(PutFault::Fail);
    }
    for _ in 0..10 {
        assert_eq!(shop.fetch_many(&["a", "b"], &minute(), Ok(vec![1, 2])).0.unwrap(), [1, 2]);
    }
    for tier in shop.tiers() {
        tier.fail_gets(GetFault::Hang);
    }
    assert_eq!(shop.fetch_many(&["a", "b"], &minute(), Ok(vec![1, 2])).0.unwrap(), [1, 2]);
    shop.tiers().iter().for_each(|tier| tier.heal());
}

#[test]
fn a_change_overtakes_a_load_of_many() {
    let shop = Shop::new();
    shop.asked.set(2);
    let (data, wanted, policy) = (shop.data.clone(), keys(&["a", "b"]), minute());
    let changing = data.clone();
    let loader = move |_| async move {
        changing.set(&key("a"), &10, MINUTE).await.unwrap();
        Ok::<Vec<u32>, Down>(vec![1, 2])
    };
    assert_eq!(shop.runtime.run(data.get_many_or_fetch(&wanted, &policy, loader)).unwrap(), [1, 2]);
    shop.runtime.run_background();
    assert_eq!(shop.many(&["a", "b"]), [Some(10), Some(2)]);
}

#[test]
fn tiers_left_out_are_neither_asked_nor_given_anything() {
    let mut shop = Shop::new();
    shop.data = shop.data.clone().policy(DataPolicy::forever().tiers(Tiers::ALL.without_l1()));
    shop.set("a", 1);
    shop.clear(&shop.hot);
    assert_eq!(shop.many(&["a", "b"]), [Some(1), None]);
    assert_eq!((shop.l1.gets(), shop.l1.puts()), (0, 0));
}

/// A shop whose L2 can list.
fn listing() -> (SimRuntime, DataCache) {
    let (runtime, l2) = (SimRuntime::new(), MemoryTier::new(Level::L2, 64 << 20));
    let config = CacheConfig::new("shop", SchemaVersion(1)).build().unwrap();
    let tiers: [Arc<dyn Tier>; 1] = [Arc::new(l2)];
    let data = DataCache::new(Cache::new(config, tiers, Arc::new(runtime.clone())), "https://shop.example");
    (runtime, data)
}

#[test]
fn what_is_kept_is_listed_by_its_beginning() {
    let (runtime, data) = listing();
    for n in 0..2500_u32 {
        let key = DataKey::of("cache:content").with(format!("{n:04}"));
        runtime.run(data.set_under(&key, &n, &minute().tag("content"))).unwrap();
    }
    runtime.run(data.set(&DataKey::of("cache:other").with("x"), &1, MINUTE)).unwrap();
    let all: Vec<_> = runtime.run(data.list(&DataKey::of("cache:content:")).map(Result::unwrap).collect());
    assert_eq!(all.len(), 2500);
    assert!(
        all.iter().enumerate().all(|(n, listed)| listed.key == DataKey::of("cache:content").with(format!("{n:04}")))
    );
    assert!(all.iter().all(|listed| listed.is_whole && listed.tags == ["content".into()] && listed.size.is_some()));
    let end = runtime.now().plus(MINUTE);
    assert!(all.iter().all(|listed| listed.expires == Some(end)));
    let first = runtime.run(data.list_page(&DataKey::of("cache:content:000"), None, 7)).unwrap();
    assert_eq!(first.values.len(), 7);
    let second = runtime.run(data.list_page(&DataKey::of("cache:content:000"), first.cursor.as_deref(), 7)).unwrap();
    assert_eq!((second.values.len(), second.cursor), (3, None));
    let none = runtime.run(data.list_page(&DataKey::of("cache:nothing"), None, 7)).unwrap();
    assert_eq!((none.values.len(), none.cursor), (0, None));
}

#[test]
fn long_keys_are_listed_with_their_beginnings_and_work() {
    let (runtime, data) = listing();
    let long = |c: &str| DataKey::of("cache:long").with(c.repeat(2000) + c);
    let same = |end: &str| DataKey::of("cache:long").with("x".repeat(1000) + end);
    for (n, key) in [long("a"), long("b"), same("1"), same("2")].into_iter().enumerate() {
        runtime.run(data.set(&key, &n, MINUTE)).unwrap();
    }
    assert_eq!(runtime.run(data.get::<usize>(&same("1"))), Some(2));
    assert_eq!(runtime.run(data.get::<usize>(&same("2"))), Some(3));
    let all: Vec<_> = runtime.run(data.list(&DataKey::of("cache:long:")).map(Result::unwrap).collect());
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|listed| !listed.is_whole && long("a").as_str().len() > listed.key.as_str().len()));
    assert!(long("a").as_str().starts_with(all[0].key.as_str()));
}

#[test]
fn without_a_tier_that_lists_there_is_an_error() {
    let shop = Shop::new();
    let mut list = shop.data.list(&DataKey::of("cache:"));
    let first = shop.runtime.run(list.next());
    assert!(matches!(first, Some(Err(DataError::List(why))) if why.contains("bind KV")));
    assert!(shop.runtime.run(list.next()).is_none());
}

#[test]
fn a_bundle_is_read_and_changed_as_one() {
    let shop = Shop::new();
    let tenant = key("tenant");
    let load = |name: &'static str| {
        let data = shop.data.clone();
        shop.asked.set(shop.asked.get() + 1);
        shop.runtime.run(shop.data.get_or_fetch_bundle(&tenant, &minute(), move || async move {
            let mut bundle = data.bundle();
            bundle.insert("name", name).map_err(|_| Down("no"))?;
            bundle.insert("flags", &[true, false]).map_err(|_| Down("no"))?;
            Ok::<_, Down>(Loaded::new(bundle))
        }))
    };
    let bundle = load("first").unwrap();
    shop.runtime.run_background();
    assert_eq!(bundle, load("second").unwrap());
    assert_eq!(bundle.names().collect::<Vec<_>>(), ["flags", "name"]);
    let gets = shop.l2.gets();
    shop.clear(&shop.hot);
    shop.clear(&shop.l1);
    assert_eq!(load("third").unwrap().get::<String>("name").unwrap().as_deref(), Some("first"));
    assert_eq!(shop.l2.gets(), gets + 1, "one operation");
    let changed: Result<_, DataError> = shop.runtime.run(shop.data.update_bundle(&tenant, MINUTE, |bundle| {
        assert!(bundle.remove("flags"));
        Ok(bundle.insert("name", "other")?)
    }));
    shop.asked.set(shop.asked.get() + 2);
    assert_eq!(Some(changed.unwrap()), shop.runtime.run(shop.data.get_bundle(&tenant)));
    assert_eq!(shop.get::<String>("tenant"), None, "it is no value of its own");
}

#[test]
fn a_bundle_too_large_is_an_error_that_says_by_how_much() {
    let shop = Shop::new();
    let mut bundle = Bundle::new(Json);
    bundle.insert("large", &"x".repeat(26 << 20)).unwrap();
    let error = shop.runtime.run(shop.data.set_bundle(&key("a"), &bundle, MINUTE)).unwrap_err();
    assert!(matches!(error, DataError::Bundle { size, limit } if size == bundle.size() && limit == 25 << 20));
    let got: Answer<Bundle> =
        shop.runtime.run(shop.data.get_or_fetch_bundle(&key("a"), &minute(), || async { Ok(Loaded::new(bundle)) }));
    shop.asked.set(1);
    assert_eq!(got.unwrap().size(), (26 << 20) + 38);
    shop.runtime.run_background();
    assert!(shop.tiers().iter().all(|tier| tier.keys().is_empty()));
}

#[test]
fn a_change_of_a_bundle_that_fails_changes_nothing() {
    let shop = Shop::new();
    let mut bundle = shop.data.bundle();
    bundle.insert("n", &1).unwrap();
    shop.runtime.run(shop.data.set_bundle(&key("a"), &bundle, MINUTE)).unwrap();
    let failed: Result<_, DataError> = shop.runtime.run(shop.data.update_bundle(&key("a"), MINUTE, |bundle| {
        bundle.insert("n", &2)?;
        Err(DataError::List("no".to_owned()))
    }));
    assert!(failed.is_err());
    shop.asked.set(2);
    assert_eq!(shop.runtime.run(shop.data.get_bundle(&key("a"))), Some(bundle));
}
