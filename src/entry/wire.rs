//! The head of an entry as text, for the private header of an L1 entry and the metadata or envelope of a KV value.
//!
//! ```text
//! head    = version *record "."
//! version = "1"
//! record  = letter length ":" value      ; length in decimal, of the value in bytes
//! ```
//!
//! | letter | value | times |
//! | --- | --- | --- |
//! | `k` | key check, 24 hex digits | 1 |
//! | `s` | status | 1 |
//! | `t` | born, received (milliseconds since 1970), lifetime, stale-while-revalidate, stale-if-error (milliseconds), joined by commas | 1 |
//! | `a` | empty: may be shared with requests that carry `Authorization` | 0 or 1 |
//! | `n` | body length in bytes | 0 or 1 |
//! | `e` | purge epoch | 0 or 1 |
//! | `g` | a tag | any |
//! | `v` | name of a selecting field, its value in the `w` that follows | any |
//! | `h` | name of a header field, its value in the `i` that follows | any |
//!
//! A letter that a reader does not know is skipped, so fields can be added without a new version; a change of
//! meaning takes a new version byte, and readers of older versions stay. Values hold visible ASCII and spaces;
//! other bytes and `%` are written as `%XX`. Anything that does not read to the final `.` is a [`WireError`], and the
//! entry a miss.

use super::{Head, KeyCheck};
use crate::semantics::freshness::{Freshness, Timestamp, millis};
use std::fmt::Write as _;
use std::time::Duration;

/// The version this crate writes.
pub const VERSION: u8 = b'1';

/// Why an entry's head cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.as_str())]
#[non_exhaustive]
pub enum WireError {
    /// The first byte names no version this crate reads.
    Version,
    /// The text ends before the final mark.
    Truncated,
    /// A record cannot be read, or one that has to be there is missing.
    Malformed,
}

impl WireError {
    /// The error in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Version => "the entry is of another version",
            Self::Truncated => "the entry's head is cut short",
            Self::Malformed => "the entry's head is malformed",
        }
    }
}

/// Header fields of an entry, in order.
pub type FieldList = Vec<(String, Vec<u8>)>;

/// Writes a head and the header fields that travel inside it.
#[must_use]
pub fn encode<'a>(head: &Head, fields: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let f = &head.freshness;
    let mut out = String::with_capacity(256);
    out.push(char::from(VERSION));
    record(&mut out, 'k', hex(&head.key_check).as_bytes());
    number(&mut out, 's', u64::from(head.status));
    let mut times = String::with_capacity(64);
    for (i, part) in [
        f.born.as_millis(),
        head.received.as_millis(),
        millis(f.lifetime),
        millis(f.stale_while_revalidate),
        millis(f.stale_if_error),
    ]
    .into_iter()
    .enumerate()
    {
        // Writing to a String cannot fail, here and below.
        let _ = write!(times, "{}{part}", if i == 0 { "" } else { "," });
    }
    record(&mut out, 't', times.as_bytes());
    if head.shared {
        record(&mut out, 'a', b"");
    }
    if let Some(length) = head.length {
        number(&mut out, 'n', length);
    }
    if head.epoch != 0 {
        number(&mut out, 'e', head.epoch);
    }
    for tag in &head.tags {
        record(&mut out, 'g', tag.as_bytes());
    }
    for (name, value) in &head.selecting {
        record(&mut out, 'v', name.as_bytes());
        record(&mut out, 'w', value.as_bytes());
    }
    for (name, value) in fields {
        record(&mut out, 'h', name.as_bytes());
        record(&mut out, 'i', value);
    }
    out.push('.');
    out
}

/// Reads what [`encode`] wrote; the text may go on behind the final mark, and the length read is returned.
///
/// # Errors
///
/// When the text is of another version, truncated or malformed.
pub fn decode(text: &[u8]) -> Result<(Head, FieldList, usize), WireError> {
    let (&version, mut rest) = text.split_first().ok_or(WireError::Truncated)?;
    if version != VERSION {
        return Err(WireError::Version);
    }
    let (mut check, mut status, mut times) = (None, None, None);
    let (mut shared, mut length, mut epoch) = (false, None, 0);
    let mut tags: Vec<Box<str>> = Vec::new();
    let mut selecting: Vec<(Box<str>, Box<str>)> = Vec::new();
    let mut fields = FieldList::new();
    let mut name: Option<(u8, String)> = None;
    loop {
        let (&letter, behind) = rest.split_first().ok_or(WireError::Truncated)?;
        if letter == b'.' {
            rest = behind;
            break;
        }
        if !letter.is_ascii_alphabetic() {
            return Err(WireError::Malformed);
        }
        let (value, behind) = split_record(behind)?;
        rest = behind;
        match letter {
            b'k' => check = Some(unhex(value).ok_or(WireError::Malformed)?),
            b's' => status = Some(u16::try_from(parse(value)?).map_err(|_| WireError::Malformed)?),
            b't' => times = Some(parse_times(value)?),
            b'a' => shared = true,
            b'n' => length = Some(parse(value)?),
            b'e' => epoch = parse(value)?,
            b'g' => tags.push(text_of(value)?.into_boxed_str()),
            b'v' | b'h' => name = Some((letter, text_of(value)?)),
            b'w' => match name.take() {
                Some((b'v', name)) => selecting.push((name.into_boxed_str(), text_of(value)?.into_boxed_str())),
                _ => return Err(WireError::Malformed),
            },
            b'i' => match name.take() {
                Some((b'h', name)) => fields.push((name, unescape(value)?)),
                _ => return Err(WireError::Malformed),
            },
            _ => {}
        }
    }
    if name.is_some() {
        return Err(WireError::Malformed);
    }
    let (freshness, received) = times.ok_or(WireError::Malformed)?;
    let head = Head {
        key_check: check.ok_or(WireError::Malformed)?,
        status: status.filter(|s| (200..=599).contains(s)).ok_or(WireError::Malformed)?,
        freshness,
        received,
        shared,
        length,
        epoch,
        tags,
        selecting,
    };
    Ok((head, fields, text.len() - rest.len()))
}

