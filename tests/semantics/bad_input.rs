//! Input that nobody sends in good faith: of every shape and a quarter of a megabyte long, a thousand times over, far in the
//! past and the future. A parser that begins anew at each byte or member would not come to an end here.

use super::{NOW, Raw, by_the_letter, one, secs};
use layercake::entry::wire;
use layercake::policy::cookies::{HARMLESS_COOKIES, all_match};
use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::freshness::{Timestamp, explicit_lifetime, initial_age};
use layercake::semantics::invalidation::Target;
use layercake::semantics::range::{Part, if_range_holds, wanted};
use layercake::semantics::reuse::{Reuse, reuse};
use layercake::semantics::status::ForwardReason;
use layercake::semantics::storage::{NotStored, RequestFacts, Storable, storable};
use layercake::semantics::structured::{dictionary, list, parameters};
use layercake::semantics::validation::{Conditions, Validators};
use layercake::semantics::vary::{Narrow, Varies, selecting_value};
use layercake::semantics::{Fields, date};

const LONG: usize = 1 << 18;

/// What is repeated until it is long.
const SHAPES: &[&str] = &[
    "\"",
    "\\",
    ",",
    "=",
    ";",
    " ",
    "\t",
    "a",
    "9",
    "(",
    ")",
    "-",
    "/",
    "*",
    "?",
    "%",
    ":",
    "\u{e9}",
    "\0",
    "\\\"",
    "\",",
    "\\\",",
    ",\"",
    "\"\\",
    "a,",
    "a=",
    "a=\"",
    "\"a\",",
    "a;a",
    ";a",
    ";a=\"",
    "(a",
    "(a ",
    "(),",
    "%\"",
    "%c3",
    "max-age=1,",
    "max-age=\"",
    "private=\"a\",",
    "private=\"",
    "no-store\"",
    "W/\"a\",",
    "\"a\\\",",
    "bytes=0-1,",
    "0-",
    "../",
    "./",
    "/..",
    "//",
    "a:",
    "Sun, ",
    "_ga=1;",
    "h0:i0:",
    "g0:",
    "q=1;",
    "en;q=0.1,",
];

fn long(shape: &str) -> Vec<u8> {
    shape.bytes().cycle().take(LONG).collect()
}

/// That and some way in, and some way out.
fn framed(shape: &str) -> [Vec<u8>; 4] {
    let long = long(shape);
    let around = |front: &[u8], back: &[u8]| [front, &long, back].concat();
    [around(b"", b""), around(b"x=\"", b"\", no-store"), around(b"private=\"", b""), around(b"a, ", b"max-age=60")]
}

fn store(fields: &Raw) -> Result<Storable, NotStored> {
    let facts = RequestFacts { get: true, request_time: NOW, ..RequestFacts::default() };
    storable(&by_the_letter(), facts, 200, fields, None, NOW)
}

#[test]
fn directives_of_any_shape() {
    for shape in SHAPES {
        for text in framed(shape) {
            let cc = CacheControl::parse(&text);
            let again = CacheControl::parse(cc.to_string().as_bytes());
            assert!(again == cc, "{shape:?}");
            let _either = (CacheControl::parse_targeted(&text), store(&one("cache-control", text)));
        }
    }
}

#[test]
fn structured_fields_of_any_shape() {
    for shape in SHAPES {
        for text in framed(shape) {
            let mut members = 0;
            let _either = [dictionary, list, parameters].map(|read| read(&text, &mut |_| members += 1).is_ok());
            assert!(members <= 3 * text.len());
        }
    }
}

#[test]
fn selections_of_any_shape() {
    let languages = Narrow::Language(["en", "it"].map(Into::into).to_vec());
    let codings = Narrow::Encoding(["br", "gzip"].map(Into::into).to_vec());
    for shape in SHAPES {
        let text = long(shape);
        assert!(["en", "it"].contains(&languages.choose(Some(&text))));
        assert!(["br", "gzip", "identity"].contains(&codings.choose(Some(&text))));
        assert!(selecting_value(&one("accept", text.clone()), "accept").is_some());
        let fields = Raw(vec![("vary", text.clone()), ("access-control-allow-origin", text.clone())]);
        let _either = (Varies::of(&fields), all_match(&text, HARMLESS_COOKIES));
    }
}

