//! Nobody gets another's answer: two visitors, every tier.

use crate::support::{MINUTE, Request, World, get, head, response, stale_policy, table};
use layercake::message::{Ask, Hide};
use layercake::stats::Event;
use layercake::{CacheConfig, Policy, SchemaVersion};

type FieldList = &'static [(&'static str, &'static str)];

/// A handler that answers by whom it sees.
fn personal(world: &World, status: u16, fields: FieldList) {
    world.site.answer(move |seen| Ok(response(status, fields, format!("for <{}>", seen.visitor()).into_bytes())));
}

fn anna(name: &str) -> Request {
    get("/a").with(name, "anna")
}

fn ben(name: &str) -> Request {
    get("/a").with(name, "ben")
}

/// Sends each request with the tiers emptied one after the other, and asserts that the origin answers every time.
#[track_caller]
fn assert_never_shared(world: &World, requests: &[(Request, &str)]) {
    for _ in 0..2 {
        for (request, body) in requests {
            let calls = world.site.calls();
            world.send(request).reads(body);
            assert_eq!(world.site.calls(), calls + 1, "{request:?} was answered from a tier");
        }
    }
    assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0], "something was stored");
}

/// Sends the requests in turn and asserts that one call answers all of them, from every tier.
#[track_caller]
fn assert_shared(world: &World, requests: &[Request], body: &str) {
    for cleared in 0..3 {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        for request in requests {
            world.send(request).reads(body);
        }
    }
    assert_eq!(world.site.calls(), 1);
}

fn policies() -> [Policy; 2] {
    [stale_policy(), Policy::from_headers().default_ttl(MINUTE)]
}

#[test]
fn an_answer_that_sets_a_cookie_is_never_stored() {
    for policy in policies().into_iter().chain(policies().map(Policy::anonymous)) {
        for fields in
            [&[("set-cookie", "id=1")][..], &[("set-cookie", "id=1"), ("cache-control", "public, max-age=60")]]
        {
            let world = World::new(policy.clone());
            let mut visitor = 0;
            world.site.answer(move |_| {
                visitor += 1;
                Ok(response(200, fields, format!("visitor {visitor}").into_bytes()))
            });
            for n in 1..4 {
                let got = world.send(&get("/a"));
                got.says("fwd=uri-miss; detail=set-cookie").reads(&format!("visitor {n}"));
            }
            assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
        }
    }
}

#[test]
fn the_rfc9111_preset_replays_set_cookie() {
    let world = World::new(Policy::rfc9111());
    world.site.always(200, &[("set-cookie", "id=1"), ("cache-control", "max-age=60")], "hello");
    world.send(&get("/a"));
    assert_eq!(world.send(&get("/a")).says("hit; ttl=60; detail=hot").field("set-cookie"), "id=1");
}

#[test]
fn answers_to_authorization_are_kept_from_everybody() {
    for policy in policies().into_iter().chain([Policy::rfc9111().default_ttl(MINUTE)]) {
        let world = World::new(policy);
        personal(&world, 200, &[]);
        let requests = [(anna("authorization"), "for <anna>"), (ben("authorization"), "for <ben>")];
        assert_never_shared(&world, &requests);
        world.send(&get("/a")).reads("for <>");
        // What was stored for nobody in particular is not for them either.
        for (request, body) in requests {
            world.send(&request).says("fwd=request; detail=authorization").reads(body);
        }
        world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("for <>");
    }
}

#[test]
fn answers_to_authorization_that_say_they_may_be_shared_are() {
    for fields in [
        &[("cache-control", "public, max-age=60")][..],
        &[("cache-control", "s-maxage=60")],
        &[("cache-control", "max-age=60, must-revalidate")],
    ] {
        let world = World::new(Policy::from_headers());
        personal(&world, 200, fields);
        assert_shared(&world, &[anna("authorization"), ben("authorization"), get("/a")], "for <anna>");
    }
}

