//! Beside the house: what tests need to walk requests through the cache without a network and without waiting.
//!
//! There are two ways. For one request at a time: [`SimRuntime`] lends a clock that stands still until it is told otherwise and
//! runs background work when asked; [`StreamTier`] behaves like a tier that streams; [`FaultyTier`] makes any tier fail on
//! demand.
//!
//! ```
//! use layercake::runtime::Runtime;
//! use layercake::sim::SimRuntime;
//! use std::time::Duration;
//!
//! let runtime = SimRuntime::new();
//! let (host, started) = (runtime.clone(), runtime.now());
//! runtime.spawn(Box::pin(async move {
//!     host.sleep(Duration::from_secs(60)).await;
//!     host.log("a minute has passed");
//! }));
//!
//! assert_eq!(runtime.run(async { 6 * 7 }), 42);
//! assert_eq!((runtime.pending(), runtime.now()), (1, started));
//!
//! runtime.run_background();
//! assert_eq!(runtime.now().since(started), Duration::from_secs(60));
//! assert_eq!(runtime.log_lines(), ["a minute has passed"]);
//! ```
//!
//! For whole sites: a [`World`] has data centres with isolates in them, an edge cache in each, one Workers KV with its delays,
//! limits and prices ([`KvModel`]), and an origin that keeps to a script ([`OriginScript`]). The engine in it is the very one that
//! runs on Workers. Its [`History`] says who asked what when and got which version, how often the origin was called, and what KV
//! would cost. All of it follows from a seed: which task runs first, how long everything takes, what fails
//! ([`Faults`]), who leaves, which isolate dies ([`Mix`]).
//!
//! # A test of your own table
//!
//! The table goes in as it is. Pages stand for what the handlers answer; what matters of them is how often they change and
//! what their header fields say.
//!
//! ```
//! use layercake::sim::{Load, Mix, OriginScript, Page, Weather, World};
//! use layercake::stats::Event;
//! use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
//! use std::time::Duration;
//!
//! const fn secs(n: u64) -> Duration {
//!     Duration::from_secs(n)
//! }
//!
//! fn table() -> Result<CacheConfig, ConfigError> {
//!     let products = Policy::ttl(secs(30)).stale_while_revalidate(secs(60)).stale_if_error(secs(600));
//!     CacheConfig::new("shop", SchemaVersion(1))
//!         .route("/api/products/:id", products)
//!         .route("/account/*rest", Policy::bypass())
//!         .build()
//! }
//!
//! // Ten minutes with some two requests a second, popular products first, in three data centres.
//! let products: Vec<String> = (0..50).map(|n| format!("/api/products/{n}")).collect();
//! let visitors = Load::zipf(products.iter().map(String::as_str).chain(["/account/orders"]), 0.9)
//!     .every(Duration::from_millis(500))
//!     .lasting(secs(600))
//!     .mix(Mix { cookie: 20, disconnect: 10, reset: 2, ..Mix::default() });
//!
//! // For a minute the origin is down.
//! let origin = OriginScript::new(|path| if path.starts_with("/account") { Page::new().personal() } else { Page::new() })
//!     .from(secs(300), Weather::Status(503))
//!     .from(secs(360), Weather::Up);
//!
//! let mut world = World::builder(1, || table().expect("the table is right"))
//!     .data_centres(3)
//!     .isolates(2)
//!     .origin(origin)
//!     .build();
//! world.load(&visitors);
//! let history = world.run();
//!
//! // The table does what it is there for ...
//! assert!(history.hit_permille() > Some(600), "{history}");
//! assert!(history.count(Event::StaleIfError) > 0);
//! // ... few see the outage ...
//! let errors = history.answers().filter(|(_, answer)| answer.status == 503).count();
//! assert!(errors * 50 < history.exchanges.len(), "{errors} errors");
//! // ... and KV costs less than a tenth of a cent.
//! assert!(history.bill().nanodollars() < 1_000_000 * 10, "{}", history.bill());
//! ```

mod bill;
mod builder;
mod core;
mod edge;
mod faults;
mod faulty;
mod flow;
mod history;
mod host;
mod isolate;
mod kv;
mod load;
mod origin;
mod page;
mod print;
mod random;
mod request;
mod runtime;
mod site;
mod stream;
mod unreliable;
mod world;

pub use bill::Bill;
pub use builder::WorldBuilder;
pub use edge::EdgeModel;
pub use faults::{DeleteFault, Faults, TierFaults};
pub use faulty::{FaultyTier, GetFault, PutFault};
pub use history::{Answer, Call, CallEnd, Exchange, History, IsolateBooks, Outcome, TierTally};
pub use host::Hosting;
pub use kv::KvModel;
pub use load::{Load, Mix, Visit};
pub use origin::{OriginScript, Weather};
pub use page::Page;
pub use random::Random;
pub use request::Request;
pub use runtime::SimRuntime;
pub use site::Unreachable;
pub use stream::StreamTier;
pub use world::World;
