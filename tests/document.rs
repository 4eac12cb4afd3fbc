//! The route table from JSON: that it says what the same table in code says, what is told of one that is wrong, the
//! schema, and the command.

#[path = "document/command.rs"]
mod command;
#[path = "document/equal.rs"]
mod equal;
#[path = "document/hostile.rs"]
mod hostile;
#[path = "document/wrong.rs"]
mod wrong;

use layercake::policy::document::{Document, schema, settings};
use layercake::policy::{Level, Tiers};
use layercake::semantics::status::StatusForm;
use layercake::{CacheConfig, ConfigError, Policy, SchemaVersion};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A table of one rule with these fields.
fn rule(fields: &str) -> String {
    format!(r#"{{"app": "shop", "version": 1, "routes": [{{"path": "/a", {fields}}}]}}"#)
}

/// The policy of the one rule with these fields.
fn policy(fields: &str) -> Policy {
    Document::parse(&rule(fields)).unwrap_or_else(|error| panic!("{fields}: {error}")).routes.remove(0).1
}

/// A table with everything in it.
const WHOLE: &str = r#"{
    "$schema": "./schema/layercake.schema.json",
    "app": "shop",
    "version": 7,
    "environment": "prod",
    "harmless_cookies": ["_ga*", "theme"],
    "unkeyed_headers": ["X-Forwarded-Host"],
    "platform_cache": true,
    "cache_status": "full",
    "hot": {"budget": "8MiB", "max_body": 1024, "ttl": "2s"},
    "log": {"requests": 500, "interval": "5m"},
    "fallback": {"rfc9111": true, "targets": ["CDN-Cache-Control"]},
    "routes": [
        {"path": "/assets/*rest", "ttl": "1d", "anonymous": true, "query": "ignored"},
        {"path": "/api/:id", "ttl": 0.5, "stale_if_error": "10m", "tiers": ["l1", "l2"], "key_values": ["plan", "country"]},
        {"path": "/account", "bypass": true}
    ]
}"#;

#[test]
fn a_whole_table() {
    let document = Document::parse(WHOLE).unwrap();
    assert_eq!(
        (document.app.as_str(), document.version, document.environment.as_str()),
        ("shop", SchemaVersion(7), "prod")
    );
    let given = &document.settings;
    assert_eq!(given.harmless_cookies.as_deref(), Some(&["_ga*".to_owned(), "theme".to_owned()][..]));
    assert_eq!(given.unkeyed_headers.as_deref(), Some(&["X-Forwarded-Host".to_owned()][..]));
    assert!(given.platform_cache && given.cache_status == Some(StatusForm::Full));
    assert_eq!((given.hot_budget, given.hot_max_body, given.hot_ttl), (Some(8 << 20), Some(1024), Some(secs(2))));
    assert_eq!((given.log_requests, given.log_interval), (Some(500), Some(secs(300))));
    assert_eq!(document.fallback, Policy::rfc9111().targets(&["CDN-Cache-Control"]));
    assert_eq!(document.values(), ["country", "plan"]);
    let patterns: Vec<&str> = document.routes.iter().map(|(pattern, _)| pattern.as_str()).collect();
    assert_eq!(patterns, ["/assets/*rest", "/api/:id", "/account"]);
}

#[test]
fn code_goes_on_with_a_table_from_json() {
    let table = || CacheConfig::from_json(WHOLE).unwrap();
    let error = table().build().unwrap_err().to_string();
    assert!(error.contains("rule 2") && error.contains("key_values") && error.contains("country"), "{error}");

    let config = table().value("plan", |_| None).value("country", |_| None).build().unwrap();
    assert_eq!((config.hot().budget, config.hot().max_body, config.hot().max_stay), (8 << 20, 1024, secs(2)));
    let in_code = CacheConfig::new("shop", SchemaVersion(7))
        .environment("prod")
        .value("plan", |_| None)
        .value("country", |_| None)
        .route("/assets/*rest", Policy::ttl(secs(86_400)).anonymous().query(layercake::QueryKey::ignored()))
        .route(
            "/api/:id",
            Policy::ttl(Duration::from_millis(500))
                .stale_if_error(secs(600))
                .tiers(Tiers::ALL.without_hot())
                .key_values(&["plan", "country"]),
        )
        .route("/account", Policy::bypass())
        .fallback(Policy::rfc9111().targets(&["CDN-Cache-Control"]))
        .build()
        .unwrap();
    assert_eq!(format!("{config:?}"), format!("{in_code:?}"));
}

