//! The markers by which the isolates of a data centre share the work of refreshing.
//!
//! About one refresh per key goes on in a data centre: who refreshes puts a marker into L1 first, with a number drawn at random, and
//! reads it back 30 ms later. Others that find it leave the refresh to him. The Cache API has no compare-and-swap: of isolates that
//! look at the same moment the one goes on whose marker was written last, and two go on only if a marker takes longer than that to be
//! there. A marker is about the very entry that was found, so that it is void once that one is renewed; else it lapses with the lease.

use super::spare::is_spare;
use crate::body::Body;
use crate::engine::Cache;
use crate::engine::leases::LEASE;
use crate::engine::plan::{Plan, Question};
use crate::engine::revalidate::Stale;
use crate::entry::{Head, StoredResponse};
use crate::message::Lines;
use crate::policy::Level;
use crate::semantics::freshness::Freshness;
use crate::tier::Tier;
use std::sync::Arc;
use std::time::Duration;

/// How long a marker is given to be written over before it is read back.
const SETTLING: Duration = Duration::from_millis(30);

/// A marker that this isolate has put up, by its number.
pub(in crate::engine) struct Marker(u64);

/// Another isolate refreshes.
pub(in crate::engine) struct Anothers;

impl Cache {
    /// The tier whose markers the isolates of a data centre share.
    fn notice_board(&self, plan: &Plan) -> Option<&Arc<dyn Tier>> {
        let mut tiers = self.allowed(plan.policy.terms.tiers).map(|(_, tier)| tier);
        tiers.find(|tier| tier.level() == Level::L1 && !is_spare(tier)).filter(|_| !self.config.0.living.l1_is_inert())
    }

    /// Takes the lead of the data centre's refreshes of what was found, under a marker where one could be put up. Where there is no
    /// telling whether another isolate has it this one goes on.
    pub(in crate::engine) async fn leads(
        &self,
        plan: &Plan,
        question: &Question,
        found: &Stale,
    ) -> Result<Option<Marker>, Anothers> {
        if self.notice(plan, question, found).await.is_some() {
            return Err(Anothers);
        }
        let Some(number) = self.claim(plan, question, found, LEASE).await else { return Ok(None) };
        // Whoever looked before it was up has put up his own by then: the last one goes on.
        self.runtime.sleep(SETTLING).await;
        match self.notice(plan, question, found).await {
            Some(other) if other != number => Err(Anothers),
            _ => Ok(Some(Marker(number))),
        }
    }

    /// The number of the marker that is up for the entry that was found.
    async fn notice(&self, plan: &Plan, question: &Question, found: &Stale) -> Option<u64> {
        let marker = self.get(plan, &question.slot().lease(), self.notice_board(plan)?).await?;
        let head = &marker.head;
        (head.received == found.head.received && head.freshness.is_fresh(self.now())).then_some(head.epoch)
    }

    /// Lets the other isolates leave the key alone for as long as this one does, unless one of them is refreshing it after all.
    pub(in crate::engine) async fn warn(
        &self,
        plan: &Plan,
        question: &Question,
        found: &Stale,
        Marker(number): Marker,
        pause: Duration,
    ) {
        if self.notice(plan, question, found).await.is_none_or(|other| other == number) {
            self.claim(plan, question, found, pause).await;
        }
    }

    /// Puts up the marker that keeps other isolates away for so long; its number, when the tier took it.
    async fn claim(&self, plan: &Plan, question: &Question, found: &Stale, lifetime: Duration) -> Option<u64> {
        let board = self.notice_board(plan)?;
        let (key, now) = (question.slot().lease(), self.now());
        let number = u64::from(self.runtime.random()) << 32 | u64::from(self.runtime.random());
        let head = Head {
            key_check: key.check(),
            status: 204,
            received: found.head.received,
            freshness: Freshness { born: now, lifetime, ..Freshness::default() },
            epoch: number,
            length: Some(0),
            ..Head::default()
        };
        let marker = StoredResponse { head: Arc::new(head), headers: Box::new(Lines::default()), body: Body::empty() };
        self.put(plan.route, &key, board, marker, board.write_timeout()).await.ok().map(|()| number)
    }
}
