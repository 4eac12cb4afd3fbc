//! What a client asks of a representation: ranges, `If-Range`, entity tags.

use super::{NOW, Raw, config, one, text};
use layercake::semantics::range::{Part, Wanted, if_range_holds, wanted};
use layercake::semantics::validation::{Conditions, Validators, weaken};
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "bytes",
    "bytes=",
    "Bytes ",
    "-",
    "/",
    "*",
    ",",
    " ",
    "0",
    "9",
    "499",
    "18446744073709551615",
    "18446744073709551616",
    "\"",
    "W/",
    "\"a\"",
    "\\",
    "=",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "+1",
];

fn part() -> impl Strategy<Value = Part> {
    let number = || prop_oneof![4 => 0..20_u64, 1 => 0..u64::MAX / 4];
    (number(), number(), number()).prop_map(|(first, length, behind)| Part {
        first,
        last: first + length,
        total: first + length + behind + 1,
    })
}

/// An entity tag (RFC 9110 section 8.8.3): anything visible but `"`, here without `\` too.
fn tag() -> impl Strategy<Value = String> {
    (prop::bool::weighted(0.3), "[!#-\\[\\]-~]{0,3}")
        .prop_map(|(weak, tag)| format!("{}\"{tag}\"", if weak { "W/" } else { "" }))
}

fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_range_is_within_what_there_is(value in text(WORDS), total in prop_oneof![0..30_u64, any::<u64>()]) {
        if let Wanted::Part(part) = wanted(&value, total) {
            prop_assert!(part.first <= part.last && part.last < part.total && part.total == total);
        }
    }

    #[test]
    fn one_range_is_what_it_says(
        first in prop::option::of(prop_oneof![0..20_u64, any::<u64>()]),
        last in prop::option::of(prop_oneof![0..20_u64, any::<u64>()]),
        total in 0..20_u64,
    ) {
        let digits = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
        let got = wanted(format!("bytes={}-{}", digits(first), digits(last)).as_bytes(), total);
        let places: Vec<u64> = (0..total).filter(|place| match (first, last) {
            (Some(first), last) => *place >= first && last.is_none_or(|last| *place <= last),
            (None, Some(suffix)) => *place + suffix.min(total) >= total,
            (None, None) => true,
        }).collect();
        let valid = match (first, last) {
            (Some(first), Some(last)) => first <= last,
            (None, None) => false,
            _ => true,
        };
        match got {
            // RFC 9110 section 14.1.2: all that a suffix of nothing can be is nothing.
            Wanted::Whole => prop_assert!(!valid || (total == 0 && first.is_none())),
            Wanted::Part(part) => prop_assert!(valid && (part.first..=part.last).eq(places)),
            Wanted::Unsatisfiable => prop_assert!(valid && places.is_empty()),
        }
    }

    #[test]
    fn what_is_written_as_a_content_range_is_read(part in part()) {
        prop_assert_eq!(Part::of_content_range(part.to_content_range().as_bytes()), Some(part));
    }

    #[test]
    fn any_content_range_is_a_part_or_none(value in text(WORDS)) {
        if let Some(part) = Part::of_content_range(&value) {
            prop_assert!(part.first <= part.last && part.last < part.total);
            prop_assert_eq!(part.len(), part.last - part.first + 1);
            prop_assert_eq!(Part::of_content_range(part.to_content_range().as_bytes()), Some(part));
        }
    }

    #[test]
    fn parts_joined_contain_both_and_nothing_else(a in part(), b in part()) {
        let b = Part { total: a.total.max(b.last + 1), ..b };
        let a = Part { total: b.total, ..a };
        let touch = a.first.max(b.first) <= a.last.min(b.last) + 1;
        match a.joined(&b) {
            None => prop_assert!(!touch),
            Some(whole) => {
                prop_assert!(touch && whole.contains(&a) && whole.contains(&b));
                prop_assert!(whole.len() <= a.len() + b.len() && b.joined(&a) == Some(whole));
                prop_assert!(whole.last < whole.total && (!whole.is_whole() || whole.first == 0));
            }
        }
        prop_assert_eq!(a.joined(&Part { total: a.total + 1, ..b }), None);
    }

    #[test]
    fn if_range_takes_a_strong_tag_or_an_old_date(value in text(WORDS), etag in text(WORDS), modified in 0..4_u64) {
        let at = |ago: u64| httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + super::secs(784_111_777 + ago));
        let stored = Raw(vec![
            ("etag", etag.clone()),
            ("last-modified", at(0).into_bytes()),
            ("date", at(modified).into_bytes()),
        ]);
        if if_range_holds(&value, &stored, NOW) {
            let (value, etag) = (value.trim_ascii(), etag.trim_ascii());
            prop_assert!((value == etag && value.starts_with(b"\"")) || (value == at(0).as_bytes() && modified > 0));
        }
        prop_assert!(!if_range_holds(&value, &Raw::default(), NOW));
    }

    #[test]
    fn a_tag_is_found_among_others(
        others in prop::collection::vec(tag(), 0..4),
        ours in tag(),
        there in any::<bool>(),
        place in any::<prop::sample::Index>(),
        comma in prop::sample::select(vec![",", ", ", " , ,"]),
    ) {
        let mut all = others.clone();
        if there {
            all.insert(place.index(all.len() + 1), ours.clone());
        }
        prop_assume!(!all.is_empty());
        let request = one("if-none-match", all.join(comma));
        let stored = one("etag", ours.as_bytes());
        let expected = all.iter().any(|tag| opaque(tag) == opaque(&ours));
        prop_assert_eq!(Conditions::of(&request, false).not_modified(&stored, NOW), expected, "{:?} {}", all, ours);
        prop_assert!(!Conditions::of(&request, false).not_modified(&Raw::default(), NOW));
    }

    #[test]
    fn any_condition_is_answered(tags in text(WORDS), since in text(WORDS), range in text(WORDS), if_range in text(WORDS)) {
        let request = Raw(vec![
            ("if-none-match", tags.clone()),
            ("if-modified-since", since.clone()),
            ("range", range.clone()),
            ("if-range", if_range),
        ]);
        let stored = Raw(vec![("etag", tags), ("last-modified", since)]);
        let conditions = Conditions::of(&request, true);
        let _either = conditions.not_modified(&stored, NOW);
        if let Wanted::Part(part) = conditions.wanted(&stored, 10, NOW) {
            prop_assert_eq!(wanted(&range, 10), Wanted::Part(part));
        }
        prop_assert_eq!(Conditions::of(&request, false).wanted(&stored, 10, NOW), Wanted::Whole);
    }

    #[test]
    fn validators_confirm_themselves_and_weaken_once(tag in tag(), other in tag()) {
        let (of_tag, of_other) = (one("etag", tag.as_bytes()), one("etag", other.as_bytes()));
        let validators = Validators::of(&of_tag);
        prop_assert!(validators.confirmed_by(&of_tag));
        prop_assert!(!validators.confirmed_by(&of_other) || opaque(&tag) == opaque(&other));
        prop_assert_eq!(validators.strong().is_some(), !tag.starts_with("W/"));
        prop_assert_eq!(weaken(&weaken(&tag)), weaken(&tag));
        let weak = Validators::of(&one("etag", weaken(&tag)));
        prop_assert_eq!(weak.strong(), None);
    }
}
