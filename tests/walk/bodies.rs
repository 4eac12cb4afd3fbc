//! Bodies: streamed, broken, abandoned, too large, and never looked into.

use crate::support::{Gate, MINUTE, Opaque, World, get, head, response, scripted, secs, stale_policy, table};
use bytes::Bytes;
use http_body::Body as _;
use layercake::message::Response;
use layercake::stats::Event;
use layercake::{Body, Policy};
use std::future::poll_fn;
use std::pin::Pin;

fn world() -> World {
    World::new(Policy::ttl(MINUTE))
}

fn assert_nothing_is_stored(world: &World) {
    for tier in world.tiers() {
        assert!(!world.holds(tier), "{} holds something", tier.keys().len());
    }
    assert_eq!(world.count(Event::Stored), 0);
}

/// Reads one chunk.
fn chunk(world: &World, body: &mut Body) -> Option<Result<Bytes, String>> {
    let frame = world.runtime.run(poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
    frame.map(|frame| match frame {
        Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
        Err(error) => Err(error.to_string()),
    })
}

/// A response that streams, and the gate its body comes through.
fn streaming(world: &World, fields: &'static [(&'static str, &'static str)]) -> (Gate, Response) {
    let (gate, body) = Gate::new();
    let mut body = Some(body);
    world.site.answer(move |_| Ok(response(200, fields, body.take().expect("one call"))));
    let response = world.open(&get("/a")).unwrap();
    (gate, response)
}

#[test]
fn a_stream_is_passed_on_as_it_comes_and_stored_when_it_is_whole() {
    let world = world();
    let (gate, mut response) = streaming(&world, &[]);
    for text in ["he", "llo"] {
        gate.send(text);
        assert_eq!(chunk(&world, &mut response.body), Some(Ok(Bytes::from(text))));
        assert_nothing_is_stored(&world);
    }
    drop(gate);
    assert_eq!(chunk(&world, &mut response.body), None);
    world.runtime.run_background();
    // It has turned out to be small.
    for tier in world.tiers() {
        assert!(world.holds(tier));
    }
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
}

#[test]
fn a_stream_that_breaks_is_never_stored() {
    let world = world();
    let (gate, mut response) = streaming(&world, &[]);
    gate.send("he");
    gate.tear();
    assert!(matches!(chunk(&world, &mut response.body), Some(Ok(_))));
    assert!(matches!(chunk(&world, &mut response.body), Some(Err(why)) if why.contains("torn")));
    drop(response);
    world.runtime.run_background();
    assert_nothing_is_stored(&world);
    assert_eq!(world.count(Event::StoreFailed), 1);
}

#[test]
fn a_stream_whose_client_goes_away_is_never_stored() {
    for read in 0..2 {
        let world = world();
        let (gate, mut response) = streaming(&world, &[]);
        for _ in 0..read {
            gate.send("he");
            chunk(&world, &mut response.body);
        }
        drop(response);
        world.runtime.run_background();
        assert_nothing_is_stored(&world);
        assert_eq!(world.count(Event::StoreFailed), 1);
    }
}

#[test]
fn a_stream_of_another_length_than_announced_is_never_stored() {
    for text in ["hell", "hello!"] {
        let world = world();
        let (gate, response) = streaming(&world, &[("content-length", "5")]);
        gate.send(text);
        drop(gate);
        world.read(response).reads(text);
        world.runtime.run_background();
        assert_nothing_is_stored(&world);
        assert_eq!(world.count(Event::StoreFailed), 1);
    }
}

#[test]
fn a_buffer_of_another_length_than_announced_is_never_stored() {
    for text in ["hell", "hello!"] {
        let world = world();
        world.site.always(200, &[("content-length", "5")], text);
        world.send(&get("/a")).reads(text);
        assert_nothing_is_stored(&world);
    }
}

#[test]
fn a_client_may_stop_reading_at_the_announced_length() {
    let world = world();
    let (gate, mut response) = streaming(&world, &[("content-length", "5")]);
    gate.send("hello");
    assert_eq!(chunk(&world, &mut response.body), Some(Ok(Bytes::from("hello"))));
    // An HTTP/1.1 server drops the body here: the message is complete (RFC 9112 section 6.3).
    drop(response);
    world.runtime.run_background();
    assert!(world.holds(&world.l1), "the client has read all of it, and it is not stored");
    world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
}

#[test]
fn an_answer_to_head_or_to_a_condition_is_stored_whole_all_the_same() {
    for request in [head("/a"), get("/a").with("if-none-match", "\"v1\"")] {
        let world = world();
        world.site.answer(|_| {
            let body = scripted([Ok(Bytes::from_static(b"hel")), Ok(Bytes::from_static(b"lo"))]);
            Ok(response(200, &[("etag", "\"v1\"")], body))
        });
        world.send(&request).says("fwd=uri-miss; ttl=60; stored").reads("");
        world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn a_body_over_the_limit_is_served_and_not_stored() {
    let unknown = || scripted([Ok(Bytes::from_static(b"eleven")), Ok(Bytes::from_static(b" byte"))]);
    let bodies = [
        ((|| Body::from("eleven byte")) as fn() -> Body, "fwd=uri-miss; detail=too-large"),
        (unknown, "fwd=uri-miss; ttl=60; stored"),
    ];
    for (body, status) in bodies {
        let world = World::new(Policy::ttl(MINUTE).max_body(10));
        world.site.answer(move |_| Ok(response(200, &[], body())));
        world.send(&get("/a")).says(status).reads("eleven byte");
        assert_nothing_is_stored(&world);

        let world = World::new(Policy::ttl(MINUTE).max_body(11));
        world.site.answer(move |_| Ok(response(200, &[], body())));
        world.send(&get("/a"));
        world.clear(&world.hot);
        world.send(&get("/a")).says("hit; ttl=60; detail=l1").reads("eleven byte");
    }
}

#[test]
fn a_large_body_streams_through_l1_into_l2_and_back() {
    let world = world();
    let text = "0123456789abcdef".repeat(64 << 10);
    let bytes = Bytes::from(text.clone());
    world.site.answer(move |_| {
        let chunks: Vec<_> = bytes.chunks(100_000).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        Ok(response(200, &[("content-length", "1048576")], scripted(chunks)))
    });
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored").reads(&text);
    assert!(world.holds(&world.l1) && world.holds(&world.l2) && !world.holds(&world.hot));
    world.send(&get("/a")).says("hit; ttl=60; detail=l1").reads(&text);
    world.clear(&world.l1);
    world.send(&get("/a")).says("hit; ttl=60; detail=l2").reads(&text);
    world.send(&get("/a")).says("hit; ttl=60; detail=l1").reads(&text);
    assert_eq!(world.site.calls(), 1);
}

#[test]
fn a_large_body_that_breaks_is_promoted_nowhere() {
    let world = world();
    let (gate, response) = streaming(&world, &[("content-length", "1048576")]);
    gate.send("only the beginning");
    drop(gate);
    world.read(response);
    world.runtime.run_background();
    assert_nothing_is_stored(&world);
}

#[test]
fn an_empty_body_is_stored() {
    let world = world();
    world.site.always(204, &[], "");
    world.send(&get("/a")).says("fwd=uri-miss; ttl=60; stored");
    assert_eq!(world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("").status, 204);
}

/// The label a body leaves with, after the work behind it.
fn label(world: &World, status: &str) -> &'static str {
    let response = world.open(&get("/a")).unwrap();
    let said = layercake::semantics::Fields::field(&response.headers, "cache-status").map(|v| v.into_owned());
    assert_eq!(said, Some(format!("layercake; {status}").into_bytes()));
    let label = Opaque::label(response.body);
    world.runtime.run_background();
    label
}

#[test]
fn a_hosts_body_is_never_read_on_its_way_through_fill_hit_and_promotion() {
    let bodies: [fn() -> Body; 4] = [
        || Opaque::buffer("theirs", 100),
        || Opaque::buffer("theirs", 1 << 20),
        || Opaque::stream("theirs", Some(100)),
        || Opaque::stream("theirs", Some(1 << 20)),
    ];
    for body in bodies {
        let world = World::in_memory(table(Policy::ttl(MINUTE)));
        world.site.answer(move |_| Ok(response(200, &[], body())));
        assert_eq!(label(&world, "fwd=uri-miss; ttl=60; stored"), "theirs");
        let small = world.holds(&world.hot);
        for (cleared, level) in [(0, if small { "hot" } else { "l1" }), (1, "l1"), (2, "l2"), (1, "l1")] {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            assert_eq!(label(&world, &format!("hit; ttl=60; detail={level}")), "theirs");
        }
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn a_hosts_stream_of_unknown_length_is_never_read() {
    let world = World::in_memory(table(Policy::ttl(MINUTE)));
    world.site.answer(|_| Ok(response(200, &[], Opaque::stream("theirs", None))));
    assert_eq!(label(&world, "fwd=uri-miss; ttl=60; stored"), "theirs");
    // The host has found it to be small.
    assert_eq!(label(&world, "hit; ttl=60; detail=hot"), "theirs");
}

#[test]
fn a_hosts_body_is_never_read_when_it_is_served_stale_refreshed_or_bypassed() {
    let world = World::in_memory(table(stale_policy()));
    world.site.answer(|_| Ok(response(200, &[], Opaque::buffer("old", 100))));
    label(&world, "fwd=uri-miss; ttl=60; stored");
    world.pass(secs(65));
    world.site.answer(|_| Ok(response(200, &[], Opaque::stream("new", Some(100)))));
    assert_eq!(label(&world, "hit; ttl=-5; detail=l1"), "old");
    assert_eq!(label(&world, "hit; ttl=60; detail=hot"), "new");
    world.pass(12 * MINUTE);
    world.site.answer(|_| Ok(response(503, &[], Opaque::stream("down", None))));
    assert_eq!(label(&world, "hit; fwd-status=503; ttl=-660; detail=stale-if-error"), "new");

    let world = World::in_memory(table(Policy::bypass()));
    world.site.answer(|_| Ok(response(200, &[], Opaque::stream("theirs", None))));
    assert_eq!(label(&world, "fwd=bypass; detail=policy"), "theirs");
}

#[test]
fn what_the_door_found_beside_the_answer_comes_back_with_it_and_is_not_stored() {
    let world = world();
    world.site.answer(|_| {
        let mut response = response(200, &[], "hello");
        response.luggage = Some(Box::new("luggage"));
        Ok(response)
    });
    let first = world.open(&get("/a")).unwrap();
    let luggage = first.luggage.and_then(|luggage| luggage.downcast::<&str>().ok());
    assert_eq!(luggage.as_deref(), Some(&"luggage"));
    assert!(world.open(&get("/a")).unwrap().luggage.is_none());
}
