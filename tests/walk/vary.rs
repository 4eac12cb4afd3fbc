//! Several variants of one target (RFC 9111 section 4.1): everybody gets the one that was made for a request like theirs.

use crate::support::{Failure, MINUTE, Request, World, get, head, response, secs, stale_policy, table};
use layercake::Policy;
use layercake::policy::Tiers;
use layercake::runtime::Runtime as _;
use layercake::semantics::Fields as _;
use layercake::sim::{GetFault, PutFault};
use layercake::stats::Event;
use proptest::prelude::*;
use std::sync::{Arc, Mutex};

fn asks(language: &str) -> Request {
    get("/a").with("accept-language", language)
}

/// A handler that answers in the language it sees, and says so.
fn speaks(world: &World, fields: &'static [(&'static str, &'static str)]) {
    world.site.answer(move |seen| {
        let language = seen.request.field("accept-language").map(|v| String::from_utf8_lossy(&v).into_owned());
        let body = format!("in {}", language.as_deref().unwrap_or("silence"));
        Ok(response(200, fields, body.into_bytes()))
    });
}

const BY_LANGUAGE: &[(&str, &str)] = &[("vary", "Accept-Language")];

fn world(policy: Policy) -> World {
    let world = World::new(policy);
    speaks(&world, BY_LANGUAGE);
    world
}

/// What each tier was asked while `act` ran, without the work behind it.
fn gets(world: &World, act: impl FnOnce()) -> [u64; 3] {
    let before = world.tiers().map(|tier| tier.gets());
    act();
    let after = world.tiers().map(|tier| tier.gets());
    [after[0] - before[0], after[1] - before[1], after[2] - before[2]]
}

const LANGUAGES: [&str; 4] = ["en", "de", "it", "fr"];

#[test]
fn every_variant_is_answered_from_every_tier_and_promoted() {
    for count in 1..=LANGUAGES.len() {
        let languages = &LANGUAGES[..count];
        let world = world(Policy::ttl(MINUTE));
        for (n, language) in languages.iter().enumerate() {
            let missing = if n == 0 { "uri-miss" } else { "vary-miss" };
            let got = world.send(&asks(language));
            got.says(&format!("fwd={missing}; ttl=60; stored")).reads(&format!("in {language}"));
        }
        for (cleared, level) in [(0, "hot"), (1, "l1"), (2, "l2")] {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            for (round, level) in [(0, level), (1, "hot")] {
                for language in languages {
                    let got = world.send(&asks(language));
                    got.says(&format!("hit; ttl=60; detail={level}")).reads(&format!("in {language}"));
                    assert_eq!(got.field("vary"), "Accept-Language", "{round}");
                }
            }
        }
        // What came from L2 has been left in L1.
        world.clear(&world.hot);
        for language in languages {
            world.send(&asks(language)).says("hit; ttl=60; detail=l1");
        }
        assert_eq!((world.site.calls(), world.l2.puts()), (count, count as u64));
    }
}

#[test]
fn one_variant_costs_one_read_of_a_tier_and_every_other_two() {
    let world = world(Policy::ttl(MINUTE));
    let reads = |language: &str| {
        let reads = gets(&world, || drop(world.try_send(&asks(language)).unwrap()));
        world.runtime.run_background();
        reads
    };
    assert_eq!(reads("en"), [1, 1, 1], "the first miss");
    assert_eq!(reads("en"), [1, 0, 0]);
    assert_eq!(reads("de"), [3, 2, 1], "the second variant's miss");
    assert_eq!(reads("de"), [2, 0, 0]);
    assert_eq!(reads("en"), [1, 0, 0], "the first is as near as before");
    for (cleared, en, de) in [(1, [1, 1, 0], [2, 1, 0]), (2, [1, 1, 1], [2, 1, 1])] {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        assert_eq!(reads("en"), en);
        assert_eq!(reads("de"), de, "behind a primary that is in the hot tier again");
    }
    for (cleared, de) in [(1, [2, 2, 0]), (2, [2, 2, 2])] {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        assert_eq!(reads("de"), de, "with the primary as far away as the variant");
    }
}

