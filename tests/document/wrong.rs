//! What is told of a table that is wrong.

use super::rule;
use layercake::policy::document::{Document, DocumentError, Place};

fn first(text: &str) -> String {
    match Document::parse(text) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn fields_of_policies() {
    for (fields, parts) in [
        (r#""ttl": 1, "tll": 2"#, &["rule 1", "\"/a\"", "field tll", "did you mean \"ttl\"?"][..]),
        (r#""ttl": 1, "maxBody": 2"#, &["field maxBody", "did you mean \"max_body\"?"]),
        (r#""ttl": 1, "stale_while_revaildate": 2"#, &["did you mean \"stale_while_revalidate\"?"]),
        (r#""ttl": 1, "banana": 2"#, &["field banana: there is no such field"]),
        (r#""anonymous": true"#, &["rule 1", "no base given", "ttl, from_headers, rfc9111 and bypass"]),
        (r#""ttl": 1, "bypass": true"#, &["ttl and bypass given", "exactly one"]),
        (r#""bypass": false"#, &["field bypass", "false given", "expected true"]),
        (r#""ttl": 0"#, &["field ttl", "0 given", "more than zero"]),
        (r#""ttl": -1"#, &["field ttl", "-1 given", "number of seconds"]),
        (r#""ttl": "30""#, &["\"30\" given", "\"30s\""]),
        (r#""ttl": "11y""#, &["\"11y\" given"]),
        (r#""ttl": 1e300"#, &["field ttl", "1e+300 given", "ten years"]),
        (r#""ttl": "3651d""#, &["\"3651d\" given", "ten years"]),
        (r#""ttl": null"#, &["null given"]),
        (r#""ttl": 1, "keep": [1, {"a": "b"}]"#, &["field keep", "[1, {\"a\": \"b\"}] given"]),
        (r#""ttl": 1, "anonymous": "yes""#, &["field anonymous", "\"yes\" given", "true or false"]),
        (r#""ttl": 1, "max_variants": -1"#, &["max_variants", "-1 given", "from 0 to 4294967295"]),
        (r#""ttl": 1, "max_variants": 1.5"#, &["max_variants", "1.5 given"]),
        (r#""ttl": 1, "max_body": 0"#, &["max_body", "0 given", "at least 1 byte"]),
        (r#""ttl": 1, "max_body": "1 MB""#, &["max_body", "\"1 MB\" given", "\"1MiB\""]),
        (r#""ttl": 1, "languages": []"#, &["languages", "[] given", "one name at least"]),
        (r#""ttl": 1, "languages": "en""#, &["languages", "\"en\" given", "a list of texts"]),
        (r#""ttl": 1, "languages": ["en", 2]"#, &["languages", "[\"en\", 2] given"]),
        (r#""ttl": 1, "key_headers": ["Cookie"]"#, &["key_headers", "[\"Cookie\"] given", "key_cookies()"]),
        (r#""ttl": 1, "methods": ["POST"]"#, &["methods", "[\"POST\"] given", "\"GET\", \"HEAD\""]),
        (r#""ttl": 1, "tiers": ["l3"]"#, &["tiers", "\"hot\", \"l1\", \"l2\""]),
        (r#""ttl": 1, "status": {"206": 1}"#, &["field status.206", "1 given", "other than 206 and 304"]),
        (r#""ttl": 1, "status": {"4o4": 1}"#, &["field status.4o4", "three digits"]),
        (r#""ttl": 1, "status": {"0404": 1}"#, &["field status.0404", "three digits"]),
        (r#""ttl": 1, "status": {"404": true}"#, &["field status.404", "true given", "number of seconds"]),
        (r#""ttl": 1, "status": {"404": 1, "404": 2}"#, &["field status.404: given twice"]),
        (r#""ttl": 1, "status": 404"#, &["field status", "404 given", "an object"]),
        (r#""ttl": 1, "query": "none""#, &["field query", "\"none\" given", "\"ignored\""]),
        (r#""ttl": 1, "query": 1"#, &["field query", "1 given", "\"ignored\""]),
        (r#""ttl": 1, "query": {"keep": "some"}"#, &["field query.keep", "\"some\" given", "\"all\" or \"none\""]),
        (r#""ttl": 1, "query": {"onyl": []}"#, &["field query.onyl", "did you mean \"only\"?"]),
        (r#""ttl": 1, "query": {"only": [], "without": []}"#, &["field query", "no more than one of keep"]),
        (r#""ttl": 1, "query": {"without_tracking": false}"#, &["field query.without_tracking", "expected true"]),
        (r#""ttl": 1, "verify_one_in": 0"#, &["verify_one_in", "0 given", "from 1 to"]),
        (r#""ttl": 1, "ttl": 2"#, &["field ttl: given twice"]),
        (r#""rfc9111": true, "replay_set_cookie": false"#, &["replay_set_cookie", "false given", "under rfc9111"]),
        (r#""ttl": 1, "path": "/b""#, &["field path: given twice"]),
    ] {
        let error = first(&rule(fields));
        for part in ["rule 1", "\"/a\""].iter().chain(parts) {
            assert!(error.contains(part), "{fields}: {error:?} lacks {part:?}");
        }
    }
}

#[test]
fn the_rest_of_the_table() {
    for (text, parts) in [
        ("", &["line 1, column 0", "EOF"][..]),
        ("{\n  \"app\": \"a\",\n  oops\n}", &["line 3, column 3", "key must be a string"]),
        ("{} {}", &["line 1, column 4"]),
        ("[]", &["table: [] given", "an object with app"]),
        ("null", &["table: null given"]),
        (r#"{"version": 1}"#, &["table, field app: missing, expected text"]),
        (r#"{"app": "a"}"#, &["field version: missing", "from 0 to 4294967295"]),
        (r#"{"app": "a", "version": "1"}"#, &["field version: \"1\" given"]),
        (r#"{"app": "a", "version": 4294967296}"#, &["field version: 4294967296 given"]),
        (r#"{"app": "a", "version": 1, "rules": []}"#, &["table, field rules: there is no such field"]),
        (r#"{"app": "a", "version": 1, "route": []}"#, &["did you mean \"routes\"?"]),
        (r#"{"app": "a", "version": 1, "routes": {}}"#, &["field routes: {} given", "a list of rules"]),
        (r#"{"app": "a", "version": 1, "routes": [1]}"#, &["rule 1: 1 given", "an object with path"]),
        (r#"{"app": "a", "version": 1, "routes": [{"ttl": 1}]}"#, &["rule 1, field path: missing"]),
        (r#"{"app": "a", "version": 1, "routes": [{"path": 7, "ttl": 1}]}"#, &["rule 1, field path: 7 given"]),
        (
            r#"{"app": "a", "version": 1, "routes": [{"path": "/a", "ttl": 1}, {"path": "/b"}]}"#,
            &["rule 2, pattern \"/b\": no base"],
        ),
        (r#"{"app": "a", "version": 1, "fallback": {}}"#, &["fallback: no base"]),
        (
            r#"{"app": "a", "version": 1, "fallback": {"ttl": 1, "path": "/"}}"#,
            &["fallback, field path: there is no such"],
        ),
        (r#"{"app": "a", "version": 1, "fallback": "bypass"}"#, &["field fallback: \"bypass\" given"]),
        (r#"{"app": "a", "version": 1, "hot": {"budgte": 1}}"#, &["field hot.budgte", "did you mean \"budget\"?"]),
        (r#"{"app": "a", "version": 1, "hot": {"ttl": -1}}"#, &["field hot.ttl: -1 given"]),
        (r#"{"app": "a", "version": 1, "hot": 5}"#, &["field hot: 5 given", "fields budget, max_body, ttl"]),
        (r#"{"app": "a", "version": 1, "log": {"requests": 0}}"#, &["field log.requests: 0 given", "at least 1"]),
        (r#"{"app": "a", "version": 1, "cache_status": "loud"}"#, &["\"off\" or \"terse\" or \"full\""]),
        (r#"{"app": "a", "app": "b", "version": 1}"#, &["table, field app: given twice"]),
    ] {
        let error = first(text);
        for part in parts {
            assert!(error.contains(part), "{text}: {error:?} lacks {part:?}");
        }
    }
}

#[test]
fn all_of_it_at_once() {
    let text = r#"{
        "version": 1,
        "hot": {"size": 1},
        "routes": [
            {"path": "/a", "ttl": 0, "tll": 1},
            {"path": "/b", "ttl": "1d", "keep": "x"},
            {"path": "/c"},
            7
        ],
        "fallback": {"bypass": true, "from_headers": true}
    }"#;
    let errors = Document::check(text).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 8, "{told:#?}");
    assert_eq!(Document::parse(text).unwrap_err(), errors[0]);
    assert_eq!(errors[7], DocumentError::Base { place: Place::Fallback, given: vec!["bypass", "from_headers"] });
    let places: Vec<bool> = ["app", "hot.size", "\"/a\"", "\"/a\"", "\"/b\"", "\"/c\"", "rule 4", "fallback"]
        .iter()
        .zip(&told)
        .map(|(part, told)| told.contains(part))
        .collect();
    assert_eq!(places, [true; 8], "{told:#?}");
}

#[test]
fn long_values_are_cut_short() {
    let error = first(&rule(&format!(r#""ttl": "{}""#, "\u{e9}".repeat(10_000))));
    assert!(error.len() < 400 && error.contains("..."), "{error}");
    let error = first(&rule(&format!(r#""{}": 1, "ttl": 1"#, "x".repeat(10_000))));
    assert!(error.len() < 400 && error.contains("..."), "{error}");
}
