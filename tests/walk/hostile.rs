//! Sequences an outsider, an unlucky race or an odd table could bring about.

use crate::support::*;
use layercake::policy::{Level, QueryKey, Tiers};
use layercake::sim::StreamTier;
use layercake::tier::MemoryTier;
use layercake::{CacheConfig, Policy, SchemaVersion};
use std::sync::Arc;

const HOUR: std::time::Duration = secs(3600);

fn post(path: &str) -> Request {
    get(path).method("POST")
}

fn asks(language: &str) -> Request {
    get("/a").with("accept-language", language)
}

#[test]
fn without_a_nearer_tier_to_count_them_in_no_variants_go_to_l2() {
    let world = World::new(Policy::ttl(MINUTE).tiers(Tiers::ALL.without_hot().without_l1()));
    world.site.always(200, &[("vary", "Accept-Language")], "x");
    for n in 0..60 {
        world.send(&asks(&format!("x{n}")));
    }
    assert_eq!(world.l2.puts(), 1);
}

#[test]
fn a_target_that_varies_now_on_this_and_now_on_that_is_not_written_by_each_request() {
    let world = World::new(Policy::ttl(HOUR));
    world.site.answer(|seen| {
        let json = seen.field("accept") == "json";
        Ok(response(200, if json { &[("vary", "Accept")] } else { &[("vary", "Accept, Accept-Language")] }, "x"))
    });
    for n in 0..40 {
        world.send(&get("/a").with("accept", if n % 2 == 0 { "json" } else { "html" }));
    }
    assert_eq!(world.l2.puts(), 1);
}

#[test]
fn the_answer_to_a_post_is_not_stored_where_a_get_would_show_less_of_the_request() {
    const FIELDS: &[(&str, &str)] =
        &[("cache-control", "max-age=60"), ("vary", "accept-language"), ("content-location", "/a")];
    for policy in [Policy::rfc9111().anonymous(), Policy::rfc9111().languages(&["en", "it"])] {
        let world = World::new(policy);
        world.site.answer(|seen| {
            let seen = format!("{}{}", seen.visitor(), seen.field("accept-language"));
            Ok(response(200, FIELDS, seen.into_bytes()))
        });
        world.send(&post("/a").with("authorization", "alice").with("accept-language", "de"));
        world.send(&asks("en")).reads("en");
    }
}

#[test]
fn a_body_that_ends_after_a_change_is_not_stored() {
    // 4.4, for the other isolates of the data centre too.
    let world = World::new(Policy::ttl(HOUR));
    world.site.answer(|_| Ok(response(200, &[], scripted([Ok("ol".into()), Ok("d".into())]))));
    let first = world.open(&get("/a")).unwrap();
    world.pass(secs(1));
    world.site.always(200, &[], "ok");
    world.send(&post("/a"));
    world.pass(secs(1));
    world.read(first).reads("old");
    world.runtime.run_background();
    let other = world.neighbour(table(Policy::ttl(HOUR)));
    other.site.always(200, &[], "new");
    world.pass(secs(61));
    other.send(&get("/a")).reads("new");
}

#[test]
fn a_304_renews_nothing_but_what_was_asked_about() {
    // The first variant is lost while the origin thinks, and another one with the same validator takes its slot.
    const FIELDS: &[(&str, &str)] = &[("vary", "accept-language"), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
    let policy = || Policy::ttl(MINUTE).stale_while_revalidate(10 * MINUTE);
    let world = World::new(policy());
    world.site.always(200, FIELDS, "english");
    world.send(&asks("en"));
    world.pass(secs(70));
    let other = world.neighbour(table(policy()));
    other.site.always(200, FIELDS, "italian");
    world.site.always(304, FIELDS, "");
    world.site.delay(secs(1));
    world.try_send(&asks("en")).unwrap().reads("english");
    world.tiers().iter().for_each(|tier| world.clear(tier));
    other.try_send(&asks("it")).unwrap().reads("italian");
    world.runtime.run_background();
    world.site.delay(secs(0));
    world.site.always(200, FIELDS, "english again");
    world.send(&asks("en")).reads("english again");
}

#[test]
fn a_change_is_seen_under_the_policy_of_a_door_as_well() {
    for policy in [Policy::ttl(HOUR).query(QueryKey::ignored()), Policy::ttl(HOUR)] {
        for fallback in [Policy::bypass(), Policy::from_headers()] {
            let world = World::of(table(fallback));
            let policy = Arc::new(policy.clone());
            let send = |request: Request| {
                let prepared = world.cache.prepare_under(Arc::clone(&policy), &request);
                let answer = world.runtime.run(prepared.handle(world.site.origin(&request))).unwrap();
                let got = world.read(answer);
                world.runtime.run_background();
                got
            };
            send(get("/a?x=1")).reads("call 1");
            send(post("/a?x=1")).reads("call 2");
            send(get("/a?x=1")).reads("call 3");
            // These requests were not counted by the world.
            std::mem::forget(world);
        }
    }
}

#[test]
fn what_is_taken_off_on_the_way_out_keeps_no_answer_private() {
    let config = CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .fallback(Policy::from_headers().strip_targets());
    let world = World::of(config.platform_cache(true).build().unwrap());
    world.site.always(200, &[("cdn-cache-control", "private")], "x");
    let got = world.send(&get("/a").with("authorization", "alice"));
    assert_eq!(
        (got.field("cache-control"), got.field("cdn-cache-control")),
        ("private, no-store".into(), String::new())
    );
    world.site.always(200, &[], "x");
    assert_eq!(world.send(&get("/b")).field("cache-control"), "no-store");
}

#[test]
fn a_variant_made_void_stays_so_though_no_tier_forgets_it() {
    let deletes: [Deletes; 3] = Default::default();
    let world = World::with_tiers(
        table(Policy::rfc9111()),
        deletes[0].watch(MemoryTier::new(Level::Hot, 1 << 20)),
        deletes[1].watch(StreamTier::new(Level::L1, 64 << 20)),
        deletes[2].watch(StreamTier::new(Level::L2, 64 << 20)),
    );
    deletes.iter().for_each(|deletes| deletes.fail(Some(DeleteFault::Fail)));
    world.site.answer(|seen| {
        let fields = [("cache-control", "max-age=600"), ("vary", "accept-language"), ("etag", "\"a\"")];
        Ok(response(200, &fields, format!("in {}", seen.field("accept-language")).into_bytes()))
    });
    world.send(&asks("en"));
    world.send(&asks("it"));
    world.pass(secs(1));
    for language in ["it", "en"] {
        world.site.always(304, &[("cache-control", "private"), ("etag", "\"a\"")], "");
        world.send(&asks(language).with("cache-control", "no-cache"));
        world.pass(secs(1));
        world.site.always(200, &[("cache-control", "private")], "another");
        world.send(&asks(language)).reads("another");
    }
}

#[test]
fn of_two_narrowings_of_one_field_the_later_counts() {
    let world = World::new(Policy::ttl(MINUTE).languages(&["en"]).languages(&["de", "fr"]));
    world.site.answer(|seen| {
        let body = format!("in {}", seen.field("accept-language"));
        Ok(response(200, &[("vary", "accept-language")], body.into_bytes()))
    });
    world.send(&asks("de")).reads("in de");
    world.send(&asks("fr")).reads("in fr");
}