#[test]
fn harmless_cookies_are_masked_beside_a_credential_too() {
    for policy in policies() {
        let world = World::new(policy);
        personal(&world, 200, &[("cache-control", "public, max-age=60")]);
        let request = anna("authorization").with("cookie", "_ga=<script>");
        world.send(&request).reads("for <anna>");
        world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("for <anna>");
    }
}

#[test]
fn fields_that_a_connection_takes_off_do_not_reach_the_key_alone() {
    // What Connection names the next hop may take off (RFC 9110 section 7.6.1), and the handler does not see it.
    let world = World::new(stale_policy());
    for (connection, bypassed) in
        [("x-tenant", true), ("close, X-Tenant", true), ("keep-alive", false), ("Close, TE", false)]
    {
        let got = world.send(&get("/a").with("connection", connection).with("x-tenant", "ben"));
        assert_eq!(got.cache_status().ends_with("fwd=bypass; detail=connection"), bypassed, "{connection}");
    }
}

#[test]
fn a_request_with_a_telling_cookie_has_nothing_to_do_with_the_cache() {
    for policy in policies() {
        let world = World::new(policy);
        personal(&world, 200, &[]);
        let cookie = |value| get("/a").with("cookie", value);
        let requests = [
            (cookie("session=anna"), "for <session=anna>"),
            (cookie("session=ben"), "for <session=ben>"),
            (cookie("_ga=1; session=ben"), "for <_ga=1; session=ben>"),
            (cookie("_ga=1, session=ben"), "for <_ga=1, session=ben>"),
            (cookie("nameless"), "for <nameless>"),
        ];
        assert_never_shared(&world, &requests);
        world.send(&get("/a")).reads("for <>");
        for (request, body) in &requests {
            world.send(request).says("fwd=bypass; detail=cookie").reads(body);
            assert_eq!(world.site.last().ask, Ask::AS_IS);
        }
        world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("for <>");
    }
}

#[test]
fn harmless_cookies_are_masked_and_share() {
    for policy in policies() {
        let world = World::new(policy);
        personal(&world, 200, &[]);
        let requests = ["_ga=anna", "_ga=ben; _gid=ben", "_hjSession=ben"].map(|c| get("/a").with("cookie", c));
        assert_shared(&world, &requests, "for <>");
        assert_eq!(world.site.last().ask, Ask::whole(Hide::Cookies));
    }
}

#[test]
fn a_refresh_does_not_see_who_set_it_off() {
    let world = World::new(stale_policy());
    personal(&world, 200, &[]);
    world.send(&get("/a"));
    world.pass(2 * MINUTE);
    world.send(&get("/a").with("cookie", "_ga=anna")).reads("for <>");
    assert_eq!((world.site.calls(), world.site.last().visitor()), (2, String::new()));
    world.send(&get("/a")).reads("for <>");
}

#[test]
fn the_owner_says_which_cookies_are_harmless() {
    let config = CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .fallback(stale_policy())
        .harmless_cookies(&["theme"])
        .build()
        .unwrap();
    let world = World::of(config);
    personal(&world, 200, &[]);
    assert_shared(&world, &[get("/a").with("cookie", "theme=dark"), get("/a")], "for <>");
    world.send(&get("/a").with("cookie", "_ga=1")).says("fwd=bypass; detail=cookie");
}

#[test]
fn an_anonymous_route_does_not_see_who_asks() {
    for policy in policies() {
        let world = World::new(policy.anonymous());
        personal(&world, 200, &[]);
        let requests = [
            get("/a").with("cookie", "session=anna").with("authorization", "anna"),
            get("/a").with("cookie", "session=ben"),
            ben("authorization"),
            get("/a"),
        ];
        assert_shared(&world, &requests, "for <>");
        assert_eq!(world.site.last().ask, Ask::whole(Hide::Identity));
    }
}

