//! Floor 1. What is counted, and what the words mean.
//!
//! A *request* ends in exactly one outcome (the events up to [`Event::Error`]); what happens behind the response is
//! counted apart and never as a request. A *hit* is an answer from a tier, fresh or stale, for which the origin was not asked; the *hit ratio* is hits over
//! all requests that were meant to be answered from the cache, that is all but bypasses.

mod tiers;

use tiers::TierCounts;
pub use tiers::{Effort, Operation, RetryObserver, TierStats, Trouble};

use crate::policy::{Level, RouteId};
use crate::semantics::push_decimal;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Answered fresh from the isolate's memory.
    HitHot,
    /// Answered fresh from L1.
    HitL1,
    /// Answered fresh from L2.
    HitL2,
    /// Answered stale while a refresh runs.
    Stale,
    /// Answered stale because the origin failed.
    StaleIfError,
    /// Answered with what was stored, after the origin confirmed it with 304.
    Validated,
    /// Answered with what another request of the same isolate was fetching.
    Collapsed,
    /// Answered by the origin.
    Miss,
    /// Forwarded untouched: policy, method, or a request that is not for a shared cache.
    Bypass,
    /// The origin failed or took too long and nothing could stand in, or the client wanted only what is stored and it was not.
    Error,
    /// Behind a response: a refresh brought a fresh entry.
    Revalidated,
    /// Behind a response: a refresh failed or its answer could not be stored.
    RevalidationFailed,
    /// Behind a response: a refresh was left to another isolate of the same data centre.
    RevalidationYielded,
    /// Behind a response: a refresh was begun before the entry expired. How it ended is counted as of any refresh.
    RefreshedEarly,
    /// The origin took longer than the policy lets a visitor wait.
    TimedOut,
    /// A tier took an entry.
    Stored,
    /// A tier did not take an entry, or its body broke off.
    StoreFailed,
    /// A write to a tier that had failed was tried again.
    StoreRetried,
    /// A tier failed or was too slow to answer, and was treated as missing; [`Stats::tiers`] has the reasons.
    TierFailed,
    /// A tier was not asked, or not given an entry, because it had been failing.
    TierSkipped,
    /// An entry was truncated, foreign or of another version, and was treated as missing.
    Corrupt,
    /// What may be stored for a target was made void: by an unsafe request, or by the origin's word on it.
    Invalidated,
    /// Behind a response: what is stored is what nobody in particular gets.
    Verified,
    /// Behind a response: an answer depended on who asked, and its route is cached no more.
    Quarantined,
}

impl Event {
    /// All of them, outcomes of requests first.
    pub const ALL: [Self; 24] = [
        Self::HitHot,
        Self::HitL1,
        Self::HitL2,
        Self::Stale,
        Self::StaleIfError,
        Self::Validated,
        Self::Collapsed,
        Self::Miss,
        Self::Bypass,
        Self::Error,
        Self::Revalidated,
        Self::RevalidationFailed,
        Self::RevalidationYielded,
        Self::RefreshedEarly,
        Self::TimedOut,
        Self::Stored,
        Self::StoreFailed,
        Self::StoreRetried,
        Self::TierFailed,
        Self::TierSkipped,
        Self::Corrupt,
        Self::Invalidated,
        Self::Verified,
        Self::Quarantined,
    ];

    /// A fresh answer from `level`.
    #[must_use]
    pub const fn hit(level: Level) -> Self {
        match level {
            Level::Hot => Self::HitHot,
            Level::L1 => Self::HitL1,
            Level::L2 => Self::HitL2,
        }
    }

    /// Its name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HitHot => "hit_hot",
            Self::HitL1 => "hit_l1",
            Self::HitL2 => "hit_l2",
            Self::Stale => "stale",
            Self::StaleIfError => "stale_if_error",
            Self::Validated => "validated",
            Self::Collapsed => "collapsed",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Error => "error",
            Self::Revalidated => "revalidated",
            Self::RevalidationFailed => "revalidation_failed",
            Self::RevalidationYielded => "revalidation_yielded",
            Self::RefreshedEarly => "refreshed_early",
            Self::TimedOut => "timed_out",
            Self::Stored => "stored",
            Self::StoreFailed => "store_failed",
            Self::StoreRetried => "store_retried",
            Self::TierFailed => "tier_failed",
            Self::TierSkipped => "tier_skipped",
            Self::Corrupt => "corrupt",
            Self::Invalidated => "invalidated",
            Self::Verified => "verified",
            Self::Quarantined => "quarantined",
        }
    }

    /// Whether it is how a request ends; the others happen behind responses.
    #[must_use]
    pub const fn is_outcome(self) -> bool {
        (self as usize) <= (Self::Error as usize)
    }
}