#[test]
fn a_variant_asked_alone_brings_the_primary_nearer_as_well() {
    // Otherwise each request for it reads L2, however hot it is.
    let world = world(Policy::ttl(10 * MINUTE).tiers(Tiers::ALL));
    world.send(&asks("en"));
    world.send(&asks("de"));
    world.clear(&world.hot);
    world.clear(&world.l1);
    world.send(&asks("de")).says("hit; ttl=600; detail=l2");
    let reads = gets(&world, || {
        for _ in 0..10 {
            world.send(&asks("de")).says("hit; ttl=600; detail=hot").reads("in de");
        }
    });
    assert_eq!(reads[2], 0, "L2 was read for an answer from the hot tier");
}

#[test]
fn a_missing_field_is_a_value_and_an_empty_one_another() {
    // 4.1: "if a header field is absent from a request, it can only match another request if it is also absent there."
    let world = world(Policy::ttl(MINUTE));
    let requests = [(get("/a"), "in silence"), (asks(""), "in "), (asks("en"), "in en")];
    for (round, status) in [(0, "stored"), (1, "hot"), (2, "l1"), (3, "l2")] {
        world.tiers()[..[0, 0, 1, 2][round]].iter().for_each(|tier| world.clear(tier));
        for (request, body) in &requests {
            let got = world.send(request);
            assert!(got.reads(body).cache_status().ends_with(status), "{round} {}", got.cache_status());
        }
    }
    assert_eq!(world.site.calls(), 3);
}

#[test]
fn what_may_stand_between_members_makes_no_other_variant() {
    // 4.1: whitespace where allowed, several lines of one name.
    let world = world(Policy::ttl(MINUTE));
    world.send(&asks("en, de;q=0.5")).reads("in en, de;q=0.5");
    for value in ["en,de;q=0.5", "en ,\tde;q=0.5", "  en, de;q=0.5 "] {
        world.send(&asks(value)).says("hit; ttl=60; detail=hot").reads("in en, de;q=0.5");
    }
    let lines = get("/a").with("accept-language", "en").with("Accept-Language", "de;q=0.5");
    world.send(&lines).says("hit; ttl=60; detail=hot").reads("in en, de;q=0.5");
    assert_eq!(world.site.calls(), 1);
    for (n, value) in ["de;q=0.5, en", "en", "en, de;q=0.4", "en de;q=0.5"].iter().enumerate() {
        world.send(&asks(value)).says("fwd=vary-miss; ttl=60; stored").reads(&format!("in {value}"));
        assert_eq!(world.site.calls(), 2 + n);
    }
}

#[test]
fn only_what_is_known_to_mean_the_same_is_the_same() {
    // 4.1: normalised "in a way that is known to have identical semantics, according to the header field's
    // specification". Origin is no list: a handler that compares it byte for byte refuses the second, and whoever sends it
    // first must not have the refusal stored for everybody from that origin.
    for (name, good, bad) in [
        ("origin", "https://a.example", "https://a.example,"),
        ("origin", "https://a.example", ",https://a.example"),
        ("x-plan", "gold", "gold,,"),
    ] {
        let world = World::new(Policy::ttl(MINUTE));
        world.site.answer(move |seen| {
            let (vary, allowed) = ([("vary", name)], seen.field(name) == good);
            Ok(response(200, &vary, if allowed { "welcome" } else { "refused" }))
        });
        world.send(&get("/a").with(name, bad)).reads("refused");
        world.send(&get("/a").with(name, good)).reads("welcome");
    }
}

#[test]
fn names_in_another_order_or_case_are_the_same_names() {
    let spellings: [&[(&str, &str)]; 5] = [
        &[("vary", "Accept-Language, X-Plan")],
        &[("vary", "x-plan,ACCEPT-LANGUAGE")],
        &[("vary", "X-Plan"), ("vary", "Accept-Language")],
        &[("vary", "Accept-Language,,X-Plan, accept-language")],
        &[("vary", " x-PLAN ,\taccept-language ")],
    ];
    let world = World::new(Policy::ttl(MINUTE));
    let mut call = 0;
    world.site.answer(move |seen| {
        call += 1;
        let body = format!("{} {}", seen.field("accept-language"), seen.field("x-plan"));
        Ok(response(200, spellings[(call - 1) % spellings.len()], body.into_bytes()))
    });
    let combinations = [("en", "a"), ("en", "b"), ("de", "a"), ("de", "b"), ("it", "a")];
    for round in 0..3 {
        if round == 2 {
            world.clear(&world.hot);
            world.clear(&world.l1);
        }
        for (language, plan) in combinations {
            let got = world.send(&asks(language).with("x-plan", plan));
            got.reads(&format!("{language} {plan}"));
        }
    }
    assert_eq!(world.site.calls(), combinations.len(), "a spelling of the names began a new family");
}

