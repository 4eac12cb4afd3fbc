use super::{CacheLayer, Handled};
use crate::body::Body;
use crate::engine::Origin;
use crate::message::{Ask, HeaderFields, HttpFields, RequestView, Response};
use crate::semantics::Fields;
use crate::semantics::invalidation::without_default_port;
#[cfg(feature = "axum")]
use axum::extract::OriginalUri;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, request::Parts};
use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service behind a [`Cache`](crate::Cache). Its error is the inner service's: the cache adds none.
#[derive(Clone, Debug)]
pub struct CacheService<S> {
    inner: S,
    layer: CacheLayer,
}

impl<S> CacheService<S> {
    pub(super) const fn new(inner: S, layer: CacheLayer) -> Self {
        Self { inner, layer }
    }
}

impl<S, B, R> Service<http::Request<B>> for CacheService<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: http_body::Body + Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: fmt::Display,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        // The instance that was polled ready is the one to call.
        let fresh = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, fresh);
        if request.extensions().get::<Handled>().is_some() {
            let mut inner = inner;
            let answer = inner.call(request);
            return ResponseFuture(Box::pin(async move { answer.await.map(|response| to_http(from_http(response))) }));
        }
        request.extensions_mut().insert(Handled);
        let (mut parts, body) = request.into_parts();
        let headers = Arc::new(HttpFields::new(std::mem::take(&mut parts.headers)));
        let view = View::of(&parts, &headers, &body);
        let CacheLayer { cache, policy, .. } = &self.layer;
        let prepared = match policy {
            Some(policy) => cache.prepare_under(Arc::clone(policy), &view),
            None => cache.prepare(&view),
        };
        let origin = Handler {
            service: inner,
            request: http::Request::from_parts(parts, body),
            headers,
            #[cfg(feature = "verify")]
            empty: self.layer.empty.as_ref().and_then(|empty| empty.downcast_ref().copied()),
            #[cfg(feature = "verify")]
            ready: true,
        };
        ResponseFuture(Box::pin(async move { prepared.handle(origin).await.map(to_http) }))
    }
}

