//! A crowd at one page: whoever comes and goes, changes it, or fails, in whatever order.

use crate::support::*;
use bytes::Bytes;
use futures::future::{Either, select};
use layercake::Policy;
use layercake::runtime::Runtime;
use layercake::sim::{GetFault, PutFault};
use proptest::prelude::*;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const WHO: [&str; 3] = ["anna", "ben", "carl"];

#[derive(Clone, Copy, Debug)]
enum Does {
    Get,
    Head,
    /// Asks for the first three bytes.
    Part,
    Post,
    /// Goes away after so many milliseconds.
    Leave(u64),
}

#[derive(Clone, Copy, Debug)]
struct Visitor {
    /// In milliseconds.
    at: u64,
    who: usize,
    does: Does,
}

#[derive(Clone, Copy, Debug)]
enum Answers {
    Whole,
    Streams,
    Torn,
    Private,
    Unavailable,
    Fails,
    Missing,
}

fn visitor() -> impl Strategy<Value = Visitor> {
    let does = prop_oneof![
        6 => Just(Does::Get),
        1 => Just(Does::Head),
        1 => Just(Does::Part),
        2 => Just(Does::Post),
        2 => (0..4000_u64).prop_map(Does::Leave),
    ];
    (0..9000_u64, 0..3_usize, does).prop_map(|(at, who, does)| Visitor { at: at / 100 * 100, who, does })
}

fn call() -> impl Strategy<Value = (Answers, u64)> {
    let answers = prop_oneof![
        6 => Just(Answers::Whole),
        3 => Just(Answers::Streams),
        1 => Just(Answers::Torn),
        1 => Just(Answers::Private),
        1 => Just(Answers::Unavailable),
        1 => Just(Answers::Fails),
        1 => Just(Answers::Missing),
    ];
    (answers, prop_oneof![0..300_u64, 0..7000_u64])
}

/// A policy, and whether a change is one visitor's own.
fn policies() -> impl Strategy<Value = (Policy, bool)> {
    let stale = |policy: Policy| policy.stale_while_revalidate(secs(2)).stale_if_error(MINUTE);
    let second = stale(Policy::ttl(secs(1))).refresh_early(Duration::from_millis(500)).jitter(20);
    let all = vec![
        (Policy::ttl(MINUTE), false),
        (Policy::ttl(MINUTE).key_headers(&["x-who"]), true),
        (Policy::ttl(MINUTE).collapse_wait(secs(1)), false),
        (second.clone(), false),
        (second.clone().key_headers(&["x-who"]).soft_timeout(secs(1)).hard_timeout(secs(3)), true),
        (second.soft_timeout(secs(3)).hard_timeout(secs(1)).collapse_wait(secs(2)), false),
        (Policy::rfc9111(), false),
        (Policy::rfc9111().hard_timeout(secs(2)), false),
    ];
    prop::sample::select(all)
}

fn trouble() -> impl Strategy<Value = Option<(usize, bool, bool)>> {
    prop_oneof![2 => Just(None), 1 => (0..3_usize, any::<bool>(), any::<bool>()).prop_map(Some)]
}

