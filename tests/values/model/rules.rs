//! What must hold of every history.

use super::super::*;
use super::book::{Act, End, Moment, Outcome, Source, Story, Visit};
use super::scenario::Mode;

/// How long an isolate remembers what it has changed, where a store goes on with what was there.
const MEMORY: Duration = MINUTE;

/// How long anything may take: look-ups in three tiers, a leader's lease twice, a loader; or each tier's write and deletion.
const LONGEST: Duration = secs(60);

/// How long requests for what is not for sharing are not held up for one another.
const APART: Duration = secs(30);

/// The rules that are broken, in words.
pub fn broken(mode: Mode, story: &Story) -> Vec<String> {
    let mut broken = Vec::new();
    if story.pending > 0 {
        broken.push(format!("{} tasks are left", story.pending));
    }
    for (isolate, (counted, asked)) in story.counted.iter().enumerate() {
        let left = |visit: &&Visit| visit.isolate == isolate && visit.act.looks() && visit.outcome == Outcome::Left;
        let left = story.visits.iter().filter(left).count() as u64;
        if *counted > *asked || *counted + left < *asked {
            broken.push(format!("isolate {isolate} counted {counted} of {asked}"));
        }
    }
    for (n, visit) in story.visits.iter().enumerate() {
        if let Some(why) = visit_is_wrong(mode, story, n, visit) {
            broken.push(format!("visit {n}: {why}"));
        }
    }
    broken.extend(two_at_a_time(story));
    broken
}

fn visit_is_wrong(mode: Mode, story: &Story, n: usize, visit: &Visit) -> Option<String> {
    if visit.outcome == Outcome::Open {
        return Some("it never ended".to_owned());
    }
    let ended = visit.ended?;
    let took = ended.at.since(visit.begun.at);
    if took > LONGEST {
        return Some(format!("it took {took:?}"));
    }
    match visit.outcome {
        Outcome::Value(number) => {
            let Some(source) = story.source(number) else { return Some(format!("nobody made {number}")) };
            if source.key != visit.key {
                return Some(format!("{number} is another key's"));
            }
            // What was being set when the caller left may have got somewhere.
            let set = story.visits[source.visit].act == Act::Set;
            if source.ended.is_some_and(|(_, end)| end != End::Value && !(set && end == End::Dropped)) {
                return Some(format!("{number} is no value"));
            }
            may_get(mode, story, visit, ended, source).err()
        }
        Outcome::Nothing => {
            let none = |source: &&Source| source.key == visit.key && matches!(source.ended, Some((_, End::Nothing)));
            let mut why = "nobody loaded none".to_owned();
            for source in story.sources.iter().filter(none) {
                match may_get(mode, story, visit, ended, source) {
                    Ok(()) => return None,
                    Err(other) => why = other,
                }
            }
            Some(why)
        }
        Outcome::Error(number) => {
            let Some(source) = story.source(number) else { return Some(format!("nobody made error {number}")) };
            let of_visit = |other: usize| story.visits[other].begun == visit.begun && source.isolate == visit.isolate;
            let own = source.visit == n || (visit.act == Act::LoadMany && of_visit(source.visit));
            let failed = matches!(source.ended, Some((_, End::Error)));
            (!own || !failed).then(|| format!("error {number} is not its loader's"))
        }
        Outcome::TimedOut => {
            (!visit.act.loads() || took < visit.terms.hard).then(|| format!("it timed out after {took:?}"))
        }
        Outcome::Left | Outcome::Open | Outcome::Absent | Outcome::Done | Outcome::Undone => None,
    }
}

/// Whether a visit may get what this source made.
fn may_get(mode: Mode, story: &Story, visit: &Visit, ended: Moment, source: &Source) -> Result<(), String> {
    if source.begun > ended {
        return Err("it was made later".to_owned());
    }
    let made = source.ended.map_or(ended, |(at, _)| at);
    let meanwhile = made > visit.begun;
    if mode == Mode::Outage && !meanwhile {
        return Err("it was kept by nobody".to_owned());
    }
    let (fresh, stale) = good_until(story, source);
    let until = if visit.act.loads() { stale } else { fresh };
    if !meanwhile && until < visit.begun.at {
        let late = visit.begun.at.since(until);
        return Err(format!("it is too old by {late:?}"));
    }
    // Whoever asks after a change does not get what was there before it.
    for (n, change) in story.visits.iter().enumerate() {
        let counts = change.isolate == visit.isolate
            && change.key == visit.key
            && matches!(change.act, Act::Set | Act::Delete)
            && change.outcome == Outcome::Done
            && change.ended.is_some_and(|at| at < visit.begun)
            && visit.begun.at.since(change.begun.at) < MEMORY;
        // What another isolate makes in the same millisecond is neither before nor after it.
        let tie = source.isolate != visit.isolate && source.begun.at == change.begun.at;
        if counts && source.visit != n && source.begun < change.begun && !tie {
            return Err(format!("it was made before visit {n}, which changed it"));
        }
    }
    Ok(())
}

