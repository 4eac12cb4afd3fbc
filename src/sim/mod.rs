//! Beside the house: what tests need to walk a request through the cache without a network and without waiting.
//!
//! [`SimRuntime`] lends a clock that stands still until it is told otherwise and runs background work when asked;
//! [`StreamTier`] behaves like a tier that streams; [`FaultyTier`] makes any tier fail on demand.
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
