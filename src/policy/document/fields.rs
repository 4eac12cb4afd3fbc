//! The fields of a document. Reading, suggestions and the schema all go by these tables.

use super::Document;
use super::kind::{Field, Kind};
use crate::policy::SchemaVersion;
use crate::policy::{Policy, QueryKey, Tiers};
use crate::semantics::status::StatusForm;

const fn field<T>(name: &'static str, kind: Kind<T>, about: &'static str, default: &'static str) -> Field<T> {
    Field { name, kind, about, default }
}

/// The outermost object.
pub(super) const TABLE: &[Field<Document>] = &[
    field("$schema", Kind::Text(|document, _| document), "Where the JSON Schema of this file is, for editors.", ""),
    field(
        "app",
        Kind::Text(|document, name| Document { app: name.to_owned(), ..document }),
        "The app's name, which prefixes every key: 1 to 64 ASCII letters, digits, \"-\" or \"_\".",
        "",
    ),
    field(
        "version",
        Kind::Count(0, u32::MAX as u64, |document, version| {
            let version = SchemaVersion(u32::try_from(version).unwrap_or(u32::MAX));
            Document { version, ..document }
        }),
        "The version of what the app stores. Raise it when a new release must not read what the old one stored.",
        "",
    ),
    field(
        "environment",
        Kind::Text(|document, name| Document { environment: name.to_owned(), ..document }),
        "Keeps environments that share stores apart (staging, preview).",
        "none",
    ),
    field(
        "harmless_cookies",
        Kind::Names(|mut document, names| {
            document.settings.harmless_cookies = Some(owned(names));
            document
        }),
        "The cookies that say nothing about who asks, in place of the crate's list; a name that ends in \"*\" stands for all that begin so.",
        "the cookies of well-known analytics and consent banners",
    ),
    field(
        "unkeyed_headers",
        Kind::Names(|mut document, names| {
            document.settings.unkeyed_headers = Some(owned(names));
            document
        }),
        "The request fields that make the cache step aside, in place of the crate's list.",
        "x-forwarded-host and its kin, which change answers in some frameworks or say who is asking",
    ),
    field(
        "platform_cache",
        Kind::Switch(|mut document| {
            document.settings.platform_cache = true;
            document
        }),
        "Declares that Cloudflare's Workers Cache runs in front of this Worker.",
        "false",
    ),
    field(
        "cache_status",
        Kind::Word(&["off", "terse", "full"], |mut document, form| {
            document.settings.cache_status = Some(match form {
                "off" => StatusForm::Off,
                "full" => StatusForm::Full,
                _ => StatusForm::Terse,
            });
            document
        }),
        "How much the Cache-Status field tells everybody.",
        "terse, nothing of tiers and reason codes",
    ),
    field("hot", Kind::Group(HOT), "The bounds of the in-isolate tier.", ""),
    field(
        "log",
        Kind::Group(LOG),
        "How often the counts are logged: after so many requests or so much time, whichever comes first.",
        "",
    ),
    field(
        "fallback",
        Kind::Policy(|document, fallback| Document { fallback, ..document }),
        "The policy of paths that no rule matches.",
        "{\"from_headers\": true}",
    ),
    field(
        "routes",
        Kind::Rules(|document, routes| Document { routes, ..document }),
        "The rules. The most specific pattern wins, whatever the order.",
        "none",
    ),
];

const HOT: &[Field<Document>] = &[
    field(
        "budget",
        Kind::Bytes(|mut document, bytes| {
            document.settings.hot_budget = Some(bytes);
            document
        }),
        "Bytes of the in-isolate tier; 0 turns it off.",
        "4MiB",
    ),
    field(
        "max_body",
        Kind::Bytes(|mut document, bytes| {
            document.settings.hot_max_body = Some(bytes);
            document
        }),
        "The largest body in the in-isolate tier.",
        "64KiB",
    ),
    field(
        "ttl",
        Kind::Time(|mut document, stay| {
            document.settings.hot_ttl = Some(stay);
            document
        }),
        "How long an entry stays in the in-isolate tier at most.",
        "5s",
    ),
];

const LOG: &[Field<Document>] = &[
    field(
        "requests",
        Kind::Count(1, u64::MAX, |mut document, requests| {
            document.settings.log_requests = Some(requests);
            document
        }),
        "After this many requests.",
        "1000",
    ),
    field(
        "interval",
        Kind::Time(|mut document, interval| {
            document.settings.log_interval = Some(interval);
            document
        }),
        "After this much time.",
        "60s",
    ),
];

/// The pattern of a rule.
pub(super) const PATH: Field<()> = field(
    "path",
    Kind::Text(|(), _| ()),
    "The pattern of the paths: \":name\" takes one segment, \"*name\" at the end the rest. \"/b/*rest\" takes neither \"/b/\" nor \"/b\".",
    "",
);

