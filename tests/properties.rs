//! What holds for all inputs, not only for those somebody thought of.

use layercake::entry::{Declared, Family, Head, wire};
use layercake::message::RequestView;
use layercake::policy::cookies::{HARMLESS_COOKIES, all_match};
use layercake::policy::key::Keyed;
use layercake::policy::{CacheKey, KeyPrefix, QueryKey, SchemaVersion};
use layercake::semantics::cache_control::{CacheControl, MAX_DELTA_SECONDS};
use layercake::semantics::freshness::{Freshness, Timestamp};
use layercake::semantics::range::Part;
use layercake::semantics::reuse::{Reuse, reuse};
use layercake::semantics::storage::{Lifetime, RequestFacts, StoreRules, storable};
use layercake::semantics::validation::Conditions;
use layercake::semantics::{Fields, date};
use proptest::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

/// Text in which the words and signs of a grammar come up often.
fn words(vocabulary: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(vocabulary).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const CACHE_CONTROL: &[&str] = &[
    "max-age",
    "s-maxage",
    "no-store",
    "private",
    "no-cache",
    "public",
    "max-stale",
    "min-fresh",
    "=",
    ",",
    " ",
    "\"",
    "\\",
    "0",
    "60",
    "99999999999999999999",
    "-1",
    ".",
    "stale-while-revalidate",
    "stale-if-error",
    "MAX-AGE=60",
];

const DATES: &[&str] = &[
    "Sun",
    "Sunday",
    ", ",
    "06",
    "6",
    "31",
    "29",
    " ",
    "-",
    "Nov",
    "Feb",
    "1994",
    "0000",
    "9999",
    "94",
    "00",
    "08:49:37",
    "23:59:60",
    "24:00:00",
    " GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sunday, 06-Nov-94 08:49:37 GMT",
];

const COOKIES: &[&str] = &["_ga", "_gid", "session", "=", ";", "; ", ",", ", ", "\"", "1", "*", "_ga=1"];

const WIRE: &[&str] =
    &["1", "k", "s", "t", "n", "v", "w", "h", "i", ".", ":", "%", "3:200", "0:", "24:", ",", "99999999999:"];

fn timestamp() -> impl Strategy<Value = Timestamp> {
    let usual = 1_700_000_000_000..1_800_000_000_000_u64;
    prop_oneof![4 => usual, 1 => any::<u64>()].prop_map(Timestamp::from_millis)
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![4 => 0..100_000_000_u64, 1 => Just(0), 1 => any::<u64>()].prop_map(Duration::from_millis)
}

fn freshness() -> impl Strategy<Value = Freshness> {
    (timestamp(), span(), span(), span(), span(), any::<bool>()).prop_map(
        |(born, lifetime, stale_while_revalidate, stale_if_error, keep, never_stale)| Freshness {
            born,
            lifetime,
            stale_while_revalidate,
            stale_if_error,
            keep,
            never_stale,
        },
    )
}

fn head() -> impl Strategy<Value = Head> {
    let pairs = prop::collection::vec((".{0,8}", prop::option::of(".{0,8}")), 0..4);
    let tags = prop::collection::vec(".{0,8}", 0..4);
    let first = (any::<[u8; 12]>(), 200..600_u16, freshness(), timestamp(), any::<bool>());
    let second = (any::<Option<u64>>(), any::<u64>(), tags, pairs);
    let family = (any::<u64>(), prop::collection::vec(any::<u32>(), 0..4));
    let declared = (any::<bool>(), any::<bool>(), any::<bool>());
    let third = (family, prop::option::of(part()), timestamp(), declared);
    (first, second, third).prop_map(|(first, second, (family, part, l2_until, declared))| {
        let (key_check, status, freshness, received, shared) = first;
        let (length, epoch, tags, pairs) = second;
        Head {
            key_check,
            status,
            freshness,
            received,
            shared,
            length,
            epoch,
            tags: tags.into_iter().map(String::into_boxed_str).collect(),
            selecting: pairs.into_iter().map(|(n, v)| (n.into_boxed_str(), v.map(String::into_boxed_str))).collect(),
            family: Family { id: family.0, others: family.1 },
            part,
            l2_until,
            declared: Declared { cache_control: declared.0, target: declared.1, weakness: declared.2 },
        }
    })
}

fn part() -> impl Strategy<Value = Part> {
    (any::<u32>(), any::<u32>(), 1..u32::MAX).prop_map(|(first, length, behind)| {
        let (first, length, behind) = (u64::from(first), u64::from(length), u64::from(behind));
        Part { first, last: first + length, total: first + length + behind }
    })
}

fn field_list() -> impl Strategy<Value = wire::FieldList> {
    prop::collection::vec((".{0,12}", bytes()), 0..5)
}

fn encode(head: &Head, fields: &wire::FieldList) -> String {
    wire::encode(head, fields.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}

/// A few fields with any bytes in them.
struct Raw(Vec<(&'static str, Vec<u8>)>);

impl Fields for Raw {
    fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| Cow::Borrowed(value.as_slice()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    scheme: &'static str,
    authority: String,
    path: String,
    query: Option<String>,
}

impl Fields for Target {
    fn field(&self, _: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

impl RequestView for Target {
    fn method(&self) -> &str {
        "GET"
    }
    fn scheme(&self) -> &str {
        self.scheme
    }
    fn authority(&self) -> &str {
        &self.authority
    }
    fn path(&self) -> &str {
        &self.path
    }
    fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }
    fn keep_fields(&self) -> Arc<dyn Fields + Send + Sync> {
        Arc::new(self.clone())
    }
}

/// Parts from a small alphabet, so that two of them are often nearly the same.
fn target() -> impl Strategy<Value = Target> {
    let scheme = prop::sample::select(vec!["http", "https"]);
    (scheme, "[ab./:?]{0,3}", "/[ab?/&=]{0,3}", prop::option::of("[ab?&=/]{0,3}"))
        .prop_map(|(scheme, authority, path, query)| Target { scheme, authority, path, query })
}

fn key(prefix: (&str, u32, &str), target: &Target) -> ([u8; 20], [u8; 12]) {
    let prefix = KeyPrefix::new(prefix.0, SchemaVersion(prefix.1), prefix.2).unwrap();
    let key = CacheKey::of(&prefix, &Keyed::target(target));
    (key.name(), key.check())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cache_control_reads_anything(value in prop_oneof![bytes(), words(CACHE_CONTROL)]) {
        let cc = CacheControl::parse(&value);
        for seconds in [cc.max_age, cc.s_maxage, cc.stale_while_revalidate, cc.stale_if_error, cc.min_fresh] {
            prop_assert!(seconds.is_none_or(|seconds| seconds <= MAX_DELTA_SECONDS));
        }
    }

    #[test]
    fn restrictive_directives_are_seen_among_others(
        front in prop::collection::vec("[a-z-]{1,8}(=([0-9]{1,4}|\"[a-z, =]{0,6}\"))?", 0..4),
        back in prop::collection::vec("[a-z-]{1,8}(=[0-9]{1,4})?", 0..4),
    ) {
        for (directive, seen) in [
            ("no-store", (|cc| cc.no_store) as fn(CacheControl) -> bool),
            ("Private", |cc| cc.private),
            ("no-cache=\"a b\"", |cc| cc.no_cache),
            ("no-cache=\"a, b\"", |cc| cc.withheld.iter().any(|name| **name == *"b")),
        ] {
            let all: Vec<&str> =
                front.iter().map(String::as_str).chain([directive]).chain(back.iter().map(String::as_str)).collect();
            prop_assert!(seen(CacheControl::parse(all.join(", ").as_bytes())), "{}", all.join(", "));
        }
    }

    #[test]
    fn dates_read_anything(text in prop_oneof![bytes(), words(DATES)], received in timestamp()) {
        let last = 253_402_300_799 + 1;
        prop_assert!(date::parse(&text, received).is_none_or(|at| at.as_secs() <= last || received.as_secs() > last));
    }

    #[test]
    fn two_digit_years_are_never_far_ahead(day in 1..29_u32, short in 0..100_u32, received in timestamp()) {
        let text = format!("Sunday, {day:02}-Nov-{short:02} 08:49:37 GMT");
        let fifty_one_years = Duration::from_secs(51 * 366 * 86_400);
        let at = date::parse(text.as_bytes(), received).unwrap();
        prop_assert!(at <= received.plus(fifty_one_years));
    }

    #[test]
    fn a_date_written_is_the_date_read(days in 0..2_932_896_u64, second in 0..86_400_u64) {
        let (mut year, mut left) = (1970, days);
        let leap = |y: u64| y.is_multiple_of(4) && !y.is_multiple_of(100) || y.is_multiple_of(400);
        while left >= 365 + u64::from(leap(year)) {
            left -= 365 + u64::from(leap(year));
            year += 1;
        }
        let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while left >= lengths[month] {
            left -= lengths[month];
            month += 1;
        }
        let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month];
        let day = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let expected = Some(Timestamp::from_secs(days * 86_400 + second));
        for text in [
            format!("{day}, {:02} {name} {year:04} {hour:02}:{minute:02}:{:02} GMT", left + 1, second % 60),
            format!("{day} {name} {:>2} {hour:02}:{minute:02}:{:02} {year:04}", left + 1, second % 60),
        ] {
            prop_assert_eq!(date::parse(text.as_bytes(), Timestamp::default()), expected, "{}", text);
        }
    }

    #[test]
    fn cookies_read_anything(field in prop_oneof![bytes(), words(COOKIES)]) {
        let harmless = all_match(&field, HARMLESS_COOKIES);
        prop_assert_eq!(harmless, all_match(&field, HARMLESS_COOKIES));
        prop_assert!(!all_match::<&str>(&[b"a=1; ", field.as_slice()].concat(), &[]));
    }

    #[test]
    fn a_telling_cookie_is_seen_wherever_it_stands(
        front in prop::collection::vec("(_ga|_gid|_fbp)=[a-z0-9 ]{0,4}", 0..4),
        back in prop::collection::vec("(_ga|_gid|_fbp)=[a-z0-9 ]{0,4}", 0..4),
        separator in prop::sample::select(vec![";", "; ", " ;", ";;", ", "]),
        telling in "(session|ga|gid|x_ga| )=[a-z]{0,3}",
    ) {
        let harmless: Vec<&str> = front.iter().chain(&back).map(String::as_str).collect();
        if separator != ", " {
            prop_assert!(all_match(harmless.join(separator).as_bytes(), HARMLESS_COOKIES));
        }
        let all: Vec<&str> =
            front.iter().map(String::as_str).chain([telling.as_str()]).chain(back.iter().map(String::as_str)).collect();
        prop_assert!(!all_match(all.join(separator).as_bytes(), HARMLESS_COOKIES), "{}", all.join(separator));
    }

    #[test]
    fn conditions_read_anything(value in prop_oneof![bytes(), words(&["*", " ", ",", "\"a\"", "W/"])], date in words(DATES), etag in bytes(), now in timestamp()) {
        let entry = Raw(vec![("etag", etag), ("last-modified", date.clone())]);
        for name in ["if-none-match", "if-modified-since"] {
            for value in [value.clone(), date.clone()] {
                let conditions = Conditions::of(&Raw(vec![(name, value.clone())]), true);
                let _either = conditions.not_modified(&entry, now);
                // `*` asks for any answer at all, and the entry is one (RFC 9110, section 13.1.2).
                let any = name == "if-none-match" && value.trim_ascii() == b"*";
                let bare = conditions.not_modified(&Raw(Vec::new()), now);
                prop_assert_eq!(bare, any, "there is nothing else to compare with");
            }
        }
    }

    #[test]
    fn an_entrys_head_reads_anything(text in prop_oneof![bytes(), words(WIRE)]) {
        if let Ok((head, fields, length)) = wire::decode(&text) {
            prop_assert!(length <= text.len());
            let (again, again_fields, _) = wire::decode(encode(&head, &fields).as_bytes()).unwrap();
            prop_assert_eq!((again, again_fields), (head, fields));
        }
    }

    #[test]
    fn what_is_written_is_what_is_read(head in head(), fields in field_list(), body in bytes()) {
        let text = encode(&head, &fields);
        prop_assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{}", text);
        let whole = [text.as_bytes(), &body].concat();
        let (read, read_fields, length) = wire::decode(&whole).unwrap();
        prop_assert_eq!((read, read_fields, length), (head, fields, text.len()));
    }

    #[test]
    fn a_damaged_head_is_an_error_or_still_a_head(
        head in head(),
        fields in field_list(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut text = encode(&head, &fields).into_bytes();
        let at = at.index(text.len());
        prop_assert!(wire::decode(&text[..at]).is_err());
        text[at] = byte;
        if let Ok((head, fields, length)) = wire::decode(&text) {
            prop_assert!(length <= text.len());
            prop_assert_eq!(wire::decode(encode(&head, &fields).as_bytes()).unwrap().0, head);
        }
    }

    #[test]
    fn nothing_is_fresh_at_the_end_of_its_lifetime(f in freshness(), now in timestamp()) {
        let age = f.age(now);
        prop_assert_eq!(f.is_fresh(now), age < f.lifetime);
        let late = age.saturating_sub(f.lifetime);
        match reuse(&f, None, now) {
            Reuse::Fresh => prop_assert!(age < f.lifetime),
            Reuse::StaleWhileRevalidate => prop_assert!(age >= f.lifetime && late < f.stale_while_revalidate),
            Reuse::Validate(_) => prop_assert!(age >= f.lifetime && late >= f.stale_while_revalidate),
            Reuse::Stale | Reuse::Unsatisfiable => prop_assert!(false, "nobody asked for that"),
        }
        prop_assert_eq!(f.may_serve_on_error(now), age < f.lifetime || late < f.stale_if_error);
    }

    #[test]
    fn what_may_still_be_served_is_still_kept(f in freshness(), now in timestamp()) {
        let served = f.is_fresh(now) || f.may_serve_while_revalidating(now) || f.may_serve_on_error(now);
        prop_assert!(!served || !f.retention_left(now).is_zero());
    }

    #[test]
    fn promotion_never_lengthens_life(f in freshness(), steps in prop::collection::vec(span(), 1..6)) {
        // Each tier keeps the entry for what is left when it gets it.
        let mut now = f.born;
        let end = f.born.plus(f.retention());
        for step in steps {
            now = now.plus(step);
            prop_assert!(now > end || now.plus(f.retention_left(now)) <= end);
        }
    }

    #[test]
    fn the_clients_directives_only_make_the_cache_stricter(
        f in freshness(),
        now in timestamp(),
        directives in words(CACHE_CONTROL),
    ) {
        let free = reuse(&f, None, now);
        let bound = reuse(&f, Some(&CacheControl::parse(&directives)), now);
        // Stricter, that is, but for who takes what is stale (RFC 9111 section 5.2.1.2).
        prop_assert!(bound == free || matches!(bound, Reuse::Validate(_) | Reuse::Unsatisfiable | Reuse::Stale));
        prop_assert!(bound != Reuse::Stale || !(f.never_stale || f.is_fresh(now)));
    }

    #[test]
    fn what_is_stored_is_of_use_and_no_older_than_it_says(
        cache_control in words(CACHE_CONTROL),
        expires in words(DATES),
        age in 0..1000_u64,
        status in 100..700_u16,
        now in timestamp(),
    ) {
        let fields = Raw(vec![
            ("cache-control", cache_control),
            ("expires", expires),
            ("age", age.to_string().into_bytes()),
        ]);
        let rules = StoreRules {
            keep: Duration::from_secs(60),
            max_body: 1000,
            max_variants: 4,
            ..StoreRules::new(Lifetime::Fields(None))
        };
        let facts = RequestFacts { get: true, request_time: now, ..RequestFacts::default() };
        if let Ok(stored) = storable(&rules, facts, status, &fields, None, now) {
            let f = stored.freshness;
            prop_assert!((200..400).contains(&status) && status != 206 && status != 304);
            prop_assert!(!f.usable_left(now).is_zero());
            prop_assert!(f.age(now).as_secs() >= age.min(now.as_secs()));
        }
    }

    #[test]
    fn different_targets_have_different_keys(a in target(), b in target()) {
        // The default port and the case of the host make no difference; there is neither here but ":".
        let prefix = ("shop", 1, "");
        prop_assert_eq!(a == b, key(prefix, &a) == key(prefix, &b));
        if a != b {
            prop_assert_ne!(key(prefix, &a).0, key(prefix, &b).0);
        }
    }

    #[test]
    fn no_single_part_is_left_out_of_the_key(a in target(), suffix in "[ab]{1,2}") {
        let other_scheme = if a.scheme == "http" { "https" } else { "http" };
        let variants = [
            a.clone(),
            Target { scheme: other_scheme, ..a.clone() },
            Target { authority: format!("{}{suffix}", a.authority), ..a.clone() },
            Target { path: format!("{}{suffix}", a.path), ..a.clone() },
            Target { query: Some(format!("{}{suffix}", a.query.clone().unwrap_or_default())), ..a.clone() },
        ];
        let keys = variants.map(|target| key(("shop", 1, ""), &target));
        for (i, one) in keys.iter().enumerate() {
            for other in &keys[i + 1..] {
                prop_assert!(one.0 != other.0 && one.1 != other.1);
            }
        }
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_makes_a_difference(
        text in "[ab/]{2,8}",
        query in "[ab=&]{0,4}",
        cuts in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let (one, other) = (cuts.0.index(text.len()), cuts.1.index(text.len()));
        let cut = |at: usize| Target {
            scheme: "https",
            authority: text[..at].to_owned(),
            path: text[at..].to_owned(),
            query: None,
        };
        let prefix = ("shop", 1, "");
        prop_assert_eq!(one == other, key(prefix, &cut(one)) == key(prefix, &cut(other)));
        let inside = Target { path: format!("{text}?{query}"), ..cut(0) };
        let beside = Target { path: text.clone(), query: Some(query), ..cut(0) };
        prop_assert_ne!(key(prefix, &inside), key(prefix, &beside));
    }

    #[test]
    fn different_prefixes_have_different_keys(
        a in ("[a1-]{1,3}", 0..3_u32, "[a1-]{0,3}"),
        b in ("[a1-]{1,3}", 0..3_u32, "[a1-]{0,3}"),
        target in target(),
    ) {
        let of = |(app, version, environment): &(String, u32, String)| key((app, *version, environment), &target).0;
        prop_assert_eq!(a == b, of(&a) == of(&b));
    }

    #[test]
    fn queries_share_a_key_only_where_the_same_of_them_counts(
        by in prop_oneof![
            Just(QueryKey::whole()),
            Just(QueryKey::whole().sort()),
            Just(QueryKey::only(&["a", "b*"])),
            Just(QueryKey::without(&["a", "b*"]).sort()),
            Just(QueryKey::ignored()),
        ],
        pair in prop::array::uniform2(prop::option::of("([abc]{0,2}(=[ab&=%]{0,2})?&?){0,4}")),
    ) {
        let prefix = KeyPrefix::new("shop", SchemaVersion(1), "").unwrap();
        let [(a, counts_a), (b, counts_b)] = pair.each_ref().map(|query| {
            let counts = by.apply(query.as_deref());
            let path = "/a".into();
            let keyed = Keyed { scheme: "https", authority: "a", by_host: true, path, query: counts.clone(), parts: &[] };
            (CacheKey::of(&prefix, &keyed), counts)
        });
        prop_assert_eq!(a == b, counts_a == counts_b);
        // Each parameter that counts was sent, and as often.
        for (query, counts) in [(&pair[0], &counts_a), (&pair[1], &counts_b)] {
            let count = |text: &str, wanted: &str| text.split('&').filter(|parameter| *parameter == wanted).count();
            for parameter in counts.as_deref().unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
                prop_assert_eq!(count(counts.as_deref().unwrap(), parameter), count(query.as_deref().unwrap(), parameter));
            }
        }
    }

    #[test]
    fn an_entrys_url_stays_on_the_site(target in target(), digits in "[0-9]{2,4}") {
        let prefix = KeyPrefix::new("shop", SchemaVersion(1), "").unwrap();
        let authority = format!("shop.example:{digits}");
        let target = Target { authority: authority.clone(), ..target };
        let url: http::Uri = CacheKey::of(&prefix, &Keyed::target(&target)).url().parse().unwrap();
        let port = match target.scheme {
            "https" => ":443",
            _ => ":80",
        };
        let expected = authority.strip_suffix(port).unwrap_or(&authority);
        prop_assert_eq!(url.authority().map(|a| a.as_str()), Some(expected));
        prop_assert!(url.path().starts_with("/.layercake/") && url.query().is_none());
    }
}
