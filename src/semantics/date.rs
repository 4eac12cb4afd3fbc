//! HTTP-date (RFC 9110 section 5.6.7): the three forms a recipient has to accept, and nothing lenient.

use super::freshness::Timestamp;

/// Parses IMF-fixdate, the RFC 850 form or the asctime form.
///
/// `received` resolves the two-digit year of the RFC 850 form: one that looks more than 50 years ahead
/// is the most recent past year with the same last digits.
///
/// ```
/// use layercake::semantics::{date, freshness::Timestamp};
/// let t = date::parse(b"Sun, 06 Nov 1994 08:49:37 GMT", Timestamp::from_secs(0));
/// assert_eq!(t, Some(Timestamp::from_secs(784_111_777)));
/// assert_eq!(date::parse(b"tomorrow", Timestamp::from_secs(0)), None);
/// ```
#[must_use]
pub fn parse(text: &[u8], received: Timestamp) -> Option<Timestamp> {
    imf_fixdate(text).or_else(|| rfc850(text, received)).or_else(|| asctime(text))
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<Timestamp> {
    let mut p = Parser(text);
    p.day_name(3)?;
    p.literal(b", ")?;
    let day = p.number(2)?;
    p.literal(b" ")?;
    let month = p.month()?;
    p.literal(b" ")?;
    let year = p.number(4)?;
    p.literal(b" ")?;
    let seconds = p.time_of_day()?;
    p.literal(b" GMT")?;
    p.end()?;
    timestamp(year, month, day, seconds)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], received: Timestamp) -> Option<Timestamp> {
    let mut p = Parser(text);
    DAYS.iter().find_map(|day| {
        let rest = p.0.strip_prefix(day.as_bytes())?;
        p.0 = rest;
        Some(())
    })?;
    p.literal(b", ")?;
    let day = p.number(2)?;
    p.literal(b"-")?;
    let month = p.month()?;
    p.literal(b"-")?;
    let short = p.number(2)?;
    p.literal(b" ")?;
    let seconds = p.time_of_day()?;
    p.literal(b" GMT")?;
    p.end()?;
    let this_year = 1970 + u32::try_from(received.as_secs() / 31_556_952).unwrap_or(0).min(8029);
    let mut year = this_year - this_year % 100 + short;
    if year > this_year + 50 {
        year -= 100;
    }
    timestamp(year, month, day, seconds)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<Timestamp> {
    let mut p = Parser(text);
    p.day_name(3)?;
    p.literal(b" ")?;
    let month = p.month()?;
    p.literal(b" ")?;
    let day = if p.literal(b" ").is_some() { p.number(1)? } else { p.number(2)? };
    p.literal(b" ")?;
    let seconds = p.time_of_day()?;
    p.literal(b" ")?;
    let year = p.number(4)?;
    p.end()?;
    timestamp(year, month, day, seconds)
}

struct Parser<'a>(&'a [u8]);

impl Parser<'_> {
    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn number(&mut self, digits: usize) -> Option<u32> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        head.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
    }

    fn day_name(&mut self, letters: usize) -> Option<()> {
        let (head, rest) = self.0.split_at_checked(letters)?;
        self.0 = rest;
        DAYS.iter().any(|day| day.as_bytes().get(..letters) == Some(head)).then_some(())
    }

    fn month(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_at_checked(3)?;
        self.0 = rest;
        MONTHS.iter().zip(1..).find_map(|(name, number)| (*name == head).then_some(number))
    }

    /// `08:49:37`; second 60 is a leap second.
    fn time_of_day(&mut self) -> Option<u32> {
        let hour = self.number(2)?;
        self.literal(b":")?;
        let minute = self.number(2)?;
        self.literal(b":")?;
        let second = self.number(2)?;
        (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Days since 1970-01-01 by the proleptic Gregorian calendar. A date before 1970 is the epoch: for a cache all of
/// them are equally long ago.
fn timestamp(year: u32, month: u32, day: u32, seconds: u32) -> Option<Timestamp> {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day == 0 || day > length {
        return None;
    }
    if year < 1970 {
        return Some(Timestamp::from_secs(0));
    }
    let past = year - 1;
    let leap_days = past / 4 - past / 100 + past / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let before_month = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let month_days = before_month.get(month as usize - 1)? + u32::from(leap && month > 2);
    let days = (year - 1970) * 365 + leap_days + month_days + day - 1;
    Some(Timestamp::from_secs(u64::from(days) * 86_400 + u64::from(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn the_three_forms_agree() {
        let expected = Some(Timestamp::from_secs(784_111_777));
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text.as_bytes(), NOW), expected, "{text}");
        }
    }

    #[test]
    fn known_instants() {
        for (text, secs) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Mon, 01 Jan 1601 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), Some(Timestamp::from_secs(secs)), "{text}");
        }
    }

    #[test]
    fn nothing_lenient() {
        for text in [
            "",
            "0",
            "-1",
            "now",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Xxx, 06 Nov 1994 08:49:37 GMT",
            "Fri, 29 Feb 2100 00:00:00 GMT",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), None, "{text}");
        }
    }
}