/// Takes note of events. [`Counters`] is the default; another one can be added beside it.
pub trait Recorder: Send + Sync {
    /// `event` happened on `route`.
    fn record(&self, route: RouteId, event: Event);

    /// `trouble` kept an `operation` of the tier at `level` from being done. Default: nothing.
    fn trouble(&self, _level: Level, _operation: Operation, _trouble: Trouble) {}

    /// The tier at `level` made an `effort` for an `operation`. Default: nothing.
    fn effort(&self, _level: Level, _operation: Operation, _effort: Effort) {}
}

const EVENTS: usize = Event::ALL.len();

/// Counts per route and event, and per tier and trouble or effort.
#[derive(Debug)]
pub struct Counters {
    names: Vec<Box<str>>,
    counts: Vec<[AtomicU64; EVENTS]>,
    requests: AtomicU64,
    tiers: TierCounts,
}

impl Counters {
    /// Counters for routes of these names.
    pub fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<Box<str>> = names.map(Into::into).collect();
        let counts = names.iter().map(|_| Default::default()).collect();
        Self { names, counts, requests: AtomicU64::new(0), tiers: TierCounts::default() }
    }

    /// Goes on from `old`: routes by their names, all that are no more under `(former)`.
    pub(crate) fn carry(&mut self, old: &Stats) {
        for route in &old.routes {
            let named = |wanted: &str| self.names.iter().position(|name| **name == *wanted);
            let place = named(&route.route).or_else(|| named("(former)")).unwrap_or_else(|| {
                self.names.push("(former)".into());
                self.counts.push(Default::default());
                self.names.len() - 1
            });
            for (count, before) in self.counts.get(place).into_iter().flatten().zip(route.counts) {
                count.fetch_add(before, Ordering::Relaxed);
            }
        }
        self.requests.fetch_add(old.requests(), Ordering::Relaxed);
        self.tiers.carry(&old.tiers);
    }

    /// Requests counted so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> Stats {
        let routes = self.names.iter().zip(&self.counts).map(|(route, counts)| RouteStats {
            route: route.to_string(),
            counts: std::array::from_fn(|i| counts.get(i).map_or(0, |c| c.load(Ordering::Relaxed))),
        });
        Stats { routes: routes.collect(), tiers: self.tiers.snapshot() }
    }
}

