//! What unsafe requests make void (RFC 9111 section 4.4).

use super::plan::{Change, Plan, Question};
use super::{Cache, is_l2};
use crate::entry::Head;
use crate::message::Response;
use crate::policy::{CacheKey, RouteId, Tiers};
use crate::runtime::within;
use crate::semantics::Fields as _;
use crate::semantics::invalidation::{Target, invalidates};
use crate::stats::Event;
use futures::channel::oneshot;
use std::time::Duration;

/// How long the answer to an unsafe request waits for the tiers to forget; they go on behind it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long one tier may take over one step of it, before the next is asked.
const LIMIT: Duration = Duration::from_millis(700);

/// The same where the owner himself has something forgotten and waits for it: a store may put its writes of a key a second apart.
const SURELY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(2));

/// An entry to be forgotten.
pub(super) struct Void {
    route: RouteId,
    key: CacheKey,
    tiers: Tiers,
    /// A store that says it has nothing may be behind the times: it is told all the same.
    surely: bool,
}

#[cfg(feature = "data")]
impl Void {
    /// An entry to be forgotten whatever the tiers say they have.
    pub(super) const fn surely(route: RouteId, key: CacheKey, tiers: Tiers) -> Self {
        Self { route, key, tiers, surely: true }
    }
}

impl Cache {
    /// What the answered request may have changed: its target, and what `Location` and `Content-Location` name on the same
    /// site.
    pub(super) fn changed(&self, plan: &Plan, change: &Change, response: &Response) -> Vec<Void> {
        let mut voids = Vec::new();
        if !invalidates(&change.method, response.status) {
            return voids;
        }
        self.void(plan, change, &change.target, &mut voids);
        for name in ["location", "content-location"] {
            let referred = response.headers.field(name).and_then(|value| {
                let reference = std::str::from_utf8(&value).ok()?;
                change.target.refers_to(reference)
            });
            if let Some(target) = referred {
                self.void(plan, change, &target, &mut voids);
            }
        }
        voids
    }

    /// Forgets, behind the response, what was found.
    pub(super) fn forget_behind(&self, plan: &Plan, question: &Question) {
        let key = question.slot().clone();
        drop(self.forget(Void { route: plan.route, key, tiers: plan.policy.terms.tiers, surely: false }));
    }

    /// The entry of a GET of `target` by whoever made the change, under the table's policy and under that of the door which
    /// the change came through.
    fn void(&self, plan: &Plan, change: &Change, target: &Target, voids: &mut Vec<Void>) {
        let (route, policy) = self.config.routes().find(&target.path);
        for policy in [policy, &plan.policy] {
            let terms = &policy.terms;
            let Some(parts) = terms.keyer.parts(&terms.narrow, change.fields.as_ref(), &change.values) else {
                continue;
            };
            let site = (&*target.scheme, &*target.authority);
            let keyed = terms.keyer.keyed(site, &target.path, target.query.as_deref(), &parts);
            let key = CacheKey::of(&self.config.0.prefix, &keyed);
            let known = |other: &Void| other.key == key && other.tiers == terms.tiers;
            if !terms.bypass && !voids.iter().any(known) {
                voids.push(Void { route, key, tiers: terms.tiers, surely: false });
            }
        }
    }

    /// Whether this isolate has made void what an answer to the question says that was born at that time. The time of receipt would
    /// not do: another isolate may have asked before the change and got its answer behind it.
    pub(super) fn is_void(&self, question: &Question, head: &Head) -> bool {
        self.config.0.living.voids.covers(&question.names(), head.freshness.born)
    }

    /// Forgets entries before the answer goes out, so that whoever changed something sees the change. Whether all tiers have done
    /// so by then.
    pub(super) async fn forget_now(&self, voids: Vec<Void>) -> bool {
        let patience = if voids.iter().any(|void| void.surely) { SURELY.0 } else { PATIENCE };
        let under_way: Vec<_> = voids.into_iter().map(|void| self.forget(void)).collect();
        let all = async {
            let mut done = true;
            for finished in under_way {
                done &= finished.await.unwrap_or(false);
            }
            done
        };
        within(&*self.runtime, Some(patience), Box::pin(all)).await.unwrap_or(false)
    }

    /// Forgets an entry behind the response; the receiver hears of the end.
    fn forget(&self, Void { route, key, tiers, surely }: Void) -> oneshot::Receiver<bool> {
        let (done, finished) = oneshot::channel();
        self.config.record(route, Event::Invalidated);
        self.config.0.living.voids.add(key.name(), self.now());
        let cache = self.clone();
        self.runtime.spawn(Box::pin(async move {
            let mut all = true;
            // Furthest first, so that none is filled again from one that still has it.
            for (_, tier) in cache.everywhere(tiers).rev() {
                // A deletion in L2 costs ten reads: only of what is there.
                if is_l2(tier) && !surely {
                    let found = within(&*cache.runtime, Some(LIMIT), tier.get(&key, cache.now())).await;
                    if matches!(found, Some(Ok(None))) {
                        continue;
                    }
                }
                let limit = if surely { SURELY.1 } else { LIMIT };
                all &= cache.delete(route, &key, tier, Some(limit)).await;
            }
            let _ = done.send(all);
        }));
        finished
    }
}
