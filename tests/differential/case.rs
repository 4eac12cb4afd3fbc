//! Cases: a request, the response to it, and a second request, in parts that can be rewritten.

use super::dates::{Date, Form};
use proptest::prelude::*;
use std::fmt;

/// When responses are received, in seconds since 1970: more than the largest age.
pub const NOW: u64 = 2_200_000_000;

#[derive(Clone)]
pub struct Case {
    pub method: &'static str,
    pub first: Request,
    /// How many seconds the response took.
    pub delay: u64,
    pub response: Response,
    /// How many seconds after it the second request comes.
    pub later: u64,
    pub second: Request,
}

#[derive(Clone, Debug, Default)]
pub struct Request {
    pub directives: Vec<Directive>,
    pub authorization: bool,
    pub pragma: bool,
    pub origin: Option<&'static str>,
    /// `Accept-Language`: the members and what stands between them.
    pub languages: Option<(Vec<&'static str>, Between)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// `, `
    Plain,
    Nothing,
    /// Blanks on both sides of the comma, and an empty member.
    Blanks,
    /// Lines of their own.
    Lines,
}

#[derive(Clone, Debug, Default)]
pub struct Response {
    pub status: u16,
    pub directives: Vec<Directive>,
    pub targeted: Option<Targeted>,
    pub expires: Option<Date>,
    pub date: Option<Date>,
    pub modified: Option<Date>,
    pub age: Option<String>,
    pub etag: bool,
    pub set_cookie: bool,
    pub pragma: bool,
    pub content_range: bool,
    pub vary: Option<&'static str>,
    pub allow_origin: Option<&'static str>,
}

/// A targeted field (RFC 9213); a broken one ends in a comma.
#[derive(Clone, Debug)]
pub struct Targeted {
    pub field: &'static str,
    pub directives: Vec<Directive>,
    pub broken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// In lower case.
    pub name: &'static str,
    pub spelling: Spelling,
    pub argument: Argument,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    Lower,
    Upper,
    Title,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    None,
    /// Digits.
    Seconds(String),
    /// Digits in quotes.
    Quoted(&'static str),
    /// Names of fields, with the `=`.
    Fields(&'static str),
    /// Whatever stands behind the name, with the `=`.
    Other(&'static str),
}

pub const LIFETIMES: &[&str] =
    &["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error", "max-stale", "min-fresh"];

impl Directive {
    pub fn new(name: &'static str, argument: Argument) -> Self {
        Self { name, spelling: Spelling::Lower, argument }
    }

    fn text(&self) -> String {
        let name = match self.spelling {
            Spelling::Lower => self.name.to_owned(),
            Spelling::Upper => self.name.to_ascii_uppercase(),
            Spelling::Title => self.name[..1].to_ascii_uppercase() + &self.name[1..],
        };
        match &self.argument {
            Argument::None => name,
            Argument::Seconds(digits) => format!("{name}={digits}"),
            Argument::Quoted(digits) => format!("{name}=\"{digits}\""),
            Argument::Fields(rest) | Argument::Other(rest) => format!("{name}{rest}"),
        }
    }
}

fn joined(directives: &[Directive]) -> String {
    directives.iter().map(Directive::text).collect::<Vec<_>>().join(", ")
}

type Lines = Vec<(&'static str, String)>;

impl Request {
    pub fn lines(&self) -> Lines {
        let mut lines = Lines::new();
        if !self.directives.is_empty() {
            lines.push(("cache-control", joined(&self.directives)));
        }
        if self.authorization {
            lines.push(("authorization", "Basic eDp5".to_owned()));
        }
        if self.pragma {
            lines.push(("pragma", "no-cache".to_owned()));
        }
        lines.extend(self.origin.map(|origin| ("origin", origin.to_owned())));
        match &self.languages {
            None => {}
            Some((members, Between::Lines)) => {
                lines.extend(members.iter().map(|member| ("accept-language", (*member).to_owned())));
            }
            Some((members, between)) => {
                let separator = match between {
                    Between::Nothing => ",",
                    Between::Blanks => " ,\t, ",
                    _ => ", ",
                };
                lines.push(("accept-language", members.join(separator)));
            }
        }
        lines
    }
}

impl Response {
    pub fn lines(&self) -> Lines {
        let mut lines = Lines::new();
        if !self.directives.is_empty() {
            lines.push(("cache-control", joined(&self.directives)));
        }
        if let Some(targeted) = &self.targeted {
            let end = if targeted.broken { "," } else { "" };
            lines.push((targeted.field, joined(&targeted.directives) + end));
        }
        let dates = [("expires", self.expires), ("date", self.date), ("last-modified", self.modified)];
        lines.extend(dates.into_iter().filter_map(|(name, date)| Some((name, date?.text()))));
        lines.extend(self.age.iter().map(|age| ("age", age.clone())));
        for (name, value, present) in [
            ("etag", "\"v1\"", self.etag),
            ("set-cookie", "a=b", self.set_cookie),
            ("pragma", "no-cache", self.pragma),
            ("content-range", "bytes 0-9/20", self.content_range),
        ] {
            if present {
                lines.push((name, value.to_owned()));
            }
        }
        lines.extend(self.vary.map(|vary| ("vary", vary.to_owned())));
        lines.extend(self.allow_origin.map(|origin| ("access-control-allow-origin", origin.to_owned())));
        lines
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut part = |title: String, lines: Lines| {
            writeln!(f, "  {title}")?;
            lines.iter().try_for_each(|(name, value)| writeln!(f, "    {name}: {value}"))
        };
        part(format!("{} /", self.method), self.first.lines())?;
        part(format!("{} after {} s", self.response.status, self.delay), self.response.lines())?;
        part(format!("{} / after {} s more", self.method, self.later), self.second.lines())
    }
}

/// `GET`, a 200 with nothing but what `edit` gives it, and `GET` again after 20 seconds.
pub fn plain(edit: &dyn Fn(&mut Case)) -> Case {
    let response = Response { status: 200, ..Response::default() };
    let request = Request::default();
    let mut case = Case { method: "GET", first: request.clone(), delay: 0, response, later: 20, second: request };
    edit(&mut case);
    case
}

const NUMBERS: &[&str] = &["0", "1", "5", "10", "20", "30", "50", "60"];
const ODD_NUMBERS: &[&str] =
    &["007", "86400", "2147483647", "2147483648", "4294967296", "99999999999999999999", "18446744073709551615"];
const JUNK: &[&str] = &["=", "=-1", "=1.5", "=abc", "=60s", " = 60", "=+60", "='60'", "=\"6 0\"", "=60;x"];
const NAMES: &[&str] = &["=\"x-user\"", "=\"x-user, set-cookie\"", "=x-user", "=\"\"", "=\"a b\"", " =\"x-user\""];

fn choose<T: Clone + fmt::Debug + 'static>(from: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(from.to_vec())
}

fn spelling() -> impl Strategy<Value = Spelling> {
    prop_oneof![8 => Just(Spelling::Lower), 1 => Just(Spelling::Upper), 1 => Just(Spelling::Title)]
}

fn lifetime(names: &[&'static str]) -> impl Strategy<Value = Directive> + use<> {
    let argument = prop_oneof![
        12 => choose(NUMBERS).prop_map(|digits| Argument::Seconds(digits.to_owned())),
        2 => choose(ODD_NUMBERS).prop_map(|digits| Argument::Seconds(digits.to_owned())),
        1 => choose(&["60", "5"]).prop_map(Argument::Quoted),
        1 => choose(JUNK).prop_map(Argument::Other),
        1 => Just(Argument::None),
    ];
    (choose(names), spelling(), argument).prop_map(|(name, spelling, argument)| Directive { name, spelling, argument })
}

fn flag(names: &[&'static str]) -> impl Strategy<Value = Directive> + use<> {
    let argument = prop_oneof![9 => Just(""), 1 => choose(&["=x", "=\"\"", "=0", ";x"])];
    (choose(names), spelling(), argument).prop_map(|(name, spelling, rest)| {
        let argument = match rest {
            "" => Argument::None,
            rest if rest.starts_with('=') && matches!(name, "private" | "no-cache") => Argument::Fields(rest),
            rest => Argument::Other(rest),
        };
        Directive { name, spelling, argument }
    })
}

fn response_directives() -> impl Strategy<Value = Vec<Directive>> {
    let named = (choose(&["private", "no-cache"]), choose(NAMES))
        .prop_map(|(name, fields)| Directive::new(name, Argument::Fields(fields)));
    let unknown = choose(&["=\"no-store, max-age=5\"", "=1", "=\"\u{e9}\"", ""])
        .prop_map(|rest| Directive::new("x-ext", Argument::Other(rest)));
    let directive = prop_oneof![
        6 => lifetime(&["max-age", "max-age", "s-maxage", "stale-while-revalidate"]),
        4 => flag(&[
            "public", "public", "no-store", "no-cache", "private", "must-revalidate", "proxy-revalidate",
            "must-understand", "immutable", "no-transform",
        ]),
        1 => named,
        1 => unknown,
    ];
    // A lifetime with a window behind it is what most rules are about.
    let seconds = |name, from: &[&'static str]| {
        choose(from).prop_map(move |digits| Directive::new(name, Argument::Seconds(digits.to_owned())))
    };
    let window = (seconds("max-age", &["5", "10", "60"]), seconds("stale-while-revalidate", &["10", "60", "600"]))
        .prop_map(|(lifetime, window)| vec![lifetime, window]);
    prop_oneof![3 => prop::collection::vec(directive, 0..5), 1 => window]
}

fn targeted() -> impl Strategy<Value = Targeted> {
    let seconds = |name, digits: &str| Directive::new(name, Argument::Seconds(digits.to_owned()));
    let directives = [
        vec![seconds("max-age", "60")],
        vec![seconds("s-maxage", "10"), seconds("max-age", "5")],
        vec![seconds("max-age", "10"), seconds("stale-while-revalidate", "60")],
        vec![Directive::new("no-store", Argument::None)],
        vec![Directive::new("public", Argument::None)],
        vec![Directive::new("no-cache", Argument::None), seconds("max-age", "30")],
    ];
    (choose(&["cdn-cache-control", "cloudflare-cdn-cache-control"]), choose(&directives), any::<bool>())
        .prop_map(|(field, directives, broken)| Targeted { field, directives, broken })
}

/// A moment `before` or after the receipt. The other side rounds a tenth of a difference to whole seconds, so that here all
/// are multiples of ten.
fn date(offsets: &[i64]) -> impl Strategy<Value = Date> + use<> {
    let form = prop_oneof![6 => Just(Form::Imf), 1 => choose(&Form::ALL)];
    (choose(offsets), form).prop_map(|(offset, form)| Date { at: NOW.saturating_add_signed(offset), form })
}

fn response() -> impl Strategy<Value = Response> {
    const STATUSES: &[u16] =
        &[103, 203, 204, 206, 299, 301, 302, 304, 308, 400, 403, 404, 410, 418, 451, 500, 501, 503, 599, 600];
    const AGES: &[&str] = &["0", "1", "10", "60", "7, 100", "-7", "1.5", "+5", "x", "99999999999", "2147483648"];
    let status = prop_oneof![3 => Just(200), 2 => choose(STATUSES)];
    let one_in = |n: u32| prop::bool::weighted(1.0 / f64::from(n));
    let field = |n: u32, values: &[&'static str]| prop::option::weighted(1.0 / f64::from(n), choose(values));
    let dates = (
        prop::option::weighted(0.3, date(&[-3600, 0, 10, 20, 60, 86_400])),
        prop::option::weighted(0.5, date(&[-86_400, -60, -10, 0, 0, 0, 60])),
        prop::option::weighted(0.3, date(&[-10_000_000, -864_000, -200, -100, 0, 100])),
    );
    let flags = (one_in(3), one_in(12), one_in(12), one_in(2));
    let vary = field(4, &["accept-language", "Accept-Language, accept", "*", "accept-language, *", "a b", "Origin"]);
    let rest = (field(3, AGES), vary, field(10, &["*", "https://a.example"]), prop::option::weighted(0.1, targeted()));
    (status, response_directives(), dates, flags, rest).prop_map(|(status, directives, dates, flags, rest)| Response {
        status,
        directives,
        expires: dates.0,
        date: dates.1,
        modified: dates.2,
        etag: flags.0,
        set_cookie: flags.1,
        pragma: flags.2,
        content_range: status == 206 && flags.3,
        age: rest.0.map(str::to_owned),
        vary: rest.1,
        allow_origin: rest.2,
        targeted: rest.3,
    })
}

fn request(names: &'static [&'static str]) -> impl Strategy<Value = Request> {
    let directive = prop_oneof![3 => lifetime(names), 1 => flag(&["only-if-cached", "no-store", "no-transform"]),
        1 => Just(Directive::new("no-cache", Argument::None))];
    let between = choose(&[Between::Plain, Between::Plain, Between::Nothing, Between::Blanks, Between::Lines]);
    let members = choose(&[vec!["it"], vec!["it", "en;q=0.5"], vec!["en;q=0.5", "it"]]);
    let languages = prop::option::weighted(0.7, (members, between));
    let directives = prop_oneof![1 => Just(Vec::new()), 1 => prop::collection::vec(directive, 1..4)];
    let origin = prop::option::weighted(0.2, choose(&["https://a.example", "https://b.example"]));
    (directives, languages, origin, prop::bool::weighted(0.05)).prop_map(|(directives, languages, origin, pragma)| {
        Request { directives, authorization: false, pragma, origin, languages }
    })
}

pub fn case() -> impl Strategy<Value = Case> {
    let method = prop_oneof![20 => Just("GET"), 1 => Just("HEAD"), 1 => Just("POST")];
    let later = choose(&[0, 1, 5, 9, 10, 11, 20, 30, 40, 50, 60, 61, 70, 90, 120, 1_000_000]);
    let first = (request(&["max-age"]), prop::bool::weighted(0.15), prop::bool::weighted(0.5));
    let second = request(&["max-age", "min-fresh", "max-stale"]);
    let delay = prop_oneof![5 => Just(0), 1 => Just(3)];
    (method, first, delay, response(), later, second).prop_map(|(method, first, delay, response, later, second)| {
        let (mut first, authorization, alike) = first;
        first.authorization = authorization;
        // Most requests are not for another variant.
        if alike {
            (first.languages, first.origin) = (second.languages.clone(), second.origin);
        }
        Case { method, first, delay, response, later, second }
    })
}
