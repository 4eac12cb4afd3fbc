//! The table that random histories run under, and what it allows, in numbers.

use layercake::sim::{Call, Exchange, Page, Request};
use layercake::{CacheConfig, Policy, SchemaVersion, StatusForm};
use std::time::Duration;

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// What holds for the paths below one prefix.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub prefix: &'static str,
    /// `None`: never stored.
    pub lifetime: Option<Duration>,
    pub while_revalidating: Duration,
    pub on_error: Duration,
    /// The handler does not get to see who asks.
    pub anonymous: bool,
    /// It sees who asks and answers by it.
    pub personal: bool,
    pub varies: bool,
    /// A request field that is keyed on.
    pub keyed: Option<&'static str>,
    /// Its length is not known beforehand.
    pub streamed: bool,
    /// Its lifetime is the handler's word and is counted from the question; the owner's is counted from the answer.
    pub by_fields: bool,
    pub soft_timeout: Option<Duration>,
    pub hard_timeout: Option<Duration>,
}

const PLAIN: Rule = Rule {
    prefix: "",
    lifetime: Some(secs(10)),
    while_revalidating: secs(0),
    on_error: secs(0),
    anonymous: false,
    personal: false,
    varies: false,
    keyed: None,
    streamed: false,
    by_fields: false,
    soft_timeout: None,
    hard_timeout: None,
};

pub const RULES: [Rule; 11] = [
    Rule { prefix: "/short/", lifetime: Some(secs(4)), ..PLAIN },
    Rule { prefix: "/stale/", while_revalidating: secs(20), on_error: secs(60), ..PLAIN },
    Rule {
        prefix: "/said/",
        by_fields: true,
        lifetime: Some(secs(8)),
        while_revalidating: secs(8),
        on_error: secs(30),
        ..PLAIN
    },
    Rule { prefix: "/error/", lifetime: Some(secs(6)), on_error: secs(120), ..PLAIN },
    Rule { prefix: "/vary/", while_revalidating: secs(10), varies: true, ..PLAIN },
    Rule { prefix: "/mine/", while_revalidating: secs(10), personal: true, keyed: Some("authorization"), ..PLAIN },
    Rule { prefix: "/auth/", personal: true, ..PLAIN },
    Rule { prefix: "/anon/", while_revalidating: secs(5), anonymous: true, personal: true, streamed: true, ..PLAIN },
    Rule { prefix: "/large/", lifetime: Some(secs(20)), while_revalidating: secs(20), streamed: true, ..PLAIN },
    Rule { prefix: "/never/", lifetime: None, ..PLAIN },
    Rule {
        prefix: "/patient/",
        lifetime: Some(secs(5)),
        on_error: secs(60),
        soft_timeout: Some(secs(1)),
        hard_timeout: Some(secs(4)),
        ..PLAIN
    },
];

/// The rule of a path; what no rule names goes past the cache.
pub fn rule(path: &str) -> Rule {
    let bypass = Rule { prefix: "/past/", lifetime: None, personal: true, ..PLAIN };
    RULES.into_iter().find(|rule| path.starts_with(rule.prefix)).unwrap_or(bypass)
}

pub fn table() -> CacheConfig {
    let mut builder = CacheConfig::new("sim", SchemaVersion(1))
        .cache_status(StatusForm::Full)
        .log_every(u64::MAX, secs(1_000_000))
        .fallback(Policy::bypass());
    for rule in RULES {
        let lifetime = rule.lifetime.unwrap_or(secs(10));
        let mut policy = match rule.prefix {
            "/said/" | "/never/" => Policy::from_headers(),
            _ => Policy::ttl(lifetime).stale_while_revalidate(rule.while_revalidating).stale_if_error(rule.on_error),
        };
        match rule.prefix {
            "/short/" => policy = policy.jitter(20),
            "/said/" | "/anon/" => policy = policy.refresh_early(secs(4)),
            _ => {}
        }
        if rule.anonymous {
            policy = policy.anonymous();
        }
        if let Some(name) = rule.keyed {
            policy = policy.key_headers(&[name]);
        }
        if let Some(limit) = rule.soft_timeout {
            policy = policy.soft_timeout(limit);
        }
        if let Some(limit) = rule.hard_timeout {
            policy = policy.hard_timeout(limit);
        }
        builder = builder.route(&format!("{}*rest", rule.prefix), policy);
    }
    builder.build().expect("the table is right")
}

pub fn page(path: &str) -> Page {
    let rule = rule(path);
    let page = match rule.prefix {
        "/short/" => Page::new().changes_every(secs(3)),
        "/stale/" => Page::new().changes_every(secs(7)).etag(),
        "/said/" => Page::new()
            .changes_every(secs(5))
            .field("cache-control", "max-age=8, stale-while-revalidate=8, stale-if-error=30"),
        "/error/" => Page::new().etag().changes_every(secs(11)),
        "/vary/" => Page::new().changes_every(secs(9)).vary("accept-language"),
        "/large/" => Page::new().changes_every(secs(9)).size(300 << 10).streamed(),
        "/never/" => Page::new().changes_every(secs(1)).field("cache-control", "no-store"),
        "/anon/" => Page::new().changes_every(secs(9)).streamed(),
        _ => Page::new().changes_every(secs(6)),
    };
    if rule.personal { page.personal() } else { page }
}

/// What a request's answer is selected by, as [`Call::selected`] has it.
pub fn selected(request: &Request) -> String {
    if rule(&request.path).varies {
        format!("accept-language={}", request.text("accept-language").unwrap_or_default())
    } else {
        String::new()
    }
}

/// What entries are kept apart by, as far as a call shows it.
pub fn slot(call: &Call) -> (String, &str, &str) {
    (call.seen.target(), &call.audience, &call.selected)
}

pub fn is_safe(exchange: &Exchange) -> bool {
    matches!(&*exchange.request.method, "GET" | "HEAD")
}
