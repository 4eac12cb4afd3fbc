//! Which requests share a response (RFC 9111 section 4.1): selecting fields, their values, and how a policy may narrow
//! them down.

use super::cache_control::is_token;
use super::{Fields, list_members, members, push_bytes};

/// What a response varies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Varies {
    /// On something no request field shows (`Vary: *`): it answers only the request it was made for.
    Any,
    /// On these request fields, in lower case and in alphabetical order; on none when empty.
    On(Vec<Box<str>>),
}

/// How many fields a response may name: one that names more varies on everything for all that a cache can make of it.
const MOST: usize = 64;

fn add(names: &mut Vec<Box<str>>, name: &str) {
    if let Err(place) = names.binary_search_by(|other| (**other).cmp(name)) {
        names.insert(place, name.into());
    }
}

impl Varies {
    /// What the fields of a response say. One that allows a single origin to read it (`Access-Control-Allow-Origin`)
    /// varies on `Origin` even when its `Vary` forgets to say so.
    ///
    /// ```
    /// use layercake::semantics::vary::Varies;
    /// let fields: &[(&str, &str)] = &[("vary", "Accept-Language, accept")];
    /// assert_eq!(Varies::of(fields), Varies::On(vec!["accept".into(), "accept-language".into()]));
    /// ```
    #[must_use]
    pub fn of(response: &(impl Fields + ?Sized)) -> Self {
        let mut names: Vec<Box<str>> = Vec::new();
        if let Some(value) = response.field("vary") {
            for name in list_members(&value) {
                // 4.1: "*" anywhere never matches; nor can what is no field name be compared.
                match std::str::from_utf8(name) {
                    _ if names.len() >= MOST => return Self::Any,
                    Ok(name) if name != "*" && name.bytes().all(is_token) => {
                        add(&mut names, &name.to_ascii_lowercase());
                    }
                    _ => return Self::Any,
                }
            }
        }
        let origins = response.field("access-control-allow-origin");
        if origins.is_some_and(|value| list_members(&value).any(|origin| origin != b"*")) {
            add(&mut names, "origin");
        }
        Self::On(names)
    }
}

/// The value of a selecting field for comparison: several lines joined, and whitespace evened out where commas stand (4.1).
/// Empty members are left out where the field is known to be a list of negotiation (`Accept` and its kin, RFC 9110 section
/// 12.5); elsewhere they are kept, because `https://a.example,` may not be what `https://a.example` is to who reads it.
/// `None` when the field is missing, which is a value of its own.
#[must_use]
pub fn selecting_value(request: &(impl Fields + ?Sized), name: &str) -> Option<Box<str>> {
    let value = request.field(name)?;
    let negotiates = name.starts_with("accept");
    let mut out = String::with_capacity(value.len());
    let mut first = true;
    for member in members(&value, true).filter(|member| !(negotiates && member.is_empty())) {
        if !std::mem::take(&mut first) {
            out.push_str(", ");
        }
        push_bytes(&mut out, member);
    }
    Some(out.into_boxed_str())
}

/// Whether [`selecting_value`] is `value`: of most requests the field stands there as it counts.
pub(crate) fn is_selecting_value(request: &(impl Fields + ?Sized), name: &str, value: Option<&str>) -> bool {
    let Some(sent) = request.field(name) else { return value.is_none() };
    // Bytes that are no ASCII are kept as other bytes.
    value.is_some_and(|value| *sent == *value.as_bytes() && sent.is_ascii())
        || selecting_value(request, name).as_deref() == value
}

/// How a policy narrows a selecting field down, so that variants do not explode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// `Accept-Language` to one of these language tags, the first of which stands in when the client wants none of them.
    Language(Vec<Box<str>>),
    /// `Accept-Encoding` to the first of these content codings that the client accepts, else `identity`.
    Encoding(Vec<Box<str>>),
}

impl Narrow {
    /// The field it narrows.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Language(_) => "accept-language",
            Self::Encoding(_) => "accept-encoding",
        }
    }

    /// The one value that stands for what the client sent.
    ///
    /// ```
    /// use layercake::semantics::vary::Narrow;
    /// let narrow = Narrow::Language(vec!["en".into(), "it".into()]);
    /// assert_eq!(narrow.choose(Some(b"de, it-CH;q=0.8, en;q=0.5")), "it");
    /// assert_eq!(narrow.choose(Some(b"de")), "en");
    /// ```
    #[must_use]
    pub fn choose(&self, sent: Option<&[u8]>) -> &str {
        let sent = sent.unwrap_or_default();
        let (choices, languages) = match self {
            Self::Language(tags) => (tags, true),
            Self::Encoding(codings) => (codings, false),
        };
        let mut found: Option<(u16, &str)> = None;
        for choice in choices {
            let weight = weight(sent, choice, languages);
            if weight > found.map_or(0, |(other, _)| other) {
                found = Some((weight, choice));
                if !languages {
                    break;
                }
            }
        }
        let default = if languages { choices.first().map_or("*", |tag| &**tag) } else { "identity" };
        found.map_or(default, |(_, choice)| choice)
    }
}

/// The weight in thousandths (RFC 9110 section 12.4.2) that the field gives to `choice`: by name over `*`.
fn weight(field: &[u8], choice: &str, languages: bool) -> u16 {
    let (mut named, mut wild) = (None::<u16>, 0);
    for member in list_members(field) {
        let mut parts = member.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let range = parts.next().unwrap_or_default();
        let q = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
        let weight = q.map_or(1000, thousandths);
        if range == b"*" {
            wild = weight;
        } else if range.eq_ignore_ascii_case(choice.as_bytes()) || (languages && language_matches(range, choice)) {
            named = Some(named.map_or(weight, |other| other.max(weight)));
        }
    }
    named.unwrap_or(wild)
}

