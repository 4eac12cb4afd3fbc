//! For whom answers are stored, and by what.

use super::storage::{stores_unasked, window};
use super::words::{identifies, is_credential, is_of_one_client, listed, personal, search};
use super::{Check, Found, Rule, Table, found};
use crate::policy::{Level, Policy, QueryKey};
use crate::semantics::vary::Narrow;

/// For policies that bypass.
pub(super) const BYPASS: &[Check] = &[idle_settings];

pub(super) const CHECKS: &[Check] = &[
    personal_path,
    search_path,
    replayed_cookie,
    stale_cookie,
    mixed_letter,
    wide_fields,
    per_user,
    variants,
    ambiguous,
    hosts,
];

fn idle_settings(rule: &Rule, _: &Table) -> Option<Found> {
    let (bare, terms) = (Policy::bypass(), &rule.policy.terms);
    if *rule.policy == bare {
        return None;
    }
    let plain = &bare.terms;
    let named = [
        ("anonymous", terms.anonymous != plain.anonymous),
        ("methods", terms.methods != plain.methods),
        ("tiers", terms.tiers != plain.tiers),
        ("browser_ttl", terms.browser_ttl != plain.browser_ttl),
        ("strip_targets", terms.strip_targets != plain.strip_targets),
        ("verify_one_in", terms.verify != plain.verify),
        ("languages or encodings", terms.narrow != plain.narrow),
        ("what it says of waiting", terms.patience != plain.patience),
        ("what it keys on", terms.keyer != plain.keyer),
        ("what it says of storing", terms.store != plain.store),
    ];
    let idle: Vec<&str> = named.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    let message = format!("A policy that bypasses makes no use of {}.", idle.join(", "));
    found("idle-settings", message, "Take these settings out, or another base.")
}

/// Whether answers may be stored that neither say that everybody may have them nor are kept apart by who asks.
fn mingles(policy: &Policy) -> bool {
    let keyer = &policy.terms.keyer;
    let apart =
        keyer.headers.iter().any(|name| is_credential(name)) || !keyer.cookies.is_empty() || !keyer.values.is_empty();
    !apart && (stores_unasked(policy) || policy.terms.store.to_the_letter || policy.terms.anonymous)
}

fn personal_path(rule: &Rule, _: &Table) -> Option<Found> {
    let word = personal(rule.pattern).filter(|_| mingles(rule.policy))?;
    if rule.policy.terms.anonymous {
        return found(
            "anonymous-personal",
            format!("{word:?} in the path looks personal, and anonymous gives everybody the same answer there."),
            "Take bypass, or take anonymous out.",
        );
    }
    found(
        "cached-personal",
        format!("{word:?} in the path looks personal, and answers may be stored there for others to get."),
        "Take bypass, or from_headers where the handler says what may be shared.",
    )
}

fn search_path(rule: &Rule, _: &Table) -> Option<Found> {
    let query = &rule.policy.terms.keyer.query;
    let is_ignored = *query == QueryKey::ignored() || *query == QueryKey::ignored().sort();
    let word = search(rule.pattern).filter(|_| is_ignored)?;
    found(
        "search-without-query",
        format!("{word:?} in the path looks like a search, and the query does not count: all searches get one answer."),
        "Name the parameters that count, with only.",
    )
}

fn replayed_cookie(rule: &Rule, _: &Table) -> Option<Found> {
    let store = &rule.policy.terms.store;
    if !store.set_cookie || store.to_the_letter {
        return None;
    }
    found(
        "replayed-cookie",
        "Answers with Set-Cookie are stored, and the cookie goes to everybody who asks.",
        "Take replay_set_cookie out, unless the handler sets the same harmless cookie for all.",
    )
}

fn stale_cookie(rule: &Rule, _: &Table) -> Option<Found> {
    let store = &rule.policy.terms.store;
    if !store.set_cookie || window(store).is_zero() {
        return None;
    }
    found(
        "stale-cookie",
        "Stale answers go out with the Set-Cookie that they were stored with, after the cookie may have been withdrawn.",
        "Give no stale windows where cookies are replayed.",
    )
}

