//! What happened: who asked for what when, and where each value came from.

use super::super::*;
use std::fmt;
use std::sync::{Mutex, MutexGuard};

/// A point in a history: the order of things counts, the time says how far apart they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    pub order: u64,
    pub at: Timestamp,
}

/// What somebody does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Load,
    LoadMany,
    Get,
    GetMany,
    Set,
    Touch(Duration),
    Delete,
}

impl Act {
    pub const fn looks(self) -> bool {
        matches!(self, Self::Load | Self::LoadMany | Self::Get | Self::GetMany)
    }

    pub const fn loads(self) -> bool {
        matches!(self, Self::Load | Self::LoadMany)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller left before it was known, or was about to.
    Left,
    /// Not known yet.
    Open,
    /// A value.
    Value(u64),
    /// A value that is none.
    Nothing,
    /// No value is kept.
    Absent,
    Done,
    /// A change that not all tiers have made.
    Undone,
    /// The loader's error.
    Error(u64),
    TimedOut,
}

/// What is done with one key.
#[derive(Clone, Debug)]
pub struct Visit {
    pub isolate: usize,
    pub key: usize,
    pub act: Act,
    pub terms: Terms,
    pub begun: Moment,
    pub ended: Option<Moment>,
    pub outcome: Outcome,
}

/// What a policy allows.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub ttl: Duration,
    pub negative: Option<Duration>,
    /// The longer one of the stale windows.
    pub window: Duration,
    pub hard: Duration,
    pub collapse: Duration,
}

/// How a source came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Value,
    Nothing,
    Error,
    /// Nobody waited for it.
    Dropped,
}

/// Where something came from: a loader's run, or a value that was set.
#[derive(Clone, Debug)]
pub struct Source {
    pub key: usize,
    pub isolate: usize,
    /// The visit's place in the history.
    pub visit: usize,
    pub begun: Moment,
    pub ended: Option<(Moment, End)>,
    /// How long it is fresh: from its end where the policy says so, from its beginning where the loader or the caller does.
    pub lifetime: Duration,
    pub from_end: bool,
    /// How much longer it may be used stale.
    pub window: Duration,
}

/// The history as it is written. Numbers are those of the sources.
#[derive(Clone)]
pub struct Book {
    runtime: SimRuntime,
    story: Arc<Mutex<Story>>,
}

#[derive(Default)]
pub struct Story {
    pub visits: Vec<Visit>,
    pub sources: Vec<Source>,
    /// What each isolate counted as asked, and what it should have.
    pub counted: Vec<(u64, u64)>,
    pub pending: usize,
    order: u64,
}

impl Book {
    pub fn new(runtime: SimRuntime) -> Self {
        Self { runtime, story: Arc::default() }
    }

    fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().expect("nobody panicked")
    }

    fn write<T>(&self, act: impl FnOnce(&mut Story, Moment) -> T) -> T {
        let at = self.runtime.now();
        let mut story = self.story();
        story.order += 1;
        let moment = Moment { order: story.order, at };
        act(&mut story, moment)
    }

    /// Begins the same with several keys, at one moment.
    pub fn begin(&self, (isolate, leaves): (usize, bool), keys: &[usize], act: Act, terms: Terms) -> Vec<usize> {
        self.write(|story, begun| {
            let first = story.visits.len();
            let outcome = if leaves { Outcome::Left } else { Outcome::Open };
            let visit = |key: &usize| Visit { isolate, key: *key, act, terms, begun, ended: None, outcome };
            story.visits.extend(keys.iter().map(visit));
            (first..story.visits.len()).collect()
        })
    }

    pub fn end(&self, visits: &[usize], outcomes: &[Outcome]) {
        self.write(|story, now| {
            for (visit, outcome) in visits.iter().zip(outcomes) {
                (story.visits[*visit].ended, story.visits[*visit].outcome) = (Some(now), *outcome);
            }
        });
    }

    /// Begins a run of a loader, or setting a value; the number is the value's, or the error's.
    pub fn source(&self, visit: usize, lifetime: Duration) -> Run {
        let number = self.write(|story, begun| {
            let Visit { key, isolate, terms, act, .. } = story.visits[visit];
            let window = if act == Act::Set { Duration::ZERO } else { terms.window };
            story.sources.push(Source {
                key,
                isolate,
                visit,
                begun,
                ended: None,
                lifetime,
                from_end: act != Act::Set,
                window,
            });
            story.sources.len() as u64
        });
        Run { book: self.clone(), number }
    }

    /// The end of the history.
    pub fn close(&self) -> Story {
        let mut story = self.story();
        story.pending = self.runtime.pending();
        std::mem::take(&mut story)
    }
}

/// A source that has not come to its end.
pub struct Run {
    book: Book,
    pub number: u64,
}

impl Run {
    pub fn end(self, end: End) {
        self.close(end);
    }

    /// The loader says for how long.
    pub fn good_for(&self, lifetime: Duration) {
        let place = self.number as usize - 1;
        let source = &mut self.book.story().sources[place];
        (source.lifetime, source.from_end) = (lifetime, false);
    }

    fn close(&self, end: End) {
        let place = self.number as usize - 1;
        self.book.write(|story, now| {
            story.sources[place].ended.get_or_insert((now, end));
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.close(End::Dropped);
    }
}

impl Story {
    pub fn source(&self, number: u64) -> Option<&Source> {
        self.sources.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
}

fn time(moment: Moment) -> String {
    let since = moment.at.since(SimRuntime::START);
    format!("{:>4}.{:03}#{}", since.as_secs(), since.subsec_millis(), moment.order)
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<(Moment, String)> = Vec::new();
        for (n, visit) in self.visits.iter().enumerate() {
            let Visit { isolate, key, act, begun, ended, outcome, .. } = visit;
            let ended = ended.map(time).unwrap_or_default();
            lines.push((*begun, format!("visit {n}: isolate {isolate} key {key} {act:?} -> {outcome:?} {ended}")));
        }
        for (n, source) in self.sources.iter().enumerate() {
            let Source { key, isolate, visit, begun, ended, lifetime, .. } = source;
            let ended = ended.map(|(at, end)| format!("{end:?} {}", time(at))).unwrap_or_default();
            let what = format!(
                "    source {} of visit {visit}: isolate {isolate} key {key} -> {ended} good for {lifetime:?}",
                n + 1
            );
            lines.push((*begun, what));
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.iter().try_for_each(|(at, line)| writeln!(f, "{} {line}", time(*at)))
    }
}