#[test]
fn names_that_change_void_the_variants_told_apart_by_the_old_ones() {
    let world = world(Policy::ttl(MINUTE));
    world.send(&asks("en"));
    world.send(&asks("de"));
    // From now on it is the plan that counts.
    world
        .site
        .answer(|seen| Ok(response(200, &[("vary", "X-Plan")], format!("plan {}", seen.field("x-plan")).into_bytes())));
    let asks_plan = |language: &str, plan: &str| asks(language).with("x-plan", plan);
    world.send(&asks_plan("en", "a")).reads("in en");
    // As long as the first of the old ones is fresh it keeps its slot; then the new names are those that count.
    world.send(&asks_plan("fr", "a")).says("fwd=vary-miss; detail=variants").reads("plan a");
    world.pass(MINUTE);
    world.send(&asks_plan("fr", "a")).says("fwd=uri-miss; ttl=60; stored").reads("plan a");
    for cleared in 0..3 {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        for language in LANGUAGES {
            world.send(&asks_plan(language, "a")).reads("plan a");
            world.send(&asks_plan(language, "b")).reads("plan b");
        }
    }
    assert_eq!(world.site.calls(), 5, "two languages, two plans, one of them twice");
}

#[test]
fn a_response_without_vary_takes_the_place_of_all_variants() {
    let world = world(Policy::ttl(MINUTE));
    for language in ["en", "de"] {
        world.send(&asks(language));
    }
    world.site.always(200, &[], "for all");
    world.send(&asks("it")).says("fwd=vary-miss; ttl=60; stored").reads("for all");
    for cleared in 0..3 {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        for language in LANGUAGES {
            world.send(&asks(language)).reads("for all");
        }
        world.send(&get("/a")).reads("for all");
    }
    assert_eq!(world.site.calls(), 3);
    // And back again.
    world.pass(MINUTE);
    speaks(&world, BY_LANGUAGE);
    for _ in 0..2 {
        for language in ["de", "en"] {
            world.send(&asks(language)).reads(&format!("in {language}"));
        }
    }
    assert_eq!(world.site.calls(), 5);
}

#[test]
fn vary_star_is_never_stored_nor_anything_beside_it() {
    for vary in ["*", "accept-language, *", "*, accept-language"] {
        let world = World::new(Policy::ttl(MINUTE));
        world.site.answer(move |_| Ok(response(200, &[("vary", vary)], "hello")));
        for _ in 0..2 {
            world.send(&asks("en")).says("fwd=uri-miss; detail=vary");
        }
        assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
    }
}

#[test]
fn beyond_the_cap_newcomers_are_served_and_not_stored() {
    let world = world(stale_policy().max_variants(3));
    for language in ["en", "de", "it"] {
        world.send(&asks(language));
    }
    let puts = world.tiers().map(|tier| tier.puts());
    for language in ["fr", "es", "fr"] {
        world.send(&asks(language)).says("fwd=vary-miss; detail=variants").reads(&format!("in {language}"));
    }
    assert_eq!(world.tiers().map(|tier| tier.puts()), puts);
    // Those it knows are refreshed, each in its place.
    for round in 1..4 {
        world.pass(secs(65));
        for language in ["it", "en", "de"] {
            let got = world.send(&asks(language));
            got.says("hit; ttl=-5; detail=l1").reads(&format!("in {language}"));
            world.send(&asks(language)).says("hit; ttl=60; detail=hot");
        }
        world.send(&asks("fr")).says("fwd=vary-miss; detail=variants");
        assert_eq!(world.count(Event::Revalidated), 3 * round);
    }
    // When the first has left the cache there is room again.
    world.pass(120 * MINUTE);
    world.send(&asks("fr")).says("fwd=uri-miss; ttl=60; stored");
    world.send(&asks("fr")).says("hit; ttl=60; detail=hot").reads("in fr");
}

