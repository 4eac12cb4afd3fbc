//! What the value of a field may be, and which setter takes it.

use crate::policy::{Policy, QueryKey};
use std::time::Duration;

/// A field of an object of the document: everything that reading, suggestions and the schema know of it. `T` is what
/// its value is set on.
pub(super) struct Field<T: 'static> {
    pub(super) name: &'static str,
    pub(super) kind: Kind<T>,
    /// What it does, in one sentence.
    pub(super) about: &'static str,
    /// What holds without it; empty where that need not be said.
    pub(super) default: &'static str,
}

/// What the value is, and the setter that takes it.
pub(super) enum Kind<T: 'static> {
    /// A length of time.
    Time(fn(T, Duration) -> T),
    /// A number of bytes.
    Bytes(fn(T, u64) -> T),
    /// A whole number, at least and at most so much.
    Count(u64, u64, fn(T, u64) -> T),
    /// `true`, or `false` for the default.
    Switch(fn(T) -> T),
    /// `true`.
    Yes(fn(T) -> T),
    Text(fn(T, &str) -> T),
    /// Any texts.
    Names(fn(T, &[&str]) -> T),
    /// One of these words.
    Word(&'static [&'static str], fn(T, &str) -> T),
    /// Some of these words.
    Words(&'static [&'static str], fn(T, &[&str]) -> T),
    /// An object of times by status.
    Statuses(fn(T, u16, Duration) -> T),
    /// An object of further fields.
    Group(&'static [Field<T>]),
    Query(fn(T, QueryKey) -> T),
    Policy(fn(T, Policy) -> T),
    /// A list of rules: a pattern and a policy each.
    Rules(fn(T, Vec<(String, Policy)>) -> T),
}

impl<T> Kind<T> {
    /// What would be taken, in words.
    pub(super) fn expected(&self) -> String {
        let quoted = |words: &[&str], between: &str| {
            let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            words.join(between)
        };
        match self {
            Self::Time(_) => TIME.to_owned(),
            Self::Bytes(_) => "a number of bytes, or text such as \"64KiB\" or \"1MiB\"".to_owned(),
            Self::Count(least, u64::MAX, _) => format!("a whole number, at least {least}"),
            Self::Count(least, most, _) => format!("a whole number from {least} to {most}"),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Yes(_) => "true".to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::Names(_) => "a list of texts".to_owned(),
            Self::Word(words, _) => quoted(words, " or "),
            Self::Words(words, _) => format!("a list of {}", quoted(words, ", ")),
            Self::Statuses(_) => "an object of times by status, such as {\"404\": \"10s\"}".to_owned(),
            Self::Group(fields) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
                format!("an object with the fields {}", names.join(", "))
            }
            Self::Query(_) => {
                "\"whole\", \"ignored\", or an object such as {\"only\": [\"page\"], \"sort\": true}".to_owned()
            }
            Self::Policy(_) => "an object with a policy".to_owned(),
            Self::Rules(_) => "a list of rules, such as [{\"path\": \"/assets/*rest\", \"ttl\": \"1h\"}]".to_owned(),
        }
    }
}

pub(super) const TIME: &str =
    "a number of seconds, or text such as \"200ms\", \"30s\", \"5m\", \"1h\" or \"7d\", at most ten years";
