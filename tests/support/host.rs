use super::World;
use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use layercake::runtime::{Runtime, Signal};
use layercake::semantics::freshness::Timestamp;
use layercake::sim::SimRuntime;
use layercake::{Body, Policy};
use std::sync::Arc;
use std::time::Duration;

/// What a host does with requests whose client has gone, and how its requests hear of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// It forgets their futures; else it drops them.
    pub forgets: bool,
    /// Nothing of one request wakes another.
    pub polls: bool,
}

/// All kinds of hosts.
pub const HOSTS: [Kind; 4] = [
    Kind { forgets: false, polls: false },
    Kind { forgets: false, polls: true },
    Kind { forgets: true, polls: false },
    Kind { forgets: true, polls: true },
];

impl Kind {
    pub fn host(self, sim: &SimRuntime) -> Arc<dyn Runtime> {
        Arc::new(Host { sim: sim.clone(), kind: self })
    }

    /// The client of a request goes away.
    pub fn leave<F>(self, request: F) {
        if self.forgets { std::mem::forget(request) } else { drop(request) }
    }
}

/// The same walk on hosts of all kinds.
pub fn on_each(policy: &Policy, walk: impl Fn(&World, Kind)) {
    for kind in HOSTS {
        walk(&World::new(policy.clone()).on(kind), kind);
    }
}

struct Host {
    sim: SimRuntime,
    kind: Kind,
}

impl Runtime for Host {
    fn now(&self) -> Timestamp {
        self.sim.now()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.sim.spawn(task);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sim.sleep(duration)
    }

    fn log(&self, line: &str) {
        self.sim.log(line);
    }

    fn random(&self) -> u32 {
        self.sim.random()
    }

    fn signal(&self) -> Option<Signal> {
        if self.kind.polls {
            return None;
        }
        if !self.kind.forgets {
            return self.sim.signal();
        }
        // One that is dropped wakes nobody here.
        let (sender, receiver) = oneshot::channel::<()>();
        let raise = Box::new(move || {
            let _ = sender.send(());
        });
        let raised = Box::pin(async move {
            if receiver.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        Some(Signal { raise, raised })
    }

    fn forgets_requests(&self) -> bool {
        self.kind.forgets
    }

    fn append(&self, first: Body, next: Body) -> Option<Body> {
        self.sim.append(first, next)
    }

    fn adopt(&self, bytes: Bytes) -> Body {
        self.sim.adopt(bytes)
    }

    fn compress(&self, body: Body) -> Result<Body, Body> {
        self.sim.compress(body)
    }

    fn decompress(&self, body: Body) -> Result<Body, Body> {
        self.sim.decompress(body)
    }
}
