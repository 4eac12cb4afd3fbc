//! Parts of a representation: what a client asks (RFC 9110 section 14) and what partial answers a cache may keep and
//! combine (RFC 9111 sections 3.3 and 3.4).

use super::freshness::Timestamp;
use super::{Fields, date, date_of, decimal};
use std::time::Duration;

/// What a client's `Range` makes of a complete representation of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, or one that may be ignored (another unit, not readable, several ranges; section 14.2).
    Whole,
    /// 206 with this part.
    Part(Part),
    /// 416.
    Unsatisfiable,
}

/// A part of a representation: bytes `first` to `last`, both included, of `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// The place of the first byte, from 0.
    pub first: u64,
    /// The place of the last byte.
    pub last: u64,
    /// The length of the whole.
    pub total: u64,
}

impl Part {
    /// Its length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Never: a part has at least one byte.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Whether it is all there is.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.len() == self.total
    }

    /// Whether `inner` lies in it.
    #[must_use]
    pub const fn contains(&self, inner: &Self) -> bool {
        self.total == inner.total && self.first <= inner.first && inner.last <= self.last
    }

    /// The part that both make up together, when they touch or overlap.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Option<Self> {
        let touch = self.total == other.total && self.first <= other.last + 1 && other.first <= self.last + 1;
        touch.then(|| Self { first: self.first.min(other.first), last: self.last.max(other.last), total: self.total })
    }

    /// Reads `Content-Range: bytes 0-499/1234` (14.4). `None` for anything else, an unknown total included.
    #[must_use]
    pub fn of_content_range(value: &[u8]) -> Option<Self> {
        let (unit, rest) = value.trim_ascii().split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let dash = rest.iter().position(|&b| b == b'-')?;
        let slash = rest.iter().position(|&b| b == b'/')?;
        let first = number(rest.get(..dash)?)?;
        let (last, total) = (number(rest.get(dash + 1..slash)?)?, number(rest.get(slash + 1..)?)?);
        (first <= last && last < total).then_some(Self { first, last, total })
    }

    /// The value of `Content-Range`.
    #[must_use]
    pub fn to_content_range(&self) -> String {
        ["bytes ", &decimal(self.first), "-", &decimal(self.last), "/", &decimal(self.total)].concat()
    }
}

/// What `Range: value` asks of a representation of `total` bytes.
///
/// ```
/// use layercake::semantics::range::{Part, Wanted, wanted};
/// assert_eq!(wanted(b"bytes=-3", 10), Wanted::Part(Part { first: 7, last: 9, total: 10 }));
/// assert_eq!(wanted(b"bytes=10-", 10), Wanted::Unsatisfiable);
/// assert_eq!(wanted(b"lines=1-2", 10), Wanted::Whole);
/// ```
#[must_use]
pub fn wanted(value: &[u8], total: u64) -> Wanted {
    let Some((first, last)) = single(value) else { return Wanted::Whole };
    // An empty representation has no part to send, and is all that a suffix of it can be.
    if total == 0 && first.is_none() && last != Some(0) {
        return Wanted::Whole;
    }
    let end = total.saturating_sub(1);
    let (first, last) = match (first, last) {
        (Some(first), last) => (first, last.unwrap_or(end).min(end)),
        // The last so many bytes (14.1.2); all of them when there are fewer.
        (None, suffix) => (total.saturating_sub(suffix.unwrap_or(0)), end),
    };
    if first < total { Wanted::Part(Part { first, last, total }) } else { Wanted::Unsatisfiable }
}

/// First and last place of a `Range` of one range in bytes; `None` for every other.
fn single(value: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, ranges) = value.trim_ascii().split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut ranges = super::list_members(ranges);
    let range = ranges.next()?;
    let dash = range.iter().position(|&b| b == b'-')?;
    let place = |digits: &[u8]| if digits.is_empty() { Some(None) } else { number(digits).map(Some) };
    let (first, last) = (place(range.get(..dash)?)?, place(range.get(dash + 1..)?)?);
    let readable = match (first, last) {
        (None, None) => false,
        (Some(first), Some(last)) => first <= last,
        _ => true,
    };
    (readable && ranges.next().is_none()).then_some((first, last))
}

