//! What is kept, and for how long.

use super::*;
use std::collections::BTreeMap;

#[test]
fn a_value_is_loaded_once_and_found_in_each_tier() {
    let shop = Shop::new();
    let value = BTreeMap::from([("name".to_owned(), vec![1, 2, 3])]);
    assert_eq!(shop.load("a", &minute(), value.clone()), value);
    for (tier, event) in [(None, Event::HitHot), (Some(&shop.hot), Event::HitL1), (Some(&shop.l1), Event::HitL2)] {
        if let Some(tier) = tier {
            shop.clear(tier);
            shop.clear(&shop.hot);
        }
        let before = shop.count(event);
        assert_eq!(shop.load("a", &minute(), BTreeMap::new()), value, "{event:?}");
        assert_eq!(shop.count(event), before + 1);
    }
    assert_eq!(shop.loads(), 1);
    assert_eq!(shop.get::<BTreeMap<String, Vec<u8>>>("a"), Some(value));
}

#[test]
fn a_value_ends_with_its_lifetime() {
    let shop = Shop::new();
    shop.load("a", &minute(), 1);
    shop.pass(secs(59));
    assert_eq!(shop.load("a", &minute(), 2), 1);
    shop.pass(secs(1));
    assert_eq!(shop.get::<u32>("a"), None);
    assert_eq!(shop.load("a", &minute(), 2), 2);
}

#[test]
fn a_stale_value_goes_out_at_once_and_is_refreshed_behind() {
    let shop = Shop::new();
    shop.load("a", &stale(), 1);
    shop.pass(MINUTE);
    assert_eq!(shop.load("a", &stale(), 2), 1);
    assert_eq!(shop.load("a", &stale(), 3), 2);
    assert_eq!((shop.loads(), shop.count(Event::Revalidated)), (2, 1));
}

#[test]
fn a_stale_value_stands_in_for_an_error() {
    let shop = Shop::new();
    shop.load("a", &stale(), 1);
    shop.pass(12 * MINUTE);
    assert_eq!(shop.ask::<u32>("a", &stale(), Err(Down("no"))).unwrap(), 1);
    shop.pass(60 * MINUTE);
    assert!(matches!(shop.ask::<u32>("a", &stale(), Err(Down("no"))), Err(LoadError::Loader(Down("no")))));
}

#[test]
fn none_has_a_lifetime_of_its_own() {
    let shop = Shop::new();
    let policy = minute().negative_ttl(secs(10));
    assert_eq!(shop.load("a", &policy, None::<String>), None);
    assert_eq!(shop.load("a", &policy, Some("there".to_owned())), None, "kept");
    assert_eq!(shop.get::<String>("a"), None);
    shop.pass(secs(10));
    assert_eq!(shop.load("a", &policy, Some("there".to_owned())), Some("there".to_owned()));
    shop.pass(secs(11));
    assert_eq!(shop.load("a", &policy, None), Some("there".to_owned()));
    assert_eq!(shop.get::<String>("a"), Some("there".to_owned()));
    assert_eq!(shop.loads(), 2);
}

#[test]
fn none_is_not_kept_without_one() {
    let shop = Shop::new();
    for load in 1..4 {
        assert_eq!(shop.load("a", &minute(), None::<u8>), None);
        assert_eq!(shop.loads(), load);
    }
    assert!(shop.tiers().iter().all(|tier| tier.keys().is_empty()));
}

#[test]
fn a_loader_may_say_how_long() {
    let shop = Shop::new();
    let given = |n: u32, lifetime| Ok(Loaded::new(n).lifetime(lifetime));
    shop.ask_with("long", &minute(), given(1, secs(600))).unwrap();
    shop.ask_with("short", &minute(), given(1, secs(5))).unwrap();
    shop.ask_with("never", &minute(), given(1, Duration::ZERO)).unwrap();
    assert_eq!(shop.load("never", &minute(), 2), 2);
    shop.pass(secs(5));
    assert_eq!(shop.load("short", &minute(), 2), 2);
    shop.pass(secs(594));
    assert_eq!(shop.load("long", &minute(), 2), 1);
    shop.pass(secs(1));
    assert_eq!(shop.load("long", &minute(), 2), 2);
    let none = Loaded::new(None::<u32>).lifetime(secs(20));
    shop.ask_with("none", &minute().negative_ttl(secs(10)), Ok(none)).unwrap();
    shop.pass(secs(19));
    assert_eq!(shop.load("none", &minute(), Some(1)), None);
}

