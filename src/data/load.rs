//! What gives a value that is not kept, and its place in the walk.

use super::absent;
use super::codec::{Codec, CodecError};
use super::seal::{Sealed, Sealer};
use crate::body::Body;
use crate::engine::{Origin, Read};
use crate::message::{Ask, HeaderFields as _, Lines, Response};
use crate::policy::CacheKey;
use crate::policy::key::KeyName;
use crate::runtime::Runtime;
use crate::semantics::decimal;
use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// A value with what its loader knows of it.
///
/// ```
/// use layercake::data::Loaded;
/// use std::time::Duration;
///
/// let token = Loaded::new("t0ken").lifetime(Duration::from_secs(240)).tag("tokens");
/// assert_eq!(token.value, "t0ken");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded<T> {
    /// The value.
    pub value: T,
    pub(super) lifetime: Option<Duration>,
    pub(super) tags: Vec<Box<str>>,
}

impl<T> Loaded<T> {
    /// A value of which the policy says all else.
    pub const fn new(value: T) -> Self {
        Self { value, lifetime: None, tags: Vec::new() }
    }

    /// How long it is good for, in place of what the policy says; whole seconds, at most ten years. Less than one second: it is not kept.
    #[must_use]
    pub const fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// A tag it carries, beside those of the policy.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.into());
        self
    }
}

impl<T> From<T> for Loaded<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

/// Something whose type the walk does not know.
pub(super) type Opaque = Box<dyn Any + Send>;

/// A value on its way into the walk.
pub(super) struct Given {
    /// The value; nothing for one that has to be read from its bytes.
    pub(super) value: Option<Opaque>,
    /// Its bytes; nothing for a value that is none.
    pub(super) bytes: Result<Option<Body>, CodecError>,
    pub(super) lifetime: Option<Duration>,
    pub(super) tags: Vec<Box<str>>,
}

impl Given {
    /// A value of which nothing else is known.
    pub(super) fn of<T, C>(codec: &C, value: T) -> Self
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        C: Codec,
    {
        let is_none = absent::is_none(&value) && absent::none::<T>().is_some();
        let bytes = if is_none { Ok(None) } else { codec.encode(&value).map(|bytes| Some(Body::from(bytes))) };
        Self { value: Some(Box::new(value)), bytes, lifetime: None, tags: Vec::new() }
    }
}

/// A loader whose types are hidden, so that the walk is compiled once for all of them.
pub(super) type Load = Box<dyn FnOnce() -> BoxFuture<'static, Result<Given, Opaque>> + Send>;

/// A loader in the place of the handler.
pub(super) struct Loader {
    pub(super) maker: Maker,
    /// Whoever needs it first takes it.
    pub(super) load: Arc<Mutex<Option<Load>>>,
}

/// Makes the response in which the value of a key walks.
pub(super) struct Maker {
    pub(super) key: CacheKey,
    pub(super) sealer: Arc<Sealer>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) content_type: Option<&'static str>,
    pub(super) negative: Option<Duration>,
}

