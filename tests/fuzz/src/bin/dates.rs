//! Dates and what is computed from them: whatever is read is written and read again as the same second, and no field
//! makes an age run backwards.
#![no_main]

use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::freshness::{Timestamp, explicit_lifetime, heuristic_lifetime, initial_age};
use layercake::semantics::{Fields, date};
use libfuzzer_sys::fuzz_target;
use std::borrow::Cow;
use std::time::Duration;

/// Every field has the same value.
struct Everywhere<'a>(&'a [u8]);

impl Fields for Everywhere<'_> {
    fn field(&self, _: &str) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self.0))
    }
}

fuzz_target!(|text: &[u8]| {
    // Two-digit years depend on the time of receipt.
    for received in [0, 946_684_799, 1_800_000_000, 253_402_300_799].map(Timestamp::from_secs) {
        let Some(time) = date::parse(text, received) else { continue };
        // The last second of all is written for the leap second behind it.
        let again = date::parse(date::format(time).as_bytes(), received);
        assert!(again == Some(time) || time.as_secs() == 253_402_300_800);
        assert!(!text.ends_with(b"GMT") || (24..=33).contains(&text.len()), "nothing lenient");
    }
    let (fields, now) = (Everywhere(text), Timestamp::from_secs(1_800_000_000));
    let delay = Duration::from_secs(3);
    assert!(initial_age(&fields, now.minus(delay), now) >= delay);
    let cap = Duration::from_secs(60);
    assert!(heuristic_lifetime(&fields, now, cap).is_none_or(|lifetime| lifetime <= cap));
    // Expires and Date are the same here.
    let lifetime = explicit_lifetime(&CacheControl::default(), false, &fields, now);
    assert_eq!(lifetime, Some(Duration::ZERO));
});
