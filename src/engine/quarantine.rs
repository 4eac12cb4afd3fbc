//! Which routes are not cached because an answer turned out to depend on who asks, and which requests are looked at for it.

use super::CacheConfig;
use crate::policy::{Policy, RouteId};
use crate::stats::Event;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What the isolate knows of one route.
#[derive(Default)]
pub(super) struct Watch {
    /// Requests since one was looked at.
    since: AtomicU32,
    quarantined: AtomicBool,
}

impl CacheConfig {
    /// What is known of this table's routes when it takes the place of `old`: a rule that is the same stays in quarantine.
    pub(super) fn watches_after(&self, old: &Self) -> Box<[Watch]> {
        let rule = |(pattern, policy): (&str, &Policy)| {
            let mut before = old.routes().rules().enumerate();
            let same = before.find(|(_, other)| *other == (pattern, policy));
            let quarantined = same.is_some_and(|(place, _)| old.is_quarantined(RouteId(place)));
            Watch { quarantined: AtomicBool::new(quarantined), ..Watch::default() }
        };
        self.routes().rules().map(rule).collect()
    }

    /// Whether this request is the one of `one_in` that is looked at; the first of an isolate is.
    pub(super) fn is_sampled(&self, route: RouteId, one_in: u32) -> bool {
        let next = |since: u32| Some(if since + 1 >= one_in { 0 } else { since + 1 });
        self.watch(route).is_some_and(|watch| {
            watch.since.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok_and(|since| since == 0)
        })
    }

    /// Has the next request looked at.
    pub(super) fn sample_next(&self, route: RouteId) {
        if let Some(watch) = self.watch(route) {
            watch.since.store(0, Ordering::Relaxed);
        }
    }

    /// Caches the route no more; whether it was cached until now.
    pub(super) fn quarantine(&self, route: RouteId) -> bool {
        let anew = self.watch(route).is_some_and(|watch| !watch.quarantined.swap(true, Ordering::Relaxed));
        if anew {
            self.record(route, Event::Quarantined);
        }
        anew
    }

    pub(super) fn is_quarantined(&self, route: RouteId) -> bool {
        self.watch(route).is_some_and(|watch| watch.quarantined.load(Ordering::Relaxed))
    }
}
