//! The head of an entry as text.

use crate::decision::store;
use crate::fields::{ANSWER, BODY, RECEIVED, response};
use layercake::entry::Head;
use layercake::semantics::freshness::Timestamp;
use layercake::semantics::storage::StoreRules;

/// The head of the answer.
pub fn head() -> Head {
    Head {
        status: 200,
        freshness: store(&StoreRules::by_the_letter(), &response(())).freshness,
        received: Timestamp::from_secs(RECEIVED),
        length: Some(BODY.len() as u64),
        selecting: vec![("accept-encoding".into(), Some("gzip, deflate, br, zstd".into()))],
        ..Head::default()
    }
}

/// The fields that travel inside it.
pub fn fields() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    ANSWER.iter().map(|(name, value)| (*name, value.as_bytes()))
}
