//! Dates as servers write them, and as they should not.

use std::time::{Duration, SystemTime};

/// A moment and how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Seconds since 1970.
    pub at: u64,
    pub form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Imf,
    Rfc850,
    Asctime,
    /// With a zone that is not `GMT`.
    Zone,
    LowerCase,
    Zero,
    Words,
}

impl Form {
    pub const ALL: [Self; 7] =
        [Self::Imf, Self::Rfc850, Self::Asctime, Self::Zone, Self::LowerCase, Self::Zero, Self::Words];

    /// Whether it is one of the three that RFC 9110 section 5.6.7 knows.
    pub fn is_valid(self) -> bool {
        matches!(self, Self::Imf | Self::Rfc850 | Self::Asctime)
    }
}

impl Date {
    pub fn text(self) -> String {
        let imf = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(self.at));
        let words: Vec<&str> = imf.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let [name, day, month, year, time, _] = words[..] else { unreachable!("{imf}") };
        let day = day.trim_start_matches('0');
        match self.form {
            Form::Imf => imf,
            Form::Rfc850 => format!("{}, {day:0>2}-{month}-{} {time} GMT", full(name), &year[2..]),
            Form::Asctime => format!("{name} {month} {day:>2} {time} {year}"),
            Form::Zone => imf.replace("GMT", "+0000"),
            Form::LowerCase => imf.to_ascii_lowercase(),
            Form::Zero => "0".to_owned(),
            Form::Words => "in an hour".to_owned(),
        }
    }
}

fn full(name: &str) -> &'static str {
    const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    DAYS.into_iter().find(|day| day.starts_with(name)).expect("a day")
}