impl Recorder for Counters {
    fn record(&self, route: RouteId, event: Event) {
        if let Some(count) = self.counts.get(route.index()).and_then(|counts| counts.get(event as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if event.is_outcome() {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn trouble(&self, level: Level, operation: Operation, trouble: Trouble) {
        self.tiers.count(level, operation, trouble);
    }

    fn effort(&self, level: Level, operation: Operation, effort: Effort) {
        self.tiers.effort(level, operation, effort);
    }
}

/// The counts of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStats {
    /// The route's pattern.
    pub route: String,
    counts: [u64; EVENTS],
}

impl RouteStats {
    /// How often `event` happened.
    #[must_use]
    pub fn count(&self, event: Event) -> u64 {
        self.counts.get(event as usize).copied().unwrap_or(0)
    }
}

/// What the counters said at one moment, for one isolate since it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The routes in order of the table, the fallback last; behind it the values of the data cache (`(values)`, feature `data`) and, where a table was replaced, what was counted for routes
    /// that are no more (`(former)`).
    pub routes: Vec<RouteStats>,
    /// What went wrong with the tiers and what was done about it, for each of which there is anything to say.
    pub tiers: Vec<TierStats>,
}

impl Stats {
    /// How often `event` happened, over all routes.
    #[must_use]
    pub fn count(&self, event: Event) -> u64 {
        self.routes.iter().map(|route| route.count(event)).sum()
    }

    /// All requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        Event::ALL.iter().filter(|event| event.is_outcome()).map(|event| self.count(*event)).sum()
    }

    /// Requests answered from a tier, fresh or stale.
    #[must_use]
    pub fn hits(&self) -> u64 {
        [Event::HitHot, Event::HitL1, Event::HitL2, Event::Stale, Event::StaleIfError]
            .iter()
            .map(|e| self.count(*e))
            .sum()
    }

    /// Hits over requests that were meant for the cache, in thousandths; `None` before the first such request.
    #[must_use]
    pub fn hit_permille(&self) -> Option<u64> {
        let meant = self.requests() - self.count(Event::Bypass);
        (self.hits() * 1000).checked_div(meant)
    }

    /// One line of JSON: totals, the hit ratio, and the routes that saw anything. Counts of zero are left out.
    #[must_use]
    pub fn to_log_line(&self, app: &str) -> String {
        let mut out = String::with_capacity(256);
        out.push_str("{\"layercake\":\"stats\",\"app\":");
        json_string(&mut out, app);
        out.push_str(",\"requests\":");
        push_decimal(&mut out, self.requests());
        if let Some(permille) = self.hit_permille() {
            out.push_str(",\"hit_ratio\":");
            push_decimal(&mut out, permille / 1000);
            out.push('.');
            for place in [100, 10, 1] {
                push_decimal(&mut out, permille / place % 10);
            }
        }
        out.push_str(",\"routes\":");
        let mut separator = '{';
        for route in self.routes.iter().filter(|route| route.counts.iter().any(|n| *n > 0)) {
            out.push(separator);
            separator = ',';
            json_string(&mut out, &route.route);
            let mut separator = ":{";
            for event in Event::ALL {
                let count = route.count(event);
                if count > 0 {
                    out.push_str(separator);
                    separator = ",";
                    json_string(&mut out, event.as_str());
                    out.push(':');
                    push_decimal(&mut out, count);
                }
            }
            out.push('}');
        }
        out.push_str(if separator == '{' { "{}" } else { "}" });
        tiers::push_log(&mut out, &self.tiers);
        out.push('}');
        out
    }
}

/// Writes `text` as a JSON string (RFC 8259 section 7).
#[inline(never)]
pub(crate) fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                out.push_str("\\u00");
                let code = u32::from(c);
                out.extend([code >> 4, code & 15].map(|digit| char::from_digit(digit, 16).unwrap_or('0')));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(feature = "json")]
mod json {
    use super::{Event, RouteStats, Stats};
    use serde::ser::{Serialize, SerializeMap, Serializer};

    impl Serialize for RouteStats {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(Event::ALL.len() + 1))?;
            map.serialize_entry("route", &self.route)?;
            for event in Event::ALL {
                map.serialize_entry(event.as_str(), &self.count(event))?;
            }
            map.end()
        }
    }

    impl Serialize for Stats {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(4))?;
            map.serialize_entry("requests", &self.requests())?;
            map.serialize_entry("hit_permille", &self.hit_permille())?;
            map.serialize_entry("routes", &self.routes)?;
            map.serialize_entry("tiers", &self.tiers)?;
            map.end()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> Counters {
        let counters = Counters::new(["/a/\"x\"", "(fallback)"].into_iter());
        for (route, event) in [
            (0, Event::HitL1),
            (0, Event::HitL1),
            (0, Event::Miss),
            (0, Event::Stored),
            (1, Event::Bypass),
            (1, Event::Revalidated),
            (9, Event::Miss),
        ] {
            counters.record(RouteId(route), event);
        }
        counters
    }

    #[test]
    fn books_balance() {
        let stats = counters().snapshot();
        assert_eq!((stats.requests(), stats.hits(), stats.hit_permille()), (4, 2, Some(666)));
        assert_eq!(Stats { routes: Vec::new(), tiers: Vec::new() }.hit_permille(), None);
    }

    #[test]
    fn the_log_line_is_json() {
        let line = counters().snapshot().to_log_line("shop");
        assert_eq!(
            line,
            r#"{"layercake":"stats","app":"shop","requests":4,"hit_ratio":0.666,"routes":{"/a/\"x\"":{"hit_l1":2,"miss":1,"stored":1},"(fallback)":{"bypass":1,"revalidated":1}}}"#
        );
    }

    #[cfg(feature = "json")]
    #[test]
    fn serde_and_the_log_agree() {
        let value = serde_json::to_value(counters().snapshot()).unwrap();
        assert_eq!(value["routes"][0]["hit_l1"], 2);
        assert_eq!(value["hit_permille"], 666);
    }
}
