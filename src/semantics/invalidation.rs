//! What a change at the origin makes void (RFC 9111 section 4.4).

/// Whether an answer of `status` to a request with `method` invalidates what is stored: a 2xx or 3xx to any method that is
/// not known to be safe (RFC 9110 section 9.2.1).
#[must_use]
pub fn invalidates(method: &str, status: u16) -> bool {
    is_unsafe(method) && (200..400).contains(&status)
}

/// Whether the method may change something. Unknown ones may.
#[must_use]
pub fn is_unsafe(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
}

/// A target URI in parts (RFC 9110 section 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `http` or `https`, lower case.
    pub scheme: Box<str>,
    /// Host and port.
    pub authority: Box<str>,
    /// The path; begins with `/`.
    pub path: Box<str>,
    /// The query without its `?`.
    pub query: Option<Box<str>>,
}

impl Target {
    /// What a `Location` or `Content-Location` of an answer to this target refers to (RFC 3986 section 5.2). `None` when it
    /// is of another origin: one site must not void another's entries.
    ///
    /// ```
    /// use layercake::semantics::invalidation::Target;
    /// let base = Target { scheme: "https".into(), authority: "a.example".into(), path: "/x/y".into(), query: None };
    /// assert_eq!(base.refers_to("../z?q=1").map(|t| (t.path, t.query)), Some(("/z".into(), Some("q=1".into()))));
    /// assert_eq!(base.refers_to("https://b.example/z"), None);
    /// ```
    #[must_use]
    pub fn refers_to(&self, reference: &str) -> Option<Self> {
        let reference = before(reference.trim_ascii(), b"#").0;
        let (scheme, behind) = before(reference, b":/?");
        let mut rest = reference;
        if let (true, Some(behind)) = (is_scheme(scheme), behind.strip_prefix(':')) {
            if !scheme.eq_ignore_ascii_case(&self.scheme) {
                return None;
            }
            rest = behind;
        }
        if let Some(behind) = rest.strip_prefix("//") {
            let (authority, behind) = before(behind, b"/?");
            let bare = |authority| without_default_port(&self.scheme, authority);
            if !bare(authority).eq_ignore_ascii_case(bare(&self.authority)) {
                return None;
            }
            rest = if behind.starts_with('/') { behind } else { return Some(self.at("/", behind)) };
        }
        let (path, query) = before(rest, b"?");
        if path.is_empty() {
            let query = if query.is_empty() { self.query.clone() } else { self.at("", query).query };
            return Some(Self { query, ..self.clone() });
        }
        Some(self.at(path, query))
    }

    /// The target at `path`, which is relative to this one's unless it begins with `/`, with a query that begins with `?`.
    fn at(&self, path: &str, query: &str) -> Self {
        let folder = match self.path.bytes().rposition(|b| b == b'/') {
            Some(slash) if !path.starts_with('/') => &self.path[..=slash],
            _ => "",
        };
        let query = query.strip_prefix('?').map(Into::into);
        Self { path: without_dot_segments(&[folder, path].concat()), query, ..self.clone() }
    }
}

/// The authority that a reference names (RFC 3986 section 3.2); `None` for a relative one.
pub(crate) fn authority_of(reference: &str) -> Option<&str> {
    let (scheme, behind) = before(reference.trim_ascii(), b":/?#");
    let rest = if is_scheme(scheme) { behind.strip_prefix(':').unwrap_or(behind) } else { reference.trim_ascii() };
    rest.strip_prefix("//").map(|rest| before(rest, b"/?#").0)
}

/// What stands before the first of these bytes, and the rest with it.
fn before<'a>(text: &'a str, marks: &[u8]) -> (&'a str, &'a str) {
    text.split_at(text.bytes().position(|b| marks.contains(&b)).unwrap_or(text.len()))
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
}

/// RFC 9110 section 4.2.3: the scheme's default port says nothing.
pub(crate) fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    authority.strip_suffix(if scheme == "https" { ":443" } else { ":80" }).unwrap_or(authority)
}

/// RFC 3986 section 5.2.4.
fn without_dot_segments(path: &str) -> Box<str> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path.strip_prefix('/').unwrap_or(path);
    loop {
        let (segment, behind) = before(rest, b"/");
        if segment == ".." {
            out.truncate(out.bytes().rposition(|b| b == b'/').unwrap_or(0));
        }
        let dots = segment == "." || segment == "..";
        if !dots || behind.is_empty() {
            out.push('/');
        }
        if !dots {
            out.push_str(segment);
        }
        match behind.strip_prefix('/') {
            Some(behind) => rest = behind,
            None => return out.into_boxed_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities() {
        for (reference, expected) in [
            ("https://a.example/x?y", Some("a.example")),
            ("//a.example:8443", Some("a.example:8443")),
            ("https://a.example#x", Some("a.example")),
            ("/x//y", None),
            ("x", None),
            ("mailto:a@example", None),
            ("", None),
        ] {
            assert_eq!(authority_of(reference), expected, "{reference}");
        }
    }

    #[test]
    fn which_answers_invalidate() {
        for (method, status, expected) in [
            ("POST", 200, true),
            ("PUT", 204, true),
            ("DELETE", 302, true),
            ("PATCH", 399, true),
            ("FROBNICATE", 200, true),
            ("POST", 400, false),
            ("POST", 500, false),
            ("POST", 101, false),
            ("GET", 200, false),
            ("HEAD", 200, false),
            ("OPTIONS", 200, false),
            ("TRACE", 200, false),
        ] {
            assert_eq!(invalidates(method, status), expected, "{method} {status}");
        }
    }

    #[test]
    fn references() {
        let base = Target {
            scheme: "https".into(),
            authority: "a.example".into(),
            path: "/b/c/d".into(),
            query: Some("q".into()),
        };
        for (reference, expected) in [
            ("/x", Some("/x")),
            ("/x?y=1#z", Some("/x?y=1")),
            ("x", Some("/b/c/x")),
            ("./x", Some("/b/c/x")),
            ("../x", Some("/b/x")),
            ("../../../x", Some("/x")),
            ("..", Some("/b/")),
            (".", Some("/b/c/")),
            ("?y", Some("/b/c/d?y")),
            ("", Some("/b/c/d?q")),
            ("x:y", None),
            ("a/x:y", Some("/b/c/a/x:y")),
            ("https://a.example/x/../y", Some("/y")),
            ("HTTPS://A.Example:443/x", Some("/x")),
            ("https://a.example", Some("/")),
            ("https://a.example?q=1", Some("/?q=1")),
            ("//a.example/x", Some("/x")),
            ("http://a.example/x", None),
            ("https://b.example/x", None),
            ("https://a.example:8443/x", None),
            ("//b.example/x", None),
            ("https://a.example@b.example/", None),
        ] {
            let target = base.refers_to(reference).map(|t| match t.query {
                Some(query) => format!("{}?{query}", t.path),
                None => t.path.into_string(),
            });
            assert_eq!(target.as_deref(), expected, "{reference}");
        }
    }
}
