//! `Location` and `Content-Location`: whatever they say, they refer to our own origin or to nothing.

use super::config;
use layercake::semantics::invalidation::Target;
use proptest::prelude::*;

fn base() -> impl Strategy<Value = Target> {
    let scheme = prop::sample::select(vec!["http", "https"]);
    (scheme, "/([a-c.]{0,3}/){0,3}[a-c.]{0,3}", prop::option::of("[a-c=&?/]{0,4}")).prop_map(|(scheme, path, query)| {
        Target { scheme: scheme.into(), authority: "a.example".into(), path: path.into(), query: query.map(Into::into) }
    })
}

fn reference() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "/", "//", ".", "..", "../", "./", "a", "b", "?", "#", ":", "@", "\\", "%2e", "https:", "http://", "HTTPS://", "a.example",
            "A.Example:443", "b.example", ":80", "=", ";", " ", "é", "*",
        ]).prop_map(str::to_owned),
        1 => ".{0,3}",
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// RFC 3986 section 5.2.4, as it stands there.
fn remove_dot_segments(path: &str) -> String {
    let (mut input, mut output) = (path.to_owned(), String::new());
    while !input.is_empty() {
        if let Some(rest) = input.strip_prefix("../").or_else(|| input.strip_prefix("./")) {
            input = rest.to_owned();
        } else if input.starts_with("/./") || input == "/." {
            input = format!("/{}", input.get(3..).unwrap_or_default());
        } else if input.starts_with("/../") || input == "/.." {
            input = format!("/{}", input.get(4..).unwrap_or_default());
            output.truncate(output.rfind('/').unwrap_or(0));
        } else if input == "." || input == ".." {
            input.clear();
        } else {
            let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
            output += &input[..end];
            input = input[end..].to_owned();
        }
    }
    output
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_reference_leaves_the_origin(base in base(), reference in reference()) {
        if let Some(target) = base.refers_to(&reference) {
            prop_assert_eq!((&target.scheme, &target.authority), (&base.scheme, &base.authority));
            prop_assert!(target.path.starts_with('/'), "{:?}", target);
            prop_assert!(!target.path.contains(['?', '#']) && !target.query.as_deref().is_some_and(|query| query.contains('#')));
            let whole = reference.trim_ascii();
            let own_path = whole.is_empty() || whole.starts_with(['?', '#']) || whole.ends_with(':');
            let dots = |segment: &str| segment == "." || segment == "..";
            prop_assert!(own_path || !target.path.split('/').any(dots) || target.path == base.path, "{:?}", target);
            // Written out, it refers to itself.
            let query = target.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
            let absolute = format!("{}://{}{}{query}", target.scheme, target.authority, target.path);
            if target.path != base.path && absolute == absolute.trim_ascii() {
                prop_assert_eq!(base.refers_to(&absolute), Some(target));
            }
        }
    }

    #[test]
    fn another_authority_is_another_origin(
        base in base(),
        authority in "[a-c.@:\\\\0-9]{0,12}",
        rest in "([/?#][a-c/.]{0,6})?",
        lead in prop::sample::select(vec!["//", "http://", "https://", "HTTPS://"]),
    ) {
        let default = if &*base.scheme == "https" { "a.example:443" } else { "a.example:80" };
        prop_assume!(authority != "a.example" && authority != default);
        prop_assert_eq!(base.refers_to(&format!("{lead}{authority}{rest}")), None);
        prop_assert_eq!(base.refers_to(&format!("{lead}a.example.{authority}{rest}")), None);
        prop_assert_eq!(base.refers_to(&format!("{lead}a.example@{authority}{rest}")), None);
    }

    #[test]
    fn paths_are_resolved_as_the_rfc_resolves_them(base in base(), path in "(/|\\.\\./|\\./|a/|/b){0,6}(\\.|\\.\\.|c|)") {
        prop_assume!(!path.is_empty() && !path.starts_with("//"));
        let merged = match path.strip_prefix('/') {
            Some(_) => path.clone(),
            None => format!("{}{path}", &base.path[..=base.path.rfind('/').unwrap()]),
        };
        let target = base.refers_to(&path).unwrap();
        prop_assert_eq!(&*target.path, remove_dot_segments(&merged), "{} at {}", path, base.path);
        prop_assert_eq!(target.query, None);
    }

    #[test]
    fn the_query_of_the_reference_counts(base in base(), path in "[a-c]{0,3}", query in "[a-c=&?/]{0,4}") {
        let target = base.refers_to(&format!("{path}?{query}#x?y")).unwrap();
        prop_assert_eq!(target.query.as_deref(), Some(&*query));
        let without = base.refers_to(&path).unwrap();
        prop_assert_eq!(without.query, if path.is_empty() { base.query } else { None });
    }
}