/// `0`, `0.5`, `1.000`; what is none of that weighs nothing.
fn thousandths(q: &[u8]) -> u16 {
    let (whole, fraction) = match q {
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        [whole] => (whole, &[][..]),
        _ => return 0,
    };
    if !matches!(whole, b'0' | b'1') || !fraction.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |place: usize| fraction.get(place).map_or(0, |d| u16::from(d - b'0'));
    (u16::from(whole - b'0') * 1000 + digit(0) * 100 + digit(1) * 10 + digit(2)).min(1000)
}

/// Whether what the client wants and the tag we have are one language: either is the other's beginning, subtag by subtag
/// (RFC 4647 sections 3.3.1 and 3.4).
fn language_matches(range: &[u8], tag: &str) -> bool {
    let (short, long) = if range.len() < tag.len() { (range, tag.as_bytes()) } else { (tag.as_bytes(), range) };
    let (head, rest) = long.split_at(short.len());
    !short.is_empty() && head.eq_ignore_ascii_case(short) && matches!(rest.first(), None | Some(b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_responses_vary_on() {
        for (fields, expected) in [
            (&[][..], Some(&[][..])),
            (&[("vary", "Accept, ACCEPT,accept")][..], Some(&["accept"][..])),
            (&[("vary", "b"), ("vary", "a")][..], Some(&["a", "b"][..])),
            (&[("vary", "*")][..], None),
            (&[("vary", "accept, *")][..], None),
            (&[("vary", "accept, a b")][..], None),
            (&[("access-control-allow-origin", "https://a.example")][..], Some(&["origin"][..])),
            (&[("access-control-allow-origin", "*")][..], Some(&[][..])),
        ] {
            let expected = match expected {
                Some(names) => Varies::On(names.iter().map(|name| (*name).into()).collect()),
                None => Varies::Any,
            };
            assert_eq!(Varies::of(fields), expected, "{fields:?}");
        }
    }

    /// One field of bytes, whatever they are.
    struct One(Vec<u8>);

    impl Fields for One {
        fn field(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
            (name != "absent").then(|| self.0.as_slice().into())
        }
    }

    proptest::proptest! {
        #[test]
        fn a_value_in_place_is_compared_as_one_that_is_read(
            stored in "[a,\" \\t\\\\é]{0,12}",
            sent in "[a,\" \\t\\\\é]{0,12}",
            name in proptest::sample::select(&["accept", "x", "absent"][..]),
        ) {
            let value = selecting_value(&One(stored.clone().into_bytes()), name);
            for sent in [sent.as_bytes(), stored.as_bytes(), value.as_deref().unwrap_or_default().as_bytes()] {
                let request = One(sent.to_vec());
                for text in [value.as_deref(), None] {
                    let same = selecting_value(&request, name).as_deref() == text;
                    proptest::prop_assert_eq!(is_selecting_value(&request, name, text), same, "{:?} {:?}", sent, text);
                }
            }
        }
    }

    #[test]
    fn values_are_compared_without_regard_to_whitespace() {
        let value = |v: &'static str| selecting_value(&[("accept", v)][..], "accept");
        assert_eq!(value("a,b"), value("  a ,\t b "));
        assert_eq!(value("a, b").as_deref(), Some("a, b"));
        assert_ne!(value("a, b"), value("b, a"));
        assert_ne!(value(""), selecting_value(&[][..], "accept"));
        assert_eq!(selecting_value(&[("accept", "a"), ("accept", "b")][..], "accept"), value("a, b"));
        let other = |v: &'static str| selecting_value(&[("x", v)][..], "x");
        assert_eq!(other(" a,b"), other("a , b "));
        assert_eq!(value("a,b"), value(",a,,b,"));
        for (one, two) in [("a", "a,"), ("a", ",a"), ("a,b", "a,,b"), ("", ","), ("a", "b")] {
            assert_ne!(other(one), other(two), "{one} {two}");
        }
    }

    #[test]
    fn languages() {
        let narrow = Narrow::Language(["en", "it", "pt-BR"].map(Into::into).to_vec());
        for (sent, expected) in [
            ("", "en"),
            ("it", "it"),
            ("IT-ch", "it"),
            ("ita", "en"),
            ("pt", "pt-BR"),
            ("de, it;q=0.5, en;q=0.4", "it"),
            ("it;q=0.5, en;q=0.5", "en"),
            ("en;q=0, *", "it"),
            ("*", "en"),
            ("it;q=2", "en"),
            ("it;q=x", "en"),
        ] {
            assert_eq!(narrow.choose(Some(sent.as_bytes())), expected, "{sent}");
        }
    }

    #[test]
    fn encodings() {
        let narrow = Narrow::Encoding(["br", "gzip"].map(Into::into).to_vec());
        for (sent, expected) in [
            (None, "identity"),
            (Some("gzip, deflate, br"), "br"),
            (Some("gzip;q=1.0, br;q=0"), "gzip"),
            (Some("deflate"), "identity"),
            (Some("*;q=0.1"), "br"),
            (Some("br;q=0, *"), "gzip"),
        ] {
            assert_eq!(narrow.choose(sent.map(str::as_bytes)), expected, "{sent:?}");
        }
    }
}
