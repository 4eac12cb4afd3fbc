//! May this response be stored, and for how long? (RFC 9111 section 3, and the safety rules on top.)

use super::cache_control::CacheControl;
use super::freshness::{Freshness, Timestamp, explicit_lifetime, heuristic_lifetime, initial_age};
use super::{Fields, list_members};
use std::time::Duration;

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStored {
    /// The request's method was not GET (RFC 9111 section 3, narrowed: the answer to a HEAD has no body to store).
    Method,
    /// A status that is never stored as a whole answer (1xx, 206, 304), or one the policy gives no lifetime.
    Status,
    /// `no-store` in the request or the response (5.2.1.5, 5.2.2.5).
    NoStore,
    /// `private` in the response (5.2.2.7).
    Private,
    /// `no-cache` in the response (5.2.2.4): every use would have to be validated.
    NoCache,
    /// The response sets a cookie.
    SetCookie,
    /// The response varies: on fields named by `Vary`, or on `Origin` because it allows just one origin.
    Vary,
    /// The request carried `Authorization` and the response does not say that it may be shared (3.5).
    Authorization,
    /// Nothing says how long the response is good for.
    NoLifetime,
    /// The response is stale on arrival and no window allows serving it stale.
    Expired,
    /// The body is larger than the policy allows.
    TooLarge,
    /// The body is not of the length announced.
    Incomplete,
}

impl NotStored {
    /// The reason as a token for `Cache-Status` and the counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "not-stored-method",
            Self::Status => "not-stored-status",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::NoCache => "no-cache",
            Self::SetCookie => "set-cookie",
            Self::Vary => "vary",
            Self::Authorization => "authorization",
            Self::NoLifetime => "no-lifetime",
            Self::Expired => "expired",
            Self::TooLarge => "too-large",
            Self::Incomplete => "incomplete",
        }
    }

    /// Whether the refusal means that the answer belongs to one person, so that no cache in front may keep it either.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(self, Self::SetCookie | Self::Authorization | Self::Private)
    }
}

/// Where the lifetime comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The owner says, counted from receipt.
    Owner(Duration),
    /// The response's own fields say; the value is the owner's answer where they are silent.
    Fields(Option<Duration>),
}

/// What the owner's policy says about storing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRules {
    /// Where the lifetime comes from.
    pub lifetime: Lifetime,
    /// Whether heuristic lifetimes are used where nothing explicit is said (4.2.2).
    pub heuristics: bool,
    /// The owner's stale-while-revalidate window; `None` leaves it to the response.
    pub stale_while_revalidate: Option<Duration>,
    /// The owner's stale-if-error window; `None` leaves it to the response.
    pub stale_if_error: Option<Duration>,
    /// Lifetimes by status, before anything else that gives one.
    pub statuses: Vec<(u16, Duration)>,
    /// The largest body stored, in bytes.
    pub max_body: u64,
    /// RFC 9111 to the letter: `Set-Cookie` is no obstacle, and errors with explicit freshness are stored.
    pub to_the_letter: bool,
}

/// What storing needs to know of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// The method the handler saw is GET.
    pub get: bool,
    /// The handler saw an `Authorization` field.
    pub authorization: bool,
    /// The request said `no-store`.
    pub no_store: bool,
    /// When the request was forwarded.
    pub request_time: Timestamp,
}

/// May this response be stored?
///
/// # Errors
///
/// The first reason against it.
pub fn storable(
    rules: &StoreRules,
    request: RequestFacts,
    status: u16,
    fields: &(impl Fields + ?Sized),
    body_length: Option<u64>,
    response_time: Timestamp,
) -> Result<Freshness, NotStored> {
    // 3: the method is understood; a stored GET also serves HEAD, never the other way round.
    if !request.get {
        return Err(NotStored::Method);
    }
    // 3: the status is final; 206 and 304 are not whole answers.
    if !(200..=599).contains(&status) || matches!(status, 206 | 304) {
        return Err(NotStored::Status);
    }
    let (cc, targeted) = CacheControl::of_response(fields);
    // 5.2.1.5, 5.2.2.5
    if request.no_store || cc.no_store {
        return Err(NotStored::NoStore);
    }
    // 5.2.2.7: this is a shared cache.
    if cc.private {
        return Err(NotStored::Private);
    }
    if fields.has("set-cookie") && !rules.to_the_letter {
        return Err(NotStored::SetCookie);
    }
    // 4.1: what varies is stored only where variants are kept apart.
    if fields.has("vary") || allows_one_origin(fields) {
        return Err(NotStored::Vary);
    }
    // 3.5
    if request.authorization && !is_shared(&cc) {
        return Err(NotStored::Authorization);
    }
    if cc.no_cache {
        return Err(NotStored::NoCache);
    }
    if body_length.is_some_and(|length| length > rules.max_body) {
        return Err(NotStored::TooLarge);
    }
    let age = initial_age(fields, request.request_time, response_time);
    let lifetime = lifetime(rules, status, &cc, targeted, fields, response_time, age)?;
    let freshness = Freshness {
        born: response_time.minus(age),
        lifetime,
        stale_while_revalidate: window(rules.stale_while_revalidate, cc.stale_while_revalidate, &cc),
        stale_if_error: window(rules.stale_if_error, cc.stale_if_error, &cc),
    };
    if freshness.retention_left(response_time).is_zero() {
        return Err(if lifetime.is_zero() { NotStored::NoLifetime } else { NotStored::Expired });
    }
    Ok(freshness)
}

