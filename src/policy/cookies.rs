//! Which cookies say nothing about who is asking.

use super::pattern::matches;
use crate::semantics::push_bytes;

/// Cookies of analytics, consent banners and the platform itself, which no handler renders by. A name that ends in `*`
/// stands for all that begin so. A request whose cookies are all on the list is answered from the cache, and the
/// handler does not get to see them.
pub const HARMLESS_COOKIES: &[&str] = &[
    "_ga*",
    "_gid",
    "_gat*",
    "_gcl_*",
    "_fbp",
    "_fbc",
    "__utm*",
    "_hj*",
    "_pk_*",
    "_clck",
    "_clsk",
    "__cf_bm",
    "CookieConsent",
    "cookieconsent_status",
    "OptanonConsent",
    "OptanonAlertBoxClosed",
];

/// The name and the value of each cookie in a `Cookie` field (RFC 6265 section 4.2.1); the name is `None` where a pair cannot
/// be read.
fn pairs(field: &[u8]) -> impl Iterator<Item = (Option<&[u8]>, &[u8])> {
    // A field of several lines is joined by ", " (HTTP/1.1) or "; " (HTTP/2); "," cannot stand in a cookie's name or value.
    field.split(|&b| b == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).map(|pair| {
        let end = pair.iter().position(|&b| b == b'=').filter(|_| !pair.contains(&b','));
        end.map_or((None, pair), |end| (Some(&pair[..end]), &pair[end + 1..]))
    })
}

/// Whether every cookie of a `Cookie` field matches one of `patterns`. A pair that cannot be read matches none.
#[must_use]
pub fn all_match<S: AsRef<str>>(field: &[u8], patterns: &[S]) -> bool {
    all_known(field, &[], patterns)
}

/// Whether every cookie is one of `names` or matches one of `patterns`.
pub(crate) fn all_known<S: AsRef<str>>(field: &[u8], names: &[Box<str>], patterns: &[S]) -> bool {
    pairs(field).all(|(found, _)| {
        found.is_some_and(|found| {
            names.iter().any(|name| name.as_bytes() == found) || patterns.iter().any(|p| matches(found, p.as_ref()))
        })
    })
}

/// The value of the cookie `name`; of several cookies of that name the values in their order, set apart by `;`.
#[must_use]
pub fn value(field: &[u8], name: &str) -> Option<Box<str>> {
    let mut all: Option<String> = None;
    for (_, value) in pairs(field).filter(|(other, _)| *other == Some(name.as_bytes())) {
        if let Some(all) = &mut all {
            all.push(';');
        }
        push_bytes(all.get_or_insert_default(), value);
    }
    all.map(String::into_boxed_str)
}

/// The cookies of these names alone, as a `Cookie` field; `None` when there are none.
#[must_use]
pub fn only(field: &[u8], names: &[Box<str>]) -> Option<Box<str>> {
    let mut kept = String::new();
    for name in names {
        for (_, value) in pairs(field).filter(|(other, _)| *other == Some(name.as_bytes())) {
            let value = std::str::from_utf8(value).ok()?;
            for piece in [if kept.is_empty() { "" } else { "; " }, name, "=", value] {
                kept.push_str(piece);
            }
        }
    }
    (!kept.is_empty()).then(|| kept.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (field, harmless) in [
            ("_ga=1; _gid=2", true),
            ("_ga_X12=GS1.1", true),
            ("", true),
            ("_ga=1; session=2", false),
            ("session=2", false),
            ("_gid2=1", false),
            ("_ga", false),
            ("_ga=1, session=2", false),
            (" ; _fbp=x ;", true),
        ] {
            assert_eq!(all_match(field.as_bytes(), HARMLESS_COOKIES), harmless, "{field}");
        }
        assert!(all_known(b"theme=dark; _ga=1", &["theme".into()], HARMLESS_COOKIES));
        assert!(!all_known(b"theme2=dark; _ga=1", &["theme".into()], HARMLESS_COOKIES));
    }

    #[test]
    fn by_name() {
        let names = ["plan".into(), "theme".into()];
        for (field, plan, seen) in [
            ("theme=dark; plan=gold; _ga=1", Some("gold"), Some("plan=gold; theme=dark")),
            ("plan=; x=1", Some(""), Some("plan=")),
            ("plan=a; plan=b", Some("a;b"), Some("plan=a; plan=b")),
            ("Plan=a; plan", None, None),
            ("plan=a=b", Some("a=b"), Some("plan=a=b")),
            ("plan=a, theme=b", None, None),
            ("", None, None),
        ] {
            assert_eq!(value(field.as_bytes(), "plan").as_deref(), plan, "{field}");
            assert_eq!(only(field.as_bytes(), &names).as_deref(), seen, "{field}");
        }
        assert_eq!(value(b"plan=\xff", "plan").as_deref(), Some("\u{ff}"));
    }
}
