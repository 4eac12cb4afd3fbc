//! What one would write by hand: the edge cache, then KV, then the loader; what a further one had goes into the nearer ones behind the
//! answer. No stampede control, no stale windows, no deadlines; a failing tier fails the request.

use std::rc::Rc;

use futures::future::try_join_all;
use worker::kv::KvStore;
use worker::*;

use crate::value::{Row, load};
use crate::{Got, MANY};

const DAY: u64 = 86_400;

#[derive(Clone)]
pub struct Shelf(Rc<Inner>);

struct Inner {
    ctx: Context,
    cache: Cache,
    kv: KvStore,
    rows: usize,
}

impl Shelf {
    pub fn new(env: &Env, ctx: Context, rows: usize) -> Result<Self> {
        Ok(Self(Rc::new(Inner { ctx, cache: Cache::default(), kv: env.kv("CACHE")?, rows })))
    }

    pub async fn one(self, n: usize) -> Result<Got> {
        let (value, loaded) = self.get(n).await?;
        Ok(Got { found: usize::from(!value.is_empty()), loaded: usize::from(loaded) })
    }

    pub async fn each(self, first: usize) -> Result<Got> {
        let all = try_join_all((first..first + MANY).map(|n| self.get(n))).await?;
        let loaded = all.iter().filter(|(_, loaded)| *loaded).count();
        Ok(Got { found: all.iter().filter(|(value, _)| !value.is_empty()).count(), loaded })
    }

    /// The value, and whether it was loaded.
    async fn get(&self, n: usize) -> Result<(Vec<Row>, bool)> {
        let Inner { cache, kv, rows, .. } = &*self.0;
        let name = format!("product:{rows}:{n}");
        let url = format!("https://bench.example/values/{name}");
        if let Some(mut hit) = cache.get(&url, false).await? {
            return Ok((serde_json::from_slice(&hit.bytes().await?)?, false));
        }
        if let Some(bytes) = kv.get(&name).bytes().await? {
            let value = serde_json::from_slice(&bytes)?;
            self.behind(async move |inner| put_near(&inner, url, bytes).await);
            return Ok((value, false));
        }
        let value = load(*rows, n);
        let bytes = serde_json::to_vec(&value)?;
        self.behind(async move |inner| {
            put_near(&inner, url, bytes.clone()).await;
            if let Ok(put) = inner.kv.put_bytes(&name, &bytes) {
                let _ = put.expiration_ttl(DAY).execute().await;
            }
        });
        Ok((value, true))
    }

    fn behind<Fut: Future<Output = ()> + 'static>(&self, work: impl FnOnce(Rc<Inner>) -> Fut) {
        self.0.ctx.wait_until(work(Rc::clone(&self.0)));
    }
}

async fn put_near(inner: &Inner, url: String, bytes: Vec<u8>) {
    let headers = Headers::new();
    let _ = headers.set("cache-control", "max-age=86400");
    if let Ok(response) = Response::from_bytes(bytes) {
        let _ = inner.cache.put(url, response.with_headers(headers)).await;
    }
}
