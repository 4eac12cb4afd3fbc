//! Names, and patterns of names.

/// Whether `name` is `pattern`, or begins with what stands before its `*`.
pub(crate) fn matches(name: &[u8], pattern: &str) -> bool {
    let pattern = pattern.as_bytes();
    // Most differ here.
    name.first() == pattern.first() && pattern.strip_suffix(b"*").map_or(name == pattern, |stem| name.starts_with(stem))
        || pattern == b"*"
}
