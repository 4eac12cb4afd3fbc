//! The table in use: that of the code, or one that a document in KV put in its place.

use super::runtime::{WorkerRuntime, now};
use crate::engine::{CacheConfig, ConfigError};
use crate::runtime::Runtime as _;
use crate::semantics::freshness::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use worker::send::SendFuture;

/// Which table is in use, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// It comes from a document in KV; otherwise from the code.
    pub is_live: bool,
    /// When this isolate took it; none for the one it started with.
    pub taken: Option<Timestamp>,
    /// When KV was last asked with success.
    pub looked_up: Option<Timestamp>,
    /// Why the document that KV has now is not in use.
    pub error: Option<String>,
}

pub(super) struct LiveTable {
    /// The table of the code.
    built_in: CacheConfig,
    state: Mutex<State>,
}

struct State {
    config: CacheConfig,
    /// The document last seen, taken or not.
    text: Option<String>,
    told: TableState,
    /// When KV was last asked.
    asked: Timestamp,
}

impl LiveTable {
    pub(super) fn new(built_in: CacheConfig) -> Self {
        let (config, told) = (built_in.clone(), TableState::default());
        Self { built_in, state: Mutex::new(State { config, text: None, told, asked: Timestamp::default() }) }
    }

    pub(super) fn config(&self) -> CacheConfig {
        self.lock().config.clone()
    }

    pub(super) fn state(&self) -> TableState {
        self.lock().told.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is time to ask KV; whoever is told so asks.
    fn is_due(&self, now: Timestamp, every: Duration) -> bool {
        let mut state = self.lock();
        let due = state.asked == Timestamp::default() || now.since(state.asked) >= every;
        if due {
            state.asked = now;
        }
        due
    }

    /// Takes what KV has: a document, or none. Comes back with why it is not taken, once for each document.
    fn take(
        &self,
        text: Option<String>,
        now: Timestamp,
        build: fn(&str) -> Result<CacheConfig, ConfigError>,
    ) -> Option<String> {
        let mut state = self.lock();
        state.told.looked_up = Some(now);
        if state.text == text {
            return None;
        }
        let built = text.as_deref().map(build);
        let is_live = built.is_some();
        state.text = text;
        match built.unwrap_or_else(|| Ok(self.built_in.clone())) {
            Ok(config) => {
                state.config = config.succeeding(&state.config);
                state.told = TableState { is_live, taken: Some(now), error: None, ..state.told.clone() };
                None
            }
            Err(error) => {
                state.told.error = Some(error.to_string());
                state.told.error.clone()
            }
        }
    }
}

/// Asks KV for the document when it is time to, behind the response.
pub(super) fn look_up(
    table: &Arc<LiveTable>,
    (env, runtime): (&worker::Env, &WorkerRuntime),
    (binding, key): (&str, &str),
    every: Duration,
    build: fn(&str) -> Result<CacheConfig, ConfigError>,
) {
    if !table.is_due(now(), every) {
        return;
    }
    let (table, store, key) = (Arc::clone(table), env.kv(binding), key.to_owned());
    runtime.spawn(Box::pin(SendFuture::new(async move {
        let document = async { store?.get(&key).text().await.map_err(worker::Error::from) };
        let refused = match document.await {
            Ok(text) => table.take(text, now(), build),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = refused {
            worker::console_error!("layercake: the live table under {key} is not taken: {why}");
        }
    })));
}