/// Until when a source is fresh, and until when it may be used at all, at the latest.
fn good_until(story: &Story, source: &Source) -> (Timestamp, Timestamp) {
    let from = source.ended.filter(|_| source.from_end).map_or(source.begun, |(at, _)| at);
    let mut fresh = from.at.plus(source.lifetime);
    let mut touches: Vec<&Visit> = story.visits.iter().filter(|visit| visit.key == source.key).collect();
    touches.sort_by_key(|visit| visit.begun);
    for visit in touches {
        let Act::Touch(ttl) = visit.act else { continue };
        if visit.outcome != Outcome::Absent && visit.begun.at <= fresh {
            // One that was left may still be under way.
            let ended = visit.ended.map_or(visit.begun.at.plus(LONGEST), |at| at.at);
            fresh = fresh.max(ended.plus(ttl));
        }
    }
    (fresh, fresh.plus(source.window))
}

/// In one isolate one loader of a key runs at a time, unless there is a reason.
fn two_at_a_time(story: &Story) -> Vec<String> {
    let visit = |source: &Source| &story.visits[source.visit];
    let loads = |source: &Source| visit(source).act == Act::Load && !visit(source).terms.collapse.is_zero();
    // Who loads behind the answer, for what is stale, is not waited for.
    let waits = |source: &Source, at: Moment| visit(source).ended.is_none_or(|ended| ended > at);
    let mut broken = Vec::new();
    for (a, first) in story.sources.iter().enumerate().filter(|(_, source)| loads(source)) {
        for (b, second) in story.sources.iter().enumerate().filter(|(_, source)| loads(source)) {
            let same = first.key == second.key && first.isolate == second.isolate;
            let (begun, ended) = (second.begun, first.ended.map(|(at, _)| at));
            if a == b || !same || begun < first.begun || ended.is_some_and(|ended| ended < begun) {
                continue;
            }
            let ended = second.ended.map_or(begun, |(at, _)| at);
            if !waits(first, begun) || !waits(second, ended) {
                continue;
            }
            let lease = visit(second).terms.collapse.min(visit(first).terms.collapse);
            if begun.at.since(first.begun.at) >= lease || is_excused(story, first, begun) {
                continue;
            }
            broken.push(format!("sources {} and {} were made at a time", a + 1, b + 1));
        }
    }
    broken
}

/// Whether something has happened to the key of a source that lets another one begin: a change, a loader whose value was not to be
/// shared, a caller that has left.
fn is_excused(story: &Story, first: &Source, begun: Moment) -> bool {
    let since = story.visits[first.visit].begun;
    let same = |isolate, key| isolate == first.isolate && key == first.key;
    let change = |visit: &Visit| {
        same(visit.isolate, visit.key)
            && matches!(visit.act, Act::Set | Act::Delete | Act::Touch(_))
            && visit.begun < begun
            && visit.ended.is_none_or(|ended| ended > since)
    };
    let left = |visit: &Visit| same(visit.isolate, visit.key) && visit.outcome == Outcome::Left && visit.begun < begun;
    let unshared = |source: &Source| {
        let unshared = match source.ended {
            Some((_, End::Nothing)) => true,
            Some((_, End::Value)) => source.lifetime < secs(5),
            _ => false,
        };
        let ended = source.ended.map_or(begun, |(at, _)| at);
        let failed = matches!(source.ended, Some((_, End::Error | End::Dropped)));
        same(source.isolate, source.key)
            && ended < begun
            && ((unshared && first.begun.at.since(ended.at) < APART) || (failed && ended > since))
    };
    story.visits.iter().any(|visit| change(visit) || left(visit)) || story.sources.iter().any(unshared)
}
