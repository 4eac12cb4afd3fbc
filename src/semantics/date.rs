//! HTTP-date (RFC 9110 section 5.6.7): the three forms a recipient has to accept, and nothing lenient.

use super::freshness::Timestamp;
use std::time::Duration;

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

const FIFTY_YEARS: Duration = Duration::from_secs(50 * 31_556_952);

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
    let ahead = |time: Timestamp| time.since(received) > FIFTY_YEARS;
    if year > this_year + 50 || timestamp(year, month, day, seconds).is_some_and(ahead) {
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

/// Writes an IMF-fixdate, to the second. A time after the year 9999 is written as its last second.
///
/// ```
/// use layercake::semantics::{date, freshness::Timestamp};
/// assert_eq!(date::format(Timestamp::from_secs(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[must_use]
pub fn format(time: Timestamp) -> String {
    let time = time.as_secs().min(LAST_SECOND);
    let seconds = u32::try_from(time % 86_400).unwrap_or(0);
    let days = u32::try_from(time / 86_400).unwrap_or(0);
    // Years that begin in March have their leap day at the end; 400 of them have 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 2 } else { month - 10 };
    let year = era * 400 + year_of_era + u32::from(month < 2);
    let name = |names: &'static [u8]| names.get(..3).unwrap_or_default();
    let mut out = Vec::with_capacity(29);
    let number = |out: &mut Vec<u8>, value: u32, digits: u32| {
        out.extend((0..digits).rev().map(|place| b'0' + u8::try_from(value / 10u32.pow(place) % 10).unwrap_or(0)));
    };
    // 1970-01-01 was a Thursday.
    out.extend(name(DAYS[((days + 3) % 7) as usize].as_bytes()));
    out.extend(b", ");
    number(&mut out, day, 2);
    out.push(b' ');
    out.extend(MONTHS[month as usize % 12]);
    out.push(b' ');
    number(&mut out, year, 4);
    for (mark, value) in [(b' ', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)] {
        out.push(mark);
        number(&mut out, value, 2);
    }
    out.extend(b" GMT");
    String::from_utf8(out).unwrap_or_default()
}

/// 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

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
    fn what_is_written_reads_the_same() {
        let last = u32::try_from(LAST_SECOND / 86_400).unwrap();
        for day in (0..=last).step_by(31).chain([58, 59, 60, 789, 11_016, 47_540, 47_541, last]) {
            let time = Timestamp::from_secs(u64::from(day) * 86_400 + u64::from(day) % 86_400);
            assert_eq!(parse(format(time).as_bytes(), NOW), Some(time), "{}", format(time));
        }
        assert_eq!(format(Timestamp::from_secs(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(format(Timestamp::from_secs(1_709_208_000)), "Thu, 29 Feb 2024 12:00:00 GMT");
        assert!(format(Timestamp::from_millis(u64::MAX)).starts_with("Fri, 31 Dec 9999"));
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
