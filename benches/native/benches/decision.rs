//! The rules by themselves, beside `http-cache-semantics` and `httpdate`: same requests and responses in the same run.

use http_cache_semantics::{BeforeRequest, CacheOptions, CachePolicy};
use layercake::semantics::cache_control::CacheControl;
use layercake::semantics::date;
use layercake::semantics::freshness::Timestamp;
use layercake::semantics::storage::StoreRules;
use layercake::semantics::structured::dictionary;
use layercake_bench_native::decision::{decide, store, with_fields};
use layercake_bench_native::fields::{RECEIVED, request, response};
use layercake_bench_native::measure::{Group, criterion};
use std::hint::black_box;
use std::time::{Duration, SystemTime};

fn main() {
    let (mut c, rules, response) = (criterion(), StoreRules::by_the_letter(), response(()));
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(RECEIVED);
    let policy = CachePolicy::new_options(&request(None), &response, received, CacheOptions::default());
    let freshness = store(&rules, &response).freshness;
    let (now, then) = (Timestamp::from_secs(RECEIVED + 17), received + Duration::from_secs(17));
    for (title, directives) in [
        ("decision: fresh hit, a browser's request", None),
        ("decision: fresh hit, max-age=300", Some("max-age=300")),
        ("decision: fresh hit, three directives", Some("max-age=60, min-fresh=5, no-transform")),
    ] {
        let request = request(directives.map(|value| ("cache-control", value)));
        let _ = Group::new(&mut c, title)
            .run("layercake: decide, Age, Cache-Status", || decide(&freshness, black_box(&request), now))
            .run("layercake: that, all fields in a HeaderMap", || {
                with_fields(response.headers(), &decide(&freshness, black_box(&request), now))
            })
            .run("http-cache-semantics: before_request", || match policy.before_request(black_box(&request), then) {
                BeforeRequest::Fresh(parts) => parts,
                BeforeRequest::Stale { .. } => unreachable!("it is fresh"),
            });
    }
    let asked = request(None);
    let _ = Group::new(&mut c, "decision: may it be stored?")
        .run("layercake: storable", || store(&rules, black_box(&response)))
        .run("http-cache-semantics: new, is_storable, ttl", || {
            let policy = CachePolicy::new_options(&asked, black_box(&response), received, CacheOptions::default());
            (policy.is_storable(), policy.time_to_live(received))
        });
    let written = "Thu, 14 Jan 2027 17:12:00 GMT";
    let _ = Group::of_bytes(&mut c, "decision: dates", written.len())
        .run("layercake: date::parse", || date::parse(black_box(written).as_bytes(), now))
        .run("httpdate: parse_http_date", || httpdate::parse_http_date(black_box(written)));
    let directives = "public, max-age=300, s-maxage=600, stale-while-revalidate=60";
    let _ = Group::of_bytes(&mut c, "decision: directives", directives.len())
        .run("CacheControl::parse", || CacheControl::parse(black_box(directives).as_bytes()))
        .run("CacheControl::parse_targeted", || CacheControl::parse_targeted(black_box(directives).as_bytes()))
        .run("structured::dictionary", || {
            let mut members = 0;
            dictionary(black_box(directives).as_bytes(), &mut |_| members += 1).map(|()| members)
        });
    c.final_summary();
}
