//! Structured fields: what a generator of its own writes is read as what it meant, and nothing breaks on what is near it.

use super::{config, text};
use layercake::semantics::structured::{Invalid, Kind, Member, dictionary, list, parameters};
use proptest::prelude::*;
use std::fmt::Write;

/// The text of a value and what it is.
type Item = (String, Kind);
/// A key, a value whose text is empty when it is not written, and parameters.
type Entry = (String, Item, Vec<(String, Item)>);

fn key() -> impl Strategy<Value = String> {
    "[a-z*][a-z0-9_.*-]{0,6}"
}

fn thousandths(n: i64) -> Item {
    let (sign, n) = (if n < 0 { "-" } else { "" }, n.abs());
    let fraction = format!("{:03}", n % 1000);
    let fraction = match fraction.trim_end_matches('0') {
        "" => "0",
        short => short,
    };
    (format!("{sign}{}.{fraction}", n / 1000), Kind::Decimal(if sign.is_empty() { n } else { -n }))
}

fn bare_item() -> impl Strategy<Value = Item> {
    const MOST: i64 = 999_999_999_999_999;
    let quoted = "[ -~]{0,8}".prop_map(|text| text.replace('\\', "\\\\").replace('"', "\\\""));
    let display = ".{0,6}".prop_map(|text: String| {
        text.bytes().fold(String::new(), |mut out, b| {
            match b {
                b' '..=b'~' if b != b'%' && b != b'"' => out.push(char::from(b)),
                _ => write!(out, "%{b:02x}").unwrap(),
            }
            out
        })
    });
    prop_oneof![
        prop_oneof![0..100_i64, -MOST..=MOST].prop_map(|n| (n.to_string(), Kind::Integer(n))),
        (0..1_000_000_i64).prop_map(|n| (format!("{n:09}"), Kind::Integer(n))),
        prop_oneof![-5000..5000_i64, -MOST..=MOST].prop_map(thousandths),
        quoted.prop_map(|text| (format!("\"{text}\""), Kind::String)),
        "[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]{0,8}".prop_map(|text| (text, Kind::Token)),
        "([A-Za-z0-9+/]{4}){0,3}([A-Za-z0-9+/]{2}==)?".prop_map(|text| (format!(":{text}:"), Kind::Bytes)),
        any::<bool>().prop_map(|set| (format!("?{}", u8::from(set)), Kind::Boolean(set))),
        (-MOST..=MOST).prop_map(|n| (format!("@{n}"), Kind::Date(n))),
        display.prop_map(|text| (format!("%\"{text}\""), Kind::Display)),
    ]
}

/// Parameters, some of which are true for being there.
fn parameter_list() -> impl Strategy<Value = Vec<(String, Item)>> {
    let value = prop_oneof![2 => bare_item(), 1 => Just((String::new(), Kind::Boolean(true)))];
    prop::collection::vec((key(), value), 0..3)
}

fn pairs(parameters: &[(String, Item)], blank: &str) -> String {
    parameters.iter().fold(String::new(), |mut out, (key, (value, _))| {
        let equals = if value.is_empty() { "" } else { "=" };
        write!(out, ";{blank}{key}{equals}{value}").unwrap();
        out
    })
}

fn item() -> impl Strategy<Value = Item> {
    let inner = prop::collection::vec((bare_item(), parameter_list()), 0..3).prop_map(|items| {
        let items: Vec<String> =
            items.iter().map(|((text, _), parameters)| text.clone() + &pairs(parameters, "")).collect();
        (format!("({})", items.join("  ")), Kind::InnerList)
    });
    prop_oneof![5 => bare_item(), 1 => inner]
}

fn entries(keyed: bool) -> impl Strategy<Value = Vec<Entry>> {
    let value = prop_oneof![4 => item(), 1 => Just((String::new(), Kind::Boolean(true)))]
        .prop_filter("a list has no members without a value", move |(text, _)| keyed || !text.is_empty());
    let key = key().prop_map(move |key| if keyed { key } else { String::new() });
    prop::collection::vec((key, value, parameter_list()), 0..5)
}

fn written(entries: &[Entry], comma: &str, blank: &str) -> String {
    let write = |(key, (value, _), parameters): &Entry| {
        let equals = if key.is_empty() || value.is_empty() { "" } else { "=" };
        format!("{key}{equals}{value}{}", pairs(parameters, blank))
    };
    entries.iter().map(write).collect::<Vec<_>>().join(comma)
}

type Read = for<'a> fn(&'a [u8], &mut dyn FnMut(Member<'a>)) -> Result<(), Invalid>;

fn read(read: Read, text: &[u8]) -> Option<Vec<Entry>> {
    let string = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("structured fields are ASCII");
    let mut seen = Vec::new();
    let result = read(text, &mut |member| {
        let mut inner = Vec::new();
        parameters(member.parameters, &mut |p| inner.push((string(p.key), (string(p.raw), p.kind))))
            .expect("parameters");
        seen.push((string(member.key), (string(member.raw), member.kind), inner));
    });
    result.is_ok().then_some(seen)
}

fn near(text: String) -> impl Strategy<Value = Vec<u8>> {
    let text = text.into_bytes();
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\"\\,;=()?:@%-. *aA0\t".to_vec())];
    prop::collection::vec((any::<prop::sample::Index>(), byte, 0..3_u8), 1..3).prop_map(move |edits| {
        let mut text = text.clone();
        for (at, byte, how) in edits {
            let at = at.index(text.len() + 1);
            match (how, at < text.len()) {
                (0, true) => text[at] = byte,
                (1, true) => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn valid_fields_are_read_as_they_are_meant(
        entries in prop_oneof![entries(true), entries(false)],
        comma in prop::sample::select(vec![",", ", ", "\t, ", " \t,\t "]),
        blank in prop::sample::select(vec!["", " ", "  "]),
    ) {
        let keyed = entries.iter().any(|(key, ..)| !key.is_empty());
        let text = format!("  {}  ", written(&entries, comma, blank));
        prop_assert_eq!(read(if keyed { dictionary } else { list }, text.as_bytes()), Some(entries), "{}", text);
    }

    #[test]
    fn what_is_near_a_valid_field_is_read_or_refused_whole(
        text in entries(true).prop_map(|entries| written(&entries, ", ", "")).prop_flat_map(near),
    ) {
        for parser in [dictionary as Read, list] {
            if let Some(entries) = read(parser, &text) {
                prop_assert_eq!(read(parser, written(&entries, ", ", "").as_bytes()), Some(entries));
            }
        }
    }

    #[test]
    fn a_member_stands_alone_as_in_a_list(text in text(&["a", "=", "1", "-", ".5", "\"", "\\", ";", ",", " ", "(", ")", "?1", ":aGk=:", "@", "%\"", "%c3%bc", "*", "/"])) {
        if let Some(entries) = read(list, &text) {
            for entry in entries {
                let alone = vec![entry];
                prop_assert_eq!(read(list, written(&alone, "", "").as_bytes()), Some(alone));
            }
        }
    }

    #[test]
    fn a_field_that_goes_on_in_another_way_is_none(
        entries in entries(true),
        tail in prop::sample::select(vec![",", ", ", " x", "=", ";", "\"", "(", ")", "\u{e9}", "\0", " ,,", "\n", ", A=1", ", &"]),
    ) {
        prop_assume!(!entries.is_empty());
        let text = written(&entries, ", ", "") + tail;
        prop_assert_eq!(read(dictionary, text.as_bytes()), None, "{}", text);
    }
}
