//! Shadow verification: a handler that answers by what neither the key nor `Vary` holds is found out.

use crate::support::{Got, MINUTE, Request, Seen, World, get, response, secs, table};
use layercake::message::Hide;
use layercake::policy::Level;
use layercake::stats::Event;
use layercake::{CacheConfig, Policy, QueryKey, SchemaVersion, StatusForm};

fn verified() -> Policy {
    Policy::ttl(MINUTE).verify_one_in(1)
}

/// A handler that answers by these request fields, and says that it varies on `vary`.
fn by_fields(policy: Policy, names: &'static [&'static str], vary: &'static [(&'static str, &'static str)]) -> World {
    let world = World::of(table(policy));
    world.site.answers_again();
    world.site.answer(move |seen| Ok(response(200, vary, told(seen, names).into_bytes())));
    world
}

fn told(seen: &Seen, names: &[&str]) -> String {
    names.iter().map(|name| format!("{name}={} ", seen.field(name))).collect()
}

fn user(name: &str) -> Request {
    get("/a").with("accept", "*/*").with("x-user", name).with("x-other", "1")
}

#[track_caller]
fn assert_quarantined(world: &World) {
    assert_eq!(world.count(Event::Quarantined), 1);
    let got = world.send(&get("/b"));
    got.says("fwd=bypass; detail=quarantine");
    assert_eq!(got.field("cache-control"), "private, no-store");
}

#[track_caller]
fn assert_clean(world: &World, verified: u64) {
    assert_eq!(
        (world.count(Event::Verified), world.count(Event::Quarantined)),
        (verified, 0),
        "{:?}",
        world.runtime.log_lines()
    );
}

#[test]
fn an_answer_that_is_the_same_for_everybody_is_verified() {
    let world = by_fields(verified(), &["accept-encoding"], &[]);
    for _ in 0..3 {
        world.send(&user("anna").with("accept-encoding", "gzip").with("cookie", "_ga=1"));
    }
    assert_clean(&world, 3);
    assert_eq!(world.site.calls(), 1 + 3);
    let seen = world.site.last();
    assert_eq!((seen.ask.hide, seen.request.fields.len()), (Hide::Everything, 1), "{seen:?}");
}

#[test]
fn one_that_depends_on_a_field_puts_the_route_into_quarantine() {
    let world = by_fields(verified(), &["x-user"], &[]);
    world.send(&user("anna"));
    assert_quarantined(&world);
    let log = world.runtime.log_lines().join("\n");
    assert!(log.contains("QUARANTINE: (fallback): the body depends on the request field x-user,"), "{log}");
    // What was stored is gone, and nobody else gets it.
    for name in ["ben", "anna"] {
        world.send(&user(name)).says("fwd=bypass; detail=quarantine").reads(&format!("x-user={name} "));
    }
}

#[test]
fn one_that_depends_on_what_is_keyed_or_selects_is_verified() {
    let field: &[(&str, &str)] = &[("vary", "x-user")];
    for (policy, vary) in [(verified().key_headers(&["x-user"]), &[][..]), (verified(), field)] {
        let world = by_fields(policy, &["x-user"], vary);
        for name in ["anna", "ben", "anna"] {
            world.send(&user(name)).reads(&format!("x-user={name} "));
        }
        assert_clean(&world, 3);
    }
    let world = by_fields(verified().key_cookies(&["theme"]).query(QueryKey::ignored()), &["cookie"], &[]);
    for cookies in ["theme=dark", "_ga=1", "theme=light; _ga=1"] {
        world.send(&get("/a?x").with("cookie", cookies));
    }
    assert_clean(&world, 3);
    let world =
        by_fields(verified().languages(&["en", "it"]).key_headers(&["accept-language"]), &["accept-language"], &[]);
    for language in ["it", "en, it", "fr"] {
        world.send(&get("/a").with("accept-language", language));
    }
    assert_clean(&world, 3);
}

#[test]
fn one_that_depends_on_what_a_value_is_computed_from_is_verified() {
    let config = CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(StatusForm::Full)
        .value("country", |request| {
            let country = request.field("cf-ipcountry").map(|c| String::from_utf8_lossy(&c).into_owned());
            Some(country.unwrap_or_else(|| "none".to_owned()))
        })
        .fallback(verified().key_values(&["country"]))
        .build()
        .unwrap();
    let world = World::of(config);
    world.site.answers_again();
    world.site.answer(|seen| Ok(response(200, &[], told(seen, &["cf-ipcountry"]).into_bytes())));
    for country in ["IT", "DE", "IT"] {
        world.send(&get("/a").with("cf-ipcountry", country)).reads(&format!("cf-ipcountry={country} "));
    }
    world.send(&get("/a"));
    assert_clean(&world, 4);
}

#[test]
fn status_and_type_are_compared_as_well() {
    let cases: [fn(&Seen) -> layercake::message::Response; 3] = [
        |seen| response(if seen.field("x-user").is_empty() { 404 } else { 200 }, &[], "same"),
        |seen| {
            response(200, if seen.field("x-user").is_empty() { &[] } else { &[("content-type", "text/html")] }, "same")
        },
        |seen| response(200, if seen.field("x-user").is_empty() { &[] } else { &[("location", "/anna")] }, "same"),
    ];
    for (answer, what) in cases.into_iter().zip(["status", "content-type", "location"]) {
        let world = by_fields(verified().status(404, MINUTE), &[], &[]);
        world.site.answer(move |seen| Ok(answer(seen)));
        world.send(&user("anna"));
        assert_quarantined(&world);
        let log = world.runtime.log_lines().join("\n");
        assert!(log.contains(&format!("the {what} depends on the request field x-user,")), "{log}");
    }
}

