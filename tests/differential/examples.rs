//! For each class a case that only it explains, and cases on which both sides agree.

use super::case::{Argument, Between, Case, Directive, NOW, Spelling, Targeted};
use super::dates::{Date, Form};

pub type Edit = fn(&mut Case);

fn says(directives: &mut Vec<Directive>, name: &'static str, argument: Argument) {
    directives.push(Directive::new(name, argument));
}

fn flag(directives: &mut Vec<Directive>, name: &'static str) {
    says(directives, name, Argument::None);
}

fn seconds(directives: &mut Vec<Directive>, name: &'static str, seconds: u64) {
    says(directives, name, Argument::Seconds(seconds.to_string()));
}

fn fresh(case: &mut Case) {
    seconds(&mut case.response.directives, "max-age", 60);
}

fn ago(seconds: u64) -> Option<Date> {
    Some(Date { at: NOW - seconds, form: Form::Imf })
}

fn ahead(seconds: u64, form: Form) -> Option<Date> {
    Some(Date { at: NOW + seconds, form })
}

pub const EXAMPLES: &[(&str, Edit)] = &[
    ("targeted_field", |case| {
        let directives = vec![Directive::new("max-age", Argument::Seconds("60".to_owned()))];
        case.response.targeted = Some(Targeted { field: "cdn-cache-control", directives, broken: false });
    }),
    ("spelling_of_names", |case| {
        fresh(case);
        case.response
            .directives
            .push(Directive { spelling: Spelling::Title, ..Directive::new("private", Argument::None) });
    }),
    ("unknown_directives", |case| {
        says(&mut case.response.directives, "x-ext", Argument::Other("=\"no-store, max-age=5\""));
        fresh(case);
    }),
    ("unknown_directives", |case| {
        fresh(case);
        says(&mut case.response.directives, "x-ext", Argument::Other("=\"\u{e9}\""));
    }),
    ("qualified_forms", |case| {
        fresh(case);
        says(&mut case.response.directives, "private", Argument::Fields("=\"x-user\""));
    }),
    ("arguments_of_flags", |case| {
        fresh(case);
        case.first.authorization = true;
        says(&mut case.response.directives, "public", Argument::Other("=x"));
    }),
    ("arguments_of_flags", |case| {
        fresh(case);
        says(&mut case.response.directives, "no-store", Argument::Other(";x"));
    }),
    ("unreadable_seconds", |case| {
        case.response.etag = true;
        says(&mut case.response.directives, "max-age", Argument::Other(" = 60"));
    }),
    ("unreadable_seconds", |case| {
        fresh(case);
        says(&mut case.second.directives, "max-age", Argument::Other("=soon"));
    }),
    ("capped_seconds", |case| {
        says(&mut case.response.directives, "max-age", Argument::Seconds("99999999999999999999".to_owned()));
    }),
    ("first_of_duplicates", |case| {
        seconds(&mut case.response.directives, "max-age", 10);
        seconds(&mut case.response.directives, "max-age", 60);
        flag(&mut case.second.directives, "max-stale");
    }),
    ("understood_statuses", |case| {
        fresh(case);
        flag(&mut case.response.directives, "no-store");
        flag(&mut case.response.directives, "must-understand");
    }),
    ("final_statuses", |case| {
        fresh(case);
        case.response.status = 403;
    }),
    ("final_statuses", |case| {
        fresh(case);
        (case.response.status, case.response.content_range) = (206, true);
    }),
    ("immutable_says_nothing", |case| {
        case.response.etag = true;
        flag(&mut case.response.directives, "immutable");
    }),
    ("pragma_says_nothing", |case| {
        fresh(case);
        case.second.pragma = true;
    }),
    ("pragma_says_nothing", |case| {
        case.response.expires = ahead(60, Form::Imf);
        case.response.pragma = true;
    }),
    ("set_cookie_is_no_obstacle", |case| {
        fresh(case);
        case.response.set_cookie = true;
    }),
    ("proxy_revalidate", |case| {
        fresh(case);
        flag(&mut case.response.directives, "proxy-revalidate");
    }),
    ("never_stale", |case| {
        seconds(&mut case.response.directives, "s-maxage", 10);
        flag(&mut case.second.directives, "max-stale");
    }),
    ("never_stale", |case| {
        case.response.etag = true;
        flag(&mut case.response.directives, "no-cache");
        flag(&mut case.second.directives, "max-stale");
    }),
    ("max_stale_is_inclusive", |case| {
        seconds(&mut case.response.directives, "max-age", 10);
        seconds(&mut case.second.directives, "max-stale", 10);
    }),
    ("forms_of_dates", |case| case.response.expires = ahead(60, Form::Rfc850)),
    ("forms_of_dates", |case| case.response.expires = ahead(60, Form::Asctime)),
    ("forms_of_dates", |case| {
        case.response.expires = ahead(60, Form::Zone);
        case.response.etag = true;
    }),
    ("longest_heuristic", |case| case.response.modified = ago(10_000_000)),
    ("value_of_age", |case| {
        fresh(case);
        case.response.age = Some("7, 100".to_owned());
    }),
    ("response_delay", |case| {
        fresh(case);
        case.delay = 3;
    }),
    ("apparent_age", |case| {
        fresh(case);
        case.response.date = ago(50);
    }),
    ("normalised_values", |case| {
        fresh(case);
        case.response.vary = Some("accept-language");
        case.first.languages = Some((vec!["it", "en"], Between::Plain));
        case.second.languages = Some((vec!["it", "en"], Between::Nothing));
    }),
    ("allowed_origin", |case| {
        fresh(case);
        case.response.allow_origin = Some("https://a.example");
        case.second.origin = Some("https://b.example");
    }),
    ("other_methods", |case| {
        fresh(case);
        case.method = "HEAD";
    }),
    ("vary_star", |case| {
        fresh(case);
        case.response.vary = Some("accept-language, *");
    }),
    ("vary_without_a_name", |case| {
        fresh(case);
        case.response.vary = Some("a b");
    }),
    ("nothing_of_use", |_| {}),
    ("nothing_of_use", |case| {
        fresh(case);
        case.response.age = Some("60".to_owned());
    }),
    ("nothing_of_use", |case| {
        fresh(case);
        flag(&mut case.response.directives, "no-cache");
    }),
    ("stale_while_revalidate", |case| {
        seconds(&mut case.response.directives, "max-age", 10);
        seconds(&mut case.response.directives, "stale-while-revalidate", 11);
    }),
    ("min_fresh_of_zero", |case| {
        seconds(&mut case.response.directives, "max-age", 10);
        seconds(&mut case.second.directives, "min-fresh", 0);
        flag(&mut case.second.directives, "max-stale");
    }),
];

pub const AGREED: &[&dyn Fn(&mut Case)] = &[
    &fresh,
    &|case| flag(&mut case.response.directives, "no-store"),
    &|case| {
        fresh(case);
        flag(&mut case.response.directives, "private");
    },
    &|case| {
        fresh(case);
        flag(&mut case.first.directives, "no-store");
    },
    &|case| {
        fresh(case);
        case.first.authorization = true;
    },
    &|case| {
        fresh(case);
        flag(&mut case.response.directives, "must-revalidate");
        case.first.authorization = true;
    },
    &|case| {
        fresh(case);
        case.response.expires = ago(3600);
    },
    &|case| {
        case.response.expires = ahead(60, Form::Imf);
        case.response.date = ahead(10, Form::Imf);
    },
    &|case| case.response.modified = ago(1000),
    &|case| {
        seconds(&mut case.response.directives, "max-age", 20);
        seconds(&mut case.second.directives, "max-stale", 100);
    },
    &|case| {
        seconds(&mut case.response.directives, "max-age", 25);
        seconds(&mut case.second.directives, "min-fresh", 5);
    },
    &|case| {
        fresh(case);
        seconds(&mut case.second.directives, "max-age", 19);
    },
];