#[test]
fn known_variants_are_fetched_anew_at_the_cap() {
    // Those that have expired and cannot be validated are known all the same.
    let world = world(Policy::ttl(MINUTE).max_variants(2));
    world.send(&asks("en"));
    world.pass(secs(30));
    world.send(&asks("de"));
    world.send(&asks("fr")).says("fwd=vary-miss; detail=variants");
    world.pass(secs(20));
    // A new first variant, in the family's place, while "de" is fresh.
    world.send(&asks("de")).says("hit; ttl=40; detail=l1").reads("in de");
}

#[test]
fn a_cap_of_one_keeps_the_first_and_of_none_nothing_that_varies() {
    let one = world(Policy::ttl(MINUTE).max_variants(1));
    one.send(&asks("en")).says("fwd=uri-miss; ttl=60; stored");
    one.send(&asks("de")).says("fwd=vary-miss; detail=variants").reads("in de");
    one.send(&asks("en")).says("hit; ttl=60; detail=hot").reads("in en");
    let none = world(Policy::ttl(MINUTE).max_variants(0));
    for _ in 0..2 {
        none.send(&asks("en")).says("fwd=uri-miss; detail=vary").reads("in en");
    }
    none.site.always(200, &[], "for all");
    none.send(&asks("en")).says("fwd=uri-miss; ttl=60; stored");
}

#[test]
fn each_variant_is_refreshed_on_its_own_and_in_its_own_place() {
    // RFC 5861 section 3
    let world = world(stale_policy());
    for language in ["en", "de"] {
        world.send(&asks(language));
    }
    world.pass(secs(65));
    world.site.delay(secs(3));
    let mut calls = 2;
    world.site.answer(move |seen| {
        calls += 1;
        let body = format!("{} of call {calls}", seen.field("accept-language"));
        Ok(response(200, BY_LANGUAGE, body.into_bytes()))
    });
    for _ in 0..3 {
        for language in ["en", "de"] {
            let got = world.try_send(&asks(language)).unwrap();
            got.says("hit; ttl=-5; detail=l1").reads(&format!("in {language}"));
        }
    }
    world.runtime.run_background();
    assert_eq!(world.site.calls(), 4, "one refresh for each");
    for cleared in 0..3 {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        for (language, body) in [("en", "en of call 3"), ("de", "de of call 4")] {
            world.send(&asks(language)).reads(body);
        }
    }
    assert_eq!(world.site.calls(), 4);
}

#[test]
fn a_stale_variant_is_fetched_anew_into_its_own_place() {
    let world = world(Policy::ttl(MINUTE).stale_if_error(60 * MINUTE));
    for language in ["en", "de"] {
        world.send(&asks(language));
    }
    for _ in 0..3 {
        world.pass(MINUTE);
        for language in ["de", "en"] {
            world.send(&asks(language)).says("fwd=stale; ttl=60; stored").reads(&format!("in {language}"));
            world.send(&asks(language)).says("hit; ttl=60; detail=hot").reads(&format!("in {language}"));
        }
    }
    // RFC 5861 section 4: an error is stood in for by the variant that was asked, or by none.
    world.pass(MINUTE);
    world.site.always(503, &[], "down");
    for language in ["de", "en"] {
        let got = world.send(&asks(language));
        got.says("hit; fwd-status=503; ttl=0; detail=stale-if-error").reads(&format!("in {language}"));
    }
    assert_eq!(world.send(&asks("fr")).reads("down").status, 503);
    world.site.answer(|_| Err(Failure("down")));
    assert_eq!(world.try_send(&asks("fr")).unwrap_err(), Failure("down"));
    world.send(&asks("de")).says("hit; ttl=0; detail=stale-if-error").reads("in de");
}

