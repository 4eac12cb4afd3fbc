//! Each promise can be broken, and its check sees it: tiers that lie past all that the engine checks, and histories that were
//! tampered with.

use crate::scenario::Scenario;
use crate::table::secs;
use crate::{books, duplicates, economy, endings, freshness, invalidation, newest, produced};
use futures::future::BoxFuture;
use layercake::entry::StoredResponse;
use layercake::policy::{CacheKey, Level};
use layercake::semantics::freshness::Timestamp;
use layercake::sim::{CallEnd, Faults, History, Hosting, Mix, Outcome};
use layercake::tier::{Takes, Tier, TierError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a tier lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    /// It answers with another key's entry under a head that passes for the right one.
    Foreign,
    /// It says that entries are fresh for an hour.
    LongLived,
    /// It goes on with what it was first given, under the newest head.
    Old,
    /// What it is to forget it has still, born just now.
    Immortal,
    /// It takes a minute, and says that it may take an hour.
    Slow,
}

struct Liar {
    lie: Lie,
    inner: Arc<dyn Tier>,
    kept: Mutex<Vec<(CacheKey, StoredResponse)>>,
    runtime: Option<layercake::sim::SimRuntime>,
}

impl Liar {
    fn new(lie: Lie, inner: Arc<dyn Tier>) -> Self {
        Self { lie, inner, kept: Mutex::default(), runtime: None }
    }

    fn kept(&self, is: impl Fn(&CacheKey) -> bool) -> Option<StoredResponse> {
        let kept = self.kept.lock().unwrap();
        kept.iter().find(|(key, _)| is(key)).and_then(|(_, entry)| entry.try_clone())
    }

    fn garble(&self, key: &CacheKey, mut entry: StoredResponse, now: Timestamp) -> StoredResponse {
        let head = Arc::make_mut(&mut entry.head);
        match self.lie {
            Lie::LongLived => head.freshness.lifetime = secs(3600),
            Lie::Immortal => head.freshness.born = now,
            Lie::Foreign => {
                if let Some(mut other) = self.kept(|other| other != key) {
                    let theirs = Arc::make_mut(&mut other.head);
                    theirs.key_check = key.check();
                    theirs.selecting.clear();
                    return other;
                }
            }
            Lie::Old => {
                if let Some(mut old) = self.kept(|other| other == key) {
                    old.head = Arc::clone(&entry.head);
                    return old;
                }
            }
            Lie::Slow => {}
        }
        entry
    }
}

impl Tier for Liar {
    fn level(&self) -> Level {
        self.inner.level()
    }

