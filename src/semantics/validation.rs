//! Validation in both directions: does the client hold this representation already (RFC 9110 section 13), and is what we
//! hold still good (RFC 9111 section 4.3)?

use super::range::{Wanted, if_range_holds, wanted};
use super::{Fields, date, date_of, entity_tags, freshness::Timestamp, text_of};

/// What tells one state of a stored response from another (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<Box<str>>,
    /// `Last-Modified`.
    pub last_modified: Option<Box<str>>,
}

impl Validators {
    /// Those of a response.
    #[must_use]
    pub fn of(fields: &(impl Fields + ?Sized)) -> Self {
        let of = |name| text_of(fields, name).filter(|value| !value.is_empty());
        Self { etag: of("etag"), last_modified: of("last-modified") }
    }

    /// Whether there are none, so that the response cannot be validated.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    /// The request fields that ask whether the response is still good (RFC 9111 section 4.3.1).
    #[must_use]
    pub fn into_conditions(self) -> Vec<(&'static str, Box<str>)> {
        let fields = [("if-none-match", self.etag), ("if-modified-since", self.last_modified)];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// Whether a 304 with these fields is about the response these are of (RFC 9111 section 4.3.4): an entity tag or date
    /// that it carries is ours.
    #[must_use]
    pub fn confirmed_by(&self, fields: &(impl Fields + ?Sized)) -> bool {
        let theirs = Self::of(fields);
        match (&self.etag, &theirs.etag) {
            // A strong tag is about what has the very same one.
            (Some(ours), Some(theirs)) if theirs.starts_with('"') => ours == theirs,
            (Some(ours), Some(theirs)) => opaque_tag(ours.as_bytes()) == opaque_tag(theirs.as_bytes()),
            (None, Some(_)) => false,
            (_, None) => theirs.last_modified.is_none() || theirs.last_modified == self.last_modified,
        }
    }

    /// The strong entity tag, if there is one (RFC 9110 section 8.8.1): only it lets parts be combined (RFC 9111 section
    /// 3.4).
    #[must_use]
    pub fn strong(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| etag.starts_with('"'))
    }
}

/// Whether a field of a 304 replaces the stored one (RFC 9111 section 3.2). Those that describe the stored bytes stay as they
/// are, and so does `ETag`, which is ours already ([`Validators::confirmed_by`]).
#[must_use]
pub fn replaces(name: &str) -> bool {
    !matches!(name, "content-length" | "content-encoding" | "content-range" | "etag")
}

/// Whether the 200 to a HEAD describes the stored response to GET (RFC 9111 section 4.3.5), whose body has `length` bytes: then
/// it updates it, else the stored one is of the past.
#[must_use]
pub fn head_agrees(head: &(impl Fields + ?Sized), stored: &(impl Fields + ?Sized), length: Option<u64>) -> bool {
    let (theirs, ours) = (Validators::of(head), Validators::of(stored));
    let same = |theirs: &Option<Box<str>>, ours: &Option<Box<str>>| theirs.is_none() || theirs == ours;
    let announced = text_of(head, "content-length").and_then(|text| text.parse::<u64>().ok());
    same(&theirs.etag, &ours.etag)
        && same(&theirs.last_modified, &ours.last_modified)
        && announced.is_none_or(|announced| length.is_none_or(|length| length == announced))
}

/// What a GET or HEAD asks of a representation: the conditions that 304 answers, and the range wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    if_none_match: Option<Vec<u8>>,
    if_modified_since: Option<Vec<u8>>,
    range: Option<Vec<u8>>,
    if_range: Option<Vec<u8>>,
}

