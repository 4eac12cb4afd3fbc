//! Values by hand and through layercake: `/KIND/ROWS/N` for the value number N of so many rows, and for a hundred of them from there.
//! `x-loaded` says how many were loaded, `x-found` how many there are.

mod by_hand;
mod cached;
mod value;

use std::cell::RefCell;

use worker::*;

/// How many values a request for many asks for.
const MANY: usize = 100;

/// What has come of a request.
struct Got {
    found: usize,
    loaded: usize,
}

#[event(fetch)]
async fn fetch(req: Request, env: Env, ctx: Context) -> Result<Response> {
    let path = req.path();
    let mut parts = path.split('/').skip(1);
    let kind = parts.next().unwrap_or_default();
    let (Some(rows), Some(n)) = (number(parts.next()), number(parts.next())) else {
        return Response::error("/KIND/ROWS/N", 404);
    };
    let got = match kind {
        "floor" => floor(rows, n),
        "hand" => by_hand::Shelf::new(&env, ctx, rows)?.one(n).await?,
        "hand-each" => by_hand::Shelf::new(&env, ctx, rows)?.each(n).await?,
        "cached" => cached::one(&cached::open(&env, ctx), rows, n).await?,
        "cached-each" => cached::each(&cached::open(&env, ctx), rows, n).await?,
        "cached-many" => cached::many(&cached::open(&env, ctx), rows, n).await,
        "cached-many-kv" => cached::many(&cached::far(cached::open(&env, ctx)), rows, n).await,
        _ => return Response::error("no such kind", 404),
    };
    let headers = Headers::new();
    headers.set("x-found", &got.found.to_string())?;
    headers.set("x-loaded", &got.loaded.to_string())?;
    Ok(Response::ok("done")?.with_headers(headers))
}

/// What all hits have in common: the value is made from its JSON.
fn floor(rows: usize, n: usize) -> Got {
    thread_local! {
        static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    let value: Vec<value::Row> = TEXT.with_borrow_mut(|text| {
        if text.is_empty() {
            *text = serde_json::to_vec(&value::load(rows, n)).unwrap_or_default();
        }
        serde_json::from_slice(text).unwrap_or_default()
    });
    Got { found: usize::from(!value.is_empty()), loaded: 0 }
}

fn number(part: Option<&str>) -> Option<usize> {
    part?.parse().ok()
}
