use super::builder::WorldBuilder;
use super::core::{Core, Upcoming};
use super::host::RequestHost;
use super::isolate::Isolates;
use super::runtime::Owner;
use super::site::{Site, Way};
use crate::engine::{Cache, CacheConfig, Origin as _};
use crate::message::{Ask, Response};
use crate::runtime::Runtime;
use crate::semantics::freshness::Timestamp;
use crate::sim::{Answer, Exchange, History, Hosting, Load, Outcome, Random, Request, SimRuntime, Unreachable, Visit};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Data centres, isolates, tiers and an origin, in which the engine answers requests as it does anywhere else. All that
/// happens follows from the seed.
///
/// ```
/// use layercake::sim::{Load, OriginScript, Page, World};
/// use layercake::stats::Event;
/// use layercake::{CacheConfig, Policy, SchemaVersion};
/// use std::time::Duration;
///
/// let secs = Duration::from_secs;
/// let table = move || {
///     let config = CacheConfig::new("shop", SchemaVersion(1)).fallback(Policy::ttl(secs(30)));
///     config.build().expect("the table is right")
/// };
/// let load = Load::zipf(["/a", "/b", "/c"], 1.0).every(secs(1)).lasting(secs(120));
/// let run = |seed| {
///     let mut world = World::builder(seed, table).data_centres(3).isolates(2).origin(OriginScript::default()).build();
///     world.load(&load);
///     world.run()
/// };
/// let history = run(1);
/// assert!(history.hit_permille() > Some(400));
/// assert_eq!(history.exchanges.len() as u64, history.isolates.iter().map(|isolate| isolate.stats.requests()).sum::<u64>());
/// assert_eq!(history, run(1));
/// assert_ne!(history, run(2));
/// ```
pub struct World {
    core: Arc<Core>,
    isolates: Isolates,
    site: Arc<Site>,
    hosting: Hosting,
    bare: bool,
    random: Random,
    happenings: BTreeMap<(Timestamp, u64), Happening>,
    scheduled: u64,
    /// What the host has forgotten: it is neither polled nor dropped while the world lasts.
    forgotten: Vec<BoxFuture<'static, ()>>,
}

enum Happening {
    Visit { data_centre: usize, isolate: usize, visit: Visit },
    Reset { data_centre: usize, isolate: usize },
    Leave { exchange: usize },
    CutOff { request: u64 },
}

impl World {
    /// Begins a world in which everything follows from `seed`; each isolate has a table of its own from `table`.
    pub fn builder(seed: u64, table: impl Fn() -> CacheConfig + 'static) -> WorldBuilder {
        WorldBuilder::new(seed, table)
    }

    pub(super) fn assemble(
        core: Arc<Core>,
        isolates: Isolates,
        site: Arc<Site>,
        hosting: Hosting,
        bare: bool,
        random: Random,
    ) -> Self {
        let (happenings, forgotten) = (BTreeMap::new(), Vec::new());
        Self { core, isolates, site, hosting, bare, random, happenings, scheduled: 0, forgotten }
    }

    /// Sends `request` to an isolate of a data centre, both counted from 0, at a time counted from the beginning of the world.
    /// Where there is no such isolate nothing happens.
    pub fn request(&mut self, at: Duration, data_centre: usize, isolate: usize, request: Request) {
        self.visit(data_centre, isolate, Visit { at, request, stays: None, reset: false });
    }

    /// The same for a visit that says when it is, and whether the client stays for the answer.
    pub fn visit(&mut self, data_centre: usize, isolate: usize, visit: Visit) {
        if visit.reset {
            self.reset(visit.at, data_centre, isolate);
        }
        self.schedule(SimRuntime::START.plus(visit.at), Happening::Visit { data_centre, isolate, visit });
    }

    /// Starts an isolate anew at that time: what it had in memory is gone, and so are the requests it was at.
    pub fn reset(&mut self, at: Duration, data_centre: usize, isolate: usize) {
        self.schedule(SimRuntime::START.plus(at), Happening::Reset { data_centre, isolate });
    }

    /// Sends the visits of `load`, each to an isolate that the seed chooses.
    pub fn load(&mut self, load: &Load) {
        let (mut visits, mut places) = (self.random.split(), self.random.split());
        let (data_centres, isolates) = (self.isolates.data_centres() as u64, self.isolates.in_each() as u64);
        for visit in load.visits(&mut visits) {
            let mut place = |many| usize::try_from(places.below(many)).unwrap_or_default();
            let (data_centre, isolate) = (place(data_centres), place(isolates));
            self.visit(data_centre, isolate, visit);
        }
    }

    fn schedule(&mut self, at: Timestamp, happening: Happening) {
        self.scheduled += 1;
        self.happenings.insert((at, self.scheduled), happening);
    }

