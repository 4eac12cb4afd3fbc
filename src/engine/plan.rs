//! What a request may have: read once, before anything is awaited, so that the walk needs the request no more.

use super::{CacheConfig, UNKEYED_HEADERS};
use crate::entry::Head;
use crate::message::{Ask, Hide, RequestView, Response};
use crate::policy::key::{KeyName, Keyed};
use crate::policy::path::is_ambiguous;
use crate::policy::{CacheKey, Policy, RouteId, Values, cookies};
use crate::semantics::cache_control::{CacheControl, Governing};
use crate::semantics::freshness::{Timestamp, explicit_lifetime};
use crate::semantics::invalidation::{Target, authority_of, is_unsafe};
use crate::semantics::status::ForwardReason;
use crate::semantics::validation::Conditions;
use crate::semantics::{Fields, list_members};
use std::sync::Arc;

/// How one request is treated.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) route: RouteId,
    pub(super) policy: Arc<Policy>,
    /// The client asked with HEAD.
    pub(super) head: bool,
    /// The client asked with GET or HEAD, so that caches in front might keep the answer.
    pub(super) cacheable_method: bool,
    /// No request stands behind it, but the wish for a value.
    #[cfg(feature = "data")]
    pub(super) value: Option<super::data::Value>,
}

pub(super) enum Gate {
    /// The cache steps aside.
    Forward(Forward),
    /// The cache may answer.
    Lookup(Arc<Question>),
}

pub(super) struct Forward {
    pub(super) reason: ForwardReason,
    pub(super) detail: Option<&'static str>,
    /// The answer is taken to belong to one person.
    pub(super) personal: bool,
    /// What the request may change, when its method is unsafe.
    pub(super) change: Option<Change>,
}

/// An unsafe request.
pub(super) struct Change {
    pub(super) method: Box<str>,
    pub(super) target: Target,
    /// What the request has of all that policies key on.
    pub(super) fields: Arc<dyn Fields + Send + Sync>,
    pub(super) values: Values,
    /// What a GET of the target would ask, where the answer to a POST may be stored for it.
    pub(super) stored_for: Option<Arc<Question>>,
}

impl Change {
    /// Whether a GET of the target may be answered with this answer to a POST: it says how long, and that it is the
    /// target's own representation (RFC 9110 section 9.3.3).
    pub(super) fn is_answered_by(&self, plan: &Plan, response: &Response, now: Timestamp) -> bool {
        let fields = &response.headers;
        let Governing { directives, targeted, .. } =
            CacheControl::of_response(fields, &plan.policy.terms.store.targets);
        let of_target = || {
            let location = fields.field("content-location")?;
            self.target.refers_to(std::str::from_utf8(&location).ok()?)
        };
        response.status == 200
            && explicit_lifetime(&directives, targeted, fields, now).is_some()
            && of_target().is_some_and(|target| target == self.target)
    }
}

impl Forward {
    const fn bypass(detail: &'static str, personal: bool) -> Self {
        Self { reason: ForwardReason::Bypass, detail: Some(detail), personal, change: None }
    }

    /// The route's policy is to bypass. The owner says so where answers are personal.
    pub(super) const BY_POLICY: Self =
        Self { reason: ForwardReason::Bypass, detail: Some("policy"), personal: true, change: None };
}

/// What the cache has to know to answer. It learns as long as it looks; then it is shared by all that is done behind the answer.
pub(super) struct Question {
    /// The target's own key, which names its primary slot.
    pub(super) key: CacheKey,
    /// The key of the variant that is asked for, once the primary slot has turned out to hold another.
    pub(super) variant: Option<CacheKey>,
    /// What the primary slot holds.
    pub(super) primary: Option<Arc<Head>>,
    /// How many entries this isolate had made void when the question was put.
    pub(super) begun: u64,
    /// How many answers to other requests had come when the question was put ([`Guard::flights`](super::resilience::Guard)).
    #[cfg(feature = "resilience")]
    pub(super) seen: u64,
    /// L2 has a copy of an entry that was found.
    pub(super) in_l2: bool,
    /// The request's fields, for those that select a variant.
    pub(super) fields: Arc<dyn Fields + Send + Sync>,
    pub(super) conditions: Conditions,
    /// The request carries `Authorization` and the handler sees it.
    pub(super) authorization: bool,
    /// Something of the request that is keyed on or seen says who is asking.
    pub(super) personal: bool,
    /// The client's directives, where the policy obeys them.
    pub(super) directives: Option<CacheControl>,
    /// RFC 9111 section 5.2.1.5 holds under every policy: such a request never makes the cache store.
    pub(super) no_store: bool,
    /// What the origin is asked on a miss.
    pub(super) ask: Ask,
    /// Path and query as they count.
    target: Box<str>,
    /// What is masked when the cache asks on its own account.
    pub(super) hide: Hide,
    /// The fields that the values are computed from.
    #[cfg(feature = "verify")]
    pub(super) computed_from: Vec<Box<str>>,
}

