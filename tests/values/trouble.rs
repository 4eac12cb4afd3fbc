//! Loaders and tiers that misbehave.

use super::*;

#[test]
fn a_loader_that_hangs_ends_in_an_error_or_a_stale_value() {
    let shop = Shop::new();
    let policy = stale().hard_timeout(secs(3));
    shop.load("b", &policy, 1);
    shop.pass(12 * MINUTE);
    let hung = shop.runtime.run(shop.ask_slowly("a", &policy, secs(1_000_000), Ok(Loaded::new(1))));
    let error = hung.unwrap_err();
    assert!(matches!(error, LoadError::TimedOut { limit: Some(limit), .. } if limit == secs(3)));
    assert!(error.to_string().contains("cache:test:a") && error.to_string().contains("3s"), "{error}");
    let stale = shop.runtime.run(shop.ask_slowly("b", &policy, secs(1_000_000), Ok(Loaded::new(2))));
    assert_eq!(stale.unwrap(), 1);
    shop.runtime.run_background();
}

#[test]
fn a_loader_that_asks_for_its_own_value_is_told_so() {
    let shop = Shop::new();
    let data = shop.data.clone();
    let inner = data.clone();
    let got: Answer<u32> = shop.runtime.run(data.get_or_fetch(&key("a"), &minute(), move || async move {
        let deeper = inner.clone();
        let through_another = inner
            .get_or_fetch(&key("b"), &minute(), move || async move {
                let got: Answer<u32> = deeper.get_or_fetch(&key("a"), &minute(), || async { Ok(1) }).await;
                match got {
                    Err(LoadError::Recursive { key }) if key == "cache:test:a" => Ok(7),
                    _ => Err(Down("not told")),
                }
            })
            .await;
        through_another.map_err(|_| Down("failed"))
    }));
    assert_eq!(got.unwrap(), 7);
    shop.runtime.run_background();
    shop.asked.set(2);
}

#[test]
fn a_loader_may_ask_for_other_values() {
    let shop = Shop::new();
    let inner = shop.data.clone();
    let got: Answer<u32> = shop.runtime.run(shop.data.get_or_fetch(&key("sum"), &minute(), move || async move {
        let one = inner.get_or_fetch(&key("one"), &minute(), || async { Ok::<_, Down>(1) }).await;
        let two = inner.get_or_fetch(&key("two"), &minute(), || async { Ok::<_, Down>(2) }).await;
        Ok(one.map_err(|_| Down(""))? + two.map_err(|_| Down(""))?)
    }));
    assert_eq!(got.unwrap(), 3);
    shop.runtime.run_background();
    shop.asked.set(3);
}

#[test]
fn with_every_tier_failing_the_loaders_value_comes_back() {
    let shop = Shop::new();
    for tier in shop.tiers() {
        tier.fail_gets(GetFault::Fail);
        tier.fail_puts(PutFault::Fail);
    }
    shop.deletes.iter().for_each(|deletes| deletes.fail(Some(DeleteFault::Fail)));
    for n in 0..20 {
        assert_eq!(shop.load("a", &minute(), n), n);
        assert!(matches!(shop.ask::<u32>("a", &minute(), Err(Down("no"))), Err(LoadError::Loader(Down("no")))));
    }
    assert_eq!(shop.loads(), 40);
}

#[test]
fn a_set_that_a_tier_refuses_leaves_nothing_old_behind() {
    let shop = Shop::new();
    let set = |value: u32| shop.runtime.run(shop.data.set(&key("a"), &value, MINUTE));
    set(1).unwrap();
    shop.l1.fail_puts(PutFault::Fail);
    set(2).unwrap();
    assert!(shop.entries(&shop.l1).is_empty(), "the old one is gone");
    let other = shop.isolate();
    assert_eq!(other.get("a"), Some(2), "from L2");
    shop.l1.heal();
    set(3).unwrap();
    shop.l1.fail_puts(PutFault::Fail);
    shop.deletes[0].fail(Some(DeleteFault::Fail));
    let error = set(4).unwrap_err();
    assert!(error.to_string().contains("l1"), "{error}");
}

#[test]
fn a_loader_that_panics_leaves_no_key_locked() {
    let shop = Shop::new();
    let data = shop.data.clone();
    let policy = minute().hard_timeout(secs(3));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        shop.runtime.run(data.get_or_fetch::<u32, Down, _, _>(&key("a"), &policy, || async { panic!("a bug") }))
    }));
    assert!(panicked.is_err());
    assert_eq!(shop.load("a", &minute(), 1), 1);
    shop.asked.set(1);
}

#[test]
fn values_that_are_cut_or_bent_in_a_tier_are_missing() {
    let shop = Shop::new();
    shop.load("a", &minute(), "x".repeat(1000));
    shop.clear(&shop.hot);
    shop.clear(&shop.l1);
    for (name, bytes) in [("cut", "\"xx"), ("bent", "{\"a\":"), ("nothing", "")] {
        let at = shop.l2.keys().remove(0);
        let entry = shop.entries(&shop.l2).remove(0);
        let mut head = (*entry.head).clone();
        head.length = Some(bytes.len() as u64);
        let bent = StoredResponse { head: Arc::new(head), headers: entry.headers, body: bytes.into() };
        shop.runtime.run(shop.l2.inner().put(&at, bent, shop.now())).unwrap();
        assert_eq!(shop.get::<String>("a"), None, "{name}");
        assert_eq!(shop.load("a", &minute(), "new".to_owned()), "new", "{name}");
        shop.clear(&shop.hot);
        shop.clear(&shop.l1);
    }
}
