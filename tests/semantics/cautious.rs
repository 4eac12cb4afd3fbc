//! Readings that are easy to get wrong, each with its rule. What is ignored is not yet so.

use super::{NOW, Raw, by_the_letter, one};
use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::date;
use layercake::semantics::freshness::Timestamp;
use layercake::semantics::storage::{RequestFacts, storable};
use layercake::semantics::structured::dictionary;
use layercake::semantics::validation::{Conditions, Validators};

/// RFC 9111 sections 5.2 and 4.2.1: only "=" makes an argument.
#[test]
fn a_forgotten_comma_hides_nothing() {
    for value in
        ["private no-store", "private max-age=60", "no-store private", "public, private no-store", "private x-user"]
    {
        let cc = CacheControl::parse(value.as_bytes());
        assert!((cc.private || cc.no_store) && cc.withheld.is_empty(), "{value}: {cc:?}");
    }
    for value in ["no-cache no-store", "no-cache x"] {
        let cc = CacheControl::parse(value.as_bytes());
        assert!((cc.no_cache || cc.no_store) && cc.withheld.is_empty(), "{value}: {cc:?}");
    }
    assert_eq!(CacheControl::parse(b"max-age 60").max_age, Some(0), "no argument without \"=\"");
}

/// RFC 9111 section 4.2.3, where the age reaches back to before 1970.
#[test]
fn an_old_response_is_old_whatever_the_clock() {
    let fields = Raw(vec![
        ("cache-control", b"max-age=2147483647".to_vec()),
        ("age", b"2147483648".to_vec()),
        ("etag", b"\"v\"".to_vec()),
    ]);
    let facts = RequestFacts { get: true, request_time: NOW, ..RequestFacts::default() };
    let stored = storable(&by_the_letter(), facts, 200, &fields, None, NOW).expect("there is a validator");
    assert!(!stored.freshness.is_fresh(NOW));
}

/// RFC 9110 section 5.6.7, where it is less than a year more.
#[test]
fn more_than_fifty_years_ahead_is_in_the_past() {
    // 1 January 2026
    let received = Timestamp::from_secs(1_767_225_600);
    let read = date::parse(b"Friday, 31-Dec-76 23:59:59 GMT", received).unwrap();
    assert_eq!(date::format(read), "Fri, 31 Dec 1976 23:59:59 GMT");
}

/// As the documentation says.
#[test]
fn what_is_after_the_last_second_is_written_as_it() {
    for seconds in [253_402_300_799, 253_402_300_800, 253_402_400_000, u64::MAX / 1000] {
        assert_eq!(date::format(Timestamp::from_secs(seconds)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}

/// RFC 9651 section 4.2.7.
#[test]
fn bytes_are_base64() {
    for text in ["a=:=a=:", "a=:====:", "a=:a:", "a=:aG=k:"] {
        assert!(dictionary(text.as_bytes(), &mut |_| ()).is_err(), "{text}");
    }
}

/// RFC 9111 section 4.3.4.
#[test]
fn a_strong_tag_confirms_only_itself() {
    let weak = Validators::of(&one("etag", *b"W/\"a\""));
    assert!(!weak.confirmed_by(&one("etag", *b"\"a\"")));
    assert!(weak.confirmed_by(&one("etag", *b"W/\"a\"")));
}

#[test]
fn entity_tags_have_no_escapes() {
    let asked = |tags: &str, ours: &str| {
        Conditions::of(&one("if-none-match", tags), false).not_modified(&one("etag", ours), NOW)
    };
    assert!(asked(r#""","\","!",",""#, r#""!""#), "the client has it");
}
