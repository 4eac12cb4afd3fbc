use crate::sim::{Page, Random};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How the origin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It answers.
    Up,
    /// It answers so much later.
    Slow(Duration),
    /// It answers with this status.
    Status(u16),
    /// It cannot be reached: the handler's own error.
    Unreachable,
    /// It never answers.
    Silent,
    /// Its bodies break off.
    Torn,
}

/// What the origin has and how it does, over time.
///
/// ```
/// use layercake::sim::{OriginScript, Page, Weather};
/// use std::time::Duration;
///
/// let secs = Duration::from_secs;
/// let origin = OriginScript::new(move |_path| Page::new().changes_every(secs(20)))
///     .latency(secs(0), secs(1))
///     .from(secs(60), Weather::Status(503))
///     .from(secs(90), Weather::Up)
///     .sometimes(5, Weather::Unreachable);
/// # let _ = origin;
/// ```
#[derive(Clone)]
#[must_use]
pub struct OriginScript {
    pages: Arc<dyn Fn(&str) -> Page + Send + Sync>,
    pub(super) latency: (Duration, Duration),
    phases: Vec<(Duration, Weather)>,
    now_and_then: Vec<(u64, Weather)>,
}

impl OriginScript {
    /// An origin that has these pages, is up, and answers within 20 to 200 ms.
    pub fn new(pages: impl Fn(&str) -> Page + Send + Sync + 'static) -> Self {
        let latency = (Duration::from_millis(20), Duration::from_millis(200));
        Self { pages: Arc::new(pages), latency, phases: Vec::new(), now_and_then: Vec::new() }
    }

    /// How long an answer takes, least and most. Default: 20 to 200 ms.
    pub const fn latency(mut self, least: Duration, most: Duration) -> Self {
        self.latency = (least, most);
        self
    }

    /// From `at` on, counted from the beginning of the world, it does so; phases are given in order of time. Default: it is
    /// up all the time.
    pub fn from(mut self, at: Duration, weather: Weather) -> Self {
        self.phases.push((at, weather));
        self
    }

    /// So many calls in a thousand meet this instead. Default: none.
    pub fn sometimes(mut self, permille: u64, weather: Weather) -> Self {
        self.now_and_then.push((permille, weather));
        self
    }

    pub(super) fn page(&self, path: &str) -> Page {
        (self.pages)(path)
    }

    /// What a call meets that begins at `at`.
    pub(super) fn weather(&self, at: Duration, random: &mut Random) -> Weather {
        for (often, weather) in &self.now_and_then {
            if random.permille(*often) {
                return *weather;
            }
        }
        self.phases.iter().rev().find(|(from, _)| *from <= at).map_or(Weather::Up, |(_, weather)| *weather)
    }
}

impl Default for OriginScript {
    /// An origin with small pages that never change.
    fn default() -> Self {
        Self::new(|_| Page::new())
    }
}

impl fmt::Debug for OriginScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginScript").field("phases", &self.phases).finish_non_exhaustive()
    }
}