#[test]
fn fields_that_no_key_holds_make_the_cache_step_aside() {
    let names = [
        "x-forwarded-host",
        "x-host",
        "x-original-url",
        "x-rewrite-url",
        "forwarded",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        "x-forwarded-scheme",
    ];
    for policy in policies().into_iter().chain(policies().map(Policy::anonymous)) {
        for name in names {
            let world = World::new(policy.clone());
            world
                .site
                .answer(move |seen| Ok(response(200, &[], format!("links to {}", seen.field(name)).into_bytes())));
            assert_never_shared(&world, &[(get("/a").with(name, "evil.example"), "links to evil.example")]);
            world.send(&get("/a")).reads("links to ");
            world.send(&get("/a").with(name, "x")).says("fwd=bypass; detail=unkeyed-header");
        }
    }
}

#[test]
fn fields_that_platforms_add_to_every_request_do_not() {
    let world = World::new(stale_policy());
    world.send(&get("/a"));
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "cf-connecting-ip", "cf-ray"] {
        world.send(&get("/a").with(name, "1")).says("hit; ttl=60; detail=hot");
    }
}

#[test]
fn an_answer_that_varies_on_everything_is_never_stored() {
    for fields in
        [&[("vary", "*")][..], &[("vary", "accept, *")], &[("vary", "accept"), ("vary", "*")], &[("vary", "\"")]]
    {
        for policy in policies().into_iter().chain([Policy::rfc9111().default_ttl(MINUTE)]) {
            let world = World::new(policy);
            personal(&world, 200, fields);
            assert_never_shared(&world, &[(get("/a"), "for <>"), (get("/a"), "for <>")]);
            world.send(&get("/a")).says("fwd=uri-miss; detail=vary");
        }
    }
    for fields in [
        &[("access-control-allow-origin", "https://a.example")][..],
        &[("access-control-allow-origin", "null")],
        &[("vary", "origin"), ("access-control-allow-origin", "*")],
    ] {
        for policy in policies().into_iter().chain([Policy::rfc9111().default_ttl(MINUTE)]) {
            let world = World::new(policy.max_variants(0));
            personal(&world, 200, fields);
            assert_never_shared(&world, &[(get("/a"), "for <>"), (get("/a"), "for <>")]);
        }
    }
    let world = World::new(stale_policy());
    personal(&world, 200, &[("access-control-allow-origin", "*")]);
    assert_shared(&world, &[get("/a"), get("/a").with("origin", "https://a.example")], "for <>");
}

#[test]
fn the_response_itself_forbids_storing() {
    for value in ["no-store", "private", "no-cache", "private=\"\"", "max-age=60, no-store", "private;x=1"] {
        let fields: FieldList = Box::leak(Box::new([("cache-control", value)]));
        let targeted: FieldList = Box::leak(Box::new([("cache-control", "max-age=60"), ("cdn-cache-control", value)]));
        for policy in policies().into_iter().chain([Policy::rfc9111(), stale_policy().anonymous()]) {
            for fields in [fields, targeted] {
                let world = World::new(policy.clone());
                personal(&world, 200, fields);
                assert_never_shared(&world, &[(get("/a"), "for <>"), (get("/a"), "for <>")]);
            }
        }
    }
}

#[test]
fn a_targeted_field_that_cannot_be_read_may_still_forbid() {
    for value in ["Private", "max-age=60, No-Store", "no-store,", "private, &"] {
        let fields: FieldList = Box::leak(Box::new([("cache-control", "max-age=60"), ("cdn-cache-control", value)]));
        for policy in policies().into_iter().chain([stale_policy().anonymous()]) {
            let world = World::new(policy);
            personal(&world, 200, fields);
            assert_never_shared(&world, &[(get("/a"), "for <>"), (get("/a"), "for <>")]);
        }
        // RFC 9213 section 2.1: by the letter it is not there.
        let world = World::new(Policy::rfc9111());
        personal(&world, 200, fields);
        assert_shared(&world, &[get("/a"), get("/a")], "for <>");
    }
}