/// 3.5: the response itself says that an answer to a request with `Authorization` may be shared.
#[must_use]
pub fn is_shared(cc: &CacheControl) -> bool {
    cc.public || cc.must_revalidate || cc.s_maxage.is_some()
}

fn lifetime(
    rules: &StoreRules,
    status: u16,
    cc: &CacheControl,
    targeted: bool,
    fields: &(impl Fields + ?Sized),
    response_time: Timestamp,
    age: Duration,
) -> Result<Duration, NotStored> {
    // The owner's lifetime counts from receipt, that of the fields from birth.
    if let Some((_, lifetime)) = rules.statuses.iter().find(|(s, _)| *s == status) {
        return Ok(lifetime.saturating_add(age));
    }
    if status >= 400 && !rules.to_the_letter {
        return Err(NotStored::Status);
    }
    let default = match rules.lifetime {
        Lifetime::Owner(ttl) if heuristically_cacheable(status) => return Ok(ttl.saturating_add(age)),
        Lifetime::Owner(_) => None,
        Lifetime::Fields(default) => default.filter(|_| heuristically_cacheable(status)),
    };
    if let Some(explicit) = explicit_lifetime(cc, targeted, fields, response_time) {
        return Ok(explicit);
    }
    if let Some(default) = default {
        return Ok(default.saturating_add(age));
    }
    // 4.2.2: heuristics only for the statuses defined so, or with `public`.
    if rules.heuristics
        && (heuristically_cacheable(status) || cc.public)
        && let Some(lifetime) = heuristic_lifetime(fields, response_time)
    {
        return Ok(lifetime);
    }
    Err(NotStored::NoLifetime)
}

/// RFC 9110 section 15.1.
fn heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// A stale window: the owner's, else the response's own. `must-revalidate` and `proxy-revalidate` forbid both
/// (RFC 9111 section 4.2.4); `s-maxage` forbids only the response's own (5.2.2.10).
fn window(owner: Option<Duration>, own: Option<u32>, cc: &CacheControl) -> Duration {
    if cc.must_revalidate || cc.proxy_revalidate {
        return Duration::ZERO;
    }
    match owner {
        Some(window) => window,
        None if cc.s_maxage.is_some() => Duration::ZERO,
        None => Duration::from_secs(u64::from(own.unwrap_or(0))),
    }
}

