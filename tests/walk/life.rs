//! Whatever happens in whatever order, an answer is as old as it says, and none outlives its windows.

use crate::support::{Failure, MINUTE, World, get, response, stale_policy};
use layercake::runtime::Runtime;
use layercake::semantics::freshness::Timestamp;
use layercake::sim::GetFault;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    Pass(u64),
    Clear(usize),
    Break(usize),
    Heal(usize),
    OriginFails(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Ask),
        3 => (0..100_u64).prop_map(Step::Pass),
        1 => (100..5000_u64).prop_map(Step::Pass),
        1 => (0..3_usize).prop_map(Step::Clear),
        1 => (0..3_usize).prop_map(Step::Break),
        1 => (0..3_usize).prop_map(Step::Heal),
        1 => any::<bool>().prop_map(Step::OriginFails),
    ]
}

/// The handler writes the time into the body.
fn origin(world: &World, fails: bool) {
    let runtime = world.runtime.clone();
    world.site.answer(move |_| {
        if fails {
            return Err(Failure("down"));
        }
        Ok(response(200, &[], runtime.now().as_millis().to_string().into_bytes()))
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_lies_about_its_age_or_outlives_its_windows(steps in prop::collection::vec(step(), 1..40)) {
        let world = World::new(stale_policy());
        origin(&world, false);
        for step in steps {
            match step {
                Step::Pass(secs) => world.pass(Duration::from_secs(secs)),
                Step::Clear(place) => world.clear(world.tiers()[place]),
                Step::Break(place) => world.tiers()[place].fail_gets(GetFault::Fail),
                Step::Heal(place) => world.tiers()[place].heal(),
                Step::OriginFails(fails) => origin(&world, fails),
                Step::Ask => {
                    let now = world.now();
                    let Ok(got) = world.try_send(&get("/a")) else { continue };
                    world.runtime.run_background();
                    let born = Timestamp::from_millis(got.text().parse().unwrap());
                    let age = now.since(born);
                    let status = got.cache_status();
                    let said: u64 = got.field("age").parse().unwrap_or(0);
                    prop_assert_eq!(said, age.as_secs());
                    if status.contains("fwd=") {
                        prop_assert_eq!(born, now);
                    } else if status.contains("stale-if-error") {
                        prop_assert!(age >= MINUTE && age < 61 * MINUTE, "{} at {:?}", status, age);
                    } else if status.contains("ttl=-") || status.contains("ttl=0") {
                        prop_assert!(age >= MINUTE && age < 11 * MINUTE, "{} at {:?}", status, age);
                    } else {
                        prop_assert!(age < MINUTE, "{} at {:?}", status, age);
                    }
                }
            }
        }
    }
}
