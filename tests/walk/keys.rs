//! What policies key on, and that the handler sees no more than that.

use crate::support::{MINUTE, Request, Seen, World, get, head, response, table};
use layercake::policy::Level;
use layercake::{CacheConfig, Policy, QueryKey, SchemaVersion};
use proptest::prelude::*;

/// A handler that answers by all that it sees of a request but its host.
fn echo(seen: &Seen) -> String {
    let Request { path, query, .. } = &seen.request;
    let fields = ["cookie", "authorization", "x-plan", "accept-language"].map(|name| seen.field(name));
    format!("{path} {query:?} {fields:?}")
}

fn echoing(config: CacheConfig) -> World {
    let world = World::of(config);
    world.site.answer(|seen| Ok(response(200, &[], echo(seen).into_bytes())));
    world
}

/// Sends the requests, twice; each group shares one call.
#[track_caller]
fn assert_groups(policy: &Policy, groups: &[&[Request]]) {
    let world = echoing(table(policy.clone()));
    for cleared in 0..3 {
        world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
        for group in groups {
            for request in *group {
                world.send(request);
            }
        }
        assert_eq!(world.site.calls(), groups.len(), "{policy:?}");
    }
}

fn minute() -> Policy {
    Policy::ttl(MINUTE)
}

#[test]
fn queries_count_as_the_policy_says() {
    for (query, groups) in [
        (QueryKey::whole(), vec![vec!["/a"], vec!["/a?"], vec!["/a?b=2&a=1"], vec!["/a?a=1&b=2"], vec!["/a?a=1&&b=2"]]),
        (QueryKey::whole().sort(), vec![vec!["/a", "/a?"], vec!["/a?b=2&a=1", "/a?a=1&b=2", "/a?a=1&&b=2"]]),
        (
            QueryKey::only(&["q"]),
            vec![vec!["/a", "/a?x=1", "/a?Q=1"], vec!["/a?q=1", "/a?x=2&q=1"], vec!["/a?q=1&q=2"]],
        ),
        (QueryKey::without_tracking(), vec![vec!["/a", "/a?utm_source=x"], vec!["/a?q=1", "/a?q=1&gclid=7"]]),
        (QueryKey::ignored(), vec![vec!["/a", "/a?", "/a?x"], vec!["/b?x"]]),
    ] {
        let groups: Vec<Vec<Request>> =
            groups.iter().map(|group| group.iter().map(|target| get(target)).collect()).collect();
        assert_groups(&minute().query(query), &groups.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}

#[test]
fn the_handler_sees_the_query_that_counts() {
    for (query, sent, seen) in [
        (QueryKey::ignored(), "/a?x=1", "/a None"),
        (QueryKey::only(&["q"]), "/a?x=1&q=2", "/a Some(\"q=2\")"),
        (QueryKey::without(&["x"]).sort(), "/a?x=1&c&b", "/a Some(\"b&c\")"),
        (QueryKey::whole(), "/a?x=1&&", "/a Some(\"x=1&&\")"),
    ] {
        let world = echoing(table(minute().query(query)));
        assert!(world.send(&get(sent)).text().starts_with(seen), "{sent}");
        // With a credential in sight as well: the answer may be stored if it says so.
        let with_authorization = get(sent).with("authorization", "anna");
        assert!(world.send(&with_authorization).text().starts_with(seen), "{sent}");
        // Past the cache the handler gets what was sent.
        let with_cookie = get(sent).with("cookie", "session=anna");
        let whole = sent.split_once('?').unwrap().1;
        assert!(world.send(&with_cookie).text().starts_with(&format!("/a Some({whole:?})")), "{sent}");
    }
}

#[test]
fn a_refresh_asks_for_what_counts() {
    let world = echoing(table(minute().stale_while_revalidate(MINUTE).query(QueryKey::without_tracking())));
    world.send(&get("/a?utm_source=x&q=1"));
    world.pass(MINUTE);
    world.send(&get("/a?q=1&utm_source=y")).says("hit; ttl=0; detail=l1");
    assert_eq!(world.site.calls(), 2);
    assert_eq!(world.site.last().request.query.as_deref(), Some("q=1"));
}

#[test]
fn case_and_last_slash_count_unless_the_policy_says_otherwise() {
    let one = |target: &str| vec![get(target)];
    assert_groups(&minute(), &[&one("/About"), &one("/about"), &one("/about/")]);
    assert_groups(&minute().ignore_case(), &[&[get("/About"), get("/about")], &one("/about/")]);
    assert_groups(&minute().ignore_trailing_slash(), &[&[get("/about"), get("/about/")], &one("/About"), &one("/")]);
    let world = echoing(table(minute().ignore_case().ignore_trailing_slash()));
    assert!(world.send(&get("/About/")).text().starts_with("/about None"));
}

#[test]
fn an_alias_shares_with_a_rule_of_the_same_policy() {
    let about = || minute().ignore_case().ignore_trailing_slash();
    let config = CacheConfig::new("shop", SchemaVersion(1)).cache_status(layercake::StatusForm::Full);
    let world = echoing(config.route("/about", about()).route("/about/", about()).fallback(about()).build().unwrap());
    for (path, said) in [
        ("/About/", "fwd=uri-miss; ttl=60; stored"),
        ("/about", "hit; ttl=60; detail=hot"),
        ("/ABOUT", "hit; ttl=60; detail=hot"),
    ] {
        world.send(&get(path)).says(said);
        assert_eq!(world.site.last().request.path, "/about");
    }
}

#[test]
fn hosts_share_only_where_the_policy_says_so() {
    let on = |host: &str| Request { authority: host.to_owned(), ..get("/a") };
    assert_groups(
        &minute(),
        &[&[on("a.example"), on("A.Example"), on("a.example:443")], &[on("b.example")], &[on("a.example:8443")]],
    );
    assert_groups(&minute().shared_between_hosts(), &[&[on("a.example"), on("b.example"), on("a.example:8443")]]);
}

#[test]
fn headers_that_are_keyed_on_tell_requests_apart() {
    let plan = |plan: &str| get("/a").with("x-plan", plan);
    let policy = minute().key_headers(&["X-Plan"]);
    assert_groups(
        &policy,
        &[&[plan("gold"), plan(" gold")], &[plan("")], &[get("/a")], &[plan("gold, silver"), plan("gold,silver")]],
    );
    // One that the cache would otherwise step aside for.
    let host = |host: &str| get("/a").with("x-forwarded-host", host);
    assert_groups(&minute().key_headers(&["x-forwarded-host"]), &[&[host("a"), host("a")], &[host("b")], &[get("/a")]]);
    // As narrowed down.
    let speaks = |language: &str| get("/a").with("accept-language", language);
    let policy = minute().key_headers(&["accept-language"]).languages(&["en", "it"]);
    assert_groups(&policy, &[&[speaks("it"), speaks("it-IT, de;q=0.5")], &[speaks("en"), speaks("fr"), get("/a")]]);
}

#[test]
fn a_credential_that_is_keyed_on_has_entries_of_its_own() {
    let as_user = |user: &str| get("/a").with("authorization", user);
    assert_groups(
        &minute().key_headers(&["authorization"]),
        &[&[as_user("anna"), as_user("anna")], &[as_user("ben")], &[get("/a")]],
    );
}

#[test]
fn cookies_that_are_keyed_on_tell_requests_apart_and_are_all_that_is_seen() {
    let with = |cookies: &str| get("/a").with("cookie", cookies);
    let groups: [&[Request]; 5] = [
        &[with("theme=dark"), with("_ga=1; theme=dark"), with("theme=dark; _ga=2")],
        &[with("theme=light")],
        &[get("/a"), with("_ga=1")],
        &[with("theme=dark; theme=light")],
        &[with("theme=")],
    ];
    assert_groups(&minute().key_cookies(&["theme"]), &groups);
    assert_groups(&minute().key_cookies(&["theme"]).anonymous(), &groups);

    let world = echoing(table(minute().key_cookies(&["theme", "plan"])));
    world.send(&with("_ga=1; theme=dark; plan=gold")).says("fwd=uri-miss; ttl=60; stored");
    assert_eq!(world.site.last().field("cookie"), "plan=gold; theme=dark");
    world.send(&with("theme=dark; session=anna")).says("fwd=bypass; detail=cookie");
    assert_eq!(world.site.last().field("cookie"), "theme=dark; session=anna");

    let world = echoing(table(minute().key_cookies(&["theme"]).anonymous()));
    world.send(&with("session=anna; theme=dark")).says("fwd=uri-miss; ttl=60; stored");
    assert_eq!(world.site.last().field("cookie"), "theme=dark");
    world.send(&with("theme=dark; session=ben")).says("hit; ttl=60; detail=hot");
}

/// A table whose only policy keys on the tenant, which is what stands before the first dot of the host; `*` has none.
fn tenants() -> CacheConfig {
    CacheConfig::new("shop", SchemaVersion(1))
        .cache_status(layercake::StatusForm::Full)
        .value("tenant", |request| {
            let tenant = request.authority().split('.').next()?;
            (tenant != "*").then(|| tenant.to_owned())
        })
        .fallback(minute().shared_between_hosts().key_values(&["tenant"]))
        .build()
        .unwrap()
}

#[test]
fn values_that_the_owner_computes_tell_requests_apart() {
    let world = echoing(tenants());
    let on = |host: &str| Request { authority: host.to_owned(), ..get("/a") };
    world.send(&on("anna.example")).says("fwd=uri-miss; ttl=60; stored");
    world.send(&on("anna.other")).says("hit; ttl=60; detail=hot");
    world.send(&on("ben.example")).says("fwd=uri-miss; ttl=60; stored");
    // Nobody knows who may share this one.
    for _ in 0..2 {
        world.send(&on("*.example")).says("fwd=bypass; detail=key-value");
    }
}

#[test]
fn a_change_makes_void_what_is_stored_for_its_own_values() {
    let with = |method, cookies: &str| get("/a?utm_id=1").method(method).with("cookie", cookies);
    let world = echoing(table(minute().key_cookies(&["theme"]).query(QueryKey::without_tracking())));
    for cookies in ["theme=dark", "theme=light"] {
        world.send(&with("GET", cookies)).says("fwd=uri-miss; ttl=60; stored");
    }
    world.send(&with("POST", "theme=dark; session=anna"));
    world.send(&with("GET", "theme=dark")).says("fwd=uri-miss; ttl=60; stored");
    world.send(&with("GET", "theme=light")).says("hit; ttl=60; detail=hot");

    let world = echoing(tenants());
    let on = |host: &str, method| Request { authority: host.to_owned(), ..get("/a").method(method) };
    world.send(&on("anna.example", "GET"));
    world.send(&on("ben.example", "GET"));
    world.send(&on("*.example", "DELETE"));
    world.send(&on("anna.example", "PUT"));
    world.send(&on("anna.example", "GET")).says("fwd=uri-miss; ttl=60; stored");
    world.send(&on("ben.example", "GET")).says("hit; ttl=60; detail=hot");
}

#[test]
fn paths_that_may_be_read_in_two_ways_are_not_cached() {
    for path in ["/account/..%2fa", "/a%2Fb", "/a;x=1", "//a", "/a/../b", "/a%5cb", "/a\\b", "/a%252e%252e/b", "/a%00"]
    {
        for policy in [minute(), minute().anonymous(), Policy::from_headers().default_ttl(MINUTE)] {
            let world = echoing(table(policy));
            for request in [get(path), get(path), head(path)] {
                let got = world.send(&request);
                got.says("fwd=bypass; detail=path");
                assert_eq!(got.field("cache-control"), "private, no-store", "{path}");
            }
            assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
        }
        for policy in [minute().cache_ambiguous_paths(), Policy::rfc9111().default_ttl(MINUTE)] {
            let world = echoing(table(policy));
            world.send(&get(path)).says("fwd=uri-miss; ttl=60; stored");
            world.send(&get(path)).says("hit; ttl=60; detail=hot");
        }
    }
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (policy, field, value) in [
        (minute().key_headers(&["x plan"]), "key_headers", "x plan"),
        (minute().key_headers(&["Cookie"]), "key_headers", "Cookie"),
        (minute().key_headers(&[""]), "key_headers", ""),
        (minute().key_headers(&["Authorization"]).anonymous(), "key_headers", "authorization"),
        (minute().key_cookies(&["a=b"]), "key_cookies", "a=b"),
        (minute().key_values(&["tenant"]), "key_values", "tenant"),
    ] {
        let error = CacheConfig::new("shop", SchemaVersion(1))
            .cache_status(layercake::StatusForm::Full)
            .route("/a", policy)
            .build()
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!("rule 1, pattern \"/a\", field {field}: {value} given")), "{error}");
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let query = prop_oneof![
        Just(QueryKey::whole()),
        Just(QueryKey::whole().sort()),
        Just(QueryKey::only(&["a", "b*"])),
        Just(QueryKey::without(&["a"]).sort()),
        Just(QueryKey::ignored()),
    ];
    (query, any::<[bool; 7]>()).prop_map(|(query, [header, cookies, anonymous, case, slash, paths, narrow])| {
        let mut policy = Policy::ttl(MINUTE).query(query);
        for (wanted, set) in [
            (header, (|p| p.key_headers(&["x-plan", "accept-language"])) as fn(Policy) -> Policy),
            (cookies, |p| p.key_cookies(&["theme", "x"])),
            (anonymous, Policy::anonymous),
            (case, Policy::ignore_case),
            (slash, Policy::ignore_trailing_slash),
            (paths, Policy::cache_ambiguous_paths),
            (narrow, |p| p.languages(&["en", "it"])),
        ] {
            policy = if wanted { set(policy) } else { policy };
        }
        policy
    })
}

fn request() -> impl Strategy<Value = Request> {
    let field = |name: &'static str, values: &'static str| {
        prop::option::of(values.prop_map(move |value| (name.to_owned(), value)))
    };
    (
        prop::sample::select(vec!["GET", "GET", "GET", "HEAD"]),
        "/[aA]{0,2}(/|%2f|;a|//)?",
        prop::option::of("([aAb]{0,2}(=[a1%&]{0,2})?&?){0,3}"),
        field("cookie", "((theme|x|_ga|session)=[a,]{0,1}(; )?){0,3}"),
        field("authorization", "[ab]"),
        field("x-plan", "[ab]{0,2}"),
        field("accept-language", "(en|it|fr)(, (en|it);q=0.[59])?"),
    )
        .prop_map(|(method, path, query, cookie, authorization, plan, language)| {
            let fields = [cookie, authorization, plan, language].into_iter().flatten().collect();
            Request { method, path, query, fields, ..get("/") }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whoever asks, in whatever order, and whichever tier answers: it is what the handler would answer to that very request.
    #[test]
    fn the_answer_is_the_handlers_answer_to_this_request(policy in policy(), requests in prop::collection::vec(request(), 1..24)) {
        // What is not keyed on is named in Vary, as a handler that answers by it must.
        let fields: &[(&str, &str)] = &[("vary", "x-plan, accept-language")];
        let answer = move |seen: &Seen| Ok(response(200, fields, echo(seen).into_bytes()));
        let world = World::of(table(policy.clone()));
        world.site.answer(answer);
        for (place, request) in requests.iter().enumerate() {
            let alone = World::of(table(policy.clone()));
            alone.site.answer(answer);
            if let Some(tier) = world.tiers().into_iter().take(2).nth(place % 4) {
                world.clear(tier);
            }
            let (got, expected) = (world.send(request), alone.send(request));
            prop_assert_eq!((got.status, got.text()), (expected.status, expected.text()), "{:?} {:?}", request, policy);
        }
    }
}

#[test]
fn whatever_is_asked_is_answered_for_itself() {
    let long = "x".repeat(16 << 10);
    let many = |join: &str| (0..500).map(|n| format!("p{}={n}", n % 250)).collect::<Vec<_>>().join(join);
    let mut requests: Vec<Request> = [
        format!("/{long}"),
        format!("/{long}y"),
        format!("/a?{long}"),
        format!("/a?{long}=1&utm_source=x"),
        format!("/a?{}", many("&")),
        format!("/a?{}", many("&&")),
        format!("/a?{}", many(";")),
        "/a?%00%ff%zz=%".to_owned(),
        "/a?=&==&&=1".to_owned(),
        "/a?a=1&a=2&a=1".to_owned(),
        "/a?a=2&a=1&a=1".to_owned(),
        "/%zz%2".to_owned(),
        "/a%".to_owned(),
    ]
    .iter()
    .map(|target| get(target))
    .collect();
    for host in ["", "A.EXAMPLE", "a.example:443", "a.example:", "a.example.", "[::1]:8443", "a, b", "\u{e9}.example"] {
        requests.push(Request { authority: host.to_owned(), ..get("/a") });
    }
    let bomb =
        (0..1000).fold(get("/a"), |request, n| request.with("cookie", &format!("theme={n}")).with("x-plan", "gold"));
    requests.extend([bomb, get("/a").with("cookie", &long), get("/a").with("x-plan", &long)]);
    let policies = [
        minute(),
        minute().query(QueryKey::without_tracking().sort()).key_cookies(&["theme"]).key_headers(&["x-plan"]),
        minute().query(QueryKey::only(&["p1*", "a", ""])).ignore_case().ignore_trailing_slash().anonymous(),
    ];
    for policy in policies {
        let world = echoing(table(policy.clone()));
        let vary: &[(&str, &str)] = &[("vary", "x-plan")];
        let answer = move |seen: &Seen| {
            Ok(response(
                200,
                vary,
                format!("{} {}", seen.request.authority.to_lowercase().replace(":443", ""), echo(seen)).into_bytes(),
            ))
        };
        world.site.answer(answer);
        for request in requests.iter().chain(&requests) {
            let alone = World::of(table(policy.clone()));
            alone.site.answer(answer);
            assert_eq!(world.send(request).text(), alone.send(request).text(), "{request:?} {policy:?}");
        }
    }
}

#[test]
fn tiers_are_asked_by_key_alone() {
    // A key that another policy made for the same path is another key: nothing is read that was stored without regard to plans.
    let world = echoing(table(minute()));
    world.send(&get("/a").with("x-plan", "gold"));
    let keyed = world.neighbour(table(minute().key_headers(&["x-plan"])));
    keyed.site.answer(|seen| Ok(response(200, &[], echo(seen).into_bytes())));
    keyed.send(&get("/a").with("x-plan", "gold")).says("fwd=uri-miss; ttl=60; stored");
    assert!(keyed.holds(&keyed.l2) && keyed.tiers().iter().all(|tier| tier.keys().len() == 2), "{:?}", Level::L2);
}
