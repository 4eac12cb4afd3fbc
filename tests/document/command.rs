//! The command `layercake`.

use super::{WHOLE, rule, source};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What it prints, where to, and what it ends with.
fn layercake(args: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_layercake")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

/// A file of that name with that text.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn lint() {
    let clean = file("clean.json", &rule(r#""ttl": "5m", "key_values": ["country"]"#));
    assert_eq!(layercake(&["lint", &clean]), (String::new(), String::new(), 0));

    let found = file("found.json", &rule(r#""ttl": "5m""#).replace("/a", "/account"));
    let (out, _, code) = layercake(&["lint", &found]);
    assert!(out.starts_with("rule 1, pattern \"/account\": cached-personal: "), "{out}");
    assert_eq!((out.lines().count(), code), (1, 1));

    let wrong = file("wrong.json", &rule(r#""ttl": 0, "tll": 1"#));
    let (out, _, code) = layercake(&["lint", &wrong]);
    assert!(out.contains("error: rule 1, pattern \"/a\", field ttl") && out.contains("did you mean \"ttl\"?"), "{out}");
    assert_eq!((out.lines().count(), code), (2, 2));

    let pattern = file("pattern.json", &rule(r#""ttl": 1"#).replace("/a", "a"));
    let (out, _, code) = layercake(&["lint", &pattern]);
    assert!(out.contains("error: rule 1") && code == 2, "{out}");

    let (out, _, code) = layercake(&["lint", "no such file.json"]);
    assert!(out.starts_with("error: no such file.json: ") && code == 2, "{out}");
}

#[test]
fn explain() {
    let whole = file("whole.json", WHOLE);
    for (path, parts) in [
        (
            "/api/7?x=1",
            &["rule 2, pattern \"/api/:id\"", "  ttl: 0.5", "  tiers: [\"l1\", \"l2\"]", "  max_body: 32MiB"][..],
        ),
        ("/assets/a.css", &["rule 1", "  anonymous: true", "  query: \"ignored\""]),
        ("/assets/../a", &["may be read in two ways"]),
        ("/else", &["no rule, the fallback", "  rfc9111: true"]),
    ] {
        let (out, _, code) = layercake(&["explain", &whole, path]);
        assert_eq!(code, 0);
        for part in parts {
            assert!(out.contains(part), "{path}: {out} lacks {part}");
        }
    }
    let (out, _, _) = layercake(&["explain", &whole, "/account"]);
    assert!(out.contains("  bypass: true") && !out.contains("max_body"), "{out}");
    let (out, _, code) = layercake(&["explain", &whole, "account"]);
    assert!(out.contains("is no path") && code == 2, "{out}");
}

#[test]
fn schema_and_usage() {
    let (out, _, code) = layercake(&["schema"]);
    assert_eq!((out, code), (source("schema/layercake.schema.json"), 0));
    let (out, _, code) = layercake(&["--help"]);
    assert!(out.contains("layercake lint FILE.json") && code == 0);
    for args in [&[][..], &["lint"], &["lint", "a", "b"], &["bake"]] {
        let (out, err, code) = layercake(args);
        assert!(out.is_empty() && err.contains("layercake lint FILE.json") && code == 2, "{args:?}");
    }
}
