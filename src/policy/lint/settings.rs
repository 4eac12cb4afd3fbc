//! What holds for the whole table.

use super::words::{identifies, listed};
use super::{Found, Table, found};

pub(super) const CHECKS: &[fn(&Table) -> Option<Found>] = &[harmless_cookies, unkeyed_headers];

fn harmless_cookies(table: &Table) -> Option<Found> {
    let suspects: Vec<&str> =
        table.harmless_cookies.iter().map(|name| &**name).filter(|name| identifies(name)).collect();
    if suspects.is_empty() {
        return None;
    }
    let verb = if suspects.len() == 1 { "looks as if it told" } else { "look as if they told" };
    let message = format!("{} in harmless_cookies {verb} who somebody is.", listed(suspects));
    found(
        "harmless-session",
        message,
        "Take it off the list: who has such a cookie is answered from the cache, and the handler does not see it. Where answers depend on it there is key_cookies.",
    )
}

fn unkeyed_headers(table: &Table) -> Option<Found> {
    if table.unkeyed_headers.is_none_or(|names| !names.is_empty()) {
        return None;
    }
    found(
        "unkeyed-emptied",
        "No request field makes the cache step aside.",
        "Leave unkeyed_headers at its default: with fields such as X-Forwarded-Host somebody may have an answer stored that others then get.",
    )
}
