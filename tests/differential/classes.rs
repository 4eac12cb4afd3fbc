//! Why the two may differ, each with the section that decides it, and what to do about it.
//!
//! | how a class explains | what it does |
//! | --- | --- |
//! | [`Explains::Rewriting`] | says the same in words that the other side understands |
//! | [`Explains::Refusal`] | knows when layercake may decline to store what may be stored |
//! | [`Explains::Answer`] | knows when layercake answers, or does not, and the other side does not know why |

use super::case::{Argument, Between, Case, Directive, LIFETIMES, NOW, Response, Spelling};
use super::dates::{Date, Form};
use super::{Ours, Verdict};
use layercake::semantics::freshness::Timestamp;
use layercake::semantics::reuse::Reuse;
use layercake::semantics::storage::NotStored;

pub struct Class {
    pub name: &'static str,
    /// RFC 9111 where no other is named.
    pub section: &'static str,
    pub why: &'static str,
    pub explains: Explains,
}

pub enum Explains {
    /// Applied in the order of the table; whether there was something to rewrite.
    Rewriting(fn(&mut Case) -> bool),
    Refusal(fn(&Case, NotStored, &Verdict) -> bool),
    Answer(fn(&Case, &Ours, &Verdict) -> bool),
}

use Explains::{Answer, Refusal, Rewriting};

macro_rules! classes {
    ($($name:ident, $section:literal, $explains:ident, $why:literal;)*) => {
        pub const CLASSES: &[Class] =
            &[$(Class { name: stringify!($name), section: $section, why: $why, explains: $explains($name) }),*];
    };
}

classes! {
    targeted_field, "RFC 9213 2.2", Rewriting, "The first targeted field that is a dictionary replaces Cache-Control and Expires.";
    spelling_of_names, "5.2", Rewriting, "Directives are compared without regard to case.";
    unknown_directives, "5.2.3", Rewriting, "What stands in the quotes of an unknown directive is not a directive, whatever bytes and commas are in it.";
    qualified_forms, "5.2.2.4, 5.2.2.7", Rewriting, "private and no-cache that name fields are about those fields only.";
    arguments_of_flags, "5.2", Rewriting, "A directive without arguments that has one forbids all the same, and allows nothing.";
    unreadable_seconds, "4.2.1", Rewriting, "Freshness information that cannot be read is stale, not absent.";
    capped_seconds, "1.2.2", Rewriting, "Numbers beyond 2^31 are 2^31.";
    first_of_duplicates, "4.2.1", Rewriting, "Of several values the first counts, as that section allows; the other side adds must-revalidate.";
    understood_statuses, "5.2.2.3", Rewriting, "must-understand stands above no-store where the status is understood.";
    final_statuses, "3", Rewriting, "Any final status may be stored; parts are stored as parts (3.3).";
    immutable_says_nothing, "RFC 8246 2", Rewriting, "immutable is about conditional requests and gives no lifetime.";
    pragma_says_nothing, "5.4", Rewriting, "Pragma is deprecated, and never was defined for responses.";
    set_cookie_is_no_obstacle, "7.3", Rewriting, "Set-Cookie does not inhibit caching.";
    proxy_revalidate, "5.2.2.8", Rewriting, "proxy-revalidate means something once the response is stale, not before.";
    never_stale, "4.2.4", Rewriting, "proxy-revalidate, s-maxage and no-cache forbid stale answers too, whatever max-stale the client sends.";
    max_stale_is_inclusive, "5.2.1.2", Rewriting, "Stale by no more than max-stale takes in max-stale itself.";
    forms_of_dates, "RFC 9110 5.6.7", Rewriting, "Three forms of dates are read, and no other zones or spellings.";
    longest_heuristic, "4.2.2", Rewriting, "A heuristic lifetime is layercake's to cap, at a day.";
    value_of_age, "5.1", Rewriting, "The first member of Age counts, where it is digits only, up to 2^31 (1.2.2).";
    response_delay, "4.2.3", Rewriting, "The time the response took is added to its Age.";
    apparent_age, "4.2.3", Rewriting, "A response is no younger than its Date.";
    normalised_values, "4.1", Rewriting, "Whitespace between the members of a selecting field, and how they are spread over lines, make no difference.";
    allowed_origin, "RFC 9110 12.5.5", Rewriting, "What allows one origin to read it depends on Origin, whether or not Vary says so.";
    other_methods, "3", Refusal, "A cache need not store anything; answers to HEAD have no body, and POST is stored elsewhere and only with Content-Location.";
    vary_star, "4.1", Refusal, "What varies on everything never matches, so that it is of no use.";
    vary_without_a_name, "4.1", Refusal, "A field whose name cannot be one cannot be compared.";
    nothing_of_use, "3", Refusal, "What is stale on arrival and can neither be served nor validated is not worth storing.";
    stale_while_revalidate, "RFC 5861 3", Answer, "In this window the stale response answers; the other side does not know it.";
    min_fresh_of_zero, "5.2.1.3", Answer, "min-fresh wants a response that is fresh, by zero seconds as by more.";
}

