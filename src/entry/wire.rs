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
//! | `v` | name of a selecting field, its value in the `w` that follows; without one the request had no such field | any |
//! | `f` | number of the family of variants | 0 or 1 |
//! | `d` | mark of another variant, in decimal | any |
//! | `b` | how long past freshness it is kept to be validated (milliseconds) | 0 or 1 |
//! | `r` | empty: never to be used stale | 0 or 1 |
//! | `p` | first and last place and total of a part, joined by commas | 0 or 1 |
//! | `u` | until when L2 keeps its copy (milliseconds since 1970) | 0 or 1 |
//! | `c` | sum of 1 for a declared `Cache-Control`, 2 for a declared targeted field, 4 for an `ETag` made weak | 0 or 1 |
//! | `x` | `base64`: how a KV value keeps the body (`worker/kv/kv.js`); only as the first record | 0 or 1 |
//! | `m` | the parts of a body that is no KV value (`worker/kv/parts.js`); only as the first record | 0 or 1 |
//! | `h` | name of a header field, its value in the `i` that follows | any |
//!
//! A letter that a reader does not know is skipped, so fields can be added without a new version; a change of
//! meaning takes a new version byte, and readers of older versions stay. Values hold visible ASCII and spaces;
//! other bytes and `%` are written as `%XX`. Anything that does not read to the final `.` is a [`WireError`], and the
//! entry a miss.

use super::{Declared, Head, KeyCheck, Selecting};
use crate::semantics::freshness::{Freshness, Timestamp, millis};
use crate::semantics::push_decimal;
use crate::semantics::range::Part;
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
    let times = [
        f.born.as_millis(),
        head.received.as_millis(),
        millis(f.lifetime),
        millis(f.stale_while_revalidate),
        millis(f.stale_if_error),
    ];
    record(&mut out, 't', joined(&times).as_bytes());
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
        if let Some(value) = value {
            record(&mut out, 'w', value.as_bytes());
        }
    }
    for (letter, value) in
        [('f', head.family.id), ('b', millis(f.keep)), ('u', head.l2_until.as_millis()), ('c', declared(head.declared))]
    {
        if value != 0 {
            number(&mut out, letter, value);
        }
    }
    for other in &head.family.others {
        number(&mut out, 'd', u64::from(*other));
    }
    if f.never_stale {
        record(&mut out, 'r', b"");
    }
    if let Some(part) = head.part {
        record(&mut out, 'p', joined(&[part.first, part.last, part.total]).as_bytes());
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
    let mut fields = FieldList::new();
    let (head, length) = read(text, Some(&mut fields))?;
    Ok((head, fields, length))
}

/// As [`decode`], for a reader who has the header fields elsewhere, or reads them himself.
///
/// # Errors
///
/// When the text is of another version, truncated or malformed.
pub fn decode_head(text: &[u8]) -> Result<(Head, usize), WireError> {
    read(text, None)
}

fn read(text: &[u8], mut fields: Option<&mut FieldList>) -> Result<(Head, usize), WireError> {
    let (&version, mut rest) = text.split_first().ok_or(WireError::Truncated)?;
    if version != VERSION {
        return Err(WireError::Version);
    }
    let (mut check, mut status, mut times) = (None, None, None);
    let mut head = Head::default();
    let (mut keep, mut never_stale) = (Duration::ZERO, false);
    let mut name: Option<&[u8]> = None;
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
        let number = parse(value);
        match letter {
            b'k' => check = Some(unhex(value).ok_or(WireError::Malformed)?),
            b's' => status = Some(u16::try_from(number?).map_err(|_| WireError::Malformed)?),
            b't' => {
                let mut list = [0; 5];
                parse_list(value, &mut list)?;
                times = Some(list);
            }
            b'a' => head.shared = true,
            b'n' => head.length = Some(number?),
            b'e' => head.epoch = number?,
            b'g' => head.tags.push(text_of(value)?.into_boxed_str()),
            b'v' => head.selecting.push((text_of(value)?.into_boxed_str(), None)),
            b'w' => select(&mut head.selecting, value)?,
            b'f' => head.family.id = number?,
            b'd' => head.family.others.push(u32::try_from(number?).map_err(|_| WireError::Malformed)?),
            b'b' => keep = Duration::from_millis(number?),
            b'r' => never_stale = true,
            b'p' => head.part = Some(part_of(value)?),
            b'u' => head.l2_until = Timestamp::from_millis(number?),
            b'c' => {
                let sum = number?;
                head.declared = Declared { cache_control: sum & 1 != 0, target: sum & 2 != 0, weakness: sum & 4 != 0 };
            }
            b'h' => name = Some(value),
            b'i' => {
                let name = name.take().ok_or(WireError::Malformed)?;
                if let Some(fields) = &mut fields {
                    fields.push((text_of(name)?, unescape(value)?));
                }
            }
            _ => {}
        }
    }
    let [born, received, lifetime, stale_while_revalidate, stale_if_error] = times.ok_or(WireError::Malformed)?;
    if name.is_some() {
        return Err(WireError::Malformed);
    }
    head.key_check = check.ok_or(WireError::Malformed)?;
    head.status = status.filter(|s| (200..=599).contains(s)).ok_or(WireError::Malformed)?;
    head.received = Timestamp::from_millis(received);
    head.freshness = Freshness {
        born: Timestamp::from_millis(born),
        lifetime: Duration::from_millis(lifetime),
        stale_while_revalidate: Duration::from_millis(stale_while_revalidate),
        stale_if_error: Duration::from_millis(stale_if_error),
        keep,
        never_stale,
    };
    Ok((head, text.len() - rest.len()))
}

