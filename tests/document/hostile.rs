//! Any text at all.

use super::{WHOLE, rule};
use layercake::CacheConfigBuilder;
use layercake::policy::document::{Document, settings};
use proptest::prelude::*;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Reads it in every way; it must not panic. Whatever is taken can be looked at.
fn read(text: &str) {
    let all = Document::check(text);
    assert_eq!(Document::parse(text).err(), all.as_ref().err().map(|errors| errors[0].clone()));
    for error in all.as_ref().err().into_iter().flatten().map(ToString::to_string) {
        assert!(!error.is_empty() && error.len() < 2_000, "{error}");
    }
    if let Ok(document) = all {
        assert!(settings(text, document.routes.len()).is_some());
        if let Ok(config) = CacheConfigBuilder::from(document).build() {
            let _ = config.lint();
        }
    }
}

/// The names and values that documents are made of, and others.
const PIECES: &[&str] = &[
    "\"app\"",
    "\"version\"",
    "\"routes\"",
    "\"fallback\"",
    "\"hot\"",
    "\"log\"",
    "\"path\"",
    "\"ttl\"",
    "\"bypass\"",
    "\"rfc9111\"",
    "\"status\"",
    "\"query\"",
    "\"only\"",
    "\"sort\"",
    "\"tiers\"",
    "\"keep\"",
    "\"key_headers\"",
    "\"404\"",
    "\"/a/*rest\"",
    "\"30s\"",
    "\"1MiB\"",
    "\"\\u0000\"",
    "\"\\ud83d\\ude00\"",
    "1",
    "0",
    "-1",
    "1e9",
    "1e400",
    "18446744073709551616",
    "true",
    "false",
    "null",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    " ",
    "\n",
    "\"",
    "\\",
    "{}",
    "[]",
];

fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let name = prop_oneof![
        3 => prop::sample::select(PIECES).prop_map(|piece| piece.trim_matches('"').to_owned()),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        name.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        read(&text);
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40)) {
        read(&pieces.concat());
    }

    #[test]
    fn any_json(json in json()) {
        read(&json.to_string());
        read(&format!(r#"{{"app": "a", "version": 1, "routes": [{json}], "fallback": {json}}}"#));
    }

    #[test]
    fn any_value_of_any_field(name in prop::sample::select(&[
        "ttl", "from_headers", "stale_if_error", "status", "methods", "max_body", "tiers", "query", "languages", "key_headers",
        "key_cookies", "anonymous", "max_variants", "verify_one_in", "path",
    ][..]), json in json()) {
        read(&rule(&format!("\"ttl\": 1, \"{name}\": {json}")));
        read(&format!("{{\"app\": \"a\", \"version\": 1, \"fallback\": {{\"{name}\": {json}}}}}"));
    }

    #[test]
    fn a_table_with_changes(changes in prop::collection::vec((0..WHOLE.len(), 0..6_usize, prop::sample::select(PIECES)), 1..5)) {
        let mut text = WHOLE.to_owned();
        for (at, length, piece) in changes {
            let at = at.min(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, piece);
            }
        }
        read(&text);
    }
}

#[test]
fn much_of_it() {
    let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<Vec<_>>().join(",");
    let table = |routes: &str| format!(r#"{{"app": "a", "version": 1, "routes": [{routes}]}}"#);
    let texts = [
        "[".repeat(2_000_000),
        "{\"a\":".repeat(500_000),
        table(&many(50_000, &|n| format!(r#"{{"path": "/p{n}", "ttl": 1}}"#))),
        table(&many(50_000, &|n| format!(r#"{{"path": "/p{n}", "tll": {n}}}"#))),
        rule(&many(40_000, &|n| format!("\"x{n}\": 1"))),
        rule(&many(200_000, &|_| "\"ttl\": 1".to_owned())),
        rule(&format!("\"ttl\": 1, \"{}\": 1", "x".repeat(4_000_000))),
        rule(&format!("\"ttl\": \"{}\"", "9".repeat(4_000_000))),
        rule(&format!("\"ttl\": {}", "9".repeat(300))),
        rule(&format!("\"ttl\": 1, \"key_headers\": [{}]", many(200_000, &|n| format!("\"h{n}\"")))),
        rule(&format!("\"ttl\": 1, \"query\": {{\"only\": [{}]}}", many(200_000, &|n| format!("\"q{n}\"")))),
        rule(&format!("\"ttl\": 1, \"status\": {{{}}}", many(200_000, &|n| format!("\"{}\": 1", n % 1000)))),
        format!(r#"{{"app": "a", "version": 1, "fallback": {{{}}}}}"#, "\"a\": ".repeat(1000)),
        format!(r#"{{"path": "{}", "routes": [{}]}}"#, "/".repeat(2_000_000), many(50_000, &|_| "{}".to_owned())),
    ];
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        for text in texts {
            let _ = Document::check(&text);
            let _ = done.send(());
        }
    });
    for place in 0..14 {
        assert!(wait.recv_timeout(Duration::from_secs(60)).is_ok(), "text {place} takes too long, or panicked");
    }
}