fn change_all(case: &mut Case, change: impl Fn(&mut Directive) -> bool) -> bool {
    let Case { first, response, second, .. } = case;
    let lists = [&mut first.directives, &mut response.directives, &mut second.directives];
    lists.into_iter().flatten().fold(false, |changed, directive| changed | change(directive))
}

fn retain_all(case: &mut Case, keep: impl Fn(&Directive) -> bool) -> bool {
    let Case { first, response, second, .. } = case;
    let mut changed = false;
    for list in [&mut first.directives, &mut response.directives, &mut second.directives] {
        changed |= !list.iter().all(&keep);
        list.retain(&keep);
    }
    changed
}

fn replace<T: PartialEq>(place: &mut T, by: T) -> bool {
    std::mem::replace(place, by) != *place
}

fn says(directives: &[Directive], name: &str) -> bool {
    directives.iter().any(|directive| directive.name == name)
}

fn targeted_field(case: &mut Case) -> bool {
    let targeted = case.response.targeted.take().filter(|targeted| !targeted.broken);
    let Some(targeted) = targeted else { return false };
    case.response.directives = targeted.directives;
    case.response.expires = None;
    true
}

fn spelling_of_names(case: &mut Case) -> bool {
    change_all(case, |directive| replace(&mut directive.spelling, Spelling::Lower))
}

fn unknown_directives(case: &mut Case) -> bool {
    retain_all(case, |directive| directive.name != "x-ext")
}

fn qualified_forms(case: &mut Case) -> bool {
    // What names no field, or no fields only, is about the whole response.
    let names_none = |rest: &str| matches!(rest, "=\"\"" | "=\"a b\"");
    let changed = change_all(case, |directive| match directive.argument {
        Argument::Fields(rest) if names_none(rest) => replace(&mut directive.argument, Argument::None),
        _ => false,
    });
    retain_all(case, |directive| !matches!(directive.argument, Argument::Fields(_))) || changed
}

fn arguments_of_flags(case: &mut Case) -> bool {
    let odd = |d: &Directive| !LIFETIMES.contains(&d.name) && matches!(d.argument, Argument::Other(_));
    let changed = retain_all(case, |d| !(odd(d) && matches!(d.name, "public" | "must-understand")));
    change_all(case, |d| odd(d) && replace(&mut d.argument, Argument::None)) || changed
}

fn unreadable_seconds(case: &mut Case) -> bool {
    change_all(case, |directive| {
        let unreadable = match directive.argument {
            Argument::Other(_) => true,
            Argument::None => directive.name != "max-stale",
            _ => false,
        };
        let lifetime = LIFETIMES.contains(&directive.name);
        unreadable && lifetime && replace(&mut directive.argument, Argument::Seconds("0".to_owned()))
    })
}

fn capped_seconds(case: &mut Case) -> bool {
    change_all(case, |directive| match &mut directive.argument {
        Argument::Seconds(digits) if digits.parse::<u64>().is_ok_and(|seconds| seconds <= 1 << 31) => false,
        Argument::Seconds(digits) => replace(digits, (1_u64 << 31).to_string()),
        _ => false,
    })
}