/// Each answer says whom it is for, and the version of the page when it was asked for.
fn answer(seen: &Seen, version: usize, answers: Answers) -> Reply {
    let who = seen.field("x-who");
    let text = format!("{who}:{version}").into_bytes();
    let lasting = [("vary", "x-who"), ("cache-control", "max-age=60")];
    if seen.request.method == "POST" {
        return Ok(response(200, &[], text));
    }
    Ok(match answers {
        Answers::Whole => response(200, &lasting, text),
        Answers::Streams => response(200, &lasting, scripted(text.chunks(2).map(|c| Ok(Bytes::copy_from_slice(c))))),
        Answers::Torn => response(200, &lasting, scripted([Ok(Bytes::from(text)), Err("torn")])),
        Answers::Private => response(200, &[("cache-control", "private")], text),
        Answers::Unavailable => response(503, &[], text),
        Answers::Fails => return Err(Failure("down")),
        Answers::Missing => response(404, &[], text),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_an_answer_of_his_own_that_is_not_of_the_past(
        place in 0..HOSTS.len(),
        (policy, own) in policies(),
        visitors in prop::collection::vec(visitor(), 1..16),
        calls in prop::collection::vec(call(), 1..12),
        trouble in trouble(),
    ) {
        let kind = HOSTS[place];
        let world = World::new(policy).on(kind);
        let version = Arc::new(AtomicUsize::new(0));
        let versions = Arc::clone(&version);
        let script = calls.clone();
        // What a call brings is what was there when it began.
        let begun: Arc<std::sync::Mutex<Vec<usize>>> = Arc::default();
        let asked = Arc::clone(&begun);
        world.site.delay_each(move |seen| {
            let change = usize::from(seen.request.method == "POST");
            asked.lock().unwrap().push(versions.fetch_add(change, Ordering::Relaxed) + change);
            Duration::from_millis(script[(seen.number - 1) % script.len()].1)
        });
        world.site.answer(move |seen| {
            let version = begun.lock().unwrap()[seen.number - 1];
            answer(seen, version, calls[(seen.number - 1) % calls.len()].0)
        });
        if let Some((place, hangs, reads)) = trouble {
            match (reads, hangs) {
                (true, true) => world.tiers()[place].fail_gets(GetFault::Hang),
                (true, false) => world.tiers()[place].fail_gets(GetFault::Slow(Duration::from_millis(700))),
                (false, true) => world.tiers()[place].fail_puts(PutFault::Hang),
                (false, false) => world.tiers()[place].fail_puts(PutFault::Slow(Duration::from_millis(700))),
            }
        }
        // What each has been told that the page has become.
        let known = [0; 3].map(Cell::new);
        let walk = |visitor: Visitor| {
            let (world, known) = (&world, &known);
            async move {
                world.runtime.sleep(Duration::from_millis(visitor.at)).await;
                let request = get("/a").with("x-who", WHO[visitor.who]);
                let request = match visitor.does {
                    Does::Head => request.method("HEAD"),
                    Does::Post => request.method("POST"),
                    Does::Part => request.with("range", "bytes=0-2"),
                    _ => request,
                };
                let floor = known[visitor.who].get();
                let visit = world.visit(&request);
                let got = match visitor.does {
                    Does::Leave(after) => {
                        match select(visit, world.runtime.sleep(Duration::from_millis(after))).await {
                            Either::Left((got, _)) => got,
                            Either::Right((_, visit)) => {
                                kind.leave(visit);
                                return Ok(());
                            }
                        }
                    }
                    _ => visit.await,
                };
                let Ok(got) = got else { return Ok(()) };
                let Ok(body) = &got.body else { return Ok(()) };
                let text = std::str::from_utf8(body).unwrap();
                if text.is_empty() || text.starts_with("The origin did not") {
                    return Ok(());
                }
                if got.status == 206 {
                    prop_assert_eq!(text, &WHO[visitor.who][..3]);
                    return Ok(());
                }
                let (who, version) = text.split_once(':').unwrap();
                let version = version.parse::<usize>().unwrap();
                prop_assert_eq!(who, WHO[visitor.who], "{:?}", visitor);
                prop_assert!(version >= floor, "{:?}: {} of {}, {}", visitor, text, floor, got.cache_status());
                if matches!(visitor.does, Does::Post) {
                    for (_, known) in known.iter().enumerate().filter(|(who, _)| !own || *who == visitor.who) {
                        known.set(known.get().max(version));
                    }
                }
                Ok(())
            }
        };
        let ended = world.runtime.run(futures::future::join_all(visitors.iter().map(|visitor| walk(*visitor))));
        for end in ended {
            end?;
        }
        world.runtime.run_background();
        if kind.forgets {
            world.neglect(world.runtime.pending());
        }
        prop_assert_eq!(world.runtime.pending() * usize::from(!kind.forgets), 0);
        world.tiers().iter().for_each(|tier| tier.heal());
        world.runtime.run_background();
        if kind.forgets {
            world.neglect(world.runtime.pending());
        }
    }
}