/// Whether the `If-Range` of a request holds for a stored response, so that its `Range` counts (RFC 9110 section 13.1.5):
/// a strong entity tag that is the stored one, or a date that is exactly `Last-Modified` and a strong validator.
#[must_use]
pub fn if_range_holds(if_range: &[u8], stored: &(impl Fields + ?Sized), now: Timestamp) -> bool {
    let wanted = if_range.trim_ascii();
    if wanted.starts_with(b"\"") {
        return stored.field("etag").is_some_and(|etag| etag.trim_ascii() == wanted);
    }
    match (date::parse(wanted, now), date_of(stored, "last-modified", now), date_of(stored, "date", now)) {
        // 8.8.2.2: strong when it is older than the response by a second at least.
        (Some(wanted), Some(modified), Some(date)) => {
            wanted == modified && date.since(modified) >= Duration::from_secs(1)
        }
        _ => false,
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn part(first: u64, last: u64, total: u64) -> Part {
        Part { first, last, total }
    }

    #[test]
    fn ranges() {
        for (value, expected) in [
            ("bytes=0-4", Wanted::Part(part(0, 4, 10))),
            ("Bytes=0-4", Wanted::Part(part(0, 4, 10))),
            ("bytes=4-4", Wanted::Part(part(4, 4, 10))),
            ("bytes=5-", Wanted::Part(part(5, 9, 10))),
            ("bytes=5-100", Wanted::Part(part(5, 9, 10))),
            ("bytes=-3", Wanted::Part(part(7, 9, 10))),
            ("bytes=-30", Wanted::Part(part(0, 9, 10))),
            ("bytes=0-99999999999999999999999", Wanted::Part(part(0, 9, 10))),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-20", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("lines=0-4", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(wanted(value.as_bytes(), 10), expected, "{value}");
        }
        assert_eq!(wanted(b"bytes=0-0", 0), Wanted::Unsatisfiable);
        assert_eq!(wanted(b"bytes=-1", 0), Wanted::Whole);
        assert_eq!(wanted(b"bytes=-0", 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn content_ranges() {
        for (value, expected) in [
            ("bytes 0-499/1234", Some(part(0, 499, 1234))),
            ("bytes 0-0/1", Some(part(0, 0, 1))),
            ("bytes 0-499/*", None),
            ("bytes */1234", None),
            ("bytes 5-4/10", None),
            ("bytes 0-10/10", None),
            ("lines 0-4/10", None),
            ("bytes 0-4", None),
            ("", None),
        ] {
            assert_eq!(Part::of_content_range(value.as_bytes()), expected, "{value}");
        }
        assert_eq!(part(2, 3, 9).to_content_range(), "bytes 2-3/9");
    }

    #[test]
    fn parts_that_touch_or_overlap_join() {
        for (a, b, expected) in [
            (part(0, 4, 10), part(5, 9, 10), Some(part(0, 9, 10))),
            (part(5, 9, 10), part(0, 4, 10), Some(part(0, 9, 10))),
            (part(0, 6, 10), part(3, 8, 10), Some(part(0, 8, 10))),
            (part(0, 9, 10), part(3, 4, 10), Some(part(0, 9, 10))),
            (part(0, 3, 10), part(5, 9, 10), None),
            (part(0, 4, 10), part(5, 9, 11), None),
        ] {
            assert_eq!(a.joined(&b), expected, "{a:?} {b:?}");
        }
        assert!(part(0, 9, 10).is_whole() && !part(0, 8, 10).is_whole());
        assert!(part(2, 8, 10).contains(&part(2, 8, 10)) && !part(2, 8, 10).contains(&part(1, 3, 10)));
    }

    #[test]
    fn if_range() {
        let now = Timestamp::from_secs(784_111_800);
        let stored: &[(&str, &str)] = &[
            ("etag", "\"v1\""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("date", "Sun, 06 Nov 1994 08:49:40 GMT"),
        ];
        let young: &[(&str, &str)] =
            &[("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:37 GMT")];
        let weak: &[(&str, &str)] = &[("etag", "W/\"v1\"")];
        for (value, fields, expected) in [
            ("\"v1\"", stored, true),
            ("\"v2\"", stored, false),
            ("W/\"v1\"", stored, false),
            ("W/\"v1\"", weak, false),
            ("\"v1\"", weak, false),
            ("Sun, 06 Nov 1994 08:49:37 GMT", stored, true),
            ("Sun Nov  6 08:49:37 1994", stored, true),
            ("Sun, 06 Nov 1994 08:49:38 GMT", stored, false),
            ("Sun, 06 Nov 1994 08:49:37 GMT", young, false),
            ("garbage", stored, false),
        ] {
            assert_eq!(if_range_holds(value.as_bytes(), fields, now), expected, "{value}");
        }
    }
}
