//! Rows of a D1 database as cached values: each module is one use of the data cache, with its policy at the top.
//!
//! A value is looked for in the isolate's memory, in the edge cache and in Workers KV, and then loaded by SQL.

mod articles;
mod cleanup;
mod database;
mod flags;
mod jobs;
mod settings;
mod subscriptions;
mod tenants;
mod tokens;

use std::time::Duration;

use database::Database;
use layercake::worker::{Data, Isolate, Opened};
use layercake::{CacheConfig, SchemaVersion};
use serde::Serialize;
use worker::*;

/// The number is raised when a type of the values changes: what was kept before is then not found.
static CACHE: Isolate = Isolate::new(|| CacheConfig::new("data", SchemaVersion(1)).build());

/// What the handlers have.
struct App {
    data: Data,
    database: Database,
}

impl App {
    fn new(cache: Opened<'_>, env: &Env) -> Result<Self> {
        let site = env.var("SITE")?.to_string();
        Ok(Self { data: cache.kv("CACHE").data(&site), database: Database::new(env.d1("DB")?) })
    }
}

#[event(fetch)]
async fn fetch(req: Request, env: Env, ctx: Context) -> Result<Response> {
    let app = App::new(CACHE.open(&env, ctx), &env)?;
    let answer = router(app).run(req, env).await;
    answer.or_else(|error| fail(&error.to_string(), 503))
}

#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, ctx: ScheduleContext) {
    let done = match App::new(CACHE.open_scheduled(&env, ctx), &env) {
        Ok(app) => cleanup::run(&app).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(swept) => console_log!("clean-up: {} values looked at, {} forgotten", swept.seen, swept.forgotten),
        Err(error) => console_error!("clean-up: {error}"),
    }
}

fn router(app: App) -> Router<'static, App> {
    Router::with_data(app)
        .get_async("/sections/:section", articles::of_section)
        .get_async("/articles/:id", articles::article)
        .get_async("/settings/:name", settings::setting)
        // To be put behind a sign-in, Cloudflare Access for example.
        .put_async("/admin/settings", settings::change)
        .get_async("/jobs/:id", jobs::status)
        .get_async("/users/:user/subscription", subscriptions::of_user)
        .get_async("/flags/:names", flags::flags)
        .get_async("/tenants/:tenant", tenants::tenant)
        .get_async("/tenants/:tenant/features", tenants::features)
        .get_async("/partners/:partner", tokens::partner)
        .get("/stats", stats)
}

/// What this isolate has counted; values are counted under the name `(values)`.
fn stats(_: Request, _: RouteContext<App>) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    Ok(Response::ok(CACHE.stats().to_log_line("data"))?.with_headers(headers))
}

/// The part of the path that the pattern calls so.
fn part(ctx: &RouteContext<App>, name: &str) -> String {
    ctx.param(name).cloned().unwrap_or_default()
}

/// What there may be or not.
fn found<T: Serialize>(value: Option<T>) -> Result<Response> {
    value.map_or_else(|| fail("there is no such thing", 404), |value| Response::from_json(&value))
}

fn fail(error: &str, status: u16) -> Result<Response> {
    #[derive(Serialize)]
    struct Failure<'a> {
        error: &'a str,
    }
    Ok(Response::from_json(&Failure { error })?.with_status(status))
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

const fn hours(n: u64) -> Duration {
    minutes(60 * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_policies_can_be_meant() {
        let all = [
            &articles::LIST,
            &articles::ARTICLE,
            &settings::SETTING,
            &jobs::STATUS,
            &subscriptions::SUBSCRIPTION,
            &flags::FLAG,
            &tenants::TENANT,
            &tokens::TOKEN,
        ];
        for policy in all {
            assert_eq!(policy.check(), Ok(()));
        }
    }
}
