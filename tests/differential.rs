//! Layercake's rules beside those of the crate `http-cache-semantics`, on random requests and responses. Both say whether
//! an answer may be stored, how old it is, how long it stays fresh, and whether a later request may have it.
//!
//! They may differ, but only for a reason that is named, with the section of the RFC that decides it
//! ([`classes`]): rewritten to what that crate understands, a case must get from it the answer that layercake gave
//! to the case as it was.

#[path = "differential/case.rs"]
mod case;
#[path = "differential/classes.rs"]
mod classes;
#[path = "differential/dates.rs"]
mod dates;
#[path = "differential/examples.rs"]
mod examples;

use case::{Case, NOW};
use classes::{CLASSES, Class, Explains};
use http_cache_semantics::{CacheOptions, CachePolicy};
use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::semantics::reuse::{Reuse, reuse};
use layercake::semantics::storage::{NotStored, RequestFacts, StoreRules, storable};
use layercake::semantics::vary::selecting_value;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// A few seconds in a debug build; `PROPTEST_CASES` asks for more.
const CASES: u32 = 6_000;

/// What either side makes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    /// Seconds left when it is received and when the second request comes.
    left: [u64; 2],
    /// Its age in seconds when the second request comes.
    age: u64,
    /// Whether the second request gets it without asking the origin.
    answered: bool,
}

/// Layercake's verdict, with what it was made of.
#[derive(Clone, Copy, Debug)]
struct Ours {
    verdict: Result<Verdict, NotStored>,
    freshness: Freshness,
    reuse: Option<Reuse>,
}

fn ours(case: &Case) -> Ours {
    let [first, second, response] = [case.first.lines(), case.second.lines(), case.response.lines()];
    let [first, second, response] = [&first, &second, &response].map(|lines| {
        let pairs = lines.iter().map(|(name, value)| (*name, value.as_str()));
        pairs.collect::<Vec<_>>()
    });
    let of = |request: &[(&str, &str)]| {
        let lines = request.iter().filter(|(name, _)| *name == "cache-control").map(|(_, value)| *value);
        CacheControl::parse(lines.collect::<Vec<_>>().join(", ").as_bytes())
    };
    let received = Timestamp::from_secs(NOW);
    let facts = RequestFacts {
        get: case.method == "GET",
        authorization: case.first.authorization,
        no_store: of(&first).no_store,
        request_time: Timestamp::from_secs(NOW - case.delay),
    };
    let stored = match storable(
        &StoreRules::by_the_letter(),
        facts,
        case.response.status,
        response.as_slice(),
        None,
        received,
    ) {
        Ok(stored) => stored,
        Err(reason) => return Ours { verdict: Err(reason), freshness: Freshness::default(), reuse: None },
    };
    let (freshness, then) = (stored.freshness, received.plus(Duration::from_secs(case.later)));
    let reuse = reuse(&freshness, Some(&of(&second)), then);
    let value = |request: &[(&str, &str)], name: &str| selecting_value(request, name);
    let matches = stored.varies.iter().all(|name| value(&first, name) == value(&second, name));
    let left = [received, then].map(|at| freshness.lifetime.saturating_sub(freshness.age(at)).as_secs());
    let served = matches!(reuse, Reuse::Fresh | Reuse::Stale | Reuse::StaleWhileRevalidate);
    let verdict = Verdict { left, age: freshness.age(then).as_secs(), answered: matches && served };
    Ours { verdict: Ok(verdict), freshness, reuse: Some(reuse).filter(|_| matches) }
}

/// `None` when it would not store the response.
fn theirs(case: &Case) -> Option<Verdict> {
    let request = |lines: Vec<(&'static str, String)>| {
        let request = http::Request::builder().method(case.method).uri("https://shop.example/");
        lines.iter().fold(request, |request, (name, value)| request.header(*name, value)).body(()).unwrap()
    };
    let response = http::Response::builder().status(case.response.status);
    let response = case.response.lines().iter().fold(response, |response, (name, value)| response.header(*name, value));
    let options = CacheOptions { shared: true, ..CacheOptions::default() };
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW);
    let (first, response) = (request(case.first.lines()), response.body(()).unwrap());
    let policy = CachePolicy::new_options(&first, &response, received, options);
    let then = received + Duration::from_secs(case.later);
    policy.is_storable().then(|| Verdict {
        left: [received, then].map(|at| policy.time_to_live(at).as_secs()),
        age: policy.age(then).as_secs(),
        answered: policy.before_request(&request(case.second.lines()), then).satisfies_without_revalidation(),
    })
}

