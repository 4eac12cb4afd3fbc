use crate::policy::Level;
use crate::sim::{Bill, Request};
use crate::stats::{Event, Stats};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything that happened in a world. Times are counted from its beginning. It is printed one line for each thing
/// that happened, and two histories can be compared: the same world with the same seed has the same history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The requests, in order of their coming.
    pub exchanges: Vec<Exchange>,
    /// The calls of the origin, in order of their beginning.
    pub calls: Vec<Call>,
    /// What each isolate counted in each of its lives.
    pub isolates: Vec<IsolateBooks>,
    /// What was asked of the tiers, by data centre and level.
    pub tiers: BTreeMap<(usize, Level), TierTally>,
    /// What KV was asked.
    pub bill: Bill,
    /// What the isolates logged, and when.
    pub log: Vec<(Duration, String)>,
    /// Tasks behind responses that the host cut off when their time was up.
    pub cut_off: u64,
    /// Tasks that went away with their isolate or client.
    pub vanished: u64,
    /// Tasks behind responses that had not ended when nothing more could happen.
    pub left: u64,
    /// How often one request tried to wake another directly, which on Workers leaves the other hanging.
    pub crossed: u64,
    /// When the last thing happened.
    pub ended: Duration,
}

/// One request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// When it came.
    pub at: Duration,
    /// The data centre it came to.
    pub data_centre: usize,
    /// The isolate there.
    pub isolate: usize,
    /// Which life of this isolate it was: a place in [`History::isolates`].
    pub life: usize,
    /// What was asked.
    pub request: Request,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered(Answer),
    /// It ended with the handler's error.
    Failed {
        /// When.
        at: Duration,
    },
    /// The client went away before the answer was whole.
    Disconnected {
        /// When.
        at: Duration,
        /// Whether the answer had begun.
        begun: bool,
    },
    /// It went away with its isolate.
    Lost {
        /// When.
        at: Duration,
        /// Whether the answer had begun.
        begun: bool,
    },
    /// It never ended.
    Pending {
        /// Whether the answer had begun.
        begun: bool,
    },
}

/// An answer as the client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it began.
    pub at: Duration,
    /// When its body had come.
    pub ended: Duration,
    /// The status.
    pub status: u16,
    /// The header fields.
    pub fields: Vec<(Box<str>, Box<str>)>,
    /// The body; `None` when it broke off.
    pub body: Option<Bytes>,
}

/// One call of the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it began.
    pub at: Duration,
    /// The request it was made for: a place in [`History::exchanges`].
    pub exchange: usize,
    /// What the handler saw.
    pub seen: Request,
    /// Whom the answer is for; empty for everybody.
    pub audience: String,
    /// What of the request selected it.
    pub selected: String,
    /// The version that was current when the origin looked.
    pub version: u64,
    /// The content of that version, whole.
    pub content: Bytes,
    /// How it ended.
    pub end: CallEnd,
}

/// How a call of the origin ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// It was answered.
    Answered {
        /// When.
        at: Duration,
        /// The status.
        status: u16,
        /// Its body breaks off.
        torn: bool,
    },
    /// The origin could not be reached.
    Failed {
        /// When.
        at: Duration,
    },
    /// Who called went away.
    Dropped {
        /// When.
        at: Duration,
    },
    /// It never ended.
    Pending,
}

/// What one isolate counted from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolateBooks {
    /// The data centre.
    pub data_centre: usize,
    /// The isolate there.
    pub isolate: usize,
    /// Its counters at its end, or at the world's.
    pub stats: Stats,
}

/// How often a tier was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierTally {
    /// Look-ups.
    pub gets: u64,
    /// Look-ups that found something.
    pub found: u64,
    /// Writes.
    pub puts: u64,
    /// Deletions.
    pub deletes: u64,
    /// Calls that went wrong by the script of faults.
    pub faults: u64,
}

impl History {
    /// The requests that were answered, with their answers.
    pub fn answers(&self) -> impl Iterator<Item = (&Exchange, &Answer)> {
        self.exchanges.iter().filter_map(|exchange| Some((exchange, exchange.answer()?)))
    }

    /// How often `event` happened, in all isolates and all their lives.
    #[must_use]
    pub fn count(&self, event: Event) -> u64 {
        self.isolates.iter().map(|books| books.stats.count(event)).sum()
    }

    /// Hits over requests that were meant for the cache, in thousandths; `None` before the first such request.
    #[must_use]
    pub fn hit_permille(&self) -> Option<u64> {
        let all = |of: fn(&Stats) -> u64| self.isolates.iter().map(|books| of(&books.stats)).sum::<u64>();
        let meant = all(Stats::requests) - self.count(Event::Bypass);
        (all(Stats::hits) * 1000).checked_div(meant)
    }

    /// What KV was asked and what that costs.
    #[must_use]
    pub const fn bill(&self) -> Bill {
        self.bill
    }

    /// The calls of the origin that were made for the request in this place.
    pub fn calls_for(&self, exchange: usize) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.exchange == exchange)
    }
}

impl Exchange {
    /// Its answer, if it came.
    #[must_use]
    pub const fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            Outcome::Answered(answer) => Some(answer),
            _ => None,
        }
    }
}

impl Answer {
    /// A field's lines, joined; empty when there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        let lines = self.fields.iter().filter(|(other, _)| **other == *name);
        lines.map(|(_, value)| &**value).collect::<Vec<_>>().join(", ")
    }

    /// Its `Age`, when it has one.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.field("age").parse().ok().map(Duration::from_secs)
    }

    /// The place in [`History::calls`] of the call that it goes back to, or that confirmed it last.
    #[must_use]
    pub fn call(&self) -> Option<usize> {
        self.field("sim-call").parse().ok()
    }
}

impl Call {
    /// When it ended, if it did.
    #[must_use]
    pub const fn ended(&self) -> Option<Duration> {
        match self.end {
            CallEnd::Answered { at, .. } | CallEnd::Failed { at } | CallEnd::Dropped { at } => Some(at),
            CallEnd::Pending => None,
        }
    }

    /// Whether the origin failed: no answer, or one that says so (RFC 5861 section 4).
    #[must_use]
    pub const fn failed(&self) -> bool {
        match self.end {
            CallEnd::Answered { status, .. } => matches!(status, 500 | 502 | 503 | 504),
            CallEnd::Failed { .. } | CallEnd::Dropped { .. } | CallEnd::Pending => true,
        }
    }
}
