//! All that belongs to a tenant under one key: it is read in one operation, and changes together.

use std::sync::LazyLock;

use layercake::DataKey;
use layercake::data::{Bundle, CodecError, DataPolicy, Loaded};
use serde::{Deserialize, Serialize};
use worker::*;

use crate::{App, found, hours, minutes, part};

pub static TENANT: LazyLock<DataPolicy> = LazyLock::new(|| DataPolicy::ttl(hours(1)).stale_if_error(hours(24)));

#[derive(Serialize, Deserialize)]
struct Profile {
    name: String,
    plan: String,
}

#[derive(Deserialize)]
struct Feature {
    name: String,
}

pub async fn tenant(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    #[derive(Serialize)]
    struct Tenant {
        profile: Profile,
        features: Vec<String>,
    }
    let bundle = bundle(ctx).await?;
    let profile = bundle.get("profile").map_err(unread)?;
    let features = bundle.get("features").map_err(unread)?;
    found(profile.zip(features).map(|(profile, features)| Tenant { profile, features }))
}

pub async fn features(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    found(bundle(ctx).await?.get::<Vec<String>>("features").map_err(unread)?)
}

/// Of a tenant that is not there an empty one, for a minute.
async fn bundle(ctx: RouteContext<App>) -> Result<Bundle> {
    let tenant = part(&ctx, "tenant");
    let App { data, database } = ctx.data;
    let key = DataKey::of("cache:tenant").with(&tenant);
    let mut bundle = data.bundle();
    let load = move || async move {
        let id = [tenant.into()];
        let profile = ("SELECT name, plan FROM tenants WHERE id = ?1", id.as_slice());
        let features = ("SELECT name FROM features WHERE tenant = ?1 ORDER BY name", id.as_slice());
        let [profile, features] = &*database.batch(&[profile, features]).await? else {
            return Err(Error::from("another number of results than of statements"));
        };
        let Some(profile) = profile.results::<Profile>()?.pop() else {
            return Ok(Loaded::new(bundle).lifetime(minutes(1)));
        };
        let features: Vec<String> = features.results::<Feature>()?.into_iter().map(|row| row.name).collect();
        bundle.insert("profile", &profile).map_err(unread)?;
        bundle.insert("features", &features).map_err(unread)?;
        Ok(Loaded::new(bundle))
    };
    Ok(data.get_or_fetch_bundle(&key, &TENANT, load).await?)
}

fn unread(error: CodecError) -> Error {
    Error::RustError(error.to_string())
}