#[test]
fn what_a_change_makes_void_is_all_variants_even_at_the_same_instant() {
    // 4.4
    for wait in [0, 1] {
        let world = world(Policy::ttl(10 * MINUTE));
        for language in LANGUAGES {
            world.send(&asks(language));
        }
        for n in 1..4 {
            world.pass(secs(wait));
            world.send(&get("/a").method("POST")).says("fwd=method");
            let mut call = 0;
            world.site.answer(move |seen| {
                call += 1;
                let body = format!("{} {n}.{call}", seen.field("accept-language"));
                Ok(response(200, BY_LANGUAGE, body.into_bytes()))
            });
            for (call, language) in ["de", "it", "en", "fr"].iter().enumerate() {
                let got = world.send(&asks(language));
                got.reads(&format!("{language} {n}.{}", call + 1));
                let missing = if call == 0 { "uri-miss" } else { "vary-miss" };
                got.says(&format!("fwd={missing}; ttl=600; stored"));
            }
            for tier in world.tiers() {
                for (call, language) in ["de", "it", "en", "fr"].iter().enumerate() {
                    world.send(&asks(language)).reads(&format!("{language} {n}.{}", call + 1));
                }
                world.clear(tier);
            }
            // The tiers were emptied one by one, and nothing is there for the next round but what is put now.
        }
    }
}

#[test]
fn languages_are_narrowed_for_key_and_handler_alike() {
    for policy in [Policy::ttl(MINUTE), Policy::rfc9111().default_ttl(MINUTE)] {
        let world = world(policy.languages(&["en", "it", "pt-BR"]));
        for (sent, chosen) in [
            (Some("it"), "it"),
            (Some("IT-ch, en;q=0.9"), "it"),
            (Some("de, it;q=0.2"), "it"),
            (None, "en"),
            (Some("de"), "en"),
            (Some(""), "en"),
            (Some("en-GB"), "en"),
            (Some("*;q=0.1, it;q=0, en;q=0"), "pt-BR"),
            (Some("pt"), "pt-BR"),
        ] {
            let request = sent.map_or_else(|| get("/a"), asks);
            world.send(&request).reads(&format!("in {chosen}"));
        }
        assert_eq!((world.site.calls(), world.l2.keys().len()), (3, 3), "one for each tag and no more");
        for n in 0..50 {
            world.send(&asks(&format!("x-{n}, it;q=0.5"))).says("hit; ttl=60; detail=hot").reads("in it");
        }
        assert_eq!(world.site.last().field("accept-language"), "pt-BR", "the handler sees the chosen one");
    }
}

#[test]
fn encodings_are_narrowed_for_key_and_handler_alike() {
    let world = World::new(Policy::ttl(MINUTE).encodings(&["br", "gzip"]));
    world.site.answer(|seen| {
        Ok(response(200, &[("vary", "accept-encoding")], format!("as {}", seen.field("accept-encoding")).into_bytes()))
    });
    for (sent, chosen) in [
        (Some("gzip, deflate, br"), "br"),
        (Some("br;q=0.1, gzip;q=1"), "br"),
        (Some("gzip"), "gzip"),
        (Some("gzip;q=1.0, br;q=0"), "gzip"),
        (Some("deflate"), "identity"),
        (None, "identity"),
        (Some("*"), "br"),
    ] {
        let mut request = get("/a");
        if let Some(sent) = sent {
            request = request.with("accept-encoding", sent);
        }
        world.send(&request).reads(&format!("as {chosen}"));
    }
    assert_eq!((world.site.calls(), world.l2.keys().len()), (3, 3));
}

#[test]
fn narrowed_fields_are_narrow_in_a_refresh_and_a_validation_too() {
    let policy = stale_policy().stale_while_revalidate(MINUTE).languages(&["en", "it"]);
    let world = World::new(policy);
    speaks(&world, &[("vary", "accept-language"), ("etag", "\"v1\"")]);
    world.send(&asks("it-CH"));
    for wait in [secs(65), 3 * MINUTE] {
        world.pass(wait);
        world.send(&asks("it;q=0.7, de")).reads("in it");
        let seen = world.site.last();
        assert_eq!((seen.field("accept-language"), seen.field("if-none-match")), ("it".into(), "\"v1\"".into()));
        world.send(&asks("it")).says("hit; ttl=60; detail=hot").reads("in it");
    }
    assert_eq!((world.site.calls(), world.l2.keys().len()), (3, 1));
}