impl Plan {
    /// For a request.
    pub(super) fn new(route: RouteId, policy: Arc<Policy>, head: bool, cacheable_method: bool) -> Self {
        Self {
            route,
            policy,
            head,
            cacheable_method,
            #[cfg(feature = "data")]
            value: None,
        }
    }

    /// Whether a client is going to see the answer, and caches in front of this one.
    #[cfg(feature = "data")]
    pub(super) fn is_for_a_client(&self) -> bool {
        self.value.is_none()
    }

    /// The same where there are no values.
    #[cfg(not(feature = "data"))]
    #[allow(clippy::unused_self, reason = "as with values")]
    pub(super) const fn is_for_a_client(&self) -> bool {
        true
    }

    /// Whether no request stands behind it, but the wish for a value.
    pub(super) fn is_for_a_value(&self) -> bool {
        !self.is_for_a_client()
    }

    pub(super) fn of(config: &CacheConfig, request: &dyn RequestView) -> (Self, Gate) {
        let (route, policy) = config.routes().find(request.path());
        Self::build(config, route, Arc::clone(policy), request)
    }

    /// Under a policy that is not in the table, counted with the fallback unless the table has the path.
    pub(super) fn under(config: &CacheConfig, policy: Arc<Policy>, request: &dyn RequestView) -> (Self, Gate) {
        let (route, _) = config.routes().find(request.path());
        Self::build(config, route, policy, request)
    }

    fn build(config: &CacheConfig, route: RouteId, policy: Arc<Policy>, request: &dyn RequestView) -> (Self, Gate) {
        let (get, head) = (request.method() == "GET", request.method() == "HEAD");
        let gate = match forward(config, route, &policy, request) {
            Some(forward) => Gate::Forward(forward),
            None => match question(config, &policy, request) {
                Some(question) => Gate::Lookup(Arc::new(question)),
                None => Gate::Forward(Forward::bypass("key-value", true)),
            },
        };
        (Self::new(route, policy, head, get || head), gate)
    }
}

/// Why the cache has to step aside, if it has to.
fn forward(config: &CacheConfig, route: RouteId, policy: &Policy, request: &dyn RequestView) -> Option<Forward> {
    let bypass = |detail, personal| Some(Forward::bypass(detail, personal));
    let method = request.method();
    let answered = match method {
        "GET" => policy.terms.methods.get,
        "HEAD" => policy.terms.methods.head,
        _ => false,
    };
    let change = is_unsafe(method).then(|| change(config, policy, request));
    if policy.terms.bypass {
        return Some(Forward { change, ..Forward::BY_POLICY });
    }
    if !answered {
        return Some(Forward { reason: ForwardReason::Method, detail: None, personal: false, change });
    }
    #[cfg(feature = "verify")]
    if policy.terms.verify.is_some() && config.is_quarantined(route) {
        return bypass("quarantine", true);
    }
    // RFC 9110 section 7.8: what follows a change of protocol is no response to keep.
    if request.has("upgrade") {
        return bypass("upgrade", false);
    }
    if has_visible_content(policy, request) {
        return bypass("content", true);
    }
    let path = policy.terms.keyer.path.apply(request.path());
    if *path != *request.path() && (request.path_is_settled() || !alike(config, route, &path)) {
        return bypass("path", true);
    }
    if policy.terms.store.to_the_letter {
        return None;
    }
    if request.field("connection").is_some_and(|options| !list_members(&options).all(is_plain_option)) {
        return bypass("connection", true);
    }
    // The route that was found may be another than the one that the handler finds.
    if !policy.terms.keyer.path.ambiguous && is_ambiguous(request.path()) {
        return bypass("path", true);
    }
    let is_unkeyed = |name: &str| request.has(name) && !policy.terms.keyer.has_header(name);
    let unkeyed = match &config.0.unkeyed_headers {
        None => request.has_any(UNKEYED_HEADERS) && UNKEYED_HEADERS.iter().any(|name| is_unkeyed(name)),
        Some(names) => names.iter().any(|name| is_unkeyed(name)),
    };
    if unkeyed {
        return bypass("unkeyed-header", true);
    }
    if !policy.terms.anonymous {
        let cookies = request.field("cookie");
        let (keyed, harmless) = (&policy.terms.keyer.cookies, &config.0.harmless_cookies);
        if cookies.is_some_and(|field| !cookies::all_known(&field, keyed, harmless)) {
            return bypass("cookie", true);
        }
    }
    None
}