/// Whether it stores, and looks at cookies before it does.
pub(super) fn is_cautious(policy: &Policy) -> bool {
    !policy.terms.bypass && !policy.terms.store.to_the_letter
}

/// A table of nothing but the letter is a reverse proxy's, and meant.
fn mixed_letter(rule: &Rule, _: &Table) -> Option<Found> {
    if !rule.policy.terms.store.to_the_letter || !rule.beside_cautious {
        return None;
    }
    found(
        "letter-and-cookies",
        "Under rfc9111 cookies do not count, not even those of sessions: whoever asks gets what is stored, unless it was marked private.",
        "Take it only where the origin marks every personal answer as private or no-store; otherwise from_headers.",
    )
}

fn wide_fields(rule: &Rule, _: &Table) -> Option<Found> {
    let terms = &rule.policy.terms;
    let is_narrow = |name: &str| terms.narrow.iter().any(|narrow| narrow.field() == name);
    let negotiated = |name: &str| matches!(name, "accept" | "accept-language" | "accept-encoding") && !is_narrow(name);
    let headers = terms.keyer.headers.iter().map(|name| &**name);
    let wide: Vec<&str> = headers.filter(|name| is_of_one_client(name) || negotiated(name)).collect();
    if wide.is_empty() {
        return None;
    }
    found(
        "wide-key",
        format!("Nearly every client has its own {}, and so its own entries.", listed(wide)),
        "Key on a value with few outcomes (key_values), or narrow languages and encodings down.",
    )
}

fn per_user(rule: &Rule, _: &Table) -> Option<Found> {
    let terms = &rule.policy.terms;
    let cookies = terms.keyer.cookies.iter().map(|name| &**name).filter(|name| identifies(name));
    let headers = terms.keyer.headers.iter().map(|name| &**name).filter(|name| is_credential(name));
    let keys: Vec<&str> = cookies.chain(headers).collect();
    if keys.is_empty() || !terms.tiers.contains(Level::L2) {
        return None;
    }
    found(
        "key-per-user",
        format!("Each user has entries of their own by {}, and each costs a KV write.", listed(keys)),
        "Leave l2 out of the tiers, or key on a value that several share.",
    )
}

fn variants(rule: &Rule, _: &Table) -> Option<Found> {
    let terms = &rule.policy.terms;
    let most = terms.store.max_variants;
    let count = |narrow: &Narrow| match narrow {
        Narrow::Language(tags) => tags.len(),
        Narrow::Encoding(codings) => codings.len() + usize::from(codings.iter().all(|coding| **coding != *"identity")),
    };
    let free = terms.narrow.iter().filter(|narrow| !terms.keyer.has_header(narrow.field()));
    let outcomes = free.map(count).fold(1_usize, usize::saturating_mul);
    if outcomes <= most || outcomes == 1 {
        return None;
    }
    found(
        "too-many-variants",
        format!("Languages and encodings make up to {outcomes} variants, and max_variants stores {most}."),
        "Raise max_variants, or name fewer.",
    )
}

fn ambiguous(rule: &Rule, _: &Table) -> Option<Found> {
    if !rule.policy.terms.keyer.path.ambiguous {
        return None;
    }
    found(
        "ambiguous-paths",
        "Paths that may be read in two ways are cached, by the rule that takes what is written.",
        "Take cache_ambiguous_paths out, unless the handler never decodes paths to look something up.",
    )
}

fn hosts(rule: &Rule, _: &Table) -> Option<Found> {
    let keyer = &rule.policy.terms.keyer;
    // A value that is keyed on may stand for the host: the tenant.
    if !keyer.shared_between_hosts || !keyer.values.is_empty() {
        return None;
    }
    found(
        "shared-hosts",
        "All hosts share one answer, though the handler sees which host was asked.",
        "Take shared_between_hosts out, unless no answer holds the host's name, in links for example.",
    )
}
