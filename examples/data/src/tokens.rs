//! Tokens for the services of partners: each is good until a moment of its own, and its value for no longer.

use std::sync::LazyLock;
use std::time::Duration;

use layercake::DataKey;
use layercake::data::{DataPolicy, Loaded};
use serde::{Deserialize, Serialize};
use worker::*;

use crate::{App, found, minutes, part};

/// The loader says for how long, but for a partner without a token.
pub static TOKEN: LazyLock<DataPolicy> = LazyLock::new(|| DataPolicy::ttl(minutes(1)).negative_ttl(minutes(1)));

/// So long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(30);

#[derive(Serialize, Deserialize)]
struct Token {
    token: String,
    expires: u64,
}

/// Tells what would be sent to the partner, but for the token itself.
pub async fn partner(_: Request, ctx: RouteContext<App>) -> Result<Response> {
    let partner = part(&ctx, "partner");
    let App { data, database } = ctx.data;
    let key = DataKey::of("cache:token").with(&partner);
    let load = move || async move {
        let sql = "SELECT token, expires FROM tokens WHERE partner = ?1";
        let token = database.first::<Token>(sql, &[partner.into()]).await?;
        let left = token.as_ref().map(|token| token.expires.saturating_sub(Date::now().as_millis()));
        let loaded = Loaded::new(token);
        Result::Ok(match left {
            Some(left) => loaded.lifetime(Duration::from_millis(left).saturating_sub(MARGIN)),
            None => loaded,
        })
    };
    let token: Option<Token> = data.get_or_fetch_with(&key, &TOKEN, load).await?;
    found(token.map(|whole| Token { token: whole.token.chars().take(4).collect(), ..whole }))
}
