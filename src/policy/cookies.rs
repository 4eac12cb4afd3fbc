//! Which cookies say nothing about who is asking.

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

/// Whether every cookie of a `Cookie` field (RFC 6265 section 4.2.1) matches one of `patterns`. A pair that cannot be
/// read matches none.
#[must_use]
pub fn all_match<S: AsRef<str>>(field: &[u8], patterns: &[S]) -> bool {
    // A field of several lines is joined by ", " (HTTP/1.1) or "; " (HTTP/2); "," cannot stand in a cookie's name.
    field.split(|&b| b == b';').map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).all(|pair| {
        let end = pair.iter().position(|&b| b == b'=');
        let value = end.map_or(&[][..], |at| &pair[at + 1..]);
        end.is_some_and(|end| patterns.iter().any(|p| matches(&pair[..end], p.as_ref()))) && !value.contains(&b',')
    })
}

fn matches(name: &[u8], pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(stem) => name.starts_with(stem.as_bytes()),
        None => name == pattern.as_bytes(),
    }
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
    }
}
