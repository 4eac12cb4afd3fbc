//! What a namespace holds, in pages. Parts of values are no entries and do not show.

use super::{KvTier, failed};
use crate::entry::{Head, wire};
use crate::semantics::freshness::Timestamp;
use crate::tier::{Listed, Page, TierError};
use crate::worker::body::number;
use crate::worker::js;
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

/// The platform's limit of keys in a page.
const MAX_LIST: u64 = 1000;

impl KvTier {
    pub(super) async fn read_list(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<Page, TierError> {
        let limit = number((limit as u64).clamp(1, MAX_LIST));
        let step = js::list_from(&self.namespace(), prefix, cursor.unwrap_or_default(), limit);
        let found: Array = js::wait(step).await.map_err(failed)?.unchecked_into();
        let mut found = found.iter();
        let cursor = found.next().and_then(|cursor| cursor.as_string());
        let mut entries = Vec::new();
        while let (Some(name), Some(expires), Some(metadata)) = (found.next(), found.next(), found.next()) {
            if let Some(name) = name.as_string() {
                entries.push(Listed { name, expires: time(&expires), head: head(&metadata) });
            }
        }
        Ok(Page { entries, cursor })
    }
}

/// Seconds since 1970.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn time(seconds: &JsValue) -> Option<Timestamp> {
    seconds.as_f64().map(|seconds| Timestamp::from_secs(seconds as u64))
}

fn head(metadata: &JsValue) -> Option<Head> {
    wire::decode_head(metadata.as_string()?.as_bytes()).ok().map(|(head, _)| head)
}