/// Whether the path as it counts has the rule of the path as it was sent, or one of the same policy: the handler that sees it is
/// then cached alike.
fn alike(config: &CacheConfig, route: RouteId, path: &str) -> bool {
    let (other, policy) = config.routes().find(path);
    other == route || config.routes().policy(route) == Some(policy)
}

/// Whether a connection option takes no field off the request: one that is named so the next hop removes (RFC 9110 section 7.6.1), and
/// who is to tell whether the handler is behind it?
fn is_plain_option(option: &[u8]) -> bool {
    [&b"close"[..], b"keep-alive", b"te", b"upgrade"].iter().any(|plain| option.eq_ignore_ascii_case(plain))
}

fn change(config: &CacheConfig, policy: &Policy, request: &dyn RequestView) -> Change {
    let terms = &policy.terms;
    let may_be_stored = terms.store.to_the_letter && !terms.bypass && request.method() == "POST";
    let question = if may_be_stored { question(config, policy, request) } else { None };
    Change {
        method: request.method().into(),
        target: Target {
            scheme: request.scheme().into(),
            authority: request.authority().into(),
            path: request.path().into(),
            query: request.query().map(Into::into),
        },
        fields: request.keep_fields(),
        values: config.values(request, None),
        // The handler of a POST sees all of the request: only where that of a GET would too.
        stored_for: question.filter(|question| question.ask.is_as_is()).map(Arc::new),
    }
}

/// Content in a GET has no meaning (RFC 9110 section 9.3.1), but a handler may read it, and no key holds it. It is no
/// obstacle where the handler does not get to see it.
fn has_visible_content(policy: &Policy, request: &dyn RequestView) -> bool {
    let hidden = request.masks_content() && !policy.terms.store.to_the_letter && !request.has("authorization");
    !hidden && request.has_content()
}

/// What the cache has to know; nothing when a value that the policy keys on cannot be computed.
fn question(config: &CacheConfig, policy: &Policy, request: &dyn RequestView) -> Option<Question> {
    let (keyer, letter) = (&policy.terms.keyer, policy.terms.store.to_the_letter);
    #[cfg(feature = "verify")]
    let noting = super::noting::Noting::new(request);
    #[cfg(feature = "verify")]
    let values = config.values(&noting, Some(&keyer.values));
    #[cfg(not(feature = "verify"))]
    let values = config.values(request, Some(&keyer.values));
    let parts = keyer.parts(&policy.terms.narrow, request, &values)?;
    let keyed = keyer.keyed((request.scheme(), request.authority()), request.path(), request.query(), &parts);
    let directives = request.field("cache-control").map(|value| CacheControl::parse(&value));
    let authorization = !policy.terms.anonymous && request.has("authorization") && !keyer.has_header("authorization");
    let hide = match letter {
        _ if policy.terms.anonymous => Hide::Identity,
        true if keyer.cookies.is_empty() => Hide::Nothing,
        _ => Hide::Cookies,
    };
    // Where the answer may turn out to be one visitor's own, the handler gets that visitor's conditions and range.
    let mut ask = if letter || authorization { Ask { hide, ..Ask::AS_IS } } else { Ask::whole(hide) };
    for narrow in &policy.terms.narrow {
        let sent = request.field(narrow.field());
        let chosen = narrow.choose(sent.as_deref());
        if sent.as_deref() != Some(chosen.as_bytes()) {
            ask.set.push((narrow.field().into(), chosen.into()));
        }
    }
    // Of what is keyed on the handler sees what counts: several lines as one, blanks and empty members evened out.
    for (label, value) in &parts {
        if let (Some(name), Some(value)) = (label.strip_prefix("header:"), value)
            && request.field(name).as_deref() != Some(value.as_bytes())
            && ask.put(name).is_none()
        {
            ask.set.push((name.to_owned().into(), value.clone()));
        }
    }
    if ask.hide != Hide::Nothing && !keyer.cookies.is_empty() {
        let kept = request.field("cookie").and_then(|field| cookies::only(&field, &keyer.cookies));
        ask.set.extend(kept.map(|kept| ("cookie".into(), kept)));
    }
    let target = counted(&keyed);
    if *keyed.path != *request.path() || keyed.query.as_deref() != request.query() {
        ask.target = Some(target.clone());
    }
    // RFC 9110 section 14.2: a range has a meaning for GET only.
    let conditions = Conditions::of(request, request.method() == "GET");
    let key = CacheKey::of(&config.0.prefix, &keyed);
    Some(Question {
        authorization,
        personal: (!policy.terms.anonymous && request.has("authorization"))
            || parts.iter().any(|(label, value)| label.starts_with("cookie:") && value.is_some()),
        no_store: directives.as_ref().is_some_and(|cc| cc.no_store),
        directives: directives.filter(|_| letter),
        target,
        hide,
        #[cfg(feature = "verify")]
        computed_from: noting.into_names(),
        ..Question::bare(config, key, conditions, request.keep_fields(), ask)
    })
}

