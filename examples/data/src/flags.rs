//! Feature flags: many at a time, and one statement for those that are not kept.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use layercake::DataKey;
use layercake::data::DataPolicy;
use serde::Deserialize;
use worker::*;

use crate::database::list;
use crate::{App, minutes, part};

pub static FLAG: LazyLock<DataPolicy> =
    LazyLock::new(|| DataPolicy::ttl(minutes(2)).stale_while_revalidate(minutes(10)).negative_ttl(minutes(1)));

#[derive(Deserialize)]
struct Row {
    name: String,
    is_on: u8,
}

fn key(name: &str) -> DataKey {
    DataKey::of("cache:flag").with(name)
}

/// `/flags/one,two,three`: whether each is on; null for one that is not there.
pub async fn flags(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    let names: Vec<String> = part(&ctx, "names").split(',').map(str::to_owned).collect();
    let App { data, database } = ctx.data;
    let keys: Vec<DataKey> = names.iter().map(|name| key(name)).collect();
    let by_key: BTreeMap<DataKey, String> = keys.iter().cloned().zip(names.iter().cloned()).collect();
    let load = move |missing: Vec<DataKey>| async move {
        let names: Vec<&String> = missing.iter().filter_map(|key| by_key.get(key)).collect();
        let sql = "SELECT name, is_on FROM flags WHERE name IN (SELECT value FROM json_each(?1))";
        let rows = database.all::<Row>(sql, &[list(names.iter())?]).await?;
        let found: BTreeMap<String, bool> = rows.into_iter().map(|row| (row.name, row.is_on != 0)).collect();
        Result::Ok(names.into_iter().map(|name| found.get(name).copied()).collect())
    };
    let values: Vec<Option<bool>> = data.get_many_or_fetch(&keys, &FLAG, load).await?;
    Response::from_json(&names.into_iter().zip(values).collect::<BTreeMap<_, _>>())
}