#[test]
fn the_shortest_table() {
    let document = Document::parse(r#"{"app": "shop", "version": 1}"#).unwrap();
    assert!(document.routes.is_empty() && document.environment.is_empty());
    assert_eq!((document.fallback, document.settings), (Policy::from_headers(), Default::default()));
    let hot = CacheConfig::from_json(r#"{"app": "shop", "version": 1}"#).unwrap().build().unwrap().hot();
    assert_eq!(hot, CacheConfig::new("shop", SchemaVersion(1)).build().unwrap().hot());
}

#[test]
fn a_worker_has_one_kind_of_error() {
    fn table(text: &str) -> Result<CacheConfig, ConfigError> {
        CacheConfig::from_json(text)?.build()
    }
    assert!(table(&rule(r#""ttl": 1"#)).is_ok());
    assert!(matches!(table("{"), Err(ConfigError::Document(_))));
    assert!(matches!(table(&rule(r#""ttl": 1"#).replace("shop", "s p")), Err(ConfigError::Prefix { .. })));
    let twice = r#"{"app": "a", "version": 1, "routes": [{"path": "/a", "ttl": 1}, {"path": "/a", "ttl": 1}]}"#;
    assert!(matches!(table(twice), Err(ConfigError::Pattern { rule: 2, .. })));
}

/// The names of the `pub fn` in the `impl` block that begins with `head`.
fn functions(source: &str, head: &str) -> BTreeSet<String> {
    let begin = source.find(head).unwrap_or_else(|| panic!("{head} is not where it was"));
    let block = &source[begin..];
    let block = &block[..block.find("\n}\n").unwrap()];
    let names = block.split("\n    pub fn ").skip(1).map(|rest| rest.split(['(', '<']).next().unwrap());
    names.map(str::to_owned).collect()
}

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn each_setter_of_a_policy_has_a_field() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut setters = functions(&source("src/policy/mod.rs"), "\nimpl Policy {");
    setters.extend(functions(&source("src/policy/patience.rs"), "\nimpl Policy {"));
    assert!(setters.len() > 20);
    assert_eq!(properties(&schema["$defs"]["policy"]), setters);
    let mut of_rules = setters;
    of_rules.insert("path".to_owned());
    assert_eq!(properties(&schema["$defs"]["rule"]), of_rules);
}

#[test]
fn each_setter_of_the_table_has_a_field() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut fields = properties(&schema);
    for (setter, field) in
        [("hot_budget", "hot"), ("hot_max_body", "hot"), ("hot_ttl", "hot"), ("log_every", "log"), ("route", "routes")]
    {
        fields.remove(field);
        fields.insert(setter.to_owned());
    }
    for other in ["$schema", "app", "version"] {
        fields.remove(other);
    }
    let only_in_code = ["value", "recorder", "build"].map(str::to_owned);
    let setters = functions(&source("src/engine/config/builder.rs"), "\nimpl CacheConfigBuilder {");
    assert_eq!(fields, setters.into_iter().filter(|name| !only_in_code.contains(name)).collect());
    let hot = &schema["properties"]["hot"];
    assert_eq!(properties(hot), ["budget", "max_body", "ttl"].map(str::to_owned).into());
}

#[test]
fn each_field_is_described() {
    fn descend(schema: &Value, path: &str) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}/{name}");
            let points_on = property["$ref"].as_str().is_some_and(|to| to.starts_with("#/$defs/policy/properties/"));
            assert!(points_on || property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{path}");
            descend(property, &path);
        }
    }
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    descend(&schema, "");
    for name in ["policy", "rule"] {
        descend(&schema["$defs"][name], name);
    }
    descend(&schema["$defs"]["query"]["anyOf"][1], "query");
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_that_is_made() {
    assert!(source("schema/layercake.schema.json") == schema(), "make schema");
}

#[test]
fn the_settings_of_a_rule() {
    let of = |route| settings(WHOLE, route);
    let api = of(1).unwrap();
    assert_eq!((api[0].name, api[0].given.as_deref()), ("ttl", Some("0.5")));
    let tiers = api.iter().find(|setting| setting.name == "tiers").unwrap();
    assert_eq!((tiers.given.as_deref(), tiers.default), (Some(r#"["l1", "l2"]"#), "all"));
    assert!(api.iter().any(|setting| setting.name == "keep" && setting.given.is_none() && !setting.about.is_empty()));
    assert_eq!(of(3).unwrap()[0].name, "rfc9111");
    assert_eq!(settings(&rule(r#""ttl": 1"#), 1).unwrap()[0].name, "from_headers");
    assert_eq!((of(4), settings("{", 0)), (None, None));
    assert!(Tiers::ALL.contains(Level::Hot));
}
