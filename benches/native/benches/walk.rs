//! The whole walk of a request over one memory tier, with the system's clock, beside other caches: the same requests, the same answer
//! of 1 KB; bodies are handed over and not read. What layercake does behind the response is measured with it.

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use layercake_bench_native::fields::ETAG;
use layercake_bench_native::host::Host;
use layercake_bench_native::measure::{Group, criterion};
use layercake_bench_native::rivals::{ByHand, Map, TowerHttpCache, moka};
use layercake_bench_native::walk::{View, World, asked, past};

type Asked = Request<Empty<Bytes>>;

/// Requests for the pages from `first` on, each asked for once.
fn new_pages<T>(first: usize, shown: impl Fn(Asked) -> T) -> impl FnMut() -> T {
    let mut n = first;
    move || {
        n += 1;
        shown(asked(n, &[]))
    }
}

fn main() {
    let (mut c, as_is) = (criterion(), |request: Asked| request);
    let mut world = World::new(Host::with_clock());
    let (mut map, mut moka) = (ByHand::new(Map::default()), ByHand::new(moka(4 << 20)));
    let mut tower = TowerHttpCache::default();

    let page = asked(0, &[]);
    world.expect(&page, 200, "layercake; hit; ttl=");
    drop((map.call(page.clone()), moka.call(page.clone()), tower.call(page.clone())));
    let shown = View::of(page.clone());
    let again = || page.clone();
    let _ = Group::new(&mut c, "walk: fresh hit")
        .run("layercake: Cache::handle", || world.handle(&shown))
        .run_with("layercake: CacheService", again, |request| world.call(request))
        .run_with("http-cache-semantics, a map, by hand", again, |request| map.call(request))
        .run_with("http-cache-semantics, moka, by hand", again, |request| moka.call(request))
        .run_with("tower-http-cache", again, |request| tower.call(request));

    let _ = Group::new(&mut c, "walk: miss, stored")
        .run_with("layercake: Cache::handle", new_pages(0, View::of), |view| world.handle(&view))
        .run_with("layercake: CacheService", new_pages(1 << 40, as_is), |request| world.call_and_read(request))
        .run_with("http-cache-semantics, moka, by hand", new_pages(0, as_is), |request| moka.call(request))
        .run_with("tower-http-cache", new_pages(0, as_is), |request| tower.call(request));

    let past = past();
    world.expect(&past, 200, "layercake; fwd=bypass");
    let passing = View::of(past.clone());
    let _ = Group::new(&mut c, "walk: bypass").run("layercake: Cache::handle", || world.handle(&passing)).run_with(
        "layercake: CacheService",
        || past.clone(),
        |request| world.call(request),
    );

    let held = asked(0, &[("if-none-match", ETAG)]);
    // The misses may have pushed it out.
    drop(world.call_and_read(asked(0, &[])));
    world.expect(&held, 304, "layercake; hit; ttl=");
    let shown = View::of(held.clone());
    let _ = Group::new(&mut c, "walk: 304, the client has it")
        .run("layercake: Cache::handle", || world.handle(&shown))
        .run_with("layercake: CacheService", || held.clone(), |request| world.call(request));
    c.final_summary();
}
