//! Content: lists that may be a little old, and single articles that hardly ever change.

use std::sync::LazyLock;

use layercake::DataKey;
use layercake::data::DataPolicy;
use serde::{Deserialize, Serialize};
use worker::*;

use crate::{App, found, hours, minutes, part};

/// Five minutes; then ten in which readers get the old list at once while a new one is made behind their answers; for a day it
/// stands in for a database that fails.
pub static LIST: LazyLock<DataPolicy> = LazyLock::new(|| {
    DataPolicy::ttl(minutes(5)).stale_while_revalidate(minutes(10)).stale_if_error(hours(24)).tag("content")
});

/// A day; those that are not there are asked for again after a minute. What becomes of those that are taken down is
/// the business of [`crate::cleanup`].
pub static ARTICLE: LazyLock<DataPolicy> =
    LazyLock::new(|| DataPolicy::ttl(hours(24)).negative_ttl(minutes(1)).tag("content"));

/// The keys of articles but for their numbers.
pub const ARTICLES: &str = "cache:content:article";

pub fn article_key(id: u32) -> DataKey {
    DataKey::of(ARTICLES).with(id)
}

#[derive(Serialize, Deserialize)]
struct Headline {
    id: u32,
    title: String,
}

#[derive(Serialize, Deserialize)]
struct Article {
    id: u32,
    section: String,
    title: String,
    text: String,
}

pub async fn of_section(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    let section = part(&ctx, "section");
    let App { data, database } = ctx.data;
    let key = DataKey::of("cache:content:section").with(&section);
    let load = move || async move {
        let sql = "SELECT id, title FROM articles WHERE section = ?1 AND published ORDER BY id DESC LIMIT 50";
        database.all::<Headline>(sql, &[section.into()]).await
    };
    Response::from_json(&data.get_or_fetch(&key, &LIST, load).await?)
}

pub async fn article(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    let Ok(id) = part(&ctx, "id").parse::<u32>() else { return found::<Article>(None) };
    let App { data, database } = ctx.data;
    let load = move || async move {
        let sql = "SELECT id, section, title, text FROM articles WHERE id = ?1 AND published";
        database.first::<Article>(sql, &[id.into()]).await
    };
    found(data.get_or_fetch(&article_key(id), &ARTICLE, load).await?)
}