#[test]
fn conditions_of_any_shape() {
    let stored = Raw(vec![("etag", b"\"v\"".to_vec()), ("last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT".to_vec())]);
    for shape in SHAPES {
        let text = long(shape);
        let request = Raw(["if-none-match", "range", "if-range"].map(|name| (name, text.clone())).to_vec());
        let conditions = Conditions::of(&request, true);
        assert!(!conditions.not_modified(&stored, NOW), "{shape:?}");
        let _either = (conditions.wanted(&stored, 10, NOW), wanted(&[b"bytes=", &*text].concat(), 10));
        assert!(!if_range_holds(&text, &stored, NOW));
        assert_eq!(Part::of_content_range(&[b"bytes ", &*text].concat()), None);
        let odd = one("etag", text);
        assert!(Validators::of(&odd).confirmed_by(&odd));
    }
}

#[test]
fn references_dates_and_heads_of_any_shape() {
    let base = Target { scheme: "https".into(), authority: "a.example".into(), path: "/a/b".into(), query: None };
    for shape in SHAPES {
        let text = long(shape);
        for front in ["", "/", "//", "https://a.example/"] {
            let reference = format!("{front}{}", String::from_utf8_lossy(&text));
            assert!(base.refers_to(&reference).is_none_or(|target| target.authority == base.authority));
        }
        let fields = Raw(["age", "date", "expires"].map(|name| (name, text.clone())).to_vec());
        assert_eq!(date::parse(&text, NOW), None);
        assert!(initial_age(&fields, NOW, NOW) <= secs(1 << 31));
        assert_eq!(explicit_lifetime(&CacheControl::default(), false, &fields, NOW), Some(secs(0)));
        for front in ["", "1", "1k24:abababababababababababab"] {
            assert!(wire::decode(&[front.as_bytes(), &text].concat()).is_err(), "{front}{shape:?}");
        }
    }
}

#[test]
fn many_names_and_many_withheld_fields() {
    // As many as a large header holds.
    let names: Vec<String> = (0..20_000_u32).rev().map(|n| format!("x{n:05}")).collect();
    let all = names.join(",");
    let withheld = Raw(vec![("cache-control", format!("max-age=9, private=\"{all}\"").into_bytes())]);
    assert_eq!(store(&withheld).expect("storable").withheld.len(), names.len());
    // What varies on so much varies on everything.
    for (number, stored) in [(64, true), (65, false), (20_000, false)] {
        let vary = names.iter().take(number).cloned().collect::<Vec<_>>().join(",");
        let fields = Raw(vec![("vary", vary.into_bytes()), ("cache-control", b"max-age=9".to_vec())]);
        let varies = store(&fields).map(|stored| stored.varies.len());
        assert_eq!(varies, if stored { Ok(number) } else { Err(NotStored::Vary) });
    }
}

#[test]
fn a_thousand_fields_of_one_name() {
    let many = |name: &'static str, value: &str, last: &str| {
        Raw((0..1000).map(|_| value).chain([last]).map(|value| (name, value.as_bytes().to_vec())).collect())
    };
    let cc = |value, last| CacheControl::parse(&many("cache-control", value, last).field("cache-control").unwrap());
    assert_eq!(cc("max-age=1", "max-age=60").max_age, Some(1));
    assert!(cc("max-age=60", "no-store").no_store && cc("x=\"", "private").private);
    assert_eq!(store(&many("cache-control", "max-age=60", "no-store")), Err(NotStored::NoStore));
    assert_eq!(store(&many("vary", "accept", "*")), Err(NotStored::Vary));
    assert_eq!(initial_age(&many("age", "5", "7"), NOW, NOW), secs(5));
    let expires = many("expires", "Sun, 06 Nov 2094 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMT");
    assert_eq!(
        explicit_lifetime(&CacheControl::default(), false, &expires, NOW),
        Some(secs(0)),
        "a date only when alone"
    );
}