fn declared(declared: Declared) -> u64 {
    u64::from(declared.cache_control) + 2 * u64::from(declared.target) + 4 * u64::from(declared.weakness)
}

/// The value of the selecting field named last.
fn select(selecting: &mut Selecting, value: &[u8]) -> Result<(), WireError> {
    match selecting.last_mut() {
        Some((_, slot @ None)) => {
            *slot = Some(text_of(value)?.into_boxed_str());
            Ok(())
        }
        _ => Err(WireError::Malformed),
    }
}

fn part_of(value: &[u8]) -> Result<Part, WireError> {
    let mut list = [0; 3];
    parse_list(value, &mut list)?;
    let [first, last, total] = list;
    if first > last || last >= total {
        return Err(WireError::Malformed);
    }
    Ok(Part { first, last, total })
}

fn joined(numbers: &[u64]) -> String {
    let mut text = String::with_capacity(64);
    for number in numbers {
        if !text.is_empty() {
            text.push(',');
        }
        push_decimal(&mut text, *number);
    }
    text
}

fn record(out: &mut String, letter: char, value: &[u8]) {
    let plain = |b: &u8| (b' '..=b'~').contains(b) && *b != b'%';
    let length = value.iter().map(|b| if plain(b) { 1 } else { 3 }).sum::<usize>();
    out.push(letter);
    push_decimal(out, length as u64);
    out.push(':');
    for b in value {
        if plain(b) {
            out.push(char::from(*b));
        } else {
            out.push('%');
            out.extend([b >> 4, b & 15].map(|n| char::from(DIGITS[usize::from(n)]).to_ascii_uppercase()));
        }
    }
}

fn number(out: &mut String, letter: char, value: u64) {
    record(out, letter, joined(&[value]).as_bytes());
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

/// As many numbers as wanted, joined by commas.
fn parse_list(value: &[u8], list: &mut [u64]) -> Result<(), WireError> {
    let mut parts = value.split(|&b| b == b',').map(parse);
    for number in list {
        *number = parts.next().unwrap_or(Err(WireError::Malformed))?;
    }
    if parts.next().is_some() { Err(WireError::Malformed) } else { Ok(()) }
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

/// The bytes of so many pairs of lower-case hexadecimal digits, no more and no less.
pub(crate) fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
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
    use super::super::Family;
    use super::*;

    fn head() -> Head {
        Head {
            key_check: [0xab; 12],
            status: 200,
            freshness: Freshness {
                born: Timestamp::from_millis(1_800_000_000_123),
                lifetime: Duration::from_secs(30),
                stale_while_revalidate: Duration::from_secs(60),
                ..Freshness::default()
            },
            received: Timestamp::from_millis(1_800_000_000_456),
            shared: true,
            length: Some(1024),
            epoch: 7,
            tags: vec!["product:7".into()],
            selecting: vec![("accept-language".into(), Some("it, en;q=0.5".into()))],
            ..Head::default()
        }
    }

    /// With every record there is.
    fn full() -> Head {
        let plain = head();
        Head {
            freshness: Freshness { keep: Duration::from_secs(3600), never_stale: true, ..plain.freshness },
            selecting: vec![("accept".into(), None), ("accept-language".into(), Some("".into()))],
            family: Family { id: 1_800_000_000_001, others: vec![1, u32::MAX] },
            part: Some(Part { first: 0, last: 1023, total: 4096 }),
            l2_until: Timestamp::from_millis(1_800_000_900_000),
            declared: Declared { cache_control: true, target: true, weakness: true },
            ..plain
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

    /// As above.
    #[test]
    fn the_later_records_of_version_1_are_frozen() {
        assert_eq!(
            encode(&full(), []),
            "1k24:ababababababababababababs3:200t41:1800000000123,1800000000456,30000,60000,0a0:n4:1024e1:7\
             g9:product:7v6:acceptv15:accept-languagew0:f13:1800000000001b7:3600000u13:1800000900000c1:7\
             d1:1d10:4294967295r0:p11:0,1023,4096."
        );
        assert_eq!(decode(encode(&full(), []).as_bytes()).unwrap().0, full());
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
        for text in [
            "",
            "2k0:.",
            "{\"a\":1}",
            "1.",
            "1k24:zz",
            "1k2:ab.",
            "1s99999999999999:1.",
            "1h1:a.",
            "1i1:a.",
            "1w1:a.",
            "1p5:3,2,9.",
            "\u{0}",
        ] {
            assert!(decode(text.as_bytes()).is_err(), "{text}");
        }
        let text = encode(&head(), []).replacen('1', "1Z3:new", 1);
        assert_eq!(decode(text.as_bytes()).unwrap().0, head());
    }
}