/// `Access-Control-Allow-Origin` with one origin in it means that the answer depends on `Origin`, said or not.
fn allows_one_origin(fields: &(impl Fields + ?Sized)) -> bool {
    fields.field("access-control-allow-origin").is_some_and(|value| list_members(&value).any(|origin| origin != b"*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(784_111_777);
    const GET: RequestFacts = RequestFacts { get: true, authorization: false, no_store: false, request_time: NOW };

    fn owner(secs: u64) -> StoreRules {
        StoreRules {
            lifetime: Lifetime::Owner(Duration::from_secs(secs)),
            heuristics: false,
            stale_while_revalidate: None,
            stale_if_error: None,
            statuses: vec![(404, Duration::from_secs(5))],
            max_body: 1000,
            to_the_letter: false,
        }
    }

    fn from_fields() -> StoreRules {
        StoreRules { lifetime: Lifetime::Fields(None), statuses: Vec::new(), ..owner(0) }
    }

    fn letter() -> StoreRules {
        StoreRules { to_the_letter: true, heuristics: true, ..from_fields() }
    }

    type Case<'a> = (StoreRules, RequestFacts, u16, &'a [(&'a str, &'a str)], Result<u64, NotStored>);

    #[test]
    fn table() {
        let auth = RequestFacts { authorization: true, ..GET };
        let head = RequestFacts { get: false, ..GET };
        let shy = RequestFacts { no_store: true, ..GET };
        let cases: &[Case<'_>] = &[
            (owner(30), GET, 200, &[], Ok(30)),
            (owner(30), GET, 200, &[("cache-control", "max-age=1")], Ok(30)),
            (owner(30), GET, 200, &[("age", "7")], Ok(37)),
            (owner(30), GET, 200, &[("cache-control", "no-store")], Err(NotStored::NoStore)),
            (owner(30), GET, 200, &[("cache-control", "private")], Err(NotStored::Private)),
            (owner(30), GET, 200, &[("cache-control", "no-cache")], Err(NotStored::NoCache)),
            (owner(30), GET, 200, &[("set-cookie", "a=b")], Err(NotStored::SetCookie)),
            (letter(), GET, 200, &[("set-cookie", "a=b"), ("cache-control", "max-age=9")], Ok(9)),
            (owner(30), GET, 200, &[("vary", "accept")], Err(NotStored::Vary)),
            (owner(30), GET, 200, &[("access-control-allow-origin", "https://a.example")], Err(NotStored::Vary)),
            (owner(30), GET, 200, &[("access-control-allow-origin", "*")], Ok(30)),
            (owner(30), auth, 200, &[], Err(NotStored::Authorization)),
            (owner(30), auth, 200, &[("cache-control", "public")], Ok(30)),
            (owner(30), auth, 200, &[("cache-control", "s-maxage=5")], Ok(30)),
            (owner(30), head, 200, &[], Err(NotStored::Method)),
            (owner(30), shy, 200, &[], Err(NotStored::NoStore)),
            (owner(30), GET, 101, &[], Err(NotStored::Status)),
            (owner(30), GET, 206, &[], Err(NotStored::Status)),
            (owner(30), GET, 304, &[], Err(NotStored::Status)),
            (owner(30), GET, 302, &[], Err(NotStored::NoLifetime)),
            (owner(30), GET, 302, &[("cache-control", "max-age=4")], Ok(4)),
            (owner(30), GET, 404, &[], Ok(5)),
            (owner(30), GET, 410, &[("cache-control", "max-age=60")], Err(NotStored::Status)),
            (owner(30), GET, 500, &[("cache-control", "max-age=60")], Err(NotStored::Status)),
            (letter(), GET, 500, &[("cache-control", "max-age=60")], Ok(60)),
            (from_fields(), GET, 200, &[], Err(NotStored::NoLifetime)),
            (from_fields(), GET, 200, &[("cache-control", "max-age=60")], Ok(60)),
            (from_fields(), GET, 200, &[("cache-control", "max-age=0")], Err(NotStored::NoLifetime)),
            (from_fields(), GET, 200, &[("cache-control", "max-age=5"), ("age", "9")], Err(NotStored::Expired)),
            (
                from_fields(),
                GET,
                200,
                &[("last-modified", "Sun, 06 Nov 1994 08:49:27 GMT")],
                Err(NotStored::NoLifetime),
            ),
            (letter(), GET, 200, &[("last-modified", "Sun, 06 Nov 1994 08:49:27 GMT")], Ok(1)),
        ];
        for (rules, request, status, fields, expected) in cases {
            let got = storable(rules, *request, *status, *fields, Some(10), NOW).map(|f| f.lifetime.as_secs());
            assert_eq!(got, *expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn bodies_over_the_limit() {
        assert_eq!(storable(&owner(30), GET, 200, &[][..], Some(1001), NOW), Err(NotStored::TooLarge));
    }

    #[test]
    fn stale_windows() {
        let wish = StoreRules { stale_while_revalidate: Some(Duration::from_secs(60)), ..owner(30) };
        for (rules, cc, expected) in [
            (&wish, "", 60),
            (&wish, "s-maxage=1", 60),
            (&wish, "must-revalidate", 0),
            (&wish, "proxy-revalidate", 0),
            (&owner(30), "stale-while-revalidate=7", 7),
            (&owner(30), "s-maxage=9, stale-while-revalidate=7", 0),
        ] {
            let f = storable(rules, GET, 200, &[("cache-control", cc)][..], None, NOW).unwrap();
            assert_eq!(f.stale_while_revalidate.as_secs(), expected, "{cc}");
        }
    }
}
