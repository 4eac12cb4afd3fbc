//! What is kept of articles that are gone is forgotten, a part with every run.

use std::collections::HashSet;

use futures::StreamExt as _;
use layercake::DataKey;
use serde::Deserialize;
use worker::Result;

use crate::App;
use crate::articles::{ARTICLES, article_key};
use crate::database::list;

/// How many values a run looks at, and how many it forgets: each of these is a delete in KV and one in the edge cache, of the 1,000
/// operations that a run may ask of both. What is forgotten is not in the next run's list.
const LOOK_AT: usize = 10_000;
const FORGET: usize = 200;
/// How many one statement asks for.
const AT_ONCE: usize = 500;

#[derive(Default)]
pub struct Swept {
    pub seen: usize,
    pub forgotten: usize,
}

#[derive(Deserialize)]
struct Row {
    id: u32,
}

pub async fn run(app: &App) -> Result<Swept> {
    let mut swept = Swept::default();
    // With the colon: not what begins like it.
    let kept = app.data.list(&DataKey::of(ARTICLES).with("")).take(LOOK_AT);
    let mut parts = kept.chunks(AT_ONCE);
    while let Some(part) = parts.next().await {
        let mut ids = Vec::with_capacity(part.len());
        for listed in part {
            let key = listed?.key;
            swept.seen += 1;
            ids.extend(key.as_str().rsplit(':').next().and_then(|id| id.parse::<u32>().ok()));
        }
        let sql = "SELECT id FROM articles WHERE published AND id IN (SELECT value FROM json_each(?1))";
        let rows = app.database.all::<Row>(sql, &[list(ids.iter())?]).await?;
        let there: HashSet<u32> = rows.into_iter().map(|row| row.id).collect();
        ids.retain(|id| !there.contains(id));
        ids.truncate(FORGET - swept.forgotten);
        let gone: Vec<DataKey> = ids.into_iter().map(article_key).collect();
        app.data.delete_many(&gone).await?;
        swept.forgotten += gone.len();
        if swept.forgotten == FORGET {
            break;
        }
    }
    Ok(swept)
}
