//! The page about the cache, for who has the token.

use super::Kept;
use super::live::TableState;
use super::view::Line;
use crate::engine::admin::carries_token;
use crate::semantics::{freshness::Timestamp, push_decimal};
use crate::stats::json_string;

pub(super) struct Admin {
    path: Box<str>,
    /// The name of the Worker's secret.
    secret: Box<str>,
    /// [`page`](Self::page), which is no part of a Worker that does not mount it.
    pub(super) answer: fn(&Self, &web_sys::Request, &worker::Env, &Kept) -> Option<worker::Result<web_sys::Response>>,
}

impl Admin {
    pub(super) fn new(path: &str, secret: &str) -> Self {
        Self { path: path.into(), secret: secret.into(), answer: Self::page }
    }

    /// The page, when it is asked for by who may.
    fn page(
        &self,
        request: &web_sys::Request,
        env: &worker::Env,
        kept: &Kept,
    ) -> Option<worker::Result<web_sys::Response>> {
        let line = Line::of(request);
        if line.path().strip_prefix(&*self.path) != Some("/stats") || line.method() != "GET" {
            return None;
        }
        let token = env.secret(&self.secret).map(|secret| secret.to_string()).unwrap_or_default();
        let field = request.headers().get("authorization").ok().flatten();
        carries_token(field.as_deref().map(str::as_bytes), &token).then(|| {
            let headers = worker::Headers::new();
            headers.set("content-type", "application/json")?;
            headers.set("cache-control", "private, no-store")?;
            Ok(worker::Response::ok(told(kept))?.with_headers(headers).into())
        })
    }
}

fn told(kept: &Kept) -> String {
    let TableState { is_live, taken, looked_up, error } = kept.table.state();
    let mut out = String::from("{\"table\":{\"is_live\":");
    out.push_str(if is_live { "true" } else { "false" });
    for (name, at) in [("taken", taken), ("looked_up", looked_up)] {
        time(&mut out, name, at);
    }
    out.push_str(",\"error\":");
    match error {
        Some(error) => json_string(&mut out, &error),
        None => out.push_str("null"),
    }
    out.push_str("},\"stats\":");
    out.push_str(&kept.table.config().to_log_line());
    out.push('}');
    out
}

/// In milliseconds since 1970.
fn time(out: &mut String, name: &str, at: Option<Timestamp>) {
    out.push(',');
    json_string(out, name);
    out.push(':');
    match at {
        Some(at) => push_decimal(out, at.as_millis()),
        None => out.push_str("null"),
    }
}