fn first_of_duplicates(case: &mut Case) -> bool {
    let all = &mut case.response.directives;
    let mut seen = Vec::new();
    let before = all.len();
    all.retain(|directive| {
        let first = !seen.contains(&directive.name);
        seen.push(directive.name);
        first
    });
    all.len() < before
}

fn understood_statuses(case: &mut Case) -> bool {
    let defined = matches!(case.response.status,
        200..=206 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505);
    if !defined || !says(&case.response.directives, "must-understand") {
        return false;
    }
    case.response.directives.retain(|directive| !matches!(directive.name, "must-understand" | "no-store"));
    true
}

fn final_statuses(case: &mut Case) -> bool {
    let status = match case.response.status {
        206 if case.response.content_range => 200,
        200 | 203 | 204 | 206 | 300..=304 | 307 | 308 | 404 | 405 | 410 | 414 | 501 => return false,
        // One without heuristics.
        200..=599 => 302,
        _ => return false,
    };
    !says(&case.response.directives, "must-understand") && replace(&mut case.response.status, status)
}

fn immutable_says_nothing(case: &mut Case) -> bool {
    retain_all(case, |directive| directive.name != "immutable")
}

fn pragma_says_nothing(case: &mut Case) -> bool {
    let Case { first, response, second, .. } = case;
    let said = [&mut first.pragma, &mut response.pragma, &mut second.pragma];
    said.into_iter().fold(false, |changed, said| changed | std::mem::take(said))
}

fn set_cookie_is_no_obstacle(case: &mut Case) -> bool {
    std::mem::take(&mut case.response.set_cookie)
}

/// A name that the other side does not know, for what matters only once a response is stale.
const ONCE_STALE: &str = "once-stale";

fn proxy_revalidate(case: &mut Case) -> bool {
    change_all(case, |directive| directive.name == "proxy-revalidate" && replace(&mut directive.name, ONCE_STALE))
}

fn never_stale(case: &mut Case) -> bool {
    let forbidding = ["proxy-revalidate", ONCE_STALE, "s-maxage", "no-cache"];
    let forbidden = forbidding.iter().any(|name| says(&case.response.directives, name));
    let asked = &mut case.second.directives;
    let before = asked.len();
    asked.retain(|directive| !(forbidden && directive.name == "max-stale"));
    asked.len() < before
}

fn max_stale_is_inclusive(case: &mut Case) -> bool {
    let asked = case.second.directives.iter_mut().filter(|directive| directive.name == "max-stale");
    asked.fold(false, |changed, directive| {
        let one_more = |digits: &str| digits.parse().map(|seconds: u64| seconds.saturating_add(1).to_string());
        let more = match &directive.argument {
            Argument::Seconds(digits) => one_more(digits),
            Argument::Quoted(digits) => one_more(digits),
            _ => return changed,
        };
        changed | more.is_ok_and(|digits| replace(&mut directive.argument, Argument::Seconds(digits)))
    })
}

fn forms_of_dates(case: &mut Case) -> bool {
    let Response { expires, date, modified, .. } = &mut case.response;
    let plain = |date: Date| Date { form: Form::Imf, ..date };
    let read = |date: &mut Option<Date>| replace(date, date.filter(|date| date.form.is_valid()).map(plain));
    // An Expires that is no date is in the past, and not absent.
    let past = |date: Date| if date.form.is_valid() { plain(date) } else { Date { form: Form::Zero, ..date } };
    let changed = replace(expires, expires.map(past));
    changed | read(date) | read(modified)
}

fn longest_heuristic(case: &mut Case) -> bool {
    const LONG: u64 = 10 * 86_400;
    let response = &mut case.response;
    let explicit =
        response.expires.is_some() || ["max-age", "s-maxage"].iter().any(|name| says(&response.directives, name));
    let from = response.date.map_or(NOW, |date| date.at);
    match &mut response.modified {
        Some(modified) if !explicit && modified.at + LONG < from => replace(&mut modified.at, from - LONG),
        _ => false,
    }
}

fn value_of_age(case: &mut Case) -> bool {
    let value = case.response.age.as_deref().and_then(|age| {
        let first = age.split(',').next()?;
        let seconds = first.bytes().all(|b| b.is_ascii_digit()).then(|| first.parse::<u64>())?;
        Some(seconds.unwrap_or(u64::MAX).min(1 << 31).to_string())
    });
    replace(&mut case.response.age, value)
}

