//! May this response be stored, and for how long? (RFC 9111 section 3, and the safety rules on top.)

use super::Fields;
use super::cache_control::{CacheControl, Governing, TARGETS};
use super::freshness::{Freshness, Timestamp, explicit_lifetime, heuristic_lifetime, initial_age};
use super::range::Part;
use super::validation::Validators;
use super::vary::Varies;
use std::time::Duration;

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStored {
    /// The request's method was not GET (RFC 9111 section 3, narrowed: the answer to a HEAD has no body to store).
    Method,
    /// A status that is never stored (1xx, 304, 206 where parts are not kept), or one the policy gives no lifetime.
    Status,
    /// `must-understand` beside a status that this cache does not know (5.2.2.3).
    NotUnderstood,
    /// `no-store` in the request or the response (5.2.1.5, 5.2.2.5).
    NoStore,
    /// `private` in the response (5.2.2.7).
    Private,
    /// `no-cache` in the response (5.2.2.4): every use would have to be validated, and nothing could validate it, or the
    /// policy does not store for that.
    NoCache,
    /// The response sets a cookie.
    SetCookie,
    /// The response varies on everything (`Vary: *`), or on anything where the policy keeps no variants (4.1).
    Vary,
    /// As many variants are stored as the policy keeps.
    Variants,
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
    /// The target was changed while the answer was on its way (4.4).
    Invalidated,
    /// A redirect to what was asked: stored, it would go round for ever.
    Loop,
}

impl NotStored {
    /// The reason as a token for `Cache-Status` and the counters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "not-stored-method",
            Self::Status => "not-stored-status",
            Self::NotUnderstood => "must-understand",
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::NoCache => "no-cache",
            Self::SetCookie => "set-cookie",
            Self::Vary => "vary",
            Self::Variants => "variants",
            Self::Authorization => "authorization",
            Self::NoLifetime => "no-lifetime",
            Self::Expired => "expired",
            Self::TooLarge => "too-large",
            Self::Incomplete => "incomplete",
            Self::Invalidated => "invalidated",
            Self::Loop => "redirect-loop",
        }
    }

    /// Whether the refusal says nothing of the next answer to the same request.
    #[must_use]
    pub const fn is_of_the_moment(self) -> bool {
        matches!(self, Self::Incomplete | Self::Invalidated)
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
    /// The longest heuristic lifetime, where nothing explicit is said (4.2.2); `None` for no heuristics.
    pub heuristics: Option<Duration>,
    /// The owner's stale-while-revalidate window; `None` leaves it to the response.
    pub stale_while_revalidate: Option<Duration>,
    /// The owner's stale-if-error window; `None` leaves it to the response.
    pub stale_if_error: Option<Duration>,
    /// How long past freshness an entry with a validator is kept to be validated.
    pub keep: Duration,
    /// Lifetimes by status, before anything else that gives one.
    pub statuses: Vec<(u16, Duration)>,
    /// The largest body stored, in bytes.
    pub max_body: u64,
    /// How many variants of one target are kept (4.1); 0 for none.
    pub max_variants: usize,
    /// The targeted fields obeyed before `Cache-Control`, in order (RFC 9213).
    pub targets: Vec<Box<str>>,
    /// `Set-Cookie` is no obstacle, whatever else holds: the cookie is replayed to everybody (RFC 9111 section 7.3).
    pub set_cookie: bool,
    /// RFC 9111 to the letter: errors with explicit freshness, parts, and what has to be
    /// validated at each use are stored.
    pub to_the_letter: bool,
}

impl StoreRules {
    /// The rules of a policy whose owner has said no more than where lifetimes come from.
    #[must_use]
    pub fn new(lifetime: Lifetime) -> Self {
        Self {
            lifetime,
            heuristics: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            keep: Duration::from_secs(3600),
            statuses: Vec::new(),
            max_body: 32 << 20,
            max_variants: 16,
            targets: TARGETS.map(Into::into).to_vec(),
            set_cookie: false,
            to_the_letter: false,
        }
    }

