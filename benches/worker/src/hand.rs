//! What one would write by hand: match, put in the background, nothing else. No stampede control, no deadlines, no
//! `Vary`, no check of what may be stored; a failing tier fails the request.

use worker::*;

#[event(fetch)]
async fn fetch(req: Request, env: Env, ctx: Context) -> Result<Response> {
    let path = req.path();
    #[cfg(all(feature = "scenes", not(feature = "hand-kv")))]
    if path.starts_with("/stale/") {
        return stale::fetch(req, env, ctx).await;
    }
    if req.method() != Method::Get || !is_cached(&path) {
        return crate::router(&req).run(req, env).await;
    }
    let key = req.inner().url();
    let cache = Cache::default();
    let hit = match wants_less(&req)? {
        true => cache.get(&req, false).await?,
        false => cache.get(&key, false).await?,
    };
    if let Some(hit) = hit {
        return marked(hit, "HIT");
    }
    miss(req, env, ctx, cache, key).await
}

fn is_cached(path: &str) -> bool {
    #[cfg(feature = "scenes")]
    return crate::scenes::CACHED.iter().any(|first| path.starts_with(first));
    #[cfg(not(feature = "scenes"))]
    return path.starts_with("/item/");
}

/// The Cache API answers parts and 304 itself when it is given the request rather than its URL.
fn wants_less(req: &Request) -> Result<bool> {
    Ok(req.headers().has("range")? || req.headers().has("if-none-match")?)
}

fn marked(hit: Response, how: &str) -> Result<Response> {
    let status = hit.status_code();
    // The headers of a match are immutable.
    let headers = hit.headers().clone();
    headers.set("x-cache", how)?;
    // A 304 may have no body, and a `Response` of a match has one.
    if status == 304 {
        return Ok(Response::empty()?.with_status(304).with_headers(headers));
    }
    Ok(hit.with_headers(headers))
}

#[cfg(not(feature = "hand-kv"))]
async fn miss(req: Request, env: Env, ctx: Context, cache: Cache, key: String) -> Result<Response> {
    let mut response = crate::router(&req).run(req, env).await?;
    let copy = response.cloned()?;
    ctx.wait_until(async move {
        let _ = cache.put(key, copy).await;
    });
    Ok(response)
}

#[cfg(feature = "hand-kv")]
async fn miss(req: Request, env: Env, ctx: Context, cache: Cache, key: String) -> Result<Response> {
    use std::collections::HashMap;
    const DAY: u64 = 86_400;

    let kv = env.kv("CACHE")?;
    let (stream, metadata) = kv.get(&key).stream_with_metadata::<HashMap<String, String>>().await?;
    if let (Some(stream), Some(metadata)) = (stream, metadata) {
        let headers = Headers::new();
        for (name, value) in &metadata {
            headers.set(name, value)?;
        }
        headers.set("x-cache", "KV")?;
        let mut response = ResponseBuilder::new().with_headers(headers).stream(stream);
        let copy = response.cloned()?;
        ctx.wait_until(async move {
            let _ = cache.put(key, copy).await;
        });
        return Ok(response);
    }

    let mut response = crate::router(&req).run(req, env).await?;
    let metadata: HashMap<String, String> = response.headers().entries().collect();
    let mut copy = response.cloned()?;
    ctx.wait_until(async move {
        let Ok(bytes) = copy.bytes().await else {
            return;
        };
        if let Ok(again) = Response::from_bytes(bytes.clone()) {
            let _ = cache.put(key.as_str(), again.with_headers(metadata.iter().collect())).await;
        }
        if let Ok(put) = kv.put_bytes(&key, &bytes).and_then(|put| put.expiration_ttl(DAY).metadata(&metadata)) {
            let _ = put.execute().await;
        }
    });
    Ok(response)
}

/// Stale while a refresh runs: the store keeps the entry for longer than it is fresh, and a field of our own says since when.
#[cfg(all(feature = "scenes", not(feature = "hand-kv")))]
mod stale {
    use super::*;

    pub async fn fetch(req: Request, env: Env, ctx: Context) -> Result<Response> {
        let key = req.inner().url();
        let cache = Cache::default();
        let Some(hit) = cache.get(&key, false).await? else {
            let (response, copy) = rendered(req, env).await?;
            ctx.wait_until(async move {
                let _ = cache.put(key, copy).await;
            });
            return Ok(response);
        };
        let born: u64 = hit.headers().get("x-born")?.and_then(|born| born.parse().ok()).unwrap_or(0);
        if Date::now().as_millis() < born + crate::scenes::BRIEF_MS {
            return super::marked(hit, "HIT");
        }
        ctx.wait_until(async move {
            if let Ok((_, copy)) = rendered(req, env).await {
                let _ = cache.put(key, copy).await;
            }
        });
        super::marked(hit, "STALE")
    }

    /// The handler's answer, and what is to be stored of it.
    async fn rendered(req: Request, env: Env) -> Result<(Response, Response)> {
        let mut response = crate::router(&req).run(req, env).await?;
        let copy = response.cloned()?;
        copy.headers().set("cache-control", "public, max-age=86400")?;
        copy.headers().set("x-born", &Date::now().as_millis().to_string())?;
        Ok((response, copy))
    }
}
