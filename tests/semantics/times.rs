//! Dates, ages and lifetimes, against the crate `httpdate` and arithmetic of the test's own.

use super::{NOW, Raw, config, one, secs, text};
use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::date;
use layercake::semantics::freshness::{Timestamp, explicit_lifetime, heuristic_lifetime, initial_age};
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

/// 9999-12-31T23:59:59
const LAST: u64 = 253_402_300_799;

const WORDS: &[&str] = &[
    "Sun, ",
    "Sunday, ",
    "Sun ",
    "06",
    " 6",
    "31",
    "29",
    " ",
    "-",
    " Nov ",
    "-Feb-",
    "1994",
    "1601",
    "9999",
    "94",
    " 08:49:37",
    " 23:59:60",
    " GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "0",
    "-1",
    ", ",
    ",",
    "7",
    "4294967296",
];

fn imf(seconds: u64) -> String {
    httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + secs(seconds))
}

/// The forms of RFC 850 and of C's `asctime()`.
fn older(seconds: u64) -> [String; 2] {
    let imf = imf(seconds);
    let (name, rest) = imf.split_once(", ").unwrap();
    let [day, month, year, time, "GMT"] = rest.split(' ').collect::<Vec<_>>()[..] else { panic!("{imf}") };
    let full = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let full = full.iter().find(|full| full.starts_with(name)).unwrap();
    let one_digit = day.strip_prefix('0').unwrap_or(day);
    [format!("{full}, {day}-{month}-{} {time} GMT", &year[2..]), format!("{name} {month} {one_digit:>2} {time} {year}")]
}

fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![0..=LAST, 0..4_102_444_800_u64, (0..100_u64).prop_map(|before| LAST - before)]
}

fn none() -> CacheControl {
    CacheControl::default()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_date_is_the_same_in_every_form(at in moment(), received in 946_684_800..4_102_444_800_u64) {
        let time = Timestamp::from_secs(at);
        prop_assert_eq!(date::format(time), imf(at));
        prop_assert_eq!(date::parse(imf(at).as_bytes(), NOW), Some(time));
        let [two_digits, asctime] = older(at);
        prop_assert_eq!(date::parse(asctime.as_bytes(), NOW), Some(time), "{}", asctime);
        // Read in the same century, and not more than fifty years before.
        let (first, last) = (946_684_800, 4_102_444_799);
        let received = received.max(at.saturating_sub(49 * 31_556_952));
        if (first..=last).contains(&at) && received <= last {
            let read = date::parse(two_digits.as_bytes(), Timestamp::from_secs(received));
            prop_assert_eq!(read, Some(time), "{} at {}", two_digits, imf(received));
        }
    }

    #[test]
    fn whatever_is_read_as_a_date_is_one_of_the_three_forms(value in text(WORDS)) {
        if let Some(time) = date::parse(&value, NOW) {
            prop_assert!(time.as_secs() <= LAST + 1);
            let (again, first) = (date::format(time), String::from_utf8(value).unwrap());
            // A leap second is the first of the next minute; a day that does not go with its date is let pass.
            prop_assert!(first.contains(":60") || again[17..25] == first[first.find(':').unwrap() - 2..][..8], "{}", first);
        }
    }

    #[test]
    fn ages_are_those_of_the_formula(
        value in prop_oneof![(0..5_000_000_000_u64).prop_map(|n| n.to_string()), "[0-9]{0,12}|-[0-9]{1,4}|[0-9]{1,3}\\.[0-9]", "[0-9]{1,4}, ?[0-9]{1,4}"],
        dated in prop::option::of(0..100_000_u64),
        delay in 0..10_000_u64,
    ) {
        let mut fields = one("age", value.as_bytes());
        if let Some(ago) = dated {
            fields.0.push(("date", imf(NOW.as_secs() - ago).into_bytes()));
        }
        let first = value.split(',').next().unwrap().trim();
        let digits = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
        let said = if digits { first.parse::<u64>().map_or(1 << 31, |age| age.min(1 << 31)) } else { 0 };
        let age = initial_age(&fields, NOW.minus(Duration::from_millis(delay)), NOW);
        let expected = secs(dated.unwrap_or(0)).max(secs(said) + Duration::from_millis(delay));
        prop_assert_eq!(age, expected, "{:?}", fields);
    }

    #[test]
    fn no_bytes_make_an_age_or_lifetime_out_of_bounds(
        age in text(WORDS),
        expires in text(WORDS),
        dated in text(WORDS),
        delay in 0..10_000_u64,
    ) {
        let fields = Raw(vec![("age", age), ("expires", expires), ("date", dated.clone()), ("last-modified", dated)]);
        let delay = Duration::from_millis(delay);
        let initial = initial_age(&fields, NOW.minus(delay), NOW);
        prop_assert!(initial >= delay && initial <= secs(1 << 31) + delay);
        prop_assert!(explicit_lifetime(&none(), false, &fields, NOW).is_some_and(|lifetime| lifetime <= secs(LAST + 1)));
        prop_assert_eq!(explicit_lifetime(&none(), true, &fields, NOW), None);
        prop_assert!(heuristic_lifetime(&fields, NOW, secs(60)).is_none_or(|lifetime| lifetime <= secs(60)));
    }

    #[test]
    fn lifetimes_are_those_of_the_formula(
        offsets in (-100_000..100_000_i64, prop::option::of(-100_000..100_000_i64), -100_000..100_000_i64),
        max_age in prop::option::of(0..100_u32),
        s_maxage in prop::option::of(0..100_u32),
        form in 0..3_usize,
    ) {
        let at = |offset: i64| NOW.as_secs().saturating_add_signed(offset);
        let (expires, dated, modified) = offsets;
        let forms = |at| { let [a, b] = older(at); [imf(at), a, b] };
        let mut fields = one("expires", forms(at(expires))[form].as_bytes());
        fields.0.push(("last-modified", forms(at(modified))[form].as_bytes().to_vec()));
        fields.0.extend(dated.map(|dated| ("date", imf(at(dated)).into_bytes())));
        let cc = CacheControl { max_age, s_maxage, ..none() };
        let from = dated.unwrap_or(0);
        let difference = |later: i64, earlier: i64| secs(u64::try_from(later - earlier).unwrap_or(0));
        let expected = s_maxage.or(max_age).map_or(difference(expires, from), |seconds| secs(u64::from(seconds)));
        prop_assert_eq!(explicit_lifetime(&cc, false, &fields, NOW), Some(expected));
        let tenth = (difference(from, modified) / 10).min(secs(5000));
        prop_assert_eq!(heuristic_lifetime(&fields, NOW, secs(5000)), Some(tenth));
    }
}
