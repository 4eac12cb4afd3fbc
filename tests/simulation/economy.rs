//! The cache never makes work: no request leads to more than one call of the origin, so that there are never more calls than
//! there would be without the cache. That holds with refreshes and validations included: each is made in the name of the request that
//! led to it, in place of the call that it would have been without the cache.

use crate::scenario::Scenario;
use layercake::sim::History;

pub fn check(history: &History, _: &Scenario) -> Vec<String> {
    let mut calls = vec![0u32; history.exchanges.len()];
    for call in &history.calls {
        calls[call.exchange] += 1;
    }
    let often = calls.iter().enumerate().filter(|(_, calls)| **calls > 1);
    often.map(|(n, calls)| format!("request {n} led to {calls} calls of the origin")).collect()
}

#[test]
fn a_cache_asks_less_than_no_cache() {
    for seed in 0..20 {
        let scenario = Scenario::of(seed);
        let (with, without) = (scenario.run(), scenario.run_in(scenario.builder().bare(true)));
        assert_eq!(with.exchanges.len(), without.exchanges.len());
        assert!(with.calls.len() <= without.calls.len(), "seed {seed}");
        assert_eq!(without.calls.len(), without.exchanges.len(), "each request is one call");
        assert_eq!(without.bill.nanodollars(), 0);
    }
}