    /// Those of a shared cache by the letter of RFC 9111.
    #[must_use]
    pub fn by_the_letter() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            heuristics: Some(DAY),
            keep: DAY,
            set_cookie: true,
            to_the_letter: true,
            ..Self::new(Lifetime::Fields(None))
        }
    }
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

/// A response that may be stored, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storable {
    /// When it was born and how long it is good for.
    pub freshness: Freshness,
    /// Whether it says that it may answer requests with `Authorization` (3.5).
    pub shared: bool,
    /// The request fields it varies on (4.1).
    pub varies: Vec<Box<str>>,
    /// The fields that are not stored with it (5.2.2.4, 5.2.2.7).
    pub withheld: Vec<Box<str>>,
    /// The part it is, of a 206 (3.3).
    pub part: Option<Part>,
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
) -> Result<Storable, NotStored> {
    // 3: the method is understood; a stored GET also serves HEAD, never the other way round.
    if !request.get {
        return Err(NotStored::Method);
    }
    // 3: the status is final, and 304 is no answer of its own. 3.3: a 206 is one part.
    let part = match status {
        206 if rules.to_the_letter => fields.field("content-range").and_then(|value| Part::of_content_range(&value)),
        _ => None,
    };
    if !(200..=599).contains(&status) || status == 304 || (status == 206 && part.is_none()) {
        return Err(NotStored::Status);
    }
    let Governing { directives: cc, targeted, forbidden } = CacheControl::of_response(fields, &rules.targets);
    // 3, 5.2.2.3: must-understand stands above no-store for who understands the status.
    if cc.must_understand && !is_understood(status) {
        return Err(NotStored::NotUnderstood);
    }
    // 5.2.1.5, 5.2.2.5
    if request.no_store || (cc.no_store && !cc.must_understand) {
        return Err(NotStored::NoStore);
    }
    // 5.2.2.7: this is a shared cache.
    if cc.private || (forbidden && !rules.to_the_letter) {
        return Err(NotStored::Private);
    }
    if !rules.set_cookie && fields.has("set-cookie") {
        return Err(NotStored::SetCookie);
    }
    // 3.5
    let shared = is_shared(&cc);
    if request.authorization && !shared {
        return Err(NotStored::Authorization);
    }
    // 4.1
    let varies = match Varies::of(fields) {
        Varies::On(names) if names.is_empty() || rules.max_variants > 0 => names,
        _ => return Err(NotStored::Vary),
    };
    if body_length.is_some_and(|length| length > rules.max_body) {
        return Err(NotStored::TooLarge);
    }
    let has_validator = !Validators::of(fields).is_empty();
    // 5.2.2.4: never used without validation.
    if cc.no_cache && !(rules.to_the_letter && has_validator) {
        return Err(NotStored::NoCache);
    }
    let age = initial_age(fields, request.request_time, response_time);
    let lifetime = match lifetime(rules, status, &cc, targeted, fields, response_time, age) {
        Ok(_) if cc.no_cache => Duration::ZERO,
        Err(NotStored::NoLifetime) if rules.to_the_letter && has_validator && may_be_reused(status, &cc) => {
            Duration::ZERO
        }
        other => other?,
    };
    let born = response_time.minus(age);
    // An age that reaches back before the epoch is taken off the lifetime instead.
    let lifetime = lifetime.saturating_sub(age.saturating_sub(response_time.since(born)));
    // What nothing validates may still be of use, stale, when the origin cannot be reached (4.2.4).
    let never_stale = cc.forbids_stale() || cc.s_maxage.is_some();
    let freshness = Freshness {
        born,
        lifetime,
        stale_while_revalidate: window(rules.stale_while_revalidate, cc.stale_while_revalidate, &cc),
        stale_if_error: window(rules.stale_if_error, cc.stale_if_error, &cc),
        keep: if has_validator || (rules.to_the_letter && !never_stale) { rules.keep } else { Duration::ZERO },
        never_stale,
    };
    // To store what is of use only once it is validated is the letter's way; elsewhere handlers rarely answer 304.
    let left = if rules.to_the_letter && has_validator {
        freshness.retention_left(response_time)
    } else {
        freshness.usable_left(response_time)
    };
    if left.is_zero() {
        return Err(if lifetime.is_zero() { NotStored::NoLifetime } else { NotStored::Expired });
    }
    Ok(Storable { freshness, shared, varies, withheld: cc.withheld, part })
}

