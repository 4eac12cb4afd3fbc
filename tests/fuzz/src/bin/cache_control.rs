//! `Cache-Control` and its targeted sisters: any bytes are read, what was read is written and read again as the same, and
//! the decisions made of it hold together.
#![no_main]

use layercake::semantics::Fields;
use layercake::semantics::cache_control::{CacheControl, MAX_DELTA_SECONDS};
use layercake::semantics::freshness::Timestamp;
use layercake::semantics::reuse::{Reuse, reuse};
use layercake::semantics::storage::{Lifetime, RequestFacts, StoreRules, storable};
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

const TARGET: &str = "cdn-cache-control";

/// As `Policy::rfc9111()` has them.
static RULES: LazyLock<StoreRules> = LazyLock::new(|| StoreRules {
    lifetime: Lifetime::Fields(None),
    heuristics: Some(Duration::from_secs(86_400)),
    stale_while_revalidate: None,
    stale_if_error: None,
    keep: Duration::from_secs(86_400),
    statuses: Vec::new(),
    max_body: 1 << 20,
    max_variants: 16,
    targets: vec![TARGET.into()],
    set_cookie: true,
    to_the_letter: true,
});

/// One field.
struct One<'a>(&'static str, &'a [u8]);

impl Fields for One<'_> {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        (name == self.0).then_some(Cow::Borrowed(self.1))
    }
}

fn check(cc: &CacheControl) {
    for seconds in [cc.max_age, cc.s_maxage, cc.stale_while_revalidate, cc.stale_if_error, cc.min_fresh] {
        assert!(seconds.is_none_or(|seconds| seconds <= MAX_DELTA_SECONDS));
    }
    assert_eq!(CacheControl::parse(cc.to_string().as_bytes()), *cc);
}

fuzz_target!(|text: &[u8]| {
    let request = CacheControl::parse(text);
    check(&request);
    if let Some(targeted) = CacheControl::parse_targeted(text) {
        check(&targeted);
    }
    let now = Timestamp::from_secs(1_800_000_000);
    let facts = RequestFacts { get: true, request_time: now, ..RequestFacts::default() };
    for name in ["cache-control", TARGET] {
        let fields = One(name, text);
        let cc = CacheControl::of_response(&fields, &RULES.targets).directives;
        let Ok(stored) = storable(&RULES, facts, 200, &fields, None, now) else { continue };
        let freshness = stored.freshness;
        assert!(!cc.private && (!cc.no_store || cc.must_understand));
        assert!(freshness.is_fresh(now) == (freshness.lifetime > Duration::ZERO));
        for later in [0, 1, 60, 1 << 31, 1 << 33] {
            let then = now.plus(Duration::from_secs(later));
            match reuse(&freshness, Some(&request), then) {
                Reuse::Fresh => assert!(freshness.is_fresh(then) && !cc.no_cache && !request.no_cache),
                Reuse::StaleWhileRevalidate | Reuse::Stale => assert!(!freshness.is_fresh(then) && !cc.forbids_stale()),
                Reuse::Validate(_) | Reuse::Unsatisfiable => {}
            }
        }
    }
});
