use crate::semantics::Fields;
use std::borrow::Cow;

/// The header fields of an `http` request, for a [`RequestView`](super::RequestView): kept in an `Arc`, they are there when the request
/// has gone on.
///
/// Most of the fields that the rules ask for are in few requests. A summary of the names, made once, says so without a look into the
/// map.
///
/// ```
/// use layercake::message::HttpFields;
/// use layercake::semantics::Fields;
///
/// let mut map = http::HeaderMap::new();
/// map.append("cookie", http::HeaderValue::from_static("a=1"));
/// map.append("cookie", http::HeaderValue::from_static("b=2"));
/// let fields = HttpFields::new(map);
/// assert_eq!(fields.field("cookie").as_deref(), Some(&b"a=1; b=2"[..]));
/// assert!(!fields.has_any(&["range", "authorization"]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct HttpFields {
    map: http::HeaderMap,
    names: Names,
}

impl HttpFields {
    /// Those of a request.
    #[must_use]
    pub fn new(map: http::HeaderMap) -> Self {
        let names = map.keys().fold(Names::default(), |names, name| names.and(name.as_str()));
        Self { map, names }
    }

    /// The fields as they came.
    #[must_use]
    pub const fn map(&self) -> &http::HeaderMap {
        &self.map
    }

    /// The same, to be changed.
    #[must_use]
    pub fn into_map(self) -> http::HeaderMap {
        self.map
    }

    /// Whether any of these fields, in lower case, is present.
    #[must_use]
    pub fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }
}

impl Fields for HttpFields {
    /// Cookies sent on several lines are joined by semicolons (RFC 9113 section 8.2.3).
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if !self.names.may_have(name) {
            return None;
        }
        if name == "cookie" {
            let lines: Vec<&[u8]> = self.map.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
            return (!lines.is_empty()).then(|| Cow::Owned(lines.join(&b"; "[..])));
        }
        self.map.field(name)
    }

    fn has(&self, name: &str) -> bool {
        self.names.may_have(name) && self.map.has(name)
    }

    fn names(&self) -> Vec<Box<str>> {
        self.map.names()
    }
}

/// A summary of names: each sets one bit of 64.
#[derive(Clone, Copy, Debug, Default)]
struct Names(u64);

impl Names {
    const fn and(self, name: &str) -> Self {
        Self(self.0 | Self::bit(name))
    }

    /// Of a name that was added always so, of others seldom.
    const fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name) != 0
    }

    const fn bit(name: &str) -> u64 {
        match name.as_bytes() {
            [] => 1,
            // The factors keep the names that are sought apart from those that most requests have.
            [first, .., last] => 1 << ((name.len() + 19 * *first as usize + 18 * *last as usize) & 63),
            [only] => 1 << (*only & 63),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_there_is_is_found_and_no_other() {
        let all: Vec<String> = (0..200).map(|n| ["x", &"-y".repeat(n % 9), &n.to_string()].concat()).collect();
        let mut map = http::HeaderMap::new();
        for name in all.iter().step_by(3) {
            let name = http::HeaderName::try_from(name.as_str()).unwrap();
            map.insert(name, http::HeaderValue::from_static("1"));
        }
        let fields = HttpFields::new(map);
        for (place, name) in all.iter().enumerate() {
            let there = place % 3 == 0;
            assert_eq!((fields.has(name), fields.field(name).is_some()), (there, there), "{name}");
            assert_eq!(fields.has_any(&["via", name]), there, "{name}");
        }
        assert!(!fields.has("") && !fields.has("x") && !HttpFields::default().has(""));
    }

    #[test]
    fn names_sought_in_vain_seldom_share_a_bit_with_those_of_browsers() {
        let sent = [
            "host",
            "user-agent",
            "accept",
            "accept-language",
            "accept-encoding",
            "connection",
            "referer",
            "priority",
            "upgrade-insecure-requests",
            "sec-fetch-dest",
            "sec-fetch-mode",
            "sec-fetch-site",
            "sec-fetch-user",
        ];
        let names = sent.iter().fold(Names::default(), |names, name| names.and(name));
        let others = [
            "upgrade",
            "authorization",
            "cookie",
            "cache-control",
            "content-length",
            "transfer-encoding",
            "forwarded",
            "x-forwarded-host",
            "x-forwarded-scheme",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "x-method-override",
            "x-host",
            "x-forwarded-prefix",
            "x-forwarded-port",
        ];
        let sought = crate::message::CONDITIONAL_FIELDS.iter().chain(&others);
        let alike: Vec<_> = sought.filter(|name| names.may_have(name)).collect();
        assert!(alike.len() <= 1, "{alike:?}");
    }
}