/// 3.5: the response itself says that an answer to a request with `Authorization` may be shared.
#[must_use]
pub fn is_shared(cc: &CacheControl) -> bool {
    cc.public || cc.must_revalidate || cc.s_maxage.is_some()
}

/// 3: what may be stored without explicit freshness.
fn may_be_reused(status: u16, cc: &CacheControl) -> bool {
    cc.public || heuristically_cacheable(status)
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
    if let Some(cap) = rules.heuristics
        && may_be_reused(status, cc)
        && let Some(lifetime) = heuristic_lifetime(fields, response_time, cap)
    {
        return Ok(lifetime);
    }
    Err(NotStored::NoLifetime)
}

/// The final statuses of RFC 9110 section 15, 304 excepted: none asks more of a cache than RFC 9111 says.
fn is_understood(status: u16) -> bool {
    matches!(status, 200..=206 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

/// RFC 9110 section 15.1.
fn heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// A stale window: the owner's, else the response's own. `must-revalidate`, `proxy-revalidate` and `no-cache` forbid both
/// (RFC 9111 section 4.2.4); `s-maxage` forbids only the response's own (5.2.2.10).
fn window(owner: Option<Duration>, own: Option<u32>, cc: &CacheControl) -> Duration {
    if cc.forbids_stale() {
        return Duration::ZERO;
    }
    match owner {
        Some(window) => window,
        None if cc.s_maxage.is_some() => Duration::ZERO,
        None => Duration::from_secs(u64::from(own.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(784_111_777);
    const GET: RequestFacts = RequestFacts { get: true, authorization: false, no_store: false, request_time: NOW };

    fn owner(secs: u64) -> StoreRules {
        StoreRules {
            statuses: vec![(404, Duration::from_secs(5))],
            max_body: 1000,
            max_variants: 8,
            ..StoreRules::new(Lifetime::Owner(Duration::from_secs(secs)))
        }
    }

    fn from_fields() -> StoreRules {
        StoreRules { lifetime: Lifetime::Fields(None), statuses: Vec::new(), ..owner(0) }
    }

    fn letter() -> StoreRules {
        StoreRules {
            to_the_letter: true,
            set_cookie: true,
            heuristics: Some(Duration::from_secs(86_400)),
            ..from_fields()
        }
    }

    const OLD: &str = "Sun, 06 Nov 1994 08:49:27 GMT";

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
            (owner(30), GET, 200, &[("vary", "accept")], Ok(30)),
            (owner(30), GET, 200, &[("vary", "*")], Err(NotStored::Vary)),
            (owner(30), GET, 200, &[("vary", "accept, *")], Err(NotStored::Vary)),
            (StoreRules { max_variants: 0, ..owner(30) }, GET, 200, &[("vary", "accept")], Err(NotStored::Vary)),
            (StoreRules { max_variants: 0, ..owner(30) }, GET, 200, &[], Ok(30)),
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
            (letter(), GET, 403, &[("last-modified", "Sun, 06 Nov 1994 08:49:27 GMT")], Err(NotStored::NoLifetime)),
            (letter(), GET, 403, &[("last-modified", OLD), ("cache-control", "public")], Ok(1)),
            (letter(), GET, 418, &[("cache-control", "max-age=9")], Ok(9)),
            (letter(), GET, 206, &[("cache-control", "max-age=9")], Err(NotStored::Status)),
            (letter(), GET, 206, &[("cache-control", "max-age=9"), ("content-range", "bytes 0-9/20")], Ok(9)),
            (owner(30), GET, 206, &[("content-range", "bytes 0-9/20")], Err(NotStored::Status)),
            (letter(), GET, 200, &[("cache-control", "no-cache, max-age=9")], Err(NotStored::NoCache)),
            (letter(), GET, 200, &[("cache-control", "no-cache, max-age=9"), ("etag", "\"a\"")], Ok(0)),
            (letter(), GET, 200, &[("cache-control", "max-age=0"), ("etag", "\"a\"")], Ok(0)),
            (letter(), GET, 200, &[("etag", "\"a\"")], Ok(0)),
            (letter(), GET, 403, &[("etag", "\"a\"")], Err(NotStored::NoLifetime)),
            (letter(), GET, 200, &[("cache-control", "max-age=0")], Err(NotStored::NoLifetime)),
            (from_fields(), GET, 200, &[("cache-control", "max-age=0"), ("etag", "\"a\"")], Err(NotStored::NoLifetime)),
            (letter(), GET, 200, &[("cache-control", "no-store, must-understand, max-age=9")], Ok(9)),
            (letter(), GET, 299, &[("cache-control", "must-understand, max-age=9")], Err(NotStored::NotUnderstood)),
            (letter(), GET, 299, &[("cache-control", "max-age=9")], Ok(9)),
            (letter(), shy, 200, &[("cache-control", "must-understand, max-age=9")], Err(NotStored::NoStore)),
            (letter(), GET, 200, &[("cache-control", "private=\"x-user\", max-age=9")], Ok(9)),
            (
                letter(),
                GET,
                200,
                &[("cache-control", "max-age=9"), ("cdn-cache-control", "no-store")],
                Err(NotStored::NoStore),
            ),
            (letter(), GET, 200, &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=9")], Ok(9)),
            (
                letter(),
                GET,
                200,
                &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=9,")],
                Err(NotStored::NoStore),
            ),
        ];
        for (rules, request, status, fields, expected) in cases {
            let got =
                storable(rules, *request, *status, *fields, Some(10), NOW).map(|s| s.freshness.lifetime.as_secs());
            assert_eq!(got, *expected, "{status} {fields:?}");
        }
    }

    #[test]
    fn bodies_over_the_limit() {
        assert_eq!(storable(&owner(30), GET, 200, &[][..], Some(1001), NOW), Err(NotStored::TooLarge));
    }

    #[test]
    fn what_is_stored_says_how() {
        let of = |fields: &[(&str, &str)]| storable(&letter(), GET, 200, fields, None, NOW).unwrap();
        let plain = of(&[("cache-control", "max-age=9")]);
        assert!(!plain.shared && plain.varies.is_empty() && plain.withheld.is_empty());
        assert!(!plain.freshness.never_stale && plain.freshness.keep.as_secs() == 3600);
        let strict = of(&[("cache-control", "max-age=9, must-revalidate")]);
        assert!(strict.freshness.never_stale && strict.freshness.keep.is_zero());
        let rich = of(&[("cache-control", "s-maxage=9, private=\"x-a\""), ("vary", "x-b"), ("etag", "\"e\"")]);
        assert!(rich.shared && rich.freshness.never_stale && rich.freshness.keep.as_secs() == 3600);
        assert_eq!((rich.varies, rich.withheld), (vec!["x-b".into()], vec!["x-a".into()]));
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
            let f = storable(rules, GET, 200, &[("cache-control", cc)][..], None, NOW).unwrap().freshness;
            assert_eq!(f.stale_while_revalidate.as_secs(), expected, "{cc}");
        }
    }
}
