//! What one would write by hand: match, put in the background, nothing else. No stampede control, no deadlines, no
//! `Vary`, no check of what may be stored; a failing tier fails the request.

use worker::*;

#[event(fetch)]
async fn fetch(req: Request, env: Env, ctx: Context) -> Result<Response> {
    if req.method() != Method::Get || !req.path().starts_with("/item/") {
        return crate::router().run(req, env).await;
    }
    let key = req.inner().url();
    let cache = Cache::default();
    if let Some(hit) = cache.get(&key, false).await? {
        // The headers of a match are immutable.
        let headers = hit.headers().clone();
        headers.set("x-cache", "HIT")?;
        return Ok(hit.with_headers(headers));
    }
    miss(req, env, ctx, cache, key).await
}

#[cfg(not(feature = "hand-kv"))]
async fn miss(req: Request, env: Env, ctx: Context, cache: Cache, key: String) -> Result<Response> {
    let mut response = crate::router().run(req, env).await?;
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

    let mut response = crate::router().run(req, env).await?;
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