#[test]
fn what_the_handler_does_not_get_to_see_selects_nothing() {
    // Under the safe presets the handler sees neither harmless cookies nor the client's conditions.
    for (name, values) in
        [("cookie", ["_ga=1", "_ga=2"]), ("if-none-match", ["\"a\"", "\"b\""]), ("range", ["lines=0-1", "lines=2-3"])]
    {
        let world = World::new(Policy::ttl(MINUTE));
        world
            .site
            .answer(move |seen| Ok(response(200, &[("vary", name)], format!("<{}>", seen.field(name)).into_bytes())));
        world.send(&get("/a").with(name, values[0])).says("fwd=uri-miss; ttl=60; stored").reads("<>");
        for request in [get("/a").with(name, values[1]), get("/a")] {
            world.send(&request).says("hit; ttl=60; detail=hot").reads("<>");
        }
    }
    // By the letter it sees them, and they do.
    let world = World::new(Policy::rfc9111().default_ttl(MINUTE));
    world.site.answer(|seen| Ok(response(200, &[("vary", "Cookie")], seen.visitor().into_bytes())));
    for status in ["stored", "hot"] {
        for cookie in ["a=1", "a=2"] {
            let got = world.send(&get("/a").with("cookie", cookie));
            assert!(got.reads(cookie).cache_status().ends_with(status));
        }
    }
}

#[test]
fn an_answer_that_one_origin_may_read_is_for_that_origin_and_says_so() {
    for (policy, said) in [
        (Policy::ttl(MINUTE), "Origin"),
        (Policy::from_headers().default_ttl(MINUTE), "Origin"),
        (Policy::rfc9111().default_ttl(MINUTE), ""),
    ] {
        let world = World::new(policy);
        world.site.answer(|seen| {
            let origin = seen.field("origin");
            let fields: &[(&str, &str)] =
                if origin.is_empty() { &[] } else { &[("access-control-allow-origin", &origin)] };
            Ok(response(200, fields, format!("to <{origin}>").into_bytes()))
        });
        let from = |origin: &str| get("/a").with("origin", origin);
        for cleared in [0, 0, 1, 2] {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            for origin in ["https://a.example", "https://b.example"] {
                let got = world.send(&from(origin));
                got.reads(&format!("to <{origin}>"));
                assert_eq!((got.field("access-control-allow-origin"), got.field("vary")), (origin.into(), said.into()));
            }
        }
        assert_eq!(world.site.calls(), 2);
    }
}

#[test]
fn vary_on_origin_is_said_once() {
    for (vary, expected) in [("Origin", "Origin"), ("origin", "origin"), ("accept", "accept, Origin")] {
        let world = World::new(Policy::ttl(MINUTE));
        world.site.answer(move |_| {
            Ok(response(200, &[("access-control-allow-origin", "https://a.example"), ("vary", vary)], "hello"))
        });
        for _ in 0..2 {
            let got = world.send(&get("/a").with("origin", "https://a.example"));
            assert_eq!(got.field("vary"), expected);
        }
        assert_eq!(world.site.calls(), 1);
    }
    // Everybody may read it.
    let world = World::new(Policy::ttl(MINUTE));
    world.site.always(200, &[("access-control-allow-origin", "*")], "hello");
    for origin in ["https://a.example", "https://b.example"] {
        assert_eq!(world.send(&get("/a").with("origin", origin)).field("vary"), "");
    }
    assert_eq!(world.site.calls(), 1);
}

#[test]
fn a_newcomer_to_the_family_does_not_lengthen_the_firsts_stay_in_the_isolate() {
    // HotOptions::max_stay: "an invalidation made elsewhere is seen here after this time at the latest".
    let policy = Policy::ttl(10 * MINUTE).tiers(Tiers::ALL.without_l1());
    let here = world(policy.clone());
    let there = here.far_away(table(policy));
    here.send(&asks("en")).reads("in en");
    here.pass(secs(4));
    here.send(&asks("de"));
    there.send(&get("/a").method("POST"));
    here.pass(secs(1));
    // Five seconds after it came in, it is gone.
    here.send(&asks("en")).says("fwd=uri-miss; ttl=600; stored");
}

