//! What a request may have: read once, before anything is awaited, so that the walk needs the request no more.

use super::CacheConfig;
use crate::message::{Ask, Hide, RequestView};
use crate::policy::{CacheKey, Policy, RouteId, cookies};
use crate::semantics::cache_control::CacheControl;
use crate::semantics::status::ForwardReason;
use crate::semantics::validation::Conditions;
use std::sync::Arc;

/// How one request is treated.
pub(super) struct Plan {
    pub(super) route: RouteId,
    pub(super) policy: Arc<Policy>,
    pub(super) gate: Gate,
    /// The client asked with HEAD.
    pub(super) head: bool,
    /// The client asked with GET or HEAD, so that caches in front might keep the answer.
    pub(super) cacheable_method: bool,
}

pub(super) enum Gate {
    /// The cache steps aside.
    Forward(Forward),
    /// The cache may answer.
    Lookup(Question),
}

#[derive(Clone, Copy)]
pub(super) struct Forward {
    pub(super) reason: ForwardReason,
    pub(super) detail: Option<&'static str>,
    /// The answer is taken to belong to one person.
    pub(super) personal: bool,
}

impl Forward {
    /// The route's policy is to bypass. The owner says so where answers are personal.
    pub(super) const BY_POLICY: Self = Self { reason: ForwardReason::Bypass, detail: Some("policy"), personal: true };
}

/// What the cache has to know to answer.
pub(super) struct Question {
    pub(super) key: CacheKey,
    pub(super) conditions: Conditions,
    /// The request carries `Authorization` and the handler sees it.
    pub(super) authorization: bool,
    /// The client's directives, where the policy obeys them.
    pub(super) directives: Option<CacheControl>,
    /// RFC 9111 section 5.2.1.5 holds under every policy: such a request never makes the cache store.
    pub(super) no_store: bool,
    /// What the origin is asked on a miss.
    pub(super) ask: Ask,
    /// What is masked when the cache asks on its own account.
    pub(super) hide: Hide,
}

impl Plan {
    pub(super) fn of(config: &CacheConfig, request: &dyn RequestView) -> Self {
        let (route, policy) = config.routes().find(request.path());
        Self::build(config, route, Arc::clone(policy), request)
    }

    /// Under a policy that is not in the table, counted with the fallback unless the table has the path.
    pub(super) fn under(config: &CacheConfig, policy: Arc<Policy>, request: &dyn RequestView) -> Self {
        let (route, _) = config.routes().find(request.path());
        Self::build(config, route, policy, request)
    }

    fn build(config: &CacheConfig, route: RouteId, policy: Arc<Policy>, request: &dyn RequestView) -> Self {
        let (get, head) = (request.method() == "GET", request.method() == "HEAD");
        let gate = match forward(config, &policy, request) {
            Some(forward) => Gate::Forward(forward),
            None => Gate::Lookup(question(config, &policy, request)),
        };
        Self { route, policy, gate, head, cacheable_method: get || head }
    }
}

/// Why the cache has to step aside, if it has to.
fn forward(config: &CacheConfig, policy: &Policy, request: &dyn RequestView) -> Option<Forward> {
    let bypass = |detail, personal| Some(Forward { reason: ForwardReason::Bypass, detail: Some(detail), personal });
    let answered = match request.method() {
        "GET" => policy.methods.get,
        "HEAD" => policy.methods.head,
        _ => false,
    };
    if policy.bypass {
        return Some(Forward::BY_POLICY);
    }
    if !answered {
        return Some(Forward { reason: ForwardReason::Method, detail: None, personal: false });
    }
    // RFC 9110 section 7.8: what follows a change of protocol is no response to keep.
    if request.has("upgrade") {
        return bypass("upgrade", false);
    }
    if has_visible_content(policy, request) {
        return bypass("content", true);
    }
    if policy.store.to_the_letter {
        return None;
    }
    if config.0.unkeyed_headers.iter().any(|name| request.has(name)) {
        return bypass("unkeyed-header", true);
    }
    if !policy.anonymous {
        let cookies = request.field("cookie");
        if cookies.is_some_and(|field| !cookies::all_match(&field, &config.0.harmless_cookies)) {
            return bypass("cookie", true);
        }
    }
    None
}

/// Content in a GET has no meaning (RFC 9110 section 9.3.1), but a handler may read it, and no key holds it. It is no
/// obstacle where the handler does not get to see it.
fn has_visible_content(policy: &Policy, request: &dyn RequestView) -> bool {
    let hidden = request.masks_content() && !policy.store.to_the_letter && !request.has("authorization");
    let some = |length: std::borrow::Cow<'_, [u8]>| length.trim_ascii() != b"0";
    !hidden && (request.has("transfer-encoding") || request.field("content-length").is_some_and(some))
}

fn question(config: &CacheConfig, policy: &Policy, request: &dyn RequestView) -> Question {
    let letter = policy.store.to_the_letter;
    let directives = request.field("cache-control").map(|value| CacheControl::parse(&value));
    let authorization = !policy.anonymous && request.has("authorization");
    let hide = match policy {
        Policy { anonymous: true, .. } => Hide::Identity,
        _ if letter => Hide::Nothing,
        _ => Hide::Cookies,
    };
    // Where the answer may turn out to be one visitor's own, the handler gets that visitor's request as it is.
    let ask = if letter || authorization { Ask::AsIs } else { Ask::Whole { hide } };
    Question {
        key: CacheKey::of(&config.0.prefix, policy.query, request),
        conditions: Conditions::of(request),
        authorization,
        no_store: directives.as_ref().is_some_and(|cc| cc.no_store),
        directives: directives.filter(|_| letter),
        ask,
        hide,
    }
}

impl Plan {
    /// The plan of a refresh on the cache's own account.
    pub(super) fn for_refresh(&self, question: &Question) -> Self {
        let question = Question {
            key: question.key.clone(),
            conditions: Conditions::default(),
            authorization: question.authorization,
            directives: None,
            no_store: question.no_store,
            ask: Ask::Whole { hide: question.hide },
            hide: question.hide,
        };
        Self { route: self.route, policy: Arc::clone(&self.policy), gate: Gate::Lookup(question), head: false, ..*self }
    }
}