#[test]
fn personal_answers_leave_marked_when_the_handler_was_silent() {
    const PERSONAL: &str = "private, no-store";
    let silent: FieldList = &[];
    let cookie: FieldList = &[("set-cookie", "id=1")];
    for (policy, fields, request, marked) in [
        (stale_policy(), cookie, get("/a"), PERSONAL),
        (stale_policy(), cookie, head("/a"), PERSONAL),
        (stale_policy(), silent, anna("authorization"), PERSONAL),
        (stale_policy(), silent, get("/a").with("cookie", "session=anna"), PERSONAL),
        (stale_policy(), silent, get("/a").with("x-host", "evil.example"), PERSONAL),
        (Policy::bypass(), silent, get("/a"), PERSONAL),
        (stale_policy(), &[("set-cookie", "id=1"), ("cache-control", "max-age=5")], get("/a"), "max-age=5"),
        (Policy::bypass(), silent, get("/a").method("POST"), ""),
        (Policy::from_headers(), silent, get("/a"), ""),
        (Policy::rfc9111(), silent, anna("authorization"), ""),
    ] {
        let world = World::new(policy);
        personal(&world, 200, fields);
        assert_eq!(world.send(&request).field("cache-control"), marked, "{request:?}");
    }
}

#[test]
fn a_platform_cache_in_front_is_told_what_it_may_keep() {
    const TARGET: &str = "cloudflare-cdn-cache-control";
    for (policy, fields, request, told) in [
        (stale_policy(), &[][..], get("/a"), "max-age=60, stale-while-revalidate=600, stale-if-error=3600"),
        (Policy::from_headers(), &[], get("/a"), "no-store"),
        (stale_policy(), &[("vary", "*")], get("/a"), "no-store"),
        (stale_policy(), &[], get("/a").with("cookie", "session=anna"), ""),
        (stale_policy(), &[(TARGET, "max-age=7")], get("/a"), "max-age=7"),
    ] {
        let config = CacheConfig::new("shop", SchemaVersion(1))
            .cache_status(layercake::StatusForm::Full)
            .fallback(policy)
            .platform_cache(true);
        let world = World::of(config.build().unwrap());
        personal(&world, 200, fields);
        let got = world.send(&request);
        assert_eq!(got.field(TARGET), told, "{request:?}");
        if told.is_empty() {
            assert_eq!(got.field("cache-control"), "private, no-store");
        }
    }
}

#[test]
fn partial_unfinished_and_switching_answers_are_never_stored() {
    for policy in policies().into_iter().chain([Policy::rfc9111(), stale_policy().anonymous()]) {
        for status in [101, 206, 304] {
            let world = World::new(policy.clone());
            personal(&world, status, &[("cache-control", "public, max-age=60")]);
            for _ in 0..2 {
                let got = world.send(&get("/a"));
                assert_eq!(got.says("fwd=uri-miss; detail=not-stored-status").status, status);
            }
            assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
        }
    }
}

#[test]
fn a_request_to_change_the_protocol_goes_through_untouched() {
    let world = World::new(stale_policy());
    world.send(&get("/a"));
    world.site.always(101, &[], "");
    let got = world.send(&get("/a").with("connection", "upgrade").with("upgrade", "websocket"));
    assert_eq!(got.says("fwd=bypass; detail=upgrade").status, 101);
    assert_eq!(world.site.last().ask, Ask::AS_IS);
}

#[test]
fn the_answer_to_a_head_that_the_handler_saw_never_becomes_a_stored_body() {
    let world = World::new(Policy::rfc9111());
    world.site.answer(|seen| {
        let body = if seen.request.method == "HEAD" { "" } else { "hello" };
        Ok(response(200, &[("cache-control", "max-age=60"), ("content-length", "5")], body))
    });
    world.send(&head("/a")).reads("");
    assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads("hello");
}

