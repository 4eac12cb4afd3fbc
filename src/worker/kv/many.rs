//! Many entries in few operations: KV's bulk read, of 100 keys each, for all that can be had so. It gives texts; what may have been
//! something else, what is in parts, and what one operation cannot carry is then read by itself.

use super::{KvTier, entry_of, failed, store_name};
use crate::policy::CacheKey;
use crate::tier::{Found, several};
use crate::worker::js;
use futures::future::BoxFuture;
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use worker::send::SendFuture;

/// What a bulk read has to say of a key.
enum Answer {
    Done(Found),
    /// It is to be read by itself.
    Alone,
}

impl KvTier {
    pub(super) async fn read_many(&self, keys: &[CacheKey]) -> Vec<Found> {
        let mut answers = Vec::with_capacity(keys.len());
        let names = Array::new();
        for key in keys {
            match store_name(key) {
                Ok(name) => {
                    names.push(&JsValue::from_str(&name));
                    answers.push(Answer::Alone);
                }
                Err(error) => answers.push(Answer::Done(Err(error))),
            }
        }
        let step = js::get_many_from(&self.namespace(), &names, self.cache_seconds());
        let found: Array = match js::wait(step).await {
            Ok(found) => found.unchecked_into(),
            Err(error) => return keys.iter().map(|_| Err(failed(error.clone()))).collect(),
        };
        let mut found = found.iter();
        for (key, answer) in keys.iter().zip(&mut answers) {
            if let Answer::Alone = answer {
                *answer = answer_of(found.next().unwrap_or_default());
                // What came so is not in parts.
                if let Answer::Done(Ok(_)) = answer {
                    self.note_whole(key);
                }
            }
        }
        let alone = keys.iter().zip(&answers).filter(|(_, answer)| matches!(answer, Answer::Alone));
        let alone: Vec<BoxFuture<'_, Found>> =
            alone.map(|(key, _)| Box::pin(SendFuture::new(self.read(key))) as BoxFuture<'_, Found>).collect();
        let mut alone = several(Box::new(alone.into_iter())).await.into_iter();
        let last = |answer| match answer {
            Answer::Done(found) => found,
            Answer::Alone => alone.next().unwrap_or(Ok(None)),
        };
        answers.into_iter().map(last).collect()
    }
}

fn answer_of(found: JsValue) -> Answer {
    if found.is_undefined() {
        return Answer::Done(Ok(None));
    }
    let Some(pair) = found.dyn_ref::<Array>() else { return Answer::Done(Err(failed(found))) };
    match entry_of(pair) {
        // Without a length it cannot be told whether the text is all of it.
        Ok(entry) if entry.head.length.is_some() => Answer::Done(Ok(Some(entry))),
        // Whatever is wrong with a text may be so because it is one.
        _ => Answer::Alone,
    }
}