/// What a model of a well-behaved site knows.
struct Truth {
    /// How often the site has changed.
    edition: u64,
    /// The request fields that its answers depend on.
    names: &'static [&'static str],
    /// Whether it says so in `Vary`; `Origin` goes without saying when it is allowed by name.
    fails: bool,
}

const FIELDS: [(&str, &[&str]); 3] = [
    ("accept-language", &["", "en", "en, de"]),
    ("origin", &["", "https://a.example"]),
    ("authorization", &["", "anna", "ben"]),
];

const DEPENDENCIES: [&[&str]; 4] = [&["accept-language"], &["accept-language", "origin"], &["origin"], &[]];

/// What an answer depends on, in words.
fn words(edition: u64, names: &[&str], field: impl Fn(&str) -> String) -> String {
    let mut text = format!("{edition}");
    for name in names {
        text.push_str(&format!("|{name}={}", field(name)));
    }
    if !field("authorization").is_empty() {
        text.push_str(&format!("|authorization={}", field("authorization")));
    }
    text
}

/// A site that validates, varies, and marks what is one visitor's by having no `public`.
fn model_site(world: &World, truth: &Arc<Mutex<Truth>>, cache_control: &'static str) {
    let truth = Arc::clone(truth);
    world.site.answer(move |seen| {
        let mut truth = truth.lock().unwrap();
        if truth.fails {
            return Err(Failure("down"));
        }
        if seen.request.method == "POST" {
            truth.edition += 1;
            return Ok(response(204, &[], ""));
        }
        let text = words(truth.edition, truth.names, |name| seen.field(name));
        let etag = format!("\"{text}\"");
        let origin = seen.field("origin");
        let mut fields = vec![("etag", etag.as_str())];
        if !cache_control.is_empty() {
            fields.push(("cache-control", cache_control));
        }
        if truth.names.contains(&"accept-language") {
            fields.push(("vary", "Accept-Language"));
        }
        if truth.names.contains(&"origin") {
            // Every other edition leaves it to the reader.
            if truth.edition.is_multiple_of(2) || origin.is_empty() {
                fields.push(("vary", "Origin"));
            }
            if !origin.is_empty() {
                fields.push(("access-control-allow-origin", &origin));
            }
        }
        if seen.field("if-none-match") == etag {
            return Ok(response(304, &fields, ""));
        }
        let body = if seen.request.method == "HEAD" { Vec::new() } else { text.clone().into_bytes() };
        Ok(response(200, &fields, body))
    });
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask([usize; 3]),
    Head([usize; 3]),
    Change,
    Depend(usize),
    Pass(u64),
    Clear(usize),
    BreakGets(usize, usize),
    BreakPuts(usize, usize),
    Heal(usize),
    OriginFails(bool),
}

const GET_FAULTS: [GetFault; 5] =
    [GetFault::Fail, GetFault::Corrupt, GetFault::Foreign, GetFault::Truncated, GetFault::Slow(secs(10))];
const PUT_FAULTS: [PutFault; 3] = [PutFault::Fail, PutFault::Lose, PutFault::Slow(secs(4))];

fn step() -> impl Strategy<Value = Step> {
    let nobody = prop_oneof![9 => Just(0_usize), 1 => 1..3_usize];
    let values = (0..3_usize, 0..2_usize, nobody).prop_map(|(a, b, c)| [a, b, c]);
    prop_oneof![
        40 => values.clone().prop_map(Step::Ask),
        3 => values.prop_map(Step::Head),
        1 => Just(Step::Change),
        1 => (0..4_usize).prop_map(Step::Depend),
        3 => (0..10_u64).prop_map(Step::Pass),
        2 => (50..100_u64).prop_map(Step::Pass),
        1 => (100..1000_u64).prop_map(Step::Pass),
        3 => (0..3_usize).prop_map(Step::Clear),
        1 => prop::bool::weighted(0.3).prop_map(Step::OriginFails),
    ]
}

fn step_with_faults() -> impl Strategy<Value = Step> {
    prop_oneof![
        55 => step(),
        2 => (0..3_usize, 0..5_usize).prop_map(|(tier, fault)| Step::BreakGets(tier, fault)),
        2 => (0..3_usize, 0..3_usize).prop_map(|(tier, fault)| Step::BreakPuts(tier, fault)),
        2 => (0..3_usize).prop_map(Step::Heal),
    ]
}