#[test]
fn two_fields_together_are_found_out_without_a_name() {
    let world = by_fields(verified(), &[], &[]);
    world.site.answer(|seen| {
        let both = !seen.field("x-user").is_empty() && !seen.field("x-other").is_empty();
        Ok(response(200, &[], if both { "hello anna" } else { "hello" }))
    });
    world.send(&user("anna"));
    assert_quarantined(&world);
    assert!(
        world
            .runtime
            .log_lines()
            .join("\n")
            .contains("depends on what is no single request field (request.cf, or several together)")
    );
}

#[test]
fn answers_that_never_repeat_prove_nothing() {
    let world = by_fields(verified(), &[], &[]);
    let mut calls = 0;
    world.site.answer(move |_| {
        calls += 1;
        Ok(response(200, &[], format!("call {calls}").into_bytes()))
    });
    world.send(&user("anna"));
    assert_clean(&world, 0);
    assert!(
        world.runtime.log_lines().join("\n").contains("cannot be verified: body differs from one call to the next")
    );
    world.send(&get("/a")).says("hit; ttl=60; detail=hot");
}

#[test]
fn what_has_merely_changed_is_forgotten_and_not_held_against_the_route() {
    let world = by_fields(verified(), &[], &[]);
    world.site.always(200, &[], "old");
    world.send(&user("anna"));
    assert_clean(&world, 1);
    world.site.always(200, &[], "new");
    world.send(&user("ben")).reads("old");
    assert_clean(&world, 1);
    world.send(&user("ben")).says("fwd=uri-miss; ttl=60; stored").reads("new");
    assert_clean(&world, 2);
}

#[test]
fn an_answer_that_nobody_looked_at_is_found_out_by_the_next_who_asks() {
    // Anna's answer is stored unseen; Ben's hit is looked at: it is not what Ben would get, and is forgotten.
    let world = by_fields(Policy::ttl(MINUTE).verify_one_in(2), &["x-user"], &[]);
    world.send(&get("/warm"));
    world.send(&user("anna")).reads("x-user=anna ");
    world.send(&get("/a")).reads("x-user=anna ");
    assert_eq!(world.count(Event::Quarantined), 0);
    // The next fill is looked at, whatever its turn.
    world.send(&user("anna")).reads("x-user=anna ");
    assert_quarantined(&world);
}

#[test]
fn one_of_so_many_is_looked_at_the_first_among_them() {
    let world = by_fields(Policy::ttl(MINUTE).verify_one_in(10), &[], &[]);
    for n in 0..31 {
        world.send(&get(&format!("/{}", n % 7)));
    }
    assert_clean(&world, 4);
}

#[test]
fn quarantine_reaches_other_isolates_through_the_tiers_and_ends_with_the_rule() {
    let world = by_fields(verified(), &["x-user"], &[]);
    world.send(&user("anna"));
    assert_quarantined(&world);
    let elsewhere = |policy| {
        let other = world.far_away(table(policy));
        other.site.answers_again();
        other.site.answer(|seen| Ok(response(200, &[], told(seen, &["x-user"]).into_bytes())));
        other
    };
    let same = elsewhere(verified());
    same.send(&get("/c"));
    same.send(&get("/d")).says("fwd=bypass; detail=quarantine");
    // The marker itself is no answer to anybody.
    assert_eq!(same.count(Event::Corrupt), 0);
    let mended = elsewhere(verified().key_headers(&["x-user"]));
    for name in ["anna", "ben"] {
        mended.send(&user(name)).says("fwd=uri-miss; ttl=60; stored").reads(&format!("x-user={name} "));
    }
    assert_clean(&mended, 2);
}

#[test]
fn what_may_be_shared_by_its_own_word_is_left_alone() {
    let world = by_fields(verified(), &["authorization"], &[("cache-control", "public, max-age=60")]);
    world.send(&get("/a").with("authorization", "anna")).reads("authorization=anna ");
    world.send(&get("/a")).says("hit; ttl=60; detail=hot");
    assert_eq!(world.count(Event::Quarantined), 0);
}

#[test]
fn a_door_that_asks_once_and_a_handler_that_fails_are_no_obstacle() {
    let once = World::of(table(verified()));
    once.send(&get("/a"));
    once.send(&get("/a")).says("hit; ttl=60; detail=hot");
    assert_clean(&once, 0);

    let world = by_fields(verified(), &[], &[]);
    let mut calls = 0;
    world.site.answer(move |_| {
        calls += 1;
        if calls == 1 { Ok(response(200, &[], "hello")) } else { Err(crate::support::Failure("gone")) }
    });
    world.send(&get("/a")).reads("hello");
    world.send(&get("/a")).says("hit; ttl=60; detail=hot");
    assert_clean(&world, 0);
}

#[test]
fn what_is_not_stored_is_not_looked_at() {
    let world = by_fields(verified(), &["x-user"], &[("cache-control", "no-store")]);
    let got: Vec<Got> = ["anna", "ben"].map(|name| world.send(&user(name))).into();
    assert_eq!(got.iter().map(Got::text).collect::<Vec<_>>(), ["x-user=anna ", "x-user=ben "]);
    assert_clean(&world, 0);
    world.pass(secs(5));
    assert!(world.l2.keys().is_empty(), "{:?}", Level::L2);
}