/// The answer on its way.
pub struct ResponseFuture<E>(BoxFuture<'static, Result<http::Response<Body>, E>>);

impl<E> fmt::Debug for ResponseFuture<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

impl<E> Future for ResponseFuture<E> {
    type Output = Result<http::Response<Body>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

/// The inner service with the client's request.
struct Handler<S, B> {
    service: S,
    /// Without its fields.
    request: http::Request<B>,
    headers: Arc<HttpFields>,
    /// Makes the body of a request that is asked again.
    #[cfg(feature = "verify")]
    empty: Option<fn() -> B>,
    /// The service said that it is ready.
    #[cfg(feature = "verify")]
    ready: bool,
}

impl<S, B, R> Origin for Handler<S, B>
where
    S: Service<http::Request<B>, Response = http::Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: Send + 'static,
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: fmt::Display,
{
    type Error = S::Error;

    #[cfg(feature = "verify")]
    fn again(&self) -> Option<Self> {
        let empty = self.empty?;
        let mut request = http::Request::new(empty());
        request.method_mut().clone_from(self.request.method());
        request.uri_mut().clone_from(self.request.uri());
        *request.version_mut() = self.request.version();
        request.extensions_mut().clone_from(self.request.extensions());
        let headers = Arc::clone(&self.headers);
        Some(Self { service: self.service.clone(), request, headers, empty: self.empty, ready: false })
    }

    fn fetch(mut self, ask: Ask) -> impl Future<Output = Result<Response, S::Error>> + Send {
        *self.request.headers_mut() = Arc::unwrap_or_clone(self.headers).into_map();
        mask(&mut self.request, &ask);
        settle(&mut self.request, &ask);
        #[cfg(feature = "verify")]
        if !self.ready {
            return futures::future::Either::Right(async move {
                std::future::poll_fn(|cx| self.service.poll_ready(cx)).await?;
                self.service.call(self.request).await.map(from_http)
            });
        }
        let answer = self.service.call(self.request);
        let answer = async move { answer.await.map(from_http) };
        #[cfg(feature = "verify")]
        let answer = futures::future::Either::Left(answer);
        answer
    }
}

/// Makes the request what `ask` says. Extensions stay, because routers keep their matches there; only what Workers knows of
/// the client (`worker::Cf`) goes with the identity.
fn mask<B>(request: &mut http::Request<B>, ask: &Ask) {
    if ask.whole {
        *request.method_mut() = Method::GET;
    }
    if ask.hide.is_everything() {
        let host = request.headers_mut().remove(http::header::HOST);
        request.headers_mut().clear();
        request.headers_mut().extend(host.map(|host| (http::header::HOST, host)));
    }
    for name in ask.taken_off() {
        request.headers_mut().remove(name);
    }
    for (name, value) in &ask.set {
        HeaderFields::set(request.headers_mut(), name, value);
    }
    if let Some(target) = &ask.target {
        // The path of the part that a router has handed on stays.
        let inner = retarget(request.uri(), target, is_settled(request.uri(), request.extensions()));
        #[cfg(feature = "axum")]
        if let Some(OriginalUri(outer)) = request.extensions().get().cloned() {
            request.extensions_mut().insert(OriginalUri(retarget(&outer, target, false)));
        }
        *request.uri_mut() = inner;
    }
    #[cfg(feature = "worker")]
    if ask.hide.hides_client() {
        request.extensions_mut().remove::<worker::Cf>();
    }
}

/// `uri` with path and query of `target`, or with its query alone.
fn retarget(uri: &http::Uri, target: &str, keeps_path: bool) -> http::Uri {
    let query = target.find('?').map_or("", |at| &target[at..]);
    let wanted = if keeps_path { [uri.path(), query].concat() } else { target.to_owned() };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = wanted.parse().ok();
    http::Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// Whether a router in front has read the path.
#[cfg(feature = "axum")]
fn is_settled(uri: &http::Uri, extensions: &http::Extensions) -> bool {
    let nested = || extensions.get::<OriginalUri>().is_some_and(|original| original.0.path() != uri.path());
    extensions.get::<axum::extract::MatchedPath>().is_some() || nested()
}

/// Whether a router in front has read the path: without the feature `axum` nobody knows.
#[cfg(not(feature = "axum"))]
const fn is_settled(_: &http::Uri, _: &http::Extensions) -> bool {
    false
}

/// Makes `Host`, and the scheme that proxies named, what the key holds. The authority of an absolute-form target replaces `Host` (RFC
/// 9112 section 3.2.2); where an answer may be stored, case and the scheme's default port do not count.
fn settle<B>(request: &mut http::Request<B>, ask: &Ask) {
    let (uri, headers, as_is) = (request.uri(), request.headers(), ask.is_as_is());
    let scheme = scheme(uri, headers);
    let mut lines = headers.get_all(http::header::HOST).iter();
    let host = match (uri.authority(), lines.next(), lines.next()) {
        (Some(authority), Some(_), _) => Some(authority.as_str()),
        (None, Some(host), None) if !as_is => host.to_str().ok(),
        _ => None,
    };
    let bare = |host| without_default_port(scheme, host).to_ascii_lowercase();
    let host = host.map(|host| if as_is { host.to_owned() } else { bare(host) });
    let proto = (!as_is && headers.contains_key(PROTO)).then(|| scheme.to_owned());
    for (name, value) in [("host", host), (PROTO, proto)] {
        if let Some(value) = value {
            HeaderFields::set(request.headers_mut(), name, &value);
        }
    }
}

/// The scheme: that of the target, else the first that the proxies in front name.
fn scheme<'a>(uri: &'a http::Uri, headers: &HeaderMap) -> &'a str {
    let first = |value: &http::HeaderValue| {
        value
            .as_bytes()
            .split(|b| *b == b',')
            .next()
            .is_some_and(|first| first.trim_ascii().eq_ignore_ascii_case(b"https"))
    };
    uri.scheme_str().unwrap_or_else(|| if headers.get(PROTO).is_some_and(first) { "https" } else { "http" })
}

/// Where proxies name the client's scheme.
const PROTO: &str = "x-forwarded-proto";

/// The inner response's extensions travel beside it.
fn from_http<R>(response: http::Response<R>) -> Response
where
    R: http_body::Body<Data = Bytes> + Send + 'static,
    R::Error: fmt::Display,
{
    let (parts, body) = response.into_parts();
    let mut body = Some(body);
    // A body that is ours already stays what it is.
    let body = match (&mut body as &mut dyn Any).downcast_mut::<Option<Body>>() {
        Some(ours) => ours.take().unwrap_or_default(),
        None => body.map(Body::stream).unwrap_or_default(),
    };
    Response {
        status: parts.status.as_u16(),
        headers: Box::new(parts.headers),
        body,
        luggage: Some(Box::new(parts.extensions)),
    }
}

fn to_http(response: Response) -> http::Response<Body> {
    let Response { status, headers, body, luggage } = response;
    let mut out = http::Response::new(body);
    *out.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    *out.headers_mut() = native(headers);
    if let Some(extensions) = luggage.and_then(|luggage| luggage.downcast().ok()) {
        *out.extensions_mut() = *extensions;
    }
    out
}

/// The fields as a `HeaderMap`, whatever tier they come from.
fn native(headers: Box<dyn HeaderFields>) -> HeaderMap {
    if !(headers.as_ref() as &dyn Any).is::<HeaderMap>() {
        let mut map = HeaderMap::new();
        headers.for_each(&mut |name, value| {
            if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), http::HeaderValue::from_bytes(value)) {
                map.append(name, value);
            }
        });
        return map;
    }
    headers.into_any().downcast().map(|map| *map).unwrap_or_default()
}

