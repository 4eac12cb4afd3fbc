//! Bodies that do not come as they should, and redirects that lead nowhere.

use crate::support::*;
use bytes::Bytes;
use http_body::Frame;
use layercake::policy::Level;
use layercake::sim::StreamTier;
use layercake::stats::Event;
use layercake::tier::MemoryTier;
use layercake::{Body, Policy, QueryKey};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

fn minute() -> Policy {
    Policy::ttl(MINUTE)
}

fn is_empty(world: &World) -> bool {
    world.count(Event::Stored) == 0 && world.tiers().iter().all(|tier| !world.holds(tier))
}

/// So many bytes in pieces, their number not known beforehand.
fn unknown(length: usize) -> Body {
    let whole = Bytes::from(vec![b'x'; length]);
    let pieces: Vec<_> = whole.chunks(40_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    scripted(pieces)
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 << 10])))))
    }
}

#[test]
fn a_small_body_of_unknown_length_is_kept_with_its_length_by_all_tiers() {
    for length in [0, 1, 40_000, 256 << 10] {
        on_each(&minute(), |world, kind| {
            world.site.answer(move |_| Ok(response(200, &[("etag", "\"v\"")], unknown(length))));
            assert_eq!(world.send(&get("/a")).text().len(), length);
            for (cleared, level) in [(0, "hot"), (1, "l1"), (2, "l2")] {
                world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
                let got = world.send(&head("/a"));
                got.says(&format!("hit; ttl=60; detail={level}"));
                assert_eq!(got.field("content-length"), length.to_string(), "{kind:?} {level}");
            }
            if length > 1 {
                let got = world.send(&get("/a").with("range", "bytes=1-1"));
                assert_eq!((got.status, got.text()), (206, "x"), "{kind:?}");
            }
            assert_eq!(world.site.calls(), 1);
        });
    }
}

#[test]
fn a_body_of_unknown_length_is_kept_up_to_the_largest_that_may_be() {
    // Around what is read at once, and around the limit.
    for (limit, length) in [(100, 100), (100, 101), (300_000, 300_000), (300_000, 300_001), (300_000, 3_000_000)] {
        let requests = [get("/a"), head("/a"), get("/a").with("if-none-match", "\"v\"")];
        for request in &requests {
            on_each(&minute().max_body(limit), |world, kind| {
                world.site.answer(move |_| Ok(response(200, &[("etag", "\"v\"")], unknown(length))));
                let got = world.send(request);
                assert_eq!(got.text().len(), if got.status == 200 && request.method == "GET" { length } else { 0 });
                let fits = length as u64 <= limit;
                assert_eq!(is_empty(world), !fits, "{kind:?} {request:?}: {length} of {limit}");
                let calls = if fits { 1 } else { 2 };
                assert_eq!(world.send(&get("/a")).text().len(), length);
                assert_eq!(world.site.calls(), calls, "{kind:?} {request:?}: {length} of {limit}");
            });
        }
    }
}

#[test]
fn an_endless_body_ends_for_the_tiers() {
    let policy = minute().stale_while_revalidate(MINUTE).max_body(1 << 20);
    for request in [head("/a"), get("/a").with("if-none-match", "\"v\"")] {
        on_each(&policy, |world, kind| {
            world.site.answer(|_| Ok(response(200, &[("etag", "\"v\"")], Body::stream(Endless))));
            world.send(&request);
            assert!(is_empty(world), "{kind:?} {request:?}");
            assert!(world.count(Event::StoreFailed) > 0);
            assert_eq!(world.runtime.pending(), 0);
        });
    }
    // A refresh, behind an answer to somebody else.
    on_each(&policy, |world, _| {
        world.send(&get("/a")).reads("call 1");
        world.pass(secs(65));
        world.site.answer(|_| Ok(response(200, &[], Body::stream(Endless))));
        world.send(&get("/a")).reads("call 1");
        world.send(&get("/a")).reads("call 1");
        assert_eq!((world.count(Event::RevalidationFailed), world.runtime.pending()), (1, 0));
    });
}

