//! Settings of the platform: kept for long, forgotten when they change.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use layercake::DataKey;
use layercake::data::DataPolicy;
use serde::{Deserialize, Serialize};
use worker::wasm_bindgen::JsValue;
use worker::*;

use crate::{App, fail, found, hours, part};

/// A day; that there is no such setting is known for an hour.
pub static SETTING: LazyLock<DataPolicy> = LazyLock::new(|| DataPolicy::ttl(hours(24)).negative_ttl(hours(1)));

#[derive(Serialize, Deserialize)]
struct Setting {
    value: String,
}

fn key(name: &str) -> DataKey {
    DataKey::of("cache:settings").with(name)
}

pub async fn setting(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    let name = part(&ctx, "name");
    let App { data, database } = ctx.data;
    let key = key(&name);
    let load = move || async move {
        database.first::<Setting>("SELECT value FROM settings WHERE name = ?1", &[name.into()]).await
    };
    found(data.get_or_fetch(&key, &SETTING, load).await?)
}

/// `{"banner": "...", "theme": "..."}`. When it answers, this data centre and Workers KV have forgotten what was there. Edge caches of other
/// data centres have it for up to a day: where that is too long, a policy with [`tiers`](DataPolicy::tiers) leaves them out.
pub async fn change(mut req: Request, ctx: RouteContext<App>) -> Result<Response> {
    let Ok(changes) = req.json::<BTreeMap<String, String>>().await else {
        return fail("expected a body like {\"banner\": \"Closed on Monday\"}", 400);
    };
    let App { data, database } = ctx.data;
    let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    let rows: Vec<[JsValue; 2]> = changes.iter().map(|(name, value)| [name.into(), value.into()]).collect();
    let statements: Vec<(&str, &[JsValue])> = rows.iter().map(|row| (sql, row.as_slice())).collect();
    if !statements.is_empty() {
        database.batch(&statements).await?;
    }
    let keys: Vec<DataKey> = changes.keys().map(|name| key(name)).collect();
    data.delete_many(&keys).await?;
    Response::from_json(&changes)
}
