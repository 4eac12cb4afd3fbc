//! How far a job is: many ask, and a minute's age does no harm.

use std::sync::LazyLock;
use std::time::Duration;

use layercake::DataKey;
use layercake::data::DataPolicy;
use serde::{Deserialize, Serialize};
use worker::*;

use crate::{App, found, minutes, part};

/// A minute; a job that is not there may be in a moment. Of those who ask for the same job at once, one asks the database.
pub static STATUS: LazyLock<DataPolicy> =
    LazyLock::new(|| DataPolicy::ttl(minutes(1)).negative_ttl(Duration::from_secs(5)));

#[derive(Serialize, Deserialize)]
struct Status {
    state: String,
    done: u32,
    total: u32,
}

pub async fn status(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    let Ok(id) = part(&ctx, "id").parse::<u32>() else { return found::<Status>(None) };
    let App { data, database } = ctx.data;
    let key = DataKey::of("cache:job").with(id);
    let load = move || async move {
        database.first::<Status>("SELECT state, done, total FROM jobs WHERE id = ?1", &[id.into()]).await
    };
    found(data.get_or_fetch(&key, &STATUS, load).await?)
}
