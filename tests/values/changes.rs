//! Values that are set, touched and deleted.

use super::*;
use layercake::data::{DataError, Ttl};

fn set<T: serde::Serialize + Sync>(shop: &Shop, name: &str, value: &T, ttl: impl Into<Ttl>) -> Result<(), DataError> {
    let done = shop.runtime.run(shop.data.set(&key(name), value, ttl));
    shop.runtime.run_background();
    done
}

#[test]
fn what_is_set_is_there_for_its_time_in_all_tiers() {
    let shop = Shop::new();
    set(&shop, "a", &1, MINUTE).unwrap();
    set(&shop, "b", &2, Ttl::FOREVER).unwrap();
    assert!(shop.tiers().iter().all(|tier| shop.entries(tier).len() == 2));
    assert_eq!((shop.get("a"), shop.get("b")), (Some(1), Some(2)));
    set(&shop, "a", &3, secs(5)).unwrap();
    assert_eq!(shop.get("a"), Some(3));
    shop.pass(secs(5));
    assert_eq!((shop.get::<u32>("a"), shop.get("b")), (None, Some(2)));
    shop.pass(9 * 365 * 24 * 60 * MINUTE);
    assert_eq!(shop.get("b"), Some(2));
}

#[test]
fn what_is_set_is_what_a_loader_would_have_brought() {
    let shop = Shop::new();
    set(&shop, "a", &1, MINUTE).unwrap();
    assert_eq!(shop.load("a", &minute(), 2), 1);
    assert_eq!(shop.loads(), 0);
}

#[test]
fn a_load_under_way_does_not_undo_a_change() {
    for change in ["set", "delete"] {
        let shop = Shop::new();
        let loading = shop.ask_slowly("a", &minute(), secs(10), Ok(Loaded::new(1)));
        let changing = async {
            shop.runtime.sleep(secs(1)).await;
            match change {
                "set" => shop.data.set(&key("a"), &2, MINUTE).await.unwrap(),
                _ => shop.data.delete(&key("a")).await.unwrap(),
            }
        };
        let (loaded, ()) = shop.runtime.run(futures::future::join(loading, changing));
        shop.runtime.run_background();
        assert_eq!(loaded.unwrap(), 1, "who asked before it");
        let expected = (change == "set").then_some(2);
        assert_eq!(shop.get::<u32>("a"), expected);
        shop.clear(&shop.hot);
        assert_eq!(shop.get::<u32>("a"), expected);
        shop.clear(&shop.hot);
        shop.clear(&shop.l1);
        assert_eq!(shop.get::<u32>("a"), expected);
    }
}

#[test]
fn no_lifetime_is_an_error() {
    let shop = Shop::new();
    for ttl in [Duration::ZERO, secs(11 * 365 * 86_400)] {
        let error = set(&shop, "a", &1, ttl).unwrap_err().to_string();
        assert!(error.contains("ttl"), "{error}");
        assert!(shop.runtime.run(shop.data.touch(&key("a"), ttl)).is_err());
    }
    assert!(shop.tiers().iter().all(|tier| tier.keys().is_empty()));
}

#[test]
fn what_is_too_large_is_an_error_that_names_the_limit() {
    let mut shop = Shop::new();
    shop.data = shop.data.clone().policy(DataPolicy::forever().max_size(10));
    set(&shop, "a", &"12345678", MINUTE).unwrap();
    let error = set(&shop, "a", &"123456789", MINUTE).unwrap_err();
    assert!(matches!(error, DataError::TooLarge { limit: 10, .. }), "{error}");
    assert!(error.to_string().contains("cache:test:a"));
}

#[test]
fn what_cannot_be_written_is_an_error_and_what_is_loaded_so_comes_back() {
    let shop = Shop::new();
    let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert!(matches!(set(&shop, "a", &vec![(&odd, 1)], MINUTE), Err(DataError::Codec(_))));
    let got = shop.load("a", &minute(), vec![std::collections::BTreeMap::from([(vec![1_u8], 3_u8)])]);
    assert_eq!(got[0][&vec![1]], 3);
    assert!(shop.tiers().iter().all(|tier| tier.keys().is_empty()));
}

#[test]
fn a_touched_value_lives_on() {
    let shop = Shop::new();
    set(&shop, "a", &1, MINUTE).unwrap();
    shop.pass(secs(50));
    assert!(shop.runtime.run(shop.data.touch(&key("a"), MINUTE)).unwrap());
    shop.pass(secs(59));
    assert_eq!(shop.get("a"), Some(1));
    shop.clear(&shop.hot);
    shop.clear(&shop.l1);
    assert_eq!(shop.get("a"), Some(1), "in L2 too");
    shop.pass(secs(1));
    assert_eq!(shop.get::<u32>("a"), None);
    assert!(!shop.runtime.run(shop.data.touch(&key("a"), MINUTE)).unwrap());
    assert!(!shop.runtime.run(shop.data.touch(&key("b"), MINUTE)).unwrap());
}

#[test]
fn a_touch_does_not_bring_back_what_is_deleted_or_set_while_it_looks() {
    for change in ["set", "delete"] {
        let shop = Shop::new();
        set(&shop, "a", &1, MINUTE).unwrap();
        shop.pass(secs(10));
        shop.clear(&shop.hot);
        shop.l1.fail_gets(GetFault::Slow(Duration::from_millis(500)));
        let name = key("a");
        let touching = shop.data.touch(&name, 10 * MINUTE);
        let changing = async {
            shop.runtime.sleep(Duration::from_millis(100)).await;
            match change {
                "set" => shop.data.set(&name, &2, MINUTE).await.unwrap(),
                _ => shop.data.delete(&name).await.unwrap(),
            }
        };
        let (touched, ()) = shop.runtime.run(futures::future::join(touching, changing));
        touched.unwrap();
        shop.runtime.run_background();
        shop.l1.heal();
        let expected = (change == "set").then_some(2);
        for tier in shop.tiers() {
            assert_eq!(shop.get::<u32>("a"), expected);
            shop.clear(tier);
        }
    }
}