#[test]
fn what_cannot_be_read_is_not_fresh() {
    let edges = |value: &[u8]| one("cache-control", value);
    for value in [
        &b"max-age=\xff"[..],
        b"max-age=6\x000",
        b"max-age=-60",
        b"max-age=- 60",
        b"max-age=6e1",
        b"max-age=0x3c",
        b"max-age=60.0",
        b"max-age=\"60",
        b"max-age=60\"",
        b"max-age==60",
        b"max-age=\"\"",
        b"max-age=",
        b"max-age",
        b"max-age=\xef\xbc\x96",
        b"max-age:60",
        b"max-age=60 60",
        b"max-age=+60",
        b"max-age=6_0",
        b"s-maxage=x, max-age=60",
        b"max-age=x, max-age=60",
        b"maxage=60",
        b"max-age=60;",
        b"max-age=\"6\\0\"",
        b"max-age='60'",
        b"max-age=\t60",
    ] {
        assert_eq!(store(&edges(value)), Err(NotStored::NoLifetime), "{}", value.escape_ascii());
    }
    for (value, reason) in [
        (&b"max-age=60, no-store=\xff"[..], NotStored::NoStore),
        (b"max-age=60, NO-STORE", NotStored::NoStore),
        (b"max-age=60, no-store=\"x", NotStored::NoStore),
        (b"max-age=60, private=\xff", NotStored::Private),
        (b"max-age=60, private=\"", NotStored::Private),
        (b"max-age=60, private=\"\xff\"", NotStored::Private),
        (b"max-age=60, private;x=y", NotStored::Private),
        (b"a=\"b, max-age=60, no-store", NotStored::NoStore),
    ] {
        assert_eq!(store(&edges(value)), Err(reason), "{}", value.escape_ascii());
    }
}

#[test]
fn far_dates_and_odd_ages() {
    let last = "Fri, 31 Dec 9999 23:59:59 GMT";
    let early = "Mon, 01 Jan 1601 00:00:00 GMT";
    let dated = |expires: &str, date: &str, age: &str| {
        Raw(vec![("expires", expires.into()), ("date", date.into()), ("age", age.into())])
    };
    for (fields, lifetime) in [
        (dated(early, last, "0"), Some(0)),
        (dated(last, last, "0"), Some(0)),
        (dated(early, early, "0"), Some(0)),
        (dated(last, early, "0"), Some(253_402_300_799)),
        (dated("Mon, 00 Jan 0000 00:00:00 GMT", early, ""), Some(0)),
        (dated("Sat, 01 Jan 10000 00:00:00 GMT", early, ""), Some(0)),
    ] {
        assert_eq!(explicit_lifetime(&CacheControl::default(), false, &fields, NOW), lifetime.map(secs), "{fields:?}");
    }
    // Whatever the origin's clock says, a clock that cannot be right makes nothing younger than it is.
    assert_eq!(initial_age(&dated(last, last, "-5"), NOW, NOW), secs(0));
    assert_eq!(initial_age(&dated(last, early, "5"), NOW, NOW), secs(NOW.as_secs()));
    assert_eq!(initial_age(&dated(last, last, "99999999999999999999999999"), NOW, NOW), secs(1 << 31));
    let stored = store(&one("cache-control", "max-age=99999999999999999999")).expect("storable").freshness;
    assert_eq!(stored.lifetime, secs(1 << 31));
    let asked = CacheControl::parse(b"max-stale=99999999999, max-age=99999999999");
    for (far, answer) in [
        (Timestamp::from_secs(0), Reuse::Fresh),
        (Timestamp::from_millis(u64::MAX), Reuse::Validate(ForwardReason::Stale)),
    ] {
        assert_eq!(reuse(&stored, Some(&asked), far), answer, "{far:?}");
        assert!(stored.ttl(far) <= 1 << 31);
    }
}
