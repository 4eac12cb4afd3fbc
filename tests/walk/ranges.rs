//! Parts: cut from what is stored whole (RFC 9110 section 14), and stored and combined by the letter (RFC 9111 sections 3.3
//! and 3.4).

use crate::support::{Got, MINUTE, Opaque, Request, World, get, head, response, scripted, secs, stale_policy, table};
use bytes::Bytes;
use layercake::body::BodyError;
use layercake::message::{Ask, Hide};
use layercake::{Body, Policy};

const TEXT: &str = "0123456789";

fn wants(range: &str) -> Request {
    get("/a").with("range", range)
}

/// A site of one page of ten bytes, which knows nothing of ranges.
fn whole_site(policy: Policy, fields: &'static [(&'static str, &'static str)]) -> World {
    let world = World::new(policy);
    world.site.always(200, fields, TEXT);
    world
}

/// What came: status, `Content-Range`, `Content-Length`, body.
#[track_caller]
fn assert_part(got: &Got, content_range: &str, body: &str) {
    assert_eq!((got.status, got.text()), (206, body));
    let fields = ["content-range", "content-length"].map(|name| got.field(name));
    assert_eq!(fields, [content_range.to_owned(), body.len().to_string()]);
}

#[track_caller]
fn assert_whole(got: &Got) {
    assert_eq!((got.status, got.text(), got.field("content-range")), (200, TEXT, String::new()));
}

#[track_caller]
fn assert_unsatisfiable(got: &Got, total: u64) {
    assert_eq!((got.status, got.text()), (416, ""));
    let fields = ["content-range", "content-length", "content-type"].map(|name| got.field(name));
    assert_eq!(fields, [format!("bytes */{total}"), "0".to_owned(), String::new()]);
}

/// What a `Range` asks of ten bytes; `None` for all of them, an empty part for none (RFC 9110 section 14.1.2).
const ASKED: [(&str, Option<(&str, &str)>); 30] = [
    ("bytes=0-0", Some(("bytes 0-0/10", "0"))),
    ("bytes=0-9", Some(("bytes 0-9/10", TEXT))),
    ("bytes=2-5", Some(("bytes 2-5/10", "2345"))),
    ("bytes=9-9", Some(("bytes 9-9/10", "9"))),
    ("bytes=5-100", Some(("bytes 5-9/10", "56789"))),
    ("bytes=5-99999999999999999999999999", Some(("bytes 5-9/10", "56789"))),
    ("bytes=3-", Some(("bytes 3-9/10", "3456789"))),
    ("bytes=0-", Some(("bytes 0-9/10", TEXT))),
    ("bytes=-3", Some(("bytes 7-9/10", "789"))),
    ("bytes=-10", Some(("bytes 0-9/10", TEXT))),
    ("bytes=-100", Some(("bytes 0-9/10", TEXT))),
    ("Bytes=2-5", Some(("bytes 2-5/10", "2345"))),
    ("bytes= 2-5", Some(("bytes 2-5/10", "2345"))),
    ("bytes=2-5,", Some(("bytes 2-5/10", "2345"))),
    ("bytes=10-", Some(("", ""))),
    ("bytes=10-20", Some(("", ""))),
    ("bytes=99999999999999999999999999-", Some(("", ""))),
    ("bytes=-0", Some(("", ""))),
    // Several: a server may ignore them, and what cannot be read it must (14.2).
    ("bytes=0-1,5-6", None),
    ("bytes=0-0,-1", None),
    ("bytes=20-,0-1", None),
    ("bytes=5-2", None),
    ("bytes=", None),
    ("bytes=-", None),
    ("bytes", None),
    ("bytes=a-b", None),
    ("bytes=0x0-0x5", None),
    ("bytes=+1-5", None),
    ("items=0-5", None),
    ("", None),
];

