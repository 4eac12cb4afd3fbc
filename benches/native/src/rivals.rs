//! The same jobs done with other crates: caches by hand on `http-cache-semantics`, and `tower-http-cache`.

use crate::fields::BODY;
use crate::host::since_received;
use crate::walk::Handler;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use http_cache_semantics::{BeforeRequest, CachePolicy};
use moka::sync::Cache as Moka;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};
use tower_layer::Layer as _;
use tower_service::Service;

/// An answer, and the rules it came with.
pub type Kept = Arc<(CachePolicy, Bytes)>;

/// Where a cache by hand keeps its answers.
pub trait Shelf {
    fn get(&self, key: &str) -> Option<Kept>;
    fn put(&self, key: String, kept: Kept);
}

/// A map behind a mutex, without a bound.
#[derive(Default)]
pub struct Map(Mutex<HashMap<String, Kept>>);

impl Shelf for Map {
    fn get(&self, key: &str) -> Option<Kept> {
        self.0.lock().expect("no panic").get(key).cloned()
    }

    fn put(&self, key: String, kept: Kept) {
        self.0.lock().expect("no panic").insert(key, kept);
    }
}

impl Shelf for Moka<String, Kept> {
    fn get(&self, key: &str) -> Option<Kept> {
        Moka::get(self, key)
    }

    fn put(&self, key: String, kept: Kept) {
        self.insert(key, kept);
    }
}

/// moka's cache, bounded by bytes.
pub fn moka(bytes: u64) -> Moka<String, Kept> {
    let weigh = |key: &String, kept: &Kept| u32::try_from(key.len() + kept.1.len() + 512).unwrap_or(u32::MAX);
    Moka::builder().max_capacity(bytes).weigher(weigh).build()
}

/// The shortest cache on `http-cache-semantics`: the key is the URL, nothing is collapsed, counted or bounded.
pub struct ByHand<S> {
    shelf: S,
    handler: Handler,
    began: SystemTime,
}

impl<S: Shelf> ByHand<S> {
    #[allow(clippy::disallowed_methods, reason = "a native program may read the clock")]
    pub fn new(shelf: S) -> Self {
        Self { shelf, handler: Handler::default(), began: SystemTime::now() }
    }

    pub fn call(&mut self, request: Request<Empty<Bytes>>) -> Response<Bytes> {
        let key = request.uri().to_string();
        let now = SystemTime::UNIX_EPOCH + since_received(Some(self.began));
        if let Some(kept) = self.shelf.get(&key)
            && let BeforeRequest::Fresh(parts) = kept.0.before_request(&request, now)
        {
            return Response::from_parts(parts, kept.1.clone());
        }
        let asked = CopyOf::of(&request);
        let answer = poll_once(self.handler.call(request)).expect("the handler does not fail");
        let answer = answer.map(|_| Bytes::from_static(BODY));
        let policy = CachePolicy::new(&asked.0, &answer);
        if policy.is_storable() {
            self.shelf.put(key, Arc::new((policy, answer.body().clone())));
        }
        answer
    }
}

/// What the rules want to see of a request that has gone on to the handler.
struct CopyOf(Request<()>);

impl CopyOf {
    fn of(request: &Request<Empty<Bytes>>) -> Self {
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Self(copy)
    }
}

fn poll_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for something"),
    }
}

type Backend = tower_http_cache::prelude::InMemoryBackend;

/// `tower-http-cache` as its documentation begins, in memory.
pub struct TowerHttpCache(tower_http_cache::layer::CacheService<Handler, Backend>);

impl Default for TowerHttpCache {
    fn default() -> Self {
        let builder = tower_http_cache::prelude::CacheLayer::builder(Backend::new(2_000));
        Self(builder.ttl(Duration::from_secs(600)).build().layer(Handler::default()))
    }
}

impl TowerHttpCache {
    pub fn call(&mut self, request: Request<Empty<Bytes>>) -> Response<impl Sized + use<>> {
        poll_once(self.0.call(request)).expect("the cache does not fail")
    }
}