fn policies() -> [(Policy, &'static str); 5] {
    [
        (Policy::ttl(MINUTE).max_variants(4), ""),
        (stale_policy(), "max-age=5"),
        (stale_policy().max_variants(3), ""),
        (Policy::from_headers(), "max-age=60, stale-while-revalidate=60"),
        (Policy::rfc9111(), "max-age=60, stale-if-error=600"),
    ]
}

/// Walks through `steps` and holds every answer against what the site would have said.
fn walk(policy: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let (policy, cache_control) = policies()[policy].clone();
    let world = World::new(policy);
    let truth = Arc::new(Mutex::new(Truth { edition: 0, names: DEPENDENCIES[1], fails: false }));
    model_site(&world, &truth, cache_control);
    let asked = |values: &[usize; 3]| {
        FIELDS.iter().zip(values).fold(get("/a"), |request, ((name, choices), chosen)| match choices[*chosen] {
            "" => request,
            value => request.with(name, value),
        })
    };
    for step in steps {
        match step {
            Step::Pass(time) => world.pass(secs(*time)),
            Step::Clear(tier) => world.clear(world.tiers()[*tier]),
            // An L2 that says it has nothing, and has something after all, is not told to forget it.
            Step::BreakGets(2, 2) => world.l2.fail_gets(GetFault::Fail),
            Step::BreakGets(tier, fault) => world.tiers()[*tier].fail_gets(GET_FAULTS[*fault]),
            Step::BreakPuts(tier, fault) => world.tiers()[*tier].fail_puts(PUT_FAULTS[*fault]),
            Step::Heal(tier) => world.tiers()[*tier].heal(),
            Step::OriginFails(fails) => truth.lock().unwrap().fails = *fails,
            Step::Depend(names) => {
                // It is a change like any other.
                truth.lock().unwrap().names = DEPENDENCIES[*names];
                change(&world, &truth);
            }
            Step::Change => change(&world, &truth),
            Step::Head(values) => {
                let _ = world.try_send(&Request { method: "HEAD", ..asked(values) });
                world.runtime.run_background();
            }
            Step::Ask(values) => {
                let request = asked(values);
                let got = world.try_send(&request);
                world.runtime.run_background();
                let Ok(got) = got else { continue };
                let field = |name: &str| {
                    request.field(name).map(|v| String::from_utf8_lossy(&v).into_owned()).unwrap_or_default()
                };
                let (edition, names) = {
                    let truth = truth.lock().unwrap();
                    (truth.edition, truth.names)
                };
                prop_assert_eq!(got.text(), words(edition, names, field), "{}", got.cache_status());
                prop_assert_eq!(got.field("etag"), format!("\"{}\"", got.text()));
            }
        }
    }
    for tier in world.tiers() {
        tier.heal();
    }
    Ok(())
}

fn change(world: &World, truth: &Mutex<Truth>) {
    let fails = std::mem::replace(&mut truth.lock().unwrap().fails, false);
    let _ = world.send(&get("/a").method("POST"));
    truth.lock().unwrap().fails = fails;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn two_visitors_never_get_each_others_answer_nor_one_of_the_past(
        policy in 0..5_usize,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        walk(policy, &steps)?;
    }

    #[test]
    fn nor_do_they_when_tiers_fail(
        policy in 0..5_usize,
        steps in prop::collection::vec(step_with_faults(), 1..120),
    ) {
        walk(policy, &steps)?;
    }
}

#[test]
fn a_head_is_answered_by_the_variant_it_would_get() {
    let world = world(Policy::ttl(MINUTE));
    let asks_head = |language: &str| head("/a").with("accept-language", language);
    world.send(&asks_head("en")).says("fwd=uri-miss; ttl=60; stored").reads("");
    world.send(&asks_head("de")).says("fwd=vary-miss; ttl=60; stored").reads("");
    world.send(&asks("de")).says("hit; ttl=60; detail=hot").reads("in de");
    world.send(&asks_head("en")).says("hit; ttl=60; detail=hot").reads("");
    world.send(&asks("en")).says("hit; ttl=60; detail=hot").reads("in en");
    assert_eq!(world.now(), world.runtime.now());
}