impl Conditions {
    /// Reads them from a request. `with_range` is whether its method gives `Range` a meaning.
    #[must_use]
    pub fn of(request: &(impl Fields + ?Sized), with_range: bool) -> Self {
        let if_none_match = request.field("if-none-match").map(std::borrow::Cow::into_owned);
        // RFC 9110 section 13.1.3: If-Modified-Since is ignored beside If-None-Match.
        let if_modified_since = match if_none_match {
            Some(_) => None,
            None => request.field("if-modified-since").map(std::borrow::Cow::into_owned),
        };
        let range = if with_range { request.field("range").map(std::borrow::Cow::into_owned) } else { None };
        let if_range = range.as_ref().and_then(|_| request.field("if-range")).map(std::borrow::Cow::into_owned);
        Self { if_none_match, if_modified_since, range, if_range }
    }

    /// Whether a range is asked for.
    #[must_use]
    pub const fn has_range(&self) -> bool {
        self.range.is_some()
    }

    /// What the client wants of a stored response with these `fields` and of `total` bytes (RFC 9110 sections 13.1.5 and
    /// 14.2).
    #[must_use]
    pub fn wanted(&self, fields: &(impl Fields + ?Sized), total: u64, now: Timestamp) -> Wanted {
        match (&self.range, &self.if_range) {
            (None, _) => Wanted::Whole,
            (Some(_), Some(condition)) if !if_range_holds(condition, fields, now) => Wanted::Whole,
            (Some(range), _) => wanted(range, total),
        }
    }

    /// Whether the request asks without a condition that a 304 could meet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.if_none_match.is_none() && self.if_modified_since.is_none()
    }

    /// Whether a stored 200 with these `fields` is what the client holds, so that a 304 answers it (13.2.2).
    #[must_use]
    pub fn not_modified(&self, fields: &(impl Fields + ?Sized), now: Timestamp) -> bool {
        if let Some(wanted) = &self.if_none_match {
            // 13.1.2: "*" matches any current representation; lists use the weak comparison of 8.8.3.2.
            if wanted.trim_ascii() == b"*" {
                return true;
            }
            let Some(etag) = fields.field("etag") else { return false };
            let etag = opaque_tag(etag.trim_ascii());
            return entity_tags(wanted).any(|tag| opaque_tag(tag) == etag);
        }
        let Some(since) = self.if_modified_since.as_deref().and_then(|v| date::parse(v.trim_ascii(), now)) else {
            return false;
        };
        // RFC 9111 section 4.3.2: without Last-Modified, the time of the response.
        let time = if fields.has("last-modified") { "last-modified" } else { "date" };
        date_of(fields, time, now).is_some_and(|modified| modified <= since)
    }
}

