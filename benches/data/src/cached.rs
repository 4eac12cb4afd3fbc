//! layercake. The variable `MODE` says how: `plain` for no compression, `hot` with the tier in the isolate's memory.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use futures::future::try_join_all;
use layercake::data::DataPolicy;
use layercake::policy::Tiers;
use layercake::worker::{Data, Isolate};
use layercake::{CacheConfig, DataKey, SchemaVersion};
use worker::*;

use crate::value::{Row, load};
use crate::{Got, MANY};

static CACHE: Isolate = Isolate::with_env(|env| {
    let config = CacheConfig::new("bench", SchemaVersion(1));
    if mode(env) == "hot" { config.build() } else { config.hot_budget(0).build() }
});

static POLICY: LazyLock<DataPolicy> = LazyLock::new(|| DataPolicy::ttl(Duration::from_secs(86_400)));

fn mode(env: &Env) -> String {
    env.var("MODE").map(|mode| mode.to_string()).unwrap_or_default()
}

pub fn open(env: &Env, ctx: Context) -> Data {
    let data = CACHE.open(env, ctx).kv("CACHE").data("https://bench.example");
    if mode(env) == "plain" { data.with(|data| data.compress_above(None)) } else { data }
}

/// Without the edge cache.
pub fn far(data: Data) -> Data {
    data.with(|data| data.policy(DataPolicy::forever().tiers(Tiers::ALL.without_l1())))
}

fn key(rows: usize, n: usize) -> DataKey {
    DataKey::of("product").with(rows).with(n)
}

pub async fn one(data: &Data, rows: usize, n: usize) -> Result<Got> {
    let loaded = Rc::new(Cell::new(0));
    let value = get(data, rows, n, &loaded).await?;
    Ok(Got { found: usize::from(!value.is_empty()), loaded: loaded.get() })
}

pub async fn each(data: &Data, rows: usize, first: usize) -> Result<Got> {
    let loaded = Rc::new(Cell::new(0));
    let all = try_join_all((first..first + MANY).map(|n| get(data, rows, n, &loaded))).await?;
    Ok(Got { found: all.iter().filter(|value| !value.is_empty()).count(), loaded: loaded.get() })
}

pub async fn many(data: &Data, rows: usize, first: usize) -> Got {
    let keys: Vec<DataKey> = (first..first + MANY).map(|n| key(rows, n)).collect();
    let all: Vec<Option<Vec<Row>>> = data.get_many(&keys).await;
    Got { found: all.iter().flatten().count(), loaded: 0 }
}

async fn get(data: &Data, rows: usize, n: usize, loaded: &Rc<Cell<usize>>) -> Result<Vec<Row>> {
    let loaded = Rc::clone(loaded);
    let load = move || async move {
        loaded.set(loaded.get() + 1);
        Result::Ok(load(rows, n))
    };
    Ok(data.get_or_fetch(&key(rows, n), &POLICY, load).await?)
}