/// Takes a loader out of where it is shared.
pub(super) fn take(load: &Mutex<Option<Load>>) -> Option<Load> {
    load.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Runs a loader, known to be at work on `key` while it is polled.
pub(super) fn run(load: Load, key: KeyName) -> impl Future<Output = Result<Given, Opaque>> + Send {
    Loading { key, work: load() }
}

/// The status of the response that stands for a value.
pub(super) const VALUE: u16 = 200;

/// The content type of a value that is none, whatever its type: it has no bytes.
pub(super) const NONE: &str = "application/x-layercake-none";

impl Maker {
    /// The response in which a value walks.
    pub(super) async fn response(&self, given: Given) -> Response {
        let Given { value, bytes, lifetime, tags } = given;
        let (value, bytes) = match (value, bytes) {
            (Some(value), bytes) => (Some(value), bytes),
            (None, Ok(Some(body))) => match self.sealer.prepared(body).await {
                Ok(body) => (None, Ok(Some(body))),
                Err(body) => return self.unkept(Box::new(body), &"it cannot be sealed"),
            },
            (None, bytes) => (None, bytes),
        };
        let none = matches!(bytes, Ok(None));
        // Zero: it is not kept.
        let keep = if none { lifetime.or(self.negative).or(Some(Duration::ZERO)) } else { lifetime };
        let content_type = if none { Some(NONE) } else { self.content_type };
        let Sealed { fields, body } = match self.sealed(bytes, content_type).await {
            Ok(sealed) => sealed,
            // Bytes that are read only once are gone with the error.
            Err(why) => return self.unkept(value.unwrap_or_else(|| Box::new(Body::broken())), &why),
        };
        let mut headers = Box::new(Lines::default());
        set_lifetime(&mut headers, keep);
        describe(&mut headers, fields);
        let body = match value {
            Some(value) => Read::body(body, value),
            None => body,
        };
        Response { status: VALUE, headers, body, luggage: Some(Box::new(tags)) }
    }

    /// The value goes to whoever asked for it, and nowhere else.
    fn unkept(&self, value: Opaque, why: &dyn std::fmt::Display) -> Response {
        self.runtime.log(&["layercake: a value is not kept: ", &why.to_string()].concat());
        let mut headers = Box::new(Lines::default());
        set_lifetime(&mut headers, Some(Duration::ZERO));
        Response { status: VALUE, headers, body: Read::body(Body::empty(), value), luggage: None }
    }

    async fn sealed(
        &self,
        bytes: Result<Option<Body>, CodecError>,
        content_type: Option<&str>,
    ) -> Result<Sealed, String> {
        let body = bytes.map_err(|why| why.to_string())?.unwrap_or_default();
        let sealed = self.sealer.seal(&*self.runtime, &self.key, content_type, body).await;
        sealed.map_err(|why| why.to_string())
    }
}

/// Says how long a value is good for, where it is not as the policy says.
pub(super) fn set_lifetime(headers: &mut Lines, lifetime: Option<Duration>) {
    match lifetime.map(|lifetime| lifetime.as_secs()) {
        Some(0) => headers.set("cache-control", "no-store"),
        Some(secs) => headers.set("cache-control", &["max-age=", &decimal(secs)].concat()),
        None => {}
    }
}

/// Says how a value's bytes are made.
pub(super) fn describe(headers: &mut Lines, fields: Vec<(&'static str, String)>) {
    for (name, value) in fields {
        headers.set(name, &value);
    }
}

impl Origin for Loader {
    type Error = Opaque;

    async fn fetch(self, _: Ask) -> Result<Response, Opaque> {
        // It is asked once: whoever takes it out otherwise does so when the walk is over.
        let Some(load) = take(&self.load) else { return Err(Box::new(Gone)) };
        let given = run(load, self.maker.key.name()).await?;
        Ok(self.maker.response(given).await)
    }
}

/// The loader has been used already.
struct Gone;

thread_local! {
    /// The keys whose loaders are being polled, the innermost last.
    static LOADING: RefCell<Vec<KeyName>> = const { RefCell::new(Vec::new()) };
}

/// Whether a loader of this key is being polled: whoever asks for its value now is that loader.
pub(super) fn is_loading(key: &KeyName) -> bool {
    LOADING.with_borrow(|loading| loading.contains(key))
}

/// A loader at work.
struct Loading {
    key: KeyName,
    work: BoxFuture<'static, Result<Given, Opaque>>,
}

impl Future for Loading {
    type Output = Result<Given, Opaque>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        /// Takes the key off again, whatever becomes of the loader.
        struct On;
        impl Drop for On {
            fn drop(&mut self) {
                let _innermost = LOADING.with_borrow_mut(Vec::pop);
            }
        }
        LOADING.with_borrow_mut(|loading| loading.push(self.key));
        let _on = On;
        self.work.as_mut().poll(cx)
    }
}
