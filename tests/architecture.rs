//! The floors of the house: a file uses its own floor and those below, never above.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms under `src/` and the floor each stands on.
const FLOORS: &[(&str, u8)] = &[
    ("semantics", 0),
    ("policy", 1),
    ("body", 1),
    ("message", 1),
    ("entry", 1),
    ("stats", 1),
    ("runtime", 2),
    ("tier", 2),
    ("engine", 3),
    ("layer", 4),
    ("data", 4),
    ("worker", 5),
    ("bin", 6),
    // Beside the house: it may use everything, and nobody may use it.
    ("sim", 6),
];

const LONGEST_FILE: usize = 500;

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// The names of a source text: identifiers and punctuation, without comments, strings and character literals.
fn tokens(source: &str) -> Vec<String> {
    let text: Vec<char> = source.chars().collect();
    let at = |i: usize| text.get(i).copied().unwrap_or('\0');
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let (mut out, mut i) = (Vec::new(), 0);
    while i < text.len() {
        let begin = i;
        if at(i) == '/' && at(i + 1) == '/' {
            while i < text.len() && at(i) != '\n' {
                i += 1;
            }
        } else if at(i) == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= text.len() {
                    break;
                }
            }
        } else if let Some(hashes) = raw_string(&text, i) {
            let close: String = std::iter::once('"').chain((0..hashes).map(|_| '#')).collect();
            i += text[i..].iter().position(|c| *c == '"').unwrap_or(0) + 1;
            while i < text.len() && !text[i..].iter().take(hashes + 1).copied().eq(close.chars()) {
                i += 1;
            }
            i += hashes + 1;
        } else if at(i) == '"' {
            i += 1;
            while i < text.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < text.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else if is_name(at(i)) {
            while is_name(at(i)) {
                i += 1;
            }
            out.push(text[begin..i].iter().collect());
        } else {
            if !at(i).is_whitespace() {
                out.push(at(i).to_string());
            }
            i += 1;
        }
    }
    out
}

/// How many `#` a raw string that begins at `i` has.
fn raw_string(text: &[char], i: usize) -> Option<usize> {
    let mut rest = text[i..].iter().copied().peekable();
    if i > 0 && (text[i - 1].is_alphanumeric() || text[i - 1] == '_') {
        return None;
    }
    rest.next_if(|c| matches!(c, 'b' | 'c'));
    rest.next_if_eq(&'r')?;
    let hashes = std::iter::from_fn(|| rest.next_if_eq(&'#')).count();
    rest.next_if_eq(&'"').map(|_| hashes)
}

/// The first names of what stands behind `crate::`, or behind as many `super::` as lead out of a room. `depth` is the
/// number of names in the file's own module path.
fn names_from_the_root(tokens: &[String], depth: usize) -> Vec<String> {
    let word = |i: usize| tokens.get(i).map_or("", String::as_str);
    let colons = |i: usize| word(i) == ":" && word(i + 1) == ":";
    let mut names = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        let behind_path = i >= 2 && colons(i - 2);
        let mut end = i;
        match word(i) {
            "crate" if colons(i + 1) => end = i + 3,
            "super" if !behind_path => {
                let mut steps = 0;
                while word(end) == "super" && colons(end + 1) {
                    (steps, end) = (steps + 1, end + 3);
                }
                if steps < depth {
                    end = i;
                }
            }
            _ => {}
        }
        if end == i {
            i += 1;
            continue;
        }
        i = end;
        if word(i) != "{" {
            names.push(word(i).to_owned());
            continue;
        }
        let (mut open, mut first) = (1, true);
        while open > 0 && i + 1 < tokens.len() {
            i += 1;
            match word(i) {
                "{" => open += 1,
                "}" => open -= 1,
                "," if open == 1 => first = true,
                name if open == 1 && first => {
                    names.push(name.to_owned());
                    first = false;
                }
                _ => {}
            }
        }
    }
    names
}

/// The names that `lib.rs` lifts to the root, with the room each comes from.
fn lifted(lib: &str) -> Vec<(String, String)> {
    let tokens = tokens(lib);
    let mut lifted = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        if pair[0] != "pub" || pair[1] != "use" {
            continue;
        }
        let room = &tokens[i + 2];
        let list = tokens[i + 3..].iter().take_while(|token| *token != ";");
        for name in list.filter(|token| token.chars().all(|c| c.is_alphanumeric() || c == '_')) {
            lifted.push((name.clone(), room.clone()));
        }
    }
    lifted
}

