//! Floor 4. The Tower door: [`CacheLayer`] and [`CacheService`].
//!
//! ```
//! # #[cfg(feature = "sim")] {
//! use layercake::layer::CacheLayer;
//! use layercake::policy::Level;
//! use layercake::sim::SimRuntime;
//! use layercake::tier::{MemoryTier, Tier};
//! use layercake::{Cache, CacheConfig, Policy, SchemaVersion};
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! let config = CacheConfig::new("shop", SchemaVersion(1))
//!     .route("/hello", Policy::ttl(Duration::from_secs(60)))
//!     .build()
//!     .expect("the table is right");
//! let memory: Arc<dyn Tier> = Arc::new(MemoryTier::new(Level::L1, 1 << 20));
//! let runtime = SimRuntime::new();
//! let cache = Cache::new(config, [memory], Arc::new(runtime.clone()));
//!
//! let hello = service_fn(|_: http::Request<String>| async {
//!     Ok::<_, std::convert::Infallible>(http::Response::new(layercake::Body::from("hello")))
//! });
//! let service = CacheLayer::new(cache).layer(hello);
//! for expected in ["layercake; fwd=uri-miss; ttl=60", "layercake; hit; ttl=60"] {
//!     let request = http::Request::get("https://shop.example/hello").body(String::new()).unwrap();
//!     let response = runtime.run(service.clone().oneshot(request)).unwrap();
//!     assert_eq!(response.headers()["cache-status"], expected);
//! }
//! # }
//! ```
//!
//! # Where to put it
//!
//! Around a whole router (`CacheLayer::new(cache).layer(router)`) the route table decides. As an axum `route_layer`, with
//! [`CacheLayer::policy`], it caches the routes it is put on under a policy of its own. A request that has passed one
//! such door is let through by the next.
//!
//! Outside of the router is the better place: the handler is then shown what counts of the path and nothing else. Behind a router
//! (`Router::layer`, `route_layer`, `nest`) the path has been read already. With the feature `axum` the key then holds the path that the
//! client asked, whatever a `nest` has taken off it, and a path that would have to be shown otherwise goes past the cache; without
//! that feature do not put the layer into a nested router, nor ignore case or last slashes there.
//!
//! What middlewares further out put into the request's extensions the handler sees on every route, `anonymous()` ones too: put those
//! that find out who is asking inside the cache.

mod service;

pub use service::{CacheService, ResponseFuture};

use crate::engine::Cache;
use crate::policy::Policy;
use std::sync::Arc;

/// Marks a request that a door has taken in hand.
#[derive(Clone, Copy, Debug)]
struct Handled;

/// Wraps services with a [`Cache`].
#[derive(Clone, Debug)]
pub struct CacheLayer {
    cache: Cache,
    policy: Option<Arc<Policy>>,
    #[cfg(feature = "verify")]
    empty: Option<Empty>,
}

/// Makes the body of a request that is asked again, a `fn() -> B`.
#[cfg(feature = "verify")]
type Empty = Arc<dyn std::any::Any + Send + Sync>;

impl CacheLayer {
    /// A layer that answers by the route table of `cache`.
    #[must_use]
    pub const fn new(cache: Cache) -> Self {
        Self {
            cache,
            policy: None,
            #[cfg(feature = "verify")]
            empty: None,
        }
    }

    /// Lets the policies' [`verify_one_in`](Policy::verify_one_in) take effect: there the inner service is called again, with an empty
    /// body, for the requests that are looked at. `B` is the body of the service's requests.
    ///
    /// ```
    /// # fn layer(cache: layercake::Cache) -> layercake::layer::CacheLayer {
    /// layercake::layer::CacheLayer::new(cache).verified::<axum::body::Body>()
    /// # }
    /// ```
    #[cfg(feature = "verify")]
    #[must_use]
    pub fn verified<B: Default + 'static>(mut self) -> Self {
        let empty: fn() -> B = B::default;
        self.empty = Some(Arc::new(empty));
        self
    }

    /// Answers everything under `policy` instead, for a layer put on particular routes. Counted under the route of the
    /// table that has the path, else under the fallback.
    ///
    /// # Errors
    ///
    /// When a setting of the policy cannot be meant.
    pub fn policy(mut self, policy: Policy) -> Result<Self, crate::ConfigError> {
        self.cache.config().check(&policy, "(layer)")?;
        self.policy = Some(Arc::new(policy));
        Ok(self)
    }
}

impl<S> tower_layer::Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(inner, self.clone())
    }
}