#[test]
fn tags_are_kept_with_the_value() {
    let shop = Shop::new();
    let policy = minute().tag("content").tag("shop");
    shop.ask_with("a", &policy, Ok(Loaded::new(7).tag("item:7").tag("content"))).unwrap();
    for tier in shop.tiers() {
        let entries = shop.entries(tier);
        let tags: Vec<&str> = entries[0].head.tags.iter().map(|tag| &**tag).collect();
        assert_eq!((entries.len(), tags), (1, vec!["content", "item:7", "shop"]));
    }
}

#[test]
fn those_who_ask_at_once_share_one_load() {
    let shop = Shop::new();
    let asked: Vec<_> = (0..50).map(|n| shop.ask_slowly("a", &minute(), secs(1), Ok(Loaded::new(n)))).collect();
    let got = shop.runtime.run(join_all(asked));
    assert!(got.into_iter().all(|got| got.unwrap() == 0));
    assert_eq!((shop.loads(), shop.count(Event::Collapsed)), (1, 49));
}

#[test]
fn of_those_who_share_a_load_that_fails_each_has_the_error_or_his_own_value() {
    let shop = Shop::new();
    let first = shop.ask_slowly::<u32>("a", &minute(), secs(1), Err(Down("no")));
    let others: Vec<_> = (1..5).map(|n| shop.ask_slowly("a", &minute(), Duration::ZERO, Ok(Loaded::new(n)))).collect();
    let (first, others) = shop.runtime.run(futures::future::join(first, join_all(others)));
    assert!(matches!(first, Err(LoadError::Loader(Down("no")))));
    assert!(others.into_iter().all(|got: Answer<u32>| (1..5).contains(&got.unwrap())));
}

#[test]
fn a_value_that_no_longer_decodes_is_a_miss() {
    let shop = Shop::new();
    shop.load("a", &stale(), "text".to_owned());
    assert_eq!(shop.load("a", &stale(), 7_u32), 7);
    assert_eq!(shop.get::<u32>("a"), Some(7));
    assert_eq!(shop.get::<String>("a"), None);
    assert!(shop.count(Event::Corrupt) > 0);
    // In a stale window too, where the loader runs behind the answer.
    shop.pass(MINUTE);
    assert_eq!(shop.load("a", &stale(), "new".to_owned()), "new");
}

#[test]
fn those_who_want_another_type_load_it_for_themselves() {
    let shop = Shop::new();
    let number = shop.ask_slowly("a", &minute(), secs(1), Ok(Loaded::new(7_u32)));
    let text = shop.ask_slowly("a", &minute(), secs(1), Ok(Loaded::new("text".to_owned())));
    let (number, text) = shop.runtime.run(futures::future::join(number, text));
    assert_eq!((number.unwrap(), text.unwrap()), (7, "text".to_owned()));
}

#[test]
fn values_requests_and_other_apps_are_apart() {
    let shop = Shop::new();
    shop.load("a", &minute(), 1);
    assert_eq!(shop.load("b", &minute(), 2), 2);
    let name = |tier: &FaultyTier| tier.keys()[0].store_name();
    assert_eq!(name(&shop.l2), "lc1:shop:v1:=cache:test:a");
    let other = CacheConfig::new("other", SchemaVersion(1)).build().unwrap();
    let tiers: [Arc<dyn Tier>; 1] = [shop.l2.clone()];
    let data = DataCache::new(Cache::new(other, tiers, Arc::new(shop.runtime.clone())), "https://shop.example");
    assert_eq!(shop.runtime.run(data.get::<u32>(&key("a"))), None);
}

#[test]
fn another_isolate_finds_what_one_has_loaded() {
    let shop = Shop::new();
    shop.load("a", &minute(), 1);
    let other = shop.isolate();
    assert_eq!(other.load("a", &minute(), 2), 1);
    assert_eq!(other.count(Event::HitL1), 1);
}

#[test]
fn a_policy_that_cannot_be_meant_keeps_nothing() {
    let shop = Shop::new();
    let policy = DataPolicy::ttl(Duration::ZERO);
    assert!(policy.check().unwrap_err().to_string().contains("ttl"));
    let got = shop.runtime.run(shop.data.get_or_fetch(&key("a"), &policy, || async { Ok::<_, Down>(1) }));
    assert_eq!(got.unwrap(), 1);
    assert!(shop.tiers().iter().all(|tier| tier.keys().is_empty()));
    assert!(shop.runtime.log_lines().iter().any(|line| line.contains("ttl")));
}