fn at_receipt(case: &Case) -> u64 {
    case.response.age.as_deref().and_then(|age| age.parse().ok()).unwrap_or(0)
}

fn response_delay(case: &mut Case) -> bool {
    let age = at_receipt(case) + std::mem::take(&mut case.delay);
    replace(&mut case.response.age, Some(age.to_string()).filter(|_| age > 0))
}

fn apparent_age(case: &mut Case) -> bool {
    let apparent = case.response.date.filter(|date| date.form.is_valid()).map_or(0, |date| NOW.saturating_sub(date.at));
    let older = apparent > at_receipt(case);
    older && replace(&mut case.response.age, Some(apparent.to_string()))
}

fn normalised_values(case: &mut Case) -> bool {
    let languages = [&mut case.first.languages, &mut case.second.languages];
    languages.into_iter().flatten().fold(false, |changed, (_, between)| replace(between, Between::Plain) || changed)
}

fn allowed_origin(case: &mut Case) -> bool {
    let vary = match case.response.vary {
        None => "origin",
        Some("accept-language") => "accept-language, origin",
        Some("Accept-Language, accept") => "accept-language, accept, origin",
        _ => return false,
    };
    case.response.allow_origin.is_some_and(|origin| origin != "*") && replace(&mut case.response.vary, Some(vary))
}

fn other_methods(case: &Case, reason: NotStored, _: &Verdict) -> bool {
    reason == NotStored::Method && case.method != "GET"
}

fn vary_star(case: &Case, reason: NotStored, theirs: &Verdict) -> bool {
    reason == NotStored::Vary && case.response.vary.is_some_and(|vary| vary.contains('*')) && !theirs.answered
}

fn vary_without_a_name(case: &Case, reason: NotStored, _: &Verdict) -> bool {
    reason == NotStored::Vary && case.response.vary == Some("a b")
}

fn nothing_of_use(case: &Case, reason: NotStored, theirs: &Verdict) -> bool {
    let validated = case.response.etag || case.response.modified.is_some();
    matches!(reason, NotStored::NoLifetime | NotStored::Expired | NotStored::NoCache)
        && theirs.left == [0, 0]
        && (!validated || at_receipt(case) >= 86_400)
}

fn first_seconds(directives: &[Directive], name: &str) -> Option<u64> {
    match &directives.iter().find(|directive| directive.name == name)?.argument {
        Argument::Seconds(digits) => digits.parse().ok(),
        Argument::Quoted(digits) => digits.parse().ok(),
        _ => None,
    }
}

fn stale_while_revalidate(case: &Case, ours: &Ours, theirs: &Verdict) -> bool {
    let (said, asked) = (&case.response.directives, &case.second.directives);
    let forbidding = ["must-revalidate", "proxy-revalidate", ONCE_STALE, "s-maxage", "no-cache"];
    let age = ours.freshness.age(Timestamp::from_secs(NOW + case.later)).as_secs();
    let lifetime = ours.freshness.lifetime.as_secs();
    ours.reuse == Some(Reuse::StaleWhileRevalidate)
        && !theirs.answered
        && theirs.left[1] == 0
        && first_seconds(said, "stale-while-revalidate").is_some_and(|window| age - lifetime < window)
        && !forbidding.iter().any(|name| says(said, name))
        && first_seconds(asked, "min-fresh").is_none_or(|least| age + least <= lifetime)
        // Whoever sends max-stale has the other side's leave too, where it is wide enough.
        && !["no-cache", "max-age", "max-stale"].iter().any(|name| says(asked, name))
}

fn min_fresh_of_zero(case: &Case, ours: &Ours, theirs: &Verdict) -> bool {
    let asked = &case.second.directives;
    !matches!(ours.reuse, Some(Reuse::Fresh | Reuse::Stale | Reuse::StaleWhileRevalidate))
        && theirs.answered
        && theirs.left[1] == 0
        && first_seconds(asked, "min-fresh") == Some(0)
        && says(asked, "max-stale")
}
