//! The memory tier beside moka's cache bounded by bytes, both full: an answer of 1 KB with its nine fields, one of 4,096 keys.

use bytes::Bytes;
use http::HeaderMap;
use layercake::entry::{Head, StoredResponse};
use layercake::policy::key::{CacheKey, KeyName};
use layercake_bench_native::fields::{ANSWER, BODY, map};
use layercake_bench_native::measure::{Group, criterion};
use layercake_bench_native::memory::{BUDGET, KEYS, entry, filled, get, keys, put};
use moka::sync::Cache;
use std::sync::Arc;

/// What moka keeps, because what it hands out has to be a clone of it.
struct Kept {
    head: Arc<Head>,
    headers: HeaderMap,
    body: Bytes,
}

impl Kept {
    fn of(key: &CacheKey) -> Arc<Self> {
        Arc::new(Self { head: entry(key).head, headers: map(ANSWER), body: Bytes::from_static(BODY) })
    }

    fn answer(&self) -> StoredResponse {
        let (head, headers) = (Arc::clone(&self.head), Box::new(self.headers.clone()));
        StoredResponse { head, headers, body: self.body.clone().into() }
    }

    fn weight(_: &KeyName, kept: &Arc<Self>) -> u32 {
        let fields: usize = kept.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        u32::try_from(kept.body.len() + 512 + fields).unwrap_or(u32::MAX)
    }
}

/// The keys, again and again, in steps far apart, each with what is put under it.
fn each<'k, T>(keys: &'k [CacheKey], make: impl Fn(&CacheKey) -> T) -> impl FnMut() -> (&'k CacheKey, T) {
    let mut n = 0;
    move || {
        n = (n + 1237) % KEYS;
        (&keys[n], make(&keys[n]))
    }
}

fn main() {
    let (mut c, keys) = (criterion(), keys());
    let tier = filled(&keys);
    let moka: Cache<KeyName, Arc<Kept>> = Cache::builder().max_capacity(BUDGET).weigher(Kept::weight).build();
    let (last, name) = (&keys[KEYS - 1], keys[KEYS - 1].name());
    moka.insert(name, Kept::of(last));
    moka.run_pending_tasks();
    let _ = Group::new(&mut c, "memory: get")
        .run("layercake: MemoryTier", || get(&tier, last).expect("it is there"))
        .run("moka, handle to what it keeps", || moka.get(&name).expect("it is there"))
        .run("moka, answer made of it", || moka.get(&name).expect("it is there").answer());
    for key in &keys {
        moka.insert(key.name(), Kept::of(key));
    }
    moka.run_pending_tasks();
    let _ = Group::new(&mut c, "memory: put, with what gives way")
        .run_with("layercake: MemoryTier", each(&keys, entry), |(key, entry)| put(&tier, key, entry))
        .run_with("moka", each(&keys, Kept::of), |(key, kept)| {
            moka.insert(key.name(), kept);
        });
    c.final_summary();
}
