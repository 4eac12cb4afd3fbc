//! What all roles share: stores, faults, counters, the request log and a clock that can be moved.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{Guarded, cache::CacheStore, fault::Fault, http1::Request, kv::KvStore, origin::OriginState};

/// Entries of the request log kept per role.
const LOG: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Cache,
    Kv,
    Origin,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Cache, Role::Kv, Role::Origin];

    pub fn name(self) -> &'static str {
        match self {
            Role::Cache => "cache",
            Role::Kv => "kv",
            Role::Origin => "origin",
        }
    }

    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

#[derive(Default)]
pub struct State {
    pub cache: Guarded<CacheStore>,
    pub kv: Guarded<KvStore>,
    pub origin: Guarded<OriginState>,
    pub faults: [Guarded<Vec<Fault>>; 3],
    counters: [Guarded<BTreeMap<String, u64>>; 3],
    log: [Guarded<VecDeque<(String, String)>>; 3],
    advanced: Cell<Duration>,
}

impl State {
    /// Milliseconds since 1970, plus what the control port added.
    #[allow(clippy::disallowed_methods, reason = "a native program, never built for wasm32")]
    pub fn now_ms(&self) -> u64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (real + self.advanced.get()).as_millis() as u64
    }

    pub fn advance(&self, by: Duration) {
        self.advanced.set(self.advanced.get() + by);
    }

    pub fn count(&self, role: Role, what: &str) {
        self.counters[role as usize].with(|counters| match counters.get_mut(what) {
            Some(n) => *n += 1,
            None => {
                counters.insert(what.to_owned(), 1);
            }
        });
    }

    pub fn counters(&self) -> Value {
        Role::ALL
            .iter()
            .map(|&role| (role.name().to_owned(), json!(self.counters[role as usize].with(|c| c.clone()))))
            .collect()
    }

    pub fn reset_counters(&self) {
        for role in Role::ALL {
            self.counters[role as usize].with(BTreeMap::clear);
            self.log[role as usize].with(VecDeque::clear);
        }
    }

    /// Counts and logs a request, and picks the fault that applies to it, if any.
    pub fn enter(&self, role: Role, op: &str, key: &str) -> Option<Fault> {
        self.count(role, "requests");
        self.count(role, op);
        self.log[role as usize].with(|log| {
            if log.len() == LOG {
                log.pop_front();
            }
            log.push_back((op.to_owned(), key.to_owned()));
        });
        let fault = self.faults[role as usize].with(|faults| {
            let fault = faults.iter_mut().find(|fault| fault.applies(op, key))?;
            if fault.after > 0 {
                fault.after -= 1;
                return None;
            }
            fault.used += 1;
            Some(fault.clone())
        })?;
        self.count(role, "faults");
        Some(fault)
    }

    /// Whether the body of `request` stays unread for now.
    pub fn stalls(&self, role: Role, request: &Request) -> bool {
        let op = request.method.to_ascii_lowercase();
        self.faults[role as usize]
            .with(|faults| faults.iter().any(|fault| fault.stall && fault.applies(&op, &request.target)))
    }

    pub fn log(&self, role: Role) -> Value {
        self.log[role as usize].with(|log| log.iter().map(|(op, key)| json!({"op": op, "key": key})).collect())
    }

    pub fn clear(&self, role: Role) {
        match role {
            Role::Cache => self.cache.with(CacheStore::clear),
            Role::Kv => self.kv.with(KvStore::clear),
            Role::Origin => self.origin.with(OriginState::clear),
        }
    }

    pub fn reset(&self) {
        for role in Role::ALL {
            self.clear(role);
            self.faults[role as usize].with(Vec::clear);
        }
        self.reset_counters();
        self.advanced.set(Duration::ZERO);
    }
}
