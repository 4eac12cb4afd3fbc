//! Which requests share a response: `Vary`, selecting values, narrowed fields.

use super::{Raw, config, one, text};
use layercake::semantics::vary::{Narrow, Varies, selecting_value};
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "accept",
    "Accept-Language",
    "*",
    ",",
    ", ",
    " ",
    "\t",
    "\"",
    "\\",
    ";q=",
    "0.5",
    "1",
    "0",
    "en",
    "it-CH",
    "gzip",
    "br",
];

/// A member of a list: a token, with parameters or without, or a quoted string with commas in it.
fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-c*]{1,2}(;q=0\\.[0-9])?",
        1 => "[a-c ,;]{0,4}".prop_map(|inner| format!("\"{inner}\"")),
        1 => Just("\"a\\\", b\"".to_owned()),
    ]
}

/// The members in one field line or several, with any whitespace and empty members between them.
fn spread(members: Vec<String>) -> impl Strategy<Value = Raw> {
    let comma = prop::sample::select(vec![",", ", ", " ,\t", ",,", " , , "]);
    let line = any::<bool>();
    prop::collection::vec((comma, line), members.len()).prop_map(move |between| {
        let mut lines = vec![String::new()];
        for (member, (comma, new_line)) in members.iter().zip(between) {
            let last = lines.last_mut().unwrap();
            *last += member;
            if new_line { lines.push(" ".to_owned()) } else { *last += comma }
        }
        Raw(lines.into_iter().map(|line| ("accept-x", line.into_bytes())).collect())
    })
}

fn several() -> impl Strategy<Value = (Vec<String>, Raw)> {
    prop::collection::vec(member(), 0..4).prop_flat_map(|members| (Just(members.clone()), spread(members)))
}

fn languages() -> impl Strategy<Value = Vec<(&'static str, u16)>> {
    prop::collection::vec((prop::sample::select(vec!["en", "it", "pt-br", "de", "fr"]), 0..=1000_u16), 0..5)
}

fn weighted(list: &[(&str, u16)]) -> String {
    list.iter().map(|(name, q)| format!("{name};q={}.{:03}", q / 1000, q % 1000)).collect::<Vec<_>>().join(", ")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn vary_reads_anything(value in text(WORDS), origin in prop::option::of(text(WORDS))) {
        let mut fields = one("vary", value.clone());
        fields.0.extend(origin.map(|origin| ("access-control-allow-origin", origin)));
        match Varies::of(&fields) {
            Varies::Any => prop_assert!(!value.trim_ascii().is_empty()),
            Varies::On(names) => {
                prop_assert!(!value.contains(&b'*') || value.windows(2).any(|pair| pair.contains(&b'*') && pair != b"*,"));
                prop_assert!(names.is_sorted() && names.iter().all(|name| !name.is_empty() && **name == name.to_ascii_lowercase()));
                // The names written down are the same names again.
                let again = one("vary", names.join(", "));
                prop_assert_eq!(Varies::of(&again), Varies::On(names));
            }
        }
    }

    #[test]
    fn a_star_anywhere_is_any(
        front in prop::collection::vec("[a-z-]{1,6}", 0..3),
        back in prop::collection::vec("[a-z-]{1,6}", 0..3),
        lines in any::<bool>(),
    ) {
        let all: Vec<&str> = front.iter().map(String::as_str).chain(["*"]).chain(back.iter().map(String::as_str)).collect();
        let fields = if lines {
            Raw(all.iter().map(|name| ("vary", name.as_bytes().to_vec())).collect())
        } else {
            one("vary", all.join(","))
        };
        prop_assert_eq!(Varies::of(&fields), Varies::Any);
    }

    #[test]
    fn values_are_equal_when_their_members_are(a in several(), b in several()) {
        let value = |fields: &Raw| selecting_value(fields, "accept-x");
        prop_assert_eq!(value(&a.1) == value(&b.1), a.0 == b.0 && a.1.0.is_empty() == b.1.0.is_empty(), "{:?} {:?}", a, b);
    }

    #[test]
    fn the_same_members_spread_in_two_ways_are_one_value(
        (one, other) in prop::collection::vec(member(), 0..4).prop_flat_map(|all| (spread(all.clone()), spread(all))),
    ) {
        prop_assert_eq!(selecting_value(&one, "accept-x"), selecting_value(&other, "accept-x"));
    }

    #[test]
    fn other_fields_are_the_same_only_byte_for_byte(a in text(WORDS), b in text(WORDS)) {
        let value = |text: &[u8]| selecting_value(&one("x-any", text), "x-any");
        prop_assert_eq!(value(&a) == value(&b), a.trim_ascii() == b.trim_ascii());
        prop_assert_ne!(value(&a), selecting_value(&Raw::default(), "x-any"));
    }

    #[test]
    fn what_is_chosen_is_on_the_list(value in text(WORDS)) {
        let choices = ["br", "gzip", "en"].map(Into::into).to_vec();
        let language = Narrow::Language(choices.clone()).choose(Some(&value)).to_owned();
        prop_assert!(choices.contains(&language.into()));
        let coding = Narrow::Encoding(choices.clone()).choose(Some(&value)).to_owned();
        prop_assert!(coding == "identity" || choices.contains(&coding.into()));
    }

    #[test]
    fn the_language_of_the_greatest_weight_is_chosen(wanted in languages()) {
        let tags = ["it", "en", "pt-BR"];
        let narrow = Narrow::Language(tags.map(Into::into).to_vec());
        let of = |tag: &str| wanted.iter().filter(|(name, _)| name.eq_ignore_ascii_case(tag)).map(|(_, q)| *q).max().unwrap_or(0);
        let most = tags.iter().map(|tag| of(tag)).max().unwrap_or(0);
        let expected = if most == 0 { tags[0] } else { tags.into_iter().find(|tag| of(tag) == most).unwrap() };
        prop_assert_eq!(narrow.choose(Some(weighted(&wanted).as_bytes())), expected);
    }

    #[test]
    fn a_coding_of_weight_zero_is_never_chosen(q in prop::collection::vec(0..=2_u16, 2), wild in prop::option::of(0..=1_u16)) {
        let mut wanted = vec![("br", q[0] * 500), ("gzip", q[1] * 500)];
        wanted.extend(wild.map(|q| ("*", q * 1000)));
        let narrow = Narrow::Encoding(["br", "gzip", "zstd"].map(Into::into).to_vec());
        let expected = match (q[0], q[1], wild) {
            (1.., ..) => "br",
            (0, 1.., _) => "gzip",
            (0, 0, Some(1)) => "zstd",
            _ => "identity",
        };
        prop_assert_eq!(narrow.choose(Some(weighted(&wanted).as_bytes())), expected);
    }
}