/// The view of an `http` request.
struct View<'a> {
    /// Without its fields.
    parts: &'a Parts,
    headers: &'a Arc<HttpFields>,
    /// What the client asked, where a router has taken off a part of the path.
    uri: &'a http::Uri,
    authority: Cow<'a, str>,
    /// The body is not known to be empty. HTTP/2 has no field that says so (RFC 9113 section 8.1.1).
    content: bool,
}

impl<'a> View<'a> {
    fn of(parts: &'a Parts, headers: &'a Arc<HttpFields>, body: &impl http_body::Body) -> Self {
        #[cfg(feature = "axum")]
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        #[cfg(not(feature = "axum"))]
        let uri = &parts.uri;
        let authority = match parts.uri.authority() {
            Some(authority) => Cow::Borrowed(authority.as_str()),
            // RFC 9112 section 3.3: in origin form the authority is in Host. Of several lines nobody knows which one counts.
            None => match headers.map().field("host") {
                Some(Cow::Borrowed(host)) => String::from_utf8_lossy(host),
                Some(Cow::Owned(hosts)) => Cow::Owned(String::from_utf8_lossy(&hosts).into_owned()),
                None => Cow::Borrowed(""),
            },
        };
        Self { parts, headers, uri, authority, content: !body.is_end_stream() }
    }
}

fn has_length(headers: &HeaderMap) -> bool {
    headers.get("content-length").is_some_and(|length| length.as_bytes().trim_ascii() != b"0")
}

impl Fields for View<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.headers.field(name)
    }

    fn has(&self, name: &str) -> bool {
        self.headers.has(name)
    }
}

impl RequestView for View<'_> {
    fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    fn scheme(&self) -> &str {
        scheme(&self.parts.uri, self.headers.map())
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path(&self) -> &str {
        self.uri.path()
    }

    fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    fn has_content(&self) -> bool {
        self.content || self.has("transfer-encoding") || has_length(self.headers.map())
    }

    fn has_any(&self, names: &[&str]) -> bool {
        self.headers.has_any(names)
    }

    fn path_is_settled(&self) -> bool {
        is_settled(&self.parts.uri, &self.parts.extensions)
    }

    fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync> {
        Arc::clone(self.headers) as Arc<dyn Fields + Send + Sync>
    }
}