#[test]
fn the_answer_to_an_unsafe_method_is_never_stored() {
    for policy in policies().into_iter().chain([Policy::rfc9111(), stale_policy().anonymous()]) {
        let world = World::new(policy);
        personal(&world, 200, &[("cache-control", "public, max-age=60")]);
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            world.send(&get("/a").method(method));
        }
        assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
    }
}

#[test]
fn errors_are_stored_only_where_the_policy_gives_them_a_lifetime() {
    let explicit: FieldList = &[("cache-control", "public, max-age=60")];
    for status in [400, 401, 403, 404, 405, 410, 429, 500, 501, 502, 503, 504] {
        for policy in policies() {
            let world = World::new(policy.clone());
            personal(&world, status, explicit);
            for _ in 0..2 {
                let got = world.send(&get("/a"));
                assert_eq!(got.says("fwd=uri-miss; detail=not-stored-status").status, status);
            }
            assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);

            let world = World::new(policy.status(status, MINUTE / 2));
            personal(&world, status, explicit);
            world.send(&get("/a"));
            let got = world.send(&get("/a"));
            assert_eq!(got.says("hit; ttl=30; detail=hot").status, status);
            assert_eq!(world.count(Event::Miss), 1);
        }
    }
}

#[test]
fn apps_versions_and_environments_never_see_each_others_entries() {
    let of = |app, version, environment: &str| {
        let builder = CacheConfig::new(app, SchemaVersion(version))
            .cache_status(layercake::StatusForm::Full)
            .fallback(stale_policy());
        builder.environment(environment).build().unwrap()
    };
    let first = World::of(of("shop", 1, ""));
    let others = [("shop2", 1, ""), ("shop", 2, ""), ("shop", 1, "staging"), ("shop", 1, "preview"), ("shop-1", 1, "")];
    let worlds: Vec<World> = others.into_iter().map(|(a, v, e)| first.neighbour(of(a, v, e))).collect();
    let names: Vec<String> = (0..=worlds.len()).map(|n| format!("world {n}")).collect();
    let all: Vec<&World> = std::iter::once(&first).chain(&worlds).collect();
    for (world, name) in all.iter().zip(&names) {
        let text = name.clone();
        world.site.answer(move |_| Ok(response(200, &[], text.clone().into_bytes())));
        world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads(name);
    }
    for cleared in 0..3 {
        first.tiers()[..cleared].iter().for_each(|tier| first.clear(tier));
        for (world, name) in all.iter().zip(&names) {
            world.send(&get("/a")).reads(name);
            assert_eq!(world.site.calls(), 1, "{name}");
        }
    }
}

#[test]
fn two_data_centres_of_one_app_share_what_is_in_l2() {
    let here = World::new(stale_policy());
    here.send(&get("/a"));
    let there = here.far_away(table(stale_policy()));
    there.send(&get("/a")).says("hit; ttl=60; detail=l2").reads("call 1");
    assert_eq!(there.site.calls(), 0);
}

#[test]
fn a_crafted_path_does_not_reach_another_paths_entry() {
    // Those that may be read in two ways do not get as far as the cache, unless the policy says so.
    let plain = ["/account", "/account/", "/account/x.css"];
    let crafted = ["/account%2fx.css", "/account;x.css", "//account", "/./account"];
    for (policy, expected) in [
        (stale_policy(), "fwd=bypass; detail=path"),
        (stale_policy().cache_ambiguous_paths(), "fwd=uri-miss; ttl=60; stored"),
    ] {
        let world = World::new(policy);
        world.site.answer(|seen| Ok(response(200, &[], seen.request.path.clone().into_bytes())));
        for path in plain {
            world.send(&get(path)).says("fwd=uri-miss; ttl=60; stored").reads(path);
        }
        for path in crafted {
            world.send(&get(path)).says(expected).reads(path);
        }
    }
}
