//! The walk of a request through the engine, over one memory tier.

use crate::fields::{BODY, BROWSER, map, response};
use crate::host::Host;
use crate::key::{PATH, table};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{Empty, Full};
use layercake::layer::{CacheLayer, CacheService};
use layercake::message::{Ask, HttpFields, RequestView, Response};
use layercake::policy::Level;
use layercake::semantics::Fields;
use layercake::tier::{MemoryTier, Tier};
use layercake::{Body, Cache, Origin, Policy};
use std::borrow::Cow;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer as _;
use tower_service::Service;

/// Bytes of the tier: room for about two thousand answers.
const BUDGET: u64 = 4 << 20;

/// A request for page `n`.
pub fn asked(n: usize, more: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
    ask_for(&format!("https://shop.example{PATH}?page={n}"), more)
}

/// A request for what is not to be cached.
pub fn past() -> Request<Empty<Bytes>> {
    ask_for("https://shop.example/account/orders", &[])
}

fn ask_for(target: &str, more: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target.parse::<Uri>().expect("a target");
    *request.headers_mut() = map(BROWSER);
    for (name, value) in more {
        request.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    request
}

/// A request as a native door that is made for it would show it: fields are shared, not copied.
pub struct View {
    method: Method,
    target: Uri,
    fields: Arc<HttpFields>,
}

impl View {
    #[must_use]
    pub fn of(request: Request<Empty<Bytes>>) -> Self {
        let (parts, _) = request.into_parts();
        Self { method: parts.method, target: parts.uri, fields: Arc::new(HttpFields::new(parts.headers)) }
    }
}

impl Fields for View {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.fields.field(name)
    }

    fn has(&self, name: &str) -> bool {
        self.fields.has(name)
    }
}

impl RequestView for View {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn scheme(&self) -> &str {
        self.target.scheme_str().unwrap_or("http")
    }

    fn authority(&self) -> &str {
        self.target.authority().map_or("", |authority| authority.as_str())
    }

    fn path(&self) -> &str {
        self.target.path()
    }

    fn query(&self) -> Option<&str> {
        self.target.query()
    }

    fn has_any(&self, names: &[&str]) -> bool {
        self.fields.has_any(names)
    }

    fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync> {
        Arc::clone(&self.fields) as Arc<dyn Fields + Send + Sync>
    }
}

/// The handler: the same answer for everybody, its fields copied from one that is ready.
#[derive(Clone)]
pub struct Handler(Arc<HeaderMap>);

impl Default for Handler {
    fn default() -> Self {
        Self(Arc::new(response(()).into_parts().0.headers))
    }
}

impl Origin for Handler {
    type Error = Infallible;

    fn fetch(self, _: Ask) -> impl Future<Output = Result<Response, Infallible>> + Send {
        let (headers, body) = (Box::new((*self.0).clone()), Body::from(Bytes::from_static(BODY)));
        ready(Ok(Response { status: 200, headers, body, luggage: None }))
    }
}

impl<B> Service<Request<B>> for Handler {
    type Response = http::Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        let mut response = http::Response::new(Full::from(BODY));
        *response.headers_mut() = (*self.0).clone();
        ready(Ok(response))
    }
}

/// A cache over one memory tier, its host and a handler, by both doors.
pub struct World {
    host: Arc<Host>,
    cache: Cache,
    handler: Handler,
    service: CacheService<Handler>,
}

impl World {
    /// With page 0 stored.
    #[must_use]
    pub fn new(host: Host) -> Self {
        let host = Arc::new(host);
        let routes = [
            ("/catalogue/*rest", Policy::ttl(Duration::from_secs(600)).stale_while_revalidate(Duration::from_secs(60))),
            ("/account/*rest", Policy::bypass()),
        ];
        let tier: Arc<dyn Tier> = Arc::new(MemoryTier::new(Level::L1, BUDGET));
        let cache = Cache::new(table(10, &routes), [tier], Arc::clone(&host) as Arc<dyn layercake::runtime::Runtime>);
        let handler = Handler::default();
        let service = CacheLayer::new(cache.clone()).layer(handler.clone());
        let world = Self { host, cache, handler, service };
        world.handle(&View::of(asked(0, &[])));
        world
    }

    /// Through `Cache::handle`, with what is to be done behind the response.
    pub fn handle(&self, view: &View) -> Response {
        let Ok(response) = self.host.finish(self.cache.handle(view, self.handler.clone()));
        self.host.drain();
        response
    }

    /// The same through the Tower door.
    pub fn call(&mut self, request: Request<Empty<Bytes>>) -> http::Response<Body> {
        let Ok(response) = self.host.finish(self.service.call(request));
        self.host.drain();
        response
    }

    /// The same, and reads the body: a miss is stored when the client has it.
    pub fn call_and_read(&mut self, request: Request<Empty<Bytes>>) -> Bytes {
        let Ok(response) = self.host.finish(self.service.call(request));
        let read = self.host.finish(response.into_body().into_bytes(u64::MAX)).expect("it is whole");
        self.host.drain();
        read
    }

    /// Panics unless the answer is of this status and its `Cache-Status` begins so.
    pub fn expect(&mut self, request: &Request<Empty<Bytes>>, status: u16, said: &str) {
        let response = self.handle(&View::of(request.clone()));
        let stamp = response.headers.field("cache-status").map(Cow::into_owned).unwrap_or_default();
        let stamp = String::from_utf8_lossy(&stamp);
        assert!(response.status == status && stamp.starts_with(said), "{} {stamp}", response.status);
    }
}
