//! Floor 0 against everything that can stand in a header field: every parser reads any bytes, agrees with itself and with
//! a model of its own, and takes the cautious side of what it cannot read.

#[path = "semantics/bad_input.rs"]
mod bad_input;
#[path = "semantics/cautious.rs"]
mod cautious;
#[path = "semantics/conditions.rs"]
mod conditions;
#[path = "semantics/directives.rs"]
mod directives;
#[path = "semantics/references.rs"]
mod references;
#[path = "semantics/selection.rs"]
mod selection;
#[path = "semantics/structured.rs"]
mod structured;
#[path = "semantics/times.rs"]
mod times;

use layercake::semantics::Fields;
use layercake::semantics::freshness::Timestamp;
use layercake::semantics::storage::StoreRules;
use proptest::prelude::*;
use std::borrow::Cow;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Fields with any bytes in them; those of one name are joined.
#[derive(Clone, Debug, Default)]
struct Raw(Vec<(&'static str, Vec<u8>)>);

impl Fields for Raw {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let lines: Vec<&[u8]> = self.0.iter().filter(|(n, _)| *n == name).map(|(_, value)| value.as_slice()).collect();
        (!lines.is_empty()).then(|| Cow::Owned(lines.join(&b", "[..])))
    }
}

fn one(name: &'static str, value: impl Into<Vec<u8>>) -> Raw {
    Raw(vec![(name, value.into())])
}

fn by_the_letter() -> StoreRules {
    StoreRules { max_body: 1 << 20, targets: vec!["cdn-cache-control".into()], ..StoreRules::by_the_letter() }
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, max_global_rejects: u32::MAX, ..ProptestConfig::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Any bytes, or text in which the signs and words of a grammar come up often.
fn text(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..100),
        4 => prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat()),
    ]
}
