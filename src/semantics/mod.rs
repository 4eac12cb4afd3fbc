//! Floor 0: the law. Pure functions over header fields and times; no async, no clock, no host.
//!
//! | module | question | source |
//! | --- | --- | --- |
//! | [`cache_control`] | what do the directives say? | RFC 9111 section 5.2, RFC 5861, RFC 9213 |
//! | [`structured`] | is that a structured field, and what is in it? | RFC 9651 |
//! | [`date`] | when is that? | RFC 9110 section 5.6.7 |
//! | [`freshness`] | how old is it, how long is it good for? | RFC 9111 section 4.2, RFC 5861 |
//! | [`storage`] | may this response be stored? | RFC 9111 section 3 |
//! | [`vary`] | which requests share it? | RFC 9111 section 4.1 |
//! | [`reuse`] | may this stored response be used? | RFC 9111 sections 4 and 5.2.1 |
//! | [`validation`] | is it still good, does the client hold it already? | RFC 9111 section 4.3, RFC 9110 section 13 |
//! | [`range`] | which part of it? | RFC 9110 section 14, RFC 9111 sections 3.3 and 3.4 |
//! | [`invalidation`] | what does a change make void? | RFC 9111 section 4.4 |
//! | [`status`] | what do we say happened? | RFC 9211 |

use freshness::Timestamp;
use std::borrow::Cow;

pub mod cache_control;
pub mod date;
pub mod freshness;
pub mod invalidation;
pub mod range;
pub mod reuse;
pub mod status;
pub mod storage;
pub mod structured;
pub mod validation;
pub mod vary;

/// Header fields, read by name and only when a rule needs them.
///
/// On Workers every read crosses from WebAssembly into JavaScript (about 0.3 us), so the rules ask for
/// the few fields they need instead of receiving a map.
pub trait Fields {
    /// The combined value of the field `name` (lower case): several field lines are joined by `", "`
    /// (RFC 9110 section 5.3). `None` when the field is absent.
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>>;

    /// Whether the field is present at all.
    fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The names of the fields there are, in lower case; none where they cannot be listed.
    fn names(&self) -> Vec<Box<str>> {
        Vec::new()
    }
}

/// A few fields in memory: `(lower-case name, value)`.
impl Fields for [(&str, &str)] {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let lines = self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        joined(lines.map(|(_, value)| value.as_bytes()))
    }
}

/// Field lines of one name as one value (RFC 9110 section 5.3); `None` when there are none.
pub(crate) fn joined<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, [u8]>> {
    let mut joined = Cow::Borrowed(lines.next()?);
    for line in lines {
        let all = joined.to_mut();
        all.extend_from_slice(b", ");
        all.extend_from_slice(line);
    }
    Some(joined)
}

/// Adds bytes to a text: those that are no text are kept apart by their number, not by their looks.
#[inline(never)]
pub(crate) fn push_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push(char::from(*byte));
    }
}

/// Splits a list field at its commas, leaving those inside quoted strings alone, and trims each member
/// (RFC 9110 section 5.6.1: empty members are skipped). A quote that is never closed quotes nothing, so that it cannot hide
/// what follows it.
pub(crate) fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    members(value, true).filter(|member| !member.is_empty())
}

/// A list of entity tags: as [`list_members`], but a backslash in one is nothing else (RFC 9110 section 8.8.3).
pub(crate) fn entity_tags(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    members(value, false).filter(|member| !member.is_empty())
}

/// What stands between commas, empty or not. `escapes` is whether a backslash in quotes takes the next byte with it.
pub(crate) fn members(value: &[u8], escapes: bool) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut quotes) = (Some(value), true);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = match comma(text, quotes, escapes) {
            Err(Unclosed) => {
                quotes = false;
                comma(text, false, escapes).unwrap_or_default()
            }
            Ok(end) => end,
        };
        match end {
            Some(at) => {
                rest = text.get(at + 1..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
    .map(<[u8]>::trim_ascii)
}

struct Unclosed;

/// The place of the first comma outside quoted strings.
fn comma(text: &[u8], quotes: bool, escapes: bool) -> Result<Option<usize>, Unclosed> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &b) in text.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted && escapes => escaped = true,
            b'"' if quotes => quoted = !quoted,
            b',' if !quoted => return Ok(Some(at)),
            _ => {}
        }
    }
    if quoted { Err(Unclosed) } else { Ok(None) }
}

/// Writes a number in decimal. Formatting machinery costs more than the digits.
#[inline(never)]
pub(crate) fn push_decimal(out: &mut String, number: u64) {
    if number > 9 {
        push_decimal(out, number / 10);
    }
    out.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or(0)));
}

/// A number in decimal.
pub(crate) fn decimal(number: u64) -> String {
    let mut text = String::with_capacity(20);
    push_decimal(&mut text, number);
    text
}

/// The date in a field, when there is one.
pub(crate) fn date_of(fields: &(impl Fields + ?Sized), name: &str, received: Timestamp) -> Option<Timestamp> {
    date::parse(fields.field(name)?.trim_ascii(), received)
}

/// The value of a field as text, when it is some.
pub(crate) fn text_of(fields: &(impl Fields + ?Sized), name: &str) -> Option<Box<str>> {
    let value = fields.field(name)?;
    std::str::from_utf8(value.trim_ascii()).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_quotes_do_not_split() {
        let members: Vec<_> = list_members(br#"a="x, \"y,", b ,, c"#).collect();
        assert_eq!(members, [&br#"a="x, \"y,""#[..], b"b", b"c"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_hides_nothing() {
        let members: Vec<_> = list_members(br#"private="x, no-store, y="z"#).collect();
        assert_eq!(members, [&br#"private="x, no-store, y="z"#[..]], "two quotes: closed");
        let members: Vec<_> = list_members(br#"a="b", private="x, no-store"#).collect();
        assert_eq!(members, [&br#"a="b""#[..], br#"private="x"#, b"no-store"]);
        assert_eq!(list_members(&b"\\\",".repeat(20_000)).count(), 20_000, "in linear time");
    }

    #[test]
    fn repeated_fields_are_joined() {
        let fields: &[(&str, &str)] = &[("age", "1"), ("x", "a"), ("X", "b")];
        assert_eq!(fields.field("x").as_deref(), Some(&b"a, b"[..]));
        assert!(!fields.has("y"));
    }
}