/// What is wrong with `source`, the text of `src/<path>`.
fn violations(path: &str, source: &str, lifted: &[(String, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    if source.lines().count() > LONGEST_FILE {
        wrong.push(format!("{path}: longer than {LONGEST_FILE} lines"));
    }
    if path == "lib.rs" {
        return wrong;
    }
    let stem = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let room = stem.split('/').next().unwrap_or_default();
    let Some(own) = floor(room) else {
        wrong.push(format!("{path}: the room {room:?} has no floor"));
        return wrong;
    };
    let tokens = tokens(source);
    for name in names_from_the_root(&tokens, stem.split('/').count()) {
        let target = lifted.iter().find(|(lifted, _)| *lifted == name).map_or(&name, |(_, room)| room);
        match floor(target) {
            Some(other) if other > own => wrong.push(format!("{path}: floor {own} uses {name}, floor {other}")),
            Some(_) => {}
            // `super::*` and `super::Name` in a test module at the foot of a room's own file.
            None if tokens.iter().any(|t| t == "super") && !is_behind_crate(&tokens, &name) => {}
            None => wrong.push(format!("{path}: {name} is no room and is not lifted by lib.rs")),
        }
    }
    wrong
}

fn is_behind_crate(tokens: &[String], name: &str) -> bool {
    names_from_the_root(tokens, usize::MAX).iter().any(|other| other == name)
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_keeps_to_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lifted = lifted(&fs::read_to_string(root.join("lib.rs")).unwrap());
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > FLOORS.len(), "the sources are not where they were");
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        wrong.extend(violations(&path, &fs::read_to_string(file).unwrap(), &lifted));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_of_the_table_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (room, _) in FLOORS {
        assert!(root.join(room).is_dir() || root.join(format!("{room}.rs")).is_file(), "{room}");
    }
}

#[test]
fn planted_violations_are_found() {
    let lifted = lifted("pub use engine::{Cache, CacheConfig};\npub use policy::Policy;");
    for (path, source) in [
        ("semantics/date.rs", "use crate::policy::Policy;"),
        ("semantics/date.rs", "use crate::{policy::Policy, semantics::Fields};"),
        ("semantics/date.rs", "use crate::{semantics::{Fields, date}, entry::Head};"),
        ("semantics/date.rs", "fn f() { let x = crate :: stats::Event::Miss; }"),
        ("body.rs", "use super::engine::Cache;"),
        ("tier/memory.rs", "use super::super::engine;"),
        ("policy/mod.rs", "use super::tier;"),
        ("policy/mod.rs", "use crate::Cache;"),
        ("engine/mod.rs", "mod tests { use crate::sim::SimRuntime; }"),
        ("layer/mod.rs", "pub fn f(x: crate::worker::Isolate) {}"),
        ("layer/mod.rs", "use crate::*;"),
        ("attic/mod.rs", ""),
        ("tier/mod.rs", "let c = '\"'; use crate::engine::Cache; let d = '\"';"),
        ("tier/mod.rs", "let r = r#\"a\"b\"#; use crate::engine::Cache;"),
        ("tier/mod.rs", "fn f<'a>(x: &'a str) -> crate::engine::Cache {}"),
    ] {
        assert_eq!(violations(path, source, &lifted).len(), 1, "{path}: {source}");
    }
    let long = "\n".repeat(LONGEST_FILE + 1);
    assert_eq!(violations("body.rs", &long, &lifted).len(), 1);
    assert_eq!(violations("lib.rs", &long, &lifted).len(), 1);
}

#[test]
fn what_is_allowed_is_let_through() {
    let lifted = lifted("pub use engine::{Cache, CacheConfig};\npub use policy::Policy;");
    for (path, source) in [
        ("engine/mod.rs", "use crate::{Policy, policy::key, tier::Tier}; pub(crate) use lookup::X; mod plan;"),
        ("tier/memory.rs", "use super::{Tier, TierError}; mod tests { use super::*; }"),
        ("body.rs", "mod tests { use super::*; }"),
        ("semantics/date.rs", "// use crate::engine::Cache;\n/* crate::engine /* x */ */ let s = \"crate::engine\";"),
        ("sim/mod.rs", "use crate::worker::Isolate; use crate::Cache;"),
        ("lib.rs", "pub use engine::Cache; pub mod worker;"),
    ] {
        assert_eq!(violations(path, source, &lifted), [""; 0], "{path}: {source}");
    }
}
