//! What names and paths look like.

/// Segments of paths where answers are somebody's.
const PERSONAL: &[&str] = &[
    "account",
    "accounts",
    "admin",
    "basket",
    "billing",
    "cart",
    "checkout",
    "dashboard",
    "inbox",
    "login",
    "logout",
    "me",
    "my",
    "order",
    "orders",
    "profile",
    "profiles",
    "session",
    "sessions",
    "settings",
    "signin",
    "sign-in",
    "signup",
    "sign-up",
    "user",
    "users",
    "wallet",
    "wishlist",
];

/// Segments of paths where the query says what is asked.
const SEARCHES: &[&str] =
    &["autocomplete", "find", "lookup", "query", "results", "search", "suggest", "suggestions", "typeahead"];

/// Segments of paths where files do not change, or change their names when they do.
const STATIC: &[&str] = &[
    "_next", "asset", "assets", "build", "cdn", "css", "dist", "file", "files", "font", "fonts", "icons", "image",
    "images", "img", "js", "media", "public", "static", "vendor",
];

/// What names of cookies that tell who somebody is are made of.
const IDENTITY: &[&str] = &["auth", "csrf", "jwt", "login", "remember", "sess", "token", "xsrf"];

/// Names that frameworks give to such cookies.
const SESSIONS: &[&str] = &[
    "session",
    "sessionid",
    "sid",
    "connect.sid",
    "auth",
    "access_token",
    "token",
    "jwt",
    "csrftoken",
    "xsrf-token",
    "login",
    "phpsessid",
    "jsessionid",
    "asp.net_sessionid",
    "_session",
    "_csrf",
    "laravel_session",
    "remember_token",
    "wordpress_logged_in_",
    "__host-session",
    "__secure-session",
    "cf_authorization",
];

/// The first segment of `pattern` that is one of `words`, whatever its case; parameters say nothing.
fn segment<'p>(pattern: &'p str, words: &[&str]) -> Option<&'p str> {
    let plain = |segment: &&str| !segment.contains([':', '*']);
    let is_one = |segment: &&str| words.iter().any(|word| segment.eq_ignore_ascii_case(word));
    pattern.split('/').filter(plain).find(is_one)
}

pub(super) fn personal(pattern: &str) -> Option<&str> {
    segment(pattern, PERSONAL)
}

pub(super) fn search(pattern: &str) -> Option<&str> {
    segment(pattern, SEARCHES)
}

pub(super) fn is_static(pattern: &str) -> bool {
    segment(pattern, STATIC).is_some()
}

/// Whether a cookie of that name, or one of those that a name ending in `*` stands for, may tell who somebody is.
pub(super) fn identifies(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix('*');
    let plain = stem.unwrap_or(&name);
    IDENTITY.iter().any(|part| plain.contains(part))
        || plain.split(['.', '_', '-']).any(|part| part == "sid")
        || stem.is_some_and(|stem| SESSIONS.iter().any(|session| session.starts_with(stem)))
}

/// Whether the request field says who somebody is.
pub(super) fn is_credential(field: &str) -> bool {
    identifies(field) || field == "x-forwarded-user" || field.contains("api-key")
}

/// Request fields that differ from client to client, or from request to request.
pub(super) fn is_of_one_client(field: &str) -> bool {
    let known = [
        "cf-connecting-ip",
        "cf-ipcity",
        "cf-ray",
        "date",
        "forwarded",
        "if-modified-since",
        "if-none-match",
        "referer",
        "traceparent",
        "tracestate",
        "true-client-ip",
        "user-agent",
        "x-forwarded-for",
        "x-real-ip",
        "x-request-id",
    ];
    known.contains(&field) || ["cookie", "nonce", "correlation-id", "trace-id"].iter().any(|part| field.contains(part))
}

/// `names` in quotation marks, with commas.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("{name:?}")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (pattern, word) in [
            ("/account/*rest", Some("account")),
            ("/api/Me", Some("Me")),
            ("/shop/:user/x", None),
            ("/posts/:user", None),
            ("/*account", None),
            ("/accounting", None),
            ("/assets/login.css", None),
        ] {
            assert_eq!(personal(pattern), word, "{pattern}");
        }
        assert!(search("/api/search").is_some() && search("/research").is_none());
        assert!(is_static("/assets/*rest") && !is_static("/api/*assets"));
    }

    #[test]
    fn cookies() {
        for name in
            ["session", "PHPSESSID", "connect.sid", "sid", "my_token", "csrftoken", "JWT", "*", "s*", "_*", "__Host-*"]
        {
            assert!(identifies(name), "{name}");
        }
        for name in
            crate::policy::cookies::HARMLESS_COOKIES.iter().chain(&["theme", "sidebar", "lang", "inside", "ab_*"])
        {
            assert!(!identifies(name), "{name}");
        }
    }

    #[test]
    fn fields() {
        assert!(["user-agent", "x-forwarded-for", "x-cookie-hash", "cookie2"].into_iter().all(is_of_one_client));
        assert!(["authorization", "x-api-key", "cf-access-jwt-assertion"].into_iter().all(is_credential));
        assert!(!["accept", "x-tenant", "cf-ipcountry"].into_iter().any(is_credential));
        assert!(!["accept", "cf-ipcountry", "x-tenant"].into_iter().any(is_of_one_client));
    }
}
