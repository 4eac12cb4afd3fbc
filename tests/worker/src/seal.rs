//! What the host lends for bodies (`Runtime::adopt`, `compress`, `decompress`), step by step: the content of the request goes through
//! the steps that the path names, `/__seal/compress,decompress`, and comes back; or an error in words, under status 500.

use layercake::Body;
use layercake::runtime::Runtime;
use layercake::worker::WorkerRuntime;
use std::sync::atomic::{AtomicU32, Ordering};
use worker::js_sys::{self, Function, Reflect};
use worker::wasm_bindgen::prelude::Closure;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::*;

/// Rejections that nobody handled.
static UNHANDLED: AtomicU32 = AtomicU32::new(0);

pub async fn answer(mut req: Request, ctx: Context) -> Result<Response> {
    watch();
    let path = req.path();
    let steps = path.trim_start_matches("/__seal/");
    if steps == "unhandled" {
        return Response::ok(UNHANDLED.load(Ordering::Relaxed).to_string());
    }
    let runtime = WorkerRuntime::new(ctx);
    let mut body = Body::from(req.bytes().await?);
    for step in steps.split(',') {
        body = match take(&runtime, body, step).await {
            Ok(body) => body,
            Err(why) => return Response::error(why, 500),
        };
    }
    let length = body.len().map_or_else(|| "unknown".to_owned(), |length| length.to_string());
    match body.into_bytes(u64::MAX).await {
        Ok(bytes) => {
            let mut response = Response::from_bytes(bytes.into())?;
            response.headers_mut().set("x-length", &length)?;
            Ok(response)
        }
        Err(why) => Response::error(why.to_string(), 500),
    }
}

async fn take(runtime: &WorkerRuntime, body: Body, step: &str) -> std::result::Result<Body, String> {
    let (step, number) = step.split_once(':').unwrap_or((step, ""));
    let number: u64 = number.parse().unwrap_or(u64::MAX);
    match step {
        "adopt" => Ok(runtime.adopt(body.as_bytes().cloned().unwrap_or_default())),
        "compress" => runtime.compress(body).map_err(|_| "not compressed".to_owned()),
        "decompress" => runtime.decompress(body).map_err(|_| "not decompressed".to_owned()),
        // Into a buffer, of at most so many bytes.
        "buffer" => body.buffer(number).await.map_err(|why| why.to_string()),
        // The first bytes, so many, and an error where there are fewer.
        "first" => Ok(body.slice(0, number)),
        // Never read to its end.
        "drop" => Ok(Body::empty()),
        // A stream that Rust feeds.
        "native" => Ok(Body::stream(Unknown(body))),
        // So often over: to measure with.
        "repeat" => {
            let plain = runtime.adopt(body.as_bytes().cloned().unwrap_or_default());
            let copy = || plain.try_clone().unwrap_or_default();
            let [started, mut halfway] = [js_sys::Date::now(); 2];
            let mut coded = Body::empty();
            for _ in 0..number {
                let made = runtime.compress(copy()).map_err(|_| "not compressed".to_owned())?;
                coded = made.buffer(u64::MAX).await.map_err(|why| why.to_string())?;
            }
            halfway = js_sys::Date::now() - halfway;
            for _ in 0..number {
                let made = runtime.decompress(coded.try_clone().unwrap_or_default());
                let made = made.map_err(|_| "not decompressed".to_owned())?;
                made.buffer(u64::MAX).await.map_err(|why| why.to_string())?;
            }
            let whole = js_sys::Date::now() - started;
            Ok(format!("{} {halfway} {}", coded.len().unwrap_or(0), whole - halfway).into_bytes().into())
        }
        _ => Err("no such step".to_owned()),
    }
}

/// A body that does not say its length.
struct Unknown(Body);

impl http_body::Body for Unknown {
    type Data = bytes::Bytes;
    type Error = layercake::body::BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<std::result::Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::pin::Pin::new(&mut self.0).poll_frame(cx)
    }
}

/// Counts rejections that nobody handles, from the first call on.
fn watch() {
    thread_local! {
        static WATCHING: () = {
            let count = Closure::<dyn FnMut()>::new(|| {
                UNHANDLED.fetch_add(1, Ordering::Relaxed);
            });
            let global = js_sys::global();
            let listen: Function = Reflect::get(&global, &"addEventListener".into()).unwrap_or_default().unchecked_into();
            let _ = listen.call2(&global, &JsValue::from_str("unhandledrejection"), count.as_ref());
            count.forget();
        };
    }
    WATCHING.with(|()| ());
}