#[test]
fn ranges_are_cut_from_every_tier() {
    for policy in [Policy::ttl(MINUTE), Policy::rfc9111().default_ttl(MINUTE)] {
        let world = whole_site(policy, &[("content-type", "text/plain")]);
        world.send(&get("/a"));
        for cleared in 0..3 {
            for (range, expected) in ASKED {
                world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
                let got = world.send(&wants(range));
                let level = ["hot", "l1", "l2"][cleared];
                got.says(&format!("hit; ttl=60; detail={level}"));
                match expected {
                    None => assert_whole(&got),
                    Some(("", _)) => assert_unsatisfiable(&got, 10),
                    Some((content_range, body)) => {
                        assert_part(&got, content_range, body);
                        assert_eq!(got.field("content-type"), "text/plain");
                    }
                }
            }
            world.send(&get("/a")).reads(TEXT);
        }
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn a_miss_is_filled_by_the_whole_and_answered_by_its_part() {
    // The handler sees no Range, so that every miss can fill.
    for (range, expected) in ASKED {
        let world = whole_site(Policy::ttl(MINUTE), &[]);
        let got = world.send(&wants(range).with("if-range", "\"v1\"").with("if-range", "\"v1\""));
        assert_whole(&got);
        world.pass(MINUTE);
        let got = world.send(&wants(range));
        got.says("fwd=uri-miss; ttl=60; stored");
        match expected {
            None => assert_whole(&got),
            Some(("", _)) => assert_unsatisfiable(&got, 10),
            Some((content_range, body)) => assert_part(&got, content_range, body),
        }
        assert_eq!(world.site.last().ask, Ask::whole(Hide::Cookies));
        assert_eq!(
            (world.site.last().field("range"), world.site.last().field("if-range")),
            (String::new(), String::new())
        );
        for tier in world.tiers() {
            assert_whole(&world.send(&get("/a")));
            world.clear(tier);
        }
    }
}

#[test]
fn a_stream_that_has_just_come_is_sent_whole_and_stored_whole() {
    // What is cut from it would never see its end; a server may ignore Range (RFC 9110 section 14.2).
    for fields in [&[][..], &[("content-length", "10")]] {
        for range in ["bytes=2-5", "bytes=-3", "bytes=20-"] {
            let world = World::new(Policy::ttl(MINUTE));
            world.site.answer(move |_| {
                let chunks = ["0123", "45", "", "6789"].map(|chunk| Ok(Bytes::from_static(chunk.as_bytes())));
                Ok(response(200, fields, scripted(chunks)))
            });
            let got = world.send(&wants(range));
            got.says("fwd=uri-miss; ttl=60; stored");
            assert!(got.status == 200 && got.text() == TEXT, "{got:?}");
            let got = world.send(&wants("bytes=2-5"));
            assert_part(&got, "bytes 2-5/10", "2345");
            assert!(got.cache_status().starts_with("layercake; hit"));
        }
    }
}

#[test]
fn a_large_stream_is_cut_as_it_comes_from_a_tier() {
    let world = World::new(Policy::ttl(MINUTE));
    let text: &'static str = Box::leak("0123456789abcdef".repeat(64 << 10).into_boxed_str());
    world.site.always(200, &[], text);
    world.send(&get("/a"));
    for cleared in [1, 2] {
        for (range, first, last) in
            [("bytes=0-15", 0, 15), ("bytes=65535-65552", 65_535, 65_552), ("bytes=-1", 1_048_575, 1_048_575)]
        {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            let got = world.send(&wants(range));
            assert_part(&got, &format!("bytes {first}-{last}/1048576"), &text[first..=last]);
        }
        world.send(&get("/a")).reads(text);
    }
    assert_eq!(world.site.calls(), 1);
}

#[test]
fn if_range_lets_a_range_count_only_for_what_the_client_has() {
    // RFC 9110 section 13.1.5
    const FIELDS: &[(&str, &str)] = &[
        ("etag", "\"v1\""),
        ("last-modified", "Wed, 31 Dec 2025 00:00:00 GMT"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
    ];
    const WEAK: &[(&str, &str)] = &[("etag", "W/\"v1\"")];
    const YOUNG: &[(&str, &str)] =
        &[("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("date", "Thu, 01 Jan 2026 00:00:00 GMT")];
    for (fields, if_range, holds) in [
        (FIELDS, "\"v1\"", true),
        (FIELDS, " \"v1\" ", true),
        (FIELDS, "\"v2\"", false),
        (FIELDS, "W/\"v1\"", false),
        (FIELDS, "\"v1\", \"v2\"", false),
        (FIELDS, "*", false),
        (FIELDS, "Wed, 31 Dec 2025 00:00:00 GMT", true),
        (FIELDS, "Wednesday, 31-Dec-25 00:00:00 GMT", true),
        // An exact match: not the later one that If-Modified-Since would take.
        (FIELDS, "Wed, 31 Dec 2025 00:00:01 GMT", false),
        (FIELDS, "Tue, 30 Dec 2025 00:00:00 GMT", false),
        (FIELDS, "yesterday", false),
        (FIELDS, "", false),
        (WEAK, "W/\"v1\"", false),
        (WEAK, "\"v1\"", false),
        // 8.8.2.2: a date of the very second of the response is weak.
        (YOUNG, "Thu, 01 Jan 2026 00:00:00 GMT", false),
        (&[], "\"v1\"", false),
    ] {
        let world = whole_site(Policy::ttl(MINUTE), fields);
        for _ in 0..2 {
            let got = world.send(&wants("bytes=2-5").with("if-range", if_range));
            if holds {
                assert_part(&got, "bytes 2-5/10", "2345");
            } else {
                assert_whole(&got);
            }
            // One that does not hold makes even an impossible range count for nothing.
            let got = world.send(&wants("bytes=20-").with("if-range", if_range));
            if holds { assert_unsatisfiable(&got, 10) } else { assert_whole(&got) }
        }
        assert_whole(&world.send(&get("/a").with("if-range", if_range)));
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn head_has_no_ranges() {
    // RFC 9110 section 14.2: Range is for GET.
    for range in ["bytes=0-1", "bytes=20-"] {
        let world = whole_site(Policy::ttl(MINUTE), &[("content-length", "10")]);
        for _ in 0..2 {
            let got = world.send(&head("/a").with("range", range));
            assert_eq!((got.status, got.text(), got.field("content-length")), (200, "", "10".into()));
            assert_eq!(got.field("content-range"), "");
        }
    }
}

#[test]
fn a_304_beats_a_range() {
    // RFC 9110 section 13.2.2: If-None-Match and If-Modified-Since come first.
    const MODIFIED: &str = "Wed, 31 Dec 2025 00:00:00 GMT";
    let world = whole_site(Policy::ttl(MINUTE), &[("etag", "\"v1\""), ("last-modified", MODIFIED)]);
    for _ in 0..2 {
        for range in ["bytes=2-5", "bytes=20-", "bytes=0-1,3-4"] {
            for (name, value) in [("if-none-match", "\"v1\""), ("if-modified-since", MODIFIED)] {
                let got = world.send(&wants(range).with(name, value));
                assert_eq!((got.status, got.text(), got.field("content-range")), (304, "", String::new()));
            }
        }
        let got = world.send(&wants("bytes=2-5").with("if-none-match", "\"v0\""));
        assert_part(&got, "bytes 2-5/10", "2345");
    }
}

#[test]
fn what_is_no_200_is_not_cut() {
    // RFC 9110 section 14.2: only where the answer without Range would be a 200.
    for status in [203, 301, 404] {
        let world = World::new(Policy::ttl(MINUTE).status(status, MINUTE));
        world.site.answer(move |_| Ok(response(status, &[("location", "/b")], TEXT)));
        for _ in 0..2 {
            let got = world.send(&wants("bytes=2-5"));
            assert_eq!((got.status, got.text(), got.field("content-range")), (status, TEXT, String::new()));
        }
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn nothing_is_no_place_to_begin_in() {
    // 14.1.2: an int-range needs a first position that exists; 14.4 has no way to name an empty part.
    let world = World::new(Policy::ttl(MINUTE));
    world.site.always(200, &[], "");
    for _ in 0..2 {
        assert_unsatisfiable(&world.send(&wants("bytes=0-")), 0);
        assert_eq!(world.send(&get("/a")).status, 200);
    }
}

#[test]
fn the_last_bytes_of_nothing_are_nothing() {
    // 14.1.2: "a suffix-range is satisfiable if the suffix-length is non-zero"; as no 206 can say so, the whole is sent.
    let world = World::new(Policy::ttl(MINUTE));
    world.site.always(200, &[], "");
    for _ in 0..2 {
        let got = world.send(&wants("bytes=-5"));
        assert_eq!((got.status, got.text()), (200, ""));
    }
}

#[test]
fn stale_answers_are_cut_as_fresh_ones_are() {
    let world = whole_site(stale_policy(), &[]);
    world.send(&get("/a"));
    world.pass(secs(65));
    let got = world.send(&wants("bytes=2-5"));
    got.says("hit; ttl=-5; detail=l1");
    assert_part(&got, "bytes 2-5/10", "2345");
    let seen = world.site.last();
    assert_eq!((world.site.calls(), seen.field("range")), (2, String::new()), "the refresh is of the whole");
    assert_whole(&world.send(&get("/a")));
    world.pass(20 * MINUTE);
    world.site.always(503, &[], "down");
    let got = world.send(&wants("bytes=-1"));
    assert!(got.cache_status().contains("fwd-status=503"));
    assert_part(&got, "bytes 9-9/10", "9");
}

#[test]
fn a_hosts_body_is_cut_without_being_read() {
    for body in [
        (|| Opaque::buffer("theirs", 100)) as fn() -> Body,
        || Opaque::stream("theirs", Some(100)),
        || Opaque::buffer("theirs", 1 << 20),
        || Opaque::stream("theirs", Some(1 << 20)),
    ] {
        let total = body().len().unwrap();
        let world = World::in_memory(table(Policy::ttl(MINUTE)));
        world.site.answer(move |_| Ok(response(200, &[], body())));
        for cleared in [0, 0, 1, 2, 1] {
            world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
            let response = world.open(&wants("bytes=2-5")).unwrap();
            let field = |name: &str| {
                let value = layercake::semantics::Fields::field(&response.headers, name);
                value.map(|v| String::from_utf8_lossy(&v).into_owned()).unwrap_or_default()
            };
            assert_eq!((response.status, field("content-range")), (206, format!("bytes 2-5/{total}")));
            assert_eq!((field("content-length"), response.body.len()), ("4".into(), Some(4)));
            assert_eq!(Opaque::label(response.body), "theirs");
            world.runtime.run_background();
        }
        let response = world.open(&get("/a")).unwrap();
        assert_eq!((response.status, response.body.len()), (200, Some(total)));
        assert_eq!(world.site.calls(), 1);
    }
}

#[test]
fn a_tier_whose_copy_is_cut_short_makes_the_part_an_error_and_no_lie() {
    // RFC 9111 section 3.3: an incomplete body is never passed off as whole.
    let world = whole_site(Policy::ttl(MINUTE), &[]);
    world.send(&get("/a"));
    world.clear(&world.hot);
    for tier in [&world.l1, &world.l2] {
        tier.fail_gets(layercake::sim::GetFault::Truncated);
    }
    let got = world.send(&wants("bytes=8-9"));
    assert_part(&got, "bytes 8-9/10", "89");
    got.says("fwd=uri-miss; ttl=60; stored");
    assert!(!matches!(got.body, Err(BodyError::Incomplete)));
}

#[test]
fn a_206_is_stored_under_no_other_policy() {
    // A handler that sends a part unasked; or one asked as it is, for a visitor with Authorization.
    const FIELDS: &[(&str, &str)] = &[("content-range", "bytes 0-1/10"), ("cache-control", "public, max-age=60")];
    for policy in [Policy::ttl(MINUTE), Policy::from_headers(), Policy::from_headers().default_ttl(MINUTE)] {
        for request in [get("/a"), wants("bytes=0-1"), wants("bytes=0-1").with("authorization", "anna")] {
            let world = World::new(policy.clone());
            world.site.always(206, FIELDS, "01");
            for _ in 0..2 {
                let got = world.send(&request);
                assert_eq!(got.says("fwd=uri-miss; detail=not-stored-status").reads("01").status, 206);
            }
            assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
        }
    }
}

// Parts by the letter.

type FieldList = &'static [(&'static str, &'static str)];

const STRONG: FieldList = &[("etag", "\"v1\""), ("cache-control", "max-age=60")];

/// A site that answers ranges of ten bytes, and the whole to whoever wants it.
fn site_of_parts(world: &World, fields: FieldList) {
    world.site.answer(move |seen| {
        let range = seen.field("range");
        let Some((first, last)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
            return Ok(response(200, fields, TEXT));
        };
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap_or(9).min(9));
        let content_range = format!("bytes {first}-{last}/10");
        let all: Vec<_> = fields.iter().copied().chain([("content-range", &*content_range)]).collect();
        Ok(response(206, &all, &TEXT[first..=last]))
    });
}

fn parts(fields: FieldList) -> World {
    let world = World::new(Policy::rfc9111());
    site_of_parts(&world, fields);
    world
}

/// Asks, and asserts which part comes, and whether the origin was asked.
#[track_caller]
fn assert_from_store(world: &World, range: &str, from_store: bool) {
    let calls = world.site.calls();
    let got = world.send(&wants(range));
    let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap_or(9).min(9));
    assert_part_or_length(&got, first, last);
    assert_eq!(world.site.calls() == calls, from_store, "{range}: {}", got.cache_status());
}

/// The origin here sends no Content-Length.
#[track_caller]
fn assert_part_or_length(got: &Got, first: usize, last: usize) {
    assert_eq!((got.status, got.text()), (206, &TEXT[first..=last]));
    assert_eq!(got.field("content-range"), format!("bytes {first}-{last}/10"));
    let length = got.field("content-length");
    assert!(length.is_empty() || length == (last - first + 1).to_string(), "{length}");
}

#[test]
fn a_part_is_stored_and_answers_what_lies_in_it() {
    // RFC 9111 section 3.3
    for fields in [STRONG, &[("cache-control", "max-age=60")]] {
        let world = parts(fields);
        assert_from_store(&world, "bytes=2-6", false);
        for cleared in [0, 1] {
            for range in ["bytes=2-6", "bytes=2-2", "bytes=3-5", "bytes=6-6"] {
                world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
                assert_from_store(&world, range, true);
            }
        }
        assert_eq!(world.send(&wants("bytes=2-3")).field("age"), "0");
        assert_eq!(world.l2.puts(), 0, "a part earns no KV write");
        world.pass(MINUTE);
        assert_from_store(&world, "bytes=2-6", false);
    }
}

#[test]
fn a_part_answers_open_and_suffix_ranges_that_it_reaches() {
    let world = parts(STRONG);
    assert_from_store(&world, "bytes=4-9", false);
    assert_from_store(&world, "bytes=6-", true);
    assert_from_store(&world, "bytes=8-100", true);
    let got = world.send(&wants("bytes=-2"));
    assert_part(&got, "bytes 8-9/10", "89");
    assert_eq!(world.site.calls(), 1);
}

#[test]
fn a_part_answers_neither_for_the_whole_nor_for_what_it_is_not() {
    // "A cache MUST NOT use an incomplete response to answer requests unless it has been made complete, or the request is
    // partial and specifies a range wholly within the incomplete response."
    for request in [
        get("/a"),
        head("/a"),
        wants("bytes=0-1,3-4"),
        wants("items=2-3"),
        wants("bytes=2-3").with("if-range", "\"v2\""),
    ] {
        let world = parts(&[("cache-control", "max-age=60")]);
        world.site.answer(|seen| match seen.field("range").as_str() {
            "bytes=2-6" => {
                Ok(response(206, &[("content-range", "bytes 2-6/10"), ("cache-control", "max-age=60")], "23456"))
            }
            _ if seen.request.method == "HEAD" => Ok(response(200, &[], "")),
            _ => Ok(response(200, &[("cache-control", "max-age=60")], TEXT)),
        });
        world.send(&wants("bytes=2-6"));
        let got = world.send(&request);
        assert_eq!((got.status, world.site.calls()), (200, 2), "{request:?}");
        assert!(got.cache_status().starts_with("layercake; fwd=partial"), "{}", got.cache_status());
    }
    for range in ["bytes=0-3", "bytes=5-7", "bytes=1-6", "bytes=2-7", "bytes=8-9", "bytes=0-9", "bytes=0-"] {
        let world = parts(&[("cache-control", "max-age=60")]);
        world.send(&wants("bytes=2-6"));
        assert_from_store(&world, range, false);
    }
}

#[test]
fn only_if_cached_is_not_answered_by_half_an_answer() {
    let world = parts(STRONG);
    world.send(&wants("bytes=2-6"));
    let only = |request: Request| request.with("cache-control", "only-if-cached");
    assert_part_or_length(&world.send(&only(wants("bytes=3-4"))), 3, 4);
    for request in [get("/a"), wants("bytes=0-1"), head("/a")] {
        assert_eq!(world.send(&only(request)).status, 504);
    }
    assert_eq!(world.site.calls(), 1);
}

#[test]
fn parts_of_one_strong_tag_are_joined() {
    // RFC 9111 section 3.4
    for (a, b, joint) in [
        ("bytes=0-3", "bytes=4-6", (0, 6)),
        ("bytes=4-6", "bytes=0-3", (0, 6)),
        ("bytes=0-5", "bytes=3-7", (0, 7)),
        ("bytes=3-7", "bytes=0-5", (0, 7)),
        ("bytes=1-8", "bytes=1-9", (1, 9)),
        ("bytes=2-3", "bytes=1-8", (1, 8)),
    ] {
        let world = parts(STRONG);
        assert_from_store(&world, a, false);
        assert_from_store(&world, b, false);
        for cleared in [0, 1] {
            for first in joint.0..=joint.1 {
                for last in first..=joint.1 {
                    world.tiers()[..cleared].iter().for_each(|tier| world.clear(tier));
                    assert_from_store(&world, &format!("bytes={first}-{last}"), true);
                }
            }
        }
        assert_eq!(world.l2.puts(), 0);
        assert_eq!(world.send(&get("/a")).status, 200, "{a} {b}");
        assert_eq!(world.site.calls(), 3, "what was joined is not the whole");
    }
}

#[test]
fn parts_that_make_up_the_whole_answer_for_it_from_all_tiers() {
    for ranges in
        [&["bytes=0-4", "bytes=5-9"][..], &["bytes=5-9", "bytes=0-4"], &["bytes=3-5", "bytes=0-3", "bytes=5-"]]
    {
        let world = parts(STRONG);
        for range in ranges {
            assert_from_store(&world, range, false);
        }
        for tier in world.tiers() {
            let got = world.send(&get("/a"));
            assert_whole(&got);
            assert_eq!((got.field("etag"), got.field("content-length")), ("\"v1\"".into(), "10".into()));
            assert!(got.cache_status().starts_with("layercake; hit; ttl=60"), "{}", got.cache_status());
            assert_eq!(world.send(&head("/a")).status, 200);
            assert_eq!(world.send(&get("/a").with("if-none-match", "\"v1\"")).status, 304);
            assert_from_store(&world, "bytes=4-5", true);
            world.clear(tier);
        }
        assert_eq!((world.site.calls(), world.l2.puts()), (ranges.len(), 1));
    }
}

#[test]
fn parts_that_do_not_touch_or_are_not_known_to_be_of_one_are_not_joined() {
    // RFC 9111 section 3.4: a strong validator in common; RFC 9110 section 15.3.7.3.
    let ask_two = |world: &World, a: &str, b: &str| {
        assert_from_store(world, a, false);
        assert_from_store(world, b, false);
    };
    for fields in [
        &[("etag", "W/\"v1\""), ("cache-control", "max-age=60")][..],
        &[("cache-control", "max-age=60")],
        &[("last-modified", "Wed, 31 Dec 2025 00:00:00 GMT"), ("cache-control", "max-age=60")],
    ] {
        let world = parts(fields);
        ask_two(&world, "bytes=0-4", "bytes=5-9");
        assert_from_store(&world, "bytes=5-9", true);
        assert_from_store(&world, "bytes=4-5", false);
        assert_eq!(world.l2.puts(), 0);
    }
    let apart = parts(STRONG);
    ask_two(&apart, "bytes=0-3", "bytes=5-9");
    assert_from_store(&apart, "bytes=5-9", true);
    assert_from_store(&apart, "bytes=0-3", false);

    // Another tag, another total.
    for (etag, content_range) in [("\"v2\"", "bytes 5-9/10"), ("W/\"v1\"", "bytes 5-9/10"), ("\"v1\"", "bytes 5-9/11")]
    {
        let world = parts(STRONG);
        world.send(&wants("bytes=0-4"));
        world.site.answer(move |_| {
            let fields = [("etag", etag), ("content-range", content_range), ("cache-control", "max-age=60")];
            Ok(response(206, &fields, "vwxyz"))
        });
        world.send(&wants("bytes=5-9")).reads("vwxyz");
        world.site.always(200, &[], "all of it");
        for request in [get("/a"), wants("bytes=0-5"), wants("bytes=0-4")] {
            world.send(&request).reads("all of it");
        }
    }
}

#[test]
fn what_was_joined_keeps_the_fields_that_only_its_first_part_had() {
    // RFC 9110 section 15.3.7.3: the stored fields are the source, but for those that the new response gives. One that
    // answers If-Range need not repeat them (15.3.7).
    let world = parts(STRONG);
    world.site.answer(|seen| {
        let (range, rest): (_, &[(&str, &str)]) = match seen.field("if-range").as_str() {
            "" => ("bytes 0-4/10", &[("content-type", "text/plain"), ("content-language", "en"), ("x", "old")]),
            _ => ("bytes 5-9/10", &[("x", "new")]),
        };
        let fields: Vec<_> = STRONG.iter().chain(rest).copied().chain([("content-range", range)]).collect();
        Ok(response(206, &fields, if range.starts_with("bytes 0") { "01234" } else { "56789" }))
    });
    world.send(&wants("bytes=0-4"));
    world.send(&wants("bytes=5-9").with("if-range", "\"v1\""));
    let got = world.send(&get("/a"));
    assert_whole(&got);
    let fields = ["x", "content-type", "content-language"].map(|name| got.field(name));
    assert_eq!(fields, ["new", "text/plain", "en"]);
}

#[test]
fn what_was_joined_to_a_whole_is_renewed_without_another_write_to_l2() {
    // As any other entry: l2_until says that L2 has a copy.
    let world = parts(STRONG);
    world.send(&wants("bytes=0-4"));
    world.send(&wants("bytes=5-9"));
    assert_eq!(world.l2.puts(), 1);
    world.site.always(304, STRONG, "");
    for _ in 0..3 {
        world.pass(MINUTE);
        assert_whole(&world.send(&get("/a")));
    }
    assert_eq!(world.l2.puts(), 1);
}

#[test]
fn a_stored_part_is_no_answer_to_somebody_who_holds_it() {
    // RFC 9110 section 13.2.2: If-None-Match comes before Range; 13.2.1: for whatever would be a 2xx.
    let world = parts(&[
        ("etag", "\"v1\""),
        ("cache-control", "max-age=60"),
        ("last-modified", "Wed, 31 Dec 2025 00:00:00 GMT"),
    ]);
    world.send(&wants("bytes=2-6"));
    for (name, value) in [("if-none-match", "\"v1\""), ("if-modified-since", "Wed, 31 Dec 2025 00:00:00 GMT")] {
        let got = world.send(&wants("bytes=3-4").with(name, value));
        assert_eq!((got.status, got.text(), world.site.calls()), (304, "", 1));
    }
}

#[test]
fn the_whole_takes_the_place_of_a_part() {
    let world = parts(STRONG);
    world.send(&wants("bytes=2-6"));
    assert_whole(&world.send(&get("/a")));
    for tier in world.tiers() {
        assert_whole(&world.send(&get("/a")));
        assert_from_store(&world, "bytes=0-9", true);
        world.clear(tier);
    }
    assert_eq!(world.site.calls(), 2);
}

#[test]
fn a_part_that_is_no_part_is_not_stored() {
    for (content_range, body) in [
        ("", "01234"),
        ("bytes 0-4/*", "01234"),
        ("bytes */10", "01234"),
        ("bytes 4-0/10", "01234"),
        ("bytes 0-10/10", "01234"),
        ("items 0-4/10", "01234"),
        ("bytes 0-4/10, bytes 5-9/10", "01234"),
        // Not of the length it says.
        ("bytes 0-4/10", "0123"),
        ("bytes 0-4/10", "012345"),
        ("bytes 0-4/99999999999999999999999999999999999999", "0123"),
    ] {
        let world = World::new(Policy::rfc9111());
        world.site.answer(move |_| {
            let fields: Vec<_> = STRONG.iter().copied().chain([("content-range", content_range)]).collect();
            Ok(response(206, &fields, body))
        });
        for _ in 0..2 {
            let got = world.send(&wants("bytes=0-4"));
            assert_eq!((got.status, got.text()), (206, body));
        }
        assert_eq!(
            (world.site.calls(), world.tiers().map(|tier| tier.puts())),
            (2, [0, 0, 0]),
            "{content_range} {body}"
        );
    }
}

#[test]
fn a_part_whose_stream_is_not_what_it_says_is_not_stored() {
    for chunks in [vec![Ok("0123")], vec![Ok("012"), Ok("345")], vec![Ok("012"), Err("torn")]] {
        let world = World::new(Policy::rfc9111());
        world.site.answer(move |_| {
            let fields: Vec<_> = STRONG.iter().copied().chain([("content-range", "bytes 0-4/10")]).collect();
            let chunks = chunks.clone().into_iter().map(|chunk| chunk.map(|text| Bytes::from_static(text.as_bytes())));
            Ok(response(206, &fields, scripted(chunks.collect::<Vec<_>>())))
        });
        world.send(&wants("bytes=0-4"));
        assert!(world.tiers().iter().all(|tier| !world.holds(tier)));
        assert_eq!(world.site.calls(), 1);
        world.send(&wants("bytes=0-4"));
        assert_eq!(world.site.calls(), 2);
    }
}

#[test]
fn a_part_that_comes_as_a_stream_is_stored_and_joined() {
    let world = World::new(Policy::rfc9111());
    world.site.answer(|seen| {
        let first = seen.field("range") == "bytes=0-4";
        let range = if first { "bytes 0-4/10" } else { "bytes 5-9/10" };
        let fields: Vec<_> = STRONG.iter().copied().chain([("content-range", range)]).collect();
        let chunks = if first { ["01", "234"] } else { ["567", "89"] };
        Ok(response(206, &fields, scripted(chunks.map(|chunk| Ok(Bytes::from_static(chunk.as_bytes()))))))
    });
    for range in ["bytes=0-4", "bytes=5-9"] {
        assert_from_store(&world, range, false);
    }
    for tier in world.tiers() {
        assert_whole(&world.send(&get("/a")));
        world.clear(tier);
    }
    assert_eq!(world.site.calls(), 2);
}

#[test]
fn a_part_of_something_that_varies_is_not_stored() {
    let world = parts(&[("etag", "\"v1\""), ("cache-control", "max-age=60"), ("vary", "accept-language")]);
    for _ in 0..2 {
        assert_from_store(&world, "bytes=0-4", false);
    }
    assert_eq!(world.tiers().map(|tier| tier.puts()), [0, 0, 0]);
}

#[test]
fn a_part_over_the_limit_is_not_stored() {
    for (most, stored) in [(4, false), (5, true)] {
        let world = World::new(Policy::rfc9111().max_body(most));
        site_of_parts(&world, STRONG);
        assert_from_store(&world, "bytes=0-4", false);
        assert_from_store(&world, "bytes=0-4", stored);
    }
}

#[test]
fn what_parts_make_up_is_no_larger_than_the_limit() {
    // Policy::max_body: "the largest body stored".
    let world = World::new(Policy::rfc9111().max_body(6));
    site_of_parts(&world, STRONG);
    for range in ["bytes=0-4", "bytes=5-9"] {
        world.send(&wants(range));
    }
    assert!(world.send(&get("/a")).cache_status().contains("fwd="), "ten bytes were stored where six are the most");
}

#[test]
fn a_part_is_void_after_a_change() {
    let world = parts(STRONG);
    world.send(&wants("bytes=2-6"));
    world.send(&get("/a").method("POST"));
    assert!(world.tiers().iter().all(|tier| !world.holds(tier)));
}

#[test]
fn a_stored_part_never_stands_in_for_an_error() {
    // RFC 5861 section 4 is about whole answers here; whoever asks for the whole must not get half.
    let world =
        parts(&[("etag", "\"v1\""), ("cache-control", "max-age=60, stale-if-error=600, stale-while-revalidate=600")]);
    world.send(&wants("bytes=2-6"));
    world.pass(MINUTE);
    world.site.always(503, &[], "down");
    for request in [get("/a"), wants("bytes=0-9"), head("/a")] {
        assert_eq!(world.send(&request).status, 503);
    }
}
