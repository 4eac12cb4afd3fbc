//! What a user has subscribed to: most have not, and that is worth knowing too.

use std::sync::LazyLock;

use layercake::DataKey;
use layercake::data::DataPolicy;
use serde::{Deserialize, Serialize};
use worker::*;

use crate::{App, found, minutes, part};

/// Ten minutes; that a user has no subscription is known for one.
pub static SUBSCRIPTION: LazyLock<DataPolicy> = LazyLock::new(|| DataPolicy::ttl(minutes(10)).negative_ttl(minutes(1)));

#[derive(Serialize, Deserialize)]
struct Subscription {
    plan: String,
    seats: u32,
}

/// The user stands in the path here, and would come from a session: it is part of the key, or one gets what is another's.
pub async fn of_user(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    let user = part(&ctx, "user");
    let App { data, database } = ctx.data;
    let key = DataKey::of("cache:subscription").with(&user);
    let load = move || async move {
        database.first::<Subscription>("SELECT plan, seats FROM subscriptions WHERE user = ?1", &[user.into()]).await
    };
    found(data.get_or_fetch(&key, &SUBSCRIPTION, load).await?)
}
