//! What can be wrong with a table.

#[cfg(feature = "json")]
use crate::policy::document::DocumentError;

/// What is wrong with a table. The table is checked as a whole before the first request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The app's or the environment's name cannot stand in a key.
    #[error("{field}: {value:?} cannot prefix keys; give 1 to 64 ASCII letters, digits, \"-\" or \"_\"")]
    Prefix {
        /// `app` or `environment`.
        field: &'static str,
        /// The name given.
        value: String,
    },
    /// A pattern is given twice, cannot stand beside another, or is not a pattern.
    #[error("rule {rule}, pattern {pattern:?}: {why}")]
    Pattern {
        /// The rule's number, from 1.
        rule: usize,
        /// The pattern given.
        pattern: String,
        /// What the matcher says.
        why: String,
    },
    /// A setting of a policy cannot be meant.
    #[error("rule {rule}, pattern {pattern:?}, field {field}: {value} given, expected {expected}")]
    Policy {
        /// The rule's number, from 1; the fallback's is the last.
        rule: usize,
        /// The rule's pattern.
        pattern: String,
        /// The setter's name.
        field: &'static str,
        /// The value given.
        value: String,
        /// What would be taken.
        expected: &'static str,
    },
    /// The JSON that the table comes from cannot be read.
    #[cfg(feature = "json")]
    #[error(transparent)]
    Document(#[from] DocumentError),
}
