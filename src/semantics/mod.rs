//! Floor 0: the law. Pure functions over header fields and times; no async, no clock, no host.
//!
//! | module | question | source |
//! | --- | --- | --- |
//! | [`cache_control`] | what do the directives say? | RFC 9111 section 5.2, RFC 5861, RFC 9213 |
//! | [`date`] | when is that? | RFC 9110 section 5.6.7 |
//! | [`freshness`] | how old is it, how long is it good for? | RFC 9111 section 4.2 |
//! | [`storage`] | may this response be stored? | RFC 9111 section 3 |
//! | [`reuse`] | may this stored response be used? | RFC 9111 section 4, RFC 5861 |
//! | [`validation`] | does the client hold it already? | RFC 9110 section 13 |
//! | [`status`] | what do we say happened? | RFC 9211 |

use std::borrow::Cow;

pub mod cache_control;
pub mod date;
pub mod freshness;
pub mod reuse;
pub mod status;
pub mod storage;
pub mod validation;

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
}

/// A few fields in memory: `(lower-case name, value)`.
impl Fields for [(&str, &str)] {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let mut joined: Option<Cow<'_, [u8]>> = None;
        for (_, value) in self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
            match &mut joined {
                None => joined = Some(Cow::Borrowed(value.as_bytes())),
                Some(all) => {
                    let all = all.to_mut();
                    all.extend_from_slice(b", ");
                    all.extend_from_slice(value.as_bytes());
                }
            }
        }
        joined
    }
}

/// Splits a list field at its commas, leaving those inside quoted strings alone, and trims each member
/// (RFC 9110 section 5.6.1: empty members are skipped).
pub(crate) fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.iter().position(|&b| match b {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' if quoted => {
                escaped = true;
                false
            }
            b'"' => {
                quoted = !quoted;
                false
            }
            b',' => !quoted,
            _ => false,
        });
        match end {
            Some(at) => {
                rest = text.get(at + 1..);
                text.get(..at)
            }
            None => rest.take(),
        }
    })
    .map(<[u8]>::trim_ascii)
    .filter(|member| !member.is_empty())
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
    fn repeated_fields_are_joined() {
        let fields: &[(&str, &str)] = &[("age", "1"), ("x", "a"), ("X", "b")];
        assert_eq!(fields.field("x").as_deref(), Some(&b"a, b"[..]));
        assert!(!fields.has("y"));
    }
}