/// Path and query as they count.
fn counted(keyed: &Keyed<'_>) -> Box<str> {
    let query = keyed.query.as_deref().map_or([""; 2], |query| ["?", query]);
    [&*keyed.path, query[0], query[1]].concat().into()
}

impl Question {
    /// One put now, by nobody in particular.
    pub(super) fn bare(
        config: &CacheConfig,
        key: CacheKey,
        conditions: Conditions,
        fields: Arc<dyn Fields + Send + Sync>,
        ask: Ask,
    ) -> Self {
        Self {
            key,
            variant: None,
            primary: None,
            begun: config.0.living.voids.count(),
            #[cfg(feature = "resilience")]
            seen: config.0.living.guard.flights.landings(),
            in_l2: false,
            fields,
            conditions,
            authorization: false,
            personal: false,
            no_store: false,
            directives: None,
            hide: ask.hide,
            ask,
            target: "".into(),
            #[cfg(feature = "verify")]
            computed_from: Vec::new(),
        }
    }

    /// Whether the response sends the client to what it asked, by the same key.
    #[inline(never)]
    pub(super) fn leads_back(&self, plan: &Plan, response: &Response) -> bool {
        if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
            return false;
        }
        let location = response.headers.field("location");
        let Some(location) = location.as_deref().and_then(|value| std::str::from_utf8(value).ok()) else {
            return false;
        };
        let keyer = &plan.policy.terms.keyer;
        let (scheme, mut authority) = self.key.site();
        // Where hosts share their entries another host is no other place.
        if let (true, Some(other)) = (keyer.shared_between_hosts, authority_of(location)) {
            authority = other;
        }
        let (path, query) =
            self.target.split_once('?').map_or((&*self.target, None), |(path, query)| (path, Some(query)));
        let base = Target {
            scheme: scheme.into(),
            authority: authority.into(),
            path: path.into(),
            query: query.map(Into::into),
        };
        base.refers_to(location).is_some_and(|to| {
            let keyed = keyer.keyed((&to.scheme, &to.authority), &to.path, to.query.as_deref(), &[]);
            counted(&keyed) == self.target
        })
    }

    /// The key of what is asked for, as far as it is known.
    pub(super) fn slot(&self) -> &CacheKey {
        self.variant.as_ref().unwrap_or(&self.key)
    }

    /// The names under which an entry for it may be made void.
    pub(super) fn names(&self) -> [KeyName; 2] {
        [self.key.name(), self.slot().name()]
    }

    /// What the origin is asked on the cache's own account: for a whole answer, if these `conditions` say that it is another
    /// than the one stored (RFC 9111 section 4.3.1).
    pub(super) fn conditional(&self, conditions: Vec<(&'static str, Box<str>)>) -> Ask {
        let mut ask = Ask { whole: true, hide: self.hide, ..self.ask.clone() };
        ask.set.extend(conditions.into_iter().map(|(name, value)| (name.into(), value)));
        ask
    }
}