#[test]
fn a_touch_elsewhere_does_not_bring_back_what_is_deleted_here() {
    let (shop, other) = two_that_have_it();
    shop.runtime.run(shop.data.delete(&key("a"))).unwrap();
    assert!(other.runtime.run(other.data.touch(&key("a"), MINUTE)).unwrap(), "it has it in memory");
    assert_eq!(shop.get::<u32>("a"), None);
}

#[test]
fn bytes_that_do_not_come_are_not_touched() {
    let shop = Shop::new();
    set(&shop, "a", &1, MINUTE).unwrap();
    shop.clear(&shop.hot);
    shop.l1.fail_gets(GetFault::Stalled);
    assert!(!shop.runtime.run(shop.data.touch(&key("a"), MINUTE)).unwrap());
    assert!(shop.now().since(SimRuntime::START) <= secs(10));
}

/// Two isolates with the same value, the second one in its memory too.
fn two_that_have_it() -> (Shop, Shop) {
    let shop = Shop::new();
    let other = shop.isolate();
    set(&shop, "a", &1, MINUTE).unwrap();
    assert_eq!(other.get("a"), Some(1));
    shop.pass(secs(1));
    (shop, other)
}

#[test]
fn what_is_deleted_is_gone_before_the_answer() {
    let shop = Shop::new();
    let names = ["a", "b", "c"];
    for name in names {
        set(&shop, name, &1, MINUTE).unwrap();
    }
    shop.runtime.run(shop.data.delete(&key("a"))).unwrap();
    assert_eq!((shop.get::<u32>("a"), shop.get("b")), (None, Some(1)));
    shop.runtime.run(shop.data.delete_many(&names.map(key))).unwrap();
    assert!(shop.tiers().iter().all(|tier| shop.entries(tier).is_empty()));
    assert_eq!(shop.isolate().get::<u32>("b"), None);
    shop.runtime.run(shop.data.delete_many(&[])).unwrap();
}

#[test]
fn what_a_tier_does_not_forget_is_an_error_and_not_served_here() {
    let shop = Shop::new();
    set(&shop, "a", &1, MINUTE).unwrap();
    shop.deletes[1].fail(Some(DeleteFault::Fail));
    shop.pass(Duration::from_millis(1));
    let error = shop.runtime.run(shop.data.delete(&key("a"))).unwrap_err();
    assert!(error.to_string().contains("cache:test:a"), "{error}");
    assert_eq!(shop.get::<u32>("a"), None);
}

#[test]
fn a_tier_that_never_says_it_has_forgotten_is_not_waited_for_long() {
    let shop = Shop::new();
    set(&shop, "a", &1, MINUTE).unwrap();
    shop.deletes[0].fail(Some(DeleteFault::Hang));
    let before = shop.now();
    assert!(shop.runtime.run(shop.data.delete(&key("a"))).is_err());
    assert!(shop.now().since(before) <= secs(4));
    assert!(shop.entries(&shop.l2).is_empty(), "the others were told");
    shop.deletes[0].fail(None);
    shop.runtime.run_background();
}

#[test]
fn a_store_that_may_be_behind_the_times_is_told_to_forget_what_it_does_not_show() {
    let shop = Shop::new();
    let before = shop.deletes.each_ref().map(Deletes::count);
    shop.runtime.run(shop.data.delete(&key("never"))).unwrap();
    assert_eq!(shop.deletes.each_ref().map(Deletes::count), before.map(|n| n + 1));
}

/// A host whose clock moves whenever somebody looks at it.
struct Restless(SimRuntime);

impl Runtime for Restless {
    fn now(&self) -> Timestamp {
        self.0.advance(Duration::from_millis(1));
        self.0.now()
    }

    fn spawn(&self, task: futures::future::BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> futures::future::BoxFuture<'static, ()> {
        self.0.sleep(duration)
    }

    fn log(&self, line: &str) {
        self.0.log(line);
    }

    fn random(&self) -> u32 {
        self.0.random()
    }
}

#[test]
fn a_clock_that_moves_meanwhile_makes_no_change_older_than_itself() {
    let mut shop = Shop::new();
    let tiers: [Arc<dyn Tier>; 3] = [shop.hot.clone(), shop.l1.clone(), shop.l2.clone()];
    let cache = Cache::new(shop.config.clone(), tiers, Arc::new(Restless(shop.runtime.clone())));
    shop.data = DataCache::new(cache, "https://shop.example");
    for n in 0..5 {
        set(&shop, "a", &n, MINUTE).unwrap();
        assert_eq!(shop.get("a"), Some(n));
        assert!(shop.runtime.run(shop.data.touch(&key("a"), MINUTE)).unwrap());
        assert_eq!(shop.get("a"), Some(n));
        let mut bundle = shop.data.bundle();
        bundle.insert("n", &n).unwrap();
        shop.runtime.run(shop.data.set_bundle(&key("b"), &bundle, MINUTE)).unwrap();
        assert_eq!(shop.runtime.run(shop.data.get_bundle(&key("b"))), Some(bundle));
        shop.asked.set(shop.asked.get() + 1);
        shop.runtime.run(shop.data.delete(&key("c"))).unwrap();
        assert_eq!(shop.load("c", &minute(), n), n);
        assert_eq!(shop.load("c", &minute(), 99), n, "loaded after the deletion");
    }
}