fn record(out: &mut String, letter: char, value: &[u8]) {
    let plain = |b: &u8| (b' '..=b'~').contains(b) && *b != b'%';
    let length = value.iter().map(|b| if plain(b) { 1 } else { 3 }).sum::<usize>();
    let _ = write!(out, "{letter}{length}:");
    for b in value {
        if plain(b) {
            out.push(char::from(*b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
}

fn number(out: &mut String, letter: char, value: u64) {
    record(out, letter, value.to_string().as_bytes());
}

fn split_record(text: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let colon = text.iter().take(12).position(|&b| b == b':');
    let colon = colon.ok_or(if text.len() < 12 { WireError::Truncated } else { WireError::Malformed })?;
    let (length, behind) = (&text[..colon], &text[colon + 1..]);
    let length = usize::try_from(parse(length)?).map_err(|_| WireError::Malformed)?;
    behind.split_at_checked(length).ok_or(WireError::Truncated)
}

fn parse(digits: &[u8]) -> Result<u64, WireError> {
    if digits.is_empty() {
        return Err(WireError::Malformed);
    }
    digits
        .iter()
        .try_fold(0u64, |n, b| {
            let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
            n.checked_mul(10)?.checked_add(digit)
        })
        .ok_or(WireError::Malformed)
}

fn parse_times(value: &[u8]) -> Result<(Freshness, Timestamp), WireError> {
    let mut parts = value.split(|&b| b == b',').map(parse);
    let mut next = || parts.next().unwrap_or(Err(WireError::Malformed));
    let (born, received) = (Timestamp::from_millis(next()?), Timestamp::from_millis(next()?));
    let freshness = Freshness {
        born,
        lifetime: Duration::from_millis(next()?),
        stale_while_revalidate: Duration::from_millis(next()?),
        stale_if_error: Duration::from_millis(next()?),
    };
    match parts.next() {
        None => Ok((freshness, received)),
        Some(_) => Err(WireError::Malformed),
    }
}

fn unescape(value: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&b, behind)) = rest.split_first() {
        if b == b'%' {
            let (digits, behind) = behind.split_at_checked(2).ok_or(WireError::Malformed)?;
            out.push(unhex::<1>(&digits.to_ascii_lowercase()).ok_or(WireError::Malformed)?[0]);
            rest = behind;
        } else {
            out.push(b);
            rest = behind;
        }
    }
    Ok(out)
}

fn text_of(value: &[u8]) -> Result<String, WireError> {
    String::from_utf8(unescape(value)?).map_err(|_| WireError::Malformed)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(DIGITS[usize::from(n)])).collect()
}

fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |b: &u8| DIGITS.iter().position(|d| d == b).and_then(|n| u8::try_from(n).ok());
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(out)
}

/// Checks that a [`KeyCheck`] is what [`decode`] reads.
const _: fn(&[u8]) -> Option<KeyCheck> = unhex;

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            key_check: [0xab; 12],
            status: 200,
            freshness: Freshness {
                born: Timestamp::from_millis(1_800_000_000_123),
                lifetime: Duration::from_secs(30),
                stale_while_revalidate: Duration::from_secs(60),
                stale_if_error: Duration::ZERO,
            },
            received: Timestamp::from_millis(1_800_000_000_456),
            shared: true,
            length: Some(1024),
            epoch: 7,
            tags: vec!["product:7".into()],
            selecting: vec![("accept-language".into(), "it, en;q=0.5".into())],
        }
    }

    const FIELDS: [(&str, &[u8]); 3] = [("etag", b"\"v1\""), ("x-odd", b"50% \xff\n"), ("etag", b"")];

    /// The bytes of version 1. They are what deployed Workers have in their tiers: this test never changes.
    #[test]
    fn version_1_is_frozen() {
        assert_eq!(
            encode(&head(), FIELDS),
            "1k24:ababababababababababababs3:200t41:1800000000123,1800000000456,30000,60000,0a0:n4:1024e1:7\
             g9:product:7v15:accept-languagew12:it, en;q=0.5h4:etagi4:\"v1\"h5:x-oddi12:50%25 %FF%0Ah4:etagi0:."
        );
    }

    #[test]
    fn a_round_trip() {
        let text = encode(&head(), FIELDS) + "body";
        let (read, fields, length) = decode(text.as_bytes()).unwrap();
        assert_eq!(read, head());
        assert_eq!(length, text.len() - 4);
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_slice())).collect();
        assert_eq!(fields, FIELDS);
    }

    #[test]
    fn every_cut_is_an_error() {
        let text = encode(&head(), FIELDS);
        for end in 0..text.len() {
            assert!(decode(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn foreign_text_is_an_error_and_unknown_letters_are_skipped() {
        for text in
            ["", "2k0:.", "{\"a\":1}", "1.", "1k24:zz", "1k2:ab.", "1s99999999999999:1.", "1h1:a.", "1i1:a.", "\u{0}"]
        {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
        let text = encode(&head(), []).replacen('1', "1Z3:new", 1);
        assert_eq!(decode(text.as_bytes()).unwrap().0, head());
    }
}