#[cfg(feature = "resilience")]
#[test]
fn so_does_one_that_nobody_waits_for_any_more() {
    on_each(&minute().hard_timeout(secs(1)).max_body(1 << 20), |world, kind| {
        world.site.delay(secs(2));
        world.site.answer(|_| Ok(response(200, &[("etag", "\"v\"")], Body::stream(Endless))));
        world.send(&get("/a"));
        assert!(is_empty(world), "{kind:?}");
        assert!(world.count(Event::StoreFailed) > 0);
        assert_eq!(world.runtime.pending(), 0);
    });
}

#[test]
fn a_reader_of_an_endless_body_leaves_nothing_behind() {
    on_each(&minute().max_body(1 << 20), |world, _| {
        world.site.answer(|_| Ok(response(200, &[], Body::stream(Endless))));
        let response = world.open(&get("/a")).unwrap();
        let read = world.runtime.run(response.body.into_bytes(3 << 20));
        assert!(read.is_err(), "there is more");
        world.runtime.run_background();
        assert!(is_empty(world));
    });
}

#[test]
fn a_body_that_breaks_off_is_not_kept_whoever_reads_it() {
    for at in [0, 10, 300_000] {
        for request in [get("/a"), head("/a"), get("/a").with("if-none-match", "\"v\"")] {
            on_each(&minute(), |world, kind| {
                world.site.answer(move |_| {
                    let body = scripted([Ok(Bytes::from(vec![b'x'; at])), Err("torn")]);
                    Ok(response(200, &[("etag", "\"v\"")], body))
                });
                world.send(&request);
                assert!(is_empty(world), "{kind:?} {request:?} at {at}");
                assert_eq!(world.count(Event::StoreFailed), 1);
                world.site.always(200, &[], "whole");
                world.send(&get("/a")).reads("whole");
            });
        }
    }
}

#[test]
fn a_length_that_is_none_keeps_an_answer_out() {
    let garbage = ["", "abc", "-5", "+5", "5 5", "0x5", "5.0", "5, 6", "5, x", "18446744073709551621", "٥"];
    for value in garbage {
        for body in [(|| Body::from("hello")) as fn() -> Body, || scripted([Ok(Bytes::from_static(b"hello"))])] {
            on_each(&minute(), |world, kind| {
                world.site.answer(move |_| Ok(response(200, &[("content-length", value)], body())));
                let got = world.send(&get("/a"));
                got.says("fwd=uri-miss; detail=incomplete").reads("hello");
                assert!(is_empty(world), "{kind:?} {value:?}");
            });
        }
    }
    for value in ["5", "5, 5", "005"] {
        on_each(&minute(), |world, _| {
            world.site.answer(move |_| Ok(response(200, &[("content-length", value)], "hello")));
            world.send(&get("/a"));
            world.send(&get("/a")).says("hit; ttl=60; detail=hot").reads("hello");
        });
    }
}

#[test]
fn a_hot_tier_alone_keeps_what_turns_out_to_be_small() {
    let world = World::with_tiers(
        table(minute().tiers(layercake::policy::Tiers::ALL.without_l1().without_l2())),
        MemoryTier::new(Level::Hot, 1 << 20),
        StreamTier::new(Level::L1, 1 << 20),
        StreamTier::new(Level::L2, 1 << 20),
    );
    world.site.answer(|_| Ok(response(200, &[], unknown(100))));
    world.send(&get("/a"));
    world.send(&get("/a")).says("hit; ttl=60; detail=hot");
    assert_eq!((world.l1.puts(), world.l2.puts()), (0, 0));
}

// ---- redirects