    fn takes(&self, length: Option<u64>) -> Takes {
        match self.inner.takes(length) {
            Takes::Stream => Takes::Buffer,
            other => other,
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.lie == Lie::Slow { Some(secs(3600)) } else { self.inner.timeout() }
    }

    fn get<'a>(
        &'a self,
        key: &'a CacheKey,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<StoredResponse>, TierError>> {
        Box::pin(async move {
            if let (Lie::Slow, Some(runtime)) = (self.lie, &self.runtime) {
                layercake::runtime::Runtime::sleep(runtime, secs(60)).await;
            }
            let entry = self.inner.get(key, now).await?;
            Ok(entry.map(|entry| self.garble(key, entry, now)))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a CacheKey,
        entry: StoredResponse,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), TierError>> {
        let mut kept = self.kept.lock().unwrap();
        if !kept.iter().any(|(other, _)| other == key)
            && let Some(copy) = entry.try_clone()
        {
            kept.push((key.clone(), copy));
        }
        self.inner.put(key, entry, now)
    }

    fn delete<'a>(&'a self, key: &'a CacheKey) -> BoxFuture<'a, Result<(), TierError>> {
        match self.lie {
            Lie::Immortal => Box::pin(async { Ok(()) }),
            _ => self.inner.delete(key),
        }
    }
}

/// A world in which nothing goes wrong.
fn quiet(seed: u64) -> Scenario {
    Scenario {
        data_centres: 1,
        isolates: 1,
        hosting: Hosting::WORKERS,
        faults: Faults::none(),
        evicts_permille: 0,
        weather: Vec::new(),
        now_and_then: Vec::new(),
        mix: Mix { post: 30, language: 500, ..Mix::default() },
        every: Duration::from_millis(300),
        tiers: layercake::policy::Tiers::ALL,
        ..Scenario::of(seed)
    }
}

/// How many of a few worlds with this lie `check` finds something wrong in.
fn seen(lie: Lie, check: impl Fn(&History, &Scenario) -> Vec<String>) -> usize {
    let found = (0..5).filter(|seed| {
        let scenario = quiet(*seed);
        let builder = scenario.builder().around_tiers(move |tier| Arc::new(Liar::new(lie, tier)));
        !check(&scenario.run_in(builder), &scenario).is_empty()
    });
    found.count()
}

fn find_changes(history: &History, _: &Scenario) -> Vec<String> {
    invalidation::find(history, true)
}

#[test]
fn an_answer_of_another_target_is_found() {
    assert_eq!(seen(Lie::Foreign, produced::check), 5);
}

#[test]
fn an_answer_beyond_its_time_is_found() {
    assert_eq!(seen(Lie::LongLived, freshness::check), 5);
}

#[test]
fn an_older_version_is_found() {
    assert!(seen(Lie::Old, |history, _| newest::find(history)) >= 3);
}

#[test]
fn an_answer_from_before_a_change_is_found() {
    assert!(seen(Lie::Immortal, find_changes) >= 3);
}

#[test]
fn the_quiet_world_itself_is_right() {
    for seed in 0..5 {
        let scenario = quiet(seed);
        let history = scenario.run();
        for (name, check) in crate::runs::CHECKS {
            assert_eq!(check(&history, &scenario), [""; 0], "{name}, seed {seed}");
        }
        assert!(history.hit_permille() > Some(300), "{history}");
    }
}

#[test]
fn a_wrong_age_is_found() {
    let scenario = quiet(1);
    let mut history = scenario.run();
    for exchange in &mut history.exchanges {
        if let Outcome::Answered(answer) = &mut exchange.outcome {
            answer.fields.retain(|(name, _)| &**name != "age");
        }
    }
    assert!(!freshness::check(&history, &scenario).is_empty());
}

#[test]
fn somebody_elses_answer_is_found() {
    let scenario = quiet(1);
    let mut history = scenario.run();
    for call in &mut history.calls {
        call.audience = "Bearer mallory".to_owned();
    }
    assert!(!produced::check(&history, &scenario).is_empty());
}

#[test]
fn a_second_refresh_is_found() {
    let scenario = quiet(1);
    let mut history = scenario.run();
    assert_eq!(duplicates::check(&history, &scenario), [""; 0]);
    let place = history.calls.iter().position(|call| duplicates::is_refresh(&history, call)).expect("a refresh");
    let mut again = history.calls[place].clone();
    again.at += Duration::from_micros(1);
    history.calls[place].end = CallEnd::Pending;
    history.calls.push(again);
    assert!(!duplicates::check(&history, &scenario).is_empty());
}

#[test]
fn a_refresh_in_another_isolate_of_the_data_centre_is_found() {
    let scenario = quiet(1);
    let mut history = scenario.run();
    let place = history.calls.iter().position(|call| duplicates::is_refresh(&history, call)).expect("a refresh");
    let mut call = history.calls[place].clone();
    let mut exchange = history.exchanges[call.exchange].clone();
    exchange.life += 1;
    if let Outcome::Answered(answer) = &mut exchange.outcome {
        answer.at += Duration::from_secs(1);
    }
    (call.exchange, call.at) = (history.exchanges.len(), call.at + Duration::from_secs(1));
    history.calls[place].end = CallEnd::Pending;
    history.exchanges.push(exchange);
    history.calls.push(call);
    let wrong = duplicates::check(&history, &scenario);
    assert!(wrong.iter().any(|what| what.contains("in one data centre")), "{wrong:?}");
}

#[test]
fn calls_that_were_not_collapsed_are_found() {
    let impatient = || {
        let policy = layercake::Policy::ttl(secs(10)).collapse_wait(Duration::ZERO);
        let builder = layercake::CacheConfig::new("sim", layercake::SchemaVersion(1));
        builder.cache_status(layercake::StatusForm::Full).fallback(policy).build().expect("the table is right")
    };
    let mut world = layercake::sim::World::builder(1, impatient).build();
    for _ in 0..3 {
        world.request(secs(0), 0, 0, layercake::sim::Request::get("/short/1"));
    }
    let history = world.run();
    assert!(!duplicates::check(&history, &quiet(1)).is_empty(), "{history}");
}

#[test]
fn a_request_that_waits_for_nothing_is_found() {
    let scenario = quiet(1);
    let mut history = scenario.run();
    let idle = |n: &usize| history.calls_for(*n).next().is_none();
    let n = (0..history.exchanges.len()).find(idle).expect("a hit");
    history.exchanges[n].outcome = Outcome::Pending { begun: false };
    assert_eq!(endings::check(&history, &scenario).len(), 1);
    let at = history.exchanges[n].at + secs(60);
    history.exchanges[n].outcome = Outcome::Failed { at };
    assert_eq!(endings::check(&history, &scenario).len(), 1);
}

#[test]
fn books_that_do_not_balance_are_found() {
    let scenario = quiet(1);
    let history = scenario.run();
    let mut lost = history.clone();
    lost.exchanges[0].outcome = Outcome::Lost { at: secs(1), begun: false };
    assert_eq!(books::check(&lost, &scenario).len(), 1);
    let left = History { left: 1, ..history.clone() };
    assert_eq!(books::check(&left, &scenario).len(), 1);
    let crossed = History { crossed: 1, ..history };
    assert_eq!(books::check(&crossed, &scenario).len(), 1);
}

#[test]
fn a_request_that_asks_twice_is_found() {
    let scenario = quiet(1);
    let mut history = scenario.run();
    let again = history.calls[0].clone();
    history.calls.push(again);
    assert_eq!(economy::check(&history, &scenario).len(), 1);
}
