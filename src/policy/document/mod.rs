//! The route table as JSON (feature `json`).
//!
//! ```
//! use layercake::{CacheConfig, ConfigError};
//!
//! let config = CacheConfig::from_json(
//!     r#"{
//!         "app": "shop",
//!         "version": 1,
//!         "routes": [
//!             {"path": "/assets/*rest", "ttl": "1d", "anonymous": true},
//!             {"path": "/api/products", "ttl": "30s", "stale_while_revalidate": "1m", "query": {"only": ["page"], "sort": true}},
//!             {"path": "/account/*rest", "bypass": true}
//!         ]
//!     }"#,
//! )?
//! .build()?;
//! assert_eq!(config.routes().find("/account/orders").0.index(), 2);
//! # Ok::<(), ConfigError>(())
//! ```
//!
//! Each rule has a `path`, one base (`"ttl": "30s"`, `"from_headers": true`, `"rfc9111": true` or `"bypass": true`), and a field for
//! each setter of [`Policy`] that is wanted, under the setter's name. `fallback` is a policy without a path. Settings are
//! made in the order in which they stand, so that a document and the same table in code give equal policies. Times are
//! numbers of seconds or text (`"200ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`), sizes numbers of bytes or text (`"64KiB"`, `"1MiB"`). A
//! switch that is `false` is as if it were not there. [`schema`] has every field with what it does and its default.

mod error;
mod fields;
mod kind;
mod node;
mod read;
mod schema;
mod suggest;
mod units;

pub use error::{DocumentError, Place};
pub use schema::schema;

use super::{Policy, SchemaVersion};
use crate::semantics::status::StatusForm;
use node::Node;
use read::Reader;
use std::time::Duration;

/// A route table that was read from JSON. What only the whole table shows, such as a pattern that is there twice, is found when it is built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// The app's name.
    pub app: String,
    /// The version of what it stores.
    pub version: SchemaVersion,
    /// The environment; empty when none is given.
    pub environment: String,
    /// What holds for the whole table.
    pub settings: Settings,
    /// Patterns and their policies, in the order in which they stand.
    pub routes: Vec<(String, Policy)>,
    /// The policy of paths that no pattern matches.
    pub fallback: Policy,
}

/// What holds for the whole table; `None` leaves it at the default. See the setters of
/// [`CacheConfigBuilder`](crate::CacheConfigBuilder) of the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The cookies that say nothing about who asks.
    pub harmless_cookies: Option<Vec<String>>,
    /// The request fields that make the cache step aside.
    pub unkeyed_headers: Option<Vec<String>>,
    /// Whether Cloudflare's Workers Cache runs in front.
    pub platform_cache: bool,
    /// How much `Cache-Status` tells everybody.
    pub cache_status: Option<StatusForm>,
    /// Bytes of the in-isolate tier.
    pub hot_budget: Option<u64>,
    /// The largest body in it, in bytes.
    pub hot_max_body: Option<u64>,
    /// How long an entry stays in it at most.
    pub hot_ttl: Option<Duration>,
    /// After how many requests the counts are logged.
    pub log_requests: Option<u64>,
    /// After how much time the counts are logged.
    pub log_interval: Option<Duration>,
}

impl Document {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// The first thing wrong.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        Self::check(text).map_err(|mut errors| errors.swap_remove(0))
    }

    /// Reads a table, for who wants to mend all of it at once.
    ///
    /// # Errors
    ///
    /// Everything wrong, in the order of the text but for what is missing; no more than one thing where the text is no
    /// JSON.
    pub fn check(text: &str) -> Result<Self, Vec<DocumentError>> {
        let mut reader = Reader::new();
        let empty = Self {
            app: String::new(),
            version: SchemaVersion(0),
            environment: String::new(),
            settings: Settings::default(),
            routes: Vec::new(),
            fallback: Policy::from_headers(),
        };
        let document = match serde_json::from_str(text) {
            Ok(Node::Object(given)) => {
                for field in fields::TABLE.iter().filter(|field| matches!(field.name, "app" | "version")) {
                    if given.iter().all(|(name, _)| name != field.name) {
                        reader.missing(field.name, field.kind.expected());
                    }
                }
                reader.object(empty, &given, fields::TABLE, "")
            }
            Ok(other) => {
                reader.refuse("", &other, "an object with app, version and routes");
                empty
            }
            Err(error) => {
                reader.errors.push(syntax(&error));
                empty
            }
        };
        if reader.errors.is_empty() { Ok(document) } else { Err(reader.errors) }
    }

    /// The names of the values that its policies key on, in order; code has to give a function for each
    /// ([`CacheConfigBuilder::value`](crate::CacheConfigBuilder::value)).
    #[must_use]
    pub fn values(&self) -> Vec<&str> {
        let policies = self.routes.iter().map(|(_, policy)| policy).chain([&self.fallback]);
        let mut names: Vec<&str> = policies.flat_map(|p| &p.terms.keyer.values).map(|name| &**name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn syntax(error: &serde_json::Error) -> DocumentError {
    let why = error.to_string();
    let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(why, _)| why).to_owned();
    DocumentError::Syntax { line: error.line(), column: error.column(), why }
}

/// A setting of a rule, for who wants to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The field's name.
    pub name: &'static str,
    /// The value given, as JSON cut short where it is long; `None` where the default holds.
    pub given: Option<String>,
    /// What holds where none is given.
    pub default: &'static str,
    /// What the field does.
    pub about: &'static str,
}

/// The settings of the rule in that place of the table, from 0, the fallback last: the base first, then every field of a
/// policy. `None` when the text is no table or has no such rule.
///
/// ```
/// use layercake::policy::document::settings;
///
/// let text = r#"{"app": "shop", "version": 1, "routes": [{"path": "/a", "ttl": 30}]}"#;
/// let settings = settings(text, 0).unwrap_or_default();
/// assert_eq!((settings[0].name, settings[0].given.as_deref()), ("ttl", Some("30")));
/// ```
#[must_use]
pub fn settings(text: &str, route: usize) -> Option<Vec<Setting>> {
    let count = Document::parse(text).ok()?.routes.len();
    let table: Node = serde_json::from_str(text).ok()?;
    let unsaid = Node::object([("from_headers", Node::Bool(true))]);
    let policy = match table.field("routes") {
        Some(Node::List(rules)) if route < count => rules.get(route)?,
        _ if route == count => table.field("fallback").unwrap_or(&unsaid),
        _ => return None,
    };
    let given = |name: &str| policy.field(name).map(Node::brief);
    let bases = fields::BASES.iter().map(|field| (field.name, field.default, field.about));
    let bases = bases.filter(|(name, ..)| policy.field(name).is_some());
    let others = fields::POLICY.iter().map(|field| (field.name, field.default, field.about));
    let setting = |(name, default, about)| Setting { name, given: given(name), default, about };
    Some(bases.chain(others).map(setting).collect())
}
