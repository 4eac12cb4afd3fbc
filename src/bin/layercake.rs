//! The command `layercake`: checks route tables in JSON.

#![forbid(unsafe_code)]

use layercake::policy::document::{Document, Setting, schema, settings};
use layercake::policy::path::is_ambiguous;
use layercake::{CacheConfig, CacheConfigBuilder, ConfigError};
use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "\
layercake lint FILE.json           what is wrong with the table, and what is hardly meant
layercake explain FILE.json PATH   which rule takes PATH, and its settings
layercake schema                   the JSON Schema of tables

lint ends with 0 when there is nothing to say, with 1 when there are findings, with 2 when the table is wrong or cannot be read.
";

/// What the command ends with: nothing to say, findings, or something wrong.
const CLEAN: u8 = 0;
const FINDINGS: u8 = 1;
const WRONG: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (text, code) = match *args {
        ["lint", file] => read(file).map_or_else(failed, |text| lint(&text)),
        ["explain", file, path] => read(file).map_or_else(failed, |text| explain(&text, path)),
        ["schema"] => (schema(), CLEAN),
        ["help" | "--help" | "-h"] => (USAGE.to_owned(), CLEAN),
        _ => failed(USAGE.to_owned()),
    };
    // Whoever reads may have gone, as `head` does.
    let written = if code == WRONG && text == USAGE {
        io::stderr().write_all(text.as_bytes())
    } else {
        io::stdout().write_all(text.as_bytes())
    };
    ExitCode::from(if written.is_ok() { code } else { WRONG })
}

fn failed(text: String) -> (String, u8) {
    (text, WRONG)
}

fn read(file: &str) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("error: {file}: {error}\n"))
}

/// The table, and everything wrong with it otherwise, line by line.
fn table(text: &str) -> Result<CacheConfig, String> {
    let lines = |errors: Vec<String>| errors.into_iter().map(|error| format!("error: {error}\n")).collect::<String>();
    let document = Document::check(text).map_err(|errors| lines(errors.iter().map(ToString::to_string).collect()))?;
    build(document).map_err(|error| lines(vec![error.to_string()]))
}

/// The values that policies key on come from code, which is not here: each stands for itself.
fn build(document: Document) -> Result<CacheConfig, ConfigError> {
    let names: Vec<String> = document.values().into_iter().map(str::to_owned).collect();
    let builder = CacheConfigBuilder::from(document);
    names.iter().fold(builder, |builder, name| builder.value(name, |_| None)).build()
}

fn lint(text: &str) -> (String, u8) {
    match table(text) {
        Err(errors) => (errors, WRONG),
        Ok(config) => {
            let findings = config.lint();
            let text = findings.iter().map(|finding| format!("{finding}\n")).collect();
            (text, if findings.is_empty() { CLEAN } else { FINDINGS })
        }
    }
}

fn explain(text: &str, path: &str) -> (String, u8) {
    let config = match table(text) {
        Ok(config) => config,
        Err(errors) => return (errors, WRONG),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') {
        return (format!("error: {path:?} is no path: it begins with \"/\"\n"), WRONG);
    }
    let route = config.routes().find(path).0.index();
    let pattern = config.routes().patterns().nth(route).unwrap_or_default();
    let mut out = if route + 1 == config.routes().patterns().len() {
        format!("{path}: no rule, the fallback\n")
    } else {
        format!("{path}: rule {}, pattern {pattern:?}\n", route + 1)
    };
    let settings = settings(text, route).unwrap_or_default();
    let (given, unsaid): (Vec<&Setting>, Vec<&Setting>) = settings.iter().partition(|setting| setting.given.is_some());
    let bypassed = given.first().is_some_and(|base| base.name == "bypass");
    for Setting { name, given, about, .. } in given {
        out += &format!("  {name}: {}\n      {about}\n", given.as_deref().unwrap_or_default());
    }
    if is_ambiguous(path) {
        out += "This path may be read in two ways: it goes past the cache, unless the policy caches such paths.\n";
    }
    if !bypassed {
        out += "By default:\n";
        for Setting { name, default, .. } in unsaid {
            out += &format!("  {name}: {default}\n");
        }
    }
    (out, CLEAN)
}
