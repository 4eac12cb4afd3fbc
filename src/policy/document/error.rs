//! What can be wrong with a document.

use std::fmt;

/// What is wrong with a document, and where. Values, names and patterns are given as they were written, cut short where
/// they are long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The text is no JSON.
    #[error("line {line}, column {column}: {why}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1; 0 at the end of a line.
        column: usize,
        /// What the parser says.
        why: String,
    },
    /// There is no such field.
    #[error("{place}, field {field}: there is no such field{}", did_you_mean(suggestion.as_ref()))]
    UnknownField {
        /// Where it stands.
        place: Place,
        /// The name given, behind the names of the objects around it: `hot.size`.
        field: String,
        /// The field that may be meant.
        suggestion: Option<String>,
    },
    /// An object has the same field twice.
    #[error("{place}, field {field}: given twice")]
    Twice {
        /// Where it stands.
        place: Place,
        /// The field's name.
        field: String,
    },
    /// A field that is needed is not there.
    #[error("{place}, field {field}: missing, expected {expected}")]
    Missing {
        /// Where it should stand.
        place: Place,
        /// The field's name.
        field: &'static str,
        /// What would be taken.
        expected: String,
    },
    /// A policy has no base, or more than one.
    #[error("{place}: {} given, expected exactly one of ttl, from_headers, rfc9111 and bypass", bases(given))]
    Base {
        /// Whose policy it is.
        place: Place,
        /// The bases given.
        given: Vec<&'static str>,
    },
    /// A value cannot be taken.
    #[error("{}: {value} given, expected {expected}", place.field(field))]
    Value {
        /// Where it stands.
        place: Place,
        /// The field's name, behind those of the objects around it: `query.only`, `status.404`; empty for the whole.
        field: String,
        /// The value given, as JSON.
        value: String,
        /// What would be taken.
        expected: String,
    },
}

/// Where in a document something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// Outside of the policies.
    Table,
    /// In a rule.
    Rule {
        /// The rule's number, from 1.
        rule: usize,
        /// Its pattern, where it has one that can be read.
        pattern: Option<String>,
    },
    /// In the fallback.
    Fallback,
}

impl Place {
    fn field(&self, name: &str) -> String {
        if name.is_empty() { self.to_string() } else { format!("{self}, field {name}") }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.write_str("table"),
            Self::Rule { rule, pattern: None } => write!(f, "rule {rule}"),
            Self::Rule { rule, pattern: Some(pattern) } => write!(f, "rule {rule}, pattern {pattern:?}"),
            Self::Fallback => f.write_str("fallback"),
        }
    }
}

fn did_you_mean(suggestion: Option<&String>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}

fn bases(given: &[&str]) -> String {
    if given.is_empty() { "no base".to_owned() } else { given.join(" and ") }
}