/// Whether a redirect is kept.
fn is_kept(policy: &Policy, from: &str, status: u16, location: &'static str) -> bool {
    let world = World::new(policy.clone());
    world.site.answer(move |_| Ok(response(status, &[("location", location)], "")));
    let first = world.send(&get(from));
    assert_eq!((first.status, &*first.field("location")), (status, location));
    let second = world.send(&get(from));
    assert_eq!((second.status, &*second.field("location")), (status, location));
    let kept = world.site.calls() == 1;
    if !kept {
        first.says("fwd=uri-miss; detail=redirect-loop");
    }
    kept
}

#[test]
fn a_redirect_to_itself_is_not_kept() {
    let plain = minute();
    let slash = minute().ignore_trailing_slash();
    let case = minute().ignore_case();
    let bare = minute().query(QueryKey::ignored());
    let page = minute().query(QueryKey::only(&["page"]));
    let shared = minute().shared_between_hosts();
    let all = minute().ignore_trailing_slash().ignore_case().query(QueryKey::ignored()).shared_between_hosts();
    let loops: &[(&Policy, &str, &'static str)] = &[
        (&plain, "/a", "/a"),
        (&plain, "/a", "a"),
        (&plain, "/a", "./a"),
        (&plain, "/a", "/x/../a"),
        (&plain, "/a", "/a#top"),
        (&plain, "/a", "#top"),
        (&plain, "/a", ""),
        (&plain, "/a", "//shop.example/a"),
        (&plain, "/a", "https://shop.example/a"),
        (&plain, "/a", "HTTPS://SHOP.example:443/a"),
        (&plain, "/", "https://shop.example"),
        (&plain, "/a?x=1", "?x=1"),
        (&plain, "/a?x=1", "/a?x=1#top"),
        (&slash, "/a", "/a/"),
        (&slash, "/a/", "/a"),
        (&slash, "/a?x=1", "/a/?x=1"),
        (&case, "/A", "/a"),
        (&case, "/a", "/A"),
        (&bare, "/a?x=1", "/a"),
        (&bare, "/a", "/a?x=1"),
        (&page, "/a?page=1&x=1", "/a?page=1"),
        (&page, "/a?page=1", "/a?x=2&page=1"),
        (&shared, "/a", "https://www.shop.example/a"),
        (&shared, "/a", "https://other.example/a"),
        (&shared, "/", "https://www.shop.example"),
        (&all, "/A", "https://www.shop.example/a/?x=1#top"),
    ];
    for (policy, from, location) in loops {
        for status in [301, 308] {
            assert!(!is_kept(policy, from, status, location), "{status} {from} to {location:?} is kept");
        }
    }
}

#[test]
fn other_redirects_are_kept() {
    let plain = minute();
    let slash = minute().ignore_trailing_slash();
    let page = minute().query(QueryKey::only(&["page"]));
    let shared = minute().shared_between_hosts();
    let others: &[(&Policy, &str, &'static str)] = &[
        (&plain, "/a", "/b"),
        (&plain, "/a", "/a/"),
        (&plain, "/a", "/A"),
        (&plain, "/a", "/a?x=1"),
        (&plain, "/a?x=1", "/a"),
        (&plain, "/a", "http://shop.example/a"),
        (&plain, "/a", "https://www.shop.example/a"),
        (&plain, "/a", "https://shop.example:8443/a"),
        (&plain, "/a/b", "b/"),
        (&slash, "/a", "/a/b"),
        (&page, "/a?page=1", "/a?page=2"),
        (&page, "/a?page=1", "/a"),
        (&shared, "/a", "https://www.shop.example/b"),
        (&plain, "/a", "mailto:/a"),
    ];
    for (policy, from, location) in others {
        for status in [301, 308] {
            assert!(is_kept(policy, from, status, location), "{status} {from} to {location:?} is not kept");
        }
    }
}

#[test]
fn a_page_that_names_itself_is_no_redirect() {
    let world = World::new(minute());
    world.site.always(200, &[("location", "/a"), ("content-location", "/a")], "hello");
    world.send(&get("/a"));
    world.send(&get("/a")).says("hit; ttl=60; detail=hot");
}