/// The bases of a policy, of which each has one.
pub(super) const BASES: &[Field<Vec<Policy>>] = &[
    field(
        "ttl",
        Kind::Time(|bases, ttl| with(bases, Policy::ttl(ttl))),
        "Fresh for this long from receipt, whatever lifetime the handler's fields give. no-store and private are obeyed all the same.",
        "",
    ),
    field(
        "from_headers",
        Kind::Yes(|bases| with(bases, Policy::from_headers())),
        "Fresh for as long as the handler's Cache-Control (or a targeted field, or Expires) says; a response that is silent is not stored.",
        "",
    ),
    field(
        "rfc9111",
        Kind::Yes(|bases| with(bases, Policy::rfc9111())),
        "What a shared cache may and must do by the letter of RFC 9111: takes no notice of cookies, stores and replays Set-Cookie; for origins that mark personal answers as such.",
        "",
    ),
    field(
        "bypass",
        Kind::Yes(|bases| with(bases, Policy::bypass())),
        "Never answered from the cache, never stored.",
        "",
    ),
];

/// The settings of a policy, one for each setter of [`Policy`].
pub(super) const POLICY: &[Field<Policy>] = &[
    field(
        "stale_while_revalidate",
        Kind::Time(Policy::stale_while_revalidate),
        "How long past freshness the stale answer is served at once while a refresh runs behind it.",
        "what the response says, else none",
    ),
    field(
        "stale_if_error",
        Kind::Time(Policy::stale_if_error),
        "How long past freshness the stale answer is served instead of a 500, 502, 503 or 504, or of a handler's error.",
        "what the response says, else none",
    ),
    field(
        "soft_timeout",
        Kind::Time(Policy::soft_timeout),
        "How long the handler may take before a stale answer goes out in its place, where stale_if_error allows one.",
        "none, the handler is waited for",
    ),
    field(
        "hard_timeout",
        Kind::Time(Policy::hard_timeout),
        "How long the handler may take at most; after it a stale answer goes out where stale_if_error allows one, else a 504.",
        "none, the handler is waited for",
    ),
    field(
        "collapse_wait",
        Kind::Time(Policy::collapse_wait),
        "How long requests that find nothing stored wait for the answer that another one of the same isolate is fetching; 0 turns it off.",
        "5s",
    ),
    field(
        "refresh_early",
        Kind::Time(Policy::refresh_early),
        "The last part of a lifetime, in which answers that are asked for often are refreshed before they expire.",
        "off",
    ),
    field(
        "jitter",
        Kind::Count(0, 50, |policy, percent| policy.jitter(u8::try_from(percent).unwrap_or(u8::MAX))),
        "Shortens each stored lifetime at random by up to so many percent.",
        "0",
    ),
    field(
        "default_ttl",
        Kind::Time(Policy::default_ttl),
        "The lifetime where the response gives none itself; of use with from_headers and rfc9111.",
        "none, such a response is not stored",
    ),
    field(
        "keep",
        Kind::Time(Policy::keep),
        "How long past freshness an entry with ETag or Last-Modified is kept to be validated.",
        "1h; under rfc9111 1d",
    ),
    field(
        "heuristic_ttl",
        Kind::Time(Policy::heuristic_ttl),
        "Gives a response that says nothing of its lifetime a tenth of the time since its Last-Modified, at most this; 0 turns it off.",
        "off; under rfc9111 1d",
    ),
    field(
        "max_variants",
        Kind::Count(0, u32::MAX as u64, |policy, most| {
            policy.max_variants(usize::try_from(most).unwrap_or(usize::MAX))
        }),
        "How many variants of one target are stored where answers vary on request fields; with 0 nothing that varies is.",
        "16",
    ),
    field(
        "languages",
        Kind::Names(Policy::languages),
        "Narrows Accept-Language down to one of these tags; the first stands in when the client wants none of them.",
        "the field as sent",
    ),
    field(
        "encodings",
        Kind::Names(Policy::encodings),
        "Narrows Accept-Encoding down to the first of these codings that the client accepts, else identity.",
        "the field as sent",
    ),
    field(
        "targets",
        Kind::Names(Policy::targets),
        "The targeted fields obeyed before Cache-Control, in order (RFC 9213).",
        "Cloudflare-CDN-Cache-Control, then CDN-Cache-Control",
    ),
    field(
        "strip_targets",
        Kind::Switch(Policy::strip_targets),
        "Takes the targeted fields off what goes out.",
        "false",
    ),
    field(
        "anonymous",
        Kind::Switch(Policy::anonymous),
        "The same answer for everybody, logged in or not. The handler sees no Cookie, no Authorization and no request.cf.",
        "false",
    ),
    field(
        "status",
        Kind::Statuses(Policy::status),
        "Gives answers of one status a lifetime of their own; the only way an error gets cached.",
        "none",
    ),
    field(
        "methods",
        Kind::Words(&["GET", "HEAD"], Policy::methods),
        "Which methods are answered from the cache.",
        "GET and HEAD",
    ),
    field("max_body", Kind::Bytes(Policy::max_body), "The largest body stored.", "32MiB"),
    field(
        "tiers",
        Kind::Words(&["hot", "l1", "l2"], |policy, names| policy.tiers(tiers(names))),
        "Which tiers hold the route's answers: the isolate's memory, the edge Cache API, Workers KV.",
        "all",
    ),
    field(
        "query",
        Kind::Query(Policy::query),
        "How the query enters the key; the handler sees of it what counts.",
        "\"whole\"",
    ),
    field(
        "key_headers",
        Kind::Names(Policy::key_headers),
        "Request fields to key on: requests that differ in one of them get answers of their own.",
        "none",
    ),
    field(
        "key_cookies",
        Kind::Names(Policy::key_cookies),
        "Cookies to key on; the handler sees these and no other.",
        "none",
    ),
    field(
        "key_values",
        Kind::Names(Policy::key_values),
        "Values to key on, which the Worker's code computes from the request.",
        "none",
    ),
    field(
        "shared_between_hosts",
        Kind::Switch(Policy::shared_between_hosts),
        "Shares entries between all hosts that this Worker answers for.",
        "false",
    ),
    field(
        "ignore_case",
        Kind::Switch(Policy::ignore_case),
        "\"/About\" is \"/about\". The handler sees the path in lower case.",
        "false",
    ),
    field(
        "ignore_trailing_slash",
        Kind::Switch(Policy::ignore_trailing_slash),
        "\"/about/\" is \"/about\". The handler sees the path without its last slash.",
        "false",
    ),
    field(
        "cache_ambiguous_paths",
        Kind::Switch(Policy::cache_ambiguous_paths),
        "Caches paths that may be read in two ways as well: with encoded slashes or dots, \";\", \"//\" or dot segments.",
        "false",
    ),
    field(
        "browser_ttl",
        Kind::Time(Policy::browser_ttl),
        "How long browsers may keep a stored answer when the handler did not say.",
        "not at all, they ask each time",
    ),
    field(
        "replay_set_cookie",
        Kind::Switch(Policy::replay_set_cookie),
        "Stores answers with Set-Cookie and replays the cookie to everybody who asks.",
        "false; under rfc9111 true",
    ),
    field(
        "verify_one_in",
        Kind::Count(1, u32::MAX as u64, |policy, n| policy.verify_one_in(u32::try_from(n).unwrap_or(u32::MAX))),
        "Looks at one of so many requests again behind its response, and puts the route into quarantine when its answers depend on what no key holds (feature verify).",
        "off",
    ),
];