fn agree(ours: &Ours, theirs: Option<&Verdict>) -> bool {
    ours.verdict.as_ref().ok() == theirs
}

/// The case with these rewritings, and which of them found anything to rewrite.
fn rewritten(case: &Case, with: impl Fn(&Class) -> bool) -> (Case, Vec<&'static str>) {
    let (mut plain, mut used) = (case.clone(), Vec::new());
    for class in CLASSES.iter().filter(|class| with(class)) {
        if let Explains::Rewriting(rewrite) = class.explains
            && rewrite(&mut plain)
        {
            used.push(class.name);
        }
    }
    (plain, used)
}

/// Why the two differ on a case: the fewest classes that explain it, none where they agree. The error is the difference
/// that is left when every rewriting is done.
fn explain(case: &Case) -> Result<Vec<&'static str>, String> {
    let ours = ours(case);
    if agree(&ours, theirs(case).as_ref()) {
        return Ok(Vec::new());
    }
    let settled = |plain: &Case| {
        let theirs = theirs(plain);
        let beyond = CLASSES.iter().find(|class| match class.explains {
            Explains::Rewriting(_) => false,
            Explains::Refusal(explains) => {
                ours.verdict.is_err_and(|reason| theirs.is_some_and(|theirs| explains(plain, reason, &theirs)))
            }
            Explains::Answer(explains) => theirs.is_some_and(|theirs| {
                let same = ours.verdict.is_ok_and(|ours| Verdict { answered: ours.answered, ..theirs } == ours);
                same && explains(plain, &ours, &theirs)
            }),
        });
        if agree(&ours, theirs.as_ref()) { Some(None) } else { beyond.map(Some) }
    };
    let (plain, mut used) = rewritten(case, |_| true);
    let Some(mut beyond) = settled(&plain) else {
        return Err(format!("ours {:?}, theirs {:?}\nrewritten by {used:?}:\n{plain:?}", ours.verdict, theirs(&plain)));
    };
    for class in CLASSES {
        let fewer = rewritten(case, |other| other.name != class.name && used.contains(&other.name)).0;
        if let (true, Some(still)) = (used.contains(&class.name), settled(&fewer)) {
            used.retain(|name| *name != class.name);
            beyond = still;
        }
    }
    used.extend(beyond.map(|class| class.name));
    Ok(used)
}

#[test]
fn whatever_they_differ_in_has_a_reason() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let config = ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() };
    let counts = RefCell::new(BTreeMap::new());
    let result = TestRunner::new(config).run(&case::case(), |case| {
        let classes = explain(&case).map_err(TestCaseError::fail)?;
        let mut counts = counts.borrow_mut();
        *counts.entry(if classes.is_empty() { "(they agree)" } else { "(they differ)" }).or_insert(0) += 1;
        classes.into_iter().for_each(|class| *counts.entry(class).or_insert(0) += 1);
        Ok(())
    });
    for (class, count) in counts.take() {
        println!("{count:>6} {class}");
    }
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn every_class_has_a_case_that_only_it_explains() {
    for class in CLASSES {
        let examples = examples::EXAMPLES.iter().filter(|(name, _)| *name == class.name);
        let mut examples = examples.map(|(_, example)| case::plain(example)).peekable();
        assert!(examples.peek().is_some(), "{}: no example", class.name);
        assert!(!class.section.is_empty() && class.why.ends_with('.'), "{}", class.name);
        for case in examples {
            assert_eq!(
                explain(&case),
                Ok(vec![class.name]),
                "{case:?}ours {:?}\ntheirs {:?}",
                ours(&case),
                theirs(&case)
            );
        }
    }
}

#[test]
fn on_plain_cases_they_agree() {
    for edit in examples::AGREED {
        let case = case::plain(edit);
        assert_eq!(explain(&case), Ok(Vec::new()), "{case:?}ours {:?}\ntheirs {:?}", ours(&case), theirs(&case));
    }
}