/// The entity tag without its weakness mark.
fn opaque_tag(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The entity tag that [`weaken`] made weak.
#[must_use]
pub fn strengthen(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// The weak form of an entity tag, for a representation that is equivalent but not byte for byte the one tagged
/// (RFC 9110 section 8.8.1).
#[must_use]
pub fn weaken(etag: &str) -> String {
    if etag.starts_with("W/") { etag.to_owned() } else { format!("W/{etag}") }
}

/// The fields that describe a body and leave with it when a 304 is sent (RFC 9110 section 15.4.5).
pub const BODY_FIELDS: [&str; 5] =
    ["content-length", "content-type", "content-encoding", "content-language", "content-range"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let stored: &[(&str, &str)] = &[("etag", "\"v1\""), ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT")];
        let bare: &[(&str, &str)] = &[];
        let dated: &[(&str, &str)] = &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        for (request, entry, expected) in [
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")][..], dated, true),
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")][..], dated, false),
            (&[("if-none-match", "\"v1\"")][..], stored, true),
            (&[("if-none-match", "W/\"v1\"")][..], stored, true),
            (&[("if-none-match", "\"v0\", \"v1\"")][..], stored, true),
            (&[("if-none-match", "*")][..], stored, true),
            (&[("if-none-match", "*")][..], bare, true),
            (&[("if-none-match", "\"v2\"")][..], stored, false),
            (&[("if-none-match", "\"v1\"")][..], bare, false),
            (&[("if-none-match", "\"v2\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")][..], stored, false),
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")][..], stored, true),
            (&[("if-modified-since", "Sun Nov  6 08:49:36 1994")][..], stored, false),
            (&[("if-modified-since", "yesterday")][..], stored, false),
            (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")][..], bare, false),
            (&[][..], stored, false),
        ] {
            let got = Conditions::of(request, true).not_modified(entry, Timestamp::from_secs(784_111_800));
            assert_eq!(got, expected, "{request:?} against {entry:?}");
        }
    }

    #[test]
    fn ranges_with_conditions() {
        let stored: &[(&str, &str)] = &[("etag", "\"v1\"")];
        let part = Wanted::Part(crate::semantics::range::Part { first: 0, last: 1, total: 10 });
        for (request, with_range, expected) in [
            (&[("range", "bytes=0-1")][..], true, part),
            (&[("range", "bytes=0-1")][..], false, Wanted::Whole),
            (&[("range", "bytes=0-1"), ("if-range", "\"v1\"")][..], true, part),
            (&[("range", "bytes=0-1"), ("if-range", "\"v2\"")][..], true, Wanted::Whole),
            (&[("range", "bytes=10-")][..], true, Wanted::Unsatisfiable),
            (&[][..], true, Wanted::Whole),
        ] {
            let got = Conditions::of(request, with_range).wanted(stored, 10, Timestamp::from_secs(784_111_800));
            assert_eq!(got, expected, "{request:?}");
        }
    }

    #[test]
    fn which_304_is_about_ours() {
        let ours = |etag: Option<&str>, date: Option<&str>| Validators {
            etag: etag.map(Into::into),
            last_modified: date.map(Into::into),
        };
        for (stored, fields, expected) in [
            (ours(Some("\"a\""), None), &[("etag", "\"a\"")][..], true),
            (ours(Some("\"a\""), None), &[("etag", "W/\"a\"")][..], true),
            (ours(Some("\"a\""), None), &[("etag", "\"b\"")][..], false),
            (ours(Some("W/\"a\""), None), &[("etag", "\"a\"")][..], false),
            (ours(Some("\"a\""), None), &[][..], true),
            (ours(None, Some("x")), &[("etag", "\"b\"")][..], false),
            (ours(None, Some("x")), &[("last-modified", "x")][..], true),
            (ours(None, Some("x")), &[("last-modified", "y")][..], false),
        ] {
            assert_eq!(stored.confirmed_by(fields), expected, "{stored:?} {fields:?}");
        }
    }

    #[test]
    fn conditions_and_strength() {
        let fields: &[(&str, &str)] = &[("etag", " \"a\" "), ("last-modified", "x")];
        let validators = Validators::of(fields);
        assert_eq!(validators.strong(), Some("\"a\""));
        let conditions = validators.into_conditions();
        assert_eq!(conditions, [("if-none-match", "\"a\"".into()), ("if-modified-since", "x".into())]);
        assert!(Validators::of(&[("etag", "")][..]).is_empty());
        assert_eq!(Validators::of(&[("etag", "W/\"a\"")][..]).strong(), None);
    }

    #[test]
    fn what_a_304_replaces() {
        assert!(replaces("cache-control") && replaces("date") && replaces("x-any") && replaces("content-type"));
        assert!(!["content-length", "content-encoding", "content-range", "etag"].into_iter().any(replaces));
    }

    #[test]
    fn heads() {
        let stored: &[(&str, &str)] = &[("etag", "\"a\""), ("last-modified", "x")];
        for (head, expected) in [
            (&[("etag", "\"a\"")][..], true),
            (&[("etag", "\"b\"")][..], false),
            (&[("last-modified", "y")][..], false),
            (&[("content-length", "10")][..], true),
            (&[("content-length", "11")][..], false),
            (&[][..], true),
        ] {
            assert_eq!(head_agrees(head, stored, Some(10)), expected, "{head:?}");
        }
    }

    #[test]
    fn weakening_is_idempotent() {
        assert_eq!(weaken("\"a\""), "W/\"a\"");
        assert_eq!(weaken("W/\"a\""), "W/\"a\"");
    }
}