/// How the query enters the key, as an object: one of `keep`, `only`, `without` and `without_tracking` at most.
pub(super) const QUERY: &[Field<Query>] = &[
    field(
        "keep",
        Kind::Word(&["all", "none"], |query, word| {
            query.and(if word == "all" { QueryKey::whole() } else { QueryKey::ignored() })
        }),
        "All parameters, or none.",
        "all",
    ),
    field(
        "only",
        Kind::Names(|query, names| query.and(QueryKey::only(names))),
        "The parameters of these names alone; a name that ends in \"*\" stands for all that begin so.",
        "",
    ),
    field(
        "without",
        Kind::Names(|query, names| query.and(QueryKey::without(names))),
        "All but the parameters of these names; a name that ends in \"*\" stands for all that begin so.",
        "",
    ),
    field(
        "without_tracking",
        Kind::Yes(|query| query.and(QueryKey::without_tracking())),
        "All but the parameters that campaigns and networks add to links.",
        "",
    ),
    field(
        "sort",
        Kind::Switch(|query| Query { sort: true, ..query }),
        "In the order of their names, so that \"b=2&a=1\" and \"a=1&b=2\" are one.",
        "false",
    ),
];

/// What an object under `query` says.
#[derive(Default)]
pub(super) struct Query {
    pub(super) keys: Vec<QueryKey>,
    pub(super) sort: bool,
}

impl Query {
    fn and(mut self, key: QueryKey) -> Self {
        self.keys.push(key);
        self
    }
}

fn with(mut bases: Vec<Policy>, base: Policy) -> Vec<Policy> {
    bases.push(base);
    bases
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn tiers(names: &[&str]) -> Tiers {
    let mut tiers = Tiers::ALL;
    for (name, without) in
        [("hot", Tiers::without_hot as fn(Tiers) -> Tiers), ("l1", Tiers::without_l1), ("l2", Tiers::without_l2)]
    {
        if !names.contains(&name) {
            tiers = without(tiers);
        }
    }
    tiers
}