    /// Lets everything happen, until nothing more can.
    #[must_use]
    pub fn run(mut self) -> History {
        let runtime = self.core.runtime.clone();
        loop {
            runtime.settle();
            for (at, Upcoming::CutOff { request }) in self.core.take_upcoming() {
                self.schedule(at, Happening::CutOff { request });
            }
            let (timer, next) = (runtime.next_timer(), self.happenings.first_key_value().map(|((at, _), _)| *at));
            match (timer, next) {
                (None, None) => break,
                (Some(timer), next) if next.is_none_or(|next| timer <= next) => runtime.move_clock(timer),
                _ => {
                    if let Some(((at, _), happening)) = self.happenings.pop_first() {
                        runtime.move_clock(at);
                        self.happen(happening);
                    }
                }
            }
        }
        self.end()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Visit { data_centre, isolate, visit } => self.begin(data_centre, isolate, visit),
            Happening::Reset { data_centre, isolate } => self.restart(data_centre, isolate),
            Happening::Leave { exchange } => self.leave(exchange),
            Happening::CutOff { request } => {
                let cut = self.core.runtime.take_tasks(|owner| owner.request == request && !owner.main);
                self.core.history().cut_off += cut.len() as u64;
                self.forgotten.extend(cut.into_iter().map(|(_, task)| task));
            }
        }
    }

    fn begin(&mut self, data_centre: usize, isolate: usize, Visit { at, request, stays, .. }: Visit) {
        let Some(place) = self.isolates.at(data_centre, isolate).cloned() else { return };
        let life = place.life;
        let exchange = {
            let mut history = self.core.history();
            let (request, outcome) = (request.clone(), Outcome::Pending { begun: false });
            history.exchanges.push(Exchange { at, data_centre, isolate, life, request, outcome });
            history.exchanges.len() - 1
        };
        if let Some(stays) = stays {
            self.schedule(self.core.runtime.now().plus(stays), Happening::Leave { exchange });
        }
        let owner = Owner { isolate: life as u64 + 1, request: exchange as u64 + 1, main: true };
        let host = RequestHost { core: Arc::clone(&self.core), hosting: self.hosting, owner };
        let origin = Way { site: Arc::clone(&self.site), exchange, request: request.clone() };
        let walk = if self.bare {
            origin.fetch(Ask::AS_IS).boxed()
        } else {
            let host: Arc<dyn Runtime> = Arc::new(host);
            let tiers = place.tiers(&host);
            Cache::new(place.config, tiers, host).handle(&request, origin).boxed()
        };
        let client = Client { core: Arc::clone(&self.core), exchange, hosting: self.hosting };
        self.core.runtime.spawn_for(owner, client.receive(walk).boxed());
    }

    fn leave(&mut self, exchange: usize) {
        let at = self.core.now();
        let begun = match self.core.history().exchanges.get_mut(exchange) {
            Some(Exchange { outcome, .. }) => match *outcome {
                Outcome::Pending { begun } => {
                    *outcome = Outcome::Disconnected { at, begun };
                    begun
                }
                _ => return,
            },
            None => return,
        };
        let request = exchange as u64 + 1;
        let walk = self.core.runtime.take_tasks(|owner| owner.request == request && owner.main);
        // Once the answer is on its way, its body is cancelled on any host.
        if self.hosting.forgets_requests && !begun {
            self.forgotten.extend(walk.into_iter().map(|(_, task)| task));
        }
        if let Some(wait) = self.hosting.wait_until {
            self.core.later(wait, Upcoming::CutOff { request });
        }
    }

    fn restart(&mut self, data_centre: usize, isolate: usize) {
        let Some(life) = self.isolates.restart(data_centre, isolate) else { return };
        let at = self.core.now();
        for exchange in self.core.history().exchanges.iter_mut().filter(|exchange| exchange.life == life) {
            if let Outcome::Pending { begun } = exchange.outcome {
                exchange.outcome = Outcome::Lost { at, begun };
            }
        }
        let forget = self.core.numbers().host.permille(500);
        // Tasks that are dropped may leave others behind.
        loop {
            let gone = self.core.runtime.take_tasks(|owner| owner.isolate == life as u64 + 1);
            if gone.is_empty() {
                return;
            }
            self.core.history().vanished += gone.iter().filter(|(owner, _)| !owner.main).count() as u64;
            if forget {
                self.forgotten.extend(gone.into_iter().map(|(_, task)| task));
            }
        }
    }

    fn end(mut self) -> History {
        self.isolates.close();
        let left = self.core.runtime.take_tasks(|_| true);
        let mut history = std::mem::take(&mut *self.core.history());
        let waits = |request: u64| {
            let place = usize::try_from(request.saturating_sub(1)).unwrap_or(usize::MAX);
            matches!(history.exchanges.get(place), Some(Exchange { outcome: Outcome::Pending { .. }, .. }))
        };
        history.left = left.iter().filter(|(owner, _)| !owner.main && !waits(owner.request)).count() as u64;
        history.crossed = self.core.runtime.crossed();
        history.ended = self.core.now();
        self.forgotten.extend(left.into_iter().map(|(_, task)| task));
        // What is dropped now may leave tasks behind that refer to the world.
        while !self.forgotten.is_empty() {
            self.forgotten.clear();
            self.forgotten.extend(self.core.runtime.take_tasks(|_| true).into_iter().map(|(_, task)| task));
        }
        history
    }
}

/// Who asked, and reads the answer.
struct Client {
    core: Arc<Core>,
    exchange: usize,
    hosting: Hosting,
}

impl Client {
    async fn receive(self, walk: BoxFuture<'static, Result<Response, Unreachable>>) {
        let outcome = match walk.await {
            Ok(response) => self.read(response).await,
            Err(Unreachable) => Outcome::Failed { at: self.core.now() },
        };
        self.note(outcome);
        if let Some(wait) = self.hosting.wait_until {
            self.core.later(wait, Upcoming::CutOff { request: self.exchange as u64 + 1 });
        }
    }

    async fn read(&self, response: Response) -> Outcome {
        self.note(Outcome::Pending { begun: true });
        let at = self.core.now();
        let Response { status, headers, body, .. } = response;
        let mut fields = Vec::new();
        headers.for_each(&mut |name, value| fields.push((name.into(), String::from_utf8_lossy(value).into())));
        let body = body.into_bytes(u64::MAX).await.ok();
        Outcome::Answered(Answer { at, ended: self.core.now(), status, fields, body })
    }

    fn note(&self, outcome: Outcome) {
        if let Some(exchange) = self.core.history().exchanges.get_mut(self.exchange) {
            exchange.outcome = outcome;
        }
    }
}
